//! A partition's life with what is stored of it, without threads and databases.

use super::part::{Base, Part};
use super::*;
use crate::database::Claim;
use crate::engine::{Decision, EngineError, Place};
use crate::snapshots::Returned;
use crate::state::customer::CustomerState;
use crate::state::customers::Customers;
use crate::state::hash::hash64;
use crate::state::partitions::Partitions;
use crate::state::snapshot::decode;
use crate::transaction::{Label, Transaction};
use crate::worker::Met;

const PARTITION: i32 = 4;
const HOLDER: Holder = Holder { partition: PARTITION, epoch: 2 };
const BEGINS: Beginning = Beginning {
    partition: PARTITION,
    from: 10,
    judged_until: 90,
    first: 10,
    lost: 0,
    is_cut: false,
};

/// Customers and nothing else.
#[derive(Default)]
struct Shelf(Partitions);

impl Score for Shelf {
    fn score(
        &mut self,
        _: &[Transaction<'_>],
        _: &[Place],
        _: &mut Vec<Option<Decision>>,
    ) -> Result<(), EngineError> {
        Ok(())
    }

    fn restore(&mut self, _: &Transaction<'_>, _: Place) {}

    fn forget(&mut self, partition: i32) {
        self.0.forget(partition);
    }

    fn customers(&self, partition: i32) -> Option<&Customers> {
        self.0.of(partition)
    }

    fn changed(&self, partition: i32) -> usize {
        self.0.of(partition).map_or(0, Customers::changed)
    }

    fn cut(&mut self, partition: i32) -> Vec<u32> {
        self.0.of_mut(partition).cut()
    }

    fn settle(&mut self, _: i32, _: bool) {}

    fn evict(&mut self, _: usize) {}

    fn expect(&mut self, partition: i32, id: &str) {
        self.0.of_mut(partition).expect(id);
    }

    fn expect_all(&mut self, partition: i32) {
        self.0.of_mut(partition).expect_all();
    }

    fn list(&mut self, partition: i32, up_to: Option<&str>) {
        self.0.of_mut(partition).list(up_to);
    }

    fn expects(&self) -> bool {
        true
    }

    fn is_missing(&self, partition: i32, id: &str) -> bool {
        self.0.of(partition).is_some_and(|customers| customers.is_missing(id))
    }

    fn admit(&mut self, partition: i32, id: &str, applied_offset: i64, state: CustomerState) {
        self.0.of_mut(partition).met_in_store(id);
        self.0.of_mut(partition).admit(id, state, applied_offset);
    }

    fn met_in_store(&mut self, partition: i32, id: &str) {
        self.0.of_mut(partition).met_in_store(id);
    }

    fn learn(&mut self, _: &Label<'_>) {}

    fn met(&self) -> Met {
        Met::default()
    }

    fn state_bytes(&self) -> usize {
        0
    }
}

fn claim(saved_offset: Option<i64>) -> Claim {
    let highest_offset = saved_offset.unwrap_or(0);
    Claim { holder: HOLDER, saved_offset, highest_offset, previous: None }
}

/// A partition whose snapshot is taken up, with all stored customers known.
fn taken_up(shelf: &mut Shelf) -> Part {
    let mut part = Part::new(PARTITION, 1);
    part.hold(claim(Some(50)), shelf);
    let begins = part.take_up(BEGINS, 2, shelf).expect("a snapshot");
    assert_eq!((begins.from, part.adoption), (50, 2));
    assert!(shelf.is_missing(PARTITION, "anybody"));
    (part.unlisted, part.is_listed) = (None, true);
    shelf.list(PARTITION, None);
    part
}

fn tasks(from: i64) -> Tasks {
    let mut tasks = Tasks::default();
    tasks.assign(PARTITION, from, 90);
    tasks
}

fn damaged(id: &str) -> Returned {
    Returned { customer_id: id.to_owned(), applied_offset: 60, state: decode(b"") }
}

fn silent() -> Keeper {
    let open = || panic!("nobody asks it");
    Keeper::start("test", Box::new(open), Box::new(|_| ())).unwrap()
}

#[test]
fn every_row_that_cannot_be_read_has_the_log_read_again() {
    let mut shelf = Shelf::default();
    let mut part = taken_up(&mut shelf);
    for id in ["a", "b"] {
        shelf.expect(PARTITION, id);
        part.admit(vec![damaged(id)], &mut shelf);
        assert!(part.is_to_rebuild() && !part.may_save() && shelf.is_missing(PARTITION, id));
        part.rebuild(10, &mut shelf);
        assert!(!shelf.is_missing(PARTITION, id) && !part.may_save(), "its row stands in the way");
        let forgetting = part.forgetting.take().unwrap();
        assert_eq!((forgetting.customer_ids, forgetting.saved_offset), (vec![id.into()], Some(10)));
        assert!(part.may_save(), "memory need not hold all of the log");
        // Meanwhile another one is met: before its first record, so that the log serves it too.
        part.admit(vec![damaged("c")], &mut shelf);
        let forgetting = part.forgetting.take().unwrap();
        assert_eq!((forgetting.customer_ids, forgetting.saved_offset), (vec!["c".into()], None));
        part.go_on(&silent(), &shelf, &tasks(90), false);
        assert!(!part.is_rebuilding);
        part.has_skipped = false;
    }
}

#[test]
fn the_log_is_read_again_once_all_such_rows_are_known() {
    let mut shelf = Shelf::default();
    let mut part = taken_up(&mut shelf);
    part.has_skipped = true;
    part.admit(vec![damaged("a")], &mut shelf);
    assert_eq!((part.is_to_rebuild(), part.unlisted.as_deref()), (false, Some("")));
    part.admit(vec![damaged("b")], &mut shelf);
    part.unlisted = None;
    part.look_for_more();
    assert!(part.is_to_rebuild() && part.refused == ["a", "b"]);
}

#[test]
fn a_row_whose_customer_is_in_memory_is_of_no_interest() {
    let mut shelf = Shelf::default();
    let mut part = taken_up(&mut shelf);
    shelf.0.of_mut(PARTITION).slot("a", hash64("a"));
    part.admit(vec![damaged("a")], &mut shelf);
    assert!(part.refused.is_empty());
}

#[test]
fn what_is_ahead_of_the_committed_offset_is_forgotten() {
    let mut shelf = Shelf::default();
    let mut part = Part::new(PARTITION, 1);
    part.hold(claim(Some(91)), &mut shelf);
    assert_eq!(part.take_up(BEGINS, 2, &mut shelf).map(|begins| begins.from), Some(10));
    assert!(matches!(part.base, Base::Useless(HOLDER)) && !part.may_save());
}

#[test]
fn after_somebody_else_had_it_memory_is_read_anew_even_from_nothing() {
    let mut shelf = Shelf::default();
    let mut part = taken_up(&mut shelf);
    shelf.0.of_mut(PARTITION).slot("a", hash64("a"));
    part.fenced(&mut shelf);
    assert!(!part.may_save());
    part.hold(claim(None), &mut shelf);
    assert!(!part.may_save(), "memory may know of rows that are gone");
    assert_eq!(part.take_up(BEGINS, 3, &mut shelf).map(|begins| begins.from), Some(10));
    assert_eq!((shelf.changed(PARTITION), part.may_save()), (0, true));
    assert!(shelf.is_missing(PARTITION, "a"));
}

#[test]
fn records_that_left_the_topic_unsaved_are_told_of_once() {
    let mut shelf = Shelf::default();
    let mut part = Part::new(PARTITION, 1);
    part.hold(claim(Some(50)), &mut shelf);
    let begins = Beginning { first: 70, from: 70, ..BEGINS };
    assert_eq!(part.take_up(begins, 2, &mut shelf).map(|begins| begins.from), Some(70));
    assert_eq!((part.lost.take(), part.lost.take()), (Some(20), None));
}
