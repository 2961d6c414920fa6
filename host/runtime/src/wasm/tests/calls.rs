//! Guests that misbehave in a call: what the host says, and that nobody else notices.

use super::guests::{OK, Source, silent};
use crate::wasm::{Advice, CallError, EffectsReader, Fault, Level, LogSink};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;
use wasmill_abi::effects::EffectsWriter;
use wasmill_abi::open::OpenContext;
use wasmill_core::limits::Limits;

const SPIN: &str = "(loop (br 0)) unreachable";

fn short() -> Limits {
    Limits { deadline: Duration::from_millis(30), deadline_per_row: Duration::ZERO, ..Limits::default() }
}

fn process(source: &Source, limits: &Limits) -> CallError {
    let mut instance = source.instance(limits);
    let error = instance.process(&[0; 64], 3).map(drop).expect_err("the guest misbehaves");
    assert!(!instance.is_usable());
    assert_eq!(instance.process(&[0; 64], 3).map(drop), Err(CallError::Abandoned));
    error
}

#[test]
fn chunks_arrive_as_they_were_pushed() {
    let mut writer = EffectsWriter::new();
    writer.counter(0, 7);
    writer.reject(1, 5, "no");
    let chunk = writer.finish();
    let mut instance = Source::pushing(&chunk).instance(&Limits::default());
    for _ in 0..3 {
        let chunks = instance.process(&[0; 64], 2).expect("the guest is in order");
        assert_eq!(chunks.len(), 1);
        assert_eq!(chunks[0].bytes(), chunk);
        assert_eq!(chunks[0].bytes().as_ptr().addr() % 64, 0);
        let effects =
            EffectsReader::new(&super::guests::function()).read(&chunks, 2, 0).expect("the effects are right");
        assert_eq!(effects.metrics, [(0, 7u64.to_le_bytes())]);
        assert_eq!((effects.rejects[0].row, effects.rejects[0].message.as_str()), (1, "no"));
    }
}

#[test]
fn a_trap_ends_the_instance_and_a_fresh_one_works() {
    // Traps on the first byte of the frame only.
    let source = Source::process(&format!("(if (i32.load8_u (local.get 0)) (then unreachable)) {OK}"));
    let factory = source.load().expect("the module is in order");
    let open = OpenContext::default();
    let mut instance = factory.instantiate(&open, &Limits::default(), silent()).expect("it opens");
    instance.process(&[0], 1).expect("0 is fine");
    let error = instance.process(&[1], 1).map(drop).expect_err("1 traps");
    let CallError::Trap { message, panic: None, backtrace } = &error else { panic!("{error:?}") };
    assert!(message.contains("unreachable"), "{message}");
    assert!(backtrace[0].contains("process"), "{backtrace:?}");
    assert_eq!((error.kind(), error.advice()), ("trap", Advice::Bisect));
    assert!(!instance.is_usable());
    let mut fresh = factory.instantiate(&open, &Limits::default(), silent()).expect("it opens");
    fresh.process(&[0], 1).expect("a fresh instance works");
}

#[test]
fn a_panic_is_told_with_its_place() {
    let source = Source::process("(call $write (i32.const 4) (i32.const 128) (i32.const 32)) unreachable");
    let lines = Arc::new(Mutex::new(Vec::new()));
    let seen = lines.clone();
    let sink: LogSink = Arc::new(move |level, line| seen.lock().expect("unpoisoned").push((level, line.to_owned())));
    let factory = source.load().expect("the module is in order");
    let mut instance = factory.instantiate(&OpenContext::default(), &Limits::default(), sink).expect("it opens");
    let error = instance.process(&[0], 1).map(drop).expect_err("it panics");
    assert_eq!(error.to_string(), "the function trapped: index 7 at src/lib.rs:3:5");
    let line = (Level::Error, "panic: index 7 at src/lib.rs:3:5".to_owned());
    assert_eq!(*lines.lock().expect("unpoisoned"), [line]);
}

#[test]
fn an_endless_loop_meets_its_deadline_and_neighbours_go_on() {
    let neighbour = Source::default().load().expect("the module is in order");
    let mut neighbour = neighbour.instantiate(&OpenContext::default(), &Limits::default(), silent()).expect("it opens");
    let spinner = std::thread::spawn(|| process(&Source::process(SPIN), &short()));
    let mut calls = 0;
    while !spinner.is_finished() || calls == 0 {
        neighbour.process(&[0; 64], 1).expect("the neighbour's loop is nothing to it");
        calls += 1;
    }
    let error = spinner.join().expect("the host does not panic");
    assert_eq!(error, CallError::Deadline { limit: Duration::from_millis(30), rows: 3 });
    neighbour.process(&[0; 64], 1).expect("nor afterwards");
}

