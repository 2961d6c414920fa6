//! Column builders: rows become Arrow buffers here, and can be cut back to any earlier row.
//!
//! Who uses a builder counts its rows; a builder writes where it is told and keeps its memory from
//! batch to batch, so that a value costs one comparison and one store.

use wasmill_abi::block::BlockWriter;

use crate::cell::Build;

/// Places that a builder starts with.
const PLACES_MIN: usize = 64;

/// Values of `N` bytes each.
pub struct Fixed<const N: usize>(Vec<[u8; N]>);

impl<const N: usize> Default for Fixed<N> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<const N: usize> Fixed<N> {
    #[inline(always)]
    pub fn put(&mut self, row: usize, value: [u8; N]) {
        match self.0.get_mut(row) {
            Some(place) => *place = value,
            None => self.grow(row, value),
        }
    }

    /// The value of a row that was put.
    #[inline]
    pub fn get(&self, row: usize) -> [u8; N] {
        self.0[row]
    }

    /// The values of all rows before this one.
    pub fn until(&self, rows: usize) -> &[u8] {
        self.0[..rows].as_flattened()
    }

    #[cold]
    #[inline(never)]
    fn grow(&mut self, row: usize, value: [u8; N]) {
        self.0.resize((2 * row).max(PLACES_MIN), [0; N]);
        self.0[row] = value;
    }
}

impl<const N: usize> Build for Fixed<N> {
    #[inline]
    fn put_default(&mut self, row: usize) {
        self.put(row, [0; N]);
    }

    fn truncate(&mut self, _: usize) {}

    #[inline(always)]
    fn bytes(&self, rows: usize) -> usize {
        rows * N
    }

    fn write_values(&self, rows: usize, block: &mut BlockWriter<'_>) {
        block.buffer(self.0[..rows].as_flattened());
    }
}

/// Bits, least significant first.
#[derive(Default)]
pub struct Bits(Fixed<1>);

impl Bits {
    #[inline]
    pub fn put(&mut self, row: usize, bit: bool) {
        let (at, shift) = (row / 8, row % 8);
        let others = self.0.0.get(at).map_or(0, |byte| byte[0]) & !(1 << shift);
        self.0.put(at, [others | u8::from(bit) << shift]);
    }

    /// Sets all bits before `rows`.
    fn fill(&mut self, rows: usize) {
        (0..rows.div_ceil(8)).for_each(|at| self.0.put(at, [0xff]));
    }

    fn all_set(&self, rows: usize) -> bool {
        let (full, part) = (rows / 8, (1 << (rows % 8)) - 1);
        self.0.0[..full].iter().all(|byte| byte[0] == 0xff) && (part == 0 || self.0.0[full][0] & part == part)
    }
}

impl Build for Bits {
    #[inline]
    fn put_default(&mut self, row: usize) {
        self.put(row, false);
    }

    fn truncate(&mut self, _: usize) {}

    #[inline(always)]
    fn bytes(&self, rows: usize) -> usize {
        rows.div_ceil(8)
    }

    /// Bits behind the last row are 0, so that equal rows give equal bytes.
    fn write_values(&self, rows: usize, block: &mut BlockWriter<'_>) {
        block.buffer_with(|out| {
            out.extend_from_slice(self.0.0[..rows.div_ceil(8)].as_flattened());
            if let (Some(last), part @ 1..) = (out.last_mut(), rows % 8) {
                *last &= (1 << part) - 1;
            }
        });
    }
}

/// Text or bytes: where each value ends, and the data.
#[derive(Default)]
pub struct Var {
    ends: Fixed<4>,
    data: Vec<u8>,
}

impl Var {
    #[inline(always)]
    pub fn put(&mut self, row: usize, value: &[u8]) {
        append(&mut self.data, value);
        self.ends.put(row, (self.data.len() as u32).to_le_bytes());
    }
}

/// Appends bytes. In Wasm, a copy of unknown length is a call into the host's runtime, so that
/// short values, which most are, go by loads and stores of fixed lengths that may overlap.
#[inline(always)]
fn append(data: &mut Vec<u8>, value: &[u8]) {
    let (start, len) = (data.len(), value.len());
    if len > 32 {
        return data.extend_from_slice(value);
    }
    data.extend_from_slice(&[0; 32]);
    copy_short(&mut data[start..start + 32], value);
    data.truncate(start + len);
}

/// Copies at most 32 bytes to the start of `place`, which has room for 32.
#[inline(always)]
fn copy_short(place: &mut [u8], value: &[u8]) {
    #[inline(always)]
    fn ends<const N: usize>(place: &mut [u8], value: &[u8]) -> bool {
        let (Some(first), Some(last)) = (value.first_chunk::<N>(), value.last_chunk::<N>()) else {
            return false;
        };
        place[..N].copy_from_slice(first);
        place[value.len() - N..value.len()].copy_from_slice(last);
        true
    }
    if ends::<16>(place, value) || ends::<8>(place, value) || ends::<4>(place, value) {
        return;
    }
    place.iter_mut().zip(value).take(3).for_each(|(to, from)| *to = *from);
}

impl Build for Var {
    #[inline]
    fn put_default(&mut self, row: usize) {
        self.ends.put(row, (self.data.len() as u32).to_le_bytes());
    }

    fn truncate(&mut self, rows: usize) {
        let end = rows.checked_sub(1).map_or(0, |last| u32::from_le_bytes(self.ends.0[last]));
        self.data.truncate(end as usize);
    }

    #[inline(always)]
    fn bytes(&self, rows: usize) -> usize {
        (rows + 1) * 4 + self.data.len()
    }

    fn write_values(&self, rows: usize, block: &mut BlockWriter<'_>) {
        block.buffer_with(|out| {
            out.extend_from_slice(&[0; 4]);
            out.extend_from_slice(self.ends.0[..rows].as_flattened());
        });
        block.buffer(&self.data);
    }
}

/// Values of which some are missing. Until the first one is, no bits are kept.
#[derive(Default)]
pub struct Nullable<B> {
    has_nulls: bool,
    present: Bits,
    values: B,
}

impl<B: Build> Nullable<B> {
    /// Where to put the row's value, which is present.
    #[inline(always)]
    pub fn present(&mut self, row: usize) -> &mut B {
        if self.has_nulls {
            self.present.put(row, true);
        }
        &mut self.values
    }
}

impl<B: Build> Build for Nullable<B> {
    #[inline]
    fn put_default(&mut self, row: usize) {
        if !self.has_nulls {
            self.present.fill(row);
            self.has_nulls = true;
        }
        self.present.put(row, false);
        self.values.put_default(row);
    }

    fn truncate(&mut self, rows: usize) {
        self.has_nulls &= rows > 0;
        self.values.truncate(rows);
    }

    #[inline(always)]
    fn bytes(&self, rows: usize) -> usize {
        self.present.bytes(rows) + self.values.bytes(rows)
    }

    fn write(&self, rows: usize, block: &mut BlockWriter<'_>) {
        if self.has_nulls && !self.present.all_set(rows) {
            self.present.write_values(rows, block);
        } else {
            block.buffer(&[]);
        }
        self.values.write_values(rows, block);
    }

    fn write_values(&self, rows: usize, block: &mut BlockWriter<'_>) {
        self.values.write_values(rows, block);
    }
}
