//! The stores of snapshots: PostgreSQL and SQLite keep one contract.
//!
//! Each case runs on both, on a stream of its own. The law at the end holds them to the plainest
//! store there is, a map in memory.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use synfinance::base::clock::now_millis;
use synfinance::core::state::customer::CustomerState;
use synfinance::core::state::snapshot::encode;
use synfinance::edges::database::{
    Claim, Holder, Location, Problem, SavedCustomer, SnapshotStore, StoreError, StoredCustomer,
    Stream,
};
use synfinance::stream::snapshots::transfer::{TransferError, count, export, import, verify};

use crate::process::eventually;
use crate::servers::{self, Postgres};

const SOON: Duration = Duration::from_secs(30);

/// A database, and a stream in it that nobody else has.
struct Place {
    location: Location,
    stream: Stream,
    _directory: tempfile::TempDir,
}

impl Place {
    fn postgres() -> Self {
        Self::new(|_| Location::parse(servers::postgres()).expect("a URL"))
    }

    fn sqlite() -> Self {
        Self::new(|directory| Location::Sqlite(directory.join("snapshots.db")))
    }

    fn new(location: impl FnOnce(&std::path::Path) -> Location) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let location = location(directory.path());
        Self { location, stream: stream(), _directory: directory }
    }

    fn open(&self) -> Box<dyn SnapshotStore> {
        self.location.open(&self.stream).expect("a store")
    }
}

fn stream() -> Stream {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let group_id = format!("stores-{}-{}", now_millis(), NEXT.fetch_add(1, Ordering::Relaxed));
    Stream { group_id, topic: "transactions".to_owned() }
}

fn customer<'a>(customer_id: &'a str, applied_offset: i64, state: &'a [u8]) -> SavedCustomer<'a> {
    SavedCustomer { customer_id, applied_offset, state }
}

fn stored(customer_id: &str, applied_offset: i64, state: &[u8]) -> StoredCustomer {
    let (customer_id, state) = (customer_id.to_owned(), state.to_vec());
    StoredCustomer { customer_id, applied_offset, state, erased_at_ms: None }
}

fn load(store: &mut dyn SnapshotStore, partition: i32, ids: &[&str]) -> Vec<StoredCustomer> {
    let mut found = store.load(partition, ids).expect("an answer");
    found.sort_by(|one, other| one.customer_id.cmp(&other.customer_id));
    found
}

fn handed_over(store: &mut dyn SnapshotStore, partition: i32) -> Vec<StoredCustomer> {
    let (mut found, mut next) = (Vec::new(), Some(0));
    while let Some(chunk) = next {
        let part = store.handed_over(partition, chunk).expect("an answer");
        found.extend(part.customers);
        next = part.next;
    }
    found.sort_by(|one, other| one.customer_id.cmp(&other.customer_id));
    found
}

fn holder(store: &mut dyn SnapshotStore, partition: i32) -> Holder {
    store.claim(partition, "me").expect("a claim").holder
}

#[track_caller]
fn assert_fenced(outcome: Result<(), StoreError>) {
    let error = outcome.expect_err("the claim was over");
    assert_eq!(error.problem(), Problem::Fenced, "{error}");
}

fn what_is_saved_is_loaded(place: &Place) {
    let mut store = place.open();
    let me = holder(&mut *store, 3);
    let long = "x".repeat(512);
    let ids = ["c-1", "c'2\"; drop table streams", "nul\0byte", "naïve 顧客 🦀", &long];
    let large = vec![0xa5; 300_000];
    let customers: Vec<_> = ids.iter().zip(1..).map(|(id, at)| customer(id, at, &large)).collect();
    store.save(me, &customers, None).unwrap();
    let mut expected: Vec<_> = ids.iter().zip(1..).map(|(id, at)| stored(id, at, &large)).collect();
    expected.sort_by(|one, other| one.customer_id.cmp(&other.customer_id));
    let asked = [&ids[..], &["c-9", "C-1"]].concat();
    assert_eq!(load(&mut *store, 3, &asked), expected);
    assert_eq!(load(&mut *place.open(), 3, &asked), expected, "and by whoever comes later");
    assert_eq!(load(&mut *store, 4, &asked), []);
    assert_eq!(load(&mut *store, 3, &[]), []);
}

fn a_state_is_replaced_by_a_later_one_alone(place: &Place) {
    let mut store = place.open();
    let me = holder(&mut *store, 0);
    for (offset, state, kept) in [
        (5, b"five", stored("a", 5, b"five")),
        (4, b"four", stored("a", 5, b"five")),
        (5, b"same", stored("a", 5, b"same")),
        (9, b"nine", stored("a", 9, b"nine")),
    ] {
        store.save(me, &[customer("a", offset, state)], None).unwrap();
        assert_eq!(load(&mut *store, 0, &["a"]), [kept]);
    }
}

