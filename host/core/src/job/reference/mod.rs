//! What is written about the job file, made from its tables: the tables of the guide and a JSON
//! Schema for editors. The committed files are held against this by `tests/job/reference.rs`.

mod markdown;
mod schema;

pub use markdown::{fill, table};
pub use schema::schema;
