//! What is seen of a payer: device, address, place.
//!
//! Were there something that only thieves leave behind, a single row would give fraud away, and a
//! model trained on it would know that one thing and nothing of behaviour. So honest people and
//! thieves leave their traces by the same functions. Both pay in a [`Guise`] at times: a thief
//! always has a reason, but so has somebody with a borrowed phone, at a hotel's computer or behind
//! a distant server, and there are more of them. A thief who knows the victim well has the very
//! traces that the victim has.

use super::address;
use super::market::Merchant;
use super::random::{Random, four_decimals};
use super::trade::Channel;
use super::world::World;

/// Degrees north and east.
type Position = (f64, f64);

/// What is seen of a payer.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Traces {
    /// Index into the cities.
    pub(super) city: Option<usize>,
    pub(super) position: Option<Position>,
    pub(super) device: Option<u64>,
    pub(super) ip: Option<u32>,
}

/// What replaces the customer's own things and whereabouts in some payments online.
#[derive(Debug, Clone, Copy)]
pub(super) struct Guise {
    /// `None`: the customer's own.
    device: Option<u64>,
    /// The address seen most often; every other payment comes from one of its like.
    ip: u32,
    /// The city, if one is seen; `None`: where the customer is.
    city: Option<Option<usize>>,
}

/// Which of the customer's own traces a guise keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kept {
    Nothing,
    Place,
    PlaceAndDevice,
}

impl Guise {
    /// Another device and address, to be seen in the home city, in another one, or nowhere.
    pub(super) fn draw(kept: Kept, home: usize, world: &World, random: &mut Random) -> Self {
        let bits = random.bits();
        let (ip, city) = match random.below(10) {
            0..3 => (address::foreign(bits), None),
            3..7 => (address::indian(bits), Some(home)),
            _ => (address::indian(bits), Some(random.pick(&world.commerce.homes))),
        };
        let device = random.bits();
        Self {
            device: (kept != Kept::PlaceAndDevice).then_some(device),
            ip,
            city: (kept == Kept::Nothing).then_some(city),
        }
    }
}

/// Someone about to pay.
#[derive(Clone, Copy)]
pub(super) struct Payer<'a> {
    pub(super) world: &'a World,
    pub(super) customer: u32,
    /// The customer's present phone.
    pub(super) phone: u64,
    /// Where they are.
    pub(super) city: usize,
}

impl Payer<'_> {
    /// What is seen of a payment to this merchant; a guise shows online only.
    pub(super) fn traces(
        self,
        merchant: &Merchant,
        channel: Channel,
        guise: Option<Guise>,
        now_ms: i64,
        random: &mut Random,
    ) -> Traces {
        let (city, position) = self.place(merchant, random);
        let (device, ip) = self.equipment(channel, now_ms, random);
        let mut traces = Traces { city, position, device, ip };
        if let Some(guise) = guise.filter(|_| merchant.is_online) {
            self.hide(&mut traces, guise, random);
        }
        traces
    }

    fn hide(self, traces: &mut Traces, guise: Guise, random: &mut Random) {
        let (is_moved, bits) = (random.chance(0.5), random.bits());
        traces.device = guise.device.or(traces.device);
        traces.ip = Some(if is_moved { address::instead_of(guise.ip, bits) } else { guise.ip });
        if let Some(city) = guise.city {
            // A guess by the address: it names a city and means anywhere in it.
            let centre = city.filter(|_| random.chance(0.7)).map(|city| centre(self.world, city));
            traces.city = city;
            traces.position = centre.map(|centre| near(centre, 0.08, random));
        }
    }

    fn is_away(self) -> bool {
        self.city != self.world.customer(self.customer).city
    }

    fn place(self, merchant: &Merchant, random: &mut Random) -> (Option<usize>, Option<Position>) {
        let unknown = random.unit();
        if !merchant.is_online {
            let position = (merchant.latitude, merchant.longitude);
            return (Some(merchant.city), (unknown > 0.05).then_some(position));
        }
        if unknown < 0.04 {
            return (None, None);
        }
        let centre = if self.is_away() {
            centre(self.world, self.city)
        } else {
            let customer = self.world.customer(self.customer);
            (customer.latitude, customer.longitude)
        };
        (Some(self.city), (unknown > 0.12).then(|| near(centre, 0.02, random)))
    }

    fn equipment(
        self,
        channel: Channel,
        now_ms: i64,
        random: &mut Random,
    ) -> (Option<u64>, Option<u32>) {
        let Self { world, customer, phone, city } = self;
        let has_laptop = world.customer(customer).has_laptop;
        let is_laptop = channel == Channel::Online && has_laptop;
        if channel == Channel::Pos {
            return (None, None);
        }
        let bits = match is_laptop {
            true => random.bits(),
            false => address::mobile_bits(world.salt, customer, now_ms),
        };
        let is_at_home = !self.is_away() && channel != Channel::Qr;
        let ip = if is_at_home && (is_laptop || random.chance(0.6)) {
            world.customer(customer).home_ip
        } else if world.commerce.cities[city].is_abroad() {
            address::foreign(bits)
        } else {
            address::indian(bits)
        };
        (Some(if is_laptop { world.laptop(customer) } else { phone }), Some(ip))
    }
}

fn centre(world: &World, city: usize) -> Position {
    let city = &world.commerce.cities[city];
    (city.latitude, city.longitude)
}

/// A place within `spread` degrees of the centre.
fn near(centre: Position, spread: f64, random: &mut Random) -> Position {
    let mut jitter = || random.between(-spread, spread);
    (four_decimals(centre.0 + jitter()), four_decimals(centre.1 + jitter()))
}
