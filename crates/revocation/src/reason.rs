use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Why something was revoked: a short word for logs, audits and, where clients act on it, the wire.
///
/// 1 to 64 printable ASCII characters, without those that end a string or open a tag somewhere on the
/// way (`"`, `\`, `<`, `>`, `&`). The words that gatepass itself
/// uses are constants; an administrator may give another. Cloning never allocates.
///
/// ```
/// use gatepass_revocation::Reason;
///
/// let reason: Reason = "laptop stolen".parse()?;
/// assert_eq!(reason.as_str(), "laptop stolen");
/// assert_eq!("claims-changed".parse::<Reason>()?, Reason::CLAIMS_CHANGED);
/// assert!("<script>".parse::<Reason>().is_err());
/// # Ok::<(), gatepass_revocation::InvalidReason>(())
/// ```
#[derive(Clone)]
pub struct Reason(Text);

#[derive(Clone)]
enum Text {
    Fixed(&'static str),
    Shared(Arc<str>),
}

impl Reason {
    /// The longest reason, in characters.
    pub const MAX_LEN: usize = 64;

    /// Roles or other claims changed: the client should refresh, and carry the new ones.
    pub const CLAIMS_CHANGED: Reason = Reason(Text::Fixed("claims-changed"));
    /// The user logged out.
    pub const LOGOUT: Reason = Reason(Text::Fixed("logout"));
    /// An old refresh token was used again: somebody has a copy.
    pub const REUSE: Reason = Reason(Text::Fixed("refresh-token-reuse"));
    /// The user or client was disabled.
    pub const DISABLED: Reason = Reason(Text::Fixed("disabled"));
    /// The user's password changed.
    pub const PASSWORD_CHANGED: Reason = Reason(Text::Fixed("password-changed"));
    /// The client asked for it (RFC 7009).
    pub const CLIENT_REQUEST: Reason = Reason(Text::Fixed("client-request"));
    /// A signing key leaked, or may have.
    pub const KEY_COMPROMISED: Reason = Reason(Text::Fixed("key-compromised"));
    /// An administrator decided it and gave no other reason.
    pub const ADMIN: Reason = Reason(Text::Fixed("admin"));
    /// No reason that could be kept.
    pub const UNSPECIFIED: Reason = Reason(Text::Fixed("unspecified"));

    /// The reason as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match &self.0 {
            Text::Fixed(text) => text,
            Text::Shared(text) => text,
        }
    }
}

/// A text that cannot be a [`Reason`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a reason is 1 to 64 printable ASCII characters without quotes, backslash, <, > and &")]
pub struct InvalidReason;

impl FromStr for Reason {
    type Err = InvalidReason;

    fn from_str(text: &str) -> Result<Self, InvalidReason> {
        let allowed =
            |byte: u8| matches!(byte, b' '..=b'~') && !matches!(byte, b'"' | b'\\' | b'<' | b'>' | b'&');
        if text.is_empty() || text.len() > Self::MAX_LEN || !text.bytes().all(allowed) {
            return Err(InvalidReason);
        }
        Ok(Reason(Text::Shared(text.into())))
    }
}

impl PartialEq for Reason {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for Reason {}

impl fmt::Debug for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl Serialize for Reason {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Reason {
    /// A reason that this version cannot keep becomes [`Reason::UNSPECIFIED`]: the revocation it came
    /// with must take effect all the same.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Ok(text.parse().unwrap_or(Reason::UNSPECIFIED))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_short_plain_text_is_a_reason() {
        let longest = "a".repeat(64);
        let too_long = "a".repeat(65);
        let cases = [
            ("a_word", "logout", true),
            ("every_kind_of_character", "a-z_0.9 x", true),
            ("longest", longest.as_str(), true),
            ("one_longer", too_long.as_str(), false),
            ("empty", "", false),
            ("upper_case_and_punctuation", "Ticket #42: laptop stolen!", true),
            ("a_tag", "<b>", false),
            ("a_line_break", "logout\nevent: x", false),
            ("a_quote", "\"", false),
            ("not_ascii", "künd", false),
        ];
        for (name, text, fits) in cases {
            assert_eq!(text.parse::<Reason>().is_ok(), fits, "{name}");
        }
    }

    #[test]
    fn the_constants_are_reasons() {
        for reason in [
            Reason::CLAIMS_CHANGED,
            Reason::LOGOUT,
            Reason::REUSE,
            Reason::DISABLED,
            Reason::PASSWORD_CHANGED,
            Reason::CLIENT_REQUEST,
            Reason::KEY_COMPROMISED,
            Reason::ADMIN,
            Reason::UNSPECIFIED,
        ] {
            assert_eq!(reason.as_str().parse(), Ok(reason));
        }
    }

    #[test]
    fn a_reason_of_a_later_version_does_not_stop_the_entry() {
        let reason: Reason = serde_json::from_str("\"Größer\"").unwrap();
        assert_eq!(reason, Reason::UNSPECIFIED);
    }
}