fn the_saved_offset_comes_with_the_customers(place: &Place) {
    let mut store = place.open();
    let claim = store.claim(7, "one").unwrap();
    let Claim { holder, saved_offset, highest_offset, handed_over, saved_at_ms, previous } = claim;
    assert_eq!((saved_offset, saved_at_ms, previous, holder.partition), (None, None, None, 7));
    assert_eq!((highest_offset, handed_over), (0, None));
    store.save(holder, &[customer("a", 5, b"s")], None).unwrap();
    assert_eq!(store.claim(7, "two").unwrap().saved_offset, None);
    let holder = store.claim(7, "three").unwrap().holder;
    store.save(holder, &[], Some(6)).unwrap();
    let before = now_millis();
    store.save(holder, &[customer("b", 8, b"s")], Some(8)).unwrap();
    assert_eq!(store.claim(7, "four").unwrap().saved_offset, Some(8));
    store.claim(2, "else").unwrap();
    let progress = store.progress().unwrap();
    assert_eq!(progress.iter().map(|p| p.partition).collect::<Vec<_>>(), [2, 7]);
    assert_eq!((progress[0].saved_offset, progress[0].saved_at_ms), (None, None));
    let seven = &progress[1];
    assert_eq!((seven.saved_offset, seven.epoch), (Some(8), 4));
    assert_eq!(seven.owner.as_deref(), Some("four"));
    let saved_at = seven.saved_at_ms.expect("it was saved");
    assert!((before - 1_000..before + 60_000).contains(&saved_at), "{saved_at} and {before}");
}

fn whoever_lost_a_partition_writes_nothing(place: &Place) {
    let (mut old, mut new) = (place.open(), place.open());
    let first = old.claim(1, "old").unwrap().holder;
    old.save(first, &[customer("a", 5, b"right")], Some(5)).unwrap();
    let claim = new.claim(1, "new").unwrap();
    assert_eq!(claim.previous.as_deref(), Some("old"), "it has not let go");
    assert!(claim.holder.epoch > first.epoch);
    assert_fenced(old.save(first, &[customer("a", 9, b"late")], Some(9)));
    assert_fenced(old.save(first, &[], Some(9)));
    assert_fenced(old.release(first));
    assert_fenced(old.discard(first));
    assert_eq!(load(&mut *new, 1, &["a"]), [stored("a", 5, b"right")]);
    new.save(claim.holder, &[customer("a", 6, b"next")], Some(6)).unwrap();
    assert_fenced(new.save(Holder { partition: 9, epoch: 1 }, &[], Some(1)));
    new.release(claim.holder).unwrap();
    let after = old.claim(1, "old").unwrap();
    assert_eq!((after.previous, after.saved_offset), (None, Some(6)));
}

fn what_is_discarded_is_gone(place: &Place) {
    let mut store = place.open();
    let (me, other) = (holder(&mut *store, 1), holder(&mut *store, 2));
    for holder in [me, other] {
        store.save(holder, &[customer("a", 50, b"s")], Some(50)).unwrap();
    }
    store.discard(me).unwrap();
    assert_eq!(load(&mut *store, 1, &["a"]), []);
    assert_eq!(load(&mut *store, 2, &["a"]).len(), 1);
    store.save(me, &[customer("a", 2, b"anew")], None).unwrap();
    assert_eq!(load(&mut *store, 1, &["a"]), [stored("a", 2, b"anew")], "offsets began anew");
    assert_eq!(store.claim(1, "me").unwrap().saved_offset, None);
}

fn who_is_erased_is_replaced_whatever_is_stored(place: &Place) {
    let mut store = place.open();
    let me = holder(&mut *store, 1);
    let rows = [customer("a", 50, b"s"), customer("b", 50, b"s")];
    store.save(me, &rows, Some(50)).unwrap();
    store.erase(me, &["a", "new"], 40, b"nothing").unwrap();
    let load = |store: &mut dyn SnapshotStore, id| store.load(1, &[id]).unwrap().remove(0);
    for id in ["a", "new"] {
        let row = load(&mut *store, id);
        assert_eq!((row.applied_offset, &*row.state), (40, &b"nothing"[..]));
        assert!(row.erased_at_ms.is_some_and(|at| at > 1_700_000_000_000), "{row:?}");
    }
    assert_eq!(load(&mut *store, "b"), stored("b", 50, b"s"));
    store.save(me, &[customer("a", 60, b"anew")], None).unwrap();
    let row = load(&mut *store, "a");
    assert_eq!((row.applied_offset, &*row.state), (60, &b"anew"[..]));
    assert!(row.erased_at_ms.is_some(), "the record stays");
    store.claim(1, "other").unwrap();
    assert_fenced(store.erase(me, &["b"], 70, b"nothing"));
}

