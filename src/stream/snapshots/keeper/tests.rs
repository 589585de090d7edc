//! A keeper over a store that fails when it is told to.

use std::sync::{Mutex, MutexGuard};

use super::pages::PAGE;
use super::*;
use crate::core::state::customers::Customers;
use crate::core::state::hash::hash64;
use crate::core::state::snapshot::encode;
use crate::edges::database::{Chunk, Progress, SavedCustomer, Scan, SnapshotStore, StoreError};
use crate::stream::snapshots::Saving;

const SOON: Duration = Duration::from_secs(20);

/// Customers that the store has, and one whose row cannot be read.
const STORED: u32 = 40_000;
const DAMAGED: &str = "000007";

const HOLDER: Holder = Holder { partition: 3, epoch: 1 };

/// What the fakes of one test share.
#[derive(Clone, Default)]
struct Desk(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    /// What the next calls come to, before they go well.
    failures: VecDeque<StoreError>,
    done: Vec<String>,
    complaints: Vec<bool>,
    /// Somebody claims whatever is claimed right after.
    is_fenced: bool,
}

impl Desk {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    fn away(&self, times: usize) {
        let silent = || StoreError::Silent { action: "x", database: "y".into(), seconds: 1 };
        self.state().failures.extend((0..times).map(|_| silent()));
    }

    fn keeper(&self) -> Keeper {
        let (desk, other) = (self.clone(), self.clone());
        let open: Open = Box::new(move || {
            desk.call("open")?;
            Ok(Box::new(desk.clone()) as Box<dyn SnapshotStore>)
        });
        let complain = move |said: Option<&str>| other.state().complaints.push(said.is_some());
        Keeper::start("test", open, Box::new(complain)).unwrap()
    }

    fn call(&self, what: &str) -> Result<(), StoreError> {
        let mut state = self.state();
        match state.failures.pop_front() {
            Some(error) => Err(error),
            None => {
                state.done.push(what.to_owned());
                Ok(())
            }
        }
    }
}

impl SnapshotStore for Desk {
    fn claim(&mut self, partition: i32, owner: &str) -> Result<Claim, StoreError> {
        self.call(&format!("claim {partition} {owner}"))?;
        Ok(Claim {
            holder: HOLDER,
            saved_offset: None,
            highest_offset: 0,
            handed_over: Some(7),
            saved_at_ms: None,
            previous: None,
        })
    }

