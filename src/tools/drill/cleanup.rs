//! Deletes what a drill made: topics, group, subjects, rows.
//!
//! No failure here fails the drill: what cannot be deleted is logged by name.

use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

use super::child::call;
use super::{PARTITIONS, Settings};
use crate::base::config::Secret;
use crate::base::error::with_causes;
use crate::edges::database::{Location, StoreError, Stream};
use crate::edges::kafka;
use crate::edges::registry::subject_of;

/// How long to wait for the brokers.
const PATIENCE: Duration = Duration::from_secs(30);

/// The owner that claims partitions to empty them, for people who look into the database.
const OWNER: &str = "the end of a drill";

/// Deletes everything that the drill made.
pub(super) fn run(settings: &Settings) {
    let names = &settings.names;
    if let Err(error) = kafka::delete(&settings.connection, &names.topics(), &names.group, PATIENCE)
    {
        tracing::warn!(error = with_causes(&error), "not everything is deleted from kafka");
    }
    for topic in [&names.transactions, &names.alerts] {
        forget(settings, &subject_of(topic));
    }
    if let Err(error) = empty(settings) {
        let (error, group) = (with_causes(&error), &names.group);
        tracing::warn!(error, group, "snapshots of the drill are left in the database");
    }
}

/// Deletes a subject: first softly, as the registry requires, then for good.
fn forget(settings: &Settings, subject: &str) {
    if !settings.has_registry {
        return;
    }
    let left = |why: &str| tracing::warn!(subject, why, "a subject is left in the registry");
    let address = match &settings.registry {
        Ok(address) => address,
        Err(why) => return left(why),
    };
    let (target, path) = address.target();
    let auth = settings
        .registry_auth
        .as_ref()
        .map(Secret::expose)
        .map(|auth| format!("Authorization: Basic {}\r\n", BASE64_STANDARD.encode(auth)));
    let headers = auth.unwrap_or_default();
    let path = format!("{path}/subjects/{subject}");
    match call(target, "DELETE", &path, &headers) {
        Ok((200..=299, _)) => {
            let _ = call(target, "DELETE", &format!("{path}?permanent=true"), &headers);
        }
        Ok((status, _)) => left(&format!("it answers {status}")),
        Err(error) => left(&error.to_string()),
    }
}

/// Deletes the customers of the drill's stream. Its name and four empty partitions stay, because
/// the store needs them to tell claims apart.
fn empty(settings: &Settings) -> Result<(), StoreError> {
    let Location::Postgres(_) = &settings.location else { return Ok(()) };
    let group_id = settings.names.group.clone();
    let stream = Stream { group_id, topic: settings.names.transactions.clone() };
    let mut store = settings.location.open(&stream)?;
    for partition in 0..PARTITIONS {
        let claim = store.claim(partition, OWNER)?;
        store.discard(claim.holder)?;
        store.release(claim.holder)?;
    }
    Ok(())
}
