//! The service's public key, in every form in which a confused verifier may take it for a secret.

use std::collections::BTreeSet;

use aws_lc_rs::encoding::{AsDer as _, PublicKeyX509Der};
use aws_lc_rs::rsa;
use aws_lc_rs::signature::{ParsedPublicKey, RsaPublicKeyComponents};
use gatepass_jose::base64url;
use serde::Deserialize;
use serde_json::value::RawValue;
use thiserror::Error;

use crate::alg::{self, Primitive};
use crate::object::Object;
use crate::pem;
use crate::token::Token;

/// A key of the service's JWK Set, as it is published.
#[derive(Clone, Debug)]
pub struct PublicKey {
    text: String,
    members: Object,
}

/// The text is not a JWK Set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("not a JWK Set or a JWK")]
pub struct NotAJwkSet;

impl PublicKey {
    /// The keys of a JWK Set (RFC 7517 section 5), or the one of a single JWK. None of them is judged yet.
    ///
    /// # Errors
    /// [`NotAJwkSet`].
    pub fn parse_set(json: &[u8]) -> Result<Vec<Self>, NotAJwkSet> {
        #[derive(Deserialize)]
        struct Set {
            keys: Vec<Box<RawValue>>,
        }

        let texts: Vec<String> = match serde_json::from_slice(json) {
            Ok(Set { keys }) => keys.iter().map(|key| key.get().to_owned()).collect(),
            Err(_) => vec![String::from_utf8(json.to_vec()).map_err(|_| NotAJwkSet)?.trim().to_owned()],
        };
        let key = |text: String| {
            let members = Object::parse(text.as_bytes()).filter(|members| members.raw("kty").is_some())?;
            Some(Self { text, members })
        };
        texts.into_iter().map(|text| key(text).ok_or(NotAJwkSet)).collect()
    }

    /// Whether this is the key that signed `token`.
    #[must_use]
    pub fn has_signed(&self, token: &Token) -> bool {
        let key = self.parsed(token.alg());
        key.is_some_and(|key| {
            key.verify_sig(token.draft.signing_input().as_bytes(), &token.signature).is_ok()
        })
    }

    /// The key in the library's form, as one of `alg`.
    fn parsed(&self, alg: &str) -> Option<ParsedPublicKey> {
        match alg::find(alg)? {
            Primitive::Hmac(_) => None,
            Primitive::Rsa { verify, .. } => {
                let public = RsaPublicKeyComponents { n: self.bytes("n")?, e: self.bytes("e")? };
                public.to_parsed_public_key(verify).ok()
            }
            Primitive::Ecdsa { verify, .. } => ParsedPublicKey::new(*verify, self.point()?).ok(),
            Primitive::Ed25519 => ParsedPublicKey::new(&aws_lc_rs::signature::ED25519, self.bytes("x")?).ok(),
            Primitive::MlDsa { verify, .. } => ParsedPublicKey::new(*verify, self.bytes("pub")?).ok(),
        }
    }

    /// The modulus of an RSA key, big-endian.
    pub(crate) fn modulus(&self) -> Option<Vec<u8>> {
        self.bytes("n")
    }

    /// The JWK without what says how it is to be used.
    pub(crate) fn without_purpose(&self) -> String {
        self.members.without("use").without("alg").without("key_ops").to_string()
    }

    /// The `SubjectPublicKeyInfo` of the key (RFC 5280 section 4.1.2.7).
    pub(crate) fn spki_der(&self, alg: &str) -> Option<Vec<u8>> {
        let der: PublicKeyX509Der<'_> = self.parsed(alg)?.as_der().ok()?;
        Some(der.as_ref().to_vec())
    }

    /// Every text and byte string that stands for this key somewhere, each with its name.
    pub(crate) fn encodings(&self, alg: &str) -> Vec<(&'static str, Vec<u8>)> {
        let mut encodings = Vec::new();
        if let Some(der) = self.spki_der(alg) {
            encodings.extend(pem_encodings(
                [
                    "SPKI PEM",
                    "SPKI PEM without the last newline",
                    "SPKI PEM with CRLF",
                    "SPKI PEM on one line",
                    "SPKI in base64",
                    "SPKI DER",
                ],
                "PUBLIC KEY",
                &der,
            ));
            if let Ok(public) = rsa::PublicKey::from_der(&der) {
                encodings.extend(pem_encodings(
                    [
                        "PKCS#1 PEM",
                        "PKCS#1 PEM without the last newline",
                        "PKCS#1 PEM with CRLF",
                        "PKCS#1 PEM on one line",
                        "PKCS#1 in base64",
                        "PKCS#1 DER",
                    ],
                    "RSA PUBLIC KEY",
                    public.as_ref(),
                ));
            }
        }
        encodings.push(("JWK as published", self.text.clone().into_bytes()));
        encodings.push(("JWK without white space", self.members.to_string().into_bytes()));
        for (name, text_name) in
            [("n", "n in base64url"), ("x", "x in base64url"), ("pub", "pub in base64url")]
        {
            if let (Some(text), Some(bytes)) = (self.members.text(name), self.bytes(name)) {
                encodings.push((text_name, text.into_bytes()));
                encodings.push(("bytes of the key", bytes));
            }
        }
        if let Some(point) = self.point() {
            encodings.push(("uncompressed point", point));
        }
        encodings.extend(self.certificate_encodings());
        let mut known = BTreeSet::new();
        encodings.retain(|(_, bytes)| known.insert(bytes.clone()));
        encodings
    }

