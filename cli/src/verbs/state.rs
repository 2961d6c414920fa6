//! `wasmill state`: what a job remembers, and how to make it forget.

use super::run::failure;
use crate::datum;
use crate::exit::Failure;
use crate::terminal::{Palette, Terminal, grouped};
use serde_json::{Value, json};
use std::fmt::Write;
use std::path::PathBuf;
use wasmill_abi::effects::TimerFamily;
use wasmill_core::printable::one_line;
use wasmill_core::stored::{Datum, kind_name};
use wasmill_server::state::{self, KeyState, OperatorState, SlotState, StateQuery, StateReport, ValueState};

const EXAMPLES: &str = "\
Examples:
  wasmill state job.yaml                               operators and slots, with counts
  wasmill state job.yaml --operator totals             keys, values and timers
  wasmill state job.yaml --operator totals --key AMS
  wasmill state job.yaml --operator totals --key '[\"AMS\", 3]' --json
  wasmill state job.yaml --drop totals.visits          forget a slot for good

It reads the last committed epoch, also while the job runs, and changes nothing. Values are shown by
the description that the module gave when it wrote them. With --drop, which wants the job stopped,
the next run starts that slot, or that operator, as if it had never run.";

/// Show the committed state of a job, or drop a part of it
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// The job file
    job: PathBuf,
    /// Where the job keeps its state [default: .wasmill/JOB beside the job file]
    #[arg(long, value_name = "DIR")]
    state_dir: Option<PathBuf>,
    /// Show the keys of this operator
    #[arg(long, value_name = "NAME")]
    operator: Option<String>,
    /// Show this slot only
    #[arg(long, value_name = "NAME", requires = "operator")]
    slot: Option<String>,
    /// Show this key only: a value, or a JSON array with one value for each key column
    #[arg(long, value_name = "KEY", requires = "operator", allow_hyphen_values = true)]
    key: Option<String>,
    /// Show at most so many keys
    #[arg(long, value_name = "N", default_value_t = 100)]
    limit: usize,
    /// Remove the state of an operator, or of one slot of it, for good
    #[arg(long, value_name = "OPERATOR[.SLOT]", conflicts_with_all = ["operator", "slot", "key"])]
    drop: Option<String>,
}

pub fn call(args: Args, terminal: &Terminal) -> Result<(), Failure> {
    if let Some(what) = &args.drop {
        let dropped = state::drop_state(&args.job, args.state_dir.as_deref(), what).map_err(failure)?;
        let answer = if terminal.json {
            json!({ "dropped": dropped }).to_string()
        } else {
            format!("dropped: {}", one_line(&dropped.join(", ")))
        };
        return Ok(terminal.print(&answer)?);
    }
    let query = StateQuery {
        job_file: args.job,
        state_dir: args.state_dir,
        operator: args.operator,
        slot: args.slot,
        key: args.key,
        limit: args.limit,
    };
    let report = state::read(&query).map_err(failure)?;
    let answer = if terminal.json { as_json(&report).to_string() } else { as_text(&report, &terminal.out) };
    Ok(terminal.print(answer.trim_end())?)
}

fn as_text(report: &StateReport, palette: &Palette) -> String {
    let mut out = format!(
        "{} epoch {}  {}\n",
        palette.heading(&one_line(&report.job)),
        grouped(report.epoch),
        palette.dim(&report.dir.display().to_string())
    );
    if report.operators.is_empty() {
        out += "  no operator has state\n";
    }
    for operator in &report.operators {
        let key = operator.key.as_ref().map_or_else(|| "a key that is not remembered".to_owned(), ToString::to_string);
        let _ = writeln!(
            out,
            "\n{} {}",
            palette.heading(&one_line(&operator.name)),
            palette.dim(&format!("keyed by {}", one_line(&key)))
        );
        operator.slots.iter().for_each(|slot| slot_text(&mut out, slot));
        if operator.timers > 0 || operator.slots.is_empty() {
            let _ = writeln!(out, "  timers  {}", grouped(operator.timers));
        }
        for key in &operator.keys {
            key_text(&mut out, key, palette);
        }
        if operator.cut {
            let _ = writeln!(out, "\n  {}", palette.dim("there are more keys: raise --limit, or name one by --key"));
        }
    }
    out
}

