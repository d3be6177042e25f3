//! Sets of keys ([RFC 7517 section 5](https://www.rfc-editor.org/rfc/rfc7517#section-5)).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use zeroize::Zeroizing;

use super::members::Members;
use super::{Jwk, JwkError, PrivateJwk};
use crate::json::{self, JsonError};

/// A set of public keys, as an issuer publishes it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct JwkSet {
    /// The keys, in the order of the document.
    pub keys: Vec<Jwk>,
}

impl JwkSet {
    /// Parses a set. Keys that this crate has no use for (of another type, curve or algorithm, not
    /// sound, or not public) are passed over, as section 5 of the RFC asks.
    ///
    /// # Errors
    /// [`JsonError`] when the text is not a JSON object with an array `keys`, or not strict JSON.
    ///
    /// ```
    /// # use gatepass_jose::JwkSet;
    /// let set = JwkSet::parse(br#"{"keys":[{"kty":"oct","k":"c2VjcmV0"}]}"#)?;
    /// assert!(set.keys.is_empty());
    /// # Ok::<_, gatepass_jose::JsonError>(())
    /// ```
    pub fn parse(json: &[u8]) -> Result<Self, JsonError> {
        let document: Document<Map<String, Value>> = json::parse(json)?;
        let key = |members| serde_json::from_value(Value::Object(members)).ok();
        Ok(Self { keys: document.keys.into_iter().filter_map(key).collect() })
    }
}

/// A set of private keys and secrets, as its one owner keeps it.
#[derive(Debug, Default)]
pub struct PrivateJwkSet {
    /// The keys, in the order of the document.
    pub keys: Vec<PrivateJwk>,
}

impl PrivateJwkSet {
    /// Parses a set. Unlike in a published set nothing is passed over: a key that cannot be used was
    /// meant to be, and one name must not stand for two keys.
    ///
    /// # Errors
    /// [`JwkError`] of the first key that is refused; [`JwkError::RepeatedKid`] for two different keys
    /// of one `kid`.
    pub fn parse(json: &[u8]) -> Result<Self, JwkError> {
        let document: Document<Members> = json::parse(json)?;
        let keys: Vec<PrivateJwk> =
            document.keys.into_iter().map(TryFrom::try_from).collect::<Result<_, _>>()?;
        let mut thumbprints = BTreeMap::new();
        for key in &keys {
            let Some(kid) = key.kid.as_deref() else { continue };
            let thumbprint = key.thumbprint();
            if thumbprints.get(kid).is_some_and(|other| *other != thumbprint) {
                return Err(JwkError::RepeatedKid);
            }
            thumbprints.insert(kid, thumbprint);
        }
        Ok(Self { keys })
    }

    /// The set as JSON, private members and all. Whoever holds this text holds the keys.
    #[must_use]
    pub fn to_json(&self) -> Zeroizing<String> {
        let keys: Vec<_> = self.keys.iter().map(PrivateJwk::to_json).collect();
        // Each text is made in one piece: growing would leave copies behind.
        let keys = Zeroizing::new(keys.iter().map(|key| key.as_str()).collect::<Vec<_>>().join(","));
        Zeroizing::new(["{\"keys\":[", keys.as_str(), "]}"].concat())
    }

    /// The public halves; a secret has none and is left out.
    #[must_use]
    pub fn public(&self) -> JwkSet {
        JwkSet { keys: self.keys.iter().filter_map(PrivateJwk::public).collect() }
    }
}

#[derive(Deserialize)]
struct Document<K> {
    keys: Vec<K>,
}
