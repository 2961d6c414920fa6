//! Turnover: what is ordered, less what is cancelled, per category and for the whole day, told once
//! for each second of event time.
//!
//! `category` turns orders into a changelog of totals; `day` reads that changelog and sums it up: a
//! total that is taken back (`-U`) is subtracted, the one that takes its place (`+U`) is added.

mod category;
mod day;
mod seconds;

pub use category::{Category, CategoryTotal, Order, Totals};
pub use day::{Date, Day, DayTotal, Part};
pub use seconds::{Running, Sums};

wasmill_sdk::export! {
    /// Running totals of each category and day in Beijing, told once for each second in which they
    /// change. A late order counts in the second that is open.
    "category" => keyed Totals,
    /// The running total of each day over all categories.
    "day" => keyed Day,
}
