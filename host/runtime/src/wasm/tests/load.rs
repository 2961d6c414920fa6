//! Every refusal of a module, with its words.

use super::guests::{Source, manifest, runtime};
use crate::wasm::{CallError, Factory, Fault, ModuleError};
use std::time::Duration;
use wasmill_core::limits::Limits;

fn load(bytes: &[u8]) -> Result<(), ModuleError> {
    Factory::load(&runtime(), bytes, &Limits::default()).map(drop)
}

fn refused(source: &Source) -> ModuleError {
    source.load().map(drop).expect_err("the module is refused")
}

#[test]
fn a_module_in_order_is_loaded_and_reported() {
    let component = Source::default().component();
    let factory = Factory::load(&runtime(), &component, &Limits::default()).expect("the module is in order");
    assert_eq!(*factory.manifest(), manifest());
    assert_eq!(factory.imports(), ["wasmill:function/effects@0.1.0", "wasmill:function/log@0.1.0"]);
    assert_eq!(factory.sha256().len(), 64);
    assert!(!factory.cached());
    assert_eq!(factory.component(), component);
}

#[test]
fn too_large() {
    let limits = Limits { module_bytes: 100, ..Limits::default() };
    let error = Source::default().load_with(&limits).map(drop).expect_err("it has more than 100 bytes");
    assert!(matches!(error, ModuleError::TooLarge { got, limit: 100 } if got > 100), "{error}");
}

