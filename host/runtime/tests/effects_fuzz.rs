//! Chunks of effects from a guest that means harm, through the host's reader: it never panics, and
//! what it gives obeys the function's schema, so that nothing behind it needs to look again.

#[path = "../../../sdk/abi/tests/fuzz/engine.rs"]
mod engine;
#[path = "../../../sdk/abi/tests/fuzz/seeds.rs"]
#[expect(dead_code, reason = "the seeds of the other decoders are not needed here")]
mod seeds;

use arrow_array::Array;
use engine::Target;
use std::path::Path;
use wasmill_abi::manifest::{Function, FunctionKind, LateRows, Metric, MetricKind, Output, Slot, SlotKind};
use wasmill_runtime::schema::to_arrow;
use wasmill_runtime::wasm::{Chunk, Effects, EffectsReader};

/// Rows and distinct keys of the frame that the chunks answer.
const ROWS: u32 = 3;
const KEYS: u32 = 2;

/// The function for which the seeds are in order.
fn function() -> Function {
    let slot = |name: &str, kind| Slot::new(name, kind, 1, "");
    let slots = vec![
        slot("a", SlotKind::Value),
        slot("b", SlotKind::Value),
        slot("c", SlotKind::Map),
        slot("d", SlotKind::Sum),
    ];
    let metric = |name: &str, kind| Metric { name: name.to_owned(), kind };
    let output = |name: &str, schema| Output { name: name.to_owned(), schema, changelog: false };
    Function {
        name: "hostile".to_owned(),
        doc: String::new(),
        kind: FunctionKind::Keyed { key: seeds::key_schema(), slots },
        input: seeds::key_schema(),
        outputs: vec![output("every", seeds::everything()), output("pair", seeds::key_schema())],
        config: Vec::new(),
        right: None,
        late: LateRows::Leave,
        metrics: vec![metric("m", MetricKind::Counter), metric("n", MetricKind::Gauge)],
        reads_changes: false,
    }
}

fn check(function: &Function, effects: &Effects) {
    for rows in &effects.rows {
        let columns = &rows.columns;
        assert_eq!(columns.schema(), to_arrow(&function.outputs[rows.output].schema));
        for (column, field) in columns.columns().iter().zip(columns.schema().fields()) {
            column.to_data().validate_full().expect("columns are valid Arrow, to the last byte");
            assert!(field.is_nullable() || column.null_count() == 0, "{field} lacks a value");
            assert_eq!(column.len(), columns.num_rows());
        }
        match &rows.origins {
            None => assert!(columns.num_rows() <= ROWS as usize),
            Some(origins) => {
                assert!(origins.len() == columns.num_rows() && origins.iter().all(|&row| row < ROWS));
            }
        }
    }
    for change in effects.state() {
        assert!(change.slot < 2 && change.key < KEYS);
        assert!(change.value.is_none_or(|value| value.iter().map(|b| usize::from(*b)).sum::<usize>() < 1 << 30));
    }
    for record in effects.entries() {
        for change in record.changes() {
            assert!(change.key < KEYS);
            match record.slot {
                2 => assert!(change.entry.is_some() || change.value.is_none(), "an entry of a map has a key"),
                3 => assert!(change.entry.is_none() && change.value.is_none_or(|operand| operand.len() == 8)),
                other => panic!("slot {other} has no entries"),
            }
        }
    }
    assert!(effects.timers.iter().all(|timer| timer.key < KEYS));
    assert!(effects.rejects.iter().all(|reject| reject.row < ROWS));
    assert!(effects.metrics.iter().all(|(metric, _)| *metric < 2));
}

#[test]
fn hostile_chunks_yield_nothing_that_breaks_the_schema() {
    let function = function();
    let reader = EffectsReader::new(&function);
    let read = |input: &[u8]| {
        // Twice, as of two chunks of one call: effects of both must hold.
        let chunks = [Chunk::copy_of(input), Chunk::copy_of(input)];
        let effects = reader.read(&chunks, ROWS, KEYS).map_err(|e| e.to_string())?;
        check(&function, &effects);
        Ok(())
    };
    let seeds = seeds::effects();
    for (i, seed) in seeds.iter().enumerate() {
        assert_eq!(read(seed), Ok(()), "seed {i} is in order");
    }
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../sdk/abi/tests/corpus/effects");
    let repair = |input: &mut [u8]| {
        let len = input.len() as u32;
        if let Some(bytes) = input.get_mut(12..16) {
            bytes.copy_from_slice(&len.to_le_bytes());
        }
    };
    let report = engine::run(&Target { name: "effects, in the host", corpus, seeds, repair, check: &read });
    for words in ["fine", "UTF#", "do not rise", "output # of #", "is no value"] {
        let outcomes: Vec<_> = report.outcomes.keys().collect();
        let any = outcomes.iter().any(|outcome| outcome.replace("UTF-#", "UTF#").contains(words));
        assert!(any, "no input reached {words:?}: {outcomes:#?}");
    }
}