fn what_is_imported_was_erased_when_it_was_erased(place: &Place) {
    const AT: i64 = 1_700_000_000_123;
    let row = |id, offset, state: &[u8], erased_at_ms| StoredCustomer {
        erased_at_ms,
        ..stored(id, offset, state)
    };
    let mut store = place.open();
    let me = holder(&mut *store, 1);
    let check = |store: &mut dyn SnapshotStore, imported: StoredCustomer, kept: StoredCustomer| {
        store.import(me, std::slice::from_ref(&imported), None).unwrap();
        assert_eq!(load(store, 1, &[&imported.customer_id]), [kept], "{imported:?}");
    };
    let store = &mut *store;
    check(store, row("a", 5, b"s", Some(AT)), row("a", 5, b"s", Some(AT)));
    check(store, row("a", 5, b"t", Some(AT - 1)), row("a", 5, b"s", Some(AT)));
    check(store, row("a", 5, b"t", None), row("a", 5, b"s", Some(AT)));
    check(store, row("a", 6, b"u", None), row("a", 6, b"u", Some(AT)));
    check(store, row("a", 7, b"v", Some(AT - 1)), row("a", 7, b"v", Some(AT)));
    check(store, row("a", 7, b"w", Some(AT + 1)), row("a", 7, b"w", Some(AT + 1)));
    check(store, row("b", 5, b"s", None), row("b", 5, b"s", None));
    check(store, row("b", 5, b"t", Some(AT)), row("b", 5, b"t", Some(AT)));
    store.save(me, &[customer("c", 9, b"later")], None).unwrap();
    check(store, row("c", 8, b"s", Some(AT)), row("c", 9, b"later", None));
    store.import(me, &[row("d", 30, b"s", Some(AT)), row("e", 4, b"s", None)], Some(20)).unwrap();
    assert_eq!(load(store, 1, &["d", "e"]).len(), 2);
    let claim = store.claim(1, "other").unwrap();
    assert_eq!((claim.saved_offset, claim.highest_offset), (Some(20), 30));
    assert_fenced(store.import(me, &[row("f", 1, b"s", None)], Some(40)));
    assert_eq!(load(store, 1, &["f"]), []);
}

fn a_topic_made_anew_takes_over_what_is_kept(place: &Place) {
    let mut store = place.open();
    let mut other = place.location.open(&stream()).unwrap();
    let elsewhere = holder(&mut *other, 1);
    other.save(elsewhere, &[customer("a", 50, b"s")], Some(50)).unwrap();
    let (one, two) = (holder(&mut *store, 1), holder(&mut *store, 2));
    store.save(one, &[customer("a", 50, b"s"), customer("b", 9, b"t")], Some(60)).unwrap();
    store.save(two, &[customer("c", 5, b"u")], None).unwrap();
    holder(&mut *store, 3);
    for _ in 0..2 {
        assert_eq!(store.begin_anew(true).unwrap(), 60, "what is not promised is not counted");
        let progress = store.progress().unwrap();
        assert!(progress.iter().all(|at| at.saved_offset == Some(0) && at.owner.is_none()));
        assert_eq!(load(&mut *store, 1, &["a", "b"]), [stored("a", 0, b"s"), stored("b", 0, b"t")]);
        assert_eq!(load(&mut *store, 2, &["c"]), [stored("c", 0, b"u")]);
    }
    assert_fenced(store.save(one, &[customer("a", 70, b"late")], Some(70)));
    let claim = store.claim(1, "me").unwrap();
    assert_eq!((claim.saved_offset, claim.highest_offset), (Some(0), 0));
    store.save(claim.holder, &[customer("a", 2, b"new")], Some(2)).unwrap();
    assert_eq!(load(&mut *store, 1, &["a"]), [stored("a", 2, b"new")]);
    assert_eq!(store.begin_anew(true).unwrap(), 62);
    assert_eq!(store.begin_anew(false).unwrap(), 0);
    let claim = store.claim(1, "me").unwrap();
    assert_eq!((claim.saved_offset, claim.highest_offset), (None, 0));
    assert_eq!((store.ids(1, "", 9).unwrap(), store.ids(2, "", 9).unwrap()), (vec![], vec![]));
    assert_eq!(store.begin_anew(true).unwrap(), 0);
    other.save(elsewhere, &[], Some(51)).expect("it is another stream");
    assert_eq!(load(&mut *other, 1, &["a"]), [stored("a", 50, b"s")]);
}

fn pages_have_every_customer_once_and_in_order(place: &Place) {
    let mut store = place.open();
    let me = holder(&mut *store, 5);
    let mut ids: Vec<String> = (0..250).map(|n| format!("c-{n}")).collect();
    ids.extend(["Z", "z", "ä", "\u{10ffff}"].map(str::to_owned));
    let customers: Vec<_> = ids.iter().map(|id| customer(id, 1, b"s")).collect();
    store.save(me, &customers, None).unwrap();
    ids.sort();
    let mut seen: Vec<String> = Vec::new();
    loop {
        let after = seen.last().cloned().unwrap_or_default();
        let page = store.page(5, &after, 100).unwrap();
        let names: Vec<_> = page.iter().map(|customer| customer.customer_id.clone()).collect();
        assert_eq!(store.ids(5, &after, 100).unwrap(), names);
        if page.is_empty() {
            break;
        }
        seen.extend(names);
    }
    assert_eq!(seen, ids);
}