#[test]
fn a_thread_that_waits_is_not_blamed() {
    // The guest logs, and the log waits until a spinner has used up twice the guest's deadline.
    let body = format!(
        "(call $write (i32.const 2) (i32.const 128) (i32.const 1))
         (loop (br_if 0 (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 1000)))) {OK}"
    );
    let (sender, receiver) = mpsc::channel();
    let receiver = Mutex::new(receiver);
    let wait: LogSink = Arc::new(move |_, _| receiver.lock().expect("unpoisoned").recv().expect("the spinner ends"));
    let factory = Source::process(&body).load().expect("the module is in order");
    let mut instance = factory.instantiate(&OpenContext::default(), &short(), wait).expect("it opens");
    let spinner = std::thread::spawn(move || {
        let limits = Limits { deadline: Duration::from_millis(60), ..short() };
        let error = process(&Source::process(SPIN), &limits);
        sender.send(()).expect("the guest waits");
        error
    });
    instance.process(&[0], 1).expect("waiting is not working");
    assert_eq!(spinner.join().expect("the host does not panic").kind(), "deadline");
}

#[test]
fn memory_hunger() {
    let hunger = "(loop (br_if 0 (i32.ge_s (memory.grow (i32.const 16)) (i32.const 0)))) unreachable";
    let limits = Limits { memory_bytes: 8 << 20, ..Limits::default() };
    let error = process(&Source::process(hunger), &limits);
    assert_eq!(error, CallError::Memory { limit: 8 << 20 });
    let mut instance = Source::process(&format!("(drop (memory.grow (i32.const 16))) {OK}")).instance(&limits);
    assert_eq!(instance.memory_bytes(), 4 << 16);
    instance.process(&[0], 1).expect("there is room");
    assert_eq!(instance.memory_bytes(), 20 << 16);
}

#[test]
fn a_frame_that_does_not_fit_into_the_guest() {
    let limits = Limits { memory_bytes: 1 << 20, ..Limits::default() };
    let mut instance = Source::default().instance(&limits);
    let error = instance.process(&vec![0; 2 << 20], 1).map(drop).expect_err("2 MiB into 1 MiB");
    assert_eq!(error, CallError::Memory { limit: 1 << 20 });
}

#[test]
fn every_trap_is_named_and_says_where() {
    for (code, told) in [
        ("unreachable", "unreachable"),
        ("(drop (i32.load (i32.const -1)))", "out of bounds memory access"),
        ("(i64.store (i32.const 0x7fffffff) (i64.const 1))", "out of bounds memory access"),
        ("(memory.fill (i32.const 0) (i32.const 0) (i32.const -1))", "out of bounds memory access"),
        ("(drop (i32.div_u (i32.const 1) (local.get $i)))", "integer divide by zero"),
        ("(drop (i32.rem_s (i32.const 1) (local.get $i)))", "integer divide by zero"),
        ("(drop (i32.div_s (i32.const 0x80000000) (i32.sub (local.get $i) (i32.const 1))))", "integer overflow"),
        ("(drop (i32.trunc_f64_s (f64.const 1e300)))", "integer overflow"),
        ("(drop (i32.trunc_f32_u (f32.const nan)))", "invalid conversion to integer"),
        ("(call_indirect (type $nothing) (i32.const 9))", "undefined element"),
        ("(call_indirect (type $nothing) (i32.const 1))", "uninitialized element"),
        ("(call_indirect (type $nothing) (i32.const 0))", "indirect call type mismatch"),
        ("(drop (call $recurse (i32.const 0)))", "call stack exhausted"),
    ] {
        let error = process(&Source::process(&format!("{code} {OK}")), &Limits::default());
        let CallError::Trap { message, backtrace, .. } = &error else { panic!("{code}: {error:?}") };
        assert!(message.contains(told), "{code}: {message}");
        // Of a stack that is exhausted only the end is kept.
        let place = if code.contains("$recurse") { "recurse" } else { "process" };
        assert!(backtrace.iter().any(|frame| frame.contains(place)), "{code}: {backtrace:?}");
        assert_eq!(error.advice(), Advice::Bisect, "{code}");
    }
}

#[test]
fn deep_recursion_is_a_trap() {
    let error = process(&Source::process("(call $recurse (i32.const 0))"), &Limits::default());
    let CallError::Trap { message, .. } = &error else { panic!("{error:?}") };
    assert!(message.contains("call stack exhausted"), "{message}");
}

