//! The workloads: a job for Wasmill, arguments for Flink, and the least that is asked of us.

use crate::plain::Plain;
use crate::wasmill::Wasmill;

/// Where rows come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// Bids that are made; the columns that the job reads.
    Bids { columns: &'static str, keys: u64 },
    /// Lines of JSON in a file, one whole bid each.
    Lines,
}

/// One comparison.
#[derive(Debug, Clone)]
pub struct Workload {
    pub name: &'static str,
    pub what: &'static str,
    pub source: Source,
    /// Module and function.
    pub function: &'static str,
    pub keyed: bool,
    pub path: Path,
    /// Keys of the job.
    pub settings: &'static str,
    pub sink: &'static str,
    pub events: u64,
    pub counted: Counted,
    pub least_per_s: f64,
    pub plain: Plain,
    pub peers: &'static [FlinkRun],
}

/// How rows get from the source to the function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Path {
    /// As the host decides: in one thread unless the function is keyed.
    Fused,
    /// Through channels.
    Exchange,
}

/// What an event of Wasmill's side is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Counted {
    /// Events of all three streams of Nexmark, as on the other side: the source makes the bids.
    Events,
    /// Rows that the function gets.
    Rows,
}

/// A run of the other side.
#[derive(Debug, Clone, Copy)]
pub struct FlinkRun {
    pub label: &'static str,
    pub args: &'static [&'static str],
    pub events: u64,
}

