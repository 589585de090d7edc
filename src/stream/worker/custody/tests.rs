//! A partition's life with its snapshot, without threads and databases.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::part::{Part, ReadFrom};
use super::phase::Phase;
use super::repair::{DoomedRows, Repair};
use super::*;
use crate::core::state::customer::CustomerState;
use crate::core::state::hash::hash64;
use crate::core::state::snapshot::{decode, encode};
use crate::edges::database::{Claim, Location, Opened, SavedCustomer, StoredCustomer, Stream};
use crate::stream::snapshots::{Page, Place, Returned};
use crate::stream::worker::budget::Budget;

/// As [`Portions`] has it.
const FEW: usize = 1_024;

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

/// Evicts a stored customer of another partition.
fn evict_somebody(memory: &mut Memory) {
    memory.customers_mut(PARTITION + 1).admit("somebody", CustomerState::default(), 1);
    assert_eq!(memory.evict(usize::MAX), 1);
}

fn claim(saved_offset: Option<i64>) -> Claim {
    let highest_offset = saved_offset.unwrap_or(0);
    let (handed_over, saved_at_ms, previous) = (None, saved_offset, None);
    Claim { holder: HOLDER, saved_offset, highest_offset, handed_over, saved_at_ms, previous }
}

/// A partition whose snapshot is taken up, with all stored customers known.
fn taken_up(memory: &mut Memory) -> Part {
    let mut part = Part::new(PARTITION, 1, Portions::default());
    part.claimed(claim(Some(50)), Vec::new(), memory);
    let from = part.take_up(&BEGINS, 2, memory);
    assert_eq!((from, part.adoption), (Some(ReadFrom::Offset(50)), 2));
    assert!(memory.is_missing(PARTITION, "anybody"));
    part.roster.turn(None);
    memory.customers_mut(PARTITION).mark_known(None);
    part
}

fn tasks(from: i64) -> Tasks {
    let mut tasks = Tasks::default();
    tasks.assign(PARTITION, from, 90);
    tasks
}

fn doomed(id: &str, saved_offset: Option<i64>) -> Option<DoomedRows> {
    Some(DoomedRows { customer_ids: vec![id.to_owned()], saved_offset })
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
    let mut memory = Memory::default();
    let mut part = taken_up(&mut memory);
    for id in ["a", "b"] {
        memory.customers_mut(PARTITION).mark_stored(id);
        part.admit(vec![damaged(id)], &mut memory);
        assert!(part.is_to_rebuild() && !part.may_save() && memory.is_missing(PARTITION, id));
        part.begin_rebuild(10, &mut memory);
        assert!(!memory.is_missing(PARTITION, id) && !part.may_save(), "its row stands in the way");
        assert_eq!(part.repair.take_doomed(), doomed(id, Some(10)));
        assert!(part.may_save(), "memory need not hold all of the log");
        // Another damaged row is met before its customer's first record, so the topic serves it
        // too.
        part.admit(vec![damaged("c")], &mut memory);
        assert_eq!(part.repair.take_doomed(), doomed("c", None));
        part.go_on(&silent(), &memory, &tasks(90), false);
        assert!(!part.repair.is_rebuilding());
        // Nothing else is looked at: one round is enough for this test.
        part.roster.inspect();
        part.roster.turn(None);
    }
}

#[test]
fn the_log_is_read_again_once_all_such_rows_are_known() {
    let mut memory = Memory::default();
    let mut part = taken_up(&mut memory);
    part.roster.suspect();
    part.admit(vec![damaged("a")], &mut memory);
    assert_eq!((part.is_to_rebuild(), part.roster.next()), (false, Some(&Place::Scan)));
    part.admit(vec![damaged("b")], &mut memory);
    part.roster.turn(None);
    part.inspect_if_needed();
    assert!(part.is_to_rebuild() && part.repair.refused() == ["a", "b"]);
}

