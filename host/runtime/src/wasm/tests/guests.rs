//! Hand-written guests: a component of the world whose `describe`, `open` and `process` are given as
//! WebAssembly text.

use crate::wasm::{Factory, Instance, LogSink, ModuleError, Runtime};
use std::sync::{Arc, OnceLock};
use wasmill_abi::manifest::{Function, FunctionKind, LateRows, Manifest, Metric, MetricKind, Output, Slot, SlotKind};
use wasmill_abi::open::OpenContext;
use wasmill_abi::{Field, Schema, Type};
use wasmill_core::limits::Limits;

/// Returns the address of an `ok` without a value.
pub const OK: &str = "(i32.store8 (i32.const 64) (i32.const 0)) (i32.const 64)";
/// Returns the address of `ok(manifest)`.
const DESCRIBE: &str = "(i32.store8 (i32.const 64) (i32.const 0))
    (i32.store (i32.const 68) (i32.const 1024)) (i32.store (i32.const 72) (i32.const MANIFEST_BYTES))
    (i32.const 64)";

/// A guest whose parts can be replaced.
pub struct Source {
    pub version: &'static str,
    pub memory_pages: u32,
    pub manifest: Vec<u8>,
    pub describe: String,
    pub open: String,
    pub process: String,
    /// The name of the export.
    pub export: String,
    pub extra_import: String,
}

impl Source {
    /// A guest whose `process` is this.
    pub fn process(process: &str) -> Self {
        Self { process: process.to_owned(), ..Self::default() }
    }

    /// A guest that pushes this chunk.
    pub fn pushing(chunk: &[u8]) -> Self {
        let stores: String = chunk
            .iter()
            .enumerate()
            .map(|(i, b)| format!("(i32.store8 (i32.const {}) (i32.const {b}))", 8192 + i))
            .collect();
        Self::process(&format!("{stores} (call $push (i32.const 8192) (i32.const {})) {OK}", chunk.len()))
    }

    pub fn component(&self) -> Vec<u8> {
        let data: String = self.manifest.iter().map(|b| format!("\\{b:02x}")).collect();
        let text = TEMPLATE
            .replace("VERSION", self.version)
            .replace("EXTRA_IMPORT", &self.extra_import)
            .replace("PAGES", &self.memory_pages.to_string())
            .replace("DESCRIBE", &self.describe)
            .replace("OPEN", &self.open)
            .replace("PROCESS", &self.process)
            .replace("EXPORT", &self.export)
            .replace("MANIFEST_BYTES", &self.manifest.len().to_string())
            .replace("MANIFEST_DATA", &data);
        wat::parse_str(&text).expect("the text is a component")
    }

    pub fn load(&self) -> Result<Arc<Factory>, ModuleError> {
        self.load_with(&Limits::default())
    }

    pub fn load_with(&self, limits: &Limits) -> Result<Arc<Factory>, ModuleError> {
        Factory::load(&runtime(), &self.component(), limits)
    }

    pub fn instance(&self, limits: &Limits) -> Instance {
        let factory = self.load().expect("the module is in order");
        factory.instantiate(&OpenContext::default(), limits, silent()).expect("the function opens")
    }
}

impl Default for Source {
    fn default() -> Self {
        Self {
            version: "0.1.0",
            memory_pages: 4,
            manifest: manifest().encode(),
            describe: DESCRIBE.to_owned(),
            open: OK.to_owned(),
            process: OK.to_owned(),
            export: "wasmill:function/guest@0.1.0".to_owned(),
            extra_import: String::new(),
        }
    }
}

/// One function with a column of each kind of layout.
pub fn function() -> Function {
    let schema = Schema::new(vec![
        Field::new("id", Type::I64, false),
        Field::new("name", Type::Utf8, true),
        Field::new("flag", Type::Bool, true),
    ]);
    Function {
        name: "f".to_owned(),
        doc: "Does what the test needs.".to_owned(),
        kind: FunctionKind::Keyed {
            key: Schema::new(vec![Field::new("id", Type::I64, false)]),
            slots: vec![Slot::new("s", SlotKind::Value, 1, "u64")],
        },
        input: schema.clone(),
        outputs: vec![Output { name: "out".to_owned(), schema, changelog: false }],
        config: Vec::new(),
        right: None,
        late: LateRows::Handled,
        metrics: vec![Metric { name: "seen".to_owned(), kind: MetricKind::Counter }],
        reads_changes: false,
    }
}

pub fn manifest() -> Manifest {
    Manifest { name: "test".into(), version: "1.0.0".into(), sdk: "by hand".into(), functions: vec![function()] }
}

pub fn silent() -> LogSink {
    Arc::new(|_, _| {})
}

