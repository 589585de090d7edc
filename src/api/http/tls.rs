//! Certificate and key from PEM files.
//!
//! OpenSSL reports "no start line" for most mistakes, and asks on the terminal for the passphrase
//! of an encrypted key, which nobody answers in a container. So the usual mistakes are checked
//! first.

use std::path::Path;

use axum_server::tls_openssl::OpenSSLConfig;

use super::Error;
use crate::base::config::Http;

const CERTIFICATE: &str = "http.tls.certificate";
const KEY: &str = "http.tls.key";

/// The TLS configuration of the settings; `None` for plain HTTP.
pub(super) fn configured(settings: &Http) -> Result<Option<OpenSSLConfig>, Error> {
    settings.tls.as_ref().map(|(certificate, key)| load(certificate, key)).transpose()
}

/// TLS 1.3 with this certificate chain and its key.
fn load(certificate: &Path, key: &Path) -> Result<OpenSSLConfig, Error> {
    let wanted = "give a PEM file with the certificate and its chain";
    has(certificate, CERTIFICATE, "-----BEGIN CERTIFICATE", wanted)?;
    let wanted = "give a PEM file with the private key, without a passphrase";
    let text = has(key, KEY, "PRIVATE KEY-----", wanted)?;
    if text.contains("ENCRYPTED") {
        let found = "an encrypted key";
        return Err(Error::TlsContent { key: KEY, path: key.to_owned(), found, wanted });
    }
    OpenSSLConfig::from_pem_chain_file(certificate, key).map_err(|source| Error::Tls {
        certificate: certificate.to_owned(),
        key: key.to_owned(),
        source: Box::new(source),
    })
}

/// The text of a file, which must contain `mark`.
fn has(path: &Path, key: &'static str, mark: &str, wanted: &'static str) -> Result<String, Error> {
    let bytes = std::fs::read(path).map_err(|source| Error::TlsFile {
        key,
        path: path.to_owned(),
        source,
    })?;
    let text = String::from_utf8_lossy(&bytes).into_owned();
    if text.contains(mark) {
        return Ok(text);
    }
    let found = "nothing of the kind";
    Err(Error::TlsContent { key, path: path.to_owned(), found, wanted })
}
