//! Rows: structs whose fields are columns.

use wasmill_abi::block::{Block, BlockWriter};
use wasmill_abi::{DecodeError, Schema};

/// The columns of a row while they are being written.
#[doc(hidden)]
pub trait RowBuilders: Default {
    fn truncate(&mut self, rows: usize);
    fn bytes(&self, rows: usize) -> usize;
    fn write(&self, rows: usize, block: &mut BlockWriter<'_>);
}

/// A struct whose fields are the columns of a row; made by `#[derive(Row)]`.
///
/// Fields are integers of all widths, `f32`, `f64`, `bool`, `String` or `&'a str`, `Vec<u8>` or
/// `&'a [u8]` for bytes, [`Timestamp`](crate::Timestamp), [`Date`](crate::Date),
/// [`Decimal`](crate::Decimal), other structs with `#[derive(Row)]`, `Vec` of these for lists, and
/// `Option` of all of them. The struct has no type parameter and at most one lifetime; borrowed fields point into the batch, so reading copies no
/// text. A column has the name of its field, or the one in `#[row(name = "..")]`. Only the columns
/// that are named here are brought into the function.
///
/// ```
/// use wasmill_sdk::prelude::*;
///
/// #[derive(Row)]
/// struct Click<'a> {
///     at: Timestamp,
///     user: u64,
///     page: &'a str,
///     referrer: Option<&'a str>,
///     #[row(name = "type")]
///     kind: i8,
/// }
///
/// assert_eq!(
///     Click::schema().to_string(),
///     "at: timestamp, user: uint64, page: string, referrer: string?, type: int8"
/// );
/// ```
///
/// Rows in rows are structs, `Vec` is a list; both may be missing, and so may what is in them. A
/// function that names only some fields of a struct is brought only those.
///
/// ```
/// use wasmill_sdk::prelude::*;
///
/// #[derive(Row)]
/// struct Address<'a> {
///     street: &'a str,
///     zip: Option<&'a str>,
/// }
///
/// #[derive(Row)]
/// struct Order<'a> {
///     day: Date,
///     price: Decimal<12, 2>,
///     tags: Option<Vec<&'a str>>,
///     address: Option<Address<'a>>,
///     stops: Vec<Address<'a>>,
/// }
///
/// assert_eq!(
///     Order::schema().to_string(),
///     "day: date, price: decimal(12,2), tags: list<string>?, \
///      address: struct<street: string, zip: string?>?, \
///      stops: list<struct<street: string, zip: string?>>"
/// );
/// ```
#[diagnostic::on_unimplemented(message = "`{Self}` is not a row", note = "add #[derive(Row)] to the struct")]
pub trait Row {
    /// The same struct with the lifetime of the batch it is read from.
    type Of<'a>;
    #[doc(hidden)]
    type Columns<'a>;
    #[doc(hidden)]
    type Builders: RowBuilders;

    /// The columns, in the order of the fields.
    fn schema() -> Schema;
    #[doc(hidden)]
    fn columns<'a>(block: &Block<'a>) -> Result<Self::Columns<'a>, DecodeError>;
    #[doc(hidden)]
    fn read<'a>(columns: &Self::Columns<'a>, row: usize) -> Self::Of<'a>;
    #[doc(hidden)]
    fn write(builders: &mut Self::Builders, row: usize, values: &Self::Of<'_>);
}

/// The row `R` with lifetime `'a`: `RowOf<'a, Flight<'static>>` is `Flight<'a>`.
///
/// ```
/// use wasmill_sdk::prelude::*;
///
/// #[derive(Row)]
/// struct Name<'a> {
///     text: &'a str,
/// }
///
/// fn shout(row: RowOf<'_, Name<'static>>) -> String {
///     row.text.to_uppercase()
/// }
/// assert_eq!(shout(Name { text: "ann" }), "ANN");
/// ```
pub type RowOf<'a, R> = <R as Row>::Of<'a>;
