//! What is remembered of one customer, one transaction after the other.
//!
//! In order, which is nearly always: windows move on to the transaction's time, the transaction is
//! compared with the past, it enters, and features read the windows that end at it. Out of order:
//! the same happens to a copy that ends at the transaction's time, so it sees nothing later; then
//! the transaction is inserted at its place and the totals are recounted. One meaning, one fast
//! path, one obviously right path.

use smallvec::SmallVec;

use super::anomalies::Anomalies;
use super::beyond::{Beyond, Straggler};
use super::columns::{Columns, Entry};
use super::distances::{Distances, KEPT};
use super::geo::{PositionE7, distance_km};
use super::observation::{Incoming, Observation, home};
use super::symbols::{SymbolKind, Symbols};
use super::totals::Totals;
use super::{Bounds, MEMORY_MS};
use crate::core::transaction::{Amount, Position};

/// How the state took a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seen {
    /// Remembered.
    New,
    /// At least [`MEMORY_MS`] behind the customer's newest transaction: judged, not remembered.
    Late,
    /// Its id was seen before: neither judged nor counted again.
    Duplicate,
}

/// The result of remembering a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Remembered {
    /// How the state took it.
    pub seen: Seen,
    /// How many older transactions exceeded the bound and were folded into hourly sums.
    pub folded: usize,
}

/// A customer's state: remembered transactions, and totals that follow from them. Features always
/// read it as it is at the transaction that they describe. It holds no customer id and no offset;
/// [`super::customers::Customer`] does.
#[derive(Debug, Clone, Default)]
pub struct CustomerState {
    /// Remembered transactions in event-time order.
    pub columns: Columns,
    /// Their categories, cities and devices.
    pub symbols: Symbols,
    /// Counts and sums over the windows.
    pub totals: Totals,
    /// Which of them stood out.
    pub anomalies: Anomalies,
    /// Hourly sums and ids that the columns have no place for.
    pub beyond: Beyond,
    /// Distances from home of the newest transactions with a position.
    pub distances: Distances,
    /// Ids of the newest entries within the duplicate horizon, in the order of the entries. Most
    /// customers make one or two payments a day, and those need no allocation.
    pub(super) ids: SmallVec<[u64; 2]>,
    /// What rounding to 1e-7 degrees took from the newest position, in degrees: it would show in a
    /// speed measured over a second. Meaningless if no entry has a position.
    pub(super) last_residual: [f32; 2],
    /// Event time of the first transaction ever; 0 for none, as every valid time is after 2000.
    pub(super) first_seen: i64,
}

impl CustomerState {
    /// Remembers a transaction. `read` gets the state at the transaction (itself included, nothing
    /// after it) and the comparison with the past; it is not called for a duplicate.
    pub fn remember(
        &mut self,
        incoming: &Incoming,
        bounds: &Bounds,
        read: impl FnOnce(&Self, &Observation),
    ) -> Remembered {
        let id = incoming.transaction;
        if self.knows(id) {
            return Remembered { seen: Seen::Duplicate, folded: 0 };
        }
        let newest = match self.columns.newest() {
            Some(newest) if incoming.time < newest => newest,
            _ => {
                let observation = self.append(incoming, bounds);
                read(self, &observation);
                return Remembered { seen: Seen::New, folded: self.keep_bound(bounds) };
            }
        };
        let mut past = self.until(incoming.time);
        let observation = past.append(incoming, bounds);
        read(&past, &observation);
        self.beyond
            .straggle(Straggler { transaction: id, until: newest + bounds.dedup_horizon_ms });
        if incoming.time <= newest - MEMORY_MS {
            return Remembered { seen: Seen::Late, folded: 0 };
        }
        self.insert(incoming, &observation, bounds);
        Remembered { seen: Seen::New, folded: self.keep_bound(bounds) }
    }

    /// Returns what [`Self::remember`] would return for `incoming`, and gives `read` the same. The
    /// state stays as it is: the transaction enters a copy.
    pub fn preview(
        &self,
        incoming: &Incoming,
        bounds: &Bounds,
        read: impl FnOnce(&Self, &Observation),
    ) -> Seen {
        if self.knows(incoming.transaction) {
            return Seen::Duplicate;
        }
        let newest = self.columns.newest().filter(|&newest| incoming.time < newest);
        let mut past = match newest {
            Some(_) => self.until(incoming.time),
            None => self.clone(),
        };
        let observation = past.append(incoming, bounds);
        read(&past, &observation);
        match newest {
            Some(newest) if incoming.time <= newest - MEMORY_MS => Seen::Late,
            _ => Seen::New,
        }
    }

