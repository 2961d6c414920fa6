//! What must hold inside of the state at every committed epoch, looked at with the process dead:
//! state, positions and output are of the same epoch, and sums are conserved across exchanges.

use std::sync::Arc;
use std::time::{Duration, Instant};
use wasmill_abi::manifest::{Slot, SlotKind};
use wasmill_abi::{hash, key};
use wasmill_runtime::state::{Database, Identity, KeySet, KeyedState, Store};
use wasmill_tests::{Random, Running, TestJob, module, until};

const ROWS: i64 = 40_000;
const ACCOUNTS: i64 = 300;
const KEY_GROUPS: u16 = 128;

fn amount(id: i64) -> i64 {
    id * 7919 % 1000 - 300
}

fn job(parallelism: u16) -> TestJob {
    let job = TestJob::new(&format!(
        "job: conservation
parallelism: {parallelism}
epoch: 10ms
modules: {{ probe: {module} }}
sources:
  transfers:
    connector: file
    path: in/*.ndjson
    rate: 15000
    schema: {{ account: string, id: int64, amount: int64, action: string }}
functions:
  ledger: {{ module: probe, function: ledger, input: transfers, key: [account] }}
sinks:
  balances: {{ connector: file, path: out, format: csv, input: ledger }}
",
        module = module("probe").display(),
    ));
    for file in 0..2 {
        let line = |id: i64| {
            let (account, amount) = (id % ACCOUNTS, amount(id));
            format!("{{\"account\":\"a{account}\",\"id\":{id},\"amount\":{amount},\"action\":\"ok\"}}\n")
        };
        let lines: String = (0..ROWS).filter(|id| id % 2 == file).map(line).collect();
        job.write(&format!("in/{file}.ndjson"), lines);
    }
    job
}

/// What one committed epoch holds.
#[derive(Debug, PartialEq)]
struct Totals {
    rows: i64,
    sum: i64,
}

/// What the committed positions say was read.
fn read_so_far(db: &Database) -> Totals {
    let mut totals = Totals { rows: 0, sum: 0 };
    for (key, value) in db.meta_prefix("source/transfers/").expect("positions can be read") {
        let file: i64 = if key.ends_with("in/0.ndjson") { 0 } else { 1 };
        let position: serde_json::Value = serde_json::from_slice(&value).expect("positions are JSON");
        let rows = position["rows"].as_i64().unwrap_or_else(|| panic!("no rows in {position}"));
        totals.rows += rows;
        totals.sum += (0..rows).map(|n| amount(n * 2 + file)).sum::<i64>();
    }
    totals
}

/// What the committed state of the ledger says was counted, behind the exchange.
fn counted_so_far(db: Arc<Database>) -> Totals {
    let store: Arc<dyn Store> = db;
    let slots = [Slot::new("balance", SlotKind::Value, 1, "Sum")];
    let mut state = KeyedState::open(store, "ledger", &slots, 0..KEY_GROUPS, KEY_GROUPS, 1 << 20).expect("it opens");
    let mut keys = KeySet::new();
    for account in 0..ACCOUNTS {
        let mut bytes = Vec::new();
        key::put_bytes(&mut bytes, format!("a{account}").as_bytes());
        keys.push(&bytes, hash::hash32(&bytes));
    }
    state.load(&keys).expect("state can be read");
    let mut totals = Totals { rows: 0, sum: 0 };
    for i in 0..keys.len() {
        let value = state.value(0, i);
        if value.is_empty() {
            continue;
        }
        let (version, postcard) = wasmill_abi::wire::get_varint(value).expect("values start with their version");
        assert_eq!(version, 1);
        let (balance, rows) = two_varints(postcard);
        totals.sum += balance;
        totals.rows += rows;
    }
    totals
}

/// Postcard's `{ balance: i64, rows: u64 }`: a zigzag varint and a varint.
fn two_varints(bytes: &[u8]) -> (i64, i64) {
    let mut numbers = Vec::new();
    let (mut n, mut shift) = (0u64, 0);
    for b in bytes {
        n |= u64::from(b & 0x7f) << shift;
        shift += 7;
        if b & 0x80 == 0 {
            numbers.push(n);
            (n, shift) = (0, 0);
        }
    }
    let zigzag = |n: u64| (n >> 1) as i64 ^ -((n & 1) as i64);
    (zigzag(numbers[0]), numbers[1] as i64)
}

#[test]
fn sums_are_conserved_at_every_epoch_that_a_kill_leaves_behind() {
    let (mut random, seed) = Random::from_environment();
    println!("WASMILL_TEST_SEED={seed} repeats this run");
    for parallelism in [1, 4] {
        let job = job(parallelism);
        let state_dir = job.path(".wasmill/conservation");
        let mut epochs = Vec::new();
        job.compile();
        loop {
            let mut running = Running::start(job.command(&["--quiet"]));
            let wait = Duration::from_millis(60 + random.below(250));
            let started = Instant::now();
            until("its time has come", || running.has_ended() || started.elapsed() >= wait);
            let ended = running.kill().expect("it can be killed");
            if !state_dir.join("state").exists() {
                continue;
            }
            let identity = Identity { job: "conservation", key_groups: KEY_GROUPS };
            let db = Database::open(&state_dir, &identity).expect("the state opens");
            let read = read_so_far(&db);
            epochs.push((db.committed_epoch(), read.rows));
            assert_eq!(counted_so_far(db), read, "seed {seed}, parallelism {parallelism}, epochs {epochs:?}");
            if ended.status.success() {
                break;
            }
        }
        assert_eq!(epochs.last().map(|e| e.1), Some(ROWS), "the job read everything");
        assert!(
            epochs.iter().filter(|e| e.1 > 0 && e.1 < ROWS).count() >= 3,
            "too few looks in the middle: {epochs:?}"
        );
        assert_eq!(job.csv_rows("out").len() as i64, ROWS);
    }
}
