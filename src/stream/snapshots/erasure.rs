//! Erases customers in every partition that may know them.
//!
//! Only the producer knows which partitions a customer is in. So each partition of the topic or the
//! database is claimed, and an empty row as of the committed offset replaces the customer's: a
//! restore then skips earlier records. The previous owner finds its claim gone and reads the
//! partition again.
//!
//! If somebody claims the partition before the row is written, the new owner has not seen the row:
//! the partition is claimed once more.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::base::clock::pause;
use crate::core::state::customer::CustomerState;
use crate::core::state::snapshot::encode;
use crate::edges::database::{Problem, SnapshotStore, StoreError, each_handed_over};
use crate::edges::kafka;

/// The owner that the claims name.
const OWNER: &str = "customers erase";

/// Most claims of one partition, if others claim it as well.
const TRIES: u32 = 5;

/// Pause before the second try; it grows by this much with each.
const REST: Duration = Duration::from_millis(100);

/// What was erased.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Erased {
    /// Partitions where the customers were erased.
    pub partitions: usize,
    /// Rows that were stored, one per customer and partition.
    pub snapshots: usize,
}

/// The error that some partitions may still know the customers.
#[derive(Debug, thiserror::Error)]
#[error(
    "customers are erased in {}, and not in {}; run it again, which does no harm where it is done",
    named(done),
    named(left)
)]
pub struct Unfinished {
    /// Partitions where they are erased.
    pub done: Vec<i32>,
    /// Partitions where they are not.
    pub left: Vec<i32>,
    /// The first obstacle.
    pub source: Obstacle,
}

