//! How far behind partitions are, in records and in time.

use super::brokers::Brokers;
use super::tasks::Tasks;
use super::{Event, Lag};

/// When each partition was last read to its end, from the first look until the partition is gone.
#[derive(Debug, Default)]
pub(super) struct Lags(Vec<CaughtUp>);

/// When a partition was last without unread records.
#[derive(Debug)]
struct CaughtUp {
    partition: i32,
    first_look_ms: i64,
    /// When it was last seen without unread records.
    at_ms: Option<i64>,
}

impl Lags {
    /// Observes how far behind each partition is, if the brokers know. `now_ms` is in milliseconds
    /// since the epoch.
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
            // The oldest unread record is no older than the newest record taken, nor than the last
            // moment without any. Before either is known, it has waited since the first look.
            let oldest = task.newest_ms.max(all[place].at_ms).unwrap_or(all[place].first_look_ms);
            let oldest_ms = (records > 0).then_some(oldest);
            observe(Event::Lag(Lag { partition: task.partition, records, oldest_ms }));
        }
    }

    /// Drops what is known of these partitions.
    pub(super) fn drop_partitions(&mut self, partitions: &[i32]) {
        self.0.retain(|caught_up| !partitions.contains(&caught_up.partition));
    }
}