    /// Whether a transaction with this id was seen before, within the horizon for duplicates.
    #[inline]
    fn knows(&self, id: u64) -> bool {
        self.ids.contains(&id) || self.beyond.knows(id)
    }

    /// Mean and population standard deviation of the remembered amounts in major units, without
    /// refunds; zeros if there are none.
    #[inline]
    pub fn amount_statistics(&self) -> (f64, f64) {
        let n = self.totals.history_summed;
        if n == 0 {
            return (0.0, 0.0);
        }
        let sum = self.totals.history_sum;
        // n·Σx² − (Σx)² is exact in integers, so the difference of two big numbers loses nothing.
        let spread = (u128::from(n) * self.totals.history_squares())
            .saturating_sub(u128::from(sum.unsigned_abs()).pow(2));
        let n = f64::from(n);
        let scale = n * Amount::SCALE as f64;
        (sum as f64 / scale, (spread as f64).sqrt() / scale)
    }

    /// The newest remembered position and its time.
    #[inline]
    pub fn last_position(&self) -> Option<(Position, i64)> {
        let mut entries = (0..self.columns.len()).rev();
        let (index, position) = entries.find_map(|i| Some((i, self.columns.position(i)?)))?;
        Some((position.refined(self.last_residual), self.columns.time(index)))
    }

    /// Event time of the customer's first transaction.
    pub fn first_seen(&self) -> Option<i64> {
        Some(self.first_seen).filter(|&time| time != 0)
    }

    /// Bytes on the heap, as asked of the allocator.
    pub fn heap_bytes(&self) -> usize {
        self.columns.heap_bytes()
            + self.symbols.heap_bytes()
            + self.anomalies.heap_bytes()
            + self.beyond.heap_bytes()
            + self.distances.heap_bytes()
            + if self.ids.spilled() { self.ids.capacity() * size_of::<u64>() } else { 0 }
    }

    /// The in-order path: `incoming` is not before the newest entry.
    #[inline]
    fn append(&mut self, incoming: &Incoming, bounds: &Bounds) -> Observation {
        self.advance(incoming.time);
        let observation = Observation::of(self, incoming);
        self.complete_distances(incoming);
        let entry = self.take_symbols(incoming, &observation);
        let index = self.columns.len();
        self.columns.insert(index, &entry);
        self.totals.enter_newest(&mut self.columns, &mut self.symbols);
        let severity = observation.verdict.anomaly.map(|(_, severity)| severity);
        self.anomalies.push(index, severity);
        if let Some(position) = incoming.position {
            self.last_residual = PositionE7::residual(position);
            self.distances.insert(0, observation.distance_km);
        }
        self.see_first(incoming.time);
        self.remember_id(index, incoming.transaction, bounds);
        observation
    }

    /// Makes windows end at `now` and forgets what is older than memory reaches.
    #[inline]
    fn advance(&mut self, now: i64) {
        self.totals.advance(&self.columns, &mut self.symbols, now);
        while !self.columns.is_empty() && self.columns.time(0) <= now - MEMORY_MS {
            self.forget_oldest();
        }
        self.beyond.forget(now, now - MEMORY_MS);
    }

    /// Forgets the oldest entry. Returns its id if that was still within the duplicate horizon.
    fn forget_oldest(&mut self) -> Option<u64> {
        let oldest = self.columns.entry(0);
        self.totals.leave_oldest(&self.columns, &mut self.symbols);
        for symbol in [oldest.category, oldest.city, oldest.device] {
            self.symbols.leave(symbol);
        }
        self.columns.pop_oldest();
        self.anomalies.pop_oldest();
        self.distances.keep_newest(usize::from(self.totals.positions));
        (self.ids.len() > self.columns.len()).then(|| self.ids.remove(0))
    }

