//! Laws of the customer's state: windows are what a naive recount gives, whatever the order of
//! arrival; bytes are a function of what is remembered and bring it back; damage is refused, never
//! a panic.

use std::collections::BTreeSet;

use proptest::prelude::*;
use synfinance::base::limits::MAX_AMOUNT_MAJOR;
use synfinance::core::state::customer::{CustomerState, Seen};
use synfinance::core::state::observation::{Incoming, Observation};
use synfinance::core::state::snapshot::{SnapshotError, decode, encode};
use synfinance::core::state::totals::{Totals, Window};
use synfinance::core::state::{Bounds, MEMORY_MS};
use synfinance::core::transaction::{Amount, DAY_MS, HOUR_MS, Position, Status};

const T0: i64 = 1_767_225_600_000;

/// Steps in time: mostly on, sometimes equal, sometimes back, sometimes far.
fn step() -> impl Strategy<Value = i64> {
    prop_oneof![
        6 => 0..3 * HOUR_MS,
        2 => Just(0_i64),
        2 => -2 * DAY_MS..0,
        1 => 0..12 * DAY_MS,
        1 => -33 * DAY_MS..0,
        1 => prop_oneof![Just(HOUR_MS), Just(DAY_MS), Just(7 * DAY_MS), Just(30 * DAY_MS)],
    ]
}

fn position() -> impl Strategy<Value = Option<Position>> {
    prop_oneof![
        Just(None),
        (-90_i32..=90, -180_i32..=180).prop_map(|(latitude, longitude)| {
            Position::new(f64::from(latitude), f64::from(longitude)).ok()
        }),
    ]
}

prop_compose! {
    fn incoming()(
        time in step(),
        transaction in prop_oneof![9 => any::<u64>(), 1 => 0..5_u64],
        amount in prop_oneof![0..5_000_000_i64, Just(0_i64), 0..1_i64 << 53],
        merchant in 1..6_u32,
        status in prop_oneof![
            5 => Just(Status::Approved), 1 => Just(Status::Declined), 1 => Just(Status::Refunded)
        ],
        hour in 0..24_u8,
        (category, city, device) in (0..5_u32, 0..5_u32, 0..3_u32),
        reputation in prop::option::of(0..=1_000_000_u32),
        (position, home) in (position(), position()),
    ) -> Incoming {
        Incoming {
            transaction, time, amount, merchant, status, hour, category, city, device, reputation,
            position, home,
        }
    }
}

/// Transactions in order of arrival; generated times are steps from one to the next.
fn arrivals(most: usize) -> impl Strategy<Value = Vec<Incoming>> {
    prop::collection::vec(incoming(), 1..most).prop_map(|mut arrivals| {
        let mut now = T0;
        for incoming in &mut arrivals {
            now = (now + incoming.time).max(T0 - 60 * DAY_MS);
            incoming.time = now;
        }
        arrivals
    })
}

/// The obvious implementation: a list, searched whole for every question.
#[derive(Default)]
struct Naive {
    accepted: Vec<Incoming>,
    /// Ids with the newest time at their arrival: they are known until the horizon behind that.
    arrived: Vec<(u64, i64)>,
    newest: Option<i64>,
}

impl Naive {
    fn take(&mut self, incoming: &Incoming, bounds: &Bounds) -> Seen {
        let newest = self.newest.unwrap_or(i64::MIN / 2);
        let known = |&(id, at): &(u64, i64)| {
            id == incoming.transaction && newest < at + bounds.dedup_horizon_ms
        };
        if self.arrived.iter().any(known) {
            return Seen::Duplicate;
        }
        self.arrived.push((incoming.transaction, newest.max(incoming.time)));
        if incoming.time <= newest - MEMORY_MS {
            return Seen::Late;
        }
        self.newest = Some(newest.max(incoming.time));
        self.accepted.push(*incoming);
        Seen::New
    }

    /// What is remembered at or before `time`, those beyond memory gone.
    fn until(&self, time: i64) -> Vec<&Incoming> {
        let memory = self.newest.unwrap_or(time).max(time) - MEMORY_MS;
        let within = |other: &&Incoming| other.time <= time && other.time > memory;
        self.accepted.iter().filter(within).collect()
    }
}