fn a_scan_has_every_customer_once_as_of_its_beginning(place: &Place) {
    let mut store = place.open();
    let (me, other) = (holder(&mut *store, 5), holder(&mut *store, 6));
    let ids: Vec<String> = (0..5_000).map(|n| format!("c-{n}")).collect();
    let customers: Vec<_> = ids.iter().map(|id| customer(id, 7, b"s")).collect();
    store.save(me, &customers, None).unwrap();
    store.save(other, &[customer("elsewhere", 1, b"s")], None).unwrap();
    store.erase(me, &["c-3"], 7, b"e").unwrap();
    let mut scan = store.scan(5).unwrap();
    let mut seen = scan.next().unwrap();
    assert!(seen.len() < ids.len(), "some at a time");
    let later: Vec<_> = ids.iter().map(|id| customer(id, 8, b"t")).collect();
    store.save(me, &later, None).expect("a scan is in nobody's way");
    store.save(me, &[customer("new", 8, b"t")], None).unwrap();
    loop {
        let more = scan.next().unwrap();
        if more.is_empty() {
            break;
        }
        seen.extend(more);
    }
    assert!(scan.next().unwrap().is_empty());
    seen.sort_by(|one, other| one.customer_id.cmp(&other.customer_id));
    let mut expected: Vec<_> = ids.iter().map(|id| stored(id, 7, b"s")).collect();
    expected.sort_by(|one, other| one.customer_id.cmp(&other.customer_id));
    let erased = expected.iter().position(|customer| customer.customer_id == "c-3").unwrap();
    assert!(seen[erased].erased_at_ms.is_some());
    expected[erased] =
        StoredCustomer { erased_at_ms: seen[erased].erased_at_ms, ..stored("c-3", 7, b"e") };
    assert!(seen == expected);
    let again = store.scan(5).unwrap().next().unwrap();
    assert!(again.iter().all(|customer| customer.applied_offset == 8));
    assert!(store.scan(7).unwrap().next().unwrap().is_empty());
}

fn customers_are_counted_page_by_page(place: &Place) {
    let mut store = place.open();
    let me = holder(&mut *store, 5);
    holder(&mut *store, 6);
    let ids: Vec<String> = (0..16_384).map(|n| format!("c-{n}")).collect();
    let customers: Vec<_> = ids.iter().map(|id| customer(id, 1, b"s")).collect();
    store.save(me, &customers, None).unwrap();
    let running = AtomicBool::new(false);
    assert_eq!(count(&mut *store, 5, &running).unwrap(), 16_384, "exactly a page");
    store.save(me, &[customer("more", 1, b"s")], None).unwrap();
    assert_eq!(count(&mut *store, 5, &running).unwrap(), 16_385);
    assert_eq!(count(&mut *store, 6, &running).unwrap(), 0);
    let stopped = count(&mut *store, 5, &AtomicBool::new(true));
    assert!(matches!(stopped, Err(TransferError::Interrupted)), "{stopped:?}");
}

fn streams_are_apart(place: &Place) {
    let mut one = place.open();
    let mut other = place.location.open(&stream()).unwrap();
    let me = holder(&mut *one, 0);
    one.save(me, &[customer("a", 1, b"s")], Some(1)).unwrap();
    assert_eq!(load(&mut *other, 0, &["a"]), []);
    assert_eq!(other.claim(0, "else").unwrap().saved_offset, None);
    one.save(me, &[], Some(2)).expect("it was another stream's claim");
    assert_eq!(other.progress().unwrap().len(), 1);
}

/// What one thread may do next to two stores of one stream.
#[derive(Debug, Clone)]
enum Act {
    Claim,
    Save { is_newest: bool, customers: Vec<(u8, i64, Vec<u8>)>, saved_offset: Option<i64> },
    HandOver { is_newest: bool, ids: BTreeSet<u8>, offset: i64 },
    Release,
    Discard,
    Reopen,
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let customers = prop::collection::btree_map(0..12_u8, (0..40_i64, any::<[u8; 3]>()), 0..8);
    let customers =
        customers.prop_map(|map| map.into_iter().map(|(id, (at, s))| (id, at, s.to_vec())));
    let save = (prop::bool::weighted(0.9), customers, prop::option::of(0..40_i64)).prop_map(
        |(is_newest, customers, saved_offset)| Act::Save {
            is_newest,
            customers: customers.collect(),
            saved_offset,
        },
    );
    let ids = prop::collection::btree_set(0..12_u8, 0..5);
    let hand_over = (prop::bool::weighted(0.9), ids, 0..40_i64)
        .prop_map(|(is_newest, ids, offset)| Act::HandOver { is_newest, ids, offset });
    let act = prop_oneof![
        2 => Just(Act::Claim),
        9 => save,
        2 => hand_over,
        1 => Just(Act::Release),
        1 => Just(Act::Discard),
        1 => Just(Act::Reopen),
    ];
    prop::collection::vec(act, 1..25)
}