#[test]
fn a_row_that_is_damaged_after_it_was_read_ahead_is_not_taken_from_the_shelf() {
    let mut memory = Memory::default();
    let mut part = taken_up(&mut memory);
    let (customer_id, state) = ("a".to_owned(), Vec::new());
    part.shelf.put(StoredCustomer { customer_id, applied_offset: 60, state, erased_at_ms: None });
    part.admit(vec![damaged("a")], &mut memory);
    assert_eq!((part.shelf.take("a"), part.repair.refused()), (None, &["a".to_owned()][..]));
}

#[test]
fn a_row_that_is_damaged_after_its_customer_was_evicted_has_the_log_read_once_more() {
    let mut memory = Memory::default();
    let mut part = taken_up(&mut memory);
    part.admit(vec![damaged("a")], &mut memory);
    part.begin_rebuild(10, &mut memory);
    part.repair.drop_doomed();
    // Whoever of them left memory may have been remembered in part.
    evict_somebody(&mut memory);
    part.admit(vec![damaged("b")], &mut memory);
    assert!(part.repair.take_doomed().is_none() && part.repair.refused() == ["b"]);
}

#[test]
fn a_row_whose_customer_is_in_memory_is_of_no_interest() {
    let mut memory = Memory::default();
    let mut part = taken_up(&mut memory);
    memory.customers_mut(PARTITION).slot("a", hash64("a"));
    part.admit(vec![damaged("a")], &mut memory);
    assert!(part.repair.refused().is_empty());
}

#[test]
fn a_claim_from_before_the_partition_went_and_came_back_has_nothing_read_again() {
    let mut memory = Memory::default();
    let mut part = taken_up(&mut memory);
    let holder = Holder { epoch: 3, ..HOLDER };
    part.claimed(Claim { holder, ..claim(Some(50)) }, Vec::new(), &mut memory);
    assert!(part.may_save() && part.holder() == Some(holder));
}

#[test]
fn damaged_rows_are_not_deleted_before_what_is_stored_is_taken_up_again() {
    let mut memory = Memory::default();
    let mut part = taken_up(&mut memory);
    part.admit(vec![damaged("a")], &mut memory);
    part.fenced(&mut memory);
    part.begin_rebuild(10, &mut memory);
    part.claimed(claim(Some(50)), Vec::new(), &mut memory);
    part.order_what_is_due(&silent(), "me");
    assert_eq!(part.repair.take_doomed(), doomed("a", Some(10)), "nothing was ordered");
    part.take_up(&BEGINS, 3, &mut memory);
    assert_eq!(part.repair.take_doomed(), None, "the topic is not read again for it");
}

#[test]
fn what_is_ahead_of_the_committed_offset_is_forgotten() {
    let mut memory = Memory::default();
    let mut part = Part::new(PARTITION, 1, Portions::default());
    part.claimed(claim(Some(91)), Vec::new(), &mut memory);
    assert_eq!(part.take_up(&BEGINS, 2, &mut memory), Some(ReadFrom::Memory));
    assert!(matches!(part.phase, Phase::Discarding(HOLDER)) && !part.may_save());
}

#[test]
fn after_somebody_else_had_it_memory_is_read_anew_even_from_nothing() {
    let mut memory = Memory::default();
    let mut part = taken_up(&mut memory);
    memory.customers_mut(PARTITION).slot("a", hash64("a"));
    part.fenced(&mut memory);
    assert!(!part.may_save());
    part.claimed(claim(None), Vec::new(), &mut memory);
    assert!(!part.may_save(), "memory may know of rows that are gone");
    assert_eq!(part.take_up(&BEGINS, 3, &mut memory), Some(ReadFrom::Memory));
    assert_eq!((memory.changed(PARTITION), part.may_save()), (0, true));
    assert!(memory.is_missing(PARTITION, "a"));
}

