//! A verifier that owes the product nothing: a compact JWS taken apart by hand, ES256 checked with the primitive alone.
//!
//! It follows `Cache-Control: max-age` to the letter, as a careful service that never heard of gatepass would.

use std::time::{Duration, Instant};

use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};
use base64_simd::URL_SAFE_NO_PAD;
use serde_json::Value;

use crate::http::{Answer, send};

/// The header of a token, unverified.
#[track_caller]
pub fn header(token: &str) -> Value {
    part(token, 0)
}

/// The claims of a token, unverified.
#[track_caller]
pub fn claims(token: &str) -> Value {
    part(token, 1)
}

/// The first of a token's audiences, unverified.
#[track_caller]
pub fn audience(token: &str) -> String {
    let claims = claims(token);
    let first = claims["aud"].get(0).unwrap_or(&claims["aud"]);
    first.as_str().unwrap_or_else(|| panic!("no audience in {claims}")).to_owned()
}

#[track_caller]
fn part(token: &str, place: usize) -> Value {
    let parts: Vec<&str> = token.split('.').collect();
    assert_eq!(parts.len(), 3, "not a compact JWS: {token}");
    serde_json::from_slice(&decode(parts[place])).expect("a part of a token is JSON")
}

#[track_caller]
fn decode(text: &str) -> Vec<u8> {
    URL_SAFE_NO_PAD.decode_to_vec(text).unwrap_or_else(|_| panic!("not base64url: {text}"))
}

/// base64url without padding.
pub fn encode(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode_to_string(bytes)
}

/// A service of its own that knows one JWK Set address and caches what it gets there as long as it may.
pub struct Service {
    jwks_uri: String,
    client: reqwest::Client,
    fetched: Option<(Instant, Duration, Value)>,
    /// How often it had to ask.
    pub fetches: u64,
}

impl Service {
    /// A service that has not asked yet.
    pub fn new(jwks_uri: &str) -> Self {
        Self { jwks_uri: jwks_uri.to_owned(), client: crate::http::client(), fetched: None, fetches: 0 }
    }

    /// Checks an ES256 signature against the cached set, asking anew only where `max-age` has passed.
    ///
    /// # Errors
    /// A sentence: the key is not in the set, or the signature does not hold.
    pub async fn verify(&mut self, token: &str) -> Result<Value, String> {
        let expired = self.fetched.as_ref().is_none_or(|(since, max_age, _)| since.elapsed() >= *max_age);
        if expired {
            let answer = send(self.client.get(&self.jwks_uri)).await.expect(200);
            self.fetches += 1;
            self.fetched = Some((Instant::now(), max_age(&answer), answer.json()));
        }
        let (since, max_age, set) = self.fetched.as_ref().unwrap();
        let kid = header(token)["kid"].as_str().unwrap_or_default().to_owned();
        let age = format!("a set fetched {:?} ago that may be kept {max_age:?}", since.elapsed());
        let key = key(set, &kid).ok_or_else(|| format!("{kid} is not in {age}: {set}"))?;
        verify_es256(token, key).map_err(|()| format!("the signature does not hold under {kid} of {age}"))?;
        Ok(claims(token))
    }
}

/// The `max-age` of an answer.
#[track_caller]
pub fn max_age(answer: &Answer) -> Duration {
    let value = answer.header("cache-control").unwrap_or_default();
    let seconds = value.split(',').find_map(|part| part.trim().strip_prefix("max-age=")?.parse().ok());
    Duration::from_secs(seconds.unwrap_or_else(|| panic!("no max-age\n{}", answer.shown())))
}

/// A member of a JWK Set.
pub fn key<'s>(set: &'s Value, kid: &str) -> Option<&'s Value> {
    set["keys"].as_array()?.iter().find(|key| key["kid"] == kid)
}

fn verify_es256(token: &str, key: &Value) -> Result<(), ()> {
    let (signing_input, signature) = token.rsplit_once('.').ok_or(())?;
    let mut point = vec![4_u8];
    for member in ["x", "y"] {
        point.extend(decode(key[member].as_str().ok_or(())?));
    }
    UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point)
        .verify(signing_input.as_bytes(), &decode(signature))
        .map_err(|_| ())
}

/// HMAC with SHA-256 of a signing input, for tokens that try to pass a public key off as a secret.
pub fn hmac(secret: &[u8], signing_input: &str) -> String {
    let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, secret);
    encode(aws_lc_rs::hmac::sign(&key, signing_input.as_bytes()).as_ref())
}
