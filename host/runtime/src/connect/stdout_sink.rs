//! Standard output: blobs as they are, at least once, because what was written cannot be taken back.

use super::SinkError;
use std::io::{self, Write};

/// Writes a blob and flushes it. The caller passes the locked standard output.
///
/// # Errors
/// [`SinkError::BrokenPipe`] when the reader has gone; other write errors as they are.
pub fn publish(out: &mut impl Write, blob: &[u8]) -> Result<(), SinkError> {
    out.write_all(blob).and_then(|()| out.flush()).map_err(|source| match source.kind() {
        io::ErrorKind::BrokenPipe => SinkError::BrokenPipe,
        _ => SinkError::of_io("write to", "<stdout>".as_ref(), source),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Closed;

    impl Write for Closed {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn blobs_are_written_whole_and_a_closed_pipe_has_its_own_error() {
        let mut out = Vec::new();
        publish(&mut out, b"a\nb\n").expect("memory takes everything");
        assert_eq!(out, b"a\nb\n");
        assert!(matches!(publish(&mut Closed, b"a\n"), Err(SinkError::BrokenPipe)));
    }
}
