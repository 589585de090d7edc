//! Who there is before the first payment: merchants and customers, drawn once by the seed.
//!
//! Everything here is fixed for the whole run and shared by every generated transaction; what
//! changes (journeys, new phones) is in [`super::life::Life`].

use std::cmp::Reverse;

use super::calendar::Calendar;
use super::customer::Customer;
use super::market::{Commerce, Merchant};
use super::random::{Alias, Random, mix, two_decimals};

/// Everything that is fixed for the run.
#[derive(Debug)]
pub(super) struct World {
    /// Tells the ids of one seed from those of another.
    pub(super) salt: u64,
    pub(super) calendar: Calendar,
    pub(super) commerce: Commerce,
    /// Merchants that defraud their customers, the most visited first.
    pub(super) colluders: Vec<u32>,
    pub(super) customers: Vec<Customer>,
    /// Customers of each city, by the city's index.
    pub(super) residents: Vec<Vec<u32>>,
    /// Draws customers by how often they pay.
    pub(super) activity: Alias,
}

impl World {
    /// A world of so many merchants and customers.
    pub(super) fn new(seed: u64, merchants: u32, customers: u32) -> Self {
        let commerce = Commerce::new(merchants, &mut Random::new(seed, 1));
        let mut world = Self {
            salt: mix(seed ^ 0x0073_796E_6669_6E00),
            calendar: Calendar::bundled(),
            residents: vec![Vec::new(); commerce.cities.len()],
            commerce,
            colluders: Vec::new(),
            customers: Vec::new(),
            activity: Alias::default(),
        };
        world.settle(customers, &mut Random::new(seed, 2));
        world.corrupt(&mut Random::new(seed, 3));
        world
    }

    fn settle(&mut self, count: u32, random: &mut Random) {
        let weights: Vec<u64> = self.commerce.cities.iter().map(|city| city.weight).collect();
        let homes = Alias::new(&weights);
        for index in 0..count {
            let city = homes.draw(random);
            let customer = Customer::new(&self.commerce, index, city, random);
            self.residents[city].push(index);
            self.customers.push(customer);
        }
        let activity: Vec<u64> = self.customers.iter().map(|customer| customer.activity).collect();
        self.activity = Alias::new(&activity);
    }

    /// Turns one merchant in eighty into a colluder, half of them online, and spoils its reputation
    /// somewhat: a bad name alone does not give it away. Colluders are merchants with many honest
    /// visits, among which the others disappear.
    fn corrupt(&mut self, random: &mut Random) {
        let count = (self.commerce.merchants.len() / 80).max(2);
        for number in 0..count {
            let draws = [(); 3].map(|()| self.possible_colluder(number % 2 == 0, random));
            // A few draws may find nobody new; two draws for one merchant make it twice as bad.
            let is_new = |merchant: &u32| !self.colluders.contains(merchant);
            let visits = |&merchant: &u32| (is_new(&merchant), self.merchant(merchant).visits);
            let merchant = draws.into_iter().max_by_key(visits).unwrap_or(draws[0]);
            self.colluders.push(merchant);
            self.commerce.merchants[merchant as usize].reputation =
                two_decimals(random.between(0.65, 0.9));
        }
        let merchants = &self.commerce.merchants;
        self.colluders.sort_by_key(|&index| Reverse(merchants[index as usize].visits));
    }

    fn possible_colluder(&self, is_online: bool, random: &mut Random) -> u32 {
        if is_online {
            return self.commerce.online.visit(random);
        }
        let customer = random.below(self.customers.len() as u64) as usize;
        self.commerce.markets[self.customers[customer].city].visit(random)
    }

    /// A customer's laptop: it never changes.
    pub(super) fn laptop(&self, customer: u32) -> u64 {
        self.device(customer, 1)
    }

    /// A customer's device of this number: an odd one is a laptop, an even one a phone.
    pub(super) fn device(&self, customer: u32, number: u32) -> u64 {
        mix(self.salt.wrapping_add(u64::from(customer) << 24 | u64::from(number)))
    }

    /// The merchant of this index.
    pub(super) fn merchant(&self, index: u32) -> &Merchant {
        &self.commerce.merchants[index as usize]
    }

    /// The customer of this index.
    pub(super) fn customer(&self, index: u32) -> &Customer {
        &self.customers[index as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::super::market::FEWEST_MERCHANTS;
    use super::*;

    #[test]
    fn the_smallest_world_has_everything() {
        for seed in 0..50 {
            let world = World::new(seed, FEWEST_MERCHANTS, 1);
            let commerce = &world.commerce;
            let sells = |merchant: &Merchant| commerce.cities[merchant.city].is_abroad();
            let mut markets = commerce.markets.iter().zip(&commerce.cities);
            assert!(markets.all(|(market, city)| city.is_abroad() || !market.is_empty()));
            assert!(!commerce.online.is_empty());
            assert!(!commerce.big_ticket.is_empty());
            assert!(commerce.merchants.iter().any(sells));
            assert_eq!(world.colluders.len(), 2);
        }
    }
}
