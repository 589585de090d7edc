//! A customer's remembered transactions as columns of 32-bit words, in event-time order.
//!
//! A million customers with thirty transactions each have to fit a small machine. So an entry takes
//! seven words (28 bytes), or eight once the customer has an amount or a symbol that needs more
//! bits. They are columns because the hot questions read one field of many entries ("was this
//! merchant here before?") and so touch a tenth of the memory. Times are milliseconds after a base:
//! 31 days fit 32 bits. The queue is a sliding slice, not a ring: entries leave at `start` and
//! enter at `end`, and all move down when `end` reaches the capacity. So every column is one plain
//! slice.

use super::detectors::Kind;
use super::geo::PositionE7;
use crate::core::transaction::Status;

/// Words of an entry: time, amount, merchant, latitude, longitude, A (flags, city, category), B
/// (reputation, device), and in wide entries C (the high bits that did not fit).
const NARROW: usize = 7;
const WIDE: usize = 8;

const TIME: usize = 0;
const AMOUNT: usize = 1;
const MERCHANT: usize = 2;
const LATITUDE: usize = 3;
const LONGITUDE: usize = 4;
const A: usize = 5;
const B: usize = 6;
const C: usize = 7;

/// A bit field of a word: `(shift, bits)`.
type Field = (u32, u32);
const STATUS: Field = (0, 2);
const HAS_POSITION: Field = (2, 1);
const KIND: Field = (3, 3);
const HOUR: Field = (6, 5);
const LAST: Field = (11, 3);
const CATEGORY: Field = (14, 9);
const CITY: Field = (23, 9);
const REPUTATION: Field = (0, 20);
const DEVICE: Field = (20, 12);
const AMOUNT_HIGH: Field = (0, 22);
const CATEGORY_HIGH: Field = (22, 4);
const CITY_HIGH: Field = (26, 4);
const DEVICE_HIGH: Field = (30, 2);

/// An unknown reputation; known ones are millionths from 0 to 1,000,000.
const NO_REPUTATION: u32 = (1 << REPUTATION.1) - 1;

const fn get(word: u32, field: Field) -> u32 {
    (word >> field.0) & ((1 << field.1) - 1)
}

const fn put(value: u32, field: Field) -> u32 {
    (value & ((1 << field.1) - 1)) << field.0
}

/// What an entry can be the newest of: no later entry has the same merchant, city or device.
/// Counting such entries in a suffix counts its distinct merchants, cities or devices.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Last {
    /// Newest of its merchant.
    Merchant = 0b001,
    /// Newest of its city.
    City = 0b010,
    /// Newest of its device.
    Device = 0b100,
}

/// One remembered transaction, unpacked.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Entry {
    /// Event time, milliseconds since the epoch.
    pub time: i64,
    /// Ten-thousandths of the major unit, at least 0 and below 2^54.
    pub amount: i64,
    /// [`super::hash::hash32`] of the merchant.
    pub merchant: u32,
    /// Where the payment was made, if known.
    pub position: Option<PositionE7>,
    /// Whether it was approved, declined or refunded.
    pub status: Status,
    /// Local hour, 0 to 23.
    pub hour: u8,
    /// The kind of anomaly that it was, if it was one.
    pub kind: Option<Kind>,
    /// Symbol of the category, 0 unknown, below 2^13.
    pub category: u16,
    /// Symbol of the city, 0 unknown, below 2^13.
    pub city: u16,
    /// Symbol of the device, 0 unknown, below 2^14.
    pub device: u16,
    /// The merchant's reputation in millionths, if known.
    pub reputation: Option<u32>,
}

impl Entry {
    fn needs_wide(&self) -> bool {
        self.amount > i64::from(u32::MAX)
            || u32::from(self.category.max(self.city)) >= 1 << CITY.1
            || u32::from(self.device) >= 1 << DEVICE.1
    }

    fn words(&self, time: u32) -> [u32; WIDE] {
        let (latitude, longitude) = self.position.map_or((0, 0), |p| (p.latitude, p.longitude));
        let (category, city) = (u32::from(self.category), u32::from(self.city));
        let device = u32::from(self.device);
        let a = put(self.status as u32, STATUS)
            | put(u32::from(self.position.is_some()), HAS_POSITION)
            | put(self.kind.map_or(0, |kind| kind as u32 + 1), KIND)
            | put(u32::from(self.hour), HOUR)
            | put(category, CATEGORY)
            | put(city, CITY);
        let b = put(self.reputation.unwrap_or(NO_REPUTATION), REPUTATION) | put(device, DEVICE);
        let c = put((self.amount >> 32) as u32, AMOUNT_HIGH)
            | put(category >> CATEGORY.1, CATEGORY_HIGH)
            | put(city >> CITY.1, CITY_HIGH)
            | put(device >> DEVICE.1, DEVICE_HIGH);
        let amount = self.amount as u32;
        [time, amount, self.merchant, latitude as u32, longitude as u32, a, b, c]
    }
}

