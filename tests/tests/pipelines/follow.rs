//! A log that is followed while it is written and rotated, by a job that is killed again and again:
//! each line comes out once, and in order.

use std::fs::OpenOptions;
use std::io::Write;
use wasmill_tests::{Running, TestJob, until};

fn job(settings: &str) -> TestJob {
    let job = TestJob::new(&format!(
        "job: follow
epoch: 20ms
sources:
  log:
    connector: file
    path: logs/app.ndjson
    follow: true
    {settings}
    schema: {{ n: int64 }}
sinks:
  out: {{ connector: file, path: out, format: csv, input: log }}
"
    ));
    job.write("logs/other", "");
    job
}

/// A program that writes its log, and rotates it now and then.
struct Writer<'j> {
    job: &'j TestJob,
    next: u64,
    rotations: u64,
}

impl Writer<'_> {
    fn write(&mut self, lines: u64) {
        let path = self.job.path("logs/app.ndjson");
        let mut file = OpenOptions::new().create(true).append(true).open(path).expect("it can be written");
        for _ in 0..lines {
            // In two parts, so that a reader meets lines that are not whole.
            write!(file, "{{\"n\":").expect("it can be written");
            writeln!(file, "{}}}", self.next).expect("it can be written");
            self.next += 1;
        }
    }

    fn rotate(&mut self) {
        self.rotations += 1;
        let old = self.job.path(&format!("logs/app.ndjson.{}", self.rotations));
        std::fs::rename(self.job.path("logs/app.ndjson"), old).expect("it can be renamed");
    }
}

#[test]
fn each_line_of_a_rotated_log_comes_once_through_kills() {
    for parallelism in ["1", "3"] {
        let job = job("");
        let mut writer = Writer { job: &job, next: 0, rotations: 0 };
        for round in 0..6 {
            let mut running = Running::start(job.command(&["--parallelism", parallelism, "--quiet"]));
            for _ in 0..3 {
                writer.write(200);
                // A file must be seen before it is renamed.
                let seen = writer.next - 199;
                until("the file was seen", || running.has_ended() || job.csv_rows("out").len() as u64 >= seen);
                writer.rotate();
                writer.write(100);
                let seen = writer.next - 99;
                until("most lines are out", || running.has_ended() || job.csv_rows("out").len() as u64 >= seen);
            }
            running.kill().expect("it is gone");
            // While nobody reads, the log goes on and is rotated.
            writer.write(50);
            if round % 2 == 0 {
                writer.rotate();
                writer.write(50);
            }
        }
        let mut running = Running::start(job.command(&["--parallelism", parallelism, "--quiet"]));
        until("all lines are out", || running.has_ended() || job.csv_rows("out").len() as u64 >= writer.next);
        let pid = running.pid().to_string();
        let told = std::process::Command::new("kill").args(["-TERM", &pid]).status().expect("kill runs");
        assert!(told.success());
        running.wait().expect("it drains").ok();
        let numbers =
            |text: &String| text.lines().skip(1).map(|n| n.parse::<u64>().expect("a number")).collect::<Vec<_>>();
        let mut all = Vec::new();
        for part in job.parts("out") {
            let part = numbers(&part);
            assert!(part.windows(2).all(|pair| pair[0] < pair[1]), "lines of one log are in order");
            all.extend(part);
        }
        all.sort_unstable();
        assert!(all.iter().copied().eq(0..writer.next), "parallelism {parallelism}: {} of {}", all.len(), writer.next);
    }
}

#[test]
fn what_cannot_be_followed_is_refused_before_it_runs() {
    let gz = job("format: ndjson");
    let text = std::fs::read_to_string(gz.path("job.yaml")).expect("it was written");
    gz.write("job.yaml", text.replace("app.ndjson", "app.ndjson.gz"));
    let ended = gz.run(&[]);
    assert_eq!(ended.code(), Some(3), "{}", ended.stderr);
    assert!(ended.stderr.contains("a compressed file cannot be followed"), "{}", ended.stderr);
    let csv = job("format: csv").run(&[]);
    assert!(csv.stderr.contains("CSV cannot be followed"), "{}", csv.stderr);
}