/// The plainest store: nothing is ever fenced or lost by accident.
#[derive(Default)]
struct Model {
    epoch: i64,
    owner: Option<String>,
    saved_offset: Option<i64>,
    highest_offset: i64,
    customers: BTreeMap<String, (i64, Vec<u8>)>,
    handed_over: Option<(i64, BTreeSet<String>)>,
}

impl Model {
    fn save(&mut self, customers: &[(String, i64, Vec<u8>)], saved_offset: Option<i64>) {
        for (id, offset, state) in customers {
            self.highest_offset = self.highest_offset.max(*offset);
            if self.customers.get(id).is_none_or(|(stored, _)| stored <= offset) {
                self.customers.insert(id.clone(), (*offset, state.clone()));
            }
        }
        self.saved_offset = saved_offset.or(self.saved_offset);
        self.handed_over.take_if(|(offset, _)| saved_offset >= Some(*offset));
    }
}

fn act_by_act(place: &Place, acts: &[Act]) {
    let stream = stream();
    let mut store = place.location.open(&stream).unwrap();
    let mut model = Model { epoch: 1, owner: Some("0".to_owned()), ..Model::default() };
    let mut me = store.claim(0, "0").unwrap().holder;
    for (place_of, act) in acts.iter().enumerate() {
        match act {
            Act::Claim => {
                let owner = place_of.to_string();
                let claim = store.claim(0, &owner).unwrap();
                assert_eq!((claim.previous, claim.saved_offset), (model.owner, model.saved_offset));
                assert_eq!(claim.highest_offset, model.highest_offset);
                let handed_over = model.handed_over.as_ref().map(|(offset, _)| *offset);
                assert_eq!(claim.handed_over, handed_over);
                (model.owner, model.epoch) = (Some(owner), model.epoch + 1);
                me = claim.holder;
            }
            Act::Save { is_newest, customers, saved_offset } => {
                let named: Vec<_> = customers
                    .iter()
                    .map(|(id, at, state)| (format!("c{id}"), *at, state.clone()))
                    .collect();
                let rows: Vec<_> = named.iter().map(|(id, at, s)| customer(id, *at, s)).collect();
                let epoch = if *is_newest { me.epoch } else { me.epoch - 1 };
                let outcome = store.save(Holder { epoch, ..me }, &rows, *saved_offset);
                assert_eq!(outcome.is_ok(), *is_newest);
                if *is_newest {
                    model.save(&named, *saved_offset);
                }
            }
            Act::HandOver { is_newest, ids, offset } => {
                let ids: BTreeSet<String> = ids.iter().map(|id| format!("c{id}")).collect();
                let rows: Vec<_> = ids.iter().map(|id| customer(id, *offset, b"h")).collect();
                let epoch = if *is_newest { me.epoch } else { me.epoch - 1 };
                let outcome = store.hand_over(Holder { epoch, ..me }, 0, &rows, Some(*offset));
                assert_eq!(outcome.is_ok(), *is_newest);
                if *is_newest {
                    model.handed_over = Some((*offset, ids));
                }
            }
            Act::Release => {
                store.release(me).unwrap();
                model.owner = None;
            }
            Act::Discard => {
                store.discard(me).unwrap();
                model.customers.clear();
                (model.saved_offset, model.highest_offset) = (None, 0);
                model.handed_over = None;
            }
            Act::Reopen => store = place.location.open(&stream).unwrap(),
        }
    }
    let expected: Vec<_> =
        model.customers.iter().map(|(id, (at, state))| stored(id, *at, state)).collect();
    assert_eq!(store.page(0, "", 100).unwrap(), expected);
    let ids: Vec<String> = (0..12).map(|id| format!("c{id}")).collect();
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    let mut by_id = expected;
    by_id.sort_by(|one, other| one.customer_id.cmp(&other.customer_id));
    assert_eq!(load(&mut *store, 0, &ids), by_id);
    let aside = model
        .handed_over
        .into_iter()
        .flat_map(|(offset, ids)| ids.into_iter().map(move |id| stored(&id, offset, b"h")));
    assert_eq!(handed_over(&mut *store, me.partition), aside.collect::<Vec<_>>());
    let progress = store.progress().unwrap();
    assert_eq!((progress[0].epoch, &progress[0].owner), (model.epoch, &model.owner));
    assert_eq!(progress[0].saved_offset, model.saved_offset);
}

