//! An alert as one line for people.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::core::codec::AlertView;
use crate::core::decision::Severity;

/// How many reasons fit a line; alerts carry up to five.
const REASONS: usize = 3;

/// How alerts are written: with local times, and with colours on a terminal.
#[derive(Debug)]
pub(super) struct AlertLine {
    zone: TimeZone,
    has_colours: bool,
}

impl AlertLine {
    /// Writes times in this IANA zone, or in UTC if there is no such zone.
    pub(super) fn new(zone: &str, has_colours: bool) -> Self {
        Self { zone: TimeZone::get(zone).unwrap_or(TimeZone::UTC), has_colours }
    }

    /// The line of an alert.
    pub(super) fn of(&self, alert: &AlertView<'_>) -> String {
        let time = Timestamp::from_millisecond(alert.event_time)
            .map(|time| time.to_zoned(self.zone.clone()).strftime("%d %b %H:%M").to_string())
            .unwrap_or_default();
        let reasons: Vec<String> = alert
            .reasons
            .iter()
            .take(REASONS)
            .map(|reason| format!("{} ({})", reason.code, reason.message))
            .collect();
        format!(
            "{} {:.2}  {time}  {}  {:>12.2} {}  {}",
            self.severity(alert.severity),
            alert.score,
            alert.customer_id,
            alert.amount,
            alert.currency,
            reasons.join(", "),
        )
    }

    fn severity(&self, severity: Severity) -> String {
        let symbol = severity.symbol();
        if !self.has_colours {
            return format!("{symbol:8}");
        }
        let colour = match severity {
            Severity::Low => 36,
            Severity::Medium => 33,
            Severity::High => 31,
            Severity::Critical => 41,
        };
        format!("\x1b[{colour}m{symbol:8}\x1b[0m")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::codec::ReasonView;

    #[test]
    fn a_line_says_who_how_much_and_why() {
        let reason = ReasonView {
            code: "NIGHT",
            feature: "is_unusual_hour",
            value: 1.0,
            contribution: 0.2,
            message: "made between midnight and six",
        };
        let alert = AlertView {
            alert_id: "a",
            transaction_id: "t",
            customer_id: "C1",
            merchant_id: "m",
            event_time: 1_767_225_600_000,
            scored_at: 0,
            amount: 1234.5,
            currency: "INR",
            score: 0.876,
            threshold: 0.5,
            severity: Severity::High,
            model_name: "n",
            model_version: "v",
            reasons: vec![reason; 5],
            rules: Vec::new(),
            source_partition: 0,
            source_offset: 0,
        };
        let line = AlertLine::new("Asia/Kolkata", false).of(&alert);
        let night = "NIGHT (made between midnight and six)";
        let reasons = [night; REASONS].join(", ");
        assert_eq!(line, format!("HIGH     0.88  01 Jan 05:30  C1       1234.50 INR  {reasons}"));
        let coloured = AlertLine::new("no zone", true).of(&alert);
        assert!(coloured.starts_with("\x1b[31mHIGH    \x1b[0m 0.88  01 Jan 00:00"), "{coloured}");
    }
}