#[test]
fn records_that_left_the_topic_unsaved_are_told_of_once() {
    let mut memory = Memory::default();
    let mut part = Part::new(PARTITION, 1, Portions::default());
    part.claimed(claim(Some(50)), Vec::new(), &mut memory);
    let begins = Beginning { first: 70, from: 70, ..BEGINS };
    assert_eq!(part.take_up(&begins, 2, &mut memory), Some(ReadFrom::Offset(70)));
    assert_eq!((part.take_lost_records(), part.take_lost_records()), (Some(20), None));
}

const STORED: usize = 3_000;

/// The file in `directory`.
fn open(directory: &std::path::Path) -> Opened {
    let location = Location::Sqlite(directory.join("snapshots.db"));
    location.open(&Stream { group_id: "group".to_owned(), topic: "topic".to_owned() })
}

/// Custody of a partition, taken up, of which a file stores customers.
fn custody(directory: &std::path::Path, memory: &mut Memory) -> Custody {
    let mut store = open(directory).unwrap();
    let holder = store.claim(PARTITION, "before").unwrap().holder;
    let mut state = Vec::new();
    encode(&CustomerState::default(), &mut state);
    let ids: Vec<String> = (0..STORED).map(|n| format!("c{n}")).collect();
    let row = |id| SavedCustomer { customer_id: id, applied_offset: 20, state: &state };
    let rows: Vec<_> = ids.iter().map(|id| row(id)).collect();
    store.save(holder, &rows, Some(50)).unwrap();
    let (custody, from) = adopted(directory, memory);
    assert_eq!(from, ReadFrom::Offset(50));
    custody
}

/// Custody of a partition, and where it is read from.
fn adopted(directory: &std::path::Path, memory: &mut Memory) -> (Custody, ReadFrom) {
    let directory = directory.to_owned();
    let settings = Snapshots {
        open: Arc::new(move || open(&directory)),
        complain: Arc::new(|said| assert_eq!(said, None)),
        owner: "me".to_owned(),
        policy: Policy::default(),
        portions: Portions::default(),
        goes_on_incomplete: true,
        budget: Budget::new(1 << 30),
        in_turns: None,
    };
    let mut custody = Custody::start(&settings).unwrap();
    let from = custody.adopt(&BEGINS, &mut Stopwatch::start(), memory);
    (custody, from)
}

fn fetch(custody: &mut Custody, memory: &mut Memory, ids: &[&str]) -> Option<u64> {
    fetch_before(90, custody, memory, ids)
}

/// As the partition does that has been judged up to an offset.
fn fetch_before(
    judged_until: i64,
    custody: &mut Custody,
    memory: &mut Memory,
    ids: &[&str],
) -> Option<u64> {
    let missing = ids.iter().map(|id| (PARTITION, (*id).to_owned())).collect();
    let mut tasks = Tasks::default();
    tasks.assign(PARTITION, 50, judged_until);
    custody.fetch(&missing, memory, &tasks, Duration::from_secs(20))
}

#[test]
fn who_is_read_ahead_needs_no_database_on_return_unless_memory_was_needed() {
    let directory = tempfile::tempdir().unwrap();
    let mut memory = Memory::default();
    let mut custody = custody(directory.path(), &mut memory);
    assert_eq!(fetch(&mut custody, &mut memory, &["c1", "new"]), Some(1), "before it is read");
    while custody.is_listing() {
        custody.turn(&mut memory, &tasks(50), &mut |_| ());
    }
    assert!(custody.shelf_bytes() > STORED && custody.has_news());
    assert_eq!(memory.customer_count(), 1, "who was asked for; nobody is decoded before they pay");
    let is_missing = |memory: &Memory, id: &str| memory.is_missing(PARTITION, id);
    assert!(is_missing(&memory, "c2") && !is_missing(&memory, "c1"));
    assert!(!is_missing(&memory, "nobody"), "all who are stored are known");
    assert_eq!(fetch(&mut custody, &mut memory, &["c2", "c3"]), Some(0));
    assert!(custody.has_news() && !is_missing(&memory, "c2") && !is_missing(&memory, "c3"));
    assert_eq!(memory.customers(PARTITION).unwrap().iter().last().unwrap().applied_offset(), 20);
    assert!(custody.clear_shelves(usize::MAX) > STORED);
    assert_eq!(custody.shelf_bytes(), 0);
    assert_eq!(fetch(&mut custody, &mut memory, &["c4", "c5"]), Some(2));
    assert!(!is_missing(&memory, "c4") && !is_missing(&memory, "c5"));
}

