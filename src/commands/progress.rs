//! Shows how far a run is: as a bar on a terminal, else as a log line every few seconds.

use std::cell::Cell;
use std::io::IsTerminal;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use crate::base::clock::Stopwatch;

/// Time between two log lines.
const EVERY: Duration = Duration::from_secs(5);

/// Progress of one run, shown on stderr.
pub(super) struct Progress {
    /// What is counted, in the plural.
    what: &'static str,
    total: Option<u64>,
    bar: Option<ProgressBar>,
    watch: Stopwatch,
    last: Cell<Duration>,
}

impl Progress {
    /// Starts at 0. `total` is where it will end, if known.
    pub(super) fn start(what: &'static str, total: Option<u64>) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| bar(what, total));
        Self { what, total, bar, watch: Stopwatch::start(), last: Cell::new(Duration::ZERO) }
    }

    /// Sets how many are done.
    pub(super) fn set(&self, done: u64) {
        if let Some(bar) = &self.bar {
            bar.set_position(done);
            return;
        }
        let elapsed = self.watch.elapsed();
        if elapsed >= self.last.get() + EVERY {
            self.last.set(elapsed);
            tracing::info!(done, total = self.total, what = self.what, "still at it");
        }
    }

    /// Runs `print` with the bar removed; the bar reappears below its output.
    pub(super) fn suspend<T>(&self, print: impl FnOnce() -> T) -> T {
        match &self.bar {
            Some(bar) => bar.suspend(print),
            None => print(),
        }
    }

    /// Time since the start.
    pub(super) fn elapsed(&self) -> Duration {
        self.watch.elapsed()
    }

    /// Removes the bar to make room for a summary.
    pub(super) fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

fn bar(what: &str, total: Option<u64>) -> ProgressBar {
    let (bar, template) = match total {
        Some(total) => (
            ProgressBar::new(total),
            format!("{{bar:30}} {{human_pos}} of {{human_len}} {what} {{per_sec}}, {{eta}} left"),
        ),
        None => (
            ProgressBar::new_spinner(),
            format!("{{spinner}} {{human_pos}} {what} {{per_sec}}, {{elapsed}}"),
        ),
    };
    let style = ProgressStyle::with_template(&template);
    bar.with_style(style.expect("invariant: the templates above are well-formed"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_bars_have_a_template() {
        for total in [None, Some(10)] {
            let bar = bar("rows", total);
            bar.set_position(3);
            assert_eq!((bar.position(), bar.length()), (3, total));
        }
    }
}