    fn certificate_encodings(&self) -> Vec<(&'static str, Vec<u8>)> {
        let chain: Vec<String> =
            self.members.raw("x5c").and_then(|raw| serde_json::from_str(raw).ok()).unwrap_or_default();
        let Some(text) = chain.first() else { return Vec::new() };
        let mut encodings = vec![("certificate in base64", text.clone().into_bytes())];
        if let Some(der) = pem::decode_base64(text) {
            encodings.extend(pem_encodings(
                [
                    "certificate PEM",
                    "certificate PEM without the last newline",
                    "certificate PEM with CRLF",
                    "certificate PEM on one line",
                    "certificate in base64 again",
                    "certificate DER",
                ],
                "CERTIFICATE",
                &der,
            ));
        }
        encodings
    }

    fn bytes(&self, name: &str) -> Option<Vec<u8>> {
        base64url::decode(self.members.text(name)?).ok()
    }

    /// The uncompressed point of an EC key (SEC 1 section 2.3.3).
    fn point(&self) -> Option<Vec<u8>> {
        let (x, y) = (self.bytes("x")?, self.bytes("y")?);
        Some([&[4], x.as_slice(), y.as_slice()].concat())
    }
}

fn pem_encodings(names: [&'static str; 6], label: &str, der: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    let pem = pem::encode(label, der);
    let texts = [
        pem.clone(),
        pem.trim_end().to_owned(),
        pem.replace('\n', "\r\n"),
        pem.replace('\n', ""),
        pem::encode_base64(der),
    ];
    let bytes = texts.into_iter().map(String::into_bytes).chain([der.to_vec()]);
    names.into_iter().zip(bytes).collect()
}

#[cfg(test)]
mod tests {
    use gatepass_jose::{Alg, SigningKey, Typ, jwt};
    use serde_json::json;

    use super::*;

    fn key_and_token(alg: Alg) -> (PublicKey, Token) {
        let key = SigningKey::generate(alg, Some("1")).unwrap();
        let set = json!({"keys": [serde_json::to_value(key.public_jwk().unwrap()).unwrap()]});
        let token = jwt::sign(&Typ::ACCESS_TOKEN, &json!({"sub": "ada"}), &key).unwrap();
        let mut keys = PublicKey::parse_set(set.to_string().as_bytes()).unwrap();
        (keys.remove(0), Token::parse(&token).unwrap())
    }

    #[test]
    fn a_key_knows_what_it_has_signed() {
        for alg in [Alg::RS256, Alg::PS384, Alg::ES256, Alg::ES384, Alg::ES512, Alg::EdDSA] {
            let (key, token) = key_and_token(alg);
            let (other, _) = key_and_token(alg);
            assert!(key.has_signed(&token), "{alg}");
            assert!(!other.has_signed(&token), "{alg}");
        }
    }

    #[test]
    fn encodings_are_many() {
        for (alg, least) in [(Alg::RS256, 15), (Alg::ES256, 9), (Alg::EdDSA, 8)] {
            let (key, token) = key_and_token(alg);
            let encodings = key.encodings(token.alg());
            assert!(encodings.len() >= least, "{alg}: {}", encodings.len());
            let named: Vec<&str> = encodings.iter().map(|(name, _)| *name).collect();
            assert!(named.contains(&"SPKI PEM"), "{alg}: {named:?}");
        }
    }

    #[test]
    fn what_is_no_set_is_said_to_be_none() {
        for (json, keys) in [
            (r#"{"keys":[]}"#, Some(0)),
            (r#"{"kty":"OKP","crv":"Ed25519","x":"AA"}"#, Some(1)),
            (r#"{"keys":[{"kty":"RSA"},{"kty":"new"}]}"#, Some(2)),
            (r#"{"keys":[1]}"#, None),
            ("{}", None),
            ("", None),
            ("-----BEGIN PUBLIC KEY-----", None),
        ] {
            assert_eq!(PublicKey::parse_set(json.as_bytes()).ok().map(|set| set.len()), keys, "{json}");
        }
    }
}
