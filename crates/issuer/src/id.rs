//! Identifiers of what the issuer keeps.

use std::fmt;
use std::str::FromStr;

use gatepass_jose::{Timestamp, base64url};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use thiserror::Error;
use url::Url;

/// The longest URL that can be a client's identifier: it stands in every token.
const MAX_URL: usize = 512;

/// The text is not an identifier of this kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("not an identifier of this kind")]
pub struct InvalidId;

/// 48 bits of milliseconds, then 80 random bits: unguessable, and in the order of creation, so that
/// an index on it grows at its end.
fn time_ordered(now: Timestamp, random: [u8; 10]) -> [u8; 16] {
    let [_, _, millis @ ..] = now.as_millis().max(0).to_be_bytes();
    let mut bytes = [0; 16];
    for (to, from) in bytes.iter_mut().zip(millis.into_iter().chain(random)) {
        *to = from;
    }
    bytes
}

macro_rules! id_type {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name([u8; 16]);

        impl $name {
            /// A fresh identifier, ordered by the time of its creation.
            #[must_use]
            pub fn new(now: Timestamp, random: [u8; 10]) -> Self {
                Self(time_ordered(now, random))
            }

            /// From its 16 bytes, as a store keeps them.
            #[must_use]
            pub const fn from_bytes(bytes: [u8; 16]) -> Self {
                Self(bytes)
            }

            /// Its 16 bytes.
            #[must_use]
            pub const fn as_bytes(&self) -> &[u8; 16] {
                &self.0
            }
        }

        impl fmt::Display for $name {
            /// 22 characters of base64url.
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&base64url::encode(&self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({self})", stringify!($name))
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;

            fn from_str(text: &str) -> Result<Self, InvalidId> {
                if text.len() != 22 {
                    return Err(InvalidId);
                }
                let bytes = base64url::decode(text).map_err(|_| InvalidId)?;
                bytes.try_into().map(Self).map_err(|_| InvalidId)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserialize_text(deserializer)
            }
        }
    };
}

id_type! {
    /// A user; the `sub` of their tokens. Says nothing about the person and never changes.
    UserId
}

id_type! {
    /// A session: one login of one user on one device, the `sid` of its tokens, and the family of
    /// its refresh tokens. Knowing it gives no access to anything.
    SessionId
}

id_type! {
    /// A receiver's stream of shared signals: its `stream_id`.
    StreamId
}

/// A client's `client_id` ([RFC 6749 section 2.2](https://www.rfc-editor.org/rfc/rfc6749#section-2.2)):
/// 1 to 64 letters, digits, `.`, `_` and `-`. Or a URL, of a document that says what the client is
/// ([draft-ietf-oauth-client-id-metadata-document](https://datatracker.ietf.org/doc/draft-ietf-oauth-client-id-metadata-document/)):
/// with a path, without user and fragment, and spelt as browsers spell it.
///
/// An identifier that could be a [`UserId`] is refused, because both stand in `sub` and a client
/// must not be able to pass for a user ([RFC 9068 section 5](https://www.rfc-editor.org/rfc/rfc9068#section-5)).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct ClientId(Box<str>);

impl ClientId {
    /// The client of the session API: the operator's own apps. Public, known to every issuer.
    #[must_use]
    pub fn first_party() -> Self {
        Self("first-party".into())
    }

    /// Whether this is [`ClientId::first_party`].
    #[must_use]
    pub fn is_first_party(&self) -> bool {
        *self.0 == *"first-party"
    }

    /// The authorization server's own pages, under which logins are kept that serve every application.
    /// Nobody can authenticate as it.
    #[must_use]
    pub fn sign_on() -> Self {
        Self("gatepass-sign-on".into())
    }

    /// Whether the issuer has taken the identifier for itself, so that no client can be registered under it.
    #[must_use]
    pub fn is_reserved(&self) -> bool {
        self.is_first_party() || *self == Self::sign_on()
    }

