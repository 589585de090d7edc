//! A map by id that forgets the entries inserted longest ago.

use std::collections::{HashMap, VecDeque};

/// A map bounded in the number of its values and in their bytes.
pub(super) struct Recent<T> {
    values: HashMap<u32, (usize, T)>,
    /// Ids in the order of insertion, each once.
    order: VecDeque<u32>,
    bytes: usize,
    max_values: usize,
    max_bytes: usize,
}

impl<T> Recent<T> {
    /// An empty map with these bounds. The newest value stays even if it is larger than
    /// `max_bytes`.
    pub(super) fn new(max_values: usize, max_bytes: usize) -> Self {
        Self { values: HashMap::new(), order: VecDeque::new(), bytes: 0, max_values, max_bytes }
    }

    /// The value of an id.
    pub(super) fn get(&self, id: u32) -> Option<&T> {
        self.values.get(&id).map(|(_, value)| value)
    }

    /// Inserts a value of `bytes` bytes; replaces the id's earlier one.
    pub(super) fn insert(&mut self, id: u32, bytes: usize, value: T) {
        self.remove(id);
        self.values.insert(id, (bytes, value));
        self.order.push_back(id);
        self.bytes += bytes;
        while self.order.len() > 1
            && (self.order.len() > self.max_values || self.bytes > self.max_bytes)
        {
            let oldest = self.order[0];
            self.remove(oldest);
        }
    }

    /// Removes an id.
    pub(super) fn remove(&mut self, id: u32) {
        if let Some((bytes, _)) = self.values.remove(&id) {
            self.bytes -= bytes;
            self.order.retain(|kept| *kept != id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_goes_when_there_are_too_many_or_too_long_ones() {
        let mut recent = Recent::new(3, 10);
        let kept =
            |recent: &Recent<char>| -> String { (0..9).filter_map(|id| recent.get(id)).collect() };
        for (id, bytes, value, expected) in [
            (1, 1, 'a', "a"),
            (2, 1, 'b', "ab"),
            (1, 2, 'c', "cb"),
            (3, 1, 'd', "cbd"),
            (4, 1, 'e', "cde"),
            (5, 9, 'f', "ef"),
            (6, 99, 'g', "g"),
            (7, 1, 'h', "h"),
        ] {
            recent.insert(id, bytes, value);
            assert_eq!(kept(&recent), expected);
        }
        recent.remove(7);
        recent.remove(7);
        assert_eq!((kept(&recent).as_str(), recent.bytes, recent.order.len()), ("", 0, 0));
    }
}
