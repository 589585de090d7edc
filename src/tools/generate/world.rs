//! Who there is before the first payment: cities, merchants, customers, drawn once by the seed.
//!
//! Everything here is fixed for the whole run and shared by every generated transaction; what
//! changes (journeys, new phones) is in [`super::customer::Life`].

use super::calendar::Calendar;
use super::customer::Customer;
use super::places::{self, City};
use super::random::{Alias, Random, mix};
use super::text::Text;
use super::trade::{CATEGORIES, Category};

/// Someone who takes money.
#[derive(Debug)]
pub(super) struct Merchant {
    pub(super) id: Text<12>,
    pub(super) name: Box<str>,
    /// Index into [`CATEGORIES`].
    pub(super) category: usize,
    /// Index into [`World::cities`]; online merchants have one too, where their office is.
    pub(super) city: usize,
    pub(super) latitude: f64,
    pub(super) longitude: f64,
    pub(super) is_online: bool,
    /// 0 (worst) to 1 (best), two decimal places.
    pub(super) reputation: f64,
    /// Its prices against its category's.
    pub(super) prices: f64,
    /// Visits against other merchants of its kind of place.
    visits: u64,
}

impl Merchant {
    /// What it sells.
    pub(super) fn category(&self) -> &'static Category {
        &CATEGORIES[self.category]
    }
}

/// Merchants of one kind of place, drawn by their visits.
#[derive(Debug, Default)]
pub(super) struct Market {
    merchants: Vec<u32>,
    draw: Alias,
}

impl Market {
    fn new(all: &[Merchant], belongs: impl Fn(&Merchant) -> bool) -> Self {
        let here = |&index: &u32| belongs(&all[index as usize]);
        let merchants: Vec<u32> = (0..all.len() as u32).filter(here).collect();
        let visits: Vec<u64> = merchants.iter().map(|&index| all[index as usize].visits).collect();
        Self { merchants, draw: Alias::new(&visits) }
    }

    /// Whether nobody sells here.
    pub(super) fn is_empty(&self) -> bool {
        self.merchants.is_empty()
    }

    /// A merchant, as likely as it is visited.
    pub(super) fn visit(&self, random: &mut Random) -> u32 {
        self.merchants[self.draw.draw(random)]
    }

    /// A merchant, each as likely.
    pub(super) fn any(&self, random: &mut Random) -> u32 {
        random.pick(&self.merchants)
    }
}

/// Everything that is fixed for the run.
#[derive(Debug)]
pub(super) struct World {
    /// Tells the ids of one seed from those of another.
    pub(super) salt: u64,
    pub(super) calendar: Calendar,
    /// Cities to live in, then cities abroad.
    pub(super) cities: Vec<City>,
    pub(super) merchants: Vec<Merchant>,
    /// Shops of each city, by the city's index.
    pub(super) markets: Vec<Market>,
    pub(super) online: Market,
    /// Online merchants that sell what is easily sold on.
    pub(super) big_ticket: Market,
    /// Merchants that defraud their customers.
    pub(super) colluders: Vec<u32>,
    pub(super) customers: Vec<Customer>,
    /// Customers of each city, by the city's index.
    pub(super) residents: Vec<Vec<u32>>,
    /// Draws customers by how often they pay.
    pub(super) activity: Alias,
}

/// Fewest merchants of which a world can be made: some in each of four cities, online, and abroad.
pub(super) const FEWEST_MERCHANTS: u32 = 20;

impl World {
    /// A world of so many merchants and customers.
    pub(super) fn new(seed: u64, merchants: u32, customers: u32) -> Self {
        let cities = places::cities((merchants as usize / 15).clamp(4, places::most_homes()));
        let mut random = Random::new(seed, 1);
        let merchants = build_merchants(&cities, merchants, &mut random);
        let markets: Vec<Market> = (0..cities.len())
            .map(|city| Market::new(&merchants, |m| !m.is_online && m.city == city))
            .collect();
        let online = Market::new(&merchants, |m| m.is_online);
        let big_ticket = Market::new(&merchants, |m| m.is_online && m.category().is_big_ticket);
        let mut world = Self {
            salt: mix(seed ^ 0x0073_796E_6669_6E00),
            calendar: Calendar::bundled(),
            residents: vec![Vec::new(); cities.len()],
            cities,
            markets,
            online,
            big_ticket,
            colluders: Vec::new(),
            merchants,
            customers: Vec::new(),
            activity: Alias::default(),
        };
        world.settle(customers, &mut Random::new(seed, 2));
        world.corrupt(&mut Random::new(seed, 3));
        world
    }

    fn settle(&mut self, count: u32, random: &mut Random) {
        let weights: Vec<u64> = self.cities.iter().map(|city| city.weight).collect();
        let homes = Alias::new(&weights);
        for index in 0..count {
            let city = homes.draw(random);
            let customer = Customer::new(self, index, city, random);
            self.residents[city].push(index);
            self.customers.push(customer);
        }
        let activity: Vec<u64> = self.customers.iter().map(|customer| customer.activity).collect();
        self.activity = Alias::new(&activity);
    }

