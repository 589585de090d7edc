//! Turns a worker's events into metrics and health.
//!
//! A worker counts for itself and shares nothing. Once per batch, the difference from its previous
//! counts is added to the process's metrics.

use std::sync::Arc;

use super::Shared;
use crate::base::clock::now_millis;
use crate::core::codec::Reason;
use crate::core::decision::Severity;
use crate::edges::registry::Schemas;
use crate::edges::telemetry::{
    CacheEvent, CommitOutcome, Gauge, Lag, Lost, Metrics, ModelAlerts, Outcome, Source,
};
use crate::stream::health::Health;
use crate::stream::worker::tasks::Tasks;
use crate::stream::worker::{Cause, Counts, Event, Met, ModelName};

/// Follows one worker through all its restarts.
pub(super) struct Observer {
    number: usize,
    part: String,
    records_part: String,
    progress_part: String,
    topic: String,
    health: Arc<Health>,
    metrics: Arc<Metrics>,
    schemas: Schemas,
    alerts: ModelAlerts,
    counts: Counts,
    met: Met,
    /// Whether the last rebalance assigned something, even if it was an empty list.
    has_gained: bool,
}

impl Observer {
    pub(super) fn new(number: usize, topic: &str, model: &ModelName, shared: &Shared) -> Self {
        Self {
            number,
            part: format!("worker {number}"),
            records_part: format!("records of worker {number}"),
            progress_part: format!("progress of worker {number}"),
            topic: topic.to_owned(),
            health: Arc::clone(&shared.health),
            metrics: Arc::clone(&shared.metrics),
            schemas: shared.schemas.clone(),
            alerts: shared.metrics.model_alerts(&model.name, &model.version),
            counts: Counts::default(),
            met: Met::default(),
            has_gained: false,
        }
    }

    /// The worker cannot work until `why` is over.
    pub(super) fn waits(&self, why: &str) {
        self.health.obstruct(&self.part, why);
    }

    /// The worker has failed and is to begin anew. Until it gets on it stands still: that it has
    /// partitions again says nothing yet.
    pub(super) fn fails(&self, why: &str) {
        self.waits(&format!("starting again after: {why}"));
        self.health.stands(&self.progress_part, format!("it failed and starts again: {why}"));
    }

    /// The worker starts again: its counts begin at zero.
    pub(super) fn begins(&mut self, met: Met) {
        self.counts = Counts::default();
        self.met = met;
        self.health.beat(self.number);
        self.waits("joining the consumer group");
    }

    /// The worker has ended. If it starts again, it reports what it waits for.
    pub(super) fn ended(&self) {
        self.health.rest(self.number);
        self.health.clear(&self.records_part);
        self.metrics.drop_worker(self.number);
    }

    /// Records an event of the worker.
    pub(super) fn observe(&mut self, event: Event<'_>) {
        match event {
            Event::Beat => self.health.beat(self.number),
            Event::Batch { transactions, duration } => {
                self.metrics.batch(transactions as u64, duration.as_secs_f64());
            }
            Event::Acknowledged(micros) => self.metrics.alert_latency(micros as f64 / 1e6),
            Event::Counted(counts, met) => self.counted(counts, met),
            Event::SavedBefore { partition, at_ms } => {
                self.metrics.snapshot_begins(self.number, partition, at_ms);
            }
            Event::Assigned(tasks) => self.assigned(tasks),
            Event::Rebalanced { gains } => {
                self.has_gained = gains;
                self.metrics.rebalance();
            }
            Event::Restored { duration, .. } => self.metrics.restored(duration.as_secs_f64()),
            Event::Lost { records, is_unscored, .. } => {
                let effect = if is_unscored { Lost::Unscored } else { Lost::Forgotten };
                self.metrics.lost_records(effect, records);
            }
            Event::Saved { partition, duration } => {
                self.metrics.snapshot(duration.as_secs_f64());
                self.metrics.snapshot_saved(self.number, partition, now_millis());
            }
            Event::Lag(lag) => {
                let shown = Lag { records: lag.records.unsigned_abs(), oldest_ms: lag.oldest_ms };
                self.metrics.lag(self.number, &self.topic, lag.partition, shown);
            }
            Event::StateBytes(bytes) => self.gauge(Gauge::StateBytes, bytes),
            Event::Gone(partition) => {
                self.metrics.drop_partition(self.number, &self.topic, partition);
            }
            Event::Waits(partition, cause) => self.waits_for(partition, cause),
            Event::WaitsNoMore => self.health.clear(&self.records_part),
            Event::Committed(is_committed) => self.metrics.commit(match is_committed {
                true => CommitOutcome::Committed,
                false => CommitOutcome::Failed,
            }),
            Event::GetsOn => self.health.moves(&self.progress_part),
            Event::Stands { stood, why } => {
                let seconds = stood.as_secs();
                let why = format!("there is work and none has been done for {seconds} s: {why}");
                self.health.stands(&self.progress_part, why);
            }
            Event::InFlight(records, is_paused) => {
                self.gauge(Gauge::InflightRecords, records);
                self.gauge(Gauge::Paused, usize::from(is_paused));
            }
            Event::Leaving => self.waits("leaving the consumer group"),
        }
    }

