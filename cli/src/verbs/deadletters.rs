//! `wasmill deadletters`: what a job could not process, as a list, or one letter with all that is
//! known of it.

use crate::exit::{Failure, Status};
use crate::terminal::Terminal;
use serde_json::Value;
use std::path::PathBuf;
use wasmill_core::printable;
use wasmill_server::deadletters::DeadLetters;
use wasmill_server::local::{RunError, RunErrorKind};

const EXAMPLES: &str = "\
Examples:
  wasmill deadletters job.yaml                       a line per letter, the oldest first
  wasmill deadletters job.yaml --operator clean
  wasmill deadletters job.yaml 17-2-0                one of them: the row, the state it saw, the backtrace
  wasmill deadletters job.yaml --json | jq .reason

`wasmill replay` runs the call behind a letter again.";

/// List the dead letters of a job, or show one
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// The job file
    job: PathBuf,
    /// The letter to show; without it, all are listed
    id: Option<String>,
    /// Only letters of this operator
    #[arg(long, value_name = "NAME", conflicts_with = "id")]
    operator: Option<String>,
    /// Only letters with this reason: rejected, trap, deadline, memory, format ..
    #[arg(long, value_name = "REASON", conflicts_with = "id")]
    reason: Option<String>,
    /// Where the job keeps its state [default: .wasmill/JOB beside the job file]
    #[arg(long, value_name = "DIR")]
    state_dir: Option<PathBuf>,
}

pub fn call(args: Args, terminal: &Terminal) -> Result<(), Failure> {
    let letters = DeadLetters::of(&args.job, args.state_dir.clone()).map_err(failure)?;
    match &args.id {
        Some(id) => show(&letters.show(id).map_err(failure)?, terminal),
        None => list(&letters, &args, terminal),
    }
}

/// The exit status of what cannot be read or run again.
pub fn failure(error: RunError) -> Failure {
    let status = match error.kind() {
        RunErrorKind::State => Status::State,
        RunErrorKind::Spec | RunErrorKind::Module => Status::Refused,
        _ => Status::Failed,
    };
    Failure::new(status, error)
}

fn list(letters: &DeadLetters, args: &Args, terminal: &Terminal) -> Result<(), Failure> {
    let (mut count, mut printed) = (0u64, Ok(()));
    let is = |wanted: &Option<String>, found: &Value| wanted.as_ref().is_none_or(|w| found == w.as_str());
    letters
        .each(&mut |letter| {
            if is(&args.operator, &letter["operator"]) && is(&args.reason, &letter["reason"]) {
                count += 1;
                let line = if terminal.json { letter.to_string() } else { line(&letter) };
                printed = terminal.print(&line);
            }
            printed.is_ok()
        })
        .map_err(failure)?;
    printed?;
    if count == 0 && !terminal.json {
        terminal.note("no dead letters");
    }
    Ok(())
}

fn line(letter: &Value) -> String {
    let text = |name: &str| letter[name].as_str().unwrap_or("-").to_owned();
    let line =
        format!("{:<12} {} {} {}: {}", text("id"), text("operator"), place(letter), text("reason"), text("message"));
    printable::one_line(&line).into_owned()
}

fn place(letter: &Value) -> String {
    match (&letter["at"], &letter["timer"]) {
        (Value::Object(at), _) => {
            format!("{}:{}", at["partition"].as_str().unwrap_or_default(), at["line"])
        }
        (_, Value::Object(timer)) => format!("timer {} of {}", timer["time_us"], timer["key"]),
        _ => "no place".to_owned(),
    }
}

fn show(letter: &Value, terminal: &Terminal) -> Result<(), Failure> {
    if terminal.json {
        return Ok(terminal.print(&letter.to_string())?);
    }
    let mut text = line(letter);
    for part in ["row", "bytes", "timer", "code", "event_time_us", "module", "function"] {
        if !letter[part].is_null() {
            text += &format!("\n{part:<14} {}", letter[part]);
        }
    }
    for part in ["epoch", "now_us", "seed", "watermark_us"] {
        if !letter["input"][part].is_null() {
            text += &format!("\n{part:<14} {}", letter["input"][part]);
        }
    }
    for key in letter["input"]["keys"].as_array().into_iter().flatten() {
        text += &format!("\nstate          {} {}", key["key"], key["state"]);
    }
    text += &backtrace(letter);
    Ok(terminal.print(&printable::lines(&text))?)
}

/// The lines of a backtrace, each on a line of its own.
pub fn backtrace(of: &Value) -> String {
    let frames = of["backtrace"].as_array().into_iter().flatten().filter_map(Value::as_str);
    frames.fold(String::new(), |text, frame| text + "\n    " + frame)
}

#[cfg(test)]
mod tests {
    use super::line;
    use serde_json::json;

    #[test]
    fn a_letter_is_one_line_whatever_its_guest_said() {
        let letter = json!({
            "id": "3-0-1", "operator": "clean", "reason": "rejected", "message": "two\nlines\u{1b}[2J",
            "at": { "partition": "in.csv", "line": 7 },
        });
        let line = line(&letter);
        assert!(line.starts_with("3-0-1        clean in.csv:7 rejected: two"), "{line}");
        assert!(!line.contains(['\n', '\u{1b}']), "{line:?}");
    }
}