fn distinct(of: &[&Incoming], value: impl Fn(&Incoming) -> u32) -> u16 {
    of.iter().map(|i| value(i)).filter(|&v| v != 0).collect::<BTreeSet<_>>().len() as u16
}

/// The state as features read it at `incoming`, against the naive list with `incoming` in it.
fn check_windows(state: &CustomerState, incoming: &Incoming, remembered: &[&Incoming]) {
    for window in Window::ALL {
        let w = window as usize;
        let start = incoming.time - window.millis();
        let inside: Vec<_> = remembered.iter().copied().filter(|i| i.time > start).collect();
        let totals = &state.totals;
        assert_eq!(state.columns.len() - usize::from(totals.tails[w]), inside.len(), "{window:?}");
        let summed: Vec<_> = inside.iter().filter(|i| i.status != Status::Refunded).collect();
        assert_eq!(usize::from(totals.summed[w]), summed.len());
        assert_eq!(totals.sums[w], summed.iter().map(|i| i.amount).sum::<i64>());
        let declined = inside.iter().filter(|i| i.status == Status::Declined).count();
        match window {
            Window::Hour => assert_eq!(usize::from(totals.declined_hour), declined),
            Window::Day => assert_eq!(totals.merchants_day, distinct(&inside, |i| i.merchant)),
            Window::Week => {
                assert_eq!(usize::from(totals.declined_week), declined);
                assert_eq!(totals.cities_week, distinct(&inside, |i| i.city));
                assert_eq!(totals.devices_week, distinct(&inside, |i| i.device));
            }
            Window::Month => {
                assert_eq!(totals.merchants_month, distinct(&inside, |i| i.merchant));
                check_entropy(state, &inside);
            }
            Window::SixHours => {}
        }
    }
}

fn check_entropy(state: &CustomerState, month: &[&Incoming]) {
    let known: Vec<u32> = month.iter().map(|i| i.category).filter(|&c| c != 0).collect();
    let share =
        |category| known.iter().filter(|&&c| c == category).count() as f64 / known.len() as f64;
    let entropy: f64 = (1..5).map(share).filter(|&p| p > 0.0).map(|p| -p * p.log2()).sum();
    assert!((state.totals.category_entropy_month() - entropy).abs() < 1e-8);
}

fn check_observation(observation: &Observation, incoming: &Incoming, before: &[&Incoming]) {
    assert_eq!(observation.history, before.len());
    assert_eq!(observation.new_merchant, before.iter().all(|i| i.merchant != incoming.merchant));
    let device_is_known = before.iter().any(|i| i.device == incoming.device);
    assert_eq!(observation.new_device, incoming.device != 0 && !device_is_known);
    let newest = before.iter().map(|i| i.time).max();
    assert_eq!(observation.since_last_ms, newest.map(|newest| incoming.time - newest));
    let amounts: Vec<f64> = before
        .iter()
        .filter(|i| i.status != Status::Refunded)
        .map(|i| i.amount as f64 / 10_000.0)
        .collect();
    let n = amounts.len().max(1) as f64;
    let mean = amounts.iter().sum::<f64>() / n;
    let sd = (amounts.iter().map(|a| (a - mean).powi(2)).sum::<f64>() / n).sqrt();
    assert!((observation.mean_amount - mean).abs() <= 1e-9 * (1.0 + mean));
    assert!((observation.sd_amount - sd).abs() <= 1e-7 * (1.0 + mean));
}