const fn flink(label: &'static str, args: &'static [&'static str], events: u64) -> FlinkRun {
    FlinkRun { label, args, events }
}

const BID: &str = "auction, bidder, price, dateTime";
const AUCTION_PRICE: &str = "auction, price";
const NOTHING: &str = "connector: blackhole";
const LINES: &str = "connector: blackhole, format: ndjson";
const CHECKPOINTS: &str = "epoch: 1s";

macro_rules! keyed {
    ($name:literal, $what:literal, $keys:literal, $events:literal, $least:literal, $settings:expr, $peers:expr) => {
        Workload {
            name: $name,
            what: $what,
            source: Source::Bids { columns: AUCTION_PRICE, keys: $keys },
            function: "nexmark.totals",
            keyed: true,
            path: Path::Fused,
            settings: $settings,
            sink: NOTHING,
            events: $events,
            counted: Counted::Events,
            least_per_s: $least,
            plain: Plain::Totals,
            peers: $peers,
        }
    };
}

/// All workloads, in the order of the table.
pub const ALL: &[Workload] = &[
    Workload {
        name: "w0",
        what: "passthrough through one function",
        source: Source::Bids { columns: BID, keys: 0 },
        function: "nexmark.q0",
        keyed: false,
        path: Path::Fused,
        settings: CHECKPOINTS,
        sink: NOTHING,
        events: 100_000_000,
        counted: Counted::Rows,
        least_per_s: 12e6,
        plain: Plain::Pass,
        peers: &[
            flink("object reuse", &["w0", "reuse=true"], 80_000_000),
            flink("default", &["w0", "reuse=false"], 20_000_000),
        ],
    },
    Workload {
        name: "w0-exchange",
        what: "the same over an exchange",
        source: Source::Bids { columns: BID, keys: 0 },
        function: "nexmark.q0",
        keyed: false,
        path: Path::Exchange,
        settings: CHECKPOINTS,
        sink: NOTHING,
        events: 100_000_000,
        counted: Counted::Rows,
        least_per_s: 8e6,
        plain: Plain::Pass,
        peers: &[flink("object reuse", &["w0net", "reuse=true"], 12_000_000)],
    },
    Workload {
        name: "w1",
        what: "map (Nexmark q1)",
        source: Source::Bids { columns: BID, keys: 0 },
        function: "nexmark.q1",
        keyed: false,
        path: Path::Fused,
        settings: CHECKPOINTS,
        sink: NOTHING,
        events: 100_000_000,
        counted: Counted::Events,
        least_per_s: 15e6,
        plain: Plain::Convert,
        peers: &[
            flink("object reuse", &["w1", "reuse=true"], 60_000_000),
            flink("default", &["w1", "reuse=false"], 15_000_000),
        ],
    },
    Workload {
        name: "w2",
        what: "filter (Nexmark q2)",
        source: Source::Bids { columns: AUCTION_PRICE, keys: 0 },
        function: "nexmark.q2",
        keyed: false,
        path: Path::Fused,
        settings: CHECKPOINTS,
        sink: NOTHING,
        events: 200_000_000,
        counted: Counted::Events,
        least_per_s: 20e6,
        plain: Plain::Pick,
        peers: &[
            flink("object reuse", &["w2", "reuse=true"], 80_000_000),
            flink("default", &["w2", "reuse=false"], 20_000_000),
        ],
    },
    keyed!(
        "w3-1k",
        "count, sum and max per bid, 1k keys, state in RocksDB",
        1_000,
        60_000_000,
        10e6,
        CHECKPOINTS,
        &[
            flink("RocksDB", &["w3", "backend=rocksdb", "keys=1000", "ckpt=1000"], 2_000_000),
            flink("heap", &["w3", "backend=hashmap", "keys=1000"], 12_000_000),
        ]
    ),
    keyed!(
        "w3-100k",
        "the same, 100k keys",
        100_000,
        20_000_000,
        3e6,
        CHECKPOINTS,
        &[
            flink("RocksDB", &["w3", "backend=rocksdb", "keys=100000", "ckpt=1000"], 2_000_000),
            flink("heap", &["w3", "backend=hashmap", "keys=100000"], 10_000_000),
        ]
    ),
    keyed!(
        "w3-10m",
        "the same, 10M keys, 2 GiB for state and caches",
        10_000_000,
        12_000_000,
        0.5e6,
        "epoch: 1s\nlimits: { state_cache: 1536MiB }",
        &[
            flink("RocksDB", &["w3", "backend=rocksdb", "keys=10000000", "ckpt=1000"], 2_000_000),
            flink("heap", &["w3", "backend=hashmap", "keys=10000000"], 8_000_000),
        ]
    ),
    Workload {
        name: "json-w1",
        what: "parse a bid, convert it, write a line",
        source: Source::Lines,
        function: "bench.convert-whole",
        keyed: false,
        path: Path::Fused,
        settings: CHECKPOINTS,
        sink: LINES,
        events: 4_000_000,
        counted: Counted::Rows,
        least_per_s: 2e6,
        plain: Plain::JsonConvert,
        peers: &[
            flink("databind", &["json_w1", "keys=100000"], 3_000_000),
            flink("streaming", &["json_w1", "keys=100000", "json=stream"], 4_000_000),
        ],
    },
    Workload {
        name: "json-w3",
        what: "parse a bid, keyed totals of 100k keys, write a line",
        source: Source::Lines,
        function: "nexmark.totals",
        keyed: true,
        path: Path::Fused,
        settings: CHECKPOINTS,
        sink: LINES,
        events: 4_000_000,
        counted: Counted::Rows,
        least_per_s: 1.2e6,
        plain: Plain::JsonTotals,
        peers: &[flink("heap", &["json_w3", "keys=100000"], 3_000_000)],
    },
];

impl Workload {
    /// Events that the source must make so that `self.events` are counted.
    pub fn generated(&self, events: u64) -> u64 {
        match (self.source, self.counted) {
            // Of 50 events of Nexmark, 46 are bids.
            (Source::Bids { .. }, Counted::Rows) => events.div_ceil(46) * 50,
            _ => events,
        }
    }

    /// The source alone, without a function: what the rest is measured on top of.
    pub fn source_job(&self, lines: &str, events: u64) -> String {
        format!(
            "job: {}-source\n{}\nsources:\n  rows: {{ {} }}\nsinks:\n  out: {{ {NOTHING}, input: rows }}\n",
            self.name,
            self.settings,
            self.source_of(lines, events, 1)
        )
    }

    /// The job.
    pub fn job(&self, wasmill: &Wasmill, lines: &str, events: u64, parallelism: u16) -> String {
        let (module, function) = self.function.split_once('.').expect("module.function");
        let key = if self.keyed { ", key: auction" } else { "" };
        // Operators of different parallelism are never fused; the rows of one source subtask stay together.
        let options = match self.path {
            Path::Fused => String::new(),
            Path::Exchange => format!(", parallelism: {}", parallelism + 1),
        };
        format!(
            "job: {name}
{settings}
parallelism: {parallelism}
modules: {{ nexmark: {nexmark}, bench: {bench} }}
sources:
  rows: {{ {source} }}
functions:
  apply: {{ module: {module}, function: {function}, input: rows{key}{options} }}
sinks:
  out: {{ {sink}, input: apply }}
",
            name = self.name,
            settings = self.settings,
            nexmark = wasmill.nexmark.display(),
            bench = wasmill.functions.display(),
            source = self.source_of(lines, events, parallelism),
            sink = self.sink,
        )
    }

    fn source_of(&self, lines: &str, events: u64, partitions: u16) -> String {
        match self.source {
            Source::Bids { columns, keys } => format!(
                "connector: generator, dataset: nexmark, stream: bid, events: {}, keys: {keys}, partitions: {partitions}, columns: [{columns}]",
                self.generated(events)
            ),
            Source::Lines if self.keyed => {
                format!("connector: file, path: {lines}, schema: {{ auction: int64, price: int64 }}")
            }
            Source::Lines => format!(
                "connector: file, path: {lines}, schema: {{ auction: int64, bidder: int64, price: int64, channel: string, url: string, dateTime: int64, extra: string }}"
            ),
        }
    }
}
