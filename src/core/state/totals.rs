//! Running totals over a customer's sliding windows.
//!
//! Every window ends at the newest transaction, so it is a suffix of the columns: a tail index,
//! counts and an integer sum. As time goes on, tails move forward and what they pass is subtracted;
//! a new transaction is added to every window. All counts and sums are exact integers, even
//! entropy: it is kept as the sum of n·log2(n) over categories in fixed point. So subtracting
//! undoes adding to the last bit, and [`Totals::recount`] gives exactly what the running totals
//! give.

use std::sync::LazyLock;

use super::columns::{Columns, Last};
use super::symbols::{Symbols, UNKNOWN};
use crate::core::transaction::{DAY_MS, HOUR_MS, Status};

/// The sliding windows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Window {
    /// One hour.
    Hour = 0,
    /// Six hours.
    SixHours = 1,
    /// 24 hours.
    Day = 2,
    /// Seven days.
    Week = 3,
    /// 30 days.
    Month = 4,
}

impl Window {
    /// All of them, shortest first.
    pub const ALL: [Self; 5] = [Self::Hour, Self::SixHours, Self::Day, Self::Week, Self::Month];

    /// Width in milliseconds: a window at t holds (t - width, t].
    pub const fn millis(self) -> i64 {
        [HOUR_MS, 6 * HOUR_MS, DAY_MS, 7 * DAY_MS, 30 * DAY_MS][self as usize]
    }
}

/// n·log2(n) in units of 2^-32, for every count that a window can hold.
static N_LOG2_N: LazyLock<Box<[i64]>> = LazyLock::new(|| {
    let fixed = |n: f64| (n * n.max(1.0).log2() * FIXED_POINT).round() as i64;
    (0..=u32::from(super::Bounds::MAX_TRANSACTIONS) + 1).map(|n| fixed(f64::from(n))).collect()
});
const FIXED_POINT: f64 = 4_294_967_296.0;

/// Totals over everything remembered and over each window's suffix of it. "The day" is
/// [`Window::Day`], and so on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Totals {
    /// Sum of each window's amounts in ten-thousandths, without refunds.
    pub sums: [i64; 5],
    /// Index of each window's oldest entry; the number of entries if the window is empty.
    pub tails: [u16; 5],
    /// How many entries are in each window's sum.
    pub summed: [u16; 5],
    /// Distinct merchants of the day.
    pub merchants_day: u16,
    /// Distinct merchants of the month.
    pub merchants_month: u16,
    /// Distinct cities of the week.
    pub cities_week: u16,
    /// Distinct devices of the week.
    pub devices_week: u16,
    /// Refunds of the month.
    pub refunds_month: u16,
    /// Declined transactions of the week.
    pub declined_week: u16,
    /// Declined transactions of the hour.
    pub declined_hour: u16,
    /// Entries of the month with a known category.
    pub categories_month: u16,
    /// Entries of the month with a known reputation.
    pub reputations_month: u16,
    /// Sum of those reputations in millionths.
    pub reputation_sum_month: u32,
    /// Sum of n·log2(n) over the month's categories, fixed point.
    category_n_log_n: i64,
    /// Entries in the sums over everything remembered: all but refunds.
    pub history_summed: u16,
    /// Entries with a position.
    pub positions: u16,
    /// Sum of all amounts in ten-thousandths, without refunds.
    pub history_sum: i64,
    /// Sum of their squares, in two halves to keep the struct aligned to eight bytes.
    history_squares: [u64; 2],
    /// Sums of latitudes and longitudes in 1e-7 degrees.
    pub position_sums: [i64; 2],
}

impl Totals {
    /// Sum of the squared amounts in ten-thousandths squared, without refunds.
    #[inline]
    pub fn history_squares(&self) -> u128 {
        u128::from(self.history_squares[1]) << 64 | u128::from(self.history_squares[0])
    }

    fn set_history_squares(&mut self, squares: u128) {
        self.history_squares = [squares as u64, (squares >> 64) as u64];
    }

    /// Entropy of the month's known categories in bits.
    #[inline]
    pub fn category_entropy_month(&self) -> f64 {
        if self.categories_month == 0 {
            return 0.0;
        }
        let n = f64::from(self.categories_month);
        (n.log2() - self.category_n_log_n as f64 / FIXED_POINT / n).max(0.0)
    }

