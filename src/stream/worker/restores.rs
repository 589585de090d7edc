//! Notices when partitions are restored.

use super::Event;
use super::brokers::Brokers;
use super::driver::Worker;
use super::score::Score;

impl<S: Score, B: Brokers> Worker<'_, S, B> {
    /// Ends the restoring of partitions that are read to their end.
    pub(super) fn end_restoring(&mut self, observe: &mut dyn FnMut(Event<'_>)) {
        let brokers = self.brokers;
        let tasks = &mut self.outbox.tasks;
        let ends = self.restoring.iter().filter(|(partition, _)| brokers.is_at_end(*partition));
        let has_ended = ends.fold(false, |has, (partition, _)| tasks.end(*partition) || has);
        if has_ended {
            self.tell_restored(observe);
        }
    }

    /// Observes partitions that are no longer restoring, and the tasks.
    pub(super) fn tell_restored(&mut self, observe: &mut dyn FnMut(Event<'_>)) {
        let tasks = &self.outbox.tasks;
        self.restoring.retain(|(partition, since)| {
            let is_restoring =
                tasks.iter().any(|task| task.partition == *partition && task.is_restoring());
            if !is_restoring {
                let duration = since.elapsed();
                tracing::info!(partition, ?duration, "partition restored");
                observe(Event::Restored { partition: *partition, duration });
            }
            is_restoring
        });
        observe(Event::Assigned(&self.outbox.tasks));
    }
}
