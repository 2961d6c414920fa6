//! `wasmill replay`: runs the call behind a dead letter again, here and now, with the rows, the
//! state, the time and the seed that it was given; also in another build of the module.

use super::deadletters::{backtrace, failure};
use crate::author::symbols;
use crate::exit::Failure;
use crate::terminal::Terminal;
use serde_json::{Value, json};
use std::path::PathBuf;
use wasmill_core::printable;
use wasmill_server::deadletters::{DeadLetters, Outcome, Replay};

const EXAMPLES: &str = "\
Examples:
  wasmill replay job.yaml 17-2-0                              what went wrong, with its backtrace
  wasmill replay job.yaml 17-2-0 --module target/wasmill/mended.wasm
                                                              and what another build makes of it
  wasmill replay job.yaml 17-2-0 --json | jq .other.outcome

Nothing is applied: no state changes, no row is put out. `wasmill deadletters job.yaml` lists the
letters. Backtraces name the lines of the source when the module's .symbols.wasm, which
`wasmill build` writes, still lies beside it.";

/// Run the call behind a dead letter again, bit for bit
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// The job file
    job: PathBuf,
    /// The letter, as `wasmill deadletters` names it
    id: String,
    /// Another build of the module: what would it have done?
    #[arg(long, value_name = "FILE")]
    module: Option<PathBuf>,
    /// Where the job keeps its state [default: .wasmill/JOB beside the job file]
    #[arg(long, value_name = "DIR")]
    state_dir: Option<PathBuf>,
}

pub fn call(args: Args, terminal: &Terminal) -> Result<(), Failure> {
    let letters = DeadLetters::of(&args.job, args.state_dir).map_err(failure)?;
    let replay = letters.replay(&args.id, args.module.as_deref(), &symbols::twin).map_err(failure)?;
    let text =
        if terminal.json { as_json(&replay).to_string() } else { printable::lines(&as_text(&replay)).into_owned() };
    Ok(terminal.print(&text)?)
}

fn as_json(replay: &Replay) -> Value {
    let outcome = |o: &Outcome| {
        let mut told = o.result.clone();
        told["module"] = o.module.clone().into();
        told
    };
    let mut all = json!({
        "id": replay.letter["id"], "recorded": outcome(&replay.recorded), "as_recorded": replay.is_as_recorded,
    });
    if let Some(other) = &replay.other {
        all["other"] = outcome(other);
        all["same"] = (replay.recorded.result == other.result).into();
    }
    all
}

fn as_text(replay: &Replay) -> String {
    let mut text = format!("recorded module {}", described(&replay.recorded));
    text += if replay.is_as_recorded {
        "\nthis is what the letter tells"
    } else {
        "\nTHIS IS NOT WHAT THE LETTER TELLS: the function depends on more than it was given, or on its CPU time"
    };
    if let Some(other) = &replay.other {
        text += &format!("\n\nother module    {}", described(other));
        if replay.recorded.result == other.result {
            text += "\nboth modules give the same";
        }
    }
    text
}

fn described(outcome: &Outcome) -> String {
    let result = &outcome.result;
    let word = |name: &str| result[name].as_str().unwrap_or_default().to_owned();
    let mut text = format!("{}: {}", outcome.module.get(..12).unwrap_or(&outcome.module), word("outcome"));
    if !result["reason"].is_null() {
        text += &format!(" ({}): {}", word("reason"), word("message"));
    }
    text += &backtrace(result);
    if !result["backtrace"].is_null() && !outcome.has_lines {
        text += "\n    (no lines: the .symbols.wasm of this build is not beside the job's module)";
    }
    let lists = [("rows", "row"), ("state", "state"), ("timers", "timer"), ("log", "log")];
    for (list, name) in lists {
        for item in result[list].as_array().into_iter().flatten() {
            text += &format!("\n  {name:<7} {}", item_text(list, item));
        }
    }
    text
}

fn item_text(list: &str, item: &Value) -> String {
    match list {
        "rows" => format!("{} {}", item["output"].as_str().unwrap_or_default(), item["row"]),
        "state" => {
            let slot = item["slot"].as_str().unwrap_or_default();
            format!("{slot} of {}: {} -> {}", item["key"], item["before"], item["after"])
        }
        "log" => item.as_str().unwrap_or_default().to_owned(),
        _ => item.to_string(),
    }
}
