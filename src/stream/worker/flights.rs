//! Records produced and not yet acknowledged, by sequence number.
//!
//! Numbers are given out in order and come back nearly so. A ring with a moving start suffices,
//! without hashing or a tree; it is short while the oldest unacknowledged record is young.

use std::collections::VecDeque;

use super::step::Kind;

/// Stands for a partition that is gone; Kafka's partitions are never negative.
pub const NOWHERE: i32 = -1;

/// What an acknowledgement is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Flight {
    /// The partition of the transaction.
    pub partition: i32,
    /// The offset of the transaction.
    pub offset: i64,
    /// The Kafka timestamp of the transaction in milliseconds, if it has one.
    pub timestamp_ms: Option<i64>,
    /// What was published.
    pub kind: Kind,
    /// How often its topic has refused it for its size.
    pub refusals: u8,
}

/// Records in flight, from producing until the acknowledgement. It counts and names them;
/// librdkafka has their bytes.
#[derive(Debug, Default)]
pub struct Flights {
    /// The number of the ring's first record.
    first: usize,
    ring: VecDeque<Option<Flight>>,
}

impl Flights {
    /// Adds a record and returns its number.
    pub fn depart(&mut self, flight: Flight) -> usize {
        self.ring.push_back(Some(flight));
        self.first + self.ring.len() - 1
    }

    /// Removes the record with this number; `None` if it is not in flight.
    pub fn arrive(&mut self, number: usize) -> Option<Flight> {
        let place = number.checked_sub(self.first)?;
        let flight = self.ring.get_mut(place)?.take()?;
        while let Some(None) = self.ring.front() {
            self.ring.pop_front();
            self.first += 1;
        }
        Some(flight)
    }

    /// Detaches the records of partitions that are gone: nobody waits for them, even if a partition
    /// comes back.
    pub fn orphan(&mut self, partitions: &[i32]) {
        for flight in self.ring.iter_mut().flatten() {
            if partitions.contains(&flight.partition) {
                flight.partition = NOWHERE;
            }
        }
    }

    /// The length of the ring, from the oldest record that has not arrived to the newest.
    pub fn len(&self) -> usize {
        self.ring.len()
    }

    /// The number of records that have not arrived; looks at the whole ring.
    pub fn waiting(&self) -> usize {
        self.ring.iter().flatten().count()
    }

    /// Whether everything has arrived.
    pub fn is_empty(&self) -> bool {
        self.ring.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_back_once_and_in_any_order() {
        let mut flights = Flights::default();
        let flight = |offset| Flight {
            partition: 1,
            offset,
            timestamp_ms: None,
            kind: Kind::Alert,
            refusals: 0,
        };
        let numbers: Vec<usize> = (0..4).map(|offset| flights.depart(flight(offset))).collect();
        for place in [2, 0, 3, 1] {
            assert_eq!(flights.arrive(numbers[place]), Some(flight(place as i64)));
            assert_eq!(flights.arrive(numbers[place]), None);
        }
        assert!(flights.is_empty());
        assert_eq!(flights.arrive(99), None);
        let oldest = flights.depart(flight(4));
        let next = flights.depart(flight(4));
        flights.arrive(next);
        assert_eq!((flights.len(), flights.waiting()), (2, 1));
        flights.arrive(oldest);
        flights.depart(flight(5));
        let kept = flights.depart(Flight { partition: 2, ..flight(6) });
        flights.orphan(&[1]);
        assert_eq!(flights.arrive(kept - 1).unwrap().partition, NOWHERE);
        assert_eq!(flights.arrive(kept).unwrap().partition, 2);
        let next = flights.depart(flight(9));
        assert!(!numbers.contains(&next));
        assert_eq!(flights.arrive(next), Some(flight(9)));
    }
}