/// The columns of one customer. Indexes run from 0, the oldest entry, to `len() - 1`.
#[derive(Debug, Clone, Default)]
pub struct Columns {
    words: Box<[u32]>,
    base: i64,
    capacity: u16,
    start: u16,
    end: u16,
    wide: bool,
}

impl Columns {
    /// How many are remembered.
    #[inline]
    pub fn len(&self) -> usize {
        usize::from(self.end - self.start)
    }

    /// Whether none is remembered.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// Bytes on the heap.
    pub fn heap_bytes(&self) -> usize {
        self.words.len() * size_of::<u32>()
    }

    #[inline]
    fn column(&self, column: usize) -> &[u32] {
        let from = column * usize::from(self.capacity);
        &self.words[from + usize::from(self.start)..from + usize::from(self.end)]
    }

    #[inline]
    fn word_mut(&mut self, column: usize, index: usize) -> &mut u32 {
        let from = column * usize::from(self.capacity) + usize::from(self.start);
        &mut self.words[from + index]
    }

    #[inline]
    fn stride(&self) -> usize {
        if self.wide { WIDE } else { NARROW }
    }

    /// Event time of an entry, milliseconds since the epoch.
    #[inline]
    pub fn time(&self, index: usize) -> i64 {
        self.base + i64::from(self.column(TIME)[index])
    }

    /// Event time of the newest entry.
    #[inline]
    pub fn newest(&self) -> Option<i64> {
        self.column(TIME).last().map(|&time| self.base + i64::from(time))
    }

    /// How many entries are at or before `time`.
    pub fn at_or_before(&self, time: i64) -> usize {
        self.column(TIME).partition_point(|&after| self.base + i64::from(after) <= time)
    }

    /// Amount of an entry in ten-thousandths.
    #[inline]
    pub fn amount(&self, index: usize) -> i64 {
        let low = i64::from(self.column(AMOUNT)[index]);
        if self.wide { low | i64::from(get(self.column(C)[index], AMOUNT_HIGH)) << 32 } else { low }
    }

    /// The merchants of all entries, as hashes.
    #[inline]
    pub fn merchants(&self) -> &[u32] {
        self.column(MERCHANT)
    }

    /// Position of an entry, if known.
    #[inline]
    pub fn position(&self, index: usize) -> Option<PositionE7> {
        (get(self.column(A)[index], HAS_POSITION) == 1).then(|| PositionE7 {
            latitude: self.column(LATITUDE)[index] as i32,
            longitude: self.column(LONGITUDE)[index] as i32,
        })
    }

    /// Whether an entry was approved, declined or refunded.
    #[inline]
    pub fn status(&self, index: usize) -> Status {
        match get(self.column(A)[index], STATUS) {
            1 => Status::Declined,
            2 => Status::Refunded,
            _ => Status::Approved,
        }
    }

    /// The kind of anomaly that an entry was, if it was one.
    #[inline]
    pub fn kind(&self, index: usize) -> Option<Kind> {
        Kind::from_index(get(self.column(A)[index], KIND).checked_sub(1)?)
    }

    /// Symbol of an entry's category, 0 unknown.
    #[inline]
    pub fn category(&self, index: usize) -> u16 {
        let high = if self.wide { get(self.column(C)[index], CATEGORY_HIGH) } else { 0 };
        (get(self.column(A)[index], CATEGORY) | high << CATEGORY.1) as u16
    }

    /// Symbol of an entry's city, 0 unknown.
    #[inline]
    pub fn city(&self, index: usize) -> u16 {
        let high = if self.wide { get(self.column(C)[index], CITY_HIGH) } else { 0 };
        (get(self.column(A)[index], CITY) | high << CITY.1) as u16
    }

    /// Symbol of an entry's device, 0 unknown.
    #[inline]
    pub fn device(&self, index: usize) -> u16 {
        let high = if self.wide { get(self.column(C)[index], DEVICE_HIGH) } else { 0 };
        (get(self.column(B)[index], DEVICE) | high << DEVICE.1) as u16
    }

    /// Reputation of an entry's merchant in millionths, if known.
    #[inline]
    pub fn reputation(&self, index: usize) -> Option<u32> {
        Some(get(self.column(B)[index], REPUTATION)).filter(|&value| value != NO_REPUTATION)
    }

    /// How many entries have a local hour marked in `is_near`.
    #[inline]
    pub fn count_hours(&self, is_near: [bool; 24]) -> usize {
        let mask = is_near.iter().rev().fold(0_u32, |mask, &near| mask << 1 | u32::from(near));
        self.column(A).iter().map(|&a| (mask >> get(a, HOUR) & 1) as usize).sum()
    }

