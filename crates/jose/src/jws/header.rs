//! The header of one signature: what is protected, and what is not.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::base64url;
use crate::header::Malformed;
use crate::json::{self, JsonError};
use crate::limits::Limits;

/// The one extension that is understood (RFC 7797 section 3).
const B64: &str = "b64";

/// The parameters that decide. `jku`, `x5u`, `x5c` and `jwk` are not among them: keys come from the
/// verifier's set and from nowhere else.
#[derive(Debug, Deserialize)]
pub(super) struct Parameters {
    pub(super) alg: String,
    #[serde(default, deserialize_with = "json::not_null")]
    pub(super) kid: Option<String>,
    /// Of the protected header, as is `cty`.
    #[serde(default, deserialize_with = "json::not_null")]
    pub(super) typ: Option<String>,
    #[serde(default, deserialize_with = "json::not_null")]
    pub(super) cty: Option<String>,
    #[serde(default, deserialize_with = "json::not_null")]
    crit: Option<Vec<String>>,
    #[serde(default, deserialize_with = "json::not_null")]
    b64: Option<bool>,
}

impl Parameters {
    /// Reads the header of one signature: its protected part, encoded, and its unprotected part.
    ///
    /// # Errors
    /// [`Malformed`] when a part does not parse, both name the same parameter
    /// ([RFC 7515 section 7.2.1](https://www.rfc-editor.org/rfc/rfc7515#section-7.2.1)), or an extension
    /// is not understood.
    pub(super) fn parse(
        protected: &str,
        unprotected: Map<String, Value>,
        limits: &Limits,
    ) -> Result<Self, Malformed> {
        if protected.len() > limits.header_bytes {
            return Err(Malformed::HeaderTooLong { limit: limits.header_bytes });
        }
        // Neither may be lifted out of the signature's protection (RFC 7515 section 4.1.11, RFC 7797 section 3).
        if unprotected.contains_key("crit") || unprotected.contains_key(B64) {
            return Err(Malformed::Critical);
        }
        let unprotected_typ = unprotected.contains_key("typ");
        let unprotected_cty = unprotected.contains_key("cty");
        let mut members = Map::new();
        if !protected.is_empty() {
            let json = base64url::decode(protected).map_err(|_| Malformed::Base64Url)?;
            members = json::parse_object(&json, limits).map_err(Malformed::Header)?;
        }
        for (name, value) in unprotected {
            if members.insert(name, value).is_some() {
                return Err(Malformed::Header(JsonError::DuplicateMember));
            }
        }
        let mut header =
            Self::deserialize(Value::Object(members)).map_err(|_| Malformed::Header(JsonError::Malformed))?;
        // What anybody on the way could have written says nothing of what was signed.
        header.typ = header.typ.filter(|_| !unprotected_typ);
        header.cty = header.cty.filter(|_| !unprotected_cty);
        header.require_understood()?;
        Ok(header)
    }

    /// Whether the payload is signed in its base64url form (RFC 7797 section 3: so where nothing is said).
    pub(super) fn encodes_payload(&self) -> bool {
        self.b64.unwrap_or(true)
    }

    /// `crit` names `b64` and nothing else, and `b64` is never there without it (RFC 7797 section 6).
    fn require_understood(&self) -> Result<(), Malformed> {
        let understood = match (&self.crit, self.b64) {
            (None, None) => true,
            (Some(names), Some(_)) => matches!(names.as_slice(), [only] if only == B64),
            _ => false,
        };
        if understood { Ok(()) } else { Err(Malformed::Critical) }
    }
}

/// The protected header as this library writes it, in this order.
#[derive(Serialize)]
pub(super) struct Written<'h> {
    pub(super) alg: crate::Alg,
    #[serde(skip_serializing_if = "str::is_empty")]
    pub(super) kid: &'h str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) typ: Option<&'h str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) cty: Option<&'h str>,
    #[serde(flatten)]
    pub(super) unencoded: Option<Unencoded>,
}

/// What asks for an unencoded payload, and demands of every reader to understand it.
#[derive(Serialize)]
pub(super) struct Unencoded {
    b64: bool,
    crit: [&'static str; 1],
}

impl Unencoded {
    pub(super) const ASKED: Self = Self { b64: false, crit: [B64] };
}
