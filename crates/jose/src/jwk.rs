//! JSON Web Keys and sets of them, public halves only
//! ([RFC 7517](https://www.rfc-editor.org/rfc/rfc7517)).

use aws_lc_rs::digest;
use serde::{Deserialize, Serialize};

use crate::json::{self, JsonError};
use crate::{Alg, base64url};

/// A public key as JSON. Only what gatepass can verify with is typed; a JWK of another `kty`, a
/// secret (`oct`) and a private key do not parse as one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Jwk {
    /// The key type and its parameters.
    #[serde(flatten)]
    pub key: PublicParams,
    /// Names the key within its set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kid: Option<String>,
    /// The one algorithm that the key is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alg: Option<Alg>,
    /// `sig`, where it is said.
    #[serde(rename = "use", skip_serializing_if = "Option::is_none")]
    pub key_use: Option<KeyUse>,
}

/// What the public key is for ([RFC 7517 section 4.2](https://www.rfc-editor.org/rfc/rfc7517#section-4.2)).
/// Keys for encryption do not parse as a [`Jwk`] of this crate's verifying half.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum KeyUse {
    /// Signatures.
    Sig,
}

/// `kty` and the members that go with it, base64url as on the wire.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kty")]
#[allow(missing_docs)] // the members are the registry's own (RFC 7518 section 6)
pub enum PublicParams {
    #[serde(rename = "RSA")]
    Rsa { n: String, e: String },
    #[serde(rename = "EC")]
    Ec { crv: String, x: String, y: String },
    #[serde(rename = "OKP")]
    Okp { crv: String, x: String },
}

impl Jwk {
    /// The key's SHA-256 thumbprint, base64url ([RFC 7638](https://www.rfc-editor.org/rfc/rfc7638)).
    #[must_use]
    pub fn thumbprint(&self) -> String {
        // RFC 7638 section 3.2: the required members in lexicographic order, nothing else.
        let canonical = match &self.key {
            PublicParams::Rsa { n, e } => serde_json::json!({ "e": e, "kty": "RSA", "n": n }),
            PublicParams::Ec { crv, x, y } => serde_json::json!({ "crv": crv, "kty": "EC", "x": x, "y": y }),
            PublicParams::Okp { crv, x } => serde_json::json!({ "crv": crv, "kty": "OKP", "x": x }),
        };
        base64url::encode(digest::digest(&digest::SHA256, canonical.to_string().as_bytes()).as_ref())
    }
}

/// A JWK Set ([RFC 7517 section 5](https://www.rfc-editor.org/rfc/rfc7517#section-5)).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct JwkSet {
    /// The keys, in the order of the document.
    pub keys: Vec<Jwk>,
}

impl JwkSet {
    /// Parses a set. Keys that this crate cannot verify with (another type, curve, algorithm or
    /// use, or not public) are passed over, as section 5 of the RFC asks.
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
        #[derive(Deserialize)]
        struct Document {
            keys: Vec<serde_json::Map<String, serde_json::Value>>,
        }

        let document: Document = json::parse(json)?;
        let keys = document.keys.into_iter().filter_map(public_key).collect();
        Ok(Self { keys })
    }
}

fn public_key(members: serde_json::Map<String, serde_json::Value>) -> Option<Jwk> {
    if members.contains_key("d") {
        return None; // somebody published a private key: whatever it signs proves nothing
    }
    if let Some(operations) = members.get("key_ops") {
        let operations = operations.as_array()?;
        if !operations.iter().any(|operation| operation == "verify") {
            return None;
        }
    }
    serde_json::from_value(serde_json::Value::Object(members)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_thumbprint_is_that_of_rfc_7638_section_3_1() {
        let n = "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw";
        let jwk = Jwk {
            key: PublicParams::Rsa { n: n.into(), e: "AQAB".into() },
            kid: Some("2011-04-29".into()),
            alg: Some(Alg::RS256),
            key_use: None,
        };
        assert_eq!(jwk.thumbprint(), "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs");
    }

    #[test]
    fn a_set_keeps_only_keys_that_can_verify() {
        let okp = r#""kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo""#;
        let cases = [
            ("plain", format!("{{{okp}}}"), 1),
            ("use_sig", format!(r#"{{{okp},"use":"sig"}}"#), 1),
            ("use_enc", format!(r#"{{{okp},"use":"enc"}}"#), 0),
            ("key_ops_verify", format!(r#"{{{okp},"key_ops":["verify"]}}"#), 1),
            ("key_ops_encrypt", format!(r#"{{{okp},"key_ops":["encrypt"]}}"#), 0),
            ("unknown_alg", format!(r#"{{{okp},"alg":"ES256K"}}"#), 0),
            ("alg_none", format!(r#"{{{okp},"alg":"none"}}"#), 0),
            ("private_key", format!(r#"{{{okp},"d":"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A"}}"#), 0),
            ("secret", r#"{"kty":"oct","k":"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T"}"#.into(), 0),
            ("unknown_kty", r#"{"kty":"new"}"#.into(), 0),
            ("kty_is_a_number", r#"{"kty":1}"#.into(), 0),
        ];
        for (name, key, want) in cases {
            let set = JwkSet::parse(format!(r#"{{"keys":[{key}]}}"#).as_bytes()).unwrap();
            assert_eq!(set.keys.len(), want, "{name}");
        }
    }

    #[test]
    fn what_is_no_set_is_refused() {
        for json in ["", "[]", "{}", r#"{"keys":{}}"#, r#"{"keys":[1]}"#, r#"{"keys":[],"keys":[]}"#] {
            assert!(JwkSet::parse(json.as_bytes()).is_err(), "{json}");
        }
    }
}
