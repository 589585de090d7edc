//! How far behind partitions are, in records and in time.

use super::brokers::Brokers;
use super::tasks::Tasks;
use super::{Event, Lag};

/// What is known of each partition.
#[derive(Debug, Default)]
pub(super) struct Lags(Vec<CaughtUp>);

/// What is known of how long a partition's records wait.
#[derive(Debug)]
struct CaughtUp {
    partition: i32,
    first_look_ms: i64,
    /// When it was last seen without unread records.
    at_ms: Option<i64>,
}

impl Lags {
    /// Tells how far behind each partition is.
    pub(super) fn look(
        &mut self,
        brokers: &impl Brokers,
        tasks: &Tasks,
        now_ms: i64,
        observe: &mut dyn FnMut(Event<'_>),
    ) {
        for task in tasks.iter() {
            let next = task.next.max(task.judged_until);
            let Some(records) = brokers.unread(task.partition, next) else { continue };
            let all = &mut self.0;
            let place = all.iter().position(|caught_up| caught_up.partition == task.partition);
            let place = place.unwrap_or_else(|| {
                let partition = task.partition;
                all.push(CaughtUp { partition, first_look_ms: now_ms, at_ms: None });
                all.len() - 1
            });
            if records == 0 {
                all[place].at_ms = Some(now_ms);
            }
            // Older than the newest that was taken it cannot be, nor older than the moment at which
            // there was none. Before either is known, it has waited at least since the first look.
            let oldest = task.newest_ms.max(all[place].at_ms).unwrap_or(all[place].first_look_ms);
            let oldest_ms = (records > 0).then_some(oldest);
            observe(Event::Lag(Lag { partition: task.partition, records, oldest_ms }));
        }
    }

    /// Partitions are gone.
    pub(super) fn drop_partitions(&mut self, partitions: &[i32]) {
        self.0.retain(|caught_up| !partitions.contains(&caught_up.partition));
    }
}
