use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// What a revocation names: how much it takes back.
///
/// On the wire and on the command line a kind is its lower-case name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// One access token, by `jti`.
    Token,
    /// One login of one user on one device, by `sid`.
    Session,
    /// Everything a subject holds, by `sub`.
    Subject,
    /// Everything issued to a client, by `client_id`.
    Client,
    /// Everything a key has signed or ever will sign, by `kid`.
    Key,
    /// Every token of the issuer.
    All,
}

impl Kind {
    /// Every kind, the narrowest first.
    pub const EVERY: [Kind; 6] =
        [Kind::Token, Kind::Session, Kind::Subject, Kind::Client, Kind::Key, Kind::All];

    /// The name on the wire.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Kind::Token => "token",
            Kind::Session => "session",
            Kind::Subject => "subject",
            Kind::Client => "client",
            Kind::Key => "key",
            Kind::All => "all",
        }
    }

    /// Whether a revocation of this kind ends what it names for good, whenever a token was minted.
    ///
    /// A token or a session never comes back. Neither does a key: whoever stole it writes any `iat`
    /// they like. A subject, a client or everything goes on with tokens minted after the revocation.
    #[must_use]
    pub const fn is_final(self) -> bool {
        matches!(self, Kind::Token | Kind::Session | Kind::Key)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A word that names no [`Kind`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the kind of a revocation must be one of token, session, subject, client, key, all")]
pub struct UnknownKind;

impl FromStr for Kind {
    type Err = UnknownKind;

    fn from_str(name: &str) -> Result<Self, UnknownKind> {
        Kind::EVERY.into_iter().find(|kind| kind.name() == name).ok_or(UnknownKind)
    }
}

impl Serialize for Kind {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl<'de> Deserialize<'de> for Kind {
    /// From a string and nothing else. What is derived for an enum would take `{"all": null}` as well.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_read_back_from_its_name() {
        for kind in Kind::EVERY {
            assert_eq!(kind.to_string().parse(), Ok(kind));
            let json = serde_json::to_string(&kind).unwrap();
            assert_eq!(json, format!("\"{kind}\""));
            assert_eq!(serde_json::from_str::<Kind>(&json).unwrap(), kind);
        }
    }

    #[test]
    fn only_a_string_is_a_kind() {
        for json in ["{\"all\":null}", "{\"token\":{}}", "[\"all\"]", "5", "null", "\"All\""] {
            assert!(serde_json::from_str::<Kind>(json).is_err(), "{json}");
        }
        assert_eq!(
            serde_json::from_str::<Kind>("\"\\u0061ll\"").unwrap(),
            Kind::All,
            "however it is written"
        );
    }

    #[test]
    fn other_words_are_no_kind() {
        for word in ["", "Token", "tokens", " key", "everything"] {
            assert_eq!(word.parse::<Kind>(), Err(UnknownKind), "{word:?}");
        }
    }
}
