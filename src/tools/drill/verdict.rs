//! Compares the alerts received with those expected: the measures of the table.
//!
//! All measures follow from three facts about an alert, none of which comes from the service: when
//! its record was produced (the record's Kafka timestamp), when an outside subscriber received it,
//! first and again, and whether its content is what the oracle expects.
//!
//! *Time to recover* is counted from the failure to the arrival of the last alert that was not on
//! time, that is, more than a second after its record (with exactly_once, a second and the commit
//! interval). A failure with two moments (a process joins, and leaves) is given the longer of the
//! two times.

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::Failure;

/// An expected alert, and what was received of it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Observed {
    /// When its record was produced, in milliseconds since the epoch.
    pub(super) recorded_ms: i64,
    /// When it was received: each time, in order.
    pub(super) received_ms: Vec<i64>,
    /// How many of the received ones differ from the oracle's.
    pub(super) wrong: u64,
}

/// The delays that count as late or as not on time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Limits {
    /// An alert received more than this after its record was produced is late.
    pub(super) late_ms: i64,
    /// An alert received more than this after its record is not on time: the service has not
    /// recovered.
    pub(super) on_time_ms: i64,
}

/// The measures of one failure.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Figures {
    /// Transactions produced during it.
    pub transactions: u64,
    /// Alerts expected.
    pub alerts: u64,
    /// Alerts expected and never received.
    pub missed: u64,
    /// Alerts received that differ from the oracle's, or were not expected at all.
    pub wrong: u64,
    /// Repeated deliveries of alerts, each one counted.
    pub doubled: u64,
    /// Alerts first received too late.
    pub late: u64,
    /// The longest time from a record to its alert.
    pub longest: Duration,
    /// Time until alerts were on time again; `None` if they never were, an alert was missed, or
    /// nothing had failed.
    pub recovery: Option<Duration>,
}

/// Measures one failure by the alerts about records produced during it. Recovery is counted from
/// `moments`, in ascending order; `strangers` is how many unexpected alerts were received.
pub(super) fn measure(
    observed: &[Observed],
    moments: &[i64],
    strangers: u64,
    limits: Limits,
) -> Figures {
    let mut figures =
        Figures { alerts: observed.len() as u64, wrong: strangers, ..Figures::default() };
    let mut tardy = Vec::new();
    for alert in observed {
        figures.wrong += alert.wrong;
        let Some(&first) = alert.received_ms.first() else {
            figures.missed += 1;
            continue;
        };
        figures.doubled += alert.received_ms.len() as u64 - 1;
        let delay = first.saturating_sub(alert.recorded_ms);
        figures.late += u64::from(delay > limits.late_ms);
        figures.longest = figures.longest.max(millis(delay));
        if delay > limits.on_time_ms {
            tardy.push(first);
        }
    }
    if figures.missed == 0 {
        figures.recovery = recovery(&tardy, moments);
    }
    figures
}

fn recovery(tardy: &[i64], moments: &[i64]) -> Option<Duration> {
    let ends = moments.iter().skip(1).copied().chain([i64::MAX]);
    let after = |(&from, until): (&i64, i64)| {
        let last = tardy.iter().filter(|&&at| from <= at && at < until).max();
        millis(last.map_or(0, |last| last - from))
    };
    moments.iter().zip(ends).map(after).max()
}

fn millis(millis: i64) -> Duration {
    Duration::from_millis(u64::try_from(millis).unwrap_or(0))
}

/// One row of the table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// What failed; `None`: nothing, for comparison.
    pub failure: Option<Failure>,
    /// The measures, or why the failure was not made.
    pub outcome: Result<Figures, String>,
}

/// The findings of a drill.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Report {
    /// `at_least_once` or `exactly_once`.
    pub delivery: &'static str,
    /// The table.
    pub rows: Vec<Row>,
    /// How many records became dead letters, though all of them are readable.
    pub dead_letters: u64,
}

/// The table's header, and the width of its columns.
const HEAD: [(&str, usize); 8] = [
    ("failure", 16),
    ("alerts", 6),
    ("missed", 6),
    ("wrong", 5),
    ("doubled", 7),
    ("late", 5),
    ("longest delay", 13),
    ("time to recover", 15),
];

impl Report {
    /// The measures of all rows, added up.
    pub fn total(&self) -> Figures {
        let mut total = Figures::default();
        for figures in self.rows.iter().filter_map(|row| row.outcome.as_ref().ok()) {
            total.transactions += figures.transactions;
            total.alerts += figures.alerts;
            total.missed += figures.missed;
            total.wrong += figures.wrong;
            total.doubled += figures.doubled;
            total.late += figures.late;
        }
        total
    }