/// What prevented an erasure.
#[derive(Debug, thiserror::Error)]
pub enum Obstacle {
    /// The database, or somebody else's claim.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The brokers do not tell the committed offset.
    #[error(transparent)]
    Kafka(#[from] kafka::Error),
}

/// Erases customers in the topic's partitions and all others that are stored. `committed` tells the
/// group's offset in a partition of the topic.
///
/// # Errors
/// [`Unfinished`] if it was not done everywhere.
pub fn erase(
    store: &mut dyn SnapshotStore,
    customer_ids: &[&str],
    in_topic: &[i32],
    committed: &mut dyn FnMut(i32) -> Result<i64, kafka::Error>,
) -> Result<Erased, Unfinished> {
    let stored = match store.progress() {
        Ok(stored) => stored,
        Err(error) => {
            let (done, left) = (Vec::new(), in_topic.to_vec());
            return Err(Unfinished { done, left, source: error.into() });
        }
    };
    let stored = stored.iter().map(|progress| progress.partition);
    let mut open: BTreeSet<i32> = in_topic.iter().copied().chain(stored).collect();
    let (mut erased, mut done, mut obstacle) = (Erased::default(), Vec::new(), None);
    for partition in open.clone() {
        let mut committed = || match in_topic.contains(&partition) {
            true => committed(partition).map(Some),
            false => Ok(None),
        };
        match erase_in(store, partition, customer_ids, &mut committed) {
            Ok(snapshots) => {
                open.remove(&partition);
                done.push(partition);
                erased.partitions += 1;
                erased.snapshots += snapshots;
            }
            Err(error) => {
                let is_fenced = is_fenced(&error);
                obstacle.get_or_insert(error);
                // A lost claim concerns this partition alone; a database or broker that is away
                // fails all.
                if !is_fenced {
                    break;
                }
            }
        }
    }
    let left = open.into_iter().collect();
    obstacle.map_or(Ok(erased), |source| Err(Unfinished { done, left, source }))
}

/// Erases in one partition. Returns how many of the customers were stored.
fn erase_in(
    store: &mut dyn SnapshotStore,
    partition: i32,
    customer_ids: &[&str],
    committed: &mut dyn FnMut() -> Result<Option<i64>, kafka::Error>,
) -> Result<usize, Obstacle> {
    let mut tries = 1;
    loop {
        match try_in(store, partition, customer_ids, committed) {
            Err(error) if is_fenced(&error) && tries < TRIES => pause(REST * tries),
            outcome => return outcome,
        }
        tries += 1;
    }
}

fn try_in(
    store: &mut dyn SnapshotStore,
    partition: i32,
    customer_ids: &[&str],
    committed: &mut dyn FnMut() -> Result<Option<i64>, kafka::Error>,
) -> Result<usize, Obstacle> {
    let claim = store.claim(partition, OWNER)?;
    // Asked after the claim: whoever reads the row remembers what is committed later.
    let committed = committed()?;
    let stored = store.load(partition, customer_ids)?;
    let mut nothing = Vec::new();
    encode(&CustomerState::default(), &mut nothing);
    match committed {
        Some(offset) => store.erase(claim.holder, customer_ids, offset, &nothing)?,
        // The topic has no such partition: only customers stored or handed over are known.
        None => {
            let mut ids: BTreeSet<&str> = stored.iter().map(|row| &*row.customer_id).collect();
            each_handed_over(store, (partition, claim.handed_over), &mut |row| {
                ids.extend(customer_ids.iter().copied().filter(|id| row.customer_id == *id));
                Ok::<_, StoreError>(())
            })?;
            let ids: Vec<&str> = ids.into_iter().collect();
            store.erase(claim.holder, &ids, claim.highest_offset, &nothing)?;
        }
    }
    match store.release(claim.holder) {
        // The next owner has claimed it already and finds the rows.
        Err(error) if error.problem() == Problem::Fenced => Ok(stored.len()),
        released => Ok(released.map(|()| stored.len())?),
    }
}

fn is_fenced(obstacle: &Obstacle) -> bool {
    matches!(obstacle, Obstacle::Store(error) if error.problem() == Problem::Fenced)
}

/// Names partitions for a sentence.
fn named(partitions: &[i32]) -> String {
    let numbers: Vec<String> = partitions.iter().map(i32::to_string).collect();
    match numbers.len() {
        0 => "no partition".to_owned(),
        1 => format!("partition {}", numbers[0]),
        _ => format!("partitions {}", numbers.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::edges::database::{Location, SavedCustomer, StoredCustomer, Stream};

    /// A file of snapshots with customers `a` and `b` in partitions 0, 1 and 5, saved up to 9.
    struct Place {
        location: Location,
        _directory: tempfile::TempDir,
    }

    impl Place {
        fn new() -> Self {
            let directory = tempfile::tempdir().unwrap();
            let location = Location::Sqlite(directory.path().join("a.db"));
            let place = Self { location, _directory: directory };
            let mut store = place.open();
            for partition in [0, 1, 5] {
                let me = store.claim(partition, "service").unwrap().holder;
                let customer = |customer_id, applied_offset| SavedCustomer {
                    customer_id,
                    applied_offset,
                    state: b"known",
                };
                store.save(me, &[customer("a", 3), customer("b", 8)], Some(9)).unwrap();
            }
            place
        }

        fn open(&self) -> Box<dyn SnapshotStore> {
            let stream = Stream { group_id: "g".to_owned(), topic: "t".to_owned() };
            self.location.open(&stream).unwrap()
        }

        /// All rows of a partition: id, applied offset, whether erased.
        fn rows(&self, partition: i32) -> Vec<(String, i64, bool)> {
            let page = self.open().page(partition, "", 10).unwrap();
            let row = |row: StoredCustomer| {
                let is_erased = row.erased_at_ms.is_some();
                assert_eq!(is_erased, row.state != b"known");
                (row.customer_id, row.applied_offset, is_erased)
            };
            page.into_iter().map(row).collect()
        }
    }

    fn row(id: &str, offset: i64, is_erased: bool) -> (String, i64, bool) {
        (id.to_owned(), offset, is_erased)
    }

    #[test]
    fn partitions_that_the_topic_has_no_more_forget_as_well() {
        let place = Place::new();
        let erased =
            erase(&mut *place.open(), &["a", "new"], &[0, 1, 2], &mut |at| Ok(20 + i64::from(at)));
        assert_eq!(erased.unwrap(), Erased { partitions: 4, snapshots: 3 });
        for partition in [0, 1] {
            let offset = 20 + i64::from(partition);
            let rows = [row("a", offset, true), row("b", 8, false), row("new", offset, true)];
            assert_eq!(place.rows(partition), rows);
        }
        assert_eq!(place.rows(2), [row("a", 22, true), row("new", 22, true)]);
        assert_eq!(place.rows(5), [row("a", 8, true), row("b", 8, false)]);
        let owners = place.open().progress().unwrap().into_iter().map(|at| at.owner);
        assert_eq!(owners.collect::<Vec<_>>(), [None, None, None, None]);
    }

    #[test]
    fn who_is_only_handed_over_is_erased_as_well() {
        let place = Place::new();
        let mut store = place.open();
        let me = store.claim(5, "service").unwrap().holder;
        let late = |customer_id| SavedCustomer { customer_id, applied_offset: 9, state: b"known" };
        store.hand_over(me, 0, &[late("c"), late("d")], Some(10)).unwrap();
        erase(&mut *store, &["c", "nobody"], &[0, 1], &mut |_| Ok(20)).unwrap();
        let rows = [row("a", 3, false), row("b", 8, false), row("c", 8, true)];
        assert_eq!(place.rows(5), rows);
        let left = store.handed_over(5, 0).unwrap().customers;
        assert_eq!(left.iter().map(|row| &*row.customer_id).collect::<Vec<_>>(), ["d"]);
    }

    #[test]
    fn a_partition_that_is_claimed_in_between_is_claimed_again() {
        let place = Place::new();
        let mut claims = 0;
        let erased = erase(&mut *place.open(), &["a"], &[0, 1], &mut |partition| {
            if partition == 0 && claims < TRIES - 1 {
                claims += 1;
                place.open().claim(0, "service").unwrap();
            }
            Ok(20)
        });
        assert_eq!(erased.unwrap(), Erased { partitions: 3, snapshots: 3 });
        assert_eq!((claims, place.rows(0)), (4, vec![row("a", 20, true), row("b", 8, false)]));
    }

    #[test]
    fn what_is_not_done_is_named() {
        let place = Place::new();
        let unfinished = erase(&mut *place.open(), &["a"], &[0, 1], &mut |partition| {
            if partition == 0 {
                place.open().claim(0, "service").unwrap();
            }
            Ok(20)
        })
        .unwrap_err();
        assert!(is_fenced(&unfinished.source), "{unfinished:?}");
        let text = unfinished.to_string();
        assert!(text.contains("erased in partitions 1, 5, and not in partition 0; run"), "{text}");
        assert_eq!(place.rows(0), [row("a", 3, false), row("b", 8, false)]);
        assert_eq!(place.rows(1), [row("a", 20, true), row("b", 8, false)]);
        let unfinished = erase(&mut *place.open(), &["b"], &[0, 1], &mut |_| {
            let (topics, brokers) = ("t".to_owned(), "b".to_owned());
            Err(kafka::Error::MissingTopics { topics, brokers })
        })
        .unwrap_err();
        let text = unfinished.to_string();
        assert!(text.contains("erased in no partition, and not in partitions 0, 1, 5;"), "{text}");
    }
}
