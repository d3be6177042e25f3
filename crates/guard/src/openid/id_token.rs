use std::time::Duration;

use aws_lc_rs::digest::{SHA256, SHA512, digest};
use gatepass_jose::{
    Alg, Audience, Claims, Issuer, KeySet, NumericDate, Registered, Rejection, Timestamp, Typ, Verifier,
    base64url, not_null,
};
use serde::Deserialize;

/// What keeps an access token from passing for an ID token.
const ID_TOKEN: Typ = Typ::new("JWT");

/// [OpenID Connect Core 1.0 section 2](https://openid.net/specs/openid-connect-core-1_0.html#IDToken).
const MAX_SUB: usize = 255;

/// What a verified ID token says of the user who logged in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdToken {
    /// Who the user is, to this issuer.
    pub sub: String,
    /// What the user is called: `name`, or else `preferred_username`.
    pub name: Option<String>,
}

/// Why an ID token is not good for this client and this login.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum IdTokenError {
    /// It is not a valid token of the issuer's for the client.
    #[error("the ID token is not valid: {0}")]
    Rejected(#[from] Rejection),
    /// `nonce` is not that of this login: the token belongs to another.
    #[error("the ID token has not the nonce of this login")]
    Nonce,
    /// `azp` names another client, or is missing from a token for several.
    #[error("the ID token was made for another client")]
    AuthorizedParty,
    /// `at_hash` is that of another access token.
    #[error("the ID token belongs to another access token")]
    AccessToken,
    /// `sub` is empty or longer than 255 characters.
    #[error("the ID token names no subject")]
    Subject,
}

/// What the login was begun with, and what came beside the token.
pub(super) struct Expected<'e> {
    pub(super) issuer: &'e Issuer,
    pub(super) client_id: &'e str,
    pub(super) nonce: &'e str,
    pub(super) access_token: &'e str,
}

#[derive(Deserialize)]
struct IdClaims {
    iss: String,
    sub: String,
    aud: Audience,
    exp: NumericDate,
    #[serde(default, deserialize_with = "not_null")]
    nbf: Option<NumericDate>,
    nonce: Option<String>,
    azp: Option<String>,
    at_hash: Option<String>,
    name: Option<String>,
    preferred_username: Option<String>,
}

impl Claims for IdClaims {
    fn registered(&self) -> Registered<'_> {
        Registered {
            issuer: Some(&self.iss),
            audience: Some(&self.aud),
            expires: Some(self.exp),
            not_before: self.nbf,
        }
    }
}

impl IdTokenError {
    pub(super) fn is_unknown_key(&self) -> bool {
        matches!(self, Self::Rejected(Rejection::UnknownKey { .. }))
    }
}

pub(super) fn verify(
    id_token: &str,
    expected: &Expected<'_>,
    keys: KeySet,
    clock_skew: Duration,
    now: Timestamp,
) -> Result<IdToken, IdTokenError> {
    let audience = Audience::new([expected.client_id]).map_err(|_| IdTokenError::AuthorizedParty)?;
    let verifier = Verifier::new(expected.issuer.clone(), audience, ID_TOKEN, keys.clone());
    let verified = verifier.with_clock_skew(clock_skew).verify::<IdClaims>(id_token, now)?;
    let alg = keys.keys().iter().find(|key| key.kid() == verified.kid()).map(|key| key.alg());
    let claims = verified.into_claims();
    if claims.nonce.as_deref() != Some(expected.nonce) {
        return Err(IdTokenError::Nonce);
    }
    match claims.azp.as_deref() {
        Some(azp) if azp != expected.client_id => return Err(IdTokenError::AuthorizedParty),
        None if claims.aud.iter().count() > 1 => return Err(IdTokenError::AuthorizedParty),
        _ => {}
    }
    if let Some(at_hash) = &claims.at_hash
        && alg.map(|alg| access_token_hash(alg, expected.access_token)).as_ref() != Some(at_hash)
    {
        return Err(IdTokenError::AccessToken);
    }
    if claims.sub.is_empty() || claims.sub.len() > MAX_SUB {
        return Err(IdTokenError::Subject);
    }
    Ok(IdToken { sub: claims.sub, name: claims.name.or(claims.preferred_username) })
}