    fn hand_over(
        &mut self,
        holder: Holder,
        chunk: i32,
        customers: &[SavedCustomer<'_>],
        offset: Option<i64>,
    ) -> Result<(), StoreError> {
        let (partition, customers) = (holder.partition, customers.len());
        self.call(&format!("hand over {partition} {chunk} {customers} {offset:?}"))
    }

    fn handed_over(&mut self, partition: i32, chunk: i32) -> Result<Chunk, StoreError> {
        self.call(&format!("handed over {partition} {chunk}"))?;
        let row = |customer_id: &str| StoredCustomer {
            customer_id: customer_id.to_owned(),
            applied_offset: 4,
            state: Vec::new(),
            erased_at_ms: None,
        };
        Ok(match chunk {
            0 => Chunk { customers: vec![row("a")], next: Some(3) },
            3 => Chunk { customers: vec![row("b")], next: Some(4) },
            _ => Chunk::default(),
        })
    }

    fn save(
        &mut self,
        holder: Holder,
        _: &[SavedCustomer<'_>],
        saved_offset: Option<i64>,
    ) -> Result<(), StoreError> {
        self.call(&format!("save {} {saved_offset:?}", holder.partition))
    }

    fn import(
        &mut self,
        _: Holder,
        _: &[StoredCustomer],
        _: Option<i64>,
    ) -> Result<(), StoreError> {
        unreachable!("keepers import nobody")
    }

    fn erase(&mut self, _: Holder, _: &[&str], _: i64, _: &[u8]) -> Result<(), StoreError> {
        unreachable!("keepers erase nobody")
    }

    fn begin_anew(&mut self, _: bool) -> Result<u64, StoreError> {
        unreachable!("keepers begin no topic")
    }

    fn release(&mut self, _: Holder) -> Result<(), StoreError> {
        self.call("release")
    }

    fn delete_rows(&mut self, _: Holder, ids: &[&str], to: Option<i64>) -> Result<(), StoreError> {
        self.call(&format!("forget {ids:?} {to:?}"))
    }

    fn mark_incomplete(&mut self, _: Holder) -> Result<(), StoreError> {
        self.call("mark")
    }

    fn discard(&mut self, _: Holder) -> Result<(), StoreError> {
        self.call("discard")
    }

    fn load(&mut self, _: i32, ids: &[&str]) -> Result<Vec<StoredCustomer>, StoreError> {
        self.call(&format!("load {ids:?}"))?;
        Ok(Vec::new())
    }

    fn scan(&mut self, partition: i32) -> Result<Box<dyn Scan>, StoreError> {
        self.call(&format!("scan {partition}"))?;
        Ok(Box::new(Shelf { desk: self.clone(), next: 0 }))
    }

    fn page(&mut self, _: i32, _: &str, _: u32) -> Result<Vec<StoredCustomer>, StoreError> {
        unreachable!("keepers scan")
    }

    fn ids(&mut self, _: i32, after: &str, limit: u32) -> Result<Vec<String>, StoreError> {
        self.call("ids")?;
        Ok(behind(after, limit).collect())
    }

    fn progress(&mut self) -> Result<Vec<Progress>, StoreError> {
        let epoch = HOLDER.epoch + i64::from(self.state().is_fenced);
        Ok(vec![Progress {
            partition: HOLDER.partition,
            saved_offset: None,
            saved_at_ms: None,
            epoch,
            owner: None,
            handed_over: None,
            incomplete_at_ms: None,
        }])
    }
}

/// Customers of a [`Desk`], from `next` on.
struct Shelf {
    desk: Desk,
    next: u32,
}

impl Drop for Shelf {
    fn drop(&mut self) {
        self.desk.state().done.push("end of scan".to_owned());
    }
}

impl Scan for Shelf {
    fn next(&mut self) -> Result<Vec<StoredCustomer>, StoreError> {
        let failure = self.desk.state().failures.pop_front();
        failure.map_or(Ok(()), Err)?;
        let mut state = Vec::new();
        encode(&CustomerState::default(), &mut state);
        let stored = |customer_id: String| {
            let state = if customer_id == DAMAGED { vec![1] } else { state.clone() };
            StoredCustomer { customer_id, applied_offset: 4, state, erased_at_ms: None }
        };
        let numbers = self.next..STORED.min(self.next + 1_000);
        self.next = numbers.end;
        Ok(numbers.map(id).map(stored).collect())
    }
}

fn id(number: u32) -> String {
    format!("{number:06}")
}

fn behind(after: &str, limit: u32) -> impl Iterator<Item = String> {
    let first = if after.is_empty() { 0 } else { after.parse::<u32>().unwrap() + 1 };
    (first..STORED.min(first + limit)).map(id)
}

fn batch() -> Batch {
    let mut saving = Saving::begin(HOLDER, 9, Vec::new());
    saving.encode(&crate::core::state::customers::Customers::default());
    saving.ready(9).unwrap()
}

fn claim(partition: i32) -> Order {
    let is_wanted = Arc::new(AtomicBool::new(true));
    Order::Claim { partition, owner: "me".to_owned(), is_wanted }
}

#[test]
fn in_turns_nothing_is_done_before_the_gate_opens() {
    let (desk, is_open) = (Desk::default(), Arc::new(AtomicBool::new(false)));
    let (of_keeper, gate) = (desk.clone(), Arc::clone(&is_open));
    let open: Open = Box::new(move || Ok(Box::new(of_keeper.clone()) as Box<dyn SnapshotStore>));
    let gate = Arc::new(move || gate.load(Ordering::Acquire));
    let keeper = Keeper::in_turns(open, Box::new(|_| ()), gate);
    desk.away(1);
    for _ in 0..=WAITING_ORDERS {
        keeper.order(Order::Release(HOLDER)).unwrap();
    }
    assert!(keeper.order(Order::Look).is_err(), "no more wait than with a thread");
    assert!(keeper.answer().is_none() && desk.state().done.is_empty());
    is_open.store(true, Ordering::Release);
    assert!(keeper.answer().is_none() && keeper.is_away(), "the first try fails");
    assert!(matches!(keeper.wait(SOON), Some(Answer::Released(HOLDER))));
    assert!(!keeper.is_away());
}

#[test]
fn what_is_handed_over_waits_for_the_database_as_long_as_it_is_wanted() {
    let desk = Desk::default();
    desk.away(1);
    let keeper = desk.keeper();
    let customers = crate::core::state::customers::Customers::default();
    let is_wanted = Arc::new(AtomicBool::new(true));
    let mut saving = Saving::hand_over(HOLDER, 9, Vec::new(), false);
    saving.encode(&customers);
    let batch = saving.ready(9).unwrap();
    keeper.order(Order::HandOver { batch, is_wanted: Arc::clone(&is_wanted) }).unwrap();
    let answer = keeper.wait(SOON);
    assert!(matches!(answer, Some(Answer::HandedOver { holder: HOLDER, is_last: true })));
    is_wanted.store(false, Ordering::Release);
    let mut saving = Saving::hand_over(HOLDER, 9, Vec::new(), false);
    saving.encode(&customers);
    let batch = saving.ready(9).unwrap();
    keeper.order(Order::HandOver { batch, is_wanted }).unwrap();
    assert!(matches!(keeper.wait(SOON), Some(Answer::Unclaimed)));
    assert_eq!(desk.state().done, ["open", "hand over 3 0 0 Some(9)"]);
}

/// An erasure may come between a claim and reading what was handed over.
#[test]
fn what_was_handed_over_is_left_alone_if_somebody_claims_in_between() {
    let desk = Desk::default();
    desk.state().is_fenced = true;
    let keeper = desk.keeper();
    keeper.order(claim(3)).unwrap();
    match keeper.wait(SOON) {
        Some(Answer::Claimed(claim, customers)) => {
            assert_eq!((claim.handed_over, customers.len()), (None, 0));
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn orders_are_done_in_turn_however_long_the_database_is_away() {
    let desk = Desk::default();
    desk.away(3);
    let keeper = desk.keeper();
    let orders = [claim(3), Order::Save(batch()), Order::Release(HOLDER), Order::Discard(HOLDER)];
    orders.into_iter().for_each(|order| keeper.order(order).unwrap());
    let load = Order::Load { partition: 3, adoption: 8, customer_ids: vec!["a".to_owned()] };
    keeper.order(load).unwrap();
    match keeper.wait(SOON) {
        Some(Answer::Claimed(Claim { holder: HOLDER, .. }, handed_over)) => {
            let ids: Vec<_> = handed_over.iter().map(|row| &*row.customer_id).collect();
            assert_eq!(ids, ["a", "b"]);
        }
        other => panic!("{other:?}"),
    }
    let saved = keeper.wait(SOON);
    assert!(matches!(saved, Some(Answer::Saved { saved_offset: Some(9), customers: 0, .. })));
    assert!(matches!(keeper.wait(SOON), Some(Answer::Released(HOLDER))));
    assert!(matches!(keeper.wait(SOON), Some(Answer::Discarded(HOLDER))));
    assert!(matches!(keeper.wait(SOON), Some(Answer::Loaded { adoption: 8, .. })));
    assert!(keeper.answer().is_none());
    let state = desk.state();
    let done = [
        "open",
        "claim 3 me",
        "handed over 3 0",
        "handed over 3 3",
        "handed over 3 4",
        "save 3 Some(9)",
        "release",
        "discard",
        "load [\"a\"]",
    ];
    assert_eq!(state.done, done);
    assert_eq!(state.complaints, [true, true, true, false], "and once that it answers again");
}

/// The batches of one save of two customers, one each.
fn batches() -> [Batch; 2] {
    let mut customers = Customers::default();
    for id in ["a", "b"] {
        let slot = customers.slot(id, hash64(id));
        customers.applied(slot, 4);
    }
    let mut saving = Saving::begin(HOLDER, 9, customers.start_save());
    let one = (1, usize::MAX, 2);
    assert!(saving.encode_some(one, &customers) && saving.encode_some(one, &customers));
    [saving.ready(9).unwrap(), saving.ready(9).unwrap()]
}

#[test]
fn what_relies_on_a_save_of_another_connection_is_not_handed_over() {
    for (goes_on, is_torn) in [(false, false), (true, true)] {
        let desk = Desk::default();
        let keeper = desk.keeper();
        let [first, _] = batches();
        keeper.order(Order::Save(first)).unwrap();
        assert!(matches!(keeper.wait(SOON), Some(Answer::Saved { .. })));
        desk.away(1);
        let customers = Customers::default();
        let mut saving = Saving::hand_over(HOLDER, 9, Vec::new(), goes_on);
        assert!(saving.encode(&customers));
        let (batch, is_wanted) = (saving.ready(9).unwrap(), Arc::new(AtomicBool::new(true)));
        // The first try finds the connection gone.
        keeper.order(Order::Look).unwrap();
        keeper.order(Order::HandOver { batch, is_wanted }).unwrap();
        let answer = loop {
            match keeper.wait(SOON) {
                Some(Answer::Claims(_)) => {}
                answer => break answer,
            }
        };
        match is_torn {
            true => assert!(matches!(answer, Some(Answer::Torn { is_handover: true, .. }))),
            false => assert!(matches!(answer, Some(Answer::HandedOver { is_last: true, .. }))),
        }
    }
}

#[test]
fn nothing_is_promised_about_what_another_connection_took() {
    let desk = Desk::default();
    let keeper = desk.keeper();
    for (is_cut, last) in [(false, "save 3 Some(9)"), (true, "save 3 None")] {
        let [first, second] = batches();
        keeper.order(Order::Save(first)).unwrap();
        assert!(matches!(keeper.wait(SOON), Some(Answer::Saved { saved_offset: None, .. })));
        if is_cut {
            desk.away(1);
        }
        keeper.order(Order::Save(second)).unwrap();
        let answer = keeper.wait(SOON);
        match is_cut {
            true => {
                assert!(matches!(answer, Some(Answer::Torn { holder: HOLDER, is_handover: false })))
            }
            false => assert!(matches!(answer, Some(Answer::Saved { saved_offset: Some(9), .. }))),
        }
        assert_eq!(desk.state().done.last().map(String::as_str), Some(last));
    }
}

#[test]
fn a_fence_is_an_answer_of_a_database_that_is_there() {
    let desk = Desk::default();
    let keeper = desk.keeper();
    desk.away(1);
    desk.state().failures.push_back(StoreError::Fenced(HOLDER));
    keeper.order(Order::Release(HOLDER)).unwrap();
    assert!(matches!(keeper.wait(SOON), Some(Answer::Fenced(HOLDER))));
    assert!(!keeper.is_away());
    assert_eq!(desk.state().complaints, [true, false]);
}

#[test]
fn who_was_erased_and_cannot_be_read_is_known_no_more() {
    let stored = |erased_at_ms| StoredCustomer {
        customer_id: "a".to_owned(),
        applied_offset: 7,
        state: vec![1],
        erased_at_ms,
    };
    assert!(Returned::from(stored(None)).state.is_err());
    let erased = Returned::from(stored(Some(1)));
    assert_eq!((erased.applied_offset, erased.state.unwrap().columns.len()), (7, 0));
}

#[test]
fn a_connection_that_failed_is_not_used_again() {
    let desk = Desk::default();
    let keeper = desk.keeper();
    keeper.order(claim(3)).unwrap();
    assert!(keeper.wait(SOON).is_some());
    desk.away(1);
    keeper.order(Order::Save(batch())).unwrap();
    assert!(matches!(keeper.wait(SOON), Some(Answer::Saved { .. })));
    assert_eq!(
        desk.state().done,
        [
            "open",
            "claim 3 me",
            "handed over 3 0",
            "handed over 3 3",
            "handed over 3 4",
            "open",
            "save 3 Some(9)"
        ]
    );
}

#[test]
fn a_claim_of_somebody_else_is_told_and_not_tried_again() {
    let desk = Desk::default();
    let keeper = desk.keeper();
    keeper.order(claim(3)).unwrap();
    assert!(keeper.wait(SOON).is_some());
    desk.state().failures.push_back(StoreError::Fenced(HOLDER));
    keeper.order(Order::Save(batch())).unwrap();
    assert!(matches!(keeper.wait(SOON), Some(Answer::Fenced(HOLDER))));
    assert_eq!(desk.state().complaints, [false], "the database did answer");
}

#[test]
fn what_waits_is_bounded_and_an_end_does_not_wait() {
    let desk = Desk::default();
    desk.away(1_000);
    let keeper = desk.keeper();
    let given = (0..100).take_while(|_| keeper.order(Order::Save(batch())).is_ok()).count();
    assert!((WAITING_ORDERS..=WAITING_ORDERS + 1).contains(&given), "{given}");
    let waited = Stopwatch::start();
    drop(keeper);
    assert!(waited.elapsed() < END_PATIENCE, "{:?}", waited.elapsed());
    assert!(desk.state().done.is_empty());
}

/// The pages of a partition, from one on.
fn pages(
    keeper: &Keeper,
    partition: i32,
    from: Place,
) -> impl Iterator<Item = (Vec<StoredCustomer>, Vec<Returned>, Vec<String>)> {
    let mut from = Some(from);
    std::iter::from_fn(move || {
        let from_here = from.take()?;
        let is_scan = !matches!(from_here, Place::Ids(_));
        keeper.order(Order::Page { partition, adoption: 8, from: from_here }).unwrap();
        let answer = keeper.wait(SOON);
        let Some(Answer::Page { adoption: 8, page }) = answer else { panic!("{answer:?}") };
        let Page { customers, refused, ids, next, .. } = page;
        assert!(if is_scan { ids.is_empty() } else { customers.is_empty() });
        from = next;
        Some((customers, refused, ids))
    })
}

fn all() -> Vec<String> {
    (0..STORED).map(id).collect()
}

#[test]
fn customers_come_page_by_page() {
    let keeper = Desk::default().keeper();
    let (mut seen, mut count) = (Vec::new(), 0);
    for (customers, refused, _) in pages(&keeper, 3, Place::Scan) {
        assert!(customers.len() <= PAGE + 1_000);
        assert!(customers.iter().all(|customer| customer.applied_offset == 4));
        assert!(refused.iter().all(|customer| customer.state.is_err()));
        let refused = refused.into_iter().map(|customer| customer.customer_id);
        let refused: Vec<String> = refused.collect();
        assert_eq!(refused, if count == 0 { vec![DAMAGED] } else { vec![] });
        seen.extend(customers.into_iter().map(|customer| customer.customer_id));
        seen.extend(refused);
        count += 1;
    }
    seen.sort();
    assert!(count > 1 && seen == all());
    let ids: Vec<String> =
        pages(&keeper, 3, Place::Ids(String::new())).flat_map(|(.., ids)| ids).collect();
    assert!(ids == all());
}

#[test]
fn a_scan_that_failed_begins_again_and_then_ids_do() {
    let desk = Desk::default();
    let keeper = desk.keeper();
    let page = |from| {
        keeper.order(Order::Page { partition: 3, adoption: 8, from }).unwrap();
        match keeper.wait(SOON) {
            Some(Answer::Page { page: Page { customers, next, has_failed, .. }, .. }) => {
                (!customers.is_empty(), next.unwrap(), has_failed)
            }
            answer => panic!("{answer:?}"),
        }
    };
    let ids = Place::Ids(String::new());
    assert_eq!(page(Place::Scan), (true, Place::ScanOn, false));
    desk.away(1);
    assert_eq!(page(Place::ScanOn), (false, Place::Scan, false));
    assert_eq!(page(Place::Scan), (true, Place::ScanOn, false));
    desk.away(1);
    assert_eq!(page(Place::ScanOn), (false, ids, true));
    let done = ["open", "scan 3", "end of scan", "ids", "scan 3", "end of scan", "ids"];
    assert_eq!(desk.state().done, done);
    assert_eq!(desk.state().complaints, [false], "the database is there");
}

#[test]
fn a_database_that_is_away_is_no_failure_of_a_scan() {
    let desk = Desk::default();
    let keeper = desk.keeper();
    for _ in 0..3 {
        desk.away(2);
        keeper.order(Order::Page { partition: 3, adoption: 8, from: Place::ScanOn }).unwrap();
        let answer = keeper.wait(SOON);
        assert!(
            matches!(answer, Some(Answer::Page { page: Page { has_failed: false, .. }, .. })),
            "{answer:?}"
        );
    }
    assert_eq!(desk.state().complaints.last(), Some(&false));
}

#[test]
fn a_scan_of_another_time_is_not_gone_on_with() {
    let desk = Desk::default();
    let keeper = desk.keeper();
    for adoption in [8, 9, 9] {
        keeper.order(Order::Page { partition: 3, adoption, from: Place::ScanOn }).unwrap();
        assert!(matches!(keeper.wait(SOON), Some(Answer::Page { .. })));
    }
    assert_eq!(desk.state().done, ["open", "scan 3", "end of scan", "scan 3"]);
}

#[test]
fn a_scan_that_nobody_goes_on_with_is_ended() {
    let desk = Desk::default();
    let keeper = desk.keeper();
    keeper.order(Order::Page { partition: 3, adoption: 8, from: Place::Scan }).unwrap();
    assert!(matches!(keeper.wait(SOON), Some(Answer::Page { .. })));
    let waited = Stopwatch::start();
    while desk.state().done.last().is_none_or(|last| last != "end of scan") {
        assert!(waited.elapsed() < SOON, "it stays");
        pause(LOOK);
    }
}

#[test]
fn a_claim_that_nobody_wants_any_more_is_not_made() {
    let desk = Desk::default();
    let keeper = desk.keeper();
    let (owner, is_wanted) = ("me".to_owned(), Arc::new(AtomicBool::new(false)));
    keeper.order(Order::Claim { partition: 3, owner, is_wanted }).unwrap();
    assert!(matches!(keeper.wait(SOON), Some(Answer::Unclaimed)));
    assert_eq!(desk.state().done, ["open"]);
}

#[test]
fn a_database_is_away_until_it_answers() {
    let desk = Desk::default();
    desk.away(1_000_000);
    let keeper = desk.keeper();
    keeper.order(claim(3)).unwrap();
    while !keeper.is_away() {
        pause(LOOK / 10);
    }
    desk.state().failures.clear();
    assert!(matches!(keeper.wait(SOON), Some(Answer::Claimed(..))));
    assert!(!keeper.is_away());
}