    #[inline]
    fn take_symbols(&mut self, incoming: &Incoming, observation: &Observation) -> Entry {
        let mut entry = incoming.entry(&observation.verdict);
        entry.category = self.symbols.enter(SymbolKind::Category, incoming.category);
        entry.city = self.symbols.enter(SymbolKind::City, incoming.city);
        entry.device = self.symbols.enter(SymbolKind::Device, incoming.device);
        entry
    }

    #[inline]
    fn see_first(&mut self, time: i64) {
        self.first_seen = if self.first_seen == 0 { time } else { self.first_seen.min(time) };
    }

    /// Adds the id of the entry at `index`, and removes ids that the horizon has passed.
    #[inline]
    fn remember_id(&mut self, index: usize, id: u64, bounds: &Bounds) {
        let Some(newest) = self.columns.newest() else { return };
        let start = newest - bounds.dedup_horizon_ms;
        // `ids` belong to the last entries; the one at `index` is in `columns` already.
        let without = self.columns.len() - 1 - self.ids.len();
        if self.columns.time(index) > start && index >= without {
            if self.ids.len() == self.ids.capacity() {
                self.ids.reserve_exact((self.ids.len() / 4).max(2));
            }
            self.ids.insert(index - without, id);
        }
        let first = self.columns.len() - self.ids.len();
        let gone =
            (first..self.columns.len()).take_while(|&i| self.columns.time(i) <= start).count();
        self.ids.drain(..gone);
    }

    /// Folds the oldest entries beyond the bound and returns how many.
    #[inline]
    fn keep_bound(&mut self, bounds: &Bounds) -> usize {
        let beyond = self.columns.len().saturating_sub(usize::from(bounds.max_transactions));
        for _ in 0..beyond {
            let oldest = self.columns.entry(0);
            self.beyond.fold(oldest.time, oldest.amount, oldest.status);
            if let Some(transaction) = self.forget_oldest() {
                let until = oldest.time + bounds.dedup_horizon_ms;
                self.beyond.straggle(Straggler { transaction, until });
            }
        }
        beyond
    }

    /// The state as it was at `time`, as far as it is remembered: a copy without later entries.
    fn until(&self, time: i64) -> Self {
        let end = self.columns.at_or_before(time);
        let positions_after = (end..self.columns.len())
            .filter(|&index| self.columns.position(index).is_some())
            .count();
        let mut past = self.clone();
        past.ids.clear();
        past.columns.truncate(end);
        past.anomalies.truncate(end);
        past.distances.forget_newest(positions_after);
        if positions_after > 0 {
            past.last_residual = [0.0; 2];
        }
        past.recount();
        past
    }

    /// A copy that ends earlier lacks the distances of its older transactions. They are measured
    /// from today's home, the best one known.
    #[inline]
    fn complete_distances(&mut self, incoming: &Incoming) {
        let known = self.distances.newest_first().len();
        if known >= KEPT.min(usize::from(self.totals.positions)) {
            return;
        }
        let home = home(self, incoming);
        let positions = (0..self.columns.len()).rev().filter_map(|i| self.columns.position(i));
        let missing: Vec<f64> = positions
            .skip(known)
            .take(KEPT - known)
            .map(|position| home.map_or(0.0, |home| distance_km(position.position(), home)))
            .collect();
        missing.into_iter().for_each(|kilometres| self.distances.push_oldest(kilometres));
    }

    /// The out-of-order path: inserts a transaction at its place and recounts everything.
    fn insert(&mut self, incoming: &Incoming, observation: &Observation, bounds: &Bounds) {
        let index = self.columns.at_or_before(incoming.time);
        let entry = self.take_symbols(incoming, observation);
        self.columns.insert(index, &entry);
        let severity = observation.verdict.anomaly.map(|(_, severity)| severity);
        self.anomalies.insert(index, severity);
        if let Some(position) = incoming.position {
            let after = index + 1..self.columns.len();
            let newer = after.filter(|&i| self.columns.position(i).is_some()).count();
            self.distances.insert(newer, observation.distance_km);
            if newer == 0 {
                self.last_residual = PositionE7::residual(position);
            }
        }
        self.see_first(incoming.time);
        self.remember_id(index, incoming.transaction, bounds);
        self.recount();
    }

    /// Recounts every aggregate from the entries.
    pub(super) fn recount(&mut self) {
        self.symbols.recount(&self.columns);
        self.totals = Totals::recount(&mut self.columns, &mut self.symbols);
    }
}
