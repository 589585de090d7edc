//! What is bought and how it is paid: categories with their prices, payment modes, channels.
//!
//! The figures are plausible for an Indian city household, not measured: they make amounts differ
//! by category as they do in life, so that "much for groceries" and "much for jewellery" differ.

use super::random::Random;

/// A kind of merchant.
#[derive(Debug)]
pub(super) struct Category {
    /// As the transaction's `category` says.
    pub(super) name: &'static str,
    /// How many of the merchants with a shop are of this kind, against the others.
    pub(super) shops: u32,
    /// The same of merchants online.
    pub(super) online: u32,
    /// Visits to one such merchant against the others.
    pub(super) visits: u64,
    /// A middling amount in rupees for a middling income.
    pub(super) median: f64,
    /// The spread of amounts, in doublings.
    pub(super) octaves: f64,
    /// Whether people with more money spend in proportion, or only with the root of it.
    pub(super) is_elastic: bool,
    /// Where a thief turns a card into goods, and honest people spend most at once.
    pub(super) is_big_ticket: bool,
}

/// All categories; a merchant names one by its index.
pub(super) const CATEGORIES: [Category; 15] = [
    category("Groceries", [20, 8], 12, 420.0, 1.1, false),
    category("Dining", [16, 10], 10, 320.0, 1.0, true),
    category("Fuel", [6, 0], 12, 600.0, 0.7, false),
    category("Transport", [6, 10], 12, 160.0, 1.0, false),
    category("Utilities", [2, 8], 8, 1_100.0, 0.9, false),
    category("Mobile Recharge", [4, 8], 8, 299.0, 0.6, false),
    category("Fashion", [10, 12], 5, 1_400.0, 1.1, true),
    big_ticket(category("Electronics", [5, 9], 3, 6_500.0, 1.3, true)),
    category("Health", [9, 5], 6, 520.0, 1.1, false),
    category("Entertainment", [4, 8], 7, 450.0, 0.9, true),
    big_ticket(category("Travel", [2, 8], 3, 4_200.0, 1.2, true)),
    category("Education", [3, 3], 3, 5_000.0, 1.2, true),
    big_ticket(category("Jewellery", [3, 2], 1, 18_000.0, 1.2, true)),
    category("Digital Goods", [0, 9], 6, 250.0, 1.2, false),
    category("Home", [6, 6], 4, 1_800.0, 1.2, true),
];

const fn category(
    name: &'static str,
    [shops, online]: [u32; 2],
    visits: u64,
    median: f64,
    octaves: f64,
    is_elastic: bool,
) -> Category {
    let is_big_ticket = false;
    Category { name, shops, online, visits, median, octaves, is_elastic, is_big_ticket }
}

const fn big_ticket(mut category: Category) -> Category {
    category.is_big_ticket = true;
    category
}

/// How a payment is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    Upi,
    CreditCard,
    DebitCard,
    NetBanking,
    Wallet,
    Cash,
}

impl Mode {
    const ALL: [Self; 6] =
        [Self::Upi, Self::CreditCard, Self::DebitCard, Self::NetBanking, Self::Wallet, Self::Cash];

    /// As the transaction's `payment_mode` says.
    pub(super) fn name(self) -> &'static str {
        ["UPI", "Credit Card", "Debit Card", "Net Banking", "Wallet", "Cash"][self as usize]
    }

    /// The mode that a customer likes best.
    pub(super) fn favourite(random: &mut Random) -> Self {
        Self::ALL[random.weighted(&[58, 18, 12, 2, 5, 5])]
    }

    /// Whether it can pay this: nobody pays cash online, UPI ends at a lakh, purses are small.
    fn suits(self, online: bool, rupees: f64) -> bool {
        match self {
            Self::Upi => rupees <= 100_000.0,
            Self::Wallet => rupees <= 10_000.0,
            Self::Cash => !online && rupees <= 20_000.0,
            Self::NetBanking => online || rupees > 20_000.0,
            Self::CreditCard | Self::DebitCard => true,
        }
    }

    /// Whether a bank can refuse it.
    pub(super) fn can_fail(self) -> bool {
        self != Self::Cash
    }

    /// This mode, or a card where it cannot pay so much.
    pub(super) fn or_card(self, online: bool, rupees: f64) -> Self {
        if self.suits(online, rupees) { self } else { Self::DebitCard }
    }

    /// How someone pays online who may not have the account owner's phone at hand.
    pub(super) fn from_afar(random: &mut Random) -> Self {
        Self::ALL[random.weighted(&[16, 40, 20, 12, 12, 0])]
    }

    /// How a customer with this favourite pays so much.
    pub(super) fn choose(random: &mut Random, favourite: Self, online: bool, rupees: f64) -> Self {
        let weights = match (online, rupees > 20_000.0) {
            (_, true) => [22, 44, 14, 20, 0, 0],
            (true, false) => [56, 18, 10, 6, 10, 0],
            (false, false) => [56, 12, 14, 0, 4, 14],
        };
        let chosen =
            if random.chance(0.6) { favourite } else { Self::ALL[random.weighted(&weights)] };
        chosen.or_card(online, rupees)
    }
}

/// Where a payment is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Channel {
    /// At a terminal or a till.
    Pos,
    /// With a phone, in a shop.
    Qr,
    /// In a browser.
    Online,
    /// With a phone, anywhere.
    MobileApp,
}

impl Channel {
    /// As the transaction's `channel` says.
    pub(super) fn name(self) -> &'static str {
        ["POS", "QR", "Online", "Mobile App"][self as usize]
    }

    /// Where such a payment is made.
    pub(super) fn choose(random: &mut Random, online: bool, mode: Mode) -> Self {
        match (online, mode) {
            (true, _) if random.chance(0.62) => Self::MobileApp,
            (true, _) => Self::Online,
            (false, Mode::Upi | Mode::Wallet) => Self::Qr,
            (false, _) => Self::Pos,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_keep_their_limits() {
        let mut random = Random::new(5, 0);
        for favourite in Mode::ALL {
            for (online, rupees) in [(true, 50.0), (true, 150_000.0), (false, 90_000.0)] {
                for _ in 0..500 {
                    let mode = Mode::choose(&mut random, favourite, online, rupees);
                    assert!(mode.suits(online, rupees), "{mode:?} {online} {rupees}");
                }
            }
        }
    }
}
