//! The issuer's published keys, and what tokens say of them.

use gatepass_jose::{Alg, Jwk, JwkSet, VerifyingKey};
use thiserror::Error;

use crate::alg::Algorithm;
use crate::json::{Json, Object};
use crate::quote::quoted;
use crate::report::Found;
use crate::rule::{ALG_DISAGREES, KID_UNKNOWN, SIGNATURE_WRONG};
use crate::token::{Form, Token};

/// The text is not a JWK Set and not a JWK.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("not a JWK Set: a JSON object with a list `keys`, no member of which is named twice")]
pub struct NotAKeySet;

pub(crate) struct Published {
    /// All keys of the document, those that cannot be verified with included.
    keys: Vec<Object>,
    /// What can be verified with, once for each algorithm that the key may be used with.
    verifying: Vec<VerifyingKey>,
    public: Vec<Jwk>,
}

impl Published {
    pub(crate) fn parse(json: &[u8]) -> Result<Self, NotAKeySet> {
        let Ok(Json::Object(document)) = Json::parse(json) else { return Err(NotAKeySet) };
        let (keys, public) = match document.find("keys") {
            Some(Json::Array(keys)) => {
                let set = JwkSet::parse(json).map_err(|_| NotAKeySet)?;
                (keys.iter().filter_map(Json::as_object).cloned().collect(), set.keys)
            }
            None if document.has("kty") => (vec![document], Jwk::parse(json).into_iter().collect()),
            _ => return Err(NotAKeySet),
        };
        let algs: Vec<Alg> = Alg::all().collect();
        let verifying = public.iter().flat_map(|jwk| {
            let key = |alg| VerifyingKey::from_jwk(jwk, std::slice::from_ref(alg)).ok();
            algs.iter().filter_map(key)
        });
        Ok(Self { keys, verifying: verifying.collect(), public })
    }

    /// Holds a token against the keys.
    pub(crate) fn check(&self, token: &Token<'_>, found: &mut Found<'_>) {
        let kid = token.header_text("kid");
        // Without a name there is only one key that it can be, or none that anybody can tell.
        let is_meant = |key: &&Object| kid.map_or(self.keys.len() == 1, |kid| key.text("kid") == Some(kid));
        let meant: Vec<&Object> = self.keys.iter().filter(is_meant).collect();
        let Some(first) = meant.first() else {
            if let Some(kid) = kid {
                found.add(
                    &KID_UNKNOWN,
                    "header.kid",
                    format_args!("the set has no key called {}", quoted(kid)),
                );
            }
            return;
        };
        let Some(algorithm) = token.algorithm() else { return };
        if !meant.iter().any(|key| agrees(key, algorithm)) {
            let of_key = first.text("alg").or_else(|| first.text("kty")).unwrap_or_default();
            return found.add(
                &ALG_DISAGREES,
                "header.alg",
                format_args!("the token says {}, its key is for {}", algorithm.name, quoted(of_key)),
            );
        }
        if token.form == Form::Signed && !token.signature().is_empty() {
            self.verify(token, kid, algorithm, found);
        }
    }

    fn verify(&self, token: &Token<'_>, kid: Option<&str>, algorithm: &Algorithm, found: &mut Found<'_>) {
        let (message, signature) = (token.signing_input().as_bytes(), token.signature());
        let is_meant = |key: &&VerifyingKey| {
            kid.is_none_or(|kid| key.kid() == kid) && key.alg().name() == algorithm.name
        };
        let mut keys = self.verifying.iter().filter(is_meant).peekable();
        if keys.peek().is_some() && !keys.any(|key| key.verifies(message, signature)) {
            found.add(&SIGNATURE_WRONG, "signature", format_args!("no key of that name made this signature"));
        }
    }

    /// What an attacker passes off as an HMAC secret: the public keys in the spellings of their files.
    pub(crate) fn texts(&self) -> Vec<Vec<u8>> {
        let mut texts = Vec::new();
        for jwk in &self.public {
            if let Ok(json) = serde_json::to_string(jwk) {
                texts.push(json.into_bytes());
            }
            let (Ok(der), Ok(pem)) = (jwk.to_spki_der(), jwk.to_spki_pem()) else { continue };
            let pem = pem.trim_end().replace("\r\n", "\n");
            let body: String = pem.lines().filter(|line| !line.starts_with("-----")).collect();
            let lines = [pem.clone(), format!("{pem}\n"), pem.replace('\n', "\r\n"), body.clone()];
            texts.extend(lines.map(String::into_bytes));
            texts.push(format!("{}\r\n", pem.replace('\n', "\r\n")).into_bytes());
            texts.push(format!("-----BEGIN PUBLIC KEY-----\n{body}\n-----END PUBLIC KEY-----").into_bytes());
            texts
                .push(format!("-----BEGIN PUBLIC KEY-----\n{body}\n-----END PUBLIC KEY-----\n").into_bytes());
            texts.push(der);
        }
        for name in ["n", "x", "kid"] {
            texts.extend(
                self.keys.iter().filter_map(|key| key.text(name)).map(|text| text.as_bytes().to_vec()),
            );
        }
        texts
    }
}

/// Whether the key may be used with the algorithm.
fn agrees(key: &Object, algorithm: &Algorithm) -> bool {
    let fits = algorithm.goes_with(key.text("kty").unwrap_or_default(), key.text("crv"));
    // One algorithm under its old and its new name (RFC 9864).
    let plain = |name: &str| if name == "EdDSA" { "Ed25519".to_owned() } else { name.to_owned() };
    fits && key.text("alg").is_none_or(|name| plain(name) == plain(algorithm.name))
}
