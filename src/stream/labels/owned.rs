//! A verdict that outlives the record it came with.

use crate::core::transaction::{EventTime, Label};

/// A [`Label`] that owns its texts, so that it can go to other threads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnedLabel {
    /// The three ids one after the other, then the kind of fraud.
    text: Box<str>,
    /// The ends of the transaction's, the customer's and the merchant's id, in bytes.
    ends: [u32; 3],
    has_fraud_type: bool,
    event_time: EventTime,
    is_fraud: bool,
    labeled_at: EventTime,
}

impl From<&Label<'_>> for OwnedLabel {
    fn from(label: &Label<'_>) -> Self {
        let ids = [label.transaction_id, label.customer_id, label.merchant_id];
        let mut text = String::with_capacity(ids.map(str::len).iter().sum());
        let ends = ids.map(|id| {
            text.push_str(id);
            u32::try_from(text.len()).expect("invariant: a checked id is short")
        });
        text.push_str(label.fraud_type.unwrap_or_default());
        Self {
            text: text.into(),
            ends,
            has_fraud_type: label.fraud_type.is_some(),
            event_time: label.event_time,
            is_fraud: label.is_fraud,
            labeled_at: label.labeled_at,
        }
    }
}

impl OwnedLabel {
    /// Whether the verdict is fraud.
    pub fn is_fraud(&self) -> bool {
        self.is_fraud
    }

    /// The verdict, borrowed.
    pub fn as_label(&self) -> Label<'_> {
        let [transaction, customer, merchant] = self.ends.map(|end| end as usize);
        Label {
            transaction_id: &self.text[..transaction],
            customer_id: &self.text[transaction..customer],
            merchant_id: &self.text[customer..merchant],
            event_time: self.event_time,
            is_fraud: self.is_fraud,
            labeled_at: self.labeled_at,
            fraud_type: self.has_fraud_type.then_some(&self.text[merchant..]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_lost() {
        let time = EventTime::from_trusted_millis;
        for fraud_type in [None, Some(""), Some("card testing ✓")] {
            let label = Label {
                transaction_id: "t-ä",
                customer_id: "c",
                merchant_id: "mm",
                event_time: time(1_767_225_600_000),
                is_fraud: true,
                labeled_at: time(1_767_225_600_001),
                fraud_type,
            };
            assert_eq!(OwnedLabel::from(&label).as_label(), label);
        }
    }
}