    /// What must not happen and did.
    pub fn complaints(&self) -> Vec<String> {
        let total = self.total();
        let doubled = if self.delivery == "exactly_once" { total.doubled } else { 0 };
        let recovers = |row: &Row| row.outcome.as_ref().is_ok_and(|f| f.recovery.is_some());
        let ran = |row: &&Row| row.outcome.is_ok() && row.failure.is_some();
        let stuck = self.rows.iter().filter(ran).filter(|row| !recovers(row)).count() as u64;
        let counted = [
            (total.missed, "alerts were missed"),
            (total.wrong, "alerts are not as an undisturbed run gives them"),
            (doubled, "alerts came more than once, which exactly_once must not allow"),
            (self.dead_letters, "readable records are dead letters"),
            (stuck, "failures were not recovered from"),
        ];
        let said = counted.iter().filter(|(count, _)| *count > 0);
        said.map(|(count, what)| format!("{count} {what}")).collect()
    }

    /// The table with aligned columns; it is valid Markdown.
    pub fn table(&self) -> String {
        let head: Vec<String> = HEAD.iter().map(|(name, _)| (*name).to_owned()).collect();
        let mut lines = vec![line(&head), rule()];
        for row in &self.rows {
            let name = row.failure.map_or("none", Failure::title).to_owned();
            let cells = match &row.outcome {
                Ok(figures) => cells(name, figures, row.failure.is_some()),
                Err(why) => vec![name, format!("not run: {}", why.replace('|', "/"))],
            };
            lines.push(line(&cells));
        }
        lines.join("\n")
    }

    /// The report as one JSON object.
    pub fn json(&self) -> Value {
        let total = self.total();
        json!({
            "delivery": self.delivery,
            "transactions": total.transactions,
            "alerts": total.alerts,
            "missed": total.missed,
            "wrong": total.wrong,
            "doubled": total.doubled,
            "late": total.late,
            "dead_letters": self.dead_letters,
            "failures": self.rows.iter().map(row_json).collect::<Vec<_>>(),
        })
    }
}

fn cells(name: String, figures: &Figures, has_failed: bool) -> Vec<String> {
    let seconds = |time: Duration| format!("{:.1} s", time.as_secs_f64());
    let recovery = match figures.recovery {
        Some(time) => seconds(time),
        None if has_failed => "never".to_owned(),
        None => "-".to_owned(),
    };
    let Figures { alerts, missed, wrong, doubled, late, longest, .. } = figures;
    let counts = [alerts, missed, wrong, doubled, late].map(u64::to_string);
    [name].into_iter().chain(counts).chain([seconds(*longest), recovery]).collect()
}

/// Formats cells as a line: the first left-aligned, the others right-aligned. If only one cell
/// follows the first, it is a sentence and the remaining ones stay empty.
fn line(cells: &[String]) -> String {
    let mut line = String::from("|");
    for (at, (_, width)) in HEAD.iter().enumerate() {
        let cell = cells.get(at).map_or("", String::as_str);
        line.push_str(&match at {
            0 => format!(" {cell:<width$} |"),
            _ => format!(" {cell:>width$} |"),
        });
    }
    line
}

fn rule() -> String {
    let dashes = |(at, (_, width)): (usize, &(&str, usize))| match at {
        0 => format!(" {} |", "-".repeat(*width)),
        _ => format!(" {}: |", "-".repeat(width - 1)),
    };
    HEAD.iter().enumerate().fold("|".to_owned(), |line, cell| line + &dashes(cell))
}

