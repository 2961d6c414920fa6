//! Attacks on one call: its time, its memory, its stack, its output, its messages.

use crate::Visitor;
use std::hint::black_box;
use wasmill_sdk::prelude::*;

/// A function that does this to a row that asks for it.
macro_rules! attack {
    ($(#[$doc:meta])* $name:ident, |$row:ident, $out:ident| $body:expr) => {
        $(#[$doc])*
        pub struct $name;

        impl Map for $name {
            type Config = ();
            type In = Visitor;
            type Out = Emit<Visitor>;

            fn open(_: (), _: &mut OpenContext) -> Result<Self, Error> {
                Ok(Self)
            }

            fn map(&mut self, $row: Visitor, $out: &mut Self::Out, _: &mut Context) -> Result<(), Error> {
                if !$row.attack {
                    $out.emit($row);
                    return Ok(());
                }
                $body
            }
        }
    };
}

attack!(
    /// Its time is bounded by `deadline`.
    EndlessLoop, |_row, _out| {
        let mut n = 0u64;
        loop {
            n = black_box(n.wrapping_add(1));
        }
    }
);

attack!(
    /// About ten seconds of work, which `deadline` does not wait for.
    SlowLoop, |row, out| {
        let mut n = 1u64;
        for i in 0..10_000_000_000u64 {
            n = black_box(n.wrapping_mul(31).wrapping_add(i));
        }
        out.emit(Visitor { id: row.id + (n & 1) as i64, attack: true });
        Ok(())
    }
);

attack!(
    /// Memory is bounded by `memory`.
    MemoryHunger, |_row, _out| {
        let mut eaten: Vec<Vec<u8>> = Vec::new();
        loop {
            eaten.push(black_box(vec![1; 1 << 20]));
        }
    }
);

attack!(
    /// One request beyond the limit is as good as many small ones.
    MemoryGulp, |row, out| {
        let eaten = black_box(vec![1u8; 1 << 30]);
        out.emit(Visitor { id: i64::from(eaten[row.id as usize]), attack: true });
        Ok(())
    }
);

attack!(
    /// The stack of Rust lies at the start of the guest's memory: what is below it is out of bounds.
    DeepRecursion, |row, out| {
        out.emit(Visitor { id: recurse(black_box(row.id)), attack: true });
        Ok(())
    }
);

#[expect(unconditional_recursion, reason = "the stack must overflow")]
#[inline(never)]
fn recurse(depth: i64) -> i64 {
    black_box([depth; 64])[0] + recurse(black_box(depth + 1))
}

attack!(
    /// Output waits in the guest until its row is done, so it is bounded by `memory` first.
    OutputFlood, |row, out| {
        for id in 0..(1i64 << 30) / 9 {
            out.emit(Visitor { id: row.id + id, attack: false });
        }
        Ok(())
    }
);

attack!(
    /// What fits into the memory is bounded by `effects`.
    OutputBurst, |row, out| {
        for id in 0..1 << 18 {
            out.emit(Visitor { id: row.id + id, attack: false });
        }
        Ok(())
    }
);

attack!(
    /// What a panic says is cut.
    LoudPanic, |_row, _out| panic!("{}", "loud ".repeat(1 << 18))
);

/// Panics when it is dropped.
struct Grenade;

impl Drop for Grenade {
    fn drop(&mut self) {
        panic!("a second panic");
    }
}

attack!(
    /// Without unwinding the first panic ends the call; the second never comes.
    PanicInDrop, |_row, _out| {
        let _grenade = Grenade;
        panic!("the first panic")
    }
);

attack!(
    /// Nothing is logged: the trap is all there is.
    SilentTrap, |_row, _out| trap()
);

fn trap() -> ! {
    #[cfg(target_arch = "wasm32")]
    core::arch::wasm32::unreachable();
    #[cfg(not(target_arch = "wasm32"))]
    std::process::abort();
}

attack!(
    /// Lines are bounded by `log_lines_per_second`, and the time by `deadline`.
    LogFlood, |row, _out| loop {
        info!("row {} says the same again", row.id);
    }
);

attack!(
    /// After some tries the row is given up.
    FalseHope, |row, _out| Err(Error::transient(format!("row {} will surely do the next time", row.id)))
);

attack!(
    /// A message is cut, and cannot command a terminal.
    LoudRefusal, |_row, _out| Err(Error::reject("\x1b[2J\x1b]0;gone\x07".repeat(1 << 16)))
);
