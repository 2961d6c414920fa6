//! What a fragment asks before it runs a row in careful mode. It knows no file: who keeps the notes
//! is the carrier's.

/// Says when rows are to be run one at a time, and which are not to be run at all.
pub trait Caution: Send + Sync {
    /// Whether rows are run one at a time.
    fn is_on(&self) -> bool;

    /// Asks for a row, by a name that stays the same over restarts. Waits while another row of the
    /// job runs.
    fn enter(&self, row: &str) -> Entered<'_>;
}

/// Held while a row runs.
pub trait Running {}

impl<T> Running for T {}

/// What to do with a row.
pub enum Entered<'c> {
    /// Run it, and drop this when it has run.
    Run(Box<dyn Running + 'c>),
    /// The process has died at it before: do not run it.
    Deadly,
}
