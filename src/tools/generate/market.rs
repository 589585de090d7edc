//! Who takes money: cities with their shops, merchants online, drawn once by the seed.

use super::places::{self, City};
use super::random::{Alias, Random, four_decimals, two_decimals};
use super::text::Text;
use super::trade::{CATEGORIES, Category};

/// Someone who takes money.
#[derive(Debug)]
pub(super) struct Merchant {
    pub(super) id: Text<12>,
    pub(super) name: Box<str>,
    /// Index into [`CATEGORIES`].
    pub(super) category: usize,
    /// Index into [`Commerce::cities`]; online merchants have one too, where their office is.
    pub(super) city: usize,
    pub(super) latitude: f64,
    pub(super) longitude: f64,
    pub(super) is_online: bool,
    /// 0 (worst) to 1 (best), two decimal places.
    pub(super) reputation: f64,
    /// Its prices against its category's.
    pub(super) prices: f64,
    /// Visits against other merchants of its kind of place.
    pub(super) visits: u64,
}

impl Merchant {
    /// What it sells.
    pub(super) fn category(&self) -> &'static Category {
        &CATEGORIES[self.category]
    }

    /// What someone of middling income usually pays here, in rupees.
    pub(super) fn usual_rupees(&self) -> f64 {
        self.category().median * self.prices
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

/// All cities and merchants.
#[derive(Debug)]
pub(super) struct Commerce {
    /// Cities to live in, then cities abroad.
    pub(super) cities: Vec<City>,
    pub(super) merchants: Vec<Merchant>,
    /// Shops of each city, by the city's index.
    pub(super) markets: Vec<Market>,
    pub(super) online: Market,
    /// Online merchants that sell what is easily sold on.
    pub(super) big_ticket: Market,
    /// Cities to live in.
    pub(super) homes: Vec<usize>,
    /// Cities abroad that have shops.
    pub(super) abroad: Vec<usize>,
}

/// Fewest merchants of which a world can be made: some in each of four cities, online, and abroad.
pub(super) const FEWEST_MERCHANTS: u32 = 20;

impl Commerce {
    /// So many merchants.
    pub(super) fn new(merchants: u32, random: &mut Random) -> Self {
        let cities = places::cities((merchants as usize / 15).clamp(4, places::most_homes()));
        let merchants = build_merchants(&cities, merchants, random);
        let markets: Vec<Market> = (0..cities.len())
            .map(|city| Market::new(&merchants, |m| !m.is_online && m.city == city))
            .collect();
        let online = Market::new(&merchants, |m| m.is_online);
        let big_ticket = Market::new(&merchants, |m| m.is_online && m.category().is_big_ticket);
        let is_abroad = |&city: &usize| cities[city].is_abroad() && !markets[city].is_empty();
        let abroad = (0..cities.len()).filter(is_abroad).collect();
        let homes = (0..cities.len()).filter(|&city| !cities[city].is_abroad()).collect();
        Self { cities, merchants, markets, online, big_ticket, homes, abroad }
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
