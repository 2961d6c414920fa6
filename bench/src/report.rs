//! What was measured, as text for people and as JSON for programs; plots are made from it.

use crate::commits::Commits;
use crate::jobs::Jobs;
use crate::latency::Latency;
use crate::machine::Machine;
use crate::plot;
use crate::scaling::Scaled;
use crate::start::Start;
use crate::throughput::Measured;
use anyhow::Result;
use serde::Serialize;
use std::fmt::Write;
use std::path::Path;

/// All parts; those that were not run are missing.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    pub machine: Machine,
    pub throughput: Vec<Measured>,
    pub latency: Option<Latency>,
    pub commits: Option<Commits>,
    pub start: Option<Start>,
    pub scaling: Vec<Scaled>,
    pub jobs: Vec<Jobs>,
}

impl Report {
    pub fn new(machine: Machine) -> Self {
        Self {
            machine,
            throughput: Vec::new(),
            latency: None,
            commits: None,
            start: None,
            scaling: Vec::new(),
            jobs: Vec::new(),
        }
    }

    /// Writes `report.txt`, `report.json`, and a plot of what can be plotted.
    pub fn write(&self, dir: &Path) -> Result<()> {
        std::fs::create_dir_all(dir)?;
        std::fs::write(dir.join("report.txt"), self.text())?;
        std::fs::write(dir.join("report.json"), serde_json::to_string_pretty(self)? + "\n")?;
        if self.throughput.iter().any(|m| !m.peers.is_empty()) {
            plot::throughput(&self.throughput, &dir.join("throughput.svg"))?;
        }
        if let Some(commits) = &self.commits {
            plot::commits(commits, &dir.join("commits.svg"))?;
        }
        Ok(())
    }

    /// Tables of everything that was run.
    pub fn text(&self) -> String {
        let m = &self.machine;
        let mut out = format!(
            "{}, {} cores, {} GiB, Linux {}, load {} at the start; medians\n",
            m.cpu, m.cores, m.memory_gib, m.kernel, m.load
        );
        self.throughput_text(&mut out);
        if let Some(l) = &self.latency {
            let _ = write!(
                out,
                "\nlatency from event to file, {} ms epochs, {:.2} M rows/s (half of the top rate): p50 {:.0} ms, p99 {:.0} ms, highest {:.0} ms\n",
                l.epoch_ms,
                l.rows_per_s / 1e6,
                l.p50_ms,
                l.p99_ms,
                l.max_ms
            );
        }
        if let Some(c) = &self.commits {
            commits_text(c, &mut out);
        }
        if let Some(s) = &self.start {
            start_text(s, &mut out);
        }
        if !self.scaling.is_empty() {
            let _ = writeln!(
                out,
                "\n{:<30} {:>9} {:>10} {:>12} {:>16}",
                "scaling", "", "M rows/s", "CPU ns/row", "ns/row/operator"
            );
            for s in &self.scaling {
                let each = s.cpu_ns_per_row_and_operator.map_or(String::new(), |ns| format!("{ns:.1}"));
                let _ = writeln!(
                    out,
                    "{:<30} {:>9} {:>10.2} {:>12.1} {:>16}",
                    s.what,
                    s.value,
                    s.rows_per_s / 1e6,
                    s.cpu_ns_per_row,
                    each
                );
            }
        }
        if !self.jobs.is_empty() {
            let _ = writeln!(
                out,
                "\n{:<10} {:>6} {:>12} {:>16} {:>10} {:>10}",
                "jobs", "", "CPU ns/row", "% of a core/job", "MiB/job", "seconds"
            );
            for j in &self.jobs {
                let ns = j.cpu_ns_per_row.map_or(String::new(), |ns| format!("{ns:.1}"));
                let percent = j.cpu_percent_per_job.map_or(String::new(), |p| format!("{p:.3}"));
                let _ = writeln!(
                    out,
                    "{:<10} {:>6} {:>12} {:>16} {:>10.1} {:>10.2}",
                    j.kind, j.jobs, ns, percent, j.mib_per_job, j.start_seconds
                );
            }
        }
        out
    }

