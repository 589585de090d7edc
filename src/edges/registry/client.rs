//! One question to the registry, and what its answer means.
//!
//! The meaning decides about records: "there is no such schema" makes them dead letters; anything
//! else is trouble with the registry, and they wait. A wrong path in the address gives a 404 as
//! well, and taking that for the registry's word would throw away every record. So a 404 counts as
//! the registry's word only with a registry's error code (404xx). Refused credentials, a proxy's
//! page and a time-out all count as no answer.

use std::collections::HashSet;
use std::error::Error as _;
use std::time::Duration;

use schema_registry_converter::async_impl::schema_registry::{
    SrSettings, get_referenced_schema, get_schema_by_id, get_schema_by_subject_and_version,
    perform_sr_call, post_schema,
};
use schema_registry_converter::error::SRCError;
use schema_registry_converter::schema_registry_common::{
    RawError, RegisteredReference, SchemaType, SrCall, SuppliedSchema,
};
use serde_json::json;

use super::address::Address;
use super::references::inlined;
use super::{Error, wording};
use crate::base::config::{self, HIDDEN, Secret, format_duration};
use crate::core::codec::fingerprint;

/// How many schemas one schema may refer to, directly and through others.
const MAX_REFERENCES: usize = 64;

/// Why a question did not succeed. The texts contain no password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Failure {
    /// No answer, or not one of a working registry: ask again.
    Away(String),
    /// The registry says that it does not have the schema.
    Missing(String),
    /// The registry does not accept the schema.
    Refused(String),
    /// The schema exists, but a schema that it refers to cannot be had.
    Broken(String),
}

/// The client of one registry.
pub(super) struct Client {
    calls: SrSettings,
    /// Its address, without user and password.
    pub(super) shown: String,
    timeout: Duration,
    secrets: Vec<Secret>,
}

impl Client {
    /// A client for the registry at `url`.
    pub(super) fn new(url: &Secret, settings: &config::SchemaRegistry) -> Result<Self, Error> {
        let Address { base, credentials, is_local } = Address::parse(url.expose())?;
        let of_settings =
            settings.basic_auth.clone().map(|(user, password)| (user, Some(password)));
        let mut builder = SrSettings::new_builder(base.clone());
        builder.set_timeout(settings.timeout);
        if is_local {
            builder.no_proxy();
        }
        let mut secrets = Vec::new();
        for (user, password) in credentials.into_iter().chain(of_settings) {
            builder.set_basic_authorization(&user, password.as_ref().map(Secret::expose));
            secrets.extend(password.filter(|password| !password.expose().is_empty()));
        }
        let hide = |text: &str| hidden(&secrets, text);
        let calls = builder
            .build()
            .map_err(|error| Error::Start { registry: base.clone(), why: hide(&root(&error)) })?;
        Ok(Self { calls, shown: base, timeout: settings.timeout, secrets })
    }

    /// The schema with this id as one JSON text, including the schemas that it refers to.
    pub(super) async fn schema(&self, id: u32) -> Result<String, Failure> {
        let found = get_schema_by_id(id, &self.calls).await.map_err(|e| self.failure(&e))?;
        if found.references.is_empty() || found.schema_type != SchemaType::Avro {
            return Ok(found.schema);
        }
        let parts = self.referenced(found.references).await?;
        inlined(&found.schema, &parts).map_err(Failure::Broken)
    }

    /// All schemas referred to, directly and through others.
    async fn referenced(&self, mut open: Vec<RegisteredReference>) -> Result<Vec<String>, Failure> {
        let mut seen = HashSet::new();
        let mut parts = Vec::new();
        while let Some(reference) = open.pop() {
            if !seen.insert((reference.subject.clone(), reference.version)) {
                continue;
            }
            if seen.len() > MAX_REFERENCES {
                let what = format!("refers to more than {MAX_REFERENCES} other schemas");
                return Err(Failure::Broken(what));
            }
            let part = get_referenced_schema(&self.calls, &reference).await;
            let part = part.map_err(|error| match self.failure(&error) {
                Failure::Missing(why) => Failure::Broken(format!(
                    "refers to version {} of subject {}, which is not there: {why}",
                    reference.version,
                    wording::one_line(&reference.subject),
                )),
                other => other,
            })?;
            open.extend(part.references);
            parts.push(part.schema);
        }
        Ok(parts)
    }

    /// Registers a schema under a subject; returns its id, the existing one if it was registered
    /// before.
    pub(super) async fn register(&self, subject: &str, schema: &str) -> Result<u32, Failure> {
        let schema = SuppliedSchema::new(None, SchemaType::Avro, schema.to_owned());
        let registered = post_schema(&self.calls, subject.to_owned(), schema).await;
        registered.map(|schema| schema.id).map_err(|error| match self.failure(&error) {
            Failure::Missing(why) => Failure::Refused(why),
            other => other,
        })
    }

    /// The id of a schema under a subject, or the id of the subject's newest schema if that writes
    /// the same bytes.
    pub(super) async fn find(&self, subject: &str, schema: &str) -> Result<u32, Failure> {
        let body = json!({"schema": schema, "schemaType": "AVRO"}).to_string();
        let call = SrCall::PostForVersion(subject, &body);
        let found = perform_sr_call(&self.calls, call).await.map_err(|e| self.failure(&e));
        let missing = match found.map(|found| found.id) {
            Ok(Some(id)) => return Ok(id),
            Ok(None) => return Err(Failure::Away("its answer has no id".to_owned())),
            Err(Failure::Missing(why)) => why,
            Err(other) => return Err(other),
        };
        let newest = get_schema_by_subject_and_version(&self.calls, subject, None).await;
        let newest = newest.map_err(|error| self.failure(&error))?;
        match (fingerprint(&newest.schema), fingerprint(schema)) {
            (Ok(newest_print), Ok(wanted)) if newest_print == wanted => Ok(newest.id),
            _ => Err(Failure::Missing(missing)),
        }
    }

