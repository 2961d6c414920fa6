//! Log lines: to the host in a guest, into the harness natively.

/// How important a line is; see [`write()`] for an example.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Every detail.
    Trace,
    /// For whoever looks for a fault.
    Debug,
    /// Worth knowing.
    Info,
    /// Something is odd.
    Warn,
    /// Something is wrong.
    Error,
}

/// Writes a line; the host bounds its length and how many come per second. The macros
/// [`trace!`](crate::trace), [`debug!`](crate::debug), [`info!`](crate::info),
/// [`warn!`](crate::warn) and [`error!`](crate::error) format it first.
///
/// ```
/// use wasmill_sdk::log::{Level, capture, write};
///
/// let ((), lines) = capture(|| write(Level::Info, "hello"));
/// assert_eq!(lines, [(Level::Info, "hello".to_owned())]);
/// ```
pub fn write(level: Level, line: &str) {
    #[cfg(target_arch = "wasm32")]
    crate::guest::log(level, line);
    #[cfg(not(target_arch = "wasm32"))]
    native::LINES.with_borrow_mut(|lines| lines.push((level, line.to_owned())));
}

#[cfg(not(target_arch = "wasm32"))]
mod native {
    use super::Level;
    use std::cell::RefCell;

    thread_local! {
        pub static LINES: RefCell<Vec<(Level, String)>> = const { RefCell::new(Vec::new()) };
    }
}

/// Runs `action` and returns the lines it wrote, with its result. Only natively; see [`write()`] for
/// an example.
#[cfg(not(target_arch = "wasm32"))]
pub fn capture<R>(action: impl FnOnce() -> R) -> (R, Vec<(Level, String)>) {
    let outer = native::LINES.take();
    let result = action();
    (result, native::LINES.replace(outer))
}

/// Logs every detail; takes what `format!` takes.
///
/// ```
/// use wasmill_sdk::log::capture;
///
/// let ((), lines) = capture(|| wasmill_sdk::trace!("{} rows", 3));
/// assert_eq!(lines[0].1, "3 rows");
/// ```
#[macro_export]
macro_rules! trace {
    ($($arg:tt)*) => {
        $crate::log::write($crate::log::Level::Trace, &::std::format!($($arg)*))
    };
}

/// Logs for whoever looks for a fault; takes what `format!` takes.
///
/// ```
/// use wasmill_sdk::log::capture;
///
/// let ((), lines) = capture(|| wasmill_sdk::debug!("{} rows", 3));
/// assert_eq!(lines[0].1, "3 rows");
/// ```
#[macro_export]
macro_rules! debug {
    ($($arg:tt)*) => {
        $crate::log::write($crate::log::Level::Debug, &::std::format!($($arg)*))
    };
}

/// Logs what is worth knowing; takes what `format!` takes.
///
/// ```
/// use wasmill_sdk::log::capture;
///
/// let ((), lines) = capture(|| wasmill_sdk::info!("{} rows", 3));
/// assert_eq!(lines[0].1, "3 rows");
/// ```
#[macro_export]
macro_rules! info {
    ($($arg:tt)*) => {
        $crate::log::write($crate::log::Level::Info, &::std::format!($($arg)*))
    };
}

/// Logs that something is odd; takes what `format!` takes.
///
/// ```
/// use wasmill_sdk::log::capture;
///
/// let ((), lines) = capture(|| wasmill_sdk::warn!("{} rows", 3));
/// assert_eq!(lines[0].1, "3 rows");
/// ```
#[macro_export]
macro_rules! warn {
    ($($arg:tt)*) => {
        $crate::log::write($crate::log::Level::Warn, &::std::format!($($arg)*))
    };
}

/// Logs that something is wrong; takes what `format!` takes.
///
/// ```
/// use wasmill_sdk::log::capture;
///
/// let ((), lines) = capture(|| wasmill_sdk::error!("{} rows", 3));
/// assert_eq!(lines[0].1, "3 rows");
/// ```
#[macro_export]
macro_rules! error {
    ($($arg:tt)*) => {
        $crate::log::write($crate::log::Level::Error, &::std::format!($($arg)*))
    };
}
