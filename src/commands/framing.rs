//! The header of records that a command sends: which schema they are written with.

use anyhow::Context as _;

use crate::base::config::SchemaRegistry;
use crate::core::codec::{Framing, fingerprint};

/// Registers a schema under a subject and returns its id.
pub(super) type Register<'a> = &'a dyn Fn(&str, &str) -> anyhow::Result<u32>;

/// The header for data of our own schema `json`. Its id is the `given` one, else the registry's
/// under `subject`, else the static table's. If none of these gives an id, the header contains the
/// schema's fingerprint.
pub(super) fn choose(
    given: Option<u32>,
    registry: &SchemaRegistry,
    (subject, json): (&str, &str),
    register: Register<'_>,
) -> anyhow::Result<Framing> {
    if let Some(id) = given {
        return Ok(Framing::Confluent(id));
    }
    if registry.url.is_some() {
        return Ok(Framing::Confluent(register(subject, json)?));
    }
    let own = fingerprint(json)?;
    Ok(of_table(registry, own)?.map_or(Framing::SingleObject(own), Framing::Confluent))
}

/// The lowest id under which the static table has the schema with this fingerprint.
fn of_table(registry: &SchemaRegistry, own: u64) -> anyhow::Result<Option<u32>> {
    for (id, path) in &registry.fixed {
        let place = || format!("schema_registry.static.{id}: {}", path.display());
        let json = std::fs::read_to_string(path).with_context(place)?;
        if fingerprint(&json).with_context(place)? == own {
            return Ok(Some(*id));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::path::PathBuf;
    use std::time::Duration;

    use super::*;
    use crate::base::config::Secret;
    use crate::core::codec::LABEL_SCHEMA;

    fn registry(url: Option<&str>, files: &[(u32, &str)]) -> SchemaRegistry {
        let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
        let fixed: BTreeMap<_, _> = files.iter().map(|(id, file)| (*id, root.join(file))).collect();
        SchemaRegistry {
            url: url.map(Secret::new),
            basic_auth: None,
            fixed,
            auto_register: true,
            timeout: Duration::from_secs(1),
        }
    }

    fn chosen(given: Option<u32>, registry: &SchemaRegistry) -> anyhow::Result<Framing> {
        let register = |subject: &str, json: &str| {
            assert_eq!((subject, json), ("l-value", LABEL_SCHEMA));
            Ok(77)
        };
        choose(given, registry, ("l-value", LABEL_SCHEMA), &register)
    }

    #[test]
    fn who_gives_the_id() {
        const TRANSACTION: (u32, &str) = (1, "schemas/transaction.avsc");
        const LABEL: (u32, &str) = (5, "schemas/label.avsc");
        let own = Framing::SingleObject(fingerprint(LABEL_SCHEMA).unwrap());
        let cases = [
            (Some(3), Some("http://h"), &[LABEL][..], Framing::Confluent(3)),
            (None, Some("http://h"), &[LABEL], Framing::Confluent(77)),
            (None, None, &[TRANSACTION, LABEL, (9, LABEL.1)], Framing::Confluent(5)),
            (None, None, &[TRANSACTION], own),
            (None, None, &[], own),
        ];
        for (given, url, files, expected) in cases {
            let framing = chosen(given, &registry(url, files)).unwrap();
            assert_eq!(framing, expected, "{given:?} {url:?} {files:?}");
        }
        let error = chosen(None, &registry(None, &[(2, "schemas/none.avsc")])).unwrap_err();
        assert!(error.to_string().contains("schema_registry.static.2"), "{error}");
    }
}