    fn throughput_text(&self, out: &mut String) {
        if self.throughput.is_empty() {
            return;
        }
        let _ = writeln!(
            out,
            "\n{:<12} {:<8} {:>8} {:>7} {:>6} {:>6} {:>7} {:>7}   {:<13} {:>7} {:>7} {:>6} {:>7} {:>7}",
            "workload",
            "",
            "M/s",
            "us CPU",
            "MiB",
            "least",
            "source",
            "plain",
            "Flink",
            "M/s",
            "us CPU",
            "MiB",
            "ratio",
            "CPU"
        );
        for m in &self.throughput {
            let reached = if m.wasmill.events_per_s >= m.least_per_s { "reached" } else { "below" };
            let mut ours = format!(
                "{:<12} {:<8} {:>8.2} {:>7.3} {:>6.0} {:>6.1} {:>7.1} {:>7.1}",
                m.name,
                reached,
                m.wasmill.events_per_s / 1e6,
                m.wasmill.cpu_us_per_event,
                m.wasmill.peak_mib,
                m.least_per_s / 1e6,
                m.source_ns,
                m.plain.whole_ns,
            );
            if m.peers.is_empty() {
                let _ = writeln!(out, "{ours}");
            }
            for peer in &m.peers {
                let _ = writeln!(
                    out,
                    "{ours}   {:<13} {:>7.2} {:>7.3} {:>6.0} {:>6.1}x {:>6.1}x",
                    peer.label,
                    peer.flink.events_per_s / 1e6,
                    peer.flink.cpu_us_per_event,
                    peer.flink.peak_mib,
                    peer.ratio(&m.wasmill),
                    peer.cpu_ratio(&m.wasmill),
                );
                ours = " ".repeat(ours.len());
            }
        }
        out.push_str(
            "source: ns per event of a job of the source alone. plain: ns per event of a plain loop that makes or reads \
             the rows and does the same.\n",
        );
        let _ = writeln!(
            out,
            "\n{:<12} {:>9} {:>9} {:>9} {:>10} {:>11} {:>9}",
            "ns a row", "guest", "boundary", "state", "bytes", "plain loop", "x plain"
        );
        for m in &self.throughput {
            let whole = 1e9 / m.wasmill.events_per_s;
            let _ = writeln!(
                out,
                "{:<12} {:>9.1} {:>9.1} {:>9.1} {:>10.0} {:>11.1} {:>9.2}",
                m.name,
                m.times.guest_ns,
                m.times.boundary_ns,
                m.times.state_ns,
                m.times.bytes,
                m.plain.loop_ns,
                whole / m.plain.whole_ns
            );
        }
        out.push_str(
            "plain loop: without making or reading the rows. x plain: the whole job's time per event against the whole \
             plain loop's.\n",
        );
    }
}

fn commits_text(c: &Commits, out: &mut String) {
    let _ = writeln!(
        out,
        "\n{:<12} {:>10} {:>9} {:>9} {:>9} {:>9}   ({} keys of 100 bytes, loaded in {:.0} s; the disk syncs {:.0} MB/s)",
        "dirty keys", "commit ms", "stall ms", "align ms", "MB", "x bytes", c.keys, c.load_seconds, c.disk_mb_per_s
    );
    for p in &c.points {
        let _ = writeln!(
            out,
            "{:<12} {:>10.1} {:>9.1} {:>9.1} {:>9.2} {:>9.2}",
            p.dirty, p.commit_ms, p.stall_ms, p.align_ms, p.megabytes, p.amplification
        );
    }
    let _ = writeln!(out, "from the start behind SIGKILL to the first new output: {:.0} ms", c.recovery_ms);
}

fn start_text(s: &Start, out: &mut String) {
    let _ = write!(
        out,
        "\nstart to end of a job of one row: {:.0} ms with its module ({:.0} KiB) in the cache, {:.0} ms when it is compiled\n\
         row to output: {:.1} ms; behind a row that traps: {:.1} ms ({} ms epochs)\n\
         from the start behind SIGKILL under load, a million keys, to the first new output: {:.0} ms\n",
        s.cached_ms, s.module_kib, s.compiled_ms, s.row_ms, s.row_behind_trap_ms, s.epoch_ms, s.restart_ms
    );
}
