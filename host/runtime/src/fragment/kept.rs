//! The calls behind dead letters, kept so that each can be run again bit for bit: the frame that the
//! guest was given, and all that was decided about the guest before. One JSON object a line:
//!
//! ```text
//! {"format":1,"letters":[["17-2-0",0]],"module":SHA256,"open":BASE64,"limits":{..},"frame":BASE64}
//! ```
//!
//! `letters` are the dead letters that came of the call, each with its row (or timer) in the frame.
//! `open` is the open context, `frame` the frame, compressed with zstd.

use super::dead_letters::LetterId;
use super::guest::Guest;
use arrow_cast::base64::{BASE64_STANDARD, Engine};
use serde::{Deserialize, Serialize};
use std::time::Duration;
use wasmill_abi::open::OpenContext;
use wasmill_core::limits::Limits;

const FORMAT: u32 = 1;
/// Fast: a frame is written while its rows wait.
const COMPRESSION: i32 = 1;
/// No frame that was kept is larger than this.
const FRAME_BYTES_MAX: usize = 64 << 20;

/// A call that can be run again.
#[derive(Debug, Clone, PartialEq)]
pub struct KeptCall {
    /// The names of letters, with their rows (or timers) in the frame.
    pub letters: Vec<(String, u32)>,
    /// The SHA-256 of the module.
    pub module: String,
    pub open: OpenContext,
    /// The job's, as far as they decide how a call ends.
    pub limits: Limits,
    pub frame: Vec<u8>,
}

/// Why a line is not a call that can be run again.
#[derive(Debug, thiserror::Error)]
pub enum KeptError {
    #[error("it has format {found}, this wasmill reads format {FORMAT}; use the wasmill that wrote it")]
    Format { found: u32 },
    #[error("it is damaged: {0}")]
    Damaged(String),
}

#[derive(Serialize, Deserialize)]
struct Line {
    format: u32,
    letters: Vec<(String, u32)>,
    module: String,
    open: String,
    limits: LineLimits,
    frame: String,
}

/// Bytes and microseconds.
#[derive(Serialize, Deserialize)]
struct LineLimits {
    memory: u64,
    effects: u64,
    deadline: u64,
    deadline_per_row: u64,
}

/// What `format` says, whatever else the line holds.
#[derive(Deserialize)]
struct Head {
    format: u32,
}

/// Writes a line, with its end.
pub fn write(out: &mut Vec<u8>, letters: &[(LetterId, u32)], guest: &Guest, frame: &[u8]) {
    let (module, open, limits) = guest.origin();
    let micros = |d: Duration| u64::try_from(d.as_micros()).unwrap_or(u64::MAX);
    let frame = zstd::bulk::compress(frame, COMPRESSION).expect("memory is compressed into memory of any size");
    let line = Line {
        format: FORMAT,
        letters: letters.iter().map(|(id, row)| (id.as_str().to_owned(), *row)).collect(),
        module: module.to_owned(),
        open: BASE64_STANDARD.encode(open.encode()),
        limits: LineLimits {
            memory: limits.memory_bytes,
            effects: limits.effects_bytes,
            deadline: micros(limits.deadline),
            deadline_per_row: micros(limits.deadline_per_row),
        },
        frame: BASE64_STANDARD.encode(frame),
    };
    serde_json::to_writer(&mut *out, &line).expect("strings and numbers are always written to memory");
    out.push(b'\n');
}

/// Reads a line.
pub fn read(line: &str) -> Result<KeptCall, KeptError> {
    let damaged = |what: &str, e: &dyn std::fmt::Display| KeptError::Damaged(format!("{what}: {e}"));
    let Head { format } = serde_json::from_str(line).map_err(|e| damaged("its JSON", &e))?;
    if format != FORMAT {
        return Err(KeptError::Format { found: format });
    }
    let line: Line = serde_json::from_str(line).map_err(|e| damaged("its JSON", &e))?;
    let bytes = |what: &str, text: &str| BASE64_STANDARD.decode(text).map_err(|e| damaged(what, &e));
    let open = OpenContext::decode(&bytes("its open context", &line.open)?).map_err(|e| damaged("its start", &e))?;
    let frame = zstd::bulk::decompress(&bytes("its frame", &line.frame)?, FRAME_BYTES_MAX)
        .map_err(|e| damaged("its frame", &e))?;
    let limits = Limits {
        memory_bytes: line.limits.memory,
        effects_bytes: line.limits.effects,
        deadline: Duration::from_micros(line.limits.deadline),
        deadline_per_row: Duration::from_micros(line.limits.deadline_per_row),
        ..Limits::default()
    };
    Ok(KeptCall { letters: line.letters, module: line.module, open, limits, frame })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_another_format_is_told_apart_from_a_damaged_one() {
        for (line, told) in [
            (r#"{"format":2,"new":true}"#, "format 2, this wasmill reads format 1"),
            (r#"{"format":1}"#, "damaged: its JSON: missing field"),
            ("{", "damaged"),
            (
                r#"{"format":1,"letters":[],"module":"","open":"!","limits":{"memory":1,"effects":1,"deadline":1,"deadline_per_row":1},"frame":""}"#,
                "open context",
            ),
        ] {
            let error = read(line).expect_err("it is no call").to_string();
            assert!(error.contains(told), "{line}: {error}");
        }
    }
}