#[test]
fn many_who_are_missing_from_many_records_wait_for_the_scan() {
    let directory = tempfile::tempdir().unwrap();
    let mut memory = Memory::default();
    let mut custody = custody(directory.path(), &mut memory);
    let ids: Vec<String> = (0..100).map(|n| format!("c{n}")).collect();
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    let many = 100_000;
    assert_eq!(fetch_before(many, &mut custody, &mut memory, &ids), None, "they are not asked for");
    assert_eq!(fetch_before(many, &mut custody, &mut memory, &ids[..9]), Some(9));
    while custody.is_listing() {
        custody.turn(&mut memory, &tasks(50), &mut |_| ());
    }
    assert_eq!(fetch_before(many, &mut custody, &mut memory, &ids[9..]), Some(0));
    assert_eq!(memory.customer_count(), 100);
}

#[test]
fn who_was_asked_for_leaves_the_shelf_whichever_answer_comes_first() {
    let directory = tempfile::tempdir().unwrap();
    let mut memory = Memory::default();
    let mut custody = custody(directory.path(), &mut memory);
    while custody.is_listing() {
        custody.turn(&mut memory, &tasks(50), &mut |_| ());
    }
    let row = custody.parts[0].shelf.take("c7").expect("it was read ahead");
    custody.parts[0].shelf.put(row.clone());
    let (adoption, before) = (custody.parts[0].adoption, custody.shelf_bytes());
    let customer_ids = vec!["c7".to_owned()];
    let loaded = Answer::Loaded { adoption, customer_ids, customers: vec![row.into()] };
    custody.take_in(loaded, &mut memory, &tasks(90));
    assert!(custody.shelf_bytes() < before && custody.parts[0].shelf.take("c7").is_none());
    assert!(!memory.is_missing(PARTITION, "c7"));
}

#[test]
fn what_was_asked_for_before_an_eviction_is_asked_for_again() {
    let directory = tempfile::tempdir().unwrap();
    let mut memory = Memory::default();
    let mut custody = custody(directory.path(), &mut memory);
    custody.ask_for(&[&(PARTITION, "c7".to_owned())], &tasks(50), memory.counts().evicted);
    evict_somebody(&mut memory);
    let answer = custody.reader.wait(Duration::from_secs(20)).expect("an answer");
    custody.take_in(answer, &mut memory, &tasks(90));
    assert!(memory.is_missing(PARTITION, "c7"), "the answer may be older than what was evicted");
    assert_eq!(fetch(&mut custody, &mut memory, &["c7"]), Some(1));
    assert!(!memory.is_missing(PARTITION, "c7"));
}

#[test]
fn pages_of_a_scan_from_before_an_eviction_say_only_who_is_stored() {
    let directory = tempfile::tempdir().unwrap();
    let mut memory = Memory::default();
    let mut custody = custody(directory.path(), &mut memory);
    custody.read_ahead(&mut memory, &tasks(50));
    evict_somebody(&mut memory);
    while custody.is_listing() {
        custody.read_ahead(&mut memory, &tasks(50));
    }
    assert_eq!(custody.shelf_bytes(), 0, "their rows may be older than what was evicted");
    assert!(memory.is_missing(PARTITION, "c7") && !memory.is_missing(PARTITION, "nobody"));
}

