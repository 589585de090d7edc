//! The brokers of a drill: who is to be restarted, and the command that does it.
//!
//! Brokers are not the drill's to stop: where they run and how they are started, only their
//! operator knows, and gives a shell command. Which broker it is to restart, and how long it is to
//! be away, the command finds in its environment.

use std::io;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::{Error, Failure, Settings};
use crate::edges::kafka::{Role, broker_with};

/// What the command finds in its environment: the broker's id, and seconds.
pub(super) const BROKER: &str = "SYNFINANCE_BROKER";
const OUTAGE: &str = "SYNFINANCE_OUTAGE";

/// How long the brokers' answer is waited for.
pub(super) const ANSWER_TIME: Duration = Duration::from_secs(10);

/// Why no broker can be restarted for a failure.
pub(super) fn hindrance(
    failure: Failure,
    command: Option<&str>,
    brokers: &[i32],
) -> Option<&'static str> {
    let is_any = failure == Failure::Broker;
    match command {
        None => Some("give --restart-broker COMMAND"),
        Some(_) if !is_any && brokers.len() < 2 => {
            Some("the cluster has one broker, so nobody takes over from it")
        }
        Some(command) if !is_any && !command.contains(BROKER) => {
            Some("--restart-broker COMMAND does not name $SYNFINANCE_BROKER, the broker to restart")
        }
        Some(_) => None,
    }
}

/// The broker that a failure is about; the first of all if it may be any.
pub(super) fn victim(failure: Failure, settings: &Settings, brokers: &[i32]) -> Result<i32, Error> {
    let names = &settings.names;
    let role = match failure {
        Failure::Coordinator => Role::Coordinator(names.group.clone()),
        Failure::Leader => Role::Leader(names.alerts.clone(), 0),
        _ => return Ok(brokers.first().copied().unwrap_or_default()),
    };
    let found = broker_with(&settings.connection, &role, ANSWER_TIME)?;
    found.ok_or_else(|| Error::Restart("has no broker to restart, nobody has its role".to_owned()))
}

/// The command at work. Dropped, it is killed.
pub(super) struct Restart(Child);

impl Restart {
    /// Starts the command.
    pub(super) fn of(broker: i32, settings: &Settings) -> io::Result<Self> {
        let command = settings.restart_broker.as_deref().unwrap_or_default();
        let shell = Command::new("sh")
            .args(["-c", command])
            .env(BROKER, broker.to_string())
            .env(OUTAGE, settings.outage.as_secs().to_string())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .process_group(0)
            .spawn()?;
        Ok(Self(shell))
    }

    /// How it has ended, if it has.
    pub(super) fn ended(&mut self) -> Option<Result<(), Error>> {
        let status = self.0.try_wait().ok().flatten()?;
        let failed = || Error::Restart(format!("ended with {status}"));
        Some(if status.success() { Ok(()) } else { Err(failed()) })
    }
}

impl Drop for Restart {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_in_the_way_is_said() {
        let named = Some("docker restart kafka-$SYNFINANCE_BROKER");
        let cases = [
            (Failure::Broker, Some("restart"), 1, None),
            (Failure::Broker, None, 3, Some("give --restart-broker")),
            (Failure::Leader, None, 3, Some("give --restart-broker")),
            (Failure::Leader, named, 1, Some("one broker")),
            (Failure::Coordinator, Some("restart"), 3, Some("SYNFINANCE_BROKER")),
            (Failure::Coordinator, named, 3, None),
        ];
        for (failure, command, count, said) in cases {
            let brokers: Vec<i32> = (1..=count).collect();
            let found = hindrance(failure, command, &brokers);
            let is_as_said = match (found, said) {
                (Some(found), Some(said)) => found.contains(said),
                (found, said) => found == said,
            };
            assert!(is_as_said, "{failure:?} {command:?} {count}: {found:?}");
        }
    }
}