#[test]
fn a_flood_of_effects() {
    let limits = Limits { effects_bytes: 1 << 20, deadline: Duration::from_secs(20), ..Limits::default() };
    let large = Source::process("(loop (call $push (i32.const 0) (i32.const 65536)) (br 0)) unreachable");
    let error = process(&large, &limits);
    assert!(matches!(error, CallError::EffectsTooLarge { limit: 1_048_576, got } if got > 1 << 20), "{error}");
    let empty = Source::process("(loop (call $push (i32.const 0) (i32.const 0)) (br 0)) unreachable");
    assert_eq!(process(&empty, &limits).kind(), "effects-too-large");
    let all = format!("(call $push (i32.const 0) (i32.const 65536)) {OK}");
    let limits = Limits { effects_bytes: 65536, ..limits };
    Source::process(&all).instance(&limits).process(&[0], 1).expect("exactly the limit is allowed");
}

#[test]
fn lists_outside_of_memory() {
    let error = process(&Source::process("(call $push (i32.const -8) (i32.const 64)) unreachable"), &Limits::default());
    let CallError::Trap { message, .. } = &error else { panic!("{error:?}") };
    assert!(message.contains("out of bounds"), "{message}");
    // The address of the result lies outside.
    assert_eq!(process(&Source::process("(i32.const -8)"), &Limits::default()).kind(), "trap");
}

/// err(FAULT, code 42, "panic", row ROW)
fn returning(fault: u8, row: u32) -> String {
    format!(
        "(i32.store8 (i32.const 64) (i32.const 1)) (i32.store8 (i32.const 68) (i32.const {fault}))
         (i32.store (i32.const 72) (i32.const 42)) (i32.store (i32.const 76) (i32.const 128))
         (i32.store (i32.const 80) (i32.const 5)) (i32.store8 (i32.const 84) (i32.const 1))
         (i32.store (i32.const 88) (i32.const {row})) (i32.const 64)"
    )
}

#[test]
fn errors_that_a_guest_returns() {
    let advice = [Advice::Reject(2), Advice::Retry, Advice::Stop, Advice::Stop];
    for (fault, advice) in advice.into_iter().enumerate() {
        let mut instance = Source::process(&returning(fault as u8, 2)).instance(&Limits::default());
        let error = instance.process(&[0], 3).map(drop).expect_err("it returns an error");
        assert_eq!(error.advice(), advice, "{error}");
        assert!(instance.is_usable(), "an orderly answer leaves the guest in order");
        let CallError::Guest { code: 42, message, row: Some(2), .. } = &error else { panic!("{error:?}") };
        assert_eq!(message, "panic");
    }
    let mut instance = Source::process(&returning(0, 3)).instance(&Limits::default());
    let error = instance.process(&[0], 3).map(drop).expect_err("it returns an error");
    assert_eq!(error.advice(), Advice::Bisect, "there is no row 3 of 3 to blame");
}

#[test]
fn an_open_that_fails() {
    let factory = Source { open: returning(2, 0), ..Source::default() }.load().expect("the module is in order");
    let error = factory.instantiate(&OpenContext::default(), &Limits::default(), silent()).map(drop);
    let Err(CallError::Guest { fault: Fault::Fatal, row: None, .. }) = error else { panic!("{error:?}") };
    let factory = Source { open: SPIN.into(), ..Source::default() }.load().expect("the module is in order");
    let error = factory.instantiate(&OpenContext::default(), &short(), silent()).map(drop);
    assert_eq!(error.map_err(|e| e.kind()), Err("deadline"));
}

#[test]
fn nans_are_canonical() {
    // 0/0 of both signs, pushed as bytes.
    let body = format!(
        "(f64.store (i32.const 8192) (f64.div (f64.const 0) (f64.const 0)))
         (f64.store (i32.const 8200) (f64.add (f64.const -nan:0x8000000000123) (f64.const 1)))
         (call $push (i32.const 8192) (i32.const 16)) {OK}"
    );
    let chunks = Source::process(&body).instance(&Limits::default()).process(&[0], 1).expect("it only divides");
    let canonical = f64::from_bits(0x7ff8_0000_0000_0000).to_le_bytes();
    assert_eq!(chunks[0].bytes(), [canonical, canonical].concat());
}

#[test]
fn the_runtime_lives_as_long_as_its_instances() {
    let runtime = crate::wasm::Runtime::new(None).expect("the engine starts");
    let weak = Arc::downgrade(&runtime);
    let component = Source::process(SPIN).component();
    let factory = crate::wasm::Factory::load(&runtime, &component, &Limits::default()).expect("it is in order");
    let mut instance = factory.instantiate(&OpenContext::default(), &short(), silent()).expect("it opens");
    drop((runtime, factory));
    assert_eq!(instance.process(&[0], 1).map_err(|e| e.kind()).map(drop), Err("deadline"));
    drop(instance);
    assert_eq!(weak.strong_count(), 0, "nothing else keeps the tick going");
}
