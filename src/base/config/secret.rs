//! Values that must not be seen: passwords, keys, addresses that carry a password.
//!
//! Hiding secrets where they are printed needs everyone who prints to remember it. A type that
//! cannot print its content has one method that reveals it, [`Secret::expose`], which is easy to
//! review.

use std::fmt;

/// What is shown in place of a secret.
pub const HIDDEN: &str = "***";

/// A text that `Debug` and `Display` never show.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Makes a text a secret.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself, for the one call that needs it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(HIDDEN)
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(HIDDEN)
    }
}

/// The address with its password, and parameters that look like one, replaced by `***`. An address
/// without a password comes back unchanged.
pub fn mask_url(url: &str) -> String {
    let shown = mask_user_info(url);
    match shown.split_once('?') {
        Some((address, query)) => {
            let parameters: Vec<String> = query.split('&').map(mask_parameter).collect();
            format!("{address}?{}", parameters.join("&"))
        }
        None => shown,
    }
}

/// Whether a property of this name holds a secret, such as librdkafka's `sasl.password`,
/// `sasl.oauthbearer.client.secret` and `ssl.key.pem`. Names of files and URLs are not secret.
pub fn is_secret_name(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let is_place = [".location", ".file", ".path", ".url"].iter().any(|end| name.ends_with(end));
    let words = ["password", "passwd", "secret", "token", "pem", "jaas", "basic.auth", "user.info"];
    !is_place && (words.iter().any(|word| name.contains(word)) || name == "sasl.oauthbearer.config")
}

fn mask_user_info(address: &str) -> String {
    let start = address.find("://").map_or(0, |at| at + 3);
    let end = address[start..].rfind('@').map(|at| start + at);
    let Some(end) = end else { return address.to_owned() };
    match address[start..end].split_once(':') {
        Some((user, _)) => format!("{}{user}:{HIDDEN}{}", &address[..start], &address[end..]),
        None => address.to_owned(),
    }
}

fn mask_parameter(parameter: &str) -> String {
    match parameter.split_once('=') {
        Some((name, _)) if is_secret_name(name) => format!("{name}={HIDDEN}"),
        _ => parameter.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_never_prints_itself() {
        let secret = Secret::new("hunter2");
        assert_eq!(format!("{secret} {secret:?} {:?}", Some(&secret)), "*** *** Some(***)");
        assert_eq!(secret.expose(), "hunter2");
    }

    #[test]
    fn addresses() {
        let cases = [
            ("postgres://u:p@h:5432/d", "postgres://u:***@h:5432/d"),
            ("postgres://u:p@ss:w@h/d", "postgres://u:***@h/d"),
            ("postgres://u@h/d", "postgres://u@h/d"),
            ("postgres://h/d?user=u&password=p", "postgres://h/d?user=u&password=***"),
            ("postgres://u:p?q@h/d", "postgres://u:***@h/d"),
            ("https://:p@h", "https://:***@h"),
            ("sqlite:synfinance.db", "sqlite:synfinance.db"),
            ("http://localhost:8081", "http://localhost:8081"),
        ];
        for (url, shown) in cases {
            assert_eq!(mask_url(url), shown);
        }
    }

    #[test]
    fn names_of_secret_properties() {
        let cases = [
            ("sasl.password", true),
            ("SSL.Key.Password", true),
            ("ssl.keystore.password", true),
            ("sasl.oauthbearer.client.secret", true),
            ("ssl.key.pem", true),
            ("sasl.oauthbearer.config", true),
            ("ssl.key.location", false),
            ("sasl.oauthbearer.token.endpoint.url", false),
            ("sasl.username", false),
            ("session.timeout.ms", false),
        ];
        for (name, secret) in cases {
            assert_eq!(is_secret_name(name), secret, "{name}");
        }
    }
}
