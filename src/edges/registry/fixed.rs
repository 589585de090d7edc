//! The static table: schemas by id, from files, for when there is no registry.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{Error, Lookup};
use crate::core::codec::{ALERT_SCHEMA, Framing, MAX_SCHEMA_BYTES, fingerprint};

/// Schemas from files; they do not change while the process runs.
pub(super) struct Fixed {
    schemas: BTreeMap<u32, Arc<str>>,
    /// The header of alerts: the smallest id whose file has their schema, else the schema's
    /// fingerprint.
    pub(super) alert_framing: Framing,
}

impl Fixed {
    /// Reads the files, each of which must be an Avro schema.
    pub(super) fn read(files: &BTreeMap<u32, PathBuf>) -> Result<Self, Error> {
        let alert =
            fingerprint(ALERT_SCHEMA).expect("invariant: the alerts' own schema is a schema");
        let mut schemas = BTreeMap::new();
        let mut alert_framing = Framing::SingleObject(alert);
        for (&id, file) in files.iter().rev() {
            let json =
                text(file).map_err(|source| Error::Read { id, file: file.clone(), source })?;
            let found = fingerprint(&json).map_err(|source| Error::Schema {
                id,
                file: file.clone(),
                source,
            })?;
            if found == alert {
                alert_framing = Framing::Confluent(id);
            }
            schemas.insert(id, json.into());
        }
        Ok(Self { schemas, alert_framing })
    }

    /// The schema with this id; never pending.
    pub(super) fn lookup(&self, id: u32) -> Lookup {
        self.schemas.get(&id).map_or(Lookup::Unknown, |schema| Lookup::Known(Arc::clone(schema)))
    }
}

/// The content of a file, read only up to one byte more than a schema may have.
fn text(file: &Path) -> io::Result<String> {
    let mut text = String::new();
    File::open(file)?.take(MAX_SCHEMA_BYTES as u64 + 1).read_to_string(&mut text)?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::codec::TRANSACTION_SCHEMA;

    fn table(entries: &[(u32, &str)]) -> (tempfile::TempDir, BTreeMap<u32, PathBuf>) {
        let directory = tempfile::tempdir().unwrap();
        let write = |(id, json): &(u32, &str)| {
            let file = directory.path().join(format!("{id}.avsc"));
            std::fs::write(&file, json).unwrap();
            (*id, file)
        };
        let files = entries.iter().map(write).collect();
        (directory, files)
    }

    #[test]
    fn alerts_have_the_smallest_id_with_their_schema_else_its_fingerprint() {
        let reformatted = ALERT_SCHEMA.replace('\n', "\n ");
        let single = Framing::SingleObject(fingerprint(ALERT_SCHEMA).unwrap());
        let cases: [(&[(u32, &str)], Framing); 3] = [
            (&[], single),
            (&[(1, TRANSACTION_SCHEMA)], single),
            (
                &[(1, TRANSACTION_SCHEMA), (7, &reformatted), (9, ALERT_SCHEMA)],
                Framing::Confluent(7),
            ),
        ];
        for (entries, framing) in cases {
            let (_directory, files) = table(entries);
            let fixed = Fixed::read(&files).unwrap();
            assert_eq!(fixed.alert_framing, framing);
            for (id, json) in entries {
                assert_eq!(fixed.lookup(*id), Lookup::Known((*json).into()));
            }
            assert_eq!(fixed.lookup(4), Lookup::Unknown);
        }
    }

    #[test]
    fn errors_name_the_key_the_id_and_the_file() {
        let long = " ".repeat(MAX_SCHEMA_BYTES + 1);
        for (json, words) in
            [("{", "not an Avro schema"), ("7", "not an Avro schema"), (&long, "at most")]
        {
            let (_directory, files) = table(&[(1, TRANSACTION_SCHEMA), (3, json)]);
            let error = Fixed::read(&files).err().unwrap();
            let text = error.to_string();
            assert!(text.starts_with("schema_registry.static.3: "), "{text}");
            assert!(text.contains("3.avsc"), "{text}");
            let source = std::error::Error::source(&error).unwrap().to_string();
            assert!(source.contains(words) && !text.contains(words), "{text}: {source}");
            assert!(error.is_usage());
        }
        let error = Fixed::read(&BTreeMap::from([(2, "no.avsc".into())])).err().unwrap();
        assert_eq!(error.to_string(), "schema_registry.static.2: cannot read the file no.avsc");
    }
}
