//! E-mail addresses, as far as they name somebody.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize};
use thiserror::Error;

/// The most that a path in a mail's envelope holds
/// ([RFC 5321 section 4.5.3.1](https://www.rfc-editor.org/rfc/rfc5321#section-4.5.3.1)), and the part before the `@`.
const MAX_LEN: usize = 254;
const MAX_LOCAL: usize = 64;

/// An address such as people have: a local part of letters, digits and the marks that
/// [RFC 5322 section 3.2.3](https://www.rfc-editor.org/rfc/rfc5322#section-3.2.3) allows without quotes, `@`, and a domain.
///
/// ASCII alone: of two addresses that look the same, one may be somebody else's. Two that differ only in the case of
/// letters are the same, as no provider of mail gives them to different people.
#[derive(Clone, Serialize)]
pub struct EmailAddress(Box<str>);

/// A user's address, and what is known of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Email {
    /// The address.
    pub address: EmailAddress,
    /// Whether somebody has made sure that it is the user's. No two users have one address verified.
    pub verified: bool,
}

/// The text is no address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("an e-mail address is like name@example.com, in ASCII, of at most {MAX_LEN} characters")]
pub struct InvalidEmail;

impl EmailAddress {
    /// The address as it was given.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The form under which addresses are compared and kept unique.
    #[must_use]
    pub fn folded(&self) -> String {
        self.0.to_ascii_lowercase()
    }

    /// Whether it is one of that domain's, and not of one below it.
    #[must_use]
    pub fn is_at(&self, domain: &str) -> bool {
        self.0.split_once('@').is_some_and(|(_, own)| own.eq_ignore_ascii_case(domain))
    }
}

impl FromStr for EmailAddress {
    type Err = InvalidEmail;

    fn from_str(text: &str) -> Result<Self, InvalidEmail> {
        if text.len() > MAX_LEN {
            return Err(InvalidEmail);
        }
        let (local, domain) = text.split_once('@').ok_or(InvalidEmail)?;
        let is_atom = |atom: &str| {
            !atom.is_empty()
                && atom
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(&byte))
        };
        let is_label = |label: &str| {
            !label.is_empty()
                && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
                && !label.starts_with('-')
                && !label.ends_with('-')
        };
        match local.len() <= MAX_LOCAL && local.split('.').all(is_atom) && domain.split('.').all(is_label) {
            true => Ok(Self(text.into())),
            false => Err(InvalidEmail),
        }
    }
}

impl PartialEq for EmailAddress {
    fn eq(&self, other: &Self) -> bool {
        self.0.eq_ignore_ascii_case(&other.0)
    }
}

impl Eq for EmailAddress {}

impl fmt::Display for EmailAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for EmailAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EmailAddress({self})")
    }
}

impl<'de> Deserialize<'de> for EmailAddress {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        crate::id::deserialize_text(deserializer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_an_address() {
        let longest = format!("{}@example.com", "a".repeat(64));
        let cases = [
            ("ann@example.com", true),
            ("Ann.B+shop@Mail.Example.COM", true),
            ("o'neil@example.com", true),
            ("ann@localhost", true),
            (&*longest, true),
            (&format!("a{longest}"), false),
            ("", false),
            ("ann", false),
            ("@example.com", false),
            ("ann@", false),
            ("ann@@example.com", false),
            ("ann@example.com@evil.example", false),
            ("ann@example..com", false),
            ("ann@example.com.", false),
            ("ann@-example.com", false),
            (".ann@example.com", false),
            ("ann b@example.com", false),
            ("\"ann b\"@example.com", false),
            ("Ann <ann@example.com>", false),
            ("ann@example.com,eve@evil.example", false),
            ("ann@example.com\r\nBcc: eve@evil.example", false),
            ("аnn@example.com", false),
            ("ann@exаmple.com", false),
            ("ann@example.com\0", false),
        ];
        for (text, want) in cases {
            assert_eq!(text.parse::<EmailAddress>().is_ok(), want, "{text:?}");
        }
    }

    #[test]
    fn whose_an_address_is() {
        let address: EmailAddress = "Ann@Example.com".parse().unwrap();
        assert_eq!(address, "ann@example.COM".parse().unwrap());
        assert_eq!(address.folded(), "ann@example.com");
        for (domain, want) in [("example.com", true), ("com", false), ("ample.com", false), ("", false)] {
            assert_eq!(address.is_at(domain), want, "{domain}");
        }
        assert!(!"ann@mail.example.com".parse::<EmailAddress>().unwrap().is_at("example.com"));
    }
}