    /// It has these partitions now.
    fn assigned(&self, tasks: &Tasks) {
        let now = now_millis();
        for task in tasks.iter() {
            self.metrics.snapshot_begins(self.number, task.partition, now);
        }
        let restoring = tasks.iter().filter(|task| task.is_restoring()).count();
        self.gauge(Gauge::PartitionsAssigned, tasks.len());
        self.gauge(Gauge::PartitionsRestoring, restoring);
        let left: i64 = tasks.iter().map(|task| task.left_to_restore()).sum();
        self.gauge(Gauge::RecordsRestoring, usize::try_from(left).unwrap_or(0));
        if tasks.is_empty() {
            // No record comes any more after which it would be counted.
            self.gauge(Gauge::CustomersCached, 0);
        }
        if tasks.is_empty() && self.has_gained {
            // There are more workers than partitions.
            self.health.moves(&self.progress_part);
        }
        if tasks.is_empty() && !self.has_gained {
            self.waits("joining the consumer group");
        } else if restoring == 0 {
            self.health.clear(&self.part);
        } else {
            self.waits(&format!(
                "restoring {restoring} of {} partitions, {left} records to go",
                tasks.len()
            ));
        }
    }

    fn waits_for(&self, partition: i32, cause: Cause) {
        let why = match cause {
            Cause::Schema(schema) => {
                let trouble = self.schemas.trouble();
                let trouble = trouble.as_deref().unwrap_or("it has been asked for");
                tracing::warn!(partition, schema, trouble, "records wait for their schema");
                format!("partition {partition} waits for schema {schema}: {trouble}")
            }
            Cause::Customer => {
                // This is usual after a restart; a database that is away is logged elsewhere.
                tracing::debug!(partition, "records wait for customers that are stored");
                format!(
                    "partition {partition} waits for stored customers: the database is slow or away"
                )
            }
        };
        self.health.obstruct(&self.records_part, why);
    }

    fn gauge(&self, gauge: Gauge, value: usize) {
        self.metrics.gauge(self.number, gauge, value as u64);
    }