fn row_json(row: &Row) -> Value {
    let mut json = Map::new();
    json.insert("failure".to_owned(), row.failure.map_or("none", Failure::word).into());
    let figures = match &row.outcome {
        Ok(figures) => figures,
        Err(why) => {
            json.insert("not_run".to_owned(), why.as_str().into());
            return json.into();
        }
    };
    let counts = [
        ("transactions", figures.transactions),
        ("alerts", figures.alerts),
        ("missed", figures.missed),
        ("wrong", figures.wrong),
        ("doubled", figures.doubled),
        ("late", figures.late),
    ];
    json.extend(counts.map(|(name, count)| (name.to_owned(), count.into())));
    let longest = figures.longest.as_secs_f64();
    json.insert("longest_delay_seconds".to_owned(), longest.into());
    let recovery = figures.recovery.map(|time| time.as_secs_f64());
    json.insert("recovery_seconds".to_owned(), recovery.into());
    json.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits { late_ms: 5_000, on_time_ms: 1_000 };

    /// An alert about a record of this time, received once for each delay.
    fn alert(recorded_ms: i64, delays: &[i64]) -> Observed {
        let received_ms = delays.iter().map(|delay| recorded_ms + delay).collect();
        Observed { recorded_ms, received_ms, wrong: 0 }
    }

    #[test]
    fn alerts_are_missed_doubled_wrong_and_late() {
        let wrong = Observed { wrong: 2, ..alert(4_000, &[5, 6]) };
        let observed = [
            alert(0, &[5]),
            alert(1_000, &[]),
            alert(2_000, &[5, 9_000, 9_500]),
            alert(3_000, &[5_000]),
            wrong,
            alert(5_000, &[5_001]),
        ];
        let figures = measure(&observed, &[0], 3, LIMITS);
        let Figures { alerts, missed, wrong, doubled, late, longest, recovery, .. } = figures;
        assert_eq!((alerts, missed, wrong, doubled, late), (6, 1, 5, 3, 1));
        assert_eq!(longest, Duration::from_millis(5_001), "of first receipts alone");
        assert_eq!(recovery, None, "whoever lost an alert has not recovered");
    }

    #[test]
    fn recovery_ends_with_the_last_alert_that_is_not_on_time() {
        let seconds = |seconds: f64| Some(Duration::from_secs_f64(seconds));
        let backlog = [
            alert(9_000, &[20]),
            alert(11_000, &[6_000]),
            alert(14_000, &[3_500]),
            alert(16_000, &[1_001]),
            alert(17_000, &[1_000]),
        ];
        let time = |moments: &[i64]| measure(&backlog, moments, 0, LIMITS).recovery;
        assert_eq!(time(&[10_000]), seconds(7.5));
        assert_eq!(time(&[17_400]), seconds(0.1));
        assert_eq!(time(&[17_501]), seconds(0.0), "what was tardy before counts for nothing");
        assert_eq!(time(&[10_000, 17_200]), seconds(7.001), "the longer one of both");
        assert_eq!(time(&[16_900, 17_001]), seconds(0.499));
        assert_eq!(time(&[]), None);
        assert_eq!(measure(&[], &[0], 0, LIMITS).recovery, seconds(0.0));
    }

    fn report(delivery: &'static str, figures: Figures) -> Report {
        let row = |failure, outcome| Row { failure, outcome };
        let none = Figures { alerts: 10, ..Figures::default() };
        let rows = vec![
            row(None, Ok(none)),
            row(Some(Failure::Kill), Ok(figures)),
            row(Some(Failure::Registry), Err("no registry | none".to_owned())),
        ];
        Report { delivery, rows, dead_letters: 0 }
    }

    fn figures() -> Figures {
        let (longest, recovery) =
            (Duration::from_millis(7_130), Some(Duration::from_millis(6_000)));
        let counted = Figures { transactions: 900, alerts: 123, doubled: 4, ..Figures::default() };
        Figures { late: 17, longest, recovery, ..counted }
    }

    #[test]
    fn the_table_is_aligned_and_markdown() {
        let table = report("at_least_once", figures()).table();
        let lines: Vec<&str> = table.lines().collect();
        let expected = [
            "| failure          | alerts | missed | wrong | doubled |  late | longest delay | time to recover |",
            "| ---------------- | -----: | -----: | ----: | ------: | ----: | ------------: | --------------: |",
            "| none             |     10 |      0 |     0 |       0 |     0 |         0.0 s |               - |",
            "| worker killed    |    123 |      0 |     0 |       4 |    17 |         7.1 s |           6.0 s |",
        ];
        assert_eq!(lines[..4], expected);
        assert!(lines[4].starts_with("| registry away    | not run: no registry / none |"));
        assert_eq!(lines[4].matches('|').count(), 9);
    }

    #[test]
    fn what_must_not_happen_is_complained_about() {
        let complaints = |delivery, figures| report(delivery, figures).complaints();
        assert_eq!(complaints("at_least_once", figures()), Vec::<String>::new());
        assert_eq!(complaints("exactly_once", figures()).len(), 1);
        let missed = Figures { missed: 2, wrong: 1, recovery: None, ..figures() };
        let said = complaints("at_least_once", missed);
        assert_eq!(said.len(), 3, "{said:?}");
        assert!(said[0].starts_with("2 alerts were missed"), "{said:?}");
        let buried = Report { dead_letters: 1, ..report("at_least_once", figures()) };
        assert_eq!(buried.complaints().len(), 1);
    }

    #[test]
    fn the_json_has_every_row() {
        let json = report("at_least_once", figures()).json();
        assert_eq!((&json["alerts"], &json["late"]), (&json!(133), &json!(17)));
        let kill = &json["failures"][1];
        assert_eq!((&kill["failure"], &kill["doubled"]), (&json!("kill"), &json!(4)));
        assert_eq!(kill["recovery_seconds"], json!(6.0));
        assert_eq!(json["failures"][0]["recovery_seconds"], Value::Null);
        assert_eq!(json["failures"][2]["not_run"], json!("no registry | none"));
    }
}
