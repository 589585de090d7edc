//! The channel of verdicts from the follower to one worker.
//!
//! It is bounded and drops nothing: the follower waits for a slow worker. [`Letter::CaughtUp`]
//! comes after the initial verdicts, so a worker that receives it has them all.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};

use super::{INBOX_BATCHES, OwnedLabel};
use crate::core::transaction::Label;

/// What goes through the channel.
#[derive(Debug, Clone)]
pub(super) enum Letter {
    /// Verdicts in the order in which they were read; all workers share one copy.
    Batch(Arc<[OwnedLabel]>),
    /// All that was there at the start was sent before.
    CaughtUp,
}

/// A worker's end of the channel. A worker that ends drops it; then the follower sends it no more.
#[derive(Debug)]
pub struct Inbox {
    letters: Receiver<Letter>,
    is_caught_up: bool,
}

impl Inbox {
    /// Gives all verdicts that have come to `learn`, oldest first, and returns how many. Never
    /// waits.
    pub fn receive(&mut self, learn: &mut dyn FnMut(&Label<'_>)) -> usize {
        let mut learned = 0;
        // No more than the channel holds: an equally fast follower would keep the worker here for
        // ever.
        for _ in 0..INBOX_BATCHES {
            match self.letters.try_recv() {
                Ok(Letter::Batch(labels)) => {
                    labels.iter().for_each(|label| learn(&label.as_label()));
                    learned += labels.len();
                }
                Ok(Letter::CaughtUp) => self.is_caught_up = true,
                Err(_) => break,
            }
        }
        learned
    }

    /// Whether everything that was there at the follower's start has been received.
    pub fn is_caught_up(&self) -> bool {
        self.is_caught_up
    }
}

/// The follower's end of the channel.
#[derive(Debug)]
pub(super) struct Outbox {
    /// `None` once the worker has ended.
    letters: Option<SyncSender<Letter>>,
}

/// A channel's two ends.
pub(super) fn inbox() -> (Outbox, Inbox) {
    let (sender, receiver) = sync_channel(INBOX_BATCHES);
    (Outbox { letters: Some(sender) }, Inbox { letters: receiver, is_caught_up: false })
}

impl Outbox {
    /// Sends a letter; `false` if the channel is full. For a worker that has ended it does nothing
    /// and returns `true`.
    pub(super) fn offer(&mut self, letter: &Letter) -> bool {
        let Some(letters) = &self.letters else { return true };
        match letters.try_send(letter.clone()) {
            Ok(()) => true,
            Err(TrySendError::Full(_)) => false,
            Err(TrySendError::Disconnected(_)) => {
                self.letters = None;
                true
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::transaction::EventTime;

    fn batch(ids: &[&str]) -> Letter {
        let label = |id: &&str| {
            let time = EventTime::from_trusted_millis(1_767_225_600_000);
            OwnedLabel::from(&Label {
                transaction_id: id,
                customer_id: "c",
                merchant_id: "m",
                event_time: time,
                is_fraud: true,
                labeled_at: time,
                fraud_type: None,
            })
        };
        Letter::Batch(ids.iter().map(label).collect())
    }

    fn received(inbox: &mut Inbox) -> Vec<String> {
        let mut ids = Vec::new();
        let learned = inbox.receive(&mut |label| ids.push(label.transaction_id.to_owned()));
        assert_eq!(learned, ids.len());
        ids
    }

    #[test]
    fn verdicts_come_in_order_and_the_end_of_the_beginning_behind_them() {
        let (mut outbox, mut inbox) = inbox();
        assert!(received(&mut inbox).is_empty());
        assert!(outbox.offer(&batch(&["a", "b"])));
        assert!(outbox.offer(&batch(&["c"])));
        assert!(!inbox.is_caught_up());
        assert!(outbox.offer(&Letter::CaughtUp));
        assert!(!inbox.is_caught_up());
        assert_eq!(received(&mut inbox), ["a", "b", "c"]);
        assert!(inbox.is_caught_up());
        assert!(outbox.offer(&batch(&["d"])));
        assert_eq!(received(&mut inbox), ["d"]);
    }

    #[test]
    fn a_full_inbox_has_no_room_and_one_whose_worker_ended_has() {
        let (mut outbox, mut inbox) = inbox();
        let letter = batch(&["a"]);
        for _ in 0..INBOX_BATCHES {
            assert!(outbox.offer(&letter));
        }
        assert!(!outbox.offer(&letter));
        assert_eq!(received(&mut inbox).len(), INBOX_BATCHES);
        assert!(outbox.offer(&letter));
        drop(inbox);
        assert!(outbox.offer(&letter) && outbox.offer(&letter));
    }
}