fn what_is_handed_over_waits_for_the_next_owner(place: &Place) {
    let mut store = place.open();
    let me = holder(&mut *store, 3);
    store.save(me, &[customer("a", 5, b"old")], Some(5)).unwrap();
    store.hand_over(me, 0, &[customer("gone", 6, b"s")], Some(6)).unwrap();
    let (long, large) = ("x".repeat(512), vec![0xa5; 300_000]);
    let rows = [customer("a", 8, b"new"), customer("nul\0", 7, &large), customer(&long, 8, b"s")];
    store.hand_over(me, 0, &rows[..2], None).unwrap();
    assert_eq!(store.claim(3, "else").unwrap().handed_over, None, "the last chunk is missing");
    let me = holder(&mut *store, 3);
    store.save(me, &[], Some(5)).unwrap();
    assert_eq!(handed_over(&mut *store, 3), [], "what was never promised goes with the next save");
    for (chunk, rows, offset) in [
        (0, &rows[..2], None),
        (0, &rows[..2], None),
        (1, &rows[2..], Some(9)),
        (1, &rows[2..], Some(9)),
    ] {
        store.hand_over(me, chunk, rows, offset).expect("again, in the place of what was there");
    }
    store.release(me).unwrap();
    let mut next = place.open();
    let other = holder(&mut *next, 4);
    assert_eq!(handed_over(&mut *next, other.partition), []);
    let claim = next.claim(3, "next").unwrap();
    assert_eq!((claim.saved_offset, claim.handed_over), (Some(5), Some(9)));
    let mut expected = vec![stored("a", 8, b"new"), stored("nul\0", 7, &large)];
    expected.push(stored(&long, 8, b"s"));
    assert_eq!(handed_over(&mut *next, claim.holder.partition), expected);
    assert_eq!(load(&mut *next, 3, &["a"]), [stored("a", 5, b"old")], "it is not stored yet");
    assert_fenced(store.hand_over(me, 0, &[], Some(10)));

    next.save(claim.holder, &[customer("a", 8, b"new")], Some(8)).unwrap();
    assert_eq!(handed_over(&mut *next, claim.holder.partition), expected, "some may not be stored");
    next.save(claim.holder, &[], Some(9)).unwrap();
    assert_eq!(handed_over(&mut *next, claim.holder.partition), []);
    assert_eq!(next.claim(3, "next").unwrap().handed_over, None);
}

/// What changes rows behind an owner's back leaves nothing that could put them back.
fn what_is_handed_over_goes_when_anything_else_is_changed(place: &Place) {
    type Change = fn(&mut dyn SnapshotStore, Holder) -> Result<(), StoreError>;
    let changes: [Change; 3] = [
        |store, me| store.delete_rows(me, &["a"], Some(2)),
        |store, me| store.discard(me),
        |store, me| store.import(me, &[stored("b", 3, b"s")], Some(3)),
    ];
    for (partition, change) in (0..).zip(changes) {
        let mut store = place.open();
        let me = holder(&mut *store, partition);
        store.hand_over(me, 0, &[customer("a", 8, b"s")], Some(9)).unwrap();
        change(&mut *store, me).unwrap();
        assert_eq!(handed_over(&mut *store, me.partition), [], "{partition}");
        assert_eq!(store.claim(partition, "next").unwrap().handed_over, None, "{partition}");
    }
    // Whoever is erased is, and the others are not lost with them.
    let mut store = place.open();
    let me = holder(&mut *store, 9);
    store.hand_over(me, 0, &[customer("a", 8, b"s"), customer("b", 8, b"s")], Some(9)).unwrap();
    store.erase(me, &["a"], 9, b"nothing").unwrap();
    assert_eq!(handed_over(&mut *store, me.partition), [stored("b", 8, b"s")]);
    assert_eq!(store.claim(9, "next").unwrap().handed_over, Some(9));
}

/// Who is stored and handed over comes twice, next to each other in the file.
fn what_is_handed_over_is_exported(place: &Place) {
    let mut store = place.open();
    let me = holder(&mut *store, 0);
    let mut state = Vec::new();
    encode(&CustomerState::default(), &mut state);
    let rows = |at| [customer("a", at, &state), customer("b", at, &state)];
    store.save(me, &rows(5), Some(5)).unwrap();
    store.hand_over(me, 0, &[customer("c", 7, &state)], None).unwrap();
    let (stop, mut unpromised) = (AtomicBool::new(false), Vec::new());
    let moved = export(&mut *store, &place.stream, &mut unpromised, &stop).unwrap();
    assert_eq!(moved.customers, 2, "c may not be all");
    store.hand_over(me, 0, &rows(8), None).unwrap();
    store.hand_over(me, 1, &[customer("c", 7, &state)], Some(9)).unwrap();
    let mut file = Vec::new();
    assert_eq!(export(&mut *store, &place.stream, &mut file, &stop).unwrap().customers, 5);
    assert_eq!(verify(&mut *store, &stop).unwrap().customers, 5);

    let other = place.location.open(&place.stream).unwrap().begin_anew(false);
    assert_eq!(other.unwrap(), 0);
    let mut store = place.open();
    import(&mut *store, &place.stream, "import", &mut &*file, &stop).unwrap();
    let expected = [stored("a", 8, &state), stored("b", 8, &state), stored("c", 7, &state)];
    assert_eq!(load(&mut *store, 0, &["a", "b", "c"]), expected);
    let claim = store.claim(0, "next").unwrap();
    assert_eq!((claim.saved_offset, claim.handed_over), (Some(5), None));
}

