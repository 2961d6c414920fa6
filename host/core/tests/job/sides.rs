//! Functions with two inputs, and outputs for late rows.

use super::support::run;
use wasmill_core::job::Overrides;
use wasmill_core::plan::{OperatorKind, Plan, RightInput, Route, Side};

const SHOP: &str = "job: shop
modules: { shop: shop.wasm }
sources:
  orders:
    connector: file
    path: orders.ndjson
    schema: { at: timestamp, id: uint64, cents: int64 }
    event_time: { column: at }
  payments:
    connector: file
    path: payments.ndjson
    schema: { order_id: uint64, at: timestamp, cents: int64, note: string? }
    event_time: { column: at }
functions:
  matched:
    module: shop
    function: matched
    INPUT
    KEY
sinks:
  result: { connector: blackhole, input: matched }
  MORE
";

fn shop(input: &str, key: &str, more: &str) -> String {
    SHOP.replace("INPUT", input).replace("KEY", key).replace("MORE", more)
}

fn plan(input: &str, key: &str, more: &str) -> Plan {
    run(&shop(input, key, more), &Overrides::default()).unwrap_or_else(|problems| panic!("{problems}"))
}

/// The one problem of a shop.
#[track_caller]
fn refused(input: &str, key: &str, more: &str, why: &str) {
    let problems = run(&shop(input, key, more), &Overrides::default()).expect_err("it must be refused");
    assert!(problems.contains(why) && problems.matches("error[").count() == 1, "{problems}");
}

const BOTH: &str = "input: { left: orders, right: payments }";
const KEYS: &str = "key: { left: id, right: order_id }";

#[test]
fn each_input_has_its_columns_and_its_key() {
    let plan = plan(BOTH, KEYS, "");
    let matched = plan.operators.iter().find(|o| o.name == "matched").expect("it is an operator");
    let sides: Vec<_> = matched.inputs.iter().map(|i| (i.side, i.route.clone())).collect();
    let by_key = |column| Route::ByKey { columns: vec![column] };
    assert_eq!(sides, [(Side::Left, by_key(1)), (Side::Right, by_key(0))]);
    let OperatorKind::Function(call) = &matched.kind else { panic!("it is a function") };
    assert_eq!((&call.columns[..], &call.key[..]), (&[2, 0][..], &[1][..]));
    assert_eq!(call.right, Some(RightInput { columns: vec![2], key: vec![0] }));
    let outputs: Vec<_> = matched.outputs.iter().map(|o| format!("{} ({})", o.name, o.schema)).collect();
    assert_eq!(
        outputs,
        [
            "out (id: uint64)",
            "late_left (at: timestamp, id: uint64, cents: int64)",
            "late_right (order_id: uint64, at: timestamp, cents: int64, note: string?)",
        ]
    );
}

#[test]
fn a_stream_may_be_joined_with_itself_by_one_name_of_the_key() {
    let plan = plan("input: { left: orders, right: orders }", "key: id", "");
    let matched = plan.operators.iter().find(|o| o.name == "matched").expect("it is an operator");
    assert_eq!(matched.inputs.len(), 2);
}

#[test]
fn late_rows_can_be_read_and_read_again() {
    let text = shop(BOTH, KEYS, "late: { connector: blackhole, input: gate.late }").replace(
        "sinks:",
        "  gate: { module: shop, function: gate, input: matched.late_right, key: order_id }\nsinks:",
    );
    let plan = run(&text, &Overrides::default()).unwrap_or_else(|problems| panic!("{problems}"));
    let gate = plan.operators.iter().find(|o| o.name == "gate").expect("it is an operator");
    assert_eq!(gate.outputs[1].schema.to_string(), "order_id: uint64, at: timestamp, cents: int64, note: string?");
}

#[test]
fn sides_that_do_not_fit_are_refused() {
    refused("input: orders", KEYS, "", "does not say which is which");
    refused("input: { left: orders }", KEYS, "", "`input` needs the key `right`");
    refused("input: { left: orders, richt: payments }", KEYS, "", "did you mean `right`?");
    refused(BOTH, "key: { left: id, right: cents }", "", "the key needs `id: uint64`");
    refused(BOTH, "key: id", "", "`payments` has no column `id`");
    refused("input: { left: [orders, payments], right: payments }", KEYS, "", "the inputs of `matched` differ");
    let one = "  gate: { module: shop, function: gate, input: { left: orders, right: payments }, key: id }\nsinks:";
    let text = shop(BOTH, KEYS, "").replace("sinks:", one);
    let problems = run(&text, &Overrides::default()).expect_err("it must be refused");
    assert!(problems.contains("function `gate` has one input"), "{problems}");
}
