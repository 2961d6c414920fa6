use super::*;
use crate::stored::VersionRecord;
use std::convert::Infallible;
use wasmill_abi::manifest::{FunctionKind, LateRows, OlderValues, SlotKind};
use wasmill_abi::{Field, Type};

fn fields(names: &[(&str, Shape)]) -> Shape {
    Shape::Struct { name: "T".into(), fields: names.iter().map(|(n, s)| ((*n).to_owned(), s.clone())).collect() }
}

fn slot(name: &str, version: u32, shape: Shape, older: &[(u32, Shape)]) -> Slot {
    let mut slot = Slot::new(name, SlotKind::Value, version, "T");
    slot.values.shape = shape;
    slot.values.older =
        older.iter().map(|(version, shape)| OlderValues { version: *version, shape: shape.clone() }).collect();
    slot
}

fn function(slots: Vec<Slot>) -> Function {
    let kind = FunctionKind::Keyed { key: key(&["k"]), slots };
    let (name, doc) = ("count".to_owned(), String::new());
    let (input, late) = (Schema::default(), LateRows::Handled);
    let reads_changes = false;
    Function {
        name,
        doc,
        kind,
        input,
        right: None,
        outputs: vec![],
        late,
        config: vec![],
        metrics: vec![],
        reads_changes,
    }
}

fn key(names: &[&str]) -> Schema {
    Schema::new(names.iter().map(|name| Field::new(*name, Type::Utf8, false)).collect())
}

fn remembered(slots: &[(&str, &[(u32, Shape)])]) -> Remembered {
    let record = |versions: &[(u32, Shape)]| SlotRecord {
        kind: SlotKind::Value as u8,
        entry_key: None,
        versions: versions
            .iter()
            .map(|(version, shape)| VersionRecord {
                version: *version,
                since_epoch: 1,
                type_name: "T".into(),
                shape: shape.clone(),
            })
            .collect(),
    };
    let operator = OperatorRecord { key: key(&["k"]), module: "m 1".into(), function: "count".into() };
    Remembered {
        operator: Some(operator),
        slots: slots.iter().map(|(name, versions)| ((*name).to_owned(), record(versions))).collect(),
    }
}

fn outcome(
    function: &Function,
    key: &Schema,
    remembered: &Remembered,
    full: bool,
) -> Result<Vec<(String, SlotRecord)>, Vec<String>> {
    let mut holds = |_: Option<&str>| Ok::<_, Infallible>(full);
    let Ok(outcome) = compare("totals", function, key, remembered, 9, &mut holds);
    outcome.map_err(|all| all.iter().map(ToString::to_string).collect())
}

#[track_caller]
fn refused(slots: Vec<Slot>, remembered: &Remembered, told: &[&str]) {
    let function = function(slots);
    let messages = outcome(&function, &key(&["k"]), remembered, true).expect_err("it does not fit");
    assert_eq!(messages.len(), 1, "{messages:?}");
    for part in told.iter().chain(&["operator \"totals\"", "wasmill state JOB --drop totals"]) {
        assert!(messages[0].contains(part), "{part:?} is not in {:?}", messages[0]);
    }
    // Where nothing is stored, nothing can be lost or misread.
    assert!(outcome(&function, &key(&["k"]), remembered, false).is_ok());
}

#[test]
fn a_new_operator_is_remembered_with_the_epoch() {
    let made = outcome(&function(vec![slot("n", 2, Shape::U64, &[])]), &key(&["k"]), &Remembered::default(), true);
    let made = made.expect("nothing is stored");
    assert_eq!(made[0].0, "n");
    let versions: Vec<_> = made[0].1.versions.iter().map(|v| (v.version, v.since_epoch)).collect();
    assert_eq!(versions, [(2, 9)]);
    assert_eq!(SlotRecord::decode(&made[0].1.encode()), Ok(made[0].1.clone()));
}

#[test]
fn the_same_module_has_nothing_new() {
    let same = outcome(
        &function(vec![slot("n", 1, Shape::U64, &[])]),
        &key(&["k"]),
        &remembered(&[("n", &[(1, Shape::U64)])]),
        true,
    );
    assert_eq!(same, Ok(vec![]));
}

#[test]
fn a_migration_adds_its_version_and_keeps_the_old_one() {
    let next = function(vec![slot("n", 2, Shape::I64, &[(1, Shape::U64)])]);
    let made = outcome(&next, &key(&["k"]), &remembered(&[("n", &[(1, Shape::U64)])]), true).expect("it migrates");
    let versions: Vec<_> = made[0].1.versions.iter().map(|v| (v.version, v.since_epoch)).collect();
    assert_eq!(versions, [(1, 1), (2, 9)]);
}

#[test]
fn what_cannot_be_read_is_refused_with_slot_and_versions() {
    let stored = remembered(&[("n", &[(1, Shape::U64), (2, Shape::I64)])]);
    refused(
        vec![slot("n", 1, Shape::U64, &[])],
        &stored,
        &["state slot \"n\"", "versions 1, 2,", "reads version 1.", "--drop totals.n"],
    );
    refused(vec![slot("n", 3, Shape::Str, &[(2, Shape::I64)])], &stored, &["reads versions 2, 3"]);
    refused(
        vec![slot("n", 2, Shape::Str, &[(1, Shape::U64)])],
        &stored,
        &["version 2 are stored as i64", "for String", "Raise the slot's version"],
    );
    let mut list = slot("n", 2, Shape::I64, &[(1, Shape::U64)]);
    let mut was = stored.clone();
    was.slots.get_mut("n").expect("it is there").kind = 2;
    list.values.entry_key = Some(Shape::Str);
    refused(vec![list], &was, &["holds a map", "has a value"]);
    refused(vec![], &stored, &["has no such slot any more"]);
}

#[test]
fn keys_that_would_not_be_found_are_refused() {
    let f = function(vec![slot("n", 1, Shape::U64, &[])]);
    let mut stored = remembered(&[("n", &[(1, Shape::U64)])]);
    stored.operator.as_mut().expect("it is there").key = key(&["from", "to"]);
    for other in [key(&["to", "from"]), key(&["from"])] {
        let told = outcome(&f, &other, &stored, true).expect_err("the key is another");
        assert!(told[0].contains("stored by the key (from: string, to: string)"), "{told:?}");
        assert!(outcome(&f, &other, &stored, false).is_ok(), "nothing is stored");
    }
    assert!(outcome(&f, &key(&["origin", "to"]), &stored, true).is_ok(), "a column may be renamed");
}

#[test]
fn names_tell_what_types_cannot() {
    let stored = fields(&[("sum", Shape::I64), ("rows", Shape::I64)]);
    for (now, reads) in [
        (fields(&[("total", Shape::I64), ("rows", Shape::I64)]), true),
        (fields(&[("rows", Shape::I64), ("sum", Shape::I64)]), false),
        (fields(&[("sum", Shape::I64)]), false),
        (Shape::Unknown, true),
    ] {
        assert_eq!(now.reads(&stored), reads, "{now}");
    }
    let choice = |names: &[&str]| Shape::Enum {
        name: "E".into(),
        variants: names.iter().map(|n| ((*n).to_owned(), Shape::Unit)).collect(),
    };
    assert!(choice(&["A", "B", "C"]).reads(&choice(&["A", "B"])), "a variant was added");
    assert!(!choice(&["B", "A"]).reads(&choice(&["A", "B"])), "variants were swapped");
    assert!(!choice(&["A"]).reads(&choice(&["A", "B"])), "a variant is missing");
}
