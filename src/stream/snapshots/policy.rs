//! When to save, as in Redis: after a time, if enough customers have changed; any rule suffices.
//!
//! A worker that is short of memory saves without waiting for a rule (`worker/room.rs`).

use std::time::Duration;

/// One rule: `after` this time, if `changed` customers have changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SavePoint {
    /// Since the last save began.
    pub after: Duration,
    /// Customers that have changed since then, at least 1.
    pub changed: usize,
}

/// Rules, in any order. Without rules, partitions are saved when they leave and at the end.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Policy(pub Vec<SavePoint>);

impl Policy {
    /// Whether a save is due, `since` the last one began, with `changed` customers.
    pub fn is_due(&self, since: Duration, changed: usize) -> bool {
        self.0.iter().any(|point| since >= point.after && changed >= point.changed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_rule_is_enough() {
        let point = |seconds, changed| SavePoint { after: Duration::from_secs(seconds), changed };
        let policy = Policy(vec![point(60, 10_000), point(300, 1)]);
        for (seconds, changed, is_due) in [
            (59, 1_000_000, false),
            (60, 9_999, false),
            (60, 10_000, true),
            (299, 9_999, false),
            (300, 0, false),
            (300, 1, true),
        ] {
            assert_eq!(policy.is_due(Duration::from_secs(seconds), changed), is_due, "{seconds}");
        }
        assert!(!Policy::default().is_due(Duration::MAX, usize::MAX));
    }
}