/// One runtime for all tests, as in a process.
pub fn runtime() -> Arc<Runtime> {
    static RUNTIME: OnceLock<Arc<Runtime>> = OnceLock::new();
    RUNTIME.get_or_init(|| Runtime::new(None).expect("the engine starts")).clone()
}

/// Addresses: 64 result area, 1024 manifest, 8192 scratch, from 65536 what the host hands over.
const TEMPLATE: &str = r#"
(component
  (type $types-ty (instance
    (type $f (enum "bad-record" "transient" "fatal" "incompatible"))
    (export "fault" (type $fault (eq $f)))
    (type $e (record (field "fault" $fault) (field "code" u32) (field "message" string) (field "row" (option u32))))
    (export "error" (type (eq $e)))
    (type $l (enum "trace" "debug" "info" "warn" "error"))
    (export "level" (type (eq $l)))
    (type $fr (record (field "lo" u32) (field "hi" u32) (field "features" u64)))
    (export "frame-range" (type (eq $fr)))))
  (import "wasmill:function/types@VERSION" (instance $types (type $types-ty)))
  (alias export $types "error" (type $error))
  (alias export $types "level" (type $level))
  (alias export $types "frame-range" (type $frame-range))
  (import "wasmill:function/effects@VERSION" (instance $effects
    (export "push" (func (param "chunk" (list u8))))))
  (import "wasmill:function/log@VERSION" (instance $log
    (alias outer 1 $level (type $l0))
    (export "level" (type $l1 (eq $l0)))
    (export "write" (func (param "lvl" $l1) (param "msg" string)))))
  EXTRA_IMPORT
  (core module $libc
    (memory (export "memory") PAGES)
    (global $next (mut i32) (i32.const 65536))
    (func (export "reset") (global.set $next (i32.const 65536)))
    (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (local $at i32)
      (local.set $at (i32.and (i32.add (global.get $next) (i32.const 7)) (i32.const -8)))
      (global.set $next (i32.add (local.get $at) (local.get 3)))
      (if (i32.gt_u (global.get $next) (i32.mul (memory.size) (i32.const 65536)))
        (then (if (i32.lt_s (memory.grow (i32.add (i32.div_u (local.get 3) (i32.const 65536)) (i32.const 1)))
                            (i32.const 0)) (then unreachable))))
      (local.get $at)))
  (core instance $libc (instantiate $libc))
  (alias core export $libc "memory" (core memory $memory))
  (alias core export $libc "cabi_realloc" (core func $realloc))
  (alias export $effects "push" (func $push-import))
  (alias export $log "write" (func $write-import))
  (core func $push (canon lower (func $push-import) (memory $memory)))
  (core func $write (canon lower (func $write-import) (memory $memory)))
  (core module $main
    (import "libc" "memory" (memory 1))
    (import "libc" "reset" (func $reset))
    (import "host" "push" (func $push (param i32 i32)))
    (import "host" "write" (func $write (param i32 i32 i32)))
    (type $nothing (func))
    (table 2 funcref)
    (elem (i32.const 0) func $recurse)
    (func $recurse (param i32) (result i32)
      (i32.add (call $recurse (i32.add (local.get 0) (i32.const 1))) (local.get 0)))
    (func (export "describe") (param i32 i32 i64) (result i32) DESCRIBE)
    (func (export "open") (param i32 i32) (result i32) (call $reset) OPEN)
    (func $process (export "process") (param i32 i32) (result i32) (local $i i32) (call $reset) PROCESS)
    (data (i32.const 128) "panic: index 7 at src/lib.rs:3:5")
    (data (i32.const 1024) "MANIFEST_DATA"))
  (core instance $main (instantiate $main
    (with "libc" (instance $libc))
    (with "host" (instance (export "push" (func $push)) (export "write" (func $write))))))
  (alias core export $main "describe" (core func $describe-core))
  (alias core export $main "open" (core func $open-core))
  (alias core export $main "process" (core func $process-core))
  (func $describe (param "host" $frame-range) (result (result (list u8) (error $error)))
    (canon lift (core func $describe-core) (memory $memory) (realloc (core func $realloc))))
  (func $open (param "ctx" (list u8)) (result (result (error $error)))
    (canon lift (core func $open-core) (memory $memory) (realloc (core func $realloc))))
  (func $process (param "batch" (list u8)) (result (result (error $error)))
    (canon lift (core func $process-core) (memory $memory) (realloc (core func $realloc))))
  (instance $guest
    (export "describe" (func $describe))
    (export "open" (func $open))
    (export "process" (func $process)))
  (export "EXPORT" (instance $guest)))
"#;