#[test]
fn what_a_next_owner_has_stored_is_not_believed_and_has_the_claims_looked_at() {
    let directory = tempfile::tempdir().unwrap();
    let mut memory = Memory::default();
    let mut custody = custody(directory.path(), &mut memory);
    let mut store = open(directory.path()).unwrap();
    let next = store.claim(PARTITION, "next").unwrap().holder;
    let mut state = Vec::new();
    encode(&CustomerState::default(), &mut state);
    for (id, applied_offset) in [("c7", 91), ("c8", 90)] {
        store
            .save(next, &[SavedCustomer { customer_id: id, applied_offset, state: &state }], None)
            .unwrap();
    }
    assert_eq!(fetch(&mut custody, &mut memory, &["c7"]), Some(0));
    assert!(memory.is_missing(PARTITION, "c7"), "this worker has not come to offset 90");
    assert_eq!(fetch(&mut custody, &mut memory, &["c8"]), Some(1), "it has come to offset 89");
    while !custody.parts[0].phase.is_fenced() {
        custody.turn(&mut memory, &tasks(90), &mut |_| ());
    }
    assert_eq!(fetch(&mut custody, &mut memory, &["nobody"]), None, "nobody is asked for any more");
}

#[test]
fn a_failing_scan_is_not_begun_again_for_rows_that_cannot_be_read() {
    let directory = tempfile::tempdir().unwrap();
    let mut memory = Memory::default();
    let mut custody = custody(directory.path(), &mut memory);
    let adoption = custody.parts[0].adoption;
    let page = |next, has_failed| Answer::Page {
        adoption,
        page: Page { next, has_failed, ..Page::default() },
    };
    custody.take_in(page(Some(Place::Ids(String::new())), true), &mut memory, &tasks(90));
    custody.parts[0].admit(vec![damaged("c1")], &mut memory);
    custody.take_in(page(None, false), &mut memory, &tasks(90));
    custody.parts[0].roster.suspect();
    custody.parts[0].inspect_if_needed();
    assert!(!custody.is_listing() && custody.parts[0].is_to_rebuild());
}

/// So many customers pay.
fn pay(memory: &mut Memory, partition: i32, customers: usize) {
    let customers_of = memory.customers_mut(partition);
    for n in 0..customers {
        let id = format!("n{n}");
        let slot = customers_of.slot(&id, hash64(&id));
        customers_of.applied(slot, 60);
    }
}

#[test]
fn few_are_saved_and_many_handed_over_to_the_next_owner() {
    for (count, saved, handed_over) in
        [(FEW, Some(90), None), (FEW + 1, Some(50), Some(90)), (3 * FEW, Some(50), Some(90))]
    {
        let directory = tempfile::tempdir().unwrap();
        let mut memory = Memory::default();
        let mut one = custody(directory.path(), &mut memory);
        pay(&mut memory, PARTITION, count);
        let limit = Duration::from_secs(20);
        let departure = Departure { limit, keeps_handed_over: false };
        one.let_go(&[PARTITION], &mut memory, &tasks(90), departure, &mut |_| ());
        let mut store = open(directory.path()).unwrap();
        let claim = store.claim(PARTITION, "between").unwrap();
        assert_eq!((claim.saved_offset, claim.handed_over), (saved, handed_over), "{count}");
        assert_eq!(claim.previous, None, "it has let go");

        let mut memory = Memory::default();
        let (mut two, from) = adopted(directory.path(), &mut memory);
        assert_eq!(from, ReadFrom::Offset(90));
        let taken = if handed_over.is_some() { count } else { 0 };
        assert_eq!((memory.customer_count(), memory.changed(PARTITION)), (taken, taken));
        assert!(memory.is_missing(PARTITION, "c1"), "who has not changed is stored");
        two.is_pressed = true;
        while memory.changed(PARTITION) > 0 || two.parts.iter().any(|part| !part.is_idle()) {
            two.turn(&mut memory, &tasks(90), &mut |_| ());
        }
        let claim = store.claim(PARTITION, "after").unwrap();
        assert_eq!((claim.saved_offset, claim.handed_over), (Some(90), None));
        let row = &store.load(PARTITION, &["n7"]).unwrap()[0];
        assert_eq!(row.applied_offset, 61, "either way it is stored in the end");
    }
}