fn slot_text(out: &mut String, slot: &SlotState) {
    let name = one_line(&slot.name);
    let _ = write!(out, "  {name}  {} values, {} bytes", grouped(slot.values), grouped(slot.bytes));
    let Some(record) = &slot.record else {
        *out += "; not described\n";
        return;
    };
    let _ = writeln!(out, "; a {}", kind_name(record.kind));
    for version in &record.versions {
        let shape = version.shape.to_string();
        let _ = writeln!(
            out,
            "    version {} since epoch {}: {}",
            version.version,
            grouped(version.since_epoch),
            one_line(&shape)
        );
    }
}

/// `origin "AMS", hour 3`.
fn key_columns(key: &Datum) -> String {
    match key {
        Datum::Record(columns) => {
            let column = |(name, value): &(String, Datum)| format!("{} {}", one_line(name), datum::text(value));
            columns.iter().map(column).collect::<Vec<_>>().join(", ")
        }
        other => datum::text(other),
    }
}

fn key_text(out: &mut String, key: &KeyState, palette: &Palette) {
    let _ = writeln!(out, "\n  {}", palette.heading(&key_columns(&key.key)));
    for value in &key.values {
        let shown = match &value.value {
            Ok(value) => datum::text(value),
            Err(why) => format!("unreadable: {why}"),
        };
        let entry = value.entry.as_ref().map_or_else(String::new, |entry| format!("[{}]", datum::text(entry)));
        let gone = value.gone_at.map_or_else(String::new, |at| format!(", gone at {}", datum::time(at)));
        let version = palette.dim(&format!("v{}{gone}", value.version));
        let _ = writeln!(out, "    {}{entry} {version}  {shown}", one_line(&value.slot));
    }
    if key.cut {
        let _ = writeln!(out, "    {}", palette.dim("and more: raise --limit"));
    }
    for (family, time) in &key.timers {
        let _ = writeln!(out, "    timer {}  {}", family_name(*family), datum::time(*time));
    }
}

fn family_name(family: TimerFamily) -> &'static str {
    match family {
        TimerFamily::Event => "event",
        TimerFamily::Processing => "processing",
    }
}

fn as_json(report: &StateReport) -> Value {
    json!({
        "job": report.job,
        "state_dir": report.dir.display().to_string(),
        "epoch": report.epoch,
        "operators": report.operators.iter().map(operator_json).collect::<Vec<_>>(),
    })
}

fn operator_json(operator: &OperatorState) -> Value {
    let key = operator
        .key
        .as_ref()
        .map(|key| key.fields.iter().map(|f| json!({ "name": f.name, "type": f.ty.to_string() })).collect::<Vec<_>>());
    json!({
        "name": operator.name,
        "key": key,
        "slots": operator.slots.iter().map(slot_json).collect::<Vec<_>>(),
        "timers": operator.timers,
        "keys": operator.keys.iter().map(key_json).collect::<Vec<_>>(),
        "cut": operator.cut,
    })
}

fn slot_json(slot: &SlotState) -> Value {
    let versions = slot.record.as_ref().map(|record| {
        let version = |v: &wasmill_core::stored::VersionRecord| {
            json!({
                "version": v.version,
                "since_epoch": v.since_epoch,
                "type": v.type_name,
                "values": v.shape.to_string(),
            })
        };
        record.versions.iter().map(version).collect::<Vec<_>>()
    });
    json!({
        "name": slot.name,
        "kind": slot.record.as_ref().map(|r| kind_name(r.kind)),
        "values": slot.values,
        "bytes": slot.bytes,
        "versions": versions,
    })
}

fn key_json(key: &KeyState) -> Value {
    let value = |v: &ValueState| {
        let (value, unreadable) = match &v.value {
            Ok(value) => (datum::json(value), None),
            Err(why) => (Value::Null, Some(why)),
        };
        json!({
            "slot": v.slot,
            "entry": v.entry.as_ref().map(datum::json),
            "gone_at": v.gone_at.map(datum::time),
            "version": v.version,
            "value": value,
            "unreadable": unreadable,
        })
    };
    let timer = |(family, time): &(TimerFamily, i64)| json!({ "family": family_name(*family), "time": datum::time(*time), "time_us": time });
    json!({
        "key": datum::json(&key.key),
        "key_group": key.group,
        "values": key.values.iter().map(value).collect::<Vec<_>>(),
        "timers": key.timers.iter().map(timer).collect::<Vec<_>>(),
        "cut": key.cut,
    })
}
