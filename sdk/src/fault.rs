//! What goes wrong in a function, and what the host should do about it.

use std::fmt::Display;

/// What the host does about an [`Error`], which has an example.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The row is refused and the others go on; the operator's policy says where it goes.
    Reject,
    /// The row leaves through the output for late rows; see [`LateRows`](crate::LateRows).
    Late,
    /// The same batch is tried again, later.
    Transient,
    /// The job stops with the message.
    Fatal,
    /// Module and host do not fit together.
    Incompatible,
}

/// Why a row or a batch was not handled.
///
/// The `?` operator turns every standard error into a [rejection](Error::reject) of the row;
/// [`OrError`] says so with words of your own, or asks for another [`Fault`]. In `open` there is no
/// row, so each error stops the job.
///
/// ```
/// use wasmill_sdk::prelude::*;
/// use wasmill_sdk::Fault;
///
/// fn minutes(text: &str) -> Result<i32, Error> {
///     if text.is_empty() {
///         return Err(Error::reject("the delay is empty").with_code(7));
///     }
///     Ok(text.trim().parse::<i32>()?)
/// }
///
/// assert_eq!(minutes(" 12 ").expect("a number"), 12);
/// let error = minutes("soon").expect_err("no number");
/// assert_eq!(error.fault(), Fault::Reject);
/// assert_eq!(error.message(), "invalid digit found in string");
/// assert_eq!(minutes("").expect_err("nothing").code(), 7);
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Error(Box<Inner>);

#[derive(Clone, PartialEq, Eq)]
struct Inner {
    fault: Fault,
    code: u32,
    message: String,
    row: Option<u32>,
}

impl Error {
    /// Builds an error of the given kind.
    #[cold]
    pub fn new(fault: Fault, message: impl Display) -> Self {
        Self(Box::new(Inner { fault, code: 0, message: message.to_string(), row: None }))
    }

    /// Refuses the row; what it did so far is undone.
    pub fn reject(message: impl Display) -> Self {
        Self::new(Fault::Reject, message)
    }

    /// Says that the row came too late; what it did so far is undone. A function that declares
    /// [`LateRows`](crate::LateRows) sends it to the output for late rows; others refuse it.
    #[cold]
    pub fn late() -> Self {
        Self::new(Fault::Late, "the row came too late")
    }

    /// Asks for the same batch again, later.
    pub fn transient(message: impl Display) -> Self {
        Self::new(Fault::Transient, message)
    }

    /// Stops the job.
    pub fn fatal(message: impl Display) -> Self {
        Self::new(Fault::Fatal, message)
    }

    /// Says that module and host do not fit together.
    pub(crate) fn incompatible(message: impl Display) -> Self {
        Self::new(Fault::Incompatible, message)
    }

    /// Adds a number of your own, for dead letters; it is 0 otherwise.
    #[must_use]
    pub fn with_code(mut self, code: u32) -> Self {
        self.0.code = code;
        self
    }

    /// Adds the row (or timer) of the batch that is to blame.
    pub(crate) fn at(mut self, row: u32) -> Self {
        self.0.row = Some(row);
        self
    }

    /// The same for where there are no late rows.
    pub(crate) fn into_reject(mut self) -> Self {
        self.0.fault = Fault::Reject;
        self
    }

    /// A refused row makes no sense where there is none.
    pub(crate) fn without_row(mut self) -> Self {
        if matches!(self.0.fault, Fault::Reject | Fault::Late) {
            self.0.fault = Fault::Fatal;
        }
        self
    }

    /// What the host does.
    pub fn fault(&self) -> Fault {
        self.0.fault
    }

    /// Your own number, or 0.
    pub fn code(&self) -> u32 {
        self.0.code
    }

    /// The text for people.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// The row of the batch that is to blame, if one is.
    pub fn row(&self) -> Option<u32> {
        self.0.row
    }
}

impl std::fmt::Debug for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Inner { fault, code, message, row } = &*self.0;
        write!(f, "{fault:?} (code {code}, row {row:?}): {message}")
    }
}

impl Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0.message)
    }
}

// `Error` itself does not implement `std::error::Error`, so that this covers every other error.
impl<E: std::error::Error> From<E> for Error {
    #[cold]
    fn from(error: E) -> Self {
        let mut message = error.to_string();
        let mut source = error.source();
        while let Some(cause) = source {
            message.push_str(": ");
            message.push_str(&cause.to_string());
            source = cause.source();
        }
        Self::reject(message)
    }
}

/// Turns what is missing or failed into an [`Error`], with words of your own.
///
/// ```
/// use wasmill_sdk::prelude::*;
///
/// let error = "x".parse::<u8>().or_reject("bad age").expect_err("no number");
/// assert_eq!(error.message(), "bad age: invalid digit found in string");
/// let error = None::<u8>.or_fatal("no age").expect_err("nothing");
/// assert_eq!(error.message(), "no age");
/// ```
pub trait OrError<T>: Sized {
    /// As an error of this kind.
    fn or_error(self, fault: Fault, what: &str) -> Result<T, Error>;

    /// Refuses the row.
    fn or_reject(self, what: &str) -> Result<T, Error> {
        self.or_error(Fault::Reject, what)
    }

    /// Asks for the same batch again.
    fn or_transient(self, what: &str) -> Result<T, Error> {
        self.or_error(Fault::Transient, what)
    }

    /// Stops the job.
    fn or_fatal(self, what: &str) -> Result<T, Error> {
        self.or_error(Fault::Fatal, what)
    }
}

impl<T> OrError<T> for Option<T> {
    #[inline]
    fn or_error(self, fault: Fault, what: &str) -> Result<T, Error> {
        self.ok_or_else(|| Error::new(fault, what))
    }
}

impl<T, E: Display> OrError<T> for Result<T, E> {
    #[inline]
    fn or_error(self, fault: Fault, what: &str) -> Result<T, Error> {
        self.map_err(|e| Error::new(fault, format_args!("{what}: {e}")))
    }
}