#[test]
fn not_wasm() {
    let error = load(b"\x7fELF\x02\x01\x01\0and so on").expect_err("it is an executable");
    assert!(error.to_string().contains(r#"it starts with "\x7fELF\x02\x01\x01\x00""#), "{error}");
    let error = load(b"").expect_err("it is empty");
    assert!(error.to_string().contains("it is empty"), "{error}");
}

#[test]
fn core_module() {
    let bytes = wat::parse_str("(module)").expect("the text is a module");
    let error = load(&bytes).expect_err("it is no component");
    assert!(matches!(error, ModuleError::CoreModule));
    assert!(error.to_string().contains("run `wasmill build`"), "{error}");
}

#[test]
fn damaged_component() {
    let mut bytes = Source::default().component();
    bytes.truncate(bytes.len() / 2);
    let error = load(&bytes).expect_err("half of it is missing");
    assert!(matches!(error, ModuleError::Invalid { .. }), "{error}");
    let bytes = wat::parse_str("(component (core module (func (result i32))))").expect("the text is a component");
    let error = load(&bytes).expect_err("the function has no result");
    assert!(matches!(error, ModuleError::Invalid { .. }), "{error}");
    assert!(error.to_string().contains("at offset 34"), "{error}");
}

#[test]
fn features_that_are_off() {
    for (what, module) in [
        ("threads", "(module (memory 1 1 shared))"),
        ("memory64", "(module (memory i64 1))"),
        ("multi-memory", "(module (memory 1) (memory 1))"),
        (
            "relaxed SIMD",
            "(module (func (param v128 v128) (result v128) (i8x16.relaxed_swizzle (local.get 0) (local.get 1))))",
        ),
        ("tail calls", "(module (func $f (return_call $f)))"),
        ("exceptions", "(module (tag))"),
        ("gc", "(module (type (struct (field i32))))"),
        ("function references", "(module (type $t (func)) (func (param (ref $t))))"),
        (
            "wide arithmetic",
            "(module (func (param i64 i64) (result i64 i64) (i64.mul_wide_u (local.get 0) (local.get 1))))",
        ),
    ] {
        let text = format!("(component (core {}", module.strip_prefix('(').expect("a list")) + ")";
        let bytes = wat::parse_str(&text).expect("the text is a component");
        let error = load(&bytes).expect_err(what);
        assert!(matches!(error, ModuleError::Invalid { .. }), "{what}: {error}");
    }
}

#[test]
fn unknown_import() {
    let import = r#"(import "wasi:cli/environment@0.2.0" (instance (export "get" (func))))"#;
    let error = refused(&Source { extra_import: import.to_owned(), ..Source::default() });
    assert!(matches!(&error, ModuleError::UnknownImport { name, .. } if name == "wasi:cli/environment@0.2.0"));
    assert!(error.to_string().contains("wasmill:function/effects@0.1.0"), "{error}");
    let import = r#"(import "wasmill:function/sockets@0.1.0" (instance (export "get" (func))))"#;
    let error = refused(&Source { extra_import: import.to_owned(), ..Source::default() });
    assert!(matches!(error, ModuleError::UnknownImport { .. }), "{error}");
}

#[test]
fn unknown_function_of_a_known_import() {
    let import = r#"(import "wasmill:function/log@0.1.1" (instance (export "rotate" (func))))"#;
    let error = refused(&Source { extra_import: import.to_owned(), ..Source::default() });
    assert!(matches!(error, ModuleError::ImportMismatch { .. }));
    assert!(error.to_string().contains("rotate"), "{error}");
}

#[test]
fn versions() {
    let compatible = Source { version: "0.1.7", export: "wasmill:function/guest@0.1.7".into(), ..Source::default() };
    compatible.load().map(drop).expect("0.1.7 fits a host of 0.1.0 when it asks for nothing new");
    let error = refused(&Source { version: "0.2.0", ..Source::default() });
    assert!(matches!(error, ModuleError::OtherAbi { .. }), "{error}");
    let error = refused(&Source { export: "wasmill:function/guest@1.0.0".into(), ..Source::default() });
    assert!(error.to_string().contains("speaks wasmill:function/guest@1.0.0"), "{error}");
}

#[test]
fn missing_export() {
    let error = refused(&Source { export: "acme:plugin/run@1.0.0".into(), ..Source::default() });
    assert!(matches!(&error, ModuleError::MissingExport { exports } if exports == "acme:plugin/run@1.0.0"), "{error}");
    let error = load(&wat::parse_str("(component)").expect("the text is a component")).expect_err("it is empty");
    assert!(matches!(&error, ModuleError::MissingExport { exports } if exports == "nothing"), "{error}");
}

#[test]
fn exports_of_another_shape() {
    let shape = r#"(component
        (core module $m (func (export "f")))
        (core instance $i (instantiate $m))
        (alias core export $i "f" (core func $core))
        (func $f (canon lift (core func $core)))
        (instance $g (export "describe" (func $f)) (export "open" (func $f)) EXPORT)
        (export "wasmill:function/guest@0.1.0" (instance $g)))"#;
    for (export, words) in [("", "no function \"process\""), (r#"(export "process" (func $f))"#, "\"open\"")] {
        let bytes = wat::parse_str(shape.replace("EXPORT", export)).expect("the text is a component");
        let error = load(&bytes).expect_err("its functions have other types");
        assert!(matches!(error, ModuleError::ExportMismatch { .. }), "{error}");
        assert!(error.to_string().contains(words), "{error}");
    }
}

#[test]
fn compile_time() {
    // 200 functions of 500 additions: some milliseconds at least.
    let body = "(local.set 0 (i32.add (i32.mul (local.get 0) (i32.const 3)) (local.get 0)))".repeat(500);
    let function = format!("(func (param i32) (result i32) {body} (local.get 0))");
    let bytes = wat::parse_str(format!("(component (core module {}))", function.repeat(200))).expect("a component");
    let limits = Limits { compile_time: Duration::from_micros(1), ..Limits::default() };
    let error = Factory::load(&runtime(), &bytes, &limits).map(drop).expect_err("a microsecond is not enough");
    assert!(matches!(error, ModuleError::CompileTime { .. }), "{error}");
}

#[test]
fn describe_that_fails() {
    let error = refused(&Source { describe: "unreachable".into(), ..Source::default() });
    assert!(matches!(error, ModuleError::Describe(CallError::Trap { .. })), "{error}");
    let error = refused(&Source { describe: "(loop (br 0)) unreachable".into(), ..Source::default() });
    assert!(matches!(error, ModuleError::Describe(CallError::Deadline { .. })), "{error}");
    // err(incompatible, code 0, no message, no row)
    let failing = "(i64.store (i32.const 64) (i64.const 1)) (i32.store8 (i32.const 68) (i32.const 3))
        (i64.store (i32.const 72) (i64.const 0)) (i64.store (i32.const 80) (i64.const 0)) (i32.const 64)";
    let error = refused(&Source { describe: failing.into(), ..Source::default() });
    let ModuleError::Describe(CallError::Guest { fault: Fault::Incompatible, .. }) = error else {
        panic!("{error}");
    };
}

#[test]
fn memory_that_is_too_large_from_the_start() {
    let limits = Limits { memory_bytes: 1 << 20, ..Limits::default() };
    let error = Source { memory_pages: 32, ..Source::default() }.load_with(&limits).map(drop).expect_err("2 MiB");
    assert!(matches!(error, ModuleError::Describe(CallError::Memory { limit: 1_048_576 })), "{error}");
}

#[test]
fn manifest_that_is_malformed_or_newer() {
    let error = refused(&Source { manifest: b"WMM?nonsense".to_vec(), ..Source::default() });
    assert!(matches!(error, ModuleError::Manifest(_)), "{error}");
    let mut newer = manifest().encode();
    newer[6..8].copy_from_slice(&(wasmill_abi::ABI_MINOR + 1).to_le_bytes());
    let error = refused(&Source { manifest: newer, ..Source::default() });
    let newer = format!("speaks ABI 0.{}", wasmill_abi::ABI_MINOR + 1);
    assert!(error.to_string().contains(&newer), "{error}");
}
