//! Synthetic customers, merchants and fraud, by seed.
//!
//! Real payments cannot be shipped with a program, and a table of random numbers trains and shows
//! nothing: fraud is a deviation from somebody's habits, so there must be somebody with habits.
//! Here customers live in Indian cities, go to their own merchants at their own hours, travel,
//! change phones, get refunds; merchants differ in trade, prices and name; and thieves follow seven
//! patterns, partly with care. Honest life is noisy enough that no single rule is right, and that
//! no single row shows that it is fraud: what a thief's payment looks like, honest ones look like
//! more often. What tells them apart is what came before.
//!
//! [`Generator`] yields transactions in event-time order from memory bounded by customers and
//! merchants. The same [`Settings`] give the same bytes on every machine; a test holds their hash.

mod address;
mod calendar;
mod customer;
mod episode;
mod errand;
mod fraud;
mod generated;
mod life;
mod market;
mod payment;
mod places;
mod queue;
mod random;
mod shopper;
mod stream;
mod text;
mod traces;
mod trade;
mod world;

pub use generated::Generated;
pub use stream::Generator;

use market::FEWEST_MERCHANTS;

/// What to generate.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Settings {
    /// How many transactions, exactly: 1 to 10^12.
    pub transactions: u64,
    /// How many customers make them: 1 to 10 million.
    pub customers: u32,
    /// How many merchants receive them: 20 to 1 million.
    pub merchants: u32,
    /// The share of fraudulent transactions, 0 to 0.5; met to the nearest transaction.
    pub fraud_rate: f64,
    /// Everything follows from it.
    pub seed: u64,
    /// No transaction is before it: milliseconds since the epoch, years 2000 to 2100.
    pub start_ms: i64,
    /// All transactions are less than so many days after the start: 1 to 3,660.
    pub days: u32,
}

impl Default for Settings {
    /// A month of 1,000 customers, fifty payments each: enough for habits and for the longest
    /// windows, small enough to watch.
    fn default() -> Self {
        Self {
            transactions: 50_000,
            customers: 1_000,
            merchants: 1_000,
            fraud_rate: 0.02,
            seed: 42,
            // 2026-01-01T00:00:00Z.
            start_ms: 1_767_225_600_000,
            days: 30,
        }
    }
}

/// 2000-01-01 and 2100-01-01, both at midnight UTC.
const START_MS: (i64, i64) = (946_684_800_000, 4_102_444_800_000);

impl Settings {
    /// Whether a generator can be made of them.
    ///
    /// # Errors
    /// The first setting outside its range, with the range.
    pub fn check(&self) -> Result<(), SettingsError> {
        let within = |is_allowed: bool, flag, value: String, allowed| {
            if is_allowed { Ok(()) } else { Err(SettingsError { flag, value, allowed }) }
        };
        let Self { transactions, customers, merchants, fraud_rate, start_ms, days, .. } = *self;
        within(
            (1..=1_000_000_000_000).contains(&transactions),
            "transactions",
            transactions.to_string(),
            "a whole number from 1 to 1000000000000",
        )?;
        within(
            (1..=10_000_000).contains(&customers),
            "customers",
            customers.to_string(),
            "a whole number from 1 to 10000000",
        )?;
        within(
            (FEWEST_MERCHANTS..=1_000_000).contains(&merchants),
            "merchants",
            merchants.to_string(),
            "a whole number from 20 to 1000000",
        )?;
        within(
            (0.0..=0.5).contains(&fraud_rate),
            "fraud-rate",
            fraud_rate.to_string(),
            "a number from 0 to 0.5",
        )?;
        within(
            (START_MS.0..START_MS.1).contains(&start_ms),
            "start",
            format!("{start_ms} ms"),
            "from 2000-01-01 to before 2100-01-01",
        )?;
        within(
            (1..=3_660).contains(&days),
            "days",
            days.to_string(),
            "a whole number from 1 to 3660",
        )
    }
}

/// A setting outside its range.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("--{flag} is {value}, it must be {allowed}")]
pub struct SettingsError {
    /// The command line's name of the setting, without dashes.
    pub flag: &'static str,
    /// What was given.
    pub value: String,
    /// What is allowed.
    pub allowed: &'static str,
}

/// The patterns of fraud.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FraudKind {
    /// Many small payments within minutes, many refused, then a large one.
    CardTesting,
    /// Another device and address, unknown merchants, rising amounts.
    AccountTakeover,
    /// A purchase far away soon after one at home.
    ImpossibleTravel,
    /// A burst of middling payments.
    VelocityAbuse,
    /// One payment ten to fifty times the usual.
    SpendingSpike,
    /// Purchases at night from an unknown device.
    NewDeviceNight,
    /// Plain payments of several customers, all at one bad merchant.
    MerchantCollusion,
}

impl FraudKind {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::CardTesting,
        Self::AccountTakeover,
        Self::ImpossibleTravel,
        Self::VelocityAbuse,
        Self::SpendingSpike,
        Self::NewDeviceNight,
        Self::MerchantCollusion,
    ];

    /// The stable word for files and labels.
    pub fn word(self) -> &'static str {
        [
            "card_testing",
            "account_takeover",
            "impossible_travel",
            "velocity_abuse",
            "spending_spike",
            "new_device_night",
            "merchant_collusion",
        ][self as usize]
    }
}
