//! Every key of the job file: one table per map, with kind, default, bounds, meaning and an example.
//! From it come the keys that a reader accepts, the suggestions for slips, the tables of the guide
//! and the JSON Schema ([`super::reference`]). A key that does not stand here does not exist.

use super::operators::{FORMATS, ON_ERROR, SINK_KINDS, SINK_MODES, SOURCE_KINDS};
use super::settings::{
    DRAIN_TIMEOUT, DRAIN_TIMEOUT_DEFAULT, EPOCH, EPOCH_DEFAULT, EVERY_ROWS, EVERY_ROWS_DEFAULT, GENERATOR_EVENTS,
    GENERATOR_KEYS, GENERATOR_PARTITIONS, IDLE_TIMEOUT, KEY_GROUPS, KEY_GROUPS_DEFAULT, LIMIT_SECTION, MAX_DELAY,
    MAX_DELAY_DEFAULT, PARALLELISM, PARALLELISM_DEFAULT, RATE, ROLL_AGE, ROLL_AGE_DEFAULT, ROLL_BYTES,
    ROLL_BYTES_DEFAULT, VIEW_EVERY,
};
use crate::nexmark::NexmarkStream;
use crate::units::{format_duration, format_size};
use std::time::Duration;

/// A map of the job file whose keys are fixed.
#[derive(Debug, Clone, Copy)]
pub struct Section {
    /// Names the table in the guide and the definition in the schema.
    pub name: &'static str,
    /// In the order of the reference.
    pub keys: &'static [Key],
}

impl Section {
    /// The keys' names, in order.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        self.keys.iter().map(|k| k.name)
    }
}

/// One key and all that is to be said about it.
#[derive(Debug, Clone, Copy)]
pub struct Key {
    pub name: &'static str,
    pub kind: Kind,
    pub need: Need,
    pub fallback: Fallback,
    /// The words of `connector` that it may stand with; all when empty.
    pub only: &'static [&'static str],
    /// One or a few sentences, in Markdown.
    pub doc: &'static str,
    /// A value as it stands in a job file; empty where the doc is enough.
    pub example: &'static str,
}

/// What a value looks like.
#[derive(Debug, Clone, Copy)]
pub enum Kind {
    /// The name of the job.
    JobName,
    /// Text that is not empty.
    Text,
    Path,
    Number {
        min: u64,
        max: u64,
    },
    Duration {
        min: Duration,
        max: Duration,
    },
    /// Bytes.
    Size {
        min: u64,
        max: u64,
    },
    /// One of these.
    Word(fn() -> Vec<&'static str>),
    /// A port or an address.
    Address,
    /// The same, or a map with keys of its own.
    AddressOr(&'static Section),
    Flag,
    /// A name, or a list of names.
    Names,
    /// The same, or a map with keys of its own.
    NamesOr(&'static Section),
    /// A map from names to texts.
    Paths,
    /// A map from columns to types.
    Columns,
    /// A map from settings to single values.
    Settings,
    /// A map with keys of its own.
    Map(&'static Section),
    /// A map from names to maps with keys of their own.
    Entries(&'static Section),
}

/// Whether a key must stand there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    Optional,
    Always,
    /// With these words of `connector`.
    With(&'static [&'static str]),
}

/// What holds when a key is absent.
#[derive(Debug, Clone, Copy)]
pub enum Fallback {
    /// Nothing, or the key must be there.
    None,
    /// This value.
    Is(fn() -> Literal),
    /// It depends; in words.
    Told(&'static str),
}

/// A value as it would be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Literal {
    Flag(bool),
    Number(u64),
    Text(String),
}

impl Literal {
    pub fn duration(value: Duration) -> Self {
        Self::Text(format_duration(value))
    }

    pub fn size(value: u64) -> Self {
        Self::Text(format_size(value))
    }
}

impl std::fmt::Display for Literal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Literal::Flag(flag) => flag.fmt(f),
            Literal::Number(number) => number.fmt(f),
            Literal::Text(text) => f.write_str(text),
        }
    }
}

impl Key {
    /// A key that may be left out, stands with every connector, and has no default.
    pub const fn new(name: &'static str, kind: Kind, doc: &'static str) -> Self {
        Self { name, kind, need: Need::Optional, fallback: Fallback::None, only: &[], doc, example: "" }
    }

    pub const fn needed(mut self) -> Self {
        self.need = Need::Always;
        self
    }