    fn counted(&mut self, counts: &Counts, met: Met) {
        let (metrics, before) = (&self.metrics, &self.counts);
        let alerted = counts.alerts_total() - before.alerts_total();
        let scored = counts.scored - before.scored;
        metrics.transactions(Outcome::Scored, scored.saturating_sub(alerted));
        metrics.transactions(Outcome::Alerted, alerted);
        metrics.transactions(Outcome::Duplicate, counts.duplicates - before.duplicates);
        let rejected = counts.dead_letters_total() - before.dead_letters_total();
        metrics.transactions(Outcome::Rejected, rejected);
        metrics.predictions(Source::Stream, scored);
        metrics.miskeyed(counts.miskeyed - before.miskeyed);
        if rejected > 0 {
            for reason in Reason::ALL {
                let count = counts.dead_letters(reason) - before.dead_letters(reason);
                metrics.dead_letters(reason, count);
            }
        }
        if alerted > 0 {
            for severity in Severity::ALL {
                let place = severity as usize;
                let count = counts.alerts[place] - before.alerts[place];
                metrics.fraud_detected(severity, count);
                self.alerts.add(severity, count);
            }
        }
        metrics.late(met.late - self.met.late);
        metrics.windows_folded(met.folded - self.met.folded);
        let missed = counts.missed - before.missed;
        let looked_up = scored + counts.duplicates - before.duplicates;
        metrics.cache(CacheEvent::Miss, missed);
        metrics.cache(CacheEvent::Hit, looked_up.saturating_sub(missed));
        metrics.cache(CacheEvent::Eviction, met.evicted - self.met.evicted);
        self.gauge(Gauge::CustomersCached, met.customers);
        self.gauge(Gauge::KnownFrauds, met.frauds);
        self.met = met;
        self.counts.take_over(counts);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::base::config::SchemaRegistry;
    use crate::edges::kafka::Connection;
    use crate::stream::worker::{Budget, Lag as WorkerLag};

    fn shared() -> Shared {
        let registry = SchemaRegistry {
            url: None,
            basic_auth: None,
            fixed: [].into(),
            auto_register: false,
            timeout: Duration::from_secs(1),
        };
        let health = Arc::new(Health::new(2));
        Shared {
            schemas: Schemas::start(&registry, Arc::new(|_| ())).unwrap(),
            health,
            metrics: Arc::new(Metrics::new(2)),
            budget: Budget::new(1 << 30),
            connection: Connection::new("127.0.0.1:1", [].into()).unwrap(),
        }
    }

    /// An observer of a worker that has this partition and so many customers.
    fn working(shared: &Shared, number: usize, partition: i32, customers: usize) -> Observer {
        let model = ModelName { name: "m".to_owned(), version: "1".to_owned(), threshold: 0.5 };
        let mut observer = Observer::new(number, "t", &model, shared);
        observer.begins(Met::default());
        let mut tasks = Tasks::default();
        tasks.assign(partition, 0, 0);
        observer.observe(Event::Assigned(&tasks));
        observer.observe(Event::Lag(WorkerLag { partition, records: 5, oldest_ms: Some(0) }));
        observer.observe(Event::Counted(&Counts::default(), Met { customers, ..Met::default() }));
        observer
    }

    #[test]
    fn a_worker_that_has_lost_its_last_partition_has_no_customers() {
        let shared = shared();
        let mut observer = working(&shared, 0, 3, 40);
        working(&shared, 1, 4, 2);
        assert!(shared.metrics.encode(0).contains("synfinance_customers_cached 42\n"));
        observer.observe(Event::Gone(3));
        observer.observe(Event::Assigned(&Tasks::default()));
        let text = shared.metrics.encode(0);
        assert!(text.contains("synfinance_customers_cached 2\n"), "{text}");
        assert!(!text.contains("partition=\"3\"") && text.contains("partition=\"4\""), "{text}");
    }

    #[test]
    fn a_worker_that_failed_is_not_ready_before_it_gets_on() {
        let shared = shared();
        let mut observer = working(&shared, 0, 3, 40);
        assert_eq!(shared.health.obstacles(), []);
        observer.fails("no right to write");
        observer.begins(Met::default());
        let mut tasks = Tasks::default();
        tasks.assign(3, 0, 0);
        observer.observe(Event::Assigned(&tasks));
        let obstacles = shared.health.obstacles();
        let said = obstacles.iter().any(|(_, why)| why.contains("no right to write"));
        assert!(said && obstacles.len() == 1, "{obstacles:?}");
        observer.observe(Event::GetsOn);
        assert_eq!(shared.health.obstacles(), []);
        let stood = Duration::from_secs(7);
        observer.observe(Event::Stands { stood, why: "no coordinator" });
        let obstacles = shared.health.obstacles();
        let said = |(part, why): &(String, String)| {
            part == "progress of worker 0" && why.contains("for 7 s: no coordinator")
        };
        assert!(obstacles.iter().any(said), "{obstacles:?}");
        observer.observe(Event::GetsOn);
        assert_eq!(shared.health.obstacles(), []);
    }

    #[test]
    fn a_worker_that_has_ended_shows_no_partition() {
        let shared = shared();
        let observer = working(&shared, 0, 3, 40);
        // Its partition moves to another worker before it reports its end.
        working(&shared, 0, 5, 40);
        working(&shared, 1, 5, 2);
        observer.ended();
        let text = shared.metrics.encode(0);
        assert!(!text.contains("partition=\"3\""), "{text}");
        for series in ["consumer_lag_records", "consumer_lag_seconds", "snapshot_age_seconds"] {
            let has = |line: &str| line.contains(series) && line.contains("partition=\"5\"");
            assert!(text.lines().any(has), "{series}: {text}");
        }
        assert!(text.contains("synfinance_customers_cached 2\n"), "{text}");
    }
}