    /// Whether the registry answers, be it with the id's schema or that there is none.
    pub(super) async fn probe(&self, id: u32) -> Result<(), Failure> {
        match get_schema_by_id(id, &self.calls).await.map_err(|error| self.failure(&error)) {
            Ok(_) | Err(Failure::Missing(_)) => Ok(()),
            Err(other) => Err(other),
        }
    }

    /// What an error of the crate means.
    fn failure(&self, error: &SRCError) -> Failure {
        let said = error.source().and_then(|source| source.downcast_ref::<RawError>());
        let code = said.map_or(0, |said| said.error_code);
        let Some(status) = status(error) else { return Failure::Away(self.silence(error)) };
        let words = match said.filter(|_| code != 0) {
            Some(said) => {
                format!("{status} ({})", wording::cut(&self.hidden(&said.message)))
            }
            None => status.to_string(),
        };
        match status {
            404 if (40_400..40_500).contains(&code) => Failure::Missing(words),
            409 | 422 => Failure::Refused(words),
            401 => Failure::Away(format!(
                "{words}, check schema_registry.username and schema_registry.password"
            )),
            403 => Failure::Away(format!("{words}, the user is not allowed to do this")),
            404 => Failure::Away(format!(
                "{words}, and there is no schema registry's error code; check the path in \
                 schema_registry.url"
            )),
            _ => Failure::Away(words),
        }
    }

    /// Why there was no answer, or none that can be read.
    fn silence(&self, error: &SRCError) -> String {
        let root = self.hidden(&root(error));
        if root.contains("timed out") {
            format!("no answer within {}", format_duration(self.timeout))
        } else if error.retriable {
            wording::cut(&root)
        } else {
            let root = wording::cut(&root);
            format!("its answer is no schema registry's ({root}), check schema_registry.url")
        }
    }

    fn hidden(&self, text: &str) -> String {
        hidden(&self.secrets, text)
    }
}

/// The text with the secrets replaced, wherever they came from.
fn hidden(secrets: &[Secret], text: &str) -> String {
    secrets.iter().fold(text.to_owned(), |text, secret| text.replace(secret.expose(), HIDDEN))
}

/// The HTTP status of an error; the crate has it only in the error's text.
fn status(error: &SRCError) -> Option<u16> {
    let (_, status) = error.error.split_once("failed with status ")?;
    status.get(..3)?.parse().ok()
}

/// The text of an error's innermost cause; the outer ones repeat the address.
fn root(error: &SRCError) -> String {
    let Some(mut innermost) = error.source() else { return error.error.clone() };
    while let Some(inner) = innermost.source() {
        innermost = inner;
    }
    innermost.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(url: &str, password: Option<&str>) -> Client {
        let settings = config::SchemaRegistry {
            url: None,
            basic_auth: password.map(|password| ("u".to_owned(), Secret::new(password))),
            fixed: Default::default(),
            auto_register: true,
            timeout: Duration::from_secs(5),
        };
        Client::new(&Secret::new(url), &settings).unwrap()
    }

    fn answer(status: &str, code: u32, message: &str) -> SRCError {
        let json = json!({"error_code": code, "message": message}).to_string();
        let cause: RawError = serde_json::from_str(&json).unwrap();
        let words = format!("HTTP request to schema registry failed with status {status}");
        SRCError::non_retryable_with_cause(cause, &words)
    }

    #[test]
    fn only_the_registrys_own_word_says_that_a_schema_is_not_there() {
        let client = client("http://h", None);
        let away = |words: &str| Failure::Away(words.to_owned());
        let path = "404 (HTTP 404 Not Found), and there is no schema registry's error code; check \
                    the path in schema_registry.url";
        let cases = [
            (
                "404 Not Found",
                40_403,
                "Schema 7 not found",
                Failure::Missing("404 (Schema 7 not found)".to_owned()),
            ),
            ("404 Not Found", 40_401, "x", Failure::Missing("404 (x)".to_owned())),
            ("404 Not Found", 404, "HTTP 404 Not Found", away(path)),
            (
                "409 Conflict",
                409,
                "incompatible",
                Failure::Refused("409 (incompatible)".to_owned()),
            ),
            ("422 Unprocessable Entity", 42_201, "bad", Failure::Refused("422 (bad)".to_owned())),
            (
                "401 Unauthorized",
                0,
                "",
                away("401, check schema_registry.username and schema_registry.password"),
            ),
            ("403 Forbidden", 40_301, "no", away("403 (no), the user is not allowed to do this")),
            ("500 Internal Server Error", 50_001, "store", away("500 (store)")),
            ("503 Service Unavailable", 0, "", away("503")),
            ("429 Too Many Requests", 40_403, "slow", away("429 (slow)")),
        ];
        for (status, code, message, expected) in cases {
            assert_eq!(client.failure(&answer(status, code, message)), expected);
        }
    }

    #[test]
    fn what_others_say_is_short_and_has_no_password() {
        let client = client("http://reader:hun%2Fter@h", Some("s3cret"));
        let message = format!("hun/ter\ns3cret {}", "long ".repeat(1_000));
        let Failure::Refused(words) = client.failure(&answer("409 Conflict", 409, &message)) else {
            panic!("a conflict is a refusal");
        };
        assert!(words.starts_with("409 (*** *** long"), "{words}");
        assert!(words.len() < 400, "{words}");
        assert_eq!(client.shown, "http://h");
    }
}
