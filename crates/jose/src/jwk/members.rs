//! The members of a JWK as they stand in the JSON text.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Error as _, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use zeroize::Zeroizing;

use super::JwkError;
use crate::base64url;
use crate::key::KeyError;

/// Every member that is a string and that some key type gives a meaning. Others are ignored, as
/// [RFC 7517 section 4](https://www.rfc-editor.org/rfc/rfc7517#section-4) asks; `x5u` and `x5c` are
/// among those on purpose.
const TEXTS: [&str; 18] = [
    "alg", "crv", "d", "dp", "dq", "e", "k", "kid", "kty", "n", "p", "priv", "pub", "q", "qi", "use", "x",
    "y",
];

/// The members that only a private key or a secret has. `oth` is one more, and of another type.
const PRIVATE: [&str; 8] = ["d", "dp", "dq", "k", "p", "priv", "q", "qi"];

/// The members of one JWK, none of them looked at yet. Wiped when dropped: some may be private.
///
/// Only a JSON object becomes this, and `null` is no string: what a member is must not depend on the
/// parser.
#[derive(Default)]
pub(super) struct Members {
    texts: BTreeMap<&'static str, Zeroizing<String>>,
    pub(super) key_ops: Option<Vec<String>>,
    /// An RSA key of more than two primes.
    pub(super) has_oth: bool,
}

impl Members {
    /// The text of a member.
    pub(super) fn find(&self, name: &str) -> Option<&str> {
        self.texts.get(name).map(|text| text.as_str())
    }

    /// The text of a member that must be there.
    pub(super) fn text(&self, name: &'static str) -> Result<&str, JwkError> {
        self.find(name).ok_or(JwkError::Missing(name))
    }

    /// The bytes of a member that must be there, in base64url.
    pub(super) fn bytes(&self, name: &'static str) -> Result<Zeroizing<Vec<u8>>, JwkError> {
        let text = self.text(name)?;
        Ok(base64url::decode(text).map(Zeroizing::new).map_err(|_| KeyError::NotBase64Url(name))?)
    }

    /// The first member there is that a public key does not have.
    pub(super) fn private_member(&self) -> Option<&'static str> {
        let text = PRIVATE.into_iter().find(|name| self.texts.contains_key(name));
        text.or(self.has_oth.then_some("oth"))
    }
}

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;

        impl<'de> Visitor<'de> for Object {
            type Value = Members;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON Web Key, which is an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
                let mut members = Members::default();
                while let Some(name) = map.next_key::<Cow<'de, str>>()? {
                    let is_new = match TEXTS.into_iter().find(|known| *known == name) {
                        Some(known) => {
                            let text = Zeroizing::new(map.next_value::<String>()?);
                            members.texts.insert(known, text).is_none()
                        }
                        None if name == "key_ops" => members.key_ops.replace(map.next_value()?).is_none(),
                        None => {
                            let _: IgnoredAny = map.next_value()?;
                            name != "oth" || !std::mem::replace(&mut members.has_oth, true)
                        }
                    };
                    if !is_new {
                        return Err(A::Error::custom("a member stands twice"));
                    }
                }
                Ok(members)
            }
        }

        deserializer.deserialize_map(Object)
    }
}
