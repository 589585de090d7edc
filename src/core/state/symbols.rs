//! Small numbers (symbols) for a customer's categories, cities and devices.
//!
//! A customer uses few of each, and each occurs in many transactions. A table holds every hash once
//! and counts the remembered entries that use it; entries hold indexes into the table. When nothing
//! uses a symbol any more, the next new one takes its place, so what is remembered bounds the
//! table. Places depend on history, so nothing outside the state may see them.

use thin_vec::ThinVec;

use super::columns::Columns;

/// The kind of text that a symbol stands for: the same text as a city and as a category makes two
/// symbols.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SymbolKind {
    /// A merchant category.
    Category = 0,
    /// A city.
    City = 1,
    /// A device.
    Device = 2,
}

/// No symbol: the text is empty or missing.
pub const UNKNOWN: u16 = 0;

#[derive(Debug, Clone, Copy, Default)]
struct Symbol {
    /// Hash with the kind in the lowest two bits.
    key: u32,
    /// Remembered entries that use it.
    used: u16,
    /// Those of the last 30 days, for categories only.
    month: u16,
}

/// A customer's table of symbols. Symbol n lies at place n - 1; [`UNKNOWN`] has no place.
#[derive(Debug, Clone, Default)]
pub struct Symbols {
    table: ThinVec<Symbol>,
}

fn key(kind: SymbolKind, hash: u32) -> u32 {
    hash << 2 | kind as u32
}

impl Symbols {
    /// The symbol of a hash, if a remembered entry uses it; `None` for hash 0.
    #[inline]
    pub fn find(&self, kind: SymbolKind, hash: u32) -> Option<u16> {
        let key = key(kind, hash);
        let at = self.table.iter().position(|symbol| symbol.key == key && symbol.used > 0)?;
        Some(at as u16 + 1)
    }

    /// Counts one more use of a hash and returns its symbol, a new one if need be. Hash 0 gives
    /// [`UNKNOWN`] and counts nothing.
    pub fn enter(&mut self, kind: SymbolKind, hash: u32) -> u16 {
        if hash == 0 {
            return UNKNOWN;
        }
        if let Some(symbol) = self.find(kind, hash) {
            self.table[usize::from(symbol) - 1].used += 1;
            return symbol;
        }
        let fresh = Symbol { key: key(kind, hash), used: 1, month: 0 };
        match self.table.iter().position(|symbol| symbol.used == 0) {
            Some(at) => {
                self.table[at] = fresh;
                at as u16 + 1
            }
            None => {
                if self.table.len() == self.table.capacity() {
                    self.table.reserve_exact((self.table.len() / 4).max(2));
                }
                self.table.push(fresh);
                self.table.len() as u16
            }
        }
    }

    /// Recounts how many entries use each symbol.
    pub fn recount(&mut self, columns: &Columns) {
        self.table.iter_mut().for_each(|symbol| symbol.used = 0);
        for index in 0..columns.len() {
            for symbol in [columns.category(index), columns.city(index), columns.device(index)] {
                if symbol != UNKNOWN {
                    self.table[usize::from(symbol) - 1].used += 1;
                }
            }
        }
    }

    /// Counts one use less.
    pub fn leave(&mut self, symbol: u16) {
        if symbol != UNKNOWN {
            self.table[usize::from(symbol) - 1].used -= 1;
        }
    }

    /// How many remembered entries use a symbol.
    #[inline]
    pub fn used(&self, symbol: u16) -> u16 {
        if symbol == UNKNOWN { 0 } else { self.table[usize::from(symbol) - 1].used }
    }

    /// Adds `change` to the symbol's count of the last 30 days; returns the count before.
    #[inline]
    pub fn change_month(&mut self, symbol: u16, change: i16) -> u16 {
        let count = &mut self.table[usize::from(symbol) - 1].month;
        let before = *count;
        *count = before.wrapping_add_signed(change);
        before
    }

    /// Sets every count of the last 30 days to 0.
    pub fn clear_month(&mut self) {
        self.table.iter_mut().for_each(|symbol| symbol.month = 0);
    }

    /// The 30-bit hash ([`super::hash::hash30`]) that a symbol stands for; 0 for [`UNKNOWN`].
    pub fn hash(&self, symbol: u16) -> u32 {
        if symbol == UNKNOWN { 0 } else { self.table[usize::from(symbol) - 1].key >> 2 }
    }

    /// Bytes on the heap.
    pub fn heap_bytes(&self) -> usize {
        self.table.capacity() * size_of::<Symbol>()
    }
}
