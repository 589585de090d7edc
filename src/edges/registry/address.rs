//! The registry's address, taken apart.
//!
//! User and password may stand in the address. An HTTP client would take them from there, but then
//! they would travel with every copy of the address into errors and logs, and they would be sent
//! twice if the settings name a user and password as well. So they are taken out before anything
//! else sees the address.

use super::Error;
use crate::base::config::Secret;

/// Where the registry is, and the credentials for it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Address {
    /// Scheme, host, port and path, without a trailing slash.
    pub(super) base: String,
    /// User and password from the address, percent-decoded.
    pub(super) credentials: Option<(String, Option<Secret>)>,
    /// Whether the registry is on this machine, so that no proxy is used.
    pub(super) is_local: bool,
}

impl Address {
    /// Takes an address apart. The error says what is wrong and does not repeat the address.
    pub(super) fn parse(url: &str) -> Result<Self, Error> {
        let wrong = |what| Error::Address { what };
        let (scheme, rest) = url
            .split_once("://")
            .filter(|(scheme, _)| matches!(*scheme, "http" | "https"))
            .ok_or_else(|| wrong("must begin with http:// or https://"))?;
        if rest.contains(['?', '#']) {
            return Err(wrong("must end with its path; ? and # in a password are %3F and %23"));
        }
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let (user_info, place) = match authority.rsplit_once('@') {
            Some((user_info, place)) => (Some(user_info), place),
            None => (None, authority),
        };
        let host = host(place).ok_or_else(|| {
            wrong("must have a host, such as http://registry:8081; / in a password is %2F")
        })?;
        Ok(Self {
            base: format!("{scheme}://{place}{}", path.trim_end_matches('/')),
            credentials: user_info.map(credentials).transpose()?.flatten(),
            is_local: host == "localhost" || host == "[::1]" || host.starts_with("127."),
        })
    }
}

/// The host, if it and the port after it (if any) are valid.
fn host(place: &str) -> Option<&str> {
    let end = place.rfind(':').filter(|colon| !place[*colon..].contains(']'));
    let (host, port) = match end {
        Some(colon) => (&place[..colon], &place[colon + 1..]),
        None => (place, "0"),
    };
    let is_name = !host.is_empty() && !host.contains(|c: char| c.is_whitespace() || c == '@');
    let is_plain = !host.contains(':') || host.starts_with('[') && host.ends_with(']');
    (is_name && is_plain && port.parse::<u16>().is_ok()).then_some(host)
}

fn credentials(user_info: &str) -> Result<Option<(String, Option<Secret>)>, Error> {
    if user_info.is_empty() {
        return Ok(None);
    }
    let what = "has a user or password that is not percent-encoded UTF-8";
    let text = |part: &str| decoded(part).ok_or(Error::Address { what });
    match user_info.split_once(':') {
        Some((user, password)) => Ok(Some((text(user)?, Some(Secret::new(text(password)?))))),
        None => Ok(Some((text(user_info)?, None))),
    }
}

/// Percent-decodes a text; a `%` without two hexadecimal digits after it stays. `None` if the
/// result is not UTF-8.
fn decoded(part: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(part.len());
    let mut rest = part.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        let code = tail.get(..2).filter(|_| first == b'%');
        let code = code.and_then(|digits| std::str::from_utf8(digits).ok());
        match code.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = &tail[2..];
            }
            None => {
                bytes.push(first);
                rest = tail;
            }
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_come_apart() {
        let cases = [
            ("http://h", "http://h", None, false),
            ("http://localhost:8081/", "http://localhost:8081", None, true),
            ("https://h:1/apis/ccompat/v7/", "https://h:1/apis/ccompat/v7", None, false),
            ("http://[::1]:8081/a", "http://[::1]:8081/a", None, true),
            ("http://127.0.0.1:1/a@b", "http://127.0.0.1:1/a@b", None, true),
            ("https://u:p@h/a", "https://h/a", Some(("u", Some("p"))), false),
            ("https://u:p@ss:w@h", "https://h", Some(("u", Some("p@ss:w"))), false),
            ("https://u%40x:%2F%3f%zz%@h", "https://h", Some(("u@x", Some("/?%zz%"))), false),
            ("https://token@h", "https://h", Some(("token", None)), false),
            ("https://:p@h", "https://h", Some(("", Some("p"))), false),
            ("https://@h", "https://h", None, false),
        ];
        for (url, base, credentials, is_local) in cases {
            let address = Address::parse(url).unwrap();
            let shown = address
                .credentials
                .as_ref()
                .map(|(user, password)| (user.as_str(), password.as_ref().map(Secret::expose)));
            assert_eq!(
                (address.base.as_str(), shown, address.is_local),
                (base, credentials, is_local)
            );
            assert!(!format!("{address:?}").contains("p@ss"), "{address:?}");
        }
    }

    #[test]
    fn what_is_no_address_is_not_repeated() {
        let cases = [
            ("ftp://h", "must begin with"),
            ("h:8081", "must begin with"),
            ("http://", "must have a host"),
            ("http:///path", "must have a host"),
            ("http://u:hunter2@", "must have a host"),
            ("http://u:hunter2/x@h", "must have a host"),
            ("http://h:99999", "must have a host"),
            ("http://h x", "must have a host"),
            ("http://::1:80", "must have a host"),
            ("http://u:hunter2?@h", "must end with its path"),
            ("http://h/a?key=hunter2", "must end with its path"),
            ("http://u:hunter2%ff@h", "percent-encoded"),
        ];
        for (url, words) in cases {
            let error = Address::parse(url).unwrap_err();
            assert!(error.is_usage());
            let text = format!("{error} {error:?}");
            assert!(text.contains("schema_registry.url ") && text.contains(words), "{url}: {text}");
            assert!(!text.contains("hunter2"), "{text}");
        }
    }
}
