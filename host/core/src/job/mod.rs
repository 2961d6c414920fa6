//! The job file: what a user writes to say what runs. [`parse`] reads it, [`check`] holds it
//! against the manifests of its modules and makes the [`Plan`](crate::plan::Plan).
//!
//! Both tell everything that is wrong at once, each with line and column. This room reads no file:
//! the caller brings the text and the manifests.
//!
//! A caller that reports all it can, even when a module cannot be loaded:
//!
//! ```
//! # use std::collections::BTreeMap;
//! use wasmill_core::job::{self, Overrides, Problem};
//! # let text = "job: copy
//! # sources: { lines: { connector: stdin, format: csv, schema: { a: string } } }
//! # sinks: { result: { connector: stdout, input: lines } }";
//!
//! let (spec, mut problems) = job::parse_lenient(text);
//! if let Some(spec) = spec {
//!     let mut manifests = BTreeMap::new();
//!     for (name, path, span) in spec.modules() {
//!         match load(path) {
//!             Ok(manifest) => drop(manifests.insert(name.to_owned(), manifest)),
//!             Err(why) => problems.push(Problem::new("bad-module", span, why)),
//!         }
//!     }
//!     match job::check(&spec, &manifests, &Overrides::default()) {
//!         Ok(plan) if problems.is_empty() => println!("{} operators", plan.operators.len()),
//!         Ok(_) => {}
//!         Err(more) => problems.extend(more),
//!     }
//! }
//! print!("{}", problems.render("job.yaml"));
//! # assert!(problems.is_empty());
//! # fn load(_: &std::path::Path) -> Result<wasmill_abi::manifest::Manifest, String> { Err("no".into()) }
//! ```

mod check;
mod follow;
mod generator;
pub mod keys;
mod metrics;
mod operators;
mod parse;
mod problem;
pub mod reference;
mod settings;
mod sides;
mod spec;
mod suggest;
mod types;
mod values;
mod walk;
mod whole_files;
mod yaml;

pub use check::{Overrides, check};
pub use parse::{FILE_BYTES_MAX, parse, parse_lenient};
pub use problem::{Problem, Problems};
pub use settings::{LIMITS, LimitSetting, Unit};
pub use spec::{
    EventTimeSpec, FunctionSpec, InputSpec, JobSpec, ModuleSpec, Scalar, SettingSpec, SinkSpec, SourceSpec, Span,
    Spanned,
};
pub use suggest::nearest;
