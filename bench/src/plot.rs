//! Plots as SVG files, readable on light and dark pages.

use crate::commits::Commits;
use crate::throughput::Measured;
use anyhow::{Result, anyhow};
use plotters::prelude::*;
use std::path::Path;

const OURS: RGBColor = RGBColor(0x1f, 0x77, 0xb4);
const THEIRS: RGBColor = RGBColor(0xe6, 0x52, 0x6f);
const TEXT: RGBColor = RGBColor(0x33, 0x33, 0x33);
const PAPER: RGBColor = RGBColor(0xfc, 0xfc, 0xfa);

/// A bar per side and workload, events per second on a logarithmic axis.
pub fn throughput(measured: &[Measured], path: &Path) -> Result<()> {
    let bars = bars(measured);
    let height = 90 + 26 * bars.len() as u32;
    let root = SVGBackend::new(path, (860, height)).into_drawing_area();
    root.fill(&PAPER).map_err(failed)?;
    let most = bars.iter().map(|bar| bar.rate).fold(1.0, f64::max);
    let least = bars.iter().map(|bar| bar.rate).fold(most, f64::min) / 2.0;
    let label = |size: i32| ("sans-serif", size).into_font().color(&TEXT);
    root.draw(&Text::new("Events per second, parallelism 1, logarithmic", (20, 16), label(17))).map_err(failed)?;
    let (left, right) = (250.0, 740.0);
    let x = |rate: f64| (left + (right - left) * (rate / least).ln() / (most / least).ln()) as i32;
    for (i, bar) in bars.iter().enumerate() {
        let y = 50 + 26 * i as i32;
        let color = if bar.ours { OURS } else { THEIRS };
        root.draw(&Text::new(bar.name.clone(), (20, y + 3), label(14))).map_err(failed)?;
        let area = [(left as i32, y), (x(bar.rate), y + 19)];
        root.draw(&Rectangle::new(area, color.filled())).map_err(failed)?;
        root.draw(&Text::new(short(bar.rate), (x(bar.rate) + 6, y + 3), label(14))).map_err(failed)?;
    }
    root.present().map_err(failed)
}

struct Bar {
    name: String,
    rate: f64,
    ours: bool,
}

fn bars(measured: &[Measured]) -> Vec<Bar> {
    let of = |m: &Measured| {
        let ours = Bar { name: format!("{}  Wasmill", m.name), rate: m.wasmill.events_per_s, ours: true };
        let theirs = m.peers.iter().map(|peer| Bar {
            name: format!("{}  Flink, {}", m.name, peer.label),
            rate: peer.flink.events_per_s,
            ours: false,
        });
        std::iter::once(ours).chain(theirs).collect::<Vec<_>>()
    };
    measured.iter().flat_map(of).collect()
}

fn short(rate: f64) -> String {
    match rate {
        r if r >= 1e7 => format!("{:.0} M", r / 1e6),
        r if r >= 1e6 => format!("{:.1} M", r / 1e6),
        r => format!("{:.0} k", r / 1e3),
    }
}

/// Milliseconds of a commit and of the stall, against dirty keys; both axes logarithmic.
pub fn commits(commits: &Commits, path: &Path) -> Result<()> {
    let root = SVGBackend::new(path, (720, 420)).into_drawing_area();
    root.fill(&PAPER).map_err(failed)?;
    let points = |figure: fn(&crate::commits::Point) -> f64| {
        commits.points.iter().map(|p| (p.dirty as f64, figure(p).max(0.01))).collect::<Vec<_>>()
    };
    let (commit, stall) = (points(|p| p.commit_ms), points(|p| p.stall_ms));
    let most = commit.iter().map(|p| p.1).fold(10.0, f64::max) * 2.0;
    let dirty = commit.iter().map(|p| p.0).fold(1000.0, f64::max) * 1.5;
    let first = commit.first().map_or(100.0, |p| p.0) / 1.5;
    let title = format!("A commit grows with what changed: {} keys of 100 bytes in all", commits.keys);
    let mut chart = ChartBuilder::on(&root)
        .caption(title, ("sans-serif", 17).into_font().color(&TEXT))
        .margin(16)
        .x_label_area_size(44)
        .y_label_area_size(64)
        .build_cartesian_2d((first..dirty).log_scale(), (0.01..most).log_scale())
        .map_err(failed)?;
    chart
        .configure_mesh()
        .x_desc("dirty keys")
        .y_desc("milliseconds")
        .light_line_style(TRANSPARENT)
        .draw()
        .map_err(failed)?;
    for (line, name, color) in [(commit, "commit", OURS), (stall, "stall of the stream", THEIRS)] {
        let series = LineSeries::new(line.clone(), color.stroke_width(2)).point_size(4);
        chart
            .draw_series(series)
            .map_err(failed)?
            .label(name)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 20, y)], color.stroke_width(2)));
    }
    chart.configure_series_labels().background_style(PAPER).border_style(TEXT).draw().map_err(failed)?;
    root.present().map_err(failed)
}

fn failed(error: impl std::fmt::Display) -> anyhow::Error {
    anyhow!("a plot could not be drawn: {error}")
}