    /// Moves every window to end at `now`, which is not before the newest entry.
    #[inline]
    pub fn advance(&mut self, columns: &Columns, symbols: &mut Symbols, now: i64) {
        for window in Window::ALL {
            let w = window as usize;
            let start = now - window.millis();
            while usize::from(self.tails[w]) < columns.len()
                && columns.time(usize::from(self.tails[w])) <= start
            {
                let index = usize::from(self.tails[w]);
                self.change(columns, symbols, window, index, false);
                self.tails[w] += 1;
            }
        }
    }

    /// Adds the newest entry, which is in the columns already. Windows end at its time already.
    #[inline]
    pub fn enter_newest(&mut self, columns: &mut Columns, symbols: &mut Symbols) {
        let index = columns.len() - 1;
        self.supersede(columns, symbols, index);
        for window in Window::ALL {
            self.change(columns, symbols, window, index, true);
        }
        self.change_history(columns, index, true);
    }

    /// Subtracts the oldest entry from everything, before it leaves the columns.
    pub fn leave_oldest(&mut self, columns: &Columns, symbols: &mut Symbols) {
        for window in Window::ALL {
            match &mut self.tails[window as usize] {
                0 => self.change(columns, symbols, window, 0, false),
                tail => *tail -= 1,
            }
        }
        self.change_history(columns, 0, false);
    }

    /// Makes the entry at `index` the newest of its merchant, city and device.
    #[inline]
    fn supersede(&mut self, columns: &mut Columns, symbols: &Symbols, index: usize) {
        let before = columns.find_merchant(columns.merchants()[index], index);
        self.replace_last(columns, index, before, Last::Merchant);
        let city = columns.city(index);
        if city != UNKNOWN {
            // A symbol that no other entry uses has no earlier entry, so there is nothing to
            // search.
            let earlier = if symbols.used(city) > 1 { index } else { 0 };
            let before = (0..earlier).rev().find(|&other| columns.city(other) == city);
            self.replace_last(columns, index, before, Last::City);
        }
        let device = columns.device(index);
        if device != UNKNOWN {
            let earlier = if symbols.used(device) > 1 { index } else { 0 };
            let before = (0..earlier).rev().find(|&other| columns.device(other) == device);
            self.replace_last(columns, index, before, Last::Device);
        }
    }

    fn replace_last(
        &mut self,
        columns: &mut Columns,
        index: usize,
        before: Option<usize>,
        last: Last,
    ) {
        if let Some(before) = before {
            for window in Window::ALL {
                if before >= usize::from(self.tails[window as usize])
                    && let Some(count) = self.distinct_mut(window, last)
                {
                    *count -= 1;
                }
            }
            columns.set_last(before, last, false);
        }
        columns.set_last(index, last, true);
    }

    /// The window's count of distinct values of this kind, if it keeps one.
    fn distinct_mut(&mut self, window: Window, last: Last) -> Option<&mut u16> {
        match (window, last) {
            (Window::Day, Last::Merchant) => Some(&mut self.merchants_day),
            (Window::Month, Last::Merchant) => Some(&mut self.merchants_month),
            (Window::Week, Last::City) => Some(&mut self.cities_week),
            (Window::Week, Last::Device) => Some(&mut self.devices_week),
            _ => None,
        }
    }

    /// Adds an entry to a window's totals or subtracts it.
    #[inline]
    fn change(
        &mut self,
        columns: &Columns,
        symbols: &mut Symbols,
        window: Window,
        index: usize,
        entering: bool,
    ) {
        let status = columns.status(index);
        if status != Status::Refunded {
            let w = window as usize;
            add(&mut self.sums[w], columns.amount(index), entering);
            count(&mut self.summed[w], entering);
        }
        match window {
            Window::Hour => count_if(&mut self.declined_hour, status == Status::Declined, entering),
            Window::SixHours => {}
            Window::Day => self.count_last(columns, window, index, entering),
            Window::Week => {
                count_if(&mut self.declined_week, status == Status::Declined, entering);
                self.count_last(columns, window, index, entering);
            }
            Window::Month => {
                count_if(&mut self.refunds_month, status == Status::Refunded, entering);
                self.count_last(columns, window, index, entering);
                self.change_month(columns, symbols, index, entering);
            }
        }
    }