/// The left half of the access token's hash, by the hash of the algorithm that signed the ID token
/// ([OpenID Connect Core 1.0 section 3.1.3.6](https://openid.net/specs/openid-connect-core-1_0.html#CodeIDToken)).
/// That of Ed25519 is SHA-512.
fn access_token_hash(alg: Alg, access_token: &str) -> String {
    let algorithm = if matches!(alg, Alg::EdDSA | Alg::Ed25519) { &SHA512 } else { &SHA256 };
    let hash = digest(algorithm, access_token.as_bytes());
    let (left, _) = hash.as_ref().split_at(hash.as_ref().len() / 2);
    base64url::encode(left)
}

#[cfg(test)]
mod tests {
    use gatepass_jose::{SigningKey, jwt};
    use serde_json::{Value, json};

    use super::*;

    const NOW: i64 = 1_700_000_000;

    fn good() -> Value {
        // The hash is of the example in OpenID Connect Core 1.0 appendix A.3.
        json!({
            "iss": "https://auth.example.com", "sub": "u1", "aud": "web", "exp": NOW + 60, "iat": NOW,
            "nonce": "n-1", "at_hash": "77QmUPtjPfzWtF2AnpK9RQ", "name": "Ann",
        })
    }

    fn verified(claims: &Value, typ: &Typ) -> Result<IdToken, IdTokenError> {
        let key = SigningKey::generate(Alg::ES256, Some("k1")).unwrap();
        let issuer = Issuer::new("https://auth.example.com").unwrap();
        let expected = Expected {
            issuer: &issuer,
            client_id: "web",
            nonce: "n-1",
            access_token: "jHkWEdUXMU1BwAsC4vtUsZwnNvTIxEl0z9K3vx5KF0Y",
        };
        let keys = KeySet::new(vec![key.verifying_key().unwrap()]);
        let token = jwt::sign(typ, claims, &key).unwrap();
        verify(&token, &expected, keys, Duration::ZERO, Timestamp::from_secs(NOW))
    }

    #[test]
    fn an_id_token_is_for_one_client_one_login_and_one_access_token() {
        let is_rejected = |error: &IdTokenError| matches!(error, IdTokenError::Rejected(_));
        type Is = fn(&IdTokenError) -> bool;
        let cases: [(&str, &str, Value, Is); 11] = [
            ("another_issuer", "iss", json!("https://evil.example"), is_rejected),
            ("another_audience", "aud", json!("other"), is_rejected),
            ("expired", "exp", json!(NOW), is_rejected),
            ("another_nonce", "nonce", json!("n-2"), |error| *error == IdTokenError::Nonce),
            ("no_nonce", "nonce", Value::Null, |error| *error == IdTokenError::Nonce),
            ("another_party", "azp", json!("other"), |error| *error == IdTokenError::AuthorizedParty),
            ("several_and_no_party", "aud", json!(["web", "other"]), |error| {
                *error == IdTokenError::AuthorizedParty
            }),
            ("another_access_token", "at_hash", json!("AAAAAAAAAAAAAAAAAAAAAA"), |error| {
                *error == IdTokenError::AccessToken
            }),
            ("nobody", "sub", json!(""), |error| *error == IdTokenError::Subject),
            ("a_long_name", "sub", json!("x".repeat(256)), |error| *error == IdTokenError::Subject),
            ("not_yet_valid", "nbf", json!(NOW + 1), is_rejected),
        ];
        for (name, claim, value, is) in cases {
            let mut claims = good();
            claims[claim] = value;
            let got = verified(&claims, &ID_TOKEN);
            assert!(got.as_ref().is_err_and(is), "{name}: {got:?}");
        }
        assert!(verified(&good(), &Typ::ACCESS_TOKEN).is_err_and(|error| is_rejected(&error)));
        let ann = IdToken { sub: "u1".into(), name: Some("Ann".into()) };
        assert_eq!(verified(&good(), &ID_TOKEN).unwrap(), ann);
        let mut claims = good();
        claims["aud"] = json!(["other", "web"]);
        claims["azp"] = json!("web");
        claims.as_object_mut().unwrap().remove("at_hash");
        assert_eq!(verified(&claims, &ID_TOKEN).unwrap(), ann, "without what may be left out");
    }
}
