//! What a manifest looks like, as text and as JSON.

use super::{json, text, wrapped};
use crate::author::snippet;
use crate::terminal::Palette;
use std::path::Path;
use wasmill_abi::manifest::{
    ConfigField, ConfigValue, Function, FunctionKind, LateRows, Manifest, Metric, MetricKind, Output, Slot, SlotKind,
};
use wasmill_abi::{Field, Schema, Type};
use wasmill_server::modules::ModuleReport;

fn keyed() -> Function {
    let key = Schema::new(vec![Field::new("origin", Type::Utf8, false)]);
    let slot = Slot::new("totals", SlotKind::Value, 2, "Totals");
    let setting = |name: &str, ty, default| ConfigField {
        name: name.into(),
        ty,
        default,
        optional: false,
        doc: format!("The {name}."),
    };
    Function {
        name: "hourly".into(),
        doc: "Totals per hour.".into(),
        kind: FunctionKind::Keyed { key: key.clone(), slots: vec![slot] },
        input: Schema::new(vec![Field::new("origin", Type::Utf8, false), Field::new("delay", Type::I32, true)]),
        outputs: vec![Output { name: "out".into(), schema: key, changelog: false }],
        config: vec![setting("top", Type::I64, Some(ConfigValue::Int(3))), setting("region", Type::Utf8, None)],
        right: None,
        late: LateRows::Handled,
        metrics: vec![Metric { name: "late".into(), kind: MetricKind::Counter }],
        reads_changes: false,
    }
}

fn report() -> ModuleReport {
    let manifest = Manifest {
        name: "flights".into(),
        version: "0.1.0".into(),
        sdk: "wasmill-sdk 0.1.0".into(),
        functions: vec![keyed()],
    };
    ModuleReport { sha256: "ab12".into(), bytes: 61_234, imports: vec!["wasmill:function/log@0.1.0".into()], manifest }
}

#[test]
fn the_text_names_everything() {
    let expected = "\
flights 0.1.0 wasmill-sdk 0.1.0
  module    f.wasm
  size      61,234 bytes
  sha256    ab12
  asks for  wasmill:function/log@0.1.0

hourly keyed by origin: string
  Totals per hour.
  input     origin: string, delay: int32?
  output    out  origin: string
  state     totals: Totals, version 2
  setting   top: int64 = 3  The top.
  setting   region: string, must be given  The region.
  metric    late, a counter
";
    assert_eq!(text(&report(), Path::new("f.wasm"), &Palette::new(false)), expected);
}

#[test]
fn the_json_names_everything() {
    let value = json(&report(), Path::new("f.wasm"));
    let function = &value["functions"][0];
    assert_eq!(value["sha256"], "ab12");
    assert_eq!(function["kind"], "keyed");
    assert_eq!(function["input"][1], serde_json::json!({ "name": "delay", "type": "int32", "nullable": true }));
    assert_eq!(function["settings"][0]["default"], 3);
    assert!(function["settings"][1]["default"].is_null());
    assert_eq!(function["state"][0]["version"], 2);
}

#[test]
fn long_lists_wrap_under_their_start() {
    let items: Vec<String> = (0..30).map(|i| format!("column{i:02}")).collect();
    let text = wrapped(items.iter().map(String::as_str), ", ", 12);
    assert!(text.lines().count() > 1 && text.lines().skip(1).all(|l| l.starts_with("            column")), "{text}");
    assert!(text.lines().all(|l| l.len() <= super::WIDTH && !l.ends_with(' ')), "{text}");
    assert_eq!(text.split_whitespace().collect::<String>(), items.join(","));
}

#[test]
fn the_snippet_gives_the_settings_that_must_be_given() {
    let text = snippet::job(&report().manifest, Path::new("target/wasmill/f.wasm"));
    assert!(text.contains("region:") && !text.contains("top:"), "{text}");
    assert!(text.contains("key: [origin]"), "{text}");
    assert!(text.contains("target/wasmill/f.wasm"), "{text}");
}
