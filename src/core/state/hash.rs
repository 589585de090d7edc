//! Texts as numbers: ids are compared and remembered by hash.
//!
//! XXH3 is specified to the bit and the same everywhere, so hashes may stand in snapshots. Within
//! one customer 32 bits serve: of 1,000 different merchants two share a hash with a chance of 1 in
//! 8,600, and then a distinct count is off by one. What is looked up across customers has 64.

use xxhash_rust::xxh3::xxh3_64;

/// A text that is known by 64 bits: customers, transactions.
pub fn hash64(text: &str) -> u64 {
    xxh3_64(text.as_bytes())
}

/// The checksum of bytes.
pub fn hash64_bytes(bytes: &[u8]) -> u64 {
    xxh3_64(bytes)
}

/// A text that is known by 32 bits: merchants. Never 0, which stands for "unknown"; an empty text
/// is unknown.
pub fn hash32(text: &str) -> u32 {
    if text.is_empty() {
        return 0;
    }
    let hash = hash64(text);
    ((hash ^ (hash >> 32)) as u32).max(1)
}

/// A text that is known by 30 bits, among the few that one customer uses: cities, devices,
/// categories. Never 0 but for an empty text, like [`hash32`].
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
