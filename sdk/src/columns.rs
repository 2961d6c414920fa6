//! Column builders: rows become Arrow buffers here, and can be cut back to any earlier row.

use wasmill_abi::block::BlockWriter;

use crate::cell::Build;

/// Bits, least significant first.
#[derive(Default)]
pub struct Bits {
    bytes: Vec<u8>,
    len: usize,
}

impl Bits {
    #[inline]
    pub fn push(&mut self, bit: bool) {
        let mask = u8::from(bit) << (self.len % 8);
        match self.bytes.last_mut() {
            Some(last) if !self.len.is_multiple_of(8) => *last |= mask,
            _ => self.bytes.push(mask),
        }
        self.len += 1;
    }

    fn all_set(&self) -> bool {
        let (full, part) = (self.len / 8, self.len % 8);
        self.bytes[..full].iter().all(|&b| b == 0xff) && (part == 0 || self.bytes[full] == (1 << part) - 1)
    }
}

impl Build for Bits {
    #[inline]
    fn push_default(&mut self) {
        self.push(false);
    }

    fn truncate(&mut self, rows: usize) {
        self.len = self.len.min(rows);
        self.bytes.truncate(self.len.div_ceil(8));
        if let (Some(last), part @ 1..) = (self.bytes.last_mut(), self.len % 8) {
            *last &= (1 << part) - 1;
        }
    }

    #[inline]
    fn bytes(&self) -> usize {
        self.bytes.len()
    }

    fn write_values(&self, block: &mut BlockWriter<'_>) {
        block.buffer(&self.bytes);
    }
}

/// Values of `N` bytes each.
pub struct Fixed<const N: usize>(pub Vec<[u8; N]>);

impl<const N: usize> Default for Fixed<N> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<const N: usize> Build for Fixed<N> {
    #[inline]
    fn push_default(&mut self) {
        self.0.push([0; N]);
    }

    fn truncate(&mut self, rows: usize) {
        self.0.truncate(rows);
    }

    #[inline]
    fn bytes(&self) -> usize {
        self.0.len() * N
    }

    fn write_values(&self, block: &mut BlockWriter<'_>) {
        block.buffer(self.0.as_flattened());
    }
}

/// Text or bytes: offsets and data.
pub struct Var {
    offsets: Vec<[u8; 4]>,
    data: Vec<u8>,
}

impl Default for Var {
    fn default() -> Self {
        Self { offsets: vec![[0; 4]], data: Vec::new() }
    }
}

impl Var {
    #[inline]
    pub fn push(&mut self, value: &[u8]) {
        self.data.extend_from_slice(value);
        self.offsets.push((self.data.len() as u32).to_le_bytes());
    }
}

impl Build for Var {
    #[inline]
    fn push_default(&mut self) {
        self.push(&[]);
    }

    fn truncate(&mut self, rows: usize) {
        self.offsets.truncate(rows + 1);
        let end = self.offsets.last().expect("there is always a first offset");
        self.data.truncate(u32::from_le_bytes(*end) as usize);
    }

    #[inline]
    fn bytes(&self) -> usize {
        self.offsets.len() * 4 + self.data.len()
    }

    fn write_values(&self, block: &mut BlockWriter<'_>) {
        block.buffer(self.offsets.as_flattened());
        block.buffer(&self.data);
    }
}

/// Values of which some are missing.
#[derive(Default)]
pub struct Nullable<B> {
    present: Bits,
    values: B,
}

impl<B: Build> Nullable<B> {
    /// Where to put a value that is present.
    #[inline]
    pub fn present(&mut self) -> &mut B {
        self.present.push(true);
        &mut self.values
    }
}

impl<B: Build> Build for Nullable<B> {
    #[inline]
    fn push_default(&mut self) {
        self.present.push(false);
        self.values.push_default();
    }

    fn truncate(&mut self, rows: usize) {
        self.present.truncate(rows);
        self.values.truncate(rows);
    }

    #[inline]
    fn bytes(&self) -> usize {
        self.present.bytes() + self.values.bytes()
    }

    fn write(&self, block: &mut BlockWriter<'_>) {
        block.buffer(if self.present.all_set() { &[] } else { &self.present.bytes });
        self.values.write_values(block);
    }

    fn write_values(&self, block: &mut BlockWriter<'_>) {
        self.values.write_values(block);
    }
}
