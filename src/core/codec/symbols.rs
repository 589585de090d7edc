//! Names of enum symbols that outlive the schema they came with.
//!
//! A transaction borrows its texts from the record. A symbol's text is not there: the record has
//! only its number. So the text of a symbol is kept for the life of the process. Each is kept once,
//! however often its schema is learned, and there is a bound, which no honest registry reaches.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

/// Most different symbols that are kept.
const MOST: usize = 1 << 16;

static KEPT: Mutex<Option<HashSet<&'static str>>> = Mutex::new(None);

/// The symbols' texts, or `None` when there are too many different ones in the process.
pub(super) fn kept(symbols: &[String]) -> Option<Box<[&'static str]>> {
    let mut kept = KEPT.lock().unwrap_or_else(PoisonError::into_inner);
    let kept = kept.get_or_insert_default();
    symbols
        .iter()
        .map(|symbol| match kept.get(symbol.as_str()) {
            Some(text) => Some(*text),
            None if kept.len() >= MOST => None,
            None => {
                let text: &'static str = Box::leak(symbol.as_str().into());
                kept.insert(text);
                Some(text)
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_symbol_is_kept_once() {
        let symbols = ["POS".to_owned(), "ONLINE".to_owned()];
        let (once, again) = (kept(&symbols).unwrap(), kept(&symbols).unwrap());
        assert_eq!(*once, ["POS", "ONLINE"]);
        assert!(once.iter().zip(&again).all(|(one, other)| std::ptr::eq(*one, *other)));
    }
}