#[test]
fn what_is_handed_over_counts_if_it_can_be_read_and_is_committed() {
    let readable = || {
        let mut state = Vec::new();
        encode(&CustomerState::default(), &mut state);
        Returned { customer_id: "a".to_owned(), applied_offset: 60, state: decode(&state) }
    };
    let cases: [(_, _, fn() -> Returned, _, _); 5] = [
        (Some(50), Some(80), readable, ReadFrom::Offset(80), 1),
        (Some(50), Some(80), || damaged("a"), ReadFrom::Offset(50), 0),
        (None, Some(80), readable, ReadFrom::Offset(80), 1),
        (None, Some(80), || damaged("a"), ReadFrom::Memory, 0),
        (Some(50), Some(91), readable, ReadFrom::Memory, 0),
    ];
    for (saved, handed_over, customer, from, taken) in cases {
        let mut memory = Memory::default();
        let mut part = Part::new(PARTITION, 1, Portions::default());
        part.claimed(Claim { handed_over, ..claim(saved) }, vec![customer()], &mut memory);
        assert_eq!(part.take_up(&BEGINS, 2, &mut memory), Some(from), "{saved:?} {handed_over:?}");
        assert_eq!((memory.customer_count(), memory.changed(PARTITION)), (taken, taken));
    }
}

#[test]
fn nothing_is_handed_over_that_is_not_committed_or_not_to_be_saved() {
    let mut memory = Memory::default();
    let mut part = taken_up(&mut memory);
    pay(&mut memory, PARTITION, 2);
    let mut tasks = tasks(90);
    tasks.receive(PARTITION, 90, None).unwrap();
    assert!(!part.hand_over(&mut memory, &tasks), "the record at 90 may be judged again");
    tasks.commit(&[(PARTITION, 91)]);
    pay(&mut memory, PARTITION, 2);
    part.refuse(vec!["a".to_owned()], 0);
    assert!(!part.hand_over(&mut memory, &tasks), "what is stored is damaged");
    part.repair = Repair::default();
    assert!(part.hand_over(&mut memory, &tasks));
}

/// The claim of a partition, as the file has it.
fn claimed(directory: &std::path::Path) -> Claim {
    open(directory).unwrap().claim(PARTITION, "somebody").unwrap()
}

#[test]
fn a_save_that_is_under_way_is_dropped_for_handing_over_and_its_answers_count_for_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let mut memory = Memory::default();
    let mut one = custody(directory.path(), &mut memory);
    pay(&mut memory, PARTITION, 4 * FEW);
    one.is_pressed = true;
    // All of it is ordered, and nothing of it has been answered.
    one.turn(&mut memory, &tasks(90), &mut |_| ());
    while one.parts[0].is_saving() {
        one.parts[0].go_on(&one.keeper, &memory, &tasks(90), true);
    }
    assert_eq!((memory.changed(PARTITION), one.parts[0].is_idle()), (0, false));
    pay(&mut memory, PARTITION, FEW + 1);
    let mut tasks = Tasks::default();
    tasks.assign(PARTITION, 95, 95);
    one.hand_over_what_takes_long(&[PARTITION], &mut memory, &tasks, 0);
    let left = one.save(&[PARTITION], &mut memory, &tasks, &|| false, &mut |_| ());
    assert_eq!(left, [0; 0]);
    let claim = claimed(directory.path());
    assert_eq!(claim.handed_over, Some(95), "not taken for done by the save's last answer");
    let mut store = open(directory.path()).unwrap();
    let handed_over = store.handed_over(PARTITION, 0).unwrap().customers;
    assert!(handed_over.len() > FEW, "who has paid again since, and maybe others");
    let ids: BTreeSet<_> = handed_over.iter().map(|row| row.customer_id.as_str()).collect();
    for n in 0..4 * FEW {
        let id = format!("n{n}");
        let mut is_stored = || store.load(PARTITION, &[&id]).unwrap()[0].applied_offset == 61;
        assert!(ids.contains(&*id) || is_stored(), "{id}");
    }
}

