//! Scopes ([RFC 6749 section 3.3](https://www.rfc-editor.org/rfc/rfc6749#section-3.3)).

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use serde::de::{self, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use thiserror::Error;

/// The longest scope string that is read, in bytes.
const MAX_LEN: usize = 4096;

/// The text is no scope: empty, too long, or with a character that RFC 6749 does not allow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("a scope is printable ASCII without space, quote and backslash")]
pub struct InvalidScope;

/// One scope: one or more of the characters `%x21 / %x23-5B / %x5D-7E`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Scope(Box<str>);

impl Scope {
    /// The scope's text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::borrow::Borrow<str> for Scope {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl FromStr for Scope {
    type Err = InvalidScope;

    fn from_str(text: &str) -> Result<Self, InvalidScope> {
        let allowed = |byte: u8| matches!(byte, 0x21 | 0x23..=0x5b | 0x5d..=0x7e);
        if text.is_empty() || !text.bytes().all(allowed) {
            return Err(InvalidScope);
        }
        Ok(Self(text.into()))
    }
}

/// A set of scopes, on the wire one string with spaces between. Order and repetition mean nothing.
///
/// ```
/// use gatepass_token::ScopeSet;
/// let scope: ScopeSet = "orders:write orders:read".parse()?;
/// assert!(scope.contains("orders:read"));
/// assert_eq!(scope.to_string(), "orders:read orders:write");
/// # Ok::<_, gatepass_token::InvalidScope>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ScopeSet(BTreeSet<Scope>);

impl ScopeSet {
    /// Whether `scope` is in the set.
    #[must_use]
    pub fn contains(&self, scope: &str) -> bool {
        self.0.contains(scope)
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether every scope of this set is in `other`.
    #[must_use]
    pub fn is_subset(&self, other: &Self) -> bool {
        self.0.is_subset(&other.0)
    }

    /// What both sets have.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        Self(self.0.intersection(&other.0).cloned().collect())
    }

    /// What either set has.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        Self(self.0.union(&other.0).cloned().collect())
    }

    /// The scopes in alphabetical order.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(Scope::as_str)
    }
}

impl FromIterator<Scope> for ScopeSet {
    fn from_iter<I: IntoIterator<Item = Scope>>(scopes: I) -> Self {
        Self(scopes.into_iter().collect())
    }
}

impl FromStr for ScopeSet {
    type Err = InvalidScope;

    /// Reads scopes between single spaces; the empty string is the empty set.
    fn from_str(text: &str) -> Result<Self, InvalidScope> {
        if text.len() > MAX_LEN {
            return Err(InvalidScope);
        }
        if text.is_empty() {
            return Ok(Self::default());
        }
        let mut scopes = BTreeSet::new();
        for scope in text.split(' ') {
            scopes.insert(scope.parse()?);
        }
        Ok(Self(scopes))
    }
}

impl fmt::Display for ScopeSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, scope) in self.iter().enumerate() {
            write!(f, "{}{scope}", if at == 0 { "" } else { " " })?;
        }
        Ok(())
    }
}

impl Serialize for ScopeSet {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ScopeSet {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Scopes;

        impl Visitor<'_> for Scopes {
            type Value = ScopeSet;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("scopes between single spaces")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<ScopeSet, E> {
                text.parse().map_err(E::custom)
            }
        }

        deserializer.deserialize_str(Scopes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scope_strings() {
        let cases = [
            ("empty_is_no_scope", "", Some("")),
            ("one", "openid", Some("openid")),
            ("sorted_without_repetition", "b a b", Some("a b")),
            ("uri", "https://api.example.com/read", Some("https://api.example.com/read")),
            ("double_space", "a  b", None),
            ("leading_space", " a", None),
            ("quote", "a\"b", None),
            ("backslash", "a\\b", None),
            ("newline", "a\nb", None),
            ("not_ascii", "é", None),
        ];
        for (name, text, want) in cases {
            assert_eq!(text.parse::<ScopeSet>().ok().map(|set| set.to_string()).as_deref(), want, "{name}");
        }
        assert!("a".repeat(MAX_LEN + 1).parse::<ScopeSet>().is_err());
    }
}
