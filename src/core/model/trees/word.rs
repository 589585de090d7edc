//! A tree's leaves as the bits of one word.
//!
//! What [`super::masks`] needs of a word is little and must be free of branches, so that the
//! compiler can put sixteen side by side; two sizes exist because half the bits are twice the rows
//! in a register.

use std::ops::Range;

/// A word with a bit for each leaf of a tree.
pub trait Word: Copy + Default + Send + Sync + std::fmt::Debug + PartialEq + 'static {
    /// A number for each leaf.
    type Table: Copy + Send + Sync + std::fmt::Debug + PartialEq;
    /// Leaves that a word has bits for.
    const BITS: usize;
    /// No leaf ruled out.
    const ALL: Self;
    /// A word without the bits of `leaves`.
    fn without(leaves: Range<usize>) -> Self;
    /// This word, and if not `passes` only what `keep` leaves of it. Free of branches.
    fn ruled(self, keep: Self, passes: bool) -> Self;
    /// Both.
    fn and(self, other: Self) -> Self;
    /// A table of these numbers, 0 behind them.
    fn table(numbers: impl Iterator<Item = f32>) -> Self::Table;
    /// The table's number for the lowest leaf left.
    fn pick(self, table: &Self::Table) -> f32;
}

macro_rules! word {
    ($type:ty) => {
        impl Word for $type {
            type Table = [f32; <$type>::BITS as usize];
            const BITS: usize = <$type>::BITS as usize;
            const ALL: Self = <$type>::MAX;

            fn without(leaves: Range<usize>) -> Self {
                leaves.fold(Self::ALL, |word, leaf| word & !(1 << leaf))
            }

            #[inline(always)]
            fn ruled(self, keep: Self, passes: bool) -> Self {
                self & (keep | (0 as $type).wrapping_sub(passes as $type))
            }

            #[inline(always)]
            fn and(self, other: Self) -> Self {
                self & other
            }

            fn table(numbers: impl Iterator<Item = f32>) -> Self::Table {
                let mut table = [0.0; <$type>::BITS as usize];
                table.iter_mut().zip(numbers).for_each(|(place, number)| *place = number);
                table
            }

            #[inline(always)]
            fn pick(self, table: &Self::Table) -> f32 {
                // A tree's word is never empty; the mask only tells the compiler so.
                table[self.trailing_zeros() as usize & (<$type>::BITS as usize - 1)]
            }
        }
    };
}

word!(u32);
word!(u64);
