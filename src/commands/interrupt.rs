//! SIGINT and SIGTERM as a flag that loops check.
//!
//! Ending at once would leave half a file or uncommitted offsets. So the first signal only sets a
//! flag, and a loop ends at its next clean point. A second signal ends the process at once, for a
//! user who does not want to wait.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Context;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::flag;

/// The exit code after a second signal.
const INTERRUPTED: i32 = 130;

/// Whether the process was asked to end.
#[derive(Debug, Clone)]
pub(super) struct Interrupt(Arc<AtomicBool>);

/// The process was asked to end before the work was done.
#[derive(Debug, thiserror::Error)]
#[error("interrupted")]
pub(super) struct Interrupted;

impl Interrupt {
    /// Listens to SIGINT and SIGTERM from now on.
    pub(super) fn listen() -> anyhow::Result<Self> {
        let raised = Arc::new(AtomicBool::new(false));
        // A flag of its own: other code also sets the first one, and a first signal after that must
        // still count as the first.
        let is_second = Arc::new(AtomicBool::new(false));
        for signal in [SIGINT, SIGTERM] {
            // In this order a first signal sets the flag, and a second one finds it set.
            flag::register_conditional_shutdown(signal, INTERRUPTED, Arc::clone(&is_second))
                .and_then(|_| flag::register(signal, Arc::clone(&is_second)))
                .and_then(|_| flag::register(signal, Arc::clone(&raised)))
                .context("listening to SIGINT and SIGTERM")?;
        }
        Ok(Self(raised))
    }

    /// The flag itself, for the library's functions.
    pub(super) fn flag(&self) -> &AtomicBool {
        &self.0
    }

    /// The flag for threads that outlive the caller.
    pub(super) fn shared(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.0)
    }

    /// `Err` once the process was asked to end; to be used with `?` in a loop.
    pub(super) fn check(&self) -> Result<(), Interrupted> {
        if self.0.load(Ordering::Relaxed) { Err(Interrupted) } else { Ok(()) }
    }
}

/// SIGHUP: whether the process was told to read its configuration again.
#[derive(Debug)]
pub(super) struct Hangup(Arc<AtomicBool>);

impl Hangup {
    /// Listens to SIGHUP from now on.
    pub(super) fn listen() -> anyhow::Result<Self> {
        let raised = Arc::new(AtomicBool::new(false));
        flag::register(SIGHUP, Arc::clone(&raised)).context("listening to SIGHUP")?;
        Ok(Self(raised))
    }

    /// Whether the signal came since the last call.
    pub(super) fn was_raised(&self) -> bool {
        self.0.swap(false, Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_flag_ends_loops() {
        let interrupt = Interrupt(Arc::new(AtomicBool::new(false)));
        assert!(interrupt.check().is_ok());
        interrupt.flag().store(true, Ordering::Relaxed);
        assert_eq!(interrupt.check().unwrap_err().to_string(), "interrupted");
    }

    #[test]
    fn a_first_signal_ends_nothing_at_once_even_after_the_work_has_ended_itself() {
        let interrupt = Interrupt::listen().unwrap();
        interrupt.flag().store(true, Ordering::Relaxed);
        signal_hook::low_level::raise(SIGTERM).unwrap();
        assert!(interrupt.check().is_err(), "and this process is still here to say so");
    }
}