fn bytes_of(state: &CustomerState) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode(state, &mut bytes);
    bytes
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn windows_are_what_a_naive_recount_gives(arrivals in arrivals(80)) {
        let bounds = Bounds::default();
        let (mut state, mut naive) = (CustomerState::default(), Naive::default());
        for incoming in &arrivals {
            let before: Vec<Incoming> = naive.until(incoming.time).into_iter().copied().collect();
            let before: Vec<&Incoming> = before.iter().collect();
            let expected = naive.take(incoming, &bounds);
            let seen = state.remember(incoming, &bounds, |state, observation| {
                // What is beyond memory behind the transaction itself has no say either.
                let memory = incoming.time - MEMORY_MS;
                let mut remembered: Vec<_> =
                    before.iter().copied().filter(|i| i.time > memory).collect();
                check_observation(observation, incoming, &remembered);
                remembered.push(incoming);
                check_windows(state, incoming, &remembered);
            });
            prop_assert_eq!(seen.seen, expected);
        }
    }

    #[test]
    fn running_totals_are_what_counting_afresh_gives(
        arrivals in arrivals(120),
        max_transactions in prop_oneof![Just(32_u16), Just(1_024)],
    ) {
        let bounds = Bounds { max_transactions, ..Bounds::default() };
        let mut state = CustomerState::default();
        for incoming in &arrivals {
            state.remember(incoming, &bounds, |_, _| {});
            let mut afresh = state.clone();
            let totals = Totals::recount(&mut afresh.columns, &mut afresh.symbols);
            prop_assert_eq!(&totals, &state.totals);
            prop_assert!(state.columns.len() <= usize::from(max_transactions));
        }
    }

    #[test]
    fn a_state_comes_back_from_its_bytes(
        past in arrivals(80),
        future in arrivals(20),
        max_transactions in prop_oneof![Just(32_u16), Just(1_024)],
    ) {
        let bounds = Bounds { max_transactions, ..Bounds::default() };
        let mut state = CustomerState::default();
        for incoming in &past {
            state.remember(incoming, &bounds, |_, _| {});
        }
        let bytes = bytes_of(&state);
        let mut restored = decode(&bytes).unwrap();
        prop_assert_eq!(&bytes_of(&restored), &bytes);
        for incoming in &future {
            let (mut a, mut b) = (None, None);
            let seen = state.remember(incoming, &bounds, |_, seen| a = Some(*seen));
            let again = restored.remember(incoming, &bounds, |_, seen| b = Some(*seen));
            prop_assert_eq!((seen, a), (again, b));
            prop_assert_eq!(&state.totals, &restored.totals);
            prop_assert_eq!(bytes_of(&state), bytes_of(&restored));
        }
    }

    #[test]
    fn folding_keeps_counts_and_sums_of_whole_hours(count in 33..200_usize, minutes in 1..90_i64) {
        let bounds = Bounds { max_transactions: 32, ..Bounds::default() };
        let mut state = CustomerState::default();
        let (mut now, mut folded_count) = (T0, 0);
        for transaction in 0..count as u64 {
            let incoming = plain(transaction, now, 10_000);
            folded_count += state.remember(&incoming, &bounds, |_, _| {}).folded;
            now += minutes * 60_000;
        }
        let newest = now - minutes * 60_000;
        let folded = state.beyond.folded().unwrap().total(newest - 30 * DAY_MS, newest);
        let all = u64::from(folded.count) + state.columns.len() as u64;
        prop_assert_eq!(all, count as u64);
        prop_assert_eq!(folded.sum, i64::from(folded.count) * 10_000);
        prop_assert_eq!(folded_count, count - 32);
    }

    #[test]
    fn damaged_bytes_are_refused(
        arrivals in arrivals(12),
        at in any::<prop::sample::Index>(),
        bit in 0..8_u8,
    ) {
        let mut state = CustomerState::default();
        for incoming in &arrivals {
            state.remember(incoming, &Bounds::default(), |_, _| {});
        }
        let mut bytes = bytes_of(&state);
        let at = at.index(bytes.len());
        bytes[at] ^= 1_u8 << bit;
        prop_assert!(decode(&bytes).is_err());
        prop_assert!(decode(&bytes[..at]).is_err());
    }
}

fn plain(transaction: u64, time: i64, amount: i64) -> Incoming {
    Incoming {
        transaction,
        time,
        amount,
        merchant: 7,
        status: Status::Approved,
        hour: 12,
        category: 3,
        city: 4,
        device: 5,
        reputation: Some(900_000),
        position: Position::new(19.076, 72.8777).ok(),
        home: None,
    }
}

