//! Planned payments that wait for their time.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::payment::Payment;

/// Gives payments back by their time; those of equal time in the order in which they were planned.
#[derive(Debug)]
pub(super) struct Queue {
    heap: BinaryHeap<Reverse<Waiting>>,
    /// Payments that ever waited.
    queued: u64,
    most: usize,
    end_ms: i64,
}

impl Queue {
    /// Empty; full with `most` payments; all of them come before `end_ms`.
    pub(super) fn new(most: usize, end_ms: i64) -> Self {
        Self { heap: BinaryHeap::new(), queued: 0, most, end_ms }
    }

    /// Whether nothing more should be planned for now.
    pub(super) fn is_full(&self) -> bool {
        self.heap.len() >= self.most
    }

    /// When the first one is due.
    pub(super) fn next_ms(&self) -> Option<i64> {
        self.heap.peek().map(|Reverse(waiting)| waiting.time_ms)
    }

    /// The first one.
    pub(super) fn pop(&mut self) -> Option<Payment> {
        self.heap.pop().map(|Reverse(waiting)| waiting.payment)
    }

    /// Takes payments planned at `now_ms`; if one would come after the end, all of them move closer
    /// in proportion.
    pub(super) fn push_all(&mut self, payments: &mut Vec<Payment>, now_ms: i64) {
        let last_ms = payments.iter().map(|payment| payment.time_ms).max().unwrap_or(now_ms);
        let span_ms = last_ms - now_ms;
        let room_ms = self.end_ms - 1 - now_ms;
        for mut payment in payments.drain(..) {
            if span_ms > room_ms {
                let offset = i128::from(payment.time_ms - now_ms) * i128::from(room_ms);
                payment.time_ms = now_ms + (offset / i128::from(span_ms)) as i64;
            }
            let (time_ms, number) = (payment.time_ms, self.queued);
            self.queued += 1;
            self.heap.push(Reverse(Waiting { time_ms, number, payment }));
        }
    }
}

#[cfg(test)]
impl Queue {
    pub(super) fn len(&self) -> usize {
        self.heap.len()
    }

    pub(super) fn most(&self) -> usize {
        self.most
    }
}

/// A planned payment, ordered by its time and then by when it was planned.
#[derive(Debug)]
struct Waiting {
    time_ms: i64,
    number: u64,
    payment: Payment,
}

impl Ord for Waiting {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.time_ms, self.number).cmp(&(other.time_ms, other.number))
    }
}

impl PartialOrd for Waiting {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Waiting {
    fn eq(&self, other: &Self) -> bool {
        self.number == other.number
    }
}

impl Eq for Waiting {}