    /// Must stand there with these connectors.
    pub const fn needed_with(mut self, connectors: &'static [&'static str]) -> Self {
        self.need = Need::With(connectors);
        self
    }

    /// May stand there with these connectors only.
    pub const fn only(mut self, connectors: &'static [&'static str]) -> Self {
        self.only = connectors;
        self
    }

    pub const fn default(mut self, value: fn() -> Literal) -> Self {
        self.fallback = Fallback::Is(value);
        self
    }

    /// What holds otherwise, in words.
    pub const fn otherwise(mut self, told: &'static str) -> Self {
        self.fallback = Fallback::Told(told);
        self
    }

    pub const fn example(mut self, example: &'static str) -> Self {
        self.example = example;
        self
    }
}

/// A kind with the bounds of a setting: the same constant that its reader checks.
macro_rules! within {
    (Duration $range:ident) => {
        Kind::Duration { min: *$range.start(), max: *$range.end() }
    };
    ($kind:ident $range:ident) => {
        Kind::$kind { min: *$range.start() as u64, max: *$range.end() as u64 }
    };
}

fn words<T>(pairs: &[(&'static str, T)]) -> Vec<&'static str> {
    pairs.iter().map(|p| p.0).collect()
}

/// The file itself.
pub const JOB: Section = Section {
    name: "job",
    keys: &[
        Key::new("job", Kind::JobName, "The job's name. The state directory is bound to it.")
            .needed()
            .example("flights-by-hour"),
        Key::new(
            "parallelism",
            within!(Number PARALLELISM),
            "Subtasks (threads) of sources and keyed functions that do not name their own. `--parallelism` takes its place.",
        )
        .default(|| Literal::Number(PARALLELISM_DEFAULT.into()))
        .example("2"),
        Key::new(
            "epoch",
            within!(Duration EPOCH),
            "Time between two commits. Output becomes visible with them. `--epoch` takes its place.",
        )
        .default(|| Literal::duration(EPOCH_DEFAULT))
        .example("1s"),
        Key::new("drain_timeout", within!(Duration DRAIN_TIMEOUT), "How long a drain may take after SIGTERM or Ctrl-C.")
            .default(|| Literal::duration(DRAIN_TIMEOUT_DEFAULT))
            .example("2m"),
        Key::new(
            "key_groups",
            within!(Number KEY_GROUPS),
            "Into how many parts keyed state is cut: the highest parallelism of a keyed function. Fixed when the job's state is created.",
        )
        .default(|| Literal::Number(KEY_GROUPS_DEFAULT.into()))
        .example("256"),
        Key::new(
            "metrics",
            Kind::AddressOr(&METRICS),
            "Where [metrics](metrics.md) are: a port of this machine, such as `9464`, or an address, such as `127.0.0.1:9464`. `--metrics` takes its place.",
        )
        .otherwise("none")
        .example("9464"),
        Key::new("limits", Kind::Map(&LIMIT_SECTION), "See [limits](#limits).").example("{ memory: 128MiB }"),
        Key::new("modules", Kind::Paths, "Name: path of a module file that `wasmill build` made.")
            .example("{ flights: target/wasmill/flights.wasm }"),
        Key::new("sources", Kind::Entries(&SOURCE), "Name: [source](#sources).").needed(),
        Key::new("functions", Kind::Entries(&FUNCTION), "Name: [function](#functions)."),
        Key::new("sinks", Kind::Entries(&SINK), "Name: [sink](#sinks); at least one.").needed(),
    ],
};

/// `metrics` of a job, when it is a map.
pub const METRICS: Section = Section {
    name: "metrics",
    keys: &[
        Key::new("address", Kind::Address, "The same, beside `metrics.remote`.").needed().example("0.0.0.0:9464"),
        Key::new(
            "remote",
            Kind::Flag,
            "Whether the address may be one that other machines reach. There is no password.",
        )
        .default(|| Literal::Flag(false))
        .example("true"),
    ],
};

/// An entry of `sources`.
pub const SOURCE: Section = Section {
    name: "source",
    keys: &[
        Key::new("connector", Kind::Word(|| words(SOURCE_KINDS)), "Where the rows come from. See also [the generator](#the-generator).")
            .needed()
            .example("file"),
        Key::new(
            "path",
            Kind::Path,
            "A file, or a pattern with `*`, `?`, `[...]`, `**`. Files that end in `.gz` or `.zst` are uncompressed. Each file is a partition; pipes and devices are refused. Hidden files match only patterns that name the dot.",
        )
        .needed_with(&["file"])
        .only(&["file"])
        .example("data/*.ndjson.gz"),
        Key::new("follow", Kind::Flag, "Read files while they grow; see [files that grow](#files-that-grow).")
            .only(&["file"])
            .default(|| Literal::Flag(false))
            .example("true"),
        Key::new("format", Kind::Word(|| words(FORMATS)), "Needed when the path does not tell, and for `stdin`.")
            .needed_with(&["stdin"])
            .only(&["file", "stdin"])
            .otherwise("by the path's end: `.ndjson`, `.jsonl`, `.csv`, `.avro`, before `.gz` or `.zst`; `.parquet`")
            .example("ndjson"),
        Key::new(
            "schema",
            Kind::Columns,
            "Column: [type](#types-and-formats). A `?` behind the type says that values may be missing. Columns that are not named here are not read.",
        )
        .needed_with(&["file", "stdin"])
        .only(&["file", "stdin"])
        .example("{ origin: string, delay: int32? }"),
        Key::new("dataset", Kind::Word(|| words(super::generator::DATASETS)), "Whose events are made.")
            .needed_with(&["generator"])
            .only(&["generator"])
            .example("nexmark"),
        Key::new("stream", Kind::Word(|| words(NexmarkStream::ALL)), "Which of the events are this source's rows. Needed for dataset `nexmark`; `orders` has one stream.")
            .only(&["generator"])
            .example("bid"),
        Key::new(
            "events",
            within!(Number GENERATOR_EVENTS),
            "Events of the dataset; with `nexmark`, those of all three streams together, of which the source makes its own.",
        )
        .needed_with(&["generator"])
        .only(&["generator"])
        .example("1000000"),
        Key::new(
            "keys",
            within!(Number GENERATOR_KEYS),
            "`nexmark`: 0 is the benchmark's auctions; otherwise bids go to so many auctions, evenly. `orders`: the number of users, at least 1.",
        )
        .only(&["generator"])
        .otherwise("`nexmark`: 0; `orders`: 1000000")
        .example("100000"),
        Key::new("partitions", within!(Number GENERATOR_PARTITIONS), "How many subtasks can share the work.")
            .only(&["generator"])
            .default(|| Literal::Number(1))
            .example("4"),
        Key::new("seed", Kind::Number { min: 0, max: u64::MAX }, "For dataset `orders`: another seed makes other values at the same times.")
            .only(&["generator"])
            .otherwise("`orders`: 1111")
            .example("7"),
        Key::new("columns", Kind::Names, "A column, or a list: only these are made.")
            .only(&["generator"])
            .otherwise("all")
            .example("[auction, price]"),
        Key::new("op", Kind::Map(&OP), "Which column says what a row [does](#changelogs).")
            .only(&["file", "stdin"])
            .otherwise("no changelog"),
        Key::new("event_time", Kind::Map(&EVENT_TIME), "When the rows happened, and how late they may come.")
            .otherwise("no event time"),
        Key::new("rate", within!(Number RATE), "Rows per second and subtask at most.").otherwise("no bound").example("60000"),
        Key::new("parallelism", within!(Number PARALLELISM), "Subtasks (threads). `stdin` can only have 1.")
            .otherwise("the job's; 1 for `stdin`")
            .example("2"),
    ],
};

/// `op` of a source.
pub const OP: Section = Section {
    name: "op",
    keys: &[Key::new("column", Kind::Text, "A column of type `string` without `?`.").needed().example("op")],
};

/// `event_time` of a source.
pub const EVENT_TIME: Section = Section {
    name: "event_time",
    keys: &[
        Key::new("column", Kind::Text, "A column of type `timestamp` without `?`.").needed().example("date"),
        Key::new(
            "max_delay",
            within!(Duration MAX_DELAY),
            "How late rows may come. The watermark is the highest event time seen, less this and one microsecond.",
        )
        .default(|| Literal::duration(MAX_DELAY_DEFAULT))
        .example("5m"),
        Key::new(
            "every",
            within!(Number EVERY_ROWS),
            "A watermark is sent after every so many rows of a partition, and at its end.",
        )
        .default(|| Literal::Number(EVERY_ROWS_DEFAULT.into()))
        .example("100"),
        Key::new(
            "idle_timeout",
            within!(Duration IDLE_TIMEOUT),
            "A partition that has had no rows for so long, by the clock, does not hold the watermark back until it has rows again. Those may then be late, and two runs may differ in that.",
        )
        .otherwise("none")
        .example("5s"),
    ],
};

/// `input` and `key` of a function with two inputs.
pub const SIDES: Section = Section {
    name: "sides",
    keys: &[
        Key::new("left", Kind::Names, "Of the left input.").needed().example("orders"),
        Key::new("right", Kind::Names, "Of the right input.").needed().example("payments"),
    ],
};

/// An entry of `functions`.
pub const FUNCTION: Section = Section {
    name: "function",
    keys: &[
        Key::new("module", Kind::Text, "A name of `modules`.").needed().example("flights"),
        Key::new("function", Kind::Text, "Which function of the module; `wasmill inspect MODULE` lists them.")
            .otherwise("the one with the operator's own name, or the module's only one")
            .example("hourly"),
        Key::new(
            "input",
            Kind::NamesOr(&SIDES),
            "`NAME`, `NAME.OUTPUT`, or a list of these. Without `OUTPUT` the only output is meant, or the one called `out`. A list is a union: all have the same columns, in the same order, and all or none have event time. Of a function with two inputs, both are named: `{left: NAME, right: NAME}`; see [two inputs](#two-inputs).",
        )
        .needed()
        .example("clean.out"),
        Key::new(
            "key",
            Kind::NamesOr(&SIDES),
            "A column, or a list: one for each column of the function's key, of its type. Keyed functions need it, others cannot have it. With two inputs `{left: COLUMN, right: COLUMN}` when their columns have different names.",
        )
        .example("[origin, destination]"),
        Key::new(
            "on_error",
            Kind::Word(|| words(ON_ERROR)),
            "What becomes of a row that is rejected or breaks the function: `dead-letter`, `skip` (dropped) or `fail` (the job stops).",
        )
        .default(|| Literal::Text("dead-letter".to_owned()))
        .example("skip"),
        Key::new("parallelism", within!(Number PARALLELISM), "Subtasks (threads); of a keyed function at most `key_groups`.")
            .otherwise("keyed: the job's; others: that of the first input")
            .example("4"),
        Key::new(
            "config",
            Kind::Settings,
            "Settings of the function, each a single value, checked against the module's manifest. `wasmill inspect MODULE` lists them.",
        )
        .example("{ max_delay: 1440 }"),
    ],
};

/// An entry of `sinks`.
pub const SINK: Section = Section {
    name: "sink",
    keys: &[
        Key::new(
            "connector",
            Kind::Word(|| words(SINK_KINDS)),
            "Where the rows go. `blackhole` drops every row; with a `format` it encodes rows first, for measurements.",
        )
        .needed()
        .example("file"),
        Key::new("path", Kind::Path, "A directory of the sink's own.")
            .needed_with(&["file"])
            .only(&["file"])
            .example("out"),
        Key::new(
            "format",
            Kind::Word(|| words(FORMATS)),
            "CSV on `stdout` has no header line. `parquet` and `avro` are for `file` only.",
        )
        .needed_with(&["file"])
        .otherwise("`ndjson`")
        .example("csv"),
        Key::new("input", Kind::Names, "As for [functions](#functions).").needed().example("hourly"),
        Key::new("roll", Kind::Map(&ROLL), "When a new file begins.").only(&["file"]),
        Key::new(
            "mode",
            Kind::Word(|| words(SINK_MODES)),
            "`append`: every row. `upsert`: [a view](#views), the newest row of each key.",
        )
        .only(&["file"])
        .otherwise("`append`")
        .example("upsert"),
        Key::new(
            "key",
            Kind::Names,
            "With `mode: upsert`, and needed there: a column, or a list: what tells the rows of a view apart.",
        )
        .only(&["file"])
        .example("[day, category]"),
        Key::new("every", within!(Duration VIEW_EVERY), "With `mode: upsert`: the view is written at most this often.")
            .only(&["file"])
            .otherwise("`1s`")
            .example("5s"),
        Key::new("op", Kind::Text, "Of a changelog: the column that [operations](#changelogs) are written to.")
            .otherwise("`op`")
            .example("change"),
        Key::new("parallelism", within!(Number PARALLELISM), "Subtasks (threads).")
            .otherwise("that of the first input")
            .example("1"),
    ],
};

/// `roll` of a sink.
pub const ROLL: Section = Section {
    name: "roll",
    keys: &[
        Key::new(
            "bytes",
            within!(Size ROLL_BYTES),
            "An epoch's bytes that would make the file larger begin a new one. They are never split.",
        )
        .default(|| Literal::size(ROLL_BYTES_DEFAULT))
        .example("256MiB"),
        Key::new("age", within!(Duration ROLL_AGE), "Bytes for a file that is this old begin a new one.")
            .default(|| Literal::duration(ROLL_AGE_DEFAULT))
            .example("1h"),
    ],
};

/// Every map with fixed keys, in the order of the reference.
pub const SECTIONS: &[&Section] =
    &[&JOB, &METRICS, &SOURCE, &OP, &EVENT_TIME, &FUNCTION, &SIDES, &SINK, &ROLL, &LIMIT_SECTION];
