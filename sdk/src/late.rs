//! What becomes of rows that come too late.

use wasmill_abi::manifest;

/// What becomes of rows that come too late, said by [`Keyed::LATE`](crate::Keyed::LATE).
///
/// Late rows leave the function through an output named `late` that a job reads like any other
/// (`input: hourly.late`), with all the columns of the stream that came in, whichever of them the
/// function reads. Where nothing reads it, the rows are counted and dropped.
///
/// ```
/// use wasmill_sdk::prelude::*;
/// use wasmill_sdk::testing::KeyedTest;
///
/// #[derive(Row)]
/// struct Ping {
///     host: u32,
///     at: Timestamp,
/// }
/// #[derive(Row)]
/// struct Host {
///     host: u32,
/// }
///
/// struct InTime;
/// impl Keyed for InTime {
///     const LATE: LateRows = LateRows::BehindWatermark;
///     type Config = ();
///     type In = Ping;
///     type Key = Host;
///     type State = ();
///     type Out = Emit<Ping>;
///     fn open(_: (), _: &mut OpenContext) -> Result<Self, Error> {
///         Ok(InTime)
///     }
///     fn process(
///         &mut self,
///         _: Host,
///         row: Ping,
///         _: &mut (),
///         out: &mut Self::Out,
///         _: &mut KeyedContext,
///     ) -> Result<(), Error> {
///         out.emit(row);
///         Ok(())
///     }
/// }
///
/// let ping = |second| Ping { host: 1, at: Timestamp::from_secs(second) };
/// let mut test = KeyedTest::<InTime>::open([])?.event_time("at");
/// test.set_watermark(Timestamp::from_secs(10))?;
/// test.feed([11, 10, 12].map(ping))?;
/// assert_eq!(test.origins("out"), [0, 2]);
/// assert_eq!(test.late(), [1]);
/// # Ok::<(), Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LateRows {
    /// They are rows like all others, and there is no output for them.
    #[default]
    Handled,
    /// A row is late when its event time is not above the watermark. The function never sees it.
    BehindWatermark,
    /// A row is late when the function says so with [`Error::late`](crate::Error::late): one whose
    /// window was emitted, say.
    Chosen,
}

impl LateRows {
    pub(crate) fn declared(self) -> manifest::LateRows {
        match self {
            LateRows::Handled => manifest::LateRows::Handled,
            LateRows::BehindWatermark | LateRows::Chosen => manifest::LateRows::Leave,
        }
    }
}
