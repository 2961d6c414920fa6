//! Hashes of keys and their key groups: frozen, because stored state lies where they say.

/// MurmurHash3, x86, 32 bits. Source: Austin Appleby's SMHasher, public domain.
#[inline]
pub fn murmur3_x86_32(bytes: &[u8], seed: u32) -> u32 {
    const C1: u32 = 0xcc9e_2d51;
    const C2: u32 = 0x1b87_3593;
    let scramble = |k: u32| k.wrapping_mul(C1).rotate_left(15).wrapping_mul(C2);
    let (words, tail) = bytes.as_chunks::<4>();
    let mut h = seed;
    for w in words {
        h ^= scramble(u32::from_le_bytes(*w));
        h = h.rotate_left(13).wrapping_mul(5).wrapping_add(0xe654_6b64);
    }
    let mut k = 0u32;
    for (i, &b) in tail.iter().enumerate() {
        k |= u32::from(b) << (8 * i);
    }
    // A zero word scrambles to zero, so an empty tail changes nothing.
    h ^= scramble(k);
    fmix32(h ^ bytes.len() as u32)
}

#[inline]
fn fmix32(mut h: u32) -> u32 {
    h ^= h >> 16;
    h = h.wrapping_mul(0x85eb_ca6b);
    h ^= h >> 13;
    h = h.wrapping_mul(0xc2b2_ae35);
    h ^ (h >> 16)
}

/// The hash of encoded key bytes (see [`crate::key`]): [`murmur3_x86_32`] with seed 0.
#[inline]
pub fn hash32(key: &[u8]) -> u32 {
    murmur3_x86_32(key, 0)
}

/// Flink's `MathUtils.murmurHash(int)`, which spreads a hash code once more; never negative.
/// Source: Apache Flink 2.3, `org.apache.flink.util.MathUtils`.
#[inline]
fn flink_murmur(code: u32) -> u32 {
    let mut h = code.wrapping_mul(0xcc9e_2d51).rotate_left(15).wrapping_mul(0x1b87_3593);
    h = h.rotate_left(13).wrapping_mul(5).wrapping_add(0xe654_6b64);
    let h = fmix32(h ^ 4) as i32;
    h.checked_abs().unwrap_or(0) as u32
}

/// The key group of a key's [`hash32`]: Flink's `KeyGroupRangeAssignment.computeKeyGroupForKeyHash`.
#[inline]
pub fn key_group(hash32: u32, groups: u16) -> u16 {
    (flink_murmur(hash32) % u32::from(groups)) as u16
}

/// The subtask that owns a key group: Flink's `computeOperatorIndexForKeyGroup`.
#[inline]
pub fn subtask_of_group(group: u16, groups: u16, parallelism: u16) -> u16 {
    (u32::from(group) * u32::from(parallelism) / u32::from(groups)) as u16
}
