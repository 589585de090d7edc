//! A set of numbers that a tree asks for: the categories that go one way.
//!
//! Categories are small whole numbers, and a split may list two hundred of them. A bit for each
//! number up to the largest answers with one look. Numbers that are not whole, negative or far
//! apart stand in a sorted list instead.

use super::real::Real;

/// Bits of a word.
const BITS: usize = u64::BITS as usize;

/// Words that a set of bits may have at least, and for each of its numbers.
const MIN_WORDS: usize = 64;
const WORDS_PER_NUMBER: usize = 4;

/// Numbers without order and repetition; a NaN is in no set.
#[derive(Debug, Clone, PartialEq)]
pub enum NumberSet<T> {
    /// Whole numbers from 0 on: number `n` is bit `n % 64` of word `n / 64`.
    Bits(Box<[u64]>),
    /// Any numbers, ascending.
    Sorted(Box<[T]>),
}

impl<T: Real> NumberSet<T> {
    /// The set of these numbers.
    pub fn of(mut numbers: Vec<T>) -> Self {
        numbers.retain(|number| !number.is_nan());
        let most_words = MIN_WORDS + WORDS_PER_NUMBER * numbers.len();
        let whole: Option<Vec<usize>> = numbers.iter().map(|number| number.as_whole()).collect();
        if let Some(whole) = whole
            && whole.iter().all(|number| number / BITS < most_words)
        {
            let mut words = vec![0; whole.iter().max().map_or(0, |most| most / BITS + 1)];
            whole.iter().for_each(|number| words[number / BITS] |= 1 << (number % BITS));
            return Self::Bits(words.into());
        }
        numbers.sort_by(|a, b| a.partial_cmp(b).expect("invariant: no NaN is left"));
        numbers.dedup();
        Self::Sorted(numbers.into())
    }

    /// Whether a number is in the set, compared as floats: -0 is 0.
    #[inline]
    pub fn contains(&self, x: T) -> bool {
        match self {
            Self::Bits(words) => x.as_whole().is_some_and(|number| {
                words.get(number / BITS).is_some_and(|word| word >> (number % BITS) & 1 == 1)
            }),
            Self::Sorted(numbers) => {
                let at = numbers.partition_point(|number| *number < x);
                numbers.get(at).is_some_and(|number| *number == x)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_has_the_numbers_that_equal_one_of_it() {
        let cases: [&[f32]; 7] = [
            &[],
            &[0.0],
            &[-0.0, 63.0, 64.0, 64.0],
            &[1.0, 190.0, 4_095.0],
            &[1.0, 16_777_216.0],
            &[2.0, 2.5, -1.0, f32::INFINITY],
            &[f32::NAN, 3.0],
        ];
        let more = [0.5, -1.0, 63.5, 128.0, 1e9, 3e38, f32::NEG_INFINITY, f32::NAN, 1e-45];
        for numbers in cases {
            let set = NumberSet::of(numbers.to_vec());
            for &x in cases.iter().copied().flatten().chain(&more) {
                assert_eq!(set.contains(x), numbers.contains(&x), "{x} in {numbers:?}");
            }
            let wide = NumberSet::of(numbers.iter().map(|&x| f64::from(x)).collect());
            assert!(numbers.iter().all(|&x| wide.contains(f64::from(x)) != x.is_nan()));
        }
        assert!(matches!(NumberSet::of(vec![1f32, 4_096.0]), NumberSet::Bits(_)));
        assert!(matches!(NumberSet::of(vec![1f32, 1e6]), NumberSet::Sorted(_)));
    }
}