    #[inline]
    fn count_last(&mut self, columns: &Columns, window: Window, index: usize, entering: bool) {
        for last in [Last::Merchant, Last::City, Last::Device] {
            if let Some(distinct) = self.distinct_mut(window, last) {
                count_if(distinct, columns.is_last(index, last), entering);
            }
        }
    }

    #[inline]
    fn change_month(
        &mut self,
        columns: &Columns,
        symbols: &mut Symbols,
        index: usize,
        entering: bool,
    ) {
        let category = columns.category(index);
        if category != UNKNOWN {
            let before = usize::from(symbols.change_month(category, if entering { 1 } else { -1 }));
            let after = if entering { before + 1 } else { before - 1 };
            self.category_n_log_n += N_LOG2_N[after] - N_LOG2_N[before];
            count(&mut self.categories_month, entering);
        }
        if let Some(reputation) = columns.reputation(index) {
            count(&mut self.reputations_month, entering);
            self.reputation_sum_month = if entering {
                self.reputation_sum_month + reputation
            } else {
                self.reputation_sum_month - reputation
            };
        }
    }

    #[inline]
    fn change_history(&mut self, columns: &Columns, index: usize, entering: bool) {
        if columns.status(index) != Status::Refunded {
            let amount = columns.amount(index);
            let square = u128::from(amount.unsigned_abs()).pow(2);
            let squares = self.history_squares();
            self.set_history_squares(if entering { squares + square } else { squares - square });
            add(&mut self.history_sum, amount, entering);
            count(&mut self.history_summed, entering);
        }
        if let Some(position) = columns.position(index) {
            add(&mut self.position_sums[0], i64::from(position.latitude), entering);
            add(&mut self.position_sums[1], i64::from(position.longitude), entering);
            count(&mut self.positions, entering);
        }
    }

    /// Recounts the totals from the columns, with windows ending at the newest entry. Marks the
    /// newest entry of each merchant, city and device, and recounts the months of the symbols.
    pub fn recount(columns: &mut Columns, symbols: &mut Symbols) -> Self {
        let mut totals = Self::default();
        let Some(now) = columns.newest() else { return totals };
        mark_last(columns);
        symbols.clear_month();
        for window in Window::ALL {
            let tail = columns.at_or_before(now - window.millis());
            totals.tails[window as usize] = tail as u16;
            for index in tail..columns.len() {
                totals.change(columns, symbols, window, index, true);
            }
        }
        for index in 0..columns.len() {
            totals.change_history(columns, index, true);
        }
        totals
    }
}

fn mark_last(columns: &mut Columns) {
    mark_last_of(columns, Last::Merchant, |columns, index| Some(columns.merchants()[index]));
    let known = |symbol: u16| Some(u32::from(symbol)).filter(|_| symbol != UNKNOWN);
    mark_last_of(columns, Last::City, |columns, index| known(columns.city(index)));
    mark_last_of(columns, Last::Device, |columns, index| known(columns.device(index)));
}

fn mark_last_of(columns: &mut Columns, last: Last, value: impl Fn(&Columns, usize) -> Option<u32>) {
    let mut keyed: Vec<(Option<u32>, usize)> =
        (0..columns.len()).map(|index| (value(columns, index), index)).collect();
    keyed.sort_unstable();
    for (at, &(value, index)) in keyed.iter().enumerate() {
        let next_differs = keyed.get(at + 1).is_none_or(|&(next, _)| next != value);
        columns.set_last(index, last, next_differs && value.is_some());
    }
}

/// Sums wrap around. They are exact while the true sum fits 64 bits, which
/// [`crate::base::limits::MAX_AMOUNT_MAJOR`] ensures for any window of sane payments.
#[inline]
fn add(sum: &mut i64, value: i64, entering: bool) {
    *sum = if entering { sum.wrapping_add(value) } else { sum.wrapping_sub(value) };
}

#[inline]
fn count(count: &mut u16, entering: bool) {
    *count = if entering { *count + 1 } else { *count - 1 };
}

#[inline]
fn count_if(total: &mut u16, applies: bool, entering: bool) {
    if applies {
        count(total, entering);
    }
}
