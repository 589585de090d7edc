//! The values that labels may have.
//!
//! A label whose values come from the data makes a time series for each of them, and one odd
//! customer fills the memory of whoever collects them. So values are enums: a counter has one child
//! for each from the start, which also makes the first event visible to `rate()`.

use crate::core::codec::Reason;
use crate::core::decision::Severity;

/// A label's value.
pub(super) trait Word: Copy + 'static {
    /// All of them, each at its [`place`](Self::place).
    const ALL: &'static [Self];

    /// As it is shown.
    fn word(self) -> &'static str;

    /// Its index in [`ALL`](Self::ALL).
    fn place(self) -> usize;
}

/// An enum of words.
macro_rules! words {
    ($(#[$about:meta])* $name:ident { $($(#[$doc:meta])* $variant:ident: $word:literal,)+ }) => {
        $(#[$about])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum $name { $($(#[$doc])* $variant,)+ }

        impl Word for $name {
            const ALL: &'static [Self] = &[$(Self::$variant,)+];

            fn word(self) -> &'static str {
                match self { $(Self::$variant => $word,)+ }
            }

            fn place(self) -> usize {
                self as usize
            }
        }
    };
}

words! {
    /// What became of a transaction: exactly one of these.
    Outcome {
        /// Got a score below the threshold.
        Scored: "scored",
        /// Got a score that is an alert.
        Alerted: "alerted",
        /// Its id had been seen before.
        Duplicate: "duplicate",
        /// Cannot be scored.
        Rejected: "rejected",
    }
}

words! {
    /// What became of records that left the topic too early.
    Lost {
        /// Nobody has scored them.
        Unscored: "unscored",
        /// They were scored, and windows lack them.
        Forgotten: "forgotten",
    }
}

words! {
    /// Where a transaction that was scored came from.
    Source {
        /// Kafka.
        Stream: "stream",
        /// One request.
        Api: "api",
        /// A request with many.
        Batch: "batch",
    }
}

words! {
    /// What failed outside of the records.
    ErrorKind {
        /// Reading from Kafka.
        Consume: "consume",
        /// Writing to Kafka.
        Produce: "produce",
        /// Committing offsets or a Kafka transaction.
        Commit: "commit",
        /// Asking the schema registry.
        SchemaRegistry: "schema_registry",
        /// Reading or writing the database.
        Database: "database",
        /// Scoring, or loading a model.
        Model: "model",
        /// A connection to the sidecar.
        Http: "http",
        /// A state that cannot be: a bug.
        Internal: "internal",
    }
}

words! {
    /// How a commit of offsets ended.
    CommitOutcome {
        /// The brokers have it.
        Committed: "committed",
        /// It will be tried again, or the records will be read again.
        Failed: "failed",
    }
}

words! {
    /// What an analyst's verdict said.
    LabelOutcome {
        /// The transaction was fraud.
        Fraud: "fraud",
        /// It was not.
        Honest: "honest",
        /// Nothing that can be read.
        Rejected: "rejected",
    }
}

words! {
    /// How a customer's state was found.
    CacheEvent {
        /// In memory.
        Hit: "hit",
        /// Not in memory.
        Miss: "miss",
        /// Put out of memory, to make room.
        Eviction: "eviction",
    }
}

impl Word for Reason {
    const ALL: &'static [Self] = &Reason::ALL;

    fn word(self) -> &'static str {
        Reason::word(self)
    }

    fn place(self) -> usize {
        self as usize
    }
}

impl Word for Severity {
    const ALL: &'static [Self] = &Severity::ALL;

    fn word(self) -> &'static str {
        self.symbol()
    }

    fn place(self) -> usize {
        self as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check<W: Word>() {
        for (place, word) in W::ALL.iter().enumerate() {
            assert_eq!(word.place(), place, "{}", word.word());
        }
    }

    #[test]
    fn every_word_is_at_its_place() {
        check::<Outcome>();
        check::<Source>();
        check::<ErrorKind>();
        check::<CommitOutcome>();
        check::<LabelOutcome>();
        check::<CacheEvent>();
        check::<Reason>();
        check::<Severity>();
    }
}
