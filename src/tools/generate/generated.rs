//! One generated transaction: what the world knows of it, and its label.

use std::sync::Arc;

use super::FraudKind;
use super::address::dotted;
use super::payment::Payment;
use super::text::Text;
use super::world::World;
use crate::core::transaction::RawTransaction;

/// A transaction and the truth about it. Owns its texts without an allocation: what belongs to a
/// customer or a merchant is shared.
#[derive(Debug, Clone)]
pub struct Generated {
    /// The truth: whether it is fraud.
    pub is_fraud: bool,
    /// Which pattern it is part of; `None` for an honest one.
    pub fraud_type: Option<FraudKind>,
    world: Arc<World>,
    payment: Payment,
    id: Text<28>,
    device: Text<20>,
    ip: Text<16>,
}

impl Generated {
    /// The payment as transaction number `number` of this world.
    pub(super) fn new(world: &Arc<World>, payment: Payment, number: u64) -> Self {
        let device =
            payment.traces.device.map_or(Text::new(), |id| Text::new().text("D-").hex(id, 12));
        Self {
            is_fraud: payment.fraud.is_some(),
            fraud_type: payment.fraud,
            id: Text::new().text("T-").hex(world.salt, 6).text("-").decimal(number + 1, 9),
            device,
            ip: payment.traces.ip.map_or(Text::new(), dotted),
            payment,
            world: Arc::clone(world),
        }
    }

    /// The transaction as a producer would send it. It validates for every clock that is not more
    /// than a day behind its event time.
    pub fn raw(&self) -> RawTransaction<'_> {
        let payment = &self.payment;
        let customer = self.world.customer(payment.customer);
        let merchant = self.world.merchant(payment.merchant);
        let city = payment.traces.city.map(|city| &self.world.commerce.cities[city]);
        RawTransaction {
            transaction_id: self.id.as_str(),
            customer_id: customer.id.as_str(),
            merchant_id: merchant.id.as_str(),
            event_time: payment.time_ms,
            amount: payment.paise as f64 / 100.0,
            currency: "INR",
            category: merchant.category().name,
            payment_mode: payment.mode.name(),
            channel: payment.channel.name(),
            status: payment.status,
            merchant_name: Some(&merchant.name),
            merchant_reputation: Some(merchant.reputation),
            city: city.map(|city| city.name),
            country: city.map(|city| city.country),
            latitude: payment.traces.position.map(|(latitude, _)| latitude),
            longitude: payment.traces.position.map(|(_, longitude)| longitude),
            home_latitude: Some(customer.latitude),
            home_longitude: Some(customer.longitude),
            device_id: payment.traces.device.map(|_| self.device.as_str()),
            ip_address: payment.traces.ip.map(|_| self.ip.as_str()),
        }
    }
}
