//! Short texts that live inside their owner: ids, addresses.
//!
//! A million transactions a second leave no time for an allocation per id; a [`Text`] is copied
//! like a number.

/// At most `N` bytes of ASCII.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Text<const N: usize> {
    bytes: [u8; N],
    len: u8,
}

impl<const N: usize> Text<N> {
    /// No character yet.
    pub(super) fn new() -> Self {
        Self { bytes: [0; N], len: 0 }
    }

    /// What has been written.
    pub(super) fn as_str(&self) -> &str {
        std::str::from_utf8(&self.bytes[..usize::from(self.len)])
            .expect("invariant: only ASCII is ever written")
    }

    /// Adds a text of ASCII characters.
    pub(super) fn text(mut self, text: &str) -> Self {
        debug_assert!(text.is_ascii(), "{text} is not ASCII");
        text.bytes().for_each(|byte| self.push(byte));
        self
    }

    /// Adds a number with at least `width` digits.
    pub(super) fn decimal(mut self, value: u64, width: usize) -> Self {
        let mut digits = [b'0'; 20];
        let mut left = value;
        let mut start = digits.len();
        while left > 0 || digits.len() - start < width.max(1) {
            start -= 1;
            digits[start] = b'0' + (left % 10) as u8;
            left /= 10;
        }
        digits[start..].iter().for_each(|&byte| self.push(byte));
        self
    }

    /// Adds the lowest `width` hexadecimal digits of a number.
    pub(super) fn hex(mut self, value: u64, width: u32) -> Self {
        for digit in (0..width).rev() {
            self.push(b"0123456789abcdef"[(value >> (4 * digit) & 15) as usize]);
        }
        self
    }

    fn push(&mut self, byte: u8) {
        self.bytes[usize::from(self.len)] = byte;
        self.len += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_padded_and_never_cut() {
        let cases = [(0, 0, "0"), (0, 3, "000"), (42, 4, "0042"), (12_345, 2, "12345")];
        for (value, width, expected) in cases {
            assert_eq!(Text::<20>::new().decimal(value, width).as_str(), expected);
        }
        let longest = Text::<20>::new().decimal(u64::MAX, 1);
        assert_eq!(longest.as_str(), "18446744073709551615");
        assert_eq!(Text::<8>::new().text("d-").hex(0xBEEF, 5).as_str(), "d-0beef");
    }
}
