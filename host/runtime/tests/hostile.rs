//! Modules that mean harm, written by hand: each is refused, in bounded time and memory, with words
//! that name what is wrong.

use std::sync::Arc;
use std::sync::LazyLock;
use std::time::{Duration, Instant};
use wasmill_core::limits::Limits;
use wasmill_runtime::wasm::{Factory, ModuleError, Runtime};

static RUNTIME: LazyLock<Arc<Runtime>> = LazyLock::new(|| Runtime::new(None).expect("the engine starts"));

fn refused(component: &[u8], limits: &Limits) -> ModuleError {
    Factory::load(&RUNTIME, component, limits).map(drop).expect_err("it means harm")
}

fn component(text: &str) -> Vec<u8> {
    wat::parse_str(text).expect("the text is a component")
}

/// A component with the exports of a guest, of other types, whose core module holds this.
fn guest(before: &str, core: &str) -> Vec<u8> {
    component(&format!(
        r#"(component {before}
        (core module $m (func (export "f")) {core})
        (core instance $i (instantiate $m))
        (alias core export $i "f" (core func $core))
        (func $f (canon lift (core func $core)))
        (instance $g (export "describe" (func $f)) (export "open" (func $f)) (export "process" (func $f)))
        (export "wasmill:function/guest@0.1.0" (instance $g)))"#
    ))
}

/// Components inside of each other.
fn nested(levels: usize) -> Vec<u8> {
    const PREAMBLE: &[u8] = b"\0asm\x0d\0\x01\0";
    let mut bytes = PREAMBLE.to_vec();
    for _ in 0..levels {
        let size = u32::try_from(bytes.len()).expect("it is small");
        // A LEB128 padded to five bytes is as good as a short one.
        let size = [0, 7, 14, 21, 28].map(|shift| (size >> shift) as u8 & 0x7f | if shift < 28 { 0x80 } else { 0 });
        bytes = [PREAMBLE, &[4], &size, &bytes].concat();
    }
    bytes
}

#[test]
fn code_that_runs_before_it_is_called() {
    for (core, told) in [
        ("(func $s (loop (br 0))) (start $s)", "CPU time"),
        ("(func $s (call $s)) (start $s)", "call stack exhausted"),
        ("(func $s unreachable) (start $s)", "unreachable"),
        ("(memory 1) (data (i32.const 65535) \"beyond\")", "out of bounds memory access"),
    ] {
        let error = refused(&guest("", core), &Limits::default()).to_string();
        assert!(error.contains(told), "{core}: {error}");
    }
}

#[test]
fn more_than_a_guest_may_have() {
    let instances = format!("(core module $e) {}", "(core instance (instantiate $e))".repeat(900));
    let tables = "(table 1 funcref)".repeat(90);
    for (before, core, told) in [
        ("", "(memory 65536)", "limit `memory`"),
        ("", "(memory 1) (memory 1)", "multiple memories"),
        ("", "(table 1000000000 funcref)", "table minimum size"),
        ("", tables.as_str(), "table count too high"),
        (instances.as_str(), "", "instance count too high"),
    ] {
        let error = refused(&guest(before, core), &Limits::default()).to_string();
        assert!(error.contains(told), "{told}: {error}");
    }
}

#[test]
fn components_that_multiply_are_refused_before_they_are_compiled() {
    let mut text = "(component (component $c0 (core module $m) (core instance (instantiate $m)))".to_owned();
    for i in 1..28 {
        let inner = format!("(alias outer 1 $c{} (component $x))", i - 1);
        text += &format!("(component $c{i} {inner} (instance (instantiate $x)) (instance (instantiate $x)))");
    }
    text += "(instance (instantiate $c27)))";
    for (bytes, told) in [(component(&text), "component instances"), (nested(20_000), "more than 3 deep")] {
        let error = refused(&bytes, &Limits { compile_time: Duration::ZERO, ..Limits::default() });
        assert!(error.to_string().contains(told), "{error}");
    }
}

#[test]
fn a_function_that_takes_long_to_compile_ends_by_its_limit() {
    let body = "(local.set 0 (i32.add (i32.mul (local.get 0) (i32.const 3)) (i32.load (local.get 0))))".repeat(20_000);
    let bytes = guest("", &format!("(memory 1) (func (param i32) (result i32) {body} (local.get 0))"));
    let limits = Limits { compile_time: Duration::from_millis(1), ..Limits::default() };
    let started = Instant::now();
    let error = refused(&bytes, &limits);
    assert!(matches!(error, ModuleError::CompileTime { .. }), "{error}");
    assert!(started.elapsed() < Duration::from_secs(30), "the caller waited for the compiler");
}
