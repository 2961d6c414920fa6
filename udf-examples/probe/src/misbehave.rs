//! `misbehave`, and the misbehaviours that other functions share.

use std::hint::black_box;

use wasmill_sdk::prelude::*;

/// What to do with a row: `ok`, `drop`, `log`, or one of the actions of [`misbehave`].
#[derive(Row, Debug, Clone, PartialEq)]
pub struct Action<'a> {
    pub id: i64,
    pub action: &'a str,
}

pub struct Misbehave;

impl Map for Misbehave {
    type Config = ();
    type In = Action<'static>;
    type Out = Emit<Action<'static>>;

    fn open(_: (), _: &mut OpenContext) -> Result<Self, Error> {
        Ok(Self)
    }

    fn map(&mut self, row: Action<'_>, out: &mut Self::Out, _: &mut Context) -> Result<(), Error> {
        match row.action {
            "flood" => {
                // One row of more than a host takes from one batch by default (16 MiB), built and
                // written within its memory limit (64 MiB).
                out.emit(Action { id: row.id, action: &"f".repeat(17 << 20) });
                Ok(())
            }
            "drop" => Ok(()),
            "log" => {
                info!("row {}", row.id);
                out.emit(row);
                Ok(())
            }
            action => {
                // Before the action, so that it shows whether the output of a bad row is undone.
                out.emit(row.clone());
                misbehave(action, row.id)
            }
        }
    }
}

/// Does what `action` says: `ok`, `reject`, `transient`, `fatal`, `panic`, `trap`, `loop`, `hunger`
/// or `recurse`; refuses the row if it says anything else.
pub fn misbehave(action: &str, id: i64) -> Result<(), Error> {
    match action {
        "ok" => Ok(()),
        "reject" => Err(Error::reject(format!("row {id} asked to be refused")).with_code(42)),
        "transient" => Err(Error::transient(format!("row {id} asked for another try"))),
        "fatal" => Err(Error::fatal(format!("row {id} asked for the end"))),
        "panic" => panic!("row {id} asked for a panic"),
        "trap" => trap(),
        "loop" => spin(),
        "hunger" => devour(),
        "recurse" => {
            black_box(recurse(black_box(1)));
            Ok(())
        }
        other => Err(Error::reject(format!("row {id} asked for {other:?}, which nobody knows"))),
    }
}

/// A trap without a panic: nothing is logged.
fn trap() -> ! {
    #[cfg(target_arch = "wasm32")]
    core::arch::wasm32::unreachable();
    #[cfg(not(target_arch = "wasm32"))]
    std::process::abort();
}

fn spin() -> ! {
    let mut n = 0u64;
    loop {
        n = black_box(n.wrapping_add(1));
    }
}

fn devour() -> ! {
    let mut eaten: Vec<Vec<u8>> = Vec::new();
    loop {
        eaten.push(black_box(vec![1; 1 << 20]));
    }
}

#[expect(unconditional_recursion, reason = "the stack must overflow")]
#[inline(never)]
fn recurse(depth: u64) -> u64 {
    black_box([depth; 64])[0] + recurse(black_box(depth + 1))
}