    /// Whether it is the URL of a document, so that no client can be registered under it.
    #[must_use]
    pub fn is_url(&self) -> bool {
        self.0.contains("://")
    }

    /// The host of the URL, with its port where that is not the usual one; empty where it is no URL.
    #[must_use]
    pub fn host(&self) -> &str {
        let (_, rest) = self.0.split_once("://").unwrap_or_default();
        rest.split(['/', '?']).next().unwrap_or_default()
    }

    /// The identifier's text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ClientId {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        if is_document_url(text) {
            return Ok(Self(text.into()));
        }
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
        let well_formed = (1..=64).contains(&text.len()) && text.bytes().all(allowed);
        if !well_formed || text.parse::<UserId>().is_ok() {
            return Err(InvalidId);
        }
        Ok(Self(text.into()))
    }
}

/// Whether a text is the URL of a client's document. Whether that may be fetched is for others to say.
fn is_document_url(text: &str) -> bool {
    let Some(url) = (text.len() <= MAX_URL).then(|| Url::parse(text).ok()).flatten() else { return false };
    matches!(url.scheme(), "https" | "http")
        && url.as_str() == text
        && url.path() != "/"
        && url.fragment().is_none()
        && url.username().is_empty()
        && url.password().is_none()
}

/// Reads a type from its text, as it parses it.
pub(crate) fn deserialize_text<'de, T, D>(deserializer: D) -> Result<T, D::Error>
where
    T: FromStr<Err: fmt::Display>,
    D: Deserializer<'de>,
{
    let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
    text.parse().map_err(serde::de::Error::custom)
}

impl fmt::Display for ClientId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for ClientId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ClientId({self})")
    }
}

impl<'de> Deserialize<'de> for ClientId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserialize_text(deserializer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_survive_their_text_and_keep_their_order() {
        let early = UserId::new(Timestamp::from_secs(1), [255; 10]);
        let late = UserId::new(Timestamp::from_secs(2), [0; 10]);
        assert!(early < late);
        assert_eq!(early.to_string().parse(), Ok(early));
    }

    #[test]
    fn a_client_id_cannot_pass_for_a_user() {
        let user = UserId::new(Timestamp::from_secs(1_763_780_000), [9; 10]).to_string();
        for (text, ok) in [
            ("web", true),
            ("a.b_c-1", true),
            ("", false),
            ("a b", false),
            ("é", false),
            (user.as_str(), false),
        ] {
            assert_eq!(text.parse::<ClientId>().is_ok(), ok, "{text}");
        }
        assert!("x".repeat(65).parse::<ClientId>().is_err());
    }

    #[test]
    fn which_urls_can_be_a_client() {
        let long = format!("https://a.example/{}", "x".repeat(512));
        let cases = [
            ("https://a.example/client.json", Some("a.example")),
            ("https://a.example:8443/client?v=1", Some("a.example:8443")),
            ("http://127.0.0.1:4711/client", Some("127.0.0.1:4711")),
            ("https://a.example/", None),
            ("https://a.example", None),
            ("https://A.example/client", None),
            ("https://a.example:443/client", None),
            ("https://a.example/x/../client", None),
            ("https://a.example/x/%2e%2e/client", None),
            ("https://a.example/client#x", None),
            ("https://a.example/client#", None),
            ("https://user@a.example/client", None),
            ("https://:secret@a.example/client", None),
            ("https://a.example/a b", None),
            ("https://a.example/client\n", None),
            ("https:/a.example/client", None),
            ("ftp://a.example/client", None),
            ("javascript://a.example/%0aalert(1)", None),
            (&long, None),
        ];
        for (text, host) in cases {
            let id = text.parse::<ClientId>().ok();
            assert_eq!(id.as_ref().map(ClientId::host), host, "{text}");
            assert!(id.is_none_or(|id| id.is_url()), "{text}");
        }
        let plain: ClientId = "web".parse().unwrap();
        assert_eq!((plain.is_url(), plain.host()), (false, ""));
    }
}
