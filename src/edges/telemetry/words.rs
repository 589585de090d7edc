//! The values that labels may have.
//!
//! A label whose values come from the data makes a time series for each value, and one odd customer
//! fills the memory of the system that collects them. So values are enums: a counter has one child
//! per value from the start, which also makes the first event visible to `rate()`.

use crate::core::codec::Reason;
use crate::core::decision::Severity;

/// The value of a label.
pub(super) trait Word: Copy + 'static {
    /// All values, each at its [`place`](Self::place).
    const ALL: &'static [Self];

    /// The value as it is shown.
    fn word(self) -> &'static str;

    /// Its index in [`ALL`](Self::ALL).
    fn place(self) -> usize;
}

/// Declares an enum of words.
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
    /// The outcome of a transaction: exactly one of these.
    Outcome {
        /// Its score is below the threshold.
        Scored: "scored",
        /// Its score raised an alert.
        Alerted: "alerted",
        /// Its id had been seen before.
        Duplicate: "duplicate",
        /// It cannot be scored.
        Rejected: "rejected",
    }
}

words! {
    /// What losing a record means.
    Lost {
        /// It was never scored.
        Unscored: "unscored",
        /// It was scored, but windows lack it.
        Forgotten: "forgotten",
    }
}

words! {
    /// Where a scored transaction came from.
    Source {
        /// Kafka.
        Stream: "stream",
        /// One request.
        Api: "api",
        /// A request with many transactions.
        Batch: "batch",
    }
}

words! {
    /// What failed, apart from records.
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
        /// An impossible state: a bug.
        Internal: "internal",
    }
}

words! {
    /// How a commit of offsets ended.
    CommitOutcome {
        /// The brokers have stored it.
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
        /// The transaction was not fraud.
        Honest: "honest",
        /// The verdict cannot be read.
        Rejected: "rejected",
    }
}

words! {
    /// How a customer's state was found, or that it left.
    CacheEvent {
        /// In memory.
        Hit: "hit",
        /// Not in memory.
        Miss: "miss",
        /// Evicted to make room.
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