    /// Turns one merchant in eighty into a colluder, half of them online, and spoils its reputation
    /// somewhat: a bad name alone does not give it away.
    fn corrupt(&mut self, random: &mut Random) {
        let count = (self.merchants.len() / 80).max(2);
        for number in 0..count {
            let merchant = if number % 2 == 0 {
                self.online.any(random)
            } else {
                let customer = random.below(self.customers.len() as u64) as usize;
                self.markets[self.customers[customer].city].any(random)
            };
            self.colluders.push(merchant);
            self.merchants[merchant as usize].reputation = two_decimals(random.between(0.55, 0.9));
        }
    }

    /// The merchant of this index.
    pub(super) fn merchant(&self, index: u32) -> &Merchant {
        &self.merchants[index as usize]
    }

    /// The customer of this index.
    pub(super) fn customer(&self, index: u32) -> &Customer {
        &self.customers[index as usize]
    }
}

fn build_merchants(cities: &[City], count: u32, random: &mut Random) -> Vec<Merchant> {
    let homes = cities.iter().filter(|city| !city.is_abroad()).count();
    let abroad = (count as usize / 25).max(1);
    let online = (count as usize * 3 / 10).max(4);
    let weights: Vec<u64> = cities.iter().map(|city| city.weight).collect();
    let sites = Alias::new(&weights);
    let place = |index: usize, random: &mut Random| match index {
        _ if index < online => (sites.draw(random), true),
        _ if index < online + abroad => (homes + (index - online) % (cities.len() - homes), false),
        // Every city to live in has a shop before the large ones get more.
        _ if index < online + abroad + homes => (index - online - abroad, false),
        _ => (sites.draw(random), false),
    };
    let site = |index: usize| {
        let (city, is_online) = place(index, random);
        merchant(index, &cities[city], city, is_online, random)
    };
    (0..count as usize).map(site).collect()
}

fn merchant(
    index: usize,
    place: &City,
    city: usize,
    is_online: bool,
    random: &mut Random,
) -> Merchant {
    let shares =
        CATEGORIES.map(|category| if is_online { category.online } else { category.shops });
    // The first online merchant sells electronics, so that a thief always finds some.
    let category = if index == 0 { ELECTRONICS } else { random.weighted(&shares) };
    // Zipf's law: the k-th merchant has a k-th of the visits; five are added to flatten the top.
    let rank = random.below(60) + 5;
    Merchant {
        id: Text::new().text("M").decimal(index as u64 + 1, 6),
        name: name(category, is_online, random),
        category,
        city,
        latitude: four_decimals(place.latitude + random.between(-0.06, 0.06)),
        longitude: four_decimals(place.longitude + random.between(-0.06, 0.06)),
        is_online,
        reputation: two_decimals((0.82 + 0.09 * random.bell()).clamp(0.3, 0.99)),
        prices: random.factor(0.4),
        visits: CATEGORIES[category].visits * 1_000_000 / rank,
    }
}

const ELECTRONICS: usize = 7;
const _: () = assert!(CATEGORIES[ELECTRONICS].is_big_ticket);

fn name(category: usize, is_online: bool, random: &mut Random) -> Box<str> {
    const OWNERS: [&str; 16] = [
        "Sharma",
        "Patel",
        "Reddy",
        "Iyer",
        "Khan",
        "Singh",
        "Das",
        "Nair",
        "Gupta",
        "Mehta",
        "Rao",
        "Joshi",
        "Bose",
        "Kaur",
        "Naidu",
        "Fernandes",
    ];
    const SITES: [&str; 8] =
        ["Bazaar24", "Desi", "QuickKart", "Suvidha", "Nimbus", "Lotus", "Peacock", "Jhatpat"];
    let first = if is_online { random.pick(&SITES) } else { random.pick(&OWNERS) };
    format!("{first} {}", CATEGORIES[category].name).into_boxed_str()
}

/// Rounds to two decimal places.
pub(super) fn two_decimals(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}

/// Rounds degrees to four decimal places, about ten metres.
pub(super) fn four_decimals(value: f64) -> f64 {
    (value * 10_000.0).round() / 10_000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_smallest_world_has_everything() {
        for seed in 0..50 {
            let world = World::new(seed, FEWEST_MERCHANTS, 1);
            assert!(
                world
                    .markets
                    .iter()
                    .zip(&world.cities)
                    .all(|(market, city)| { city.is_abroad() || !market.merchants.is_empty() })
            );
            assert!(!world.online.merchants.is_empty());
            assert!(!world.big_ticket.merchants.is_empty());
            assert!(world.abroad().count() >= 1);
            assert_eq!(world.colluders.len(), 2);
        }
    }

    impl World {
        fn abroad(&self) -> impl Iterator<Item = &Merchant> {
            self.merchants.iter().filter(|merchant| self.cities[merchant.city].is_abroad())
        }
    }
}
