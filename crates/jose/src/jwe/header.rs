//! The JOSE header of a JWE ([RFC 7516 section 4](https://www.rfc-editor.org/rfc/rfc7516#section-4)).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::alg::{ContentEncryption, KeyManagement};
use super::decrypt::DecryptError;
use crate::base64url;
use crate::jwk::Jwk;

/// A JSON object by its members.
pub(crate) type Members = Map<String, Value>;

/// The registered parameters of a JWE. An application's own have other names.
pub(crate) const REGISTERED: [&str; 21] = [
    "alg", "apu", "apv", "b64", "crit", "cty", "enc", "epk", "iv", "jku", "jwk", "kid", "p2c", "p2s", "tag",
    "typ", "x5c", "x5t", "x5t#S256", "x5u", "zip",
];

/// The header of one recipient, as it is read: the union of the protected header, the shared unprotected
/// one and the recipient's own. Keys in it (`jwk`, `x5c`) and addresses of keys (`jku`, `x5u`) have no
/// meaning here: nothing looks at them.
pub(crate) struct Header<'m> {
    protected: &'m Members,
    shared: &'m Members,
    own: &'m Members,
}

impl<'m> Header<'m> {
    /// Joins the three, which must not have a name in common, and refuses what is not understood.
    pub(crate) fn join(
        protected: &'m Members,
        shared: &'m Members,
        own: &'m Members,
    ) -> Result<Self, DecryptError> {
        let repeated = |name: &String| protected.contains_key(name) || shared.contains_key(name);
        if own.keys().any(repeated) || shared.keys().any(|name| protected.contains_key(name)) {
            return Err(DecryptError::RepeatedParameter);
        }
        let header = Self { protected, shared, own };
        if header.value("crit").is_some() || header.value("b64").is_some() {
            return Err(DecryptError::Critical);
        }
        // RFC 7516 section 4.1.3: compression is for the sender alone to ask for.
        if shared.contains_key("zip") || own.contains_key("zip") {
            return Err(DecryptError::Parameter("zip"));
        }
        Ok(header)
    }

    /// A parameter that is a string where it is there.
    pub(crate) fn text(&self, name: &'static str) -> Result<Option<&'m str>, DecryptError> {
        let text = |value: &'m Value| value.as_str().ok_or(DecryptError::Parameter(name));
        self.value(name).map(text).transpose()
    }

    /// A parameter that must be there as a string.
    pub(crate) fn required_text(&self, name: &'static str) -> Result<&'m str, DecryptError> {
        self.text(name)?.ok_or(DecryptError::Parameter(name))
    }

    /// A parameter that is base64url where it is there.
    pub(crate) fn bytes(&self, name: &'static str) -> Result<Option<Vec<u8>>, DecryptError> {
        let decode = |text| base64url::decode(text).map_err(|_| DecryptError::Parameter(name));
        self.text(name)?.map(decode).transpose()
    }

    /// A parameter that must be there as base64url of exactly `len` bytes.
    pub(crate) fn exact_bytes(&self, name: &'static str, len: usize) -> Result<Vec<u8>, DecryptError> {
        self.bytes(name)?.filter(|bytes| bytes.len() == len).ok_or(DecryptError::Parameter(name))
    }

    /// `p2c`: a whole number without fraction or exponent.
    pub(crate) fn iterations(&self) -> Result<u64, DecryptError> {
        self.value("p2c").and_then(Value::as_u64).ok_or(DecryptError::Parameter("p2c"))
    }

    /// `epk`: a public key and nothing private, on a curve, with whatever else a JWK may have.
    pub(crate) fn ephemeral_key(&self) -> Result<Jwk, DecryptError> {
        let epk = self.value("epk").ok_or(DecryptError::Parameter("epk"))?;
        Jwk::deserialize(epk).map_err(|_| DecryptError::EphemeralKey)
    }

    fn value(&self, name: &str) -> Option<&'m Value> {
        self.protected.get(name).or_else(|| self.shared.get(name)).or_else(|| self.own.get(name))
    }
}

/// The parameters that one recipient needs, as they are written.
#[derive(Serialize)]
pub(crate) struct RecipientHeader<'k> {
    pub(crate) alg: KeyManagement,
    #[serde(skip_serializing_if = "str::is_empty")]
    pub(crate) kid: &'k str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) epk: Option<Jwk>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) apu: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) apv: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) p2s: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) p2c: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) iv: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) tag: Option<String>,
}

impl<'k> RecipientHeader<'k> {
    pub(crate) fn new(alg: KeyManagement, kid: &'k str) -> Self {
        Self { alg, kid, epk: None, apu: None, apv: None, p2s: None, p2c: None, iv: None, tag: None }
    }
}

/// A content encryption key that is wrapped for whoever encrypts as well, under its parameter's name.
pub(crate) type Copy = BTreeMap<&'static str, String>;

/// The protected header, as it is written. With several recipients theirs stand apart.
#[derive(Serialize)]
pub(crate) struct ProtectedHeader<'a> {
    #[serde(flatten)]
    pub(crate) recipient: Option<&'a RecipientHeader<'a>>,
    pub(crate) enc: ContentEncryption,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) zip: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) typ: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) cty: Option<&'a str>,
    #[serde(flatten)]
    pub(crate) copy: Option<Copy>,
}