/// A topic that is made anew finds everybody in one place.
fn what_is_handed_over_is_stored_when_a_topic_is_made_anew(place: &Place) {
    for (keeps, past, kept) in
        [(true, 12, vec![stored("a", 0, b"new"), stored("b", 0, b"s")]), (false, 0, vec![])]
    {
        let stream = stream();
        let mut store = place.location.open(&stream).unwrap();
        let (me, other) = (holder(&mut *store, 0), holder(&mut *store, 1));
        store.save(me, &[customer("a", 5, b"old")], Some(5)).unwrap();
        store.save(other, &[], Some(3)).unwrap();
        let rows = [customer("a", 8, b"new"), customer("b", 9, b"s")];
        store.hand_over(me, 0, &rows, Some(9)).unwrap();
        store.hand_over(other, 0, &[customer("c", 8, b"half")], None).unwrap();
        assert_eq!(store.begin_anew(keeps).unwrap(), past);
        assert_eq!(load(&mut *store, 0, &["a", "b"]), kept);
        assert_eq!(load(&mut *store, 1, &["c"]), [], "it was not complete");
        for partition in 0..2 {
            let claim = store.claim(partition, "next").unwrap();
            assert_eq!(claim.handed_over, None);
            assert_eq!(handed_over(&mut *store, claim.holder.partition), []);
        }
    }
}

fn lost_records_are_noted(place: &Place) {
    let mut store = place.open();
    let me = holder(&mut *store, 6);
    assert_eq!(store.progress().unwrap()[0].incomplete_at_ms, None);
    let before = now_millis();
    store.mark_incomplete(me).unwrap();
    let noted = store.progress().unwrap()[0].incomplete_at_ms.expect("a time");
    assert!((before - 1_000..before + 60_000).contains(&noted), "{noted} and {before}");
    store.claim(6, "else").unwrap();
    assert_fenced(store.mark_incomplete(me));
}

fn customers_that_are_removed_count_as_never_saved(place: &Place) {
    let mut store = place.open();
    let me = holder(&mut *store, 5);
    store.delete_rows(me, &["a"], Some(3)).unwrap();
    assert_eq!(store.claim(5, "me").unwrap().saved_offset, None, "it never was");
    let me = holder(&mut *store, 5);
    let customers = ["a", "b", "c"].map(|id| customer(id, 9, b"s"));
    store.save(me, &customers, Some(9)).unwrap();
    store.delete_rows(me, &["a", "nobody"], None).unwrap();
    let claim = store.claim(5, "me").unwrap();
    assert_eq!((claim.saved_offset, claim.highest_offset), (Some(9), 9));
    store.delete_rows(claim.holder, &["b"], Some(4)).unwrap();
    store.delete_rows(claim.holder, &[], Some(6)).unwrap();
    assert_eq!(load(&mut *store, 5, &["a", "b", "c"]), [stored("c", 9, b"s")]);
    // What is remembered anew is stored, however far the removed row was.
    store.save(claim.holder, &[customer("a", 5, b"n")], None).unwrap();
    assert_eq!(load(&mut *store, 5, &["a"]), [stored("a", 5, b"n")]);
    assert_eq!(store.claim(5, "me").unwrap().saved_offset, Some(4));
    assert_fenced(store.delete_rows(claim.holder, &["a"], None));
}

/// Every case of the contract.
fn contract(open: impl Fn() -> Place) {
    what_is_saved_is_loaded(&open());
    a_state_is_replaced_by_a_later_one_alone(&open());
    the_saved_offset_comes_with_the_customers(&open());
    whoever_lost_a_partition_writes_nothing(&open());
    what_is_discarded_is_gone(&open());
    lost_records_are_noted(&open());
    customers_that_are_removed_count_as_never_saved(&open());
    what_is_handed_over_waits_for_the_next_owner(&open());
    what_is_handed_over_goes_when_anything_else_is_changed(&open());
    what_is_handed_over_is_exported(&open());
    what_is_handed_over_is_stored_when_a_topic_is_made_anew(&open());
    who_is_erased_is_replaced_whatever_is_stored(&open());
    what_is_imported_was_erased_when_it_was_erased(&open());
    a_topic_made_anew_takes_over_what_is_kept(&open());
    pages_have_every_customer_once_and_in_order(&open());
    a_scan_has_every_customer_once_as_of_its_beginning(&open());
    customers_are_counted_page_by_page(&open());
    streams_are_apart(&open());
    let place = open();
    let config = Config { cases: 60, failure_persistence: None, ..Config::default() };
    let law = TestRunner::new(config).run(&acts(), |acts| {
        act_by_act(&place, &acts);
        Ok(())
    });
    law.unwrap();
}