    /// Whether an entry is the newest of its merchant, city or device.
    #[inline]
    pub fn is_last(&self, index: usize, last: Last) -> bool {
        get(self.column(A)[index], LAST) & last as u32 != 0
    }

    /// Marks or unmarks an entry as the newest of its merchant, city or device.
    #[inline]
    pub fn set_last(&mut self, index: usize, last: Last, is_last: bool) {
        let bit = put(last as u32, LAST);
        let word = self.word_mut(A, index);
        *word = if is_last { *word | bit } else { *word & !bit };
    }

    /// The newest of the first `end` entries with this merchant, if there is one.
    pub fn find_merchant(&self, merchant: u32, end: usize) -> Option<usize> {
        const STEP: usize = 16;
        let merchants = &self.column(MERCHANT)[..end];
        let mut end = merchants.len();
        // Whole steps are compared without branches, so that the compiler vectorises them.
        while end >= STEP {
            let step = &merchants[end - STEP..end];
            if step.iter().fold(false, |found, &other| found | (other == merchant)) {
                break;
            }
            end -= STEP;
        }
        merchants[..end].iter().rposition(|&other| other == merchant)
    }

    /// An entry, unpacked.
    pub fn entry(&self, index: usize) -> Entry {
        Entry {
            time: self.time(index),
            amount: self.amount(index),
            merchant: self.merchants()[index],
            position: self.position(index),
            status: self.status(index),
            hour: get(self.column(A)[index], HOUR) as u8,
            kind: self.kind(index),
            category: self.category(index),
            city: self.city(index),
            device: self.device(index),
            reputation: self.reputation(index),
        }
    }

    /// Removes the oldest entry. Panics if there is none.
    pub fn pop_oldest(&mut self) {
        assert!(!self.is_empty(), "no entry to forget");
        self.start += 1;
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
        }
    }

    /// Inserts an entry at `index` and moves the later ones up. The caller keeps the time order.
    pub fn insert(&mut self, index: usize, entry: &Entry) {
        if entry.needs_wide() && !self.wide {
            self.resize(self.capacity, WIDE);
        }
        if self.end == self.capacity {
            self.make_room();
        }
        self.rebase(entry.time);
        let words = entry.words((entry.time - self.base) as u32);
        let (at, end) = (usize::from(self.start) + index, usize::from(self.end));
        for (column, &word) in words.iter().enumerate().take(self.stride()) {
            let from = column * usize::from(self.capacity);
            if at < end {
                self.words.copy_within(from + at..from + end, from + at + 1);
            }
            self.words[from + at] = word;
        }
        self.end += 1;
    }

    /// Keeps the first `count` entries only.
    pub fn truncate(&mut self, count: usize) {
        self.end = self.end.min(self.start + count as u16);
    }

    /// Slides the entries down if an eighth of the capacity is free below them, else grows by an
    /// eighth. That leaves little slack in a million customers, and the occasional move costs a few
    /// bytes per entry.
    fn make_room(&mut self) {
        let (used, capacity) = (self.end - self.start, self.capacity);
        let spare = (capacity / 8).max(2);
        let wanted = if self.start >= spare { capacity } else { used + spare };
        self.resize(wanted, self.stride());
    }

    fn resize(&mut self, capacity: u16, stride: usize) {
        let (len, size) = (self.len(), usize::from(capacity));
        if capacity == self.capacity && stride == self.stride() {
            self.slide(size);
        } else {
            let mut words = vec![0; size * stride].into_boxed_slice();
            for column in 0..self.stride() {
                words[column * size..column * size + len].copy_from_slice(self.column(column));
            }
            self.words = words;
        }
        (self.capacity, self.wide) = (capacity, stride == WIDE);
        (self.start, self.end) = (0, len as u16);
    }

    fn slide(&mut self, size: usize) {
        let (start, end) = (usize::from(self.start), usize::from(self.end));
        for column in 0..self.stride() {
            self.words.copy_within(column * size + start..column * size + end, column * size);
        }
    }

    /// Moves the base so that `time` and every entry fit 32 bits after it. Entries lie within 31
    /// days of each other, 62 % of what 32 bits of milliseconds hold.
    fn rebase(&mut self, time: i64) {
        let fits = (0..=i64::from(u32::MAX)).contains(&(time - self.base));
        if fits && !self.is_empty() {
            return;
        }
        let base = if self.is_empty() { time } else { time.min(self.time(0)) };
        let shift = self.base - base;
        for index in 0..self.len() {
            let word = self.word_mut(TIME, index);
            *word = (i64::from(*word) + shift) as u32;
        }
        self.base = base;
    }
}
