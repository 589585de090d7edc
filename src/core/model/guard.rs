//! Calls into tract that may panic, kept from stopping the process and from writing to its log.
//!
//! tract takes a graph at its word in places, and a value may be none that it has thought of. What
//! panics there is a bad file or a bad row, not a fault of the process, so it becomes an error like
//! any other. The message that a panic prints would only frighten: it is left out for these calls.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};
use std::sync::Once;

thread_local! {
    /// Whether this thread is in a guarded call.
    static GUARDED: Cell<bool> = const { Cell::new(false) };
}

/// The result of `call`; `None` if it panicked. What it leaves behind must not be used after that.
pub(super) fn guarded<T>(call: impl FnOnce() -> T) -> Option<T> {
    static QUIET: Once = Once::new();
    QUIET.call_once(|| {
        let others = take_hook();
        set_hook(Box::new(move |panic| {
            if !GUARDED.get() {
                others(panic);
            }
        }));
    });
    let before = GUARDED.replace(true);
    let result = catch_unwind(AssertUnwindSafe(call));
    GUARDED.set(before);
    result.ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_none_and_the_thread_goes_on() {
        assert_eq!(guarded(|| 1), Some(1));
        assert_eq!(guarded(|| [0; 2].get(2).copied().expect("left out of the log")), None);
        assert!(!GUARDED.get());
        assert_eq!(guarded(|| guarded(|| -> u8 { panic!("inner") })), Some(None));
    }
}