/// A state with a bit of everything: several symbols, a refund, a wide amount, folded hours,
/// anomalies.
fn golden_state() -> CustomerState {
    let bounds = Bounds { max_transactions: 32, ..Bounds::default() };
    let mut state = CustomerState::default();
    for n in 0..40_u64 {
        let mut incoming = plain(n, T0 + n as i64 * HOUR_MS, 1_000_000 + n as i64 * 12_345);
        incoming.hour = (n % 24) as u8;
        match n {
            5 => incoming.status = Status::Refunded,
            12 => incoming.status = Status::Declined,
            35 => incoming.amount = 90_000_000_000,
            36 => (incoming.category, incoming.city, incoming.device) = (9, 0, 0),
            37 => incoming.position = Position::new(-33.8688, 151.2093).ok(),
            38 => (incoming.position, incoming.reputation) = (None, None),
            39 => incoming.time -= 3 * HOUR_MS / 2,
            _ => {}
        }
        state.remember(&incoming, &bounds, |_, _| {});
    }
    state
}

/// Bytes of version 1, as they were first written. A change of the layout is a new version with a
/// golden file of its own; these stay readable.
#[test]
fn version_1_is_read_and_written() {
    let golden = include_bytes!("fixtures/state/v1.bin");
    let state = golden_state();
    assert!(state.anomalies.len() >= 3 && state.beyond.folded().is_some());
    assert!(bytes_of(&state) == golden, "the layout of version 1 changed");
    let restored = decode(golden).unwrap();
    assert_eq!(restored.totals, state.totals);
    assert_eq!(restored.first_seen(), Some(T0));
}

#[test]
fn a_repeat_is_known_however_its_first_arrival_was_remembered() {
    let bounds = Bounds { max_transactions: 32, ..Bounds::default() };
    let seen = |state: &mut CustomerState, id, time| {
        state.remember(&plain(id, time, 10_000), &bounds, |_, _| {}).seen
    };
    let mut state = CustomerState::default();
    for id in 0..100 {
        assert_eq!(seen(&mut state, id, T0 + id as i64), Seen::New);
    }
    // Folded, but within the horizon; then late; then out of order by more than the horizon.
    for (id, time, first) in [
        (0, T0, Seen::Duplicate),
        (1_000, T0 - 40 * DAY_MS, Seen::Late),
        (1_001, T0 - 5 * DAY_MS, Seen::New),
    ] {
        assert_eq!(seen(&mut state, id, time), first);
        assert_eq!(seen(&mut state, id, time), Seen::Duplicate);
        let mut restored = decode(&bytes_of(&state)).unwrap();
        assert_eq!(seen(&mut restored, id, time), Seen::Duplicate);
    }
    // The horizon counts from the newest time at arrival.
    assert_eq!(seen(&mut state, 2_000, T0 + 99 + DAY_MS), Seen::New);
    assert_eq!(seen(&mut state, 1_001, T0 - 5 * DAY_MS), Seen::New);
    assert!(state.beyond.stragglers().len() <= 2, "{:?}", state.beyond.stragglers());
}

#[test]
fn the_largest_amounts_add_up() {
    let bounds = Bounds { max_transactions: Bounds::MAX_TRANSACTIONS, ..Bounds::default() };
    let largest = Amount::from_major(MAX_AMOUNT_MAJOR).unwrap();
    let mut state = CustomerState::default();
    for id in 0..3_000 {
        state.remember(&plain(id, T0 + id as i64, largest.minor()), &bounds, |state, seen| {
            assert!(state.totals.sums[4] >= largest.minor());
            let is_first = state.columns.len() == 1;
            let mean = if is_first { 0.0 } else { MAX_AMOUNT_MAJOR };
            assert_eq!((seen.mean_amount, seen.sd_amount), (mean, 0.0));
        });
    }
}

#[test]
fn newer_bytes_are_refused_with_their_version() {
    let mut bytes = bytes_of(&golden_state());
    bytes[4] = 2;
    let error = decode(&bytes).unwrap_err();
    assert_eq!(error, SnapshotError::Newer { found: 2 });
    assert!(error.to_string().contains("version 2"), "{error}");
}