#[test]
fn nothing_is_promised_when_the_database_fails_while_a_partition_is_handed_over() {
    let directory = tempfile::tempdir().unwrap();
    let mut memory = Memory::default();
    let mut one = custody(directory.path(), &mut memory);
    pay(&mut memory, PARTITION, FEW);
    one.parts[0].begin_save(&mut memory, &tasks(90));
    // All of it counts as stored, so that only who pays again is handed over.
    one.parts[0].count_stored(FEW);
    pay(&mut memory, PARTITION, 1);
    assert!(one.parts[0].hand_over(&mut memory, &tasks(90)));
    let holder = one.parts[0].holder().unwrap();
    one.take_answer(Answer::Torn { holder, is_handover: true }, &mut memory, &mut |_| ());
    one.save(&[PARTITION], &mut memory, &tasks(90), &|| false, &mut |_| ());
    let claim = claimed(directory.path());
    assert_eq!((claim.saved_offset, claim.handed_over), (Some(50), None));
}

#[test]
fn what_is_handed_over_relies_on_no_save_that_is_done_or_that_stored_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let mut memory = Memory::default();
    let mut one = custody(directory.path(), &mut memory);
    pay(&mut memory, PARTITION, FEW);
    assert!(one.save(&[PARTITION], &mut memory, &tasks(80), &|| false, &mut |_| ()).is_empty());
    assert!(one.parts[0].is_idle(), "the save is done");
    pay(&mut memory, PARTITION, 2 * FEW);
    one.parts[0].begin_save(&mut memory, &tasks(90));
    assert!(one.parts[0].hand_over(&mut memory, &tasks(90)));
    let holder = one.parts[0].holder().unwrap();
    one.take_answer(Answer::Torn { holder, is_handover: false }, &mut memory, &mut |_| ());
    one.save(&[PARTITION], &mut memory, &tasks(90), &|| false, &mut |_| ());
    let claim = claimed(directory.path());
    assert_eq!((claim.saved_offset, claim.handed_over), (Some(80), Some(90)));
}

#[test]
fn who_ends_last_leaves_everything_stored_and_who_does_not_stops() {
    for is_claimed in [false, true] {
        let directory = tempfile::tempdir().unwrap();
        let mut memory = Memory::default();
        let mut one = custody(directory.path(), &mut memory);
        pay(&mut memory, PARTITION, 2 * FEW);
        let limit = Duration::from_secs(20);
        let departure = Departure { limit, keeps_handed_over: true };
        one.let_go(&[PARTITION], &mut memory, &tasks(90), departure, &mut |_| ());
        if is_claimed {
            assert_eq!(claimed(directory.path()).handed_over, Some(90));
        }
        one.save_rest(&mut memory, &tasks(90), limit, &mut |_| ());
        let claim = claimed(directory.path());
        let expected = if is_claimed { (Some(50), Some(90)) } else { (Some(90), None) };
        assert_eq!((claim.saved_offset, claim.handed_over), expected);
        assert_eq!(claim.previous.is_some(), is_claimed, "it has let go");
    }
}

#[test]
fn the_largest_of_what_takes_long_are_given_up_if_nobody_can_take_them_over() {
    for (most, kept) in [(0, vec![]), (4, vec![11, 12]), (99, vec![11, 12, 13])] {
        let directory = tempfile::tempdir().unwrap();
        let mut memory = Memory::default();
        let mut custody = custody(directory.path(), &mut memory);
        for (partition, customers) in [(13, 9), (11, 1), (12, 3)] {
            custody.parts.push(Part::new(partition, 0, Portions::default()));
            pay(&mut memory, partition, customers);
        }
        custody.hand_over_what_takes_long(&[11, 12, 13], &mut memory, &tasks(90), most);
        let mut left: Vec<i32> = custody.parts.iter().map(|part| part.partition).collect();
        left.retain(|&partition| partition != PARTITION);
        left.sort_unstable();
        assert_eq!(left, kept, "{most}");
    }
}
