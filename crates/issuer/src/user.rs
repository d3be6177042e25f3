//! Users and the roles that they hold.

use std::fmt;
use std::str::FromStr;

use gatepass_jose::Timestamp;
use gatepass_token::ScopeSet;
use serde::{Deserialize, Deserializer, Serialize};
use thiserror::Error;

use crate::email::Email;
use crate::id::UserId;
use crate::password::PasswordHash;

/// A person (or a machine that logs in like one).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// Their `sub`.
    pub id: UserId,
    /// What they log in with.
    pub username: Username,
    /// What people call them.
    pub name: Option<DisplayName>,
    /// How their password is checked.
    pub password: PasswordHash,
    /// Their e-mail address.
    pub email: Option<Email>,
    /// The roles they hold, in alphabetical order.
    pub roles: Vec<RoleName>,
    /// A disabled user cannot log in and has no session.
    pub disabled: bool,
    /// When the user was created.
    pub created_at: Timestamp,
}

/// A login name: 1 to 128 characters without control characters, and without white space at either
/// end. Two names that differ only in case are the same name.
#[derive(Clone, Serialize)]
pub struct Username(Box<str>);

/// What people call a user: 1 to 128 characters without control characters, and without white space at either end. Nobody is
/// known by it, so two users may have the same.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DisplayName(Box<str>);

/// A role: 1 to 64 letters, digits and `._:-`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct RoleName(Box<str>);

/// A role and what it allows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Role {
    /// The role's name, which stands in the claim `roles`.
    pub name: RoleName,
    /// The scopes that a token of somebody with this role carries.
    pub scope: ScopeSet,
}

/// The text is no user name or role name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum InvalidName {
    /// Not a user name.
    #[error("a user name has 1 to 128 characters, no control characters, and no white space at its ends")]
    Username,
    /// Not what people call a user.
    #[error("a name has 1 to 128 characters, no control characters, and no white space at its ends")]
    DisplayName,
    /// Not a role name.
    #[error("a role name has 1 to 64 letters, digits, dots, colons, hyphens and underscores")]
    RoleName,
}

impl Username {
    /// The name as it was given.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The form under which names are compared and kept unique.
    #[must_use]
    pub fn folded(&self) -> String {
        self.0.to_lowercase()
    }
}

impl PartialEq for Username {
    fn eq(&self, other: &Self) -> bool {
        self.folded() == other.folded()
    }
}

impl Eq for Username {}

impl FromStr for Username {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        if is_name(text) { Ok(Self(text.into())) } else { Err(InvalidName::Username) }
    }
}

/// Whether people could write it in one line.
fn is_name(text: &str) -> bool {
    // Bytes first: counting the characters of a huge text is work too.
    text.len() <= 512
        && (1..=128).contains(&text.chars().count())
        && text.trim() == text
        && !text.chars().any(char::is_control)
}

impl fmt::Display for Username {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Username {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Username({self})")
    }
}

impl DisplayName {
    /// The name's text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for DisplayName {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        if is_name(text) { Ok(Self(text.into())) } else { Err(InvalidName::DisplayName) }
    }
}

impl RoleName {
    /// The built-in role whose holders administer the issuer itself.
    #[must_use]
    pub fn admin() -> Self {
        Self("admin".into())
    }

    /// The name's text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for RoleName {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b':' | b'-');
        if (1..=64).contains(&text.len()) && text.bytes().all(allowed) {
            Ok(Self(text.into()))
        } else {
            Err(InvalidName::RoleName)
        }
    }
}

impl fmt::Display for RoleName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

macro_rules! deserialize_by_parsing {
    ($name:ident) => {
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                crate::id::deserialize_text(deserializer)
            }
        }
    };
}

deserialize_by_parsing!(Username);
deserialize_by_parsing!(DisplayName);
deserialize_by_parsing!(RoleName);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_names() {
        let cases = [
            ("plain", "alice".to_owned(), true),
            ("e_mail", "alice@example.com".into(), true),
            ("inner_space", "alice smith".into(), true),
            ("other_script", "алиса".into(), true),
            ("empty", String::new(), false),
            ("leading_space", " alice".into(), false),
            ("trailing_newline", "alice\n".into(), false),
            ("nul", "al\0ice".into(), false),
            ("longest", "a".repeat(128), true),
            ("too_long", "a".repeat(129), false),
        ];
        for (name, text, ok) in cases {
            assert_eq!(text.parse::<Username>().is_ok(), ok, "{name}");
            assert_eq!(text.parse::<DisplayName>().is_ok(), ok, "{name}");
        }
        assert_eq!("Alice".parse::<Username>(), "aLICE".parse::<Username>());
    }
}