#[test]
fn a_replica_is_read_from_once_it_has_come_far_enough() {
    let primary = Postgres::start();
    let copy = primary.follow();
    let location = |url: String| Location::parse(&url).expect("a URL");
    let replica = location(copy.url()).replica().expect("PostgreSQL has replicas");
    let stream = stream();
    let open = || location(primary.url()).open_with(&stream, Some(&replica)).expect("a store");
    let (mut store, mut reader) = (open(), open());
    let me = holder(&mut *store, 0);
    store.save(me, &[customer("a", 5, b"s")], None).unwrap();
    let offsets = |store: &mut dyn SnapshotStore| {
        let found = load(store, 0, &["a", "b"]);
        found.iter().map(|customer| customer.applied_offset).collect::<Vec<_>>()
    };
    assert_eq!(offsets(&mut *reader), [5], "whoever answers");
    let ask = |database: &Postgres, query: &str| {
        servers::ask_postgres(&database.url(), query).expect("an answer")
    };
    let position = ask(&primary, "select pg_current_wal_insert_lsn()");
    let has_come = format!("select pg_last_wal_replay_lsn() >= '{position}'");
    eventually("the copy follows", SOON, || {
        if ask(&copy, &has_come) == "t" { Ok(()) } else { Err("not yet".to_owned()) }
    });
    // A change that nobody has noted shows who is asked.
    ask(&copy, "select pg_wal_replay_pause()");
    ask(&primary, "update customer_state set applied_offset = 77");
    assert_eq!(offsets(&mut *reader), [5], "the copy");
    assert_eq!(reader.page(0, "", 9).unwrap()[0].applied_offset, 5);
    let scanned = |reader: &mut dyn SnapshotStore| {
        let first = reader.scan(0).unwrap().next().unwrap();
        first[0].applied_offset
    };
    assert_eq!(scanned(&mut *reader), 5, "the copy");
    let mut cut = reader.scan(0).unwrap();
    ask(
        &copy,
        "select pg_terminate_backend(pid, 5000) from pg_stat_activity \
         where state = 'idle in transaction'",
    );
    assert!(cut.next().is_err());
    assert_eq!(scanned(&mut *reader), 77, "the database, so that a scan ends at all");
    assert_eq!(scanned(&mut *reader), 5, "the copy again");
    store.save(me, &[customer("b", 6, b"s")], None).unwrap();
    assert_eq!(offsets(&mut *reader), [77, 6], "the copy is behind what was saved");
    assert_eq!(reader.ids(0, "", 9).unwrap(), ["a", "b"]);
    ask(&copy, "select pg_wal_replay_resume()");
    drop(copy);
    assert_eq!(offsets(&mut *reader), [77, 6], "without a copy");
}

#[test]
fn postgres_keeps_the_contract_of_stores() {
    contract(Place::postgres);
}

#[test]
fn sqlite_keeps_the_contract_of_stores() {
    contract(Place::sqlite);
}

#[test]
fn a_database_that_is_away_is_named_without_its_password() {
    let port = crate::process::free_port();
    let url = format!("postgres://svc:hunter2@127.0.0.1:{port}/fraud");
    let error = Location::parse(&url).unwrap().open(&stream()).err().expect("nobody is there");
    assert_eq!(error.problem(), Problem::Unavailable);
    let text = format!("{error:#} {error:?}");
    assert!(text.contains(&format!("127.0.0.1:{port}")), "{text}");
    assert!(!text.contains("hunter2"), "{text}");
    let nowhere = Location::parse("sqlite:/proc/nowhere/a.db").unwrap().open(&stream());
    let error = nowhere.err().expect("no such directory");
    assert!(error.to_string().contains("/proc/nowhere/a.db"), "{error}");
}

#[test]
fn a_database_is_reached_over_tls_and_its_certificate_is_verified() {
    let (database, certificate) = Postgres::start_secure();
    let open = |certificate: &std::path::Path| {
        let verified = format!("sslmode=verify-full&sslrootcert={}", certificate.display());
        Location::parse(&format!("{}?{verified}", database.url())).unwrap().open(&stream())
    };
    let mut store = open(&certificate).unwrap();
    store.claim(0, "me").unwrap();
    let query = "select count(*) from pg_stat_ssl join pg_stat_activity using (pid) \
                 where ssl and application_name = 'synfinance'";
    assert_eq!(servers::ask_postgres(&database.url(), query), Ok("1".to_owned()));

    let other = tempfile::tempdir().unwrap();
    servers::certify(other.path());
    let error = open(&other.path().join("certificate.pem")).err().expect("a stranger's");
    let text = synfinance::base::error::with_causes(&error);
    assert!(text.contains("certificate"), "{text}");
}
