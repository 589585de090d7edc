//! Texts as numbers: ids are compared and remembered by hash.
//!
//! XXH3 is specified to the bit and the same everywhere, so snapshots may contain hashes. Within
//! one customer 32 bits are enough: among 1,000 different merchants the chance that two share a
//! hash is 1 in 8,600, and then a distinct count is off by one. What is looked up across customers
//! has 64 bits.

use xxhash_rust::xxh3::xxh3_64;

/// The 64-bit hash of a text: for customers and transactions.
pub fn hash64(text: &str) -> u64 {
    xxh3_64(text.as_bytes())
}

/// The checksum of some bytes.
pub fn hash64_bytes(bytes: &[u8]) -> u64 {
    xxh3_64(bytes)
}

/// The 32-bit hash of a text: for merchants. 0 means "unknown" and is returned for an empty text
/// only.
pub fn hash32(text: &str) -> u32 {
    if text.is_empty() {
        return 0;
    }
    let hash = hash64(text);
    ((hash ^ (hash >> 32)) as u32).max(1)
}

/// The 30-bit hash of a text: for cities, devices and categories, of which a customer uses few. 0
/// is returned for an empty text only, as in [`hash32`].
pub fn hash30(text: &str) -> u32 {
    match hash32(text) {
        0 => 0,
        hash => (hash & 0x3fff_ffff).max(1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_the_specified_ones() {
        // Python: xxhash.xxh3_64_intdigest(b"M000001")
        assert_eq!(hash64(""), 0x2d06_8005_38d3_94c2);
        assert_eq!(hash32(""), 0);
        assert_ne!(hash32("Mumbai"), hash32("Delhi"));
    }
}
