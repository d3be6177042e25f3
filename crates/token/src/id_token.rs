//! ID tokens, and what a client demands of one
//! ([OpenID Connect Core 1.0 section 3.1.3.7](https://openid.net/specs/openid-connect-core-1_0.html#IDTokenValidation)).

use std::time::Duration;

use gatepass_jose::{
    Alg, Audience, Claims, Issuer, KeySet, NumericDate, Registered, Rejection, Timestamp, Typ, Verifier,
    not_null,
};
use serde::{Deserialize, Deserializer};

use crate::at_hash;

/// What an ID token's header says, if it says anything.
const ID_TOKEN: Typ = Typ::new("JWT");

/// [OpenID Connect Core 1.0 section 2](https://openid.net/specs/openid-connect-core-1_0.html#IDToken).
const MAX_SUB: usize = 255;

/// What a verified ID token says of the user who logged in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IdToken {
    /// Who the user is, to this issuer.
    pub sub: String,
    /// What the user is called: `name`, or else `preferred_username`.
    pub name: Option<String>,
    /// Their e-mail address.
    pub email: Option<String>,
    /// Whether the issuer has made sure that the address is theirs.
    pub email_verified: bool,
    /// When they showed the issuer who they are.
    pub auth_time: Option<Timestamp>,
}

/// Why an ID token is not good for this client and this login.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum IdTokenRejection {
    /// It is not a valid token of the issuer's for the client.
    #[error("the ID token is not valid: {0}")]
    Rejected(#[from] Rejection),
    /// `nonce` is not that of this login: the token belongs to another.
    #[error("the ID token has not the nonce of this login")]
    Nonce,
    /// `azp` names another client, or is missing from a token for several.
    #[error("the ID token was made for another client")]
    AuthorizedParty,
    /// `aud` names somebody beside the client whom the configuration does not name as an audience of this issuer.
    #[error("the ID token is for others too, whom nobody here trusts with it")]
    ForeignAudience,
    /// `at_hash` is that of another access token.
    #[error("the ID token belongs to another access token")]
    AccessToken,
    /// `iat` is in the future.
    #[error("the ID token is from the future")]
    IssuedAt,
    /// `sub` is empty or longer than 255 characters.
    #[error("the ID token names no subject")]
    Subject,
    /// The issuer signs ID tokens in no way that can be verified here.
    #[error("the issuer's metadata name no algorithm of ID tokens that can be verified here")]
    NoAlgorithm,
}

/// What a login was begun with, and what came beside the token.
#[derive(Clone, Copy, Debug)]
pub struct ExpectedIdToken<'e> {
    /// Who has made it.
    pub issuer: &'e Issuer,
    /// One of these has signed the token; all of them under public keys.
    pub algs: &'e [Alg],
    /// Whom it is for.
    pub client_id: &'e str,
    /// Who may stand beside the client in `aud`.
    pub trusted_audiences: &'e [String],
    /// What the authorization request said.
    pub nonce: &'e str,
    /// The access token that came beside it.
    pub access_token: &'e str,
}

#[derive(Deserialize)]
struct IdClaims {
    iss: String,
    sub: String,
    aud: Audience,
    exp: NumericDate,
    #[serde(default, deserialize_with = "not_null")]
    nbf: Option<NumericDate>,
    #[serde(default, deserialize_with = "not_null")]
    iat: Option<NumericDate>,
    #[serde(default, deserialize_with = "not_null")]
    auth_time: Option<NumericDate>,
    nonce: Option<String>,
    azp: Option<String>,
    at_hash: Option<String>,
    name: Option<String>,
    preferred_username: Option<String>,
    email: Option<String>,
    #[serde(default, deserialize_with = "is_true")]
    email_verified: bool,
}

/// `true`, which some issuers write as text. Anything else is no promise.
fn is_true<'de, D: Deserializer<'de>>(from: D) -> Result<bool, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Said {
        Truth(bool),
        Text(String),
        Other(serde::de::IgnoredAny),
    }
    Ok(match Said::deserialize(from)? {
        Said::Truth(truth) => truth,
        Said::Text(text) => text == "true",
        Said::Other(_) => false,
    })
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

impl IdTokenRejection {
    /// Whether newer keys might change that.
    #[must_use]
    pub fn is_unknown_key(&self) -> bool {
        matches!(self, Self::Rejected(Rejection::UnknownKey { .. }))
    }
}

/// The algorithms of `id_token_signing_alg_values_supported` whose tokens can be verified with published keys. Where
/// nothing is said, RS256, which every issuer has and registers its clients with
/// ([OpenID Connect Registration 1.0 section 2](https://openid.net/specs/openid-connect-registration-1_0.html#ClientMetadata)).
#[must_use]
pub fn id_token_algs(supported: Option<&[String]>) -> Vec<Alg> {
    let Some(supported) = supported else { return vec![Alg::RS256] };
    Alg::all().filter(|alg| !alg.is_symmetric() && supported.iter().any(|name| name == alg.name())).collect()
}

/// Verifies an ID token that came with an access token for the client and the login that it is expected for. `keys` are
/// those that may sign with an algorithm. Its header says `typ: JWT` or nothing, so that no token with a type of its own
/// passes for one; what keeps those without away is `nonce`, which no other kind of token has.
///
/// # Errors
/// [`IdTokenRejection`], with the first check that failed.
pub fn verify_id_token(
    id_token: &str,
    expected: &ExpectedIdToken<'_>,
    keys: impl Fn(Alg) -> KeySet,
    clock_skew: Duration,
    now: Timestamp,
) -> Result<IdToken, IdTokenRejection> {
    let mut refused = IdTokenRejection::NoAlgorithm;
    // A key that names no algorithm may sign with several: it is each in turn.
    for alg in expected.algs {
        match verify_signed(id_token, expected, *alg, keys(*alg), clock_skew, now) {
            Err(error @ IdTokenRejection::Rejected(Rejection::AlgMismatch { .. })) => refused = error,
            Err(error) if error.is_unknown_key() => {
                if matches!(refused, IdTokenRejection::NoAlgorithm) {
                    refused = error;
                }
            }
            answer => return answer,
        }
    }
    Err(refused)
}

fn verify_signed(
    id_token: &str,
    expected: &ExpectedIdToken<'_>,
    alg: Alg,
    keys: KeySet,
    clock_skew: Duration,
    now: Timestamp,
) -> Result<IdToken, IdTokenRejection> {
    let audience = Audience::new([expected.client_id]).map_err(|_| IdTokenRejection::AuthorizedParty)?;
    let verifier = Verifier::new(expected.issuer.clone(), audience, ID_TOKEN, keys)
        .with_optional_typ()
        .with_clock_skew(clock_skew);
    let verified = verifier.verify::<IdClaims>(id_token, now)?;
    let claims = verified.into_claims();
    if claims.nonce.as_deref() != Some(expected.nonce) {
        return Err(IdTokenRejection::Nonce);
    }
    match claims.azp.as_deref() {
        Some(azp) if azp != expected.client_id => return Err(IdTokenRejection::AuthorizedParty),
        None if claims.aud.iter().count() > 1 => return Err(IdTokenRejection::AuthorizedParty),
        _ => {}
    }
    let is_trusted = |audience: &str| {
        audience == expected.client_id || expected.trusted_audiences.iter().any(|trusted| trusted == audience)
    };
    if !claims.aud.iter().all(is_trusted) {
        return Err(IdTokenRejection::ForeignAudience);
    }
    if let Some(hash) = &claims.at_hash
        && at_hash(alg, expected.access_token).as_ref() != Some(hash)
    {
        return Err(IdTokenRejection::AccessToken);
    }
    if claims.iat.is_some_and(|iat| now.saturating_add(clock_skew) < iat.0) {
        return Err(IdTokenRejection::IssuedAt);
    }
    if claims.sub.is_empty() || claims.sub.len() > MAX_SUB {
        return Err(IdTokenRejection::Subject);
    }
    Ok(IdToken {
        sub: claims.sub,
        name: claims.name.or(claims.preferred_username),
        email: claims.email,
        email_verified: claims.email_verified,
        auth_time: claims.auth_time.map(|date| date.0),
    })
}

#[cfg(test)]
mod tests {
    use gatepass_jose::{Jwk, JwkSet, RsaSize, SigningKey, jws, jwt};
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

    fn verified(claims: &Value, typ: &Typ) -> Result<IdToken, IdTokenRejection> {
        let key = SigningKey::generate(Alg::ES256, Some("k1")).unwrap();
        checked(&jwt::sign(typ, claims, &key).unwrap(), &[Alg::ES256], &key.public_jwk().unwrap())
    }

    fn checked(id_token: &str, algs: &[Alg], key: &Jwk) -> Result<IdToken, IdTokenRejection> {
        let issuer = Issuer::new("https://auth.example.com").unwrap();
        let expected = ExpectedIdToken {
            issuer: &issuer,
            algs,
            client_id: "web",
            trusted_audiences: &["https://api.example.com".to_owned()],
            nonce: "n-1",
            access_token: "jHkWEdUXMU1BwAsC4vtUsZwnNvTIxEl0z9K3vx5KF0Y",
        };
        let keys = |alg| KeySet::from_jwks(&JwkSet { keys: vec![key.clone()] }, &[alg]);
        verify_id_token(id_token, &expected, keys, Duration::ZERO, Timestamp::from_secs(NOW))
    }

    #[test]
    fn an_id_token_is_for_one_client_one_login_and_one_access_token() {
        let is_rejected = |error: &IdTokenRejection| matches!(error, IdTokenRejection::Rejected(_));
        type Is = fn(&IdTokenRejection) -> bool;
        let cases: [(&str, &str, Value, Is); 12] = [
            ("another_issuer", "iss", json!("https://evil.example"), is_rejected),
            ("another_audience", "aud", json!("other"), is_rejected),
            ("expired", "exp", json!(NOW), is_rejected),
            ("another_nonce", "nonce", json!("n-2"), |error| *error == IdTokenRejection::Nonce),
            ("no_nonce", "nonce", Value::Null, |error| *error == IdTokenRejection::Nonce),
            ("another_party", "azp", json!("other"), |error| *error == IdTokenRejection::AuthorizedParty),
            ("several_and_no_party", "aud", json!(["web", "other"]), |error| {
                *error == IdTokenRejection::AuthorizedParty
            }),
            ("another_access_token", "at_hash", json!("AAAAAAAAAAAAAAAAAAAAAA"), |error| {
                *error == IdTokenRejection::AccessToken
            }),
            ("from_the_future", "iat", json!(NOW + 1), |error| *error == IdTokenRejection::IssuedAt),
            ("nobody", "sub", json!(""), |error| *error == IdTokenRejection::Subject),
            ("a_long_name", "sub", json!("x".repeat(256)), |error| *error == IdTokenRejection::Subject),
            ("not_yet_valid", "nbf", json!(NOW + 1), is_rejected),
        ];
        for (name, claim, value, is) in cases {
            let mut claims = good();
            claims[claim] = value;
            let got = verified(&claims, &ID_TOKEN);
            assert!(got.as_ref().is_err_and(is), "{name}: {got:?}");
        }
        assert!(verified(&good(), &Typ::ACCESS_TOKEN).is_err_and(|error| is_rejected(&error)));
        let ann = IdToken { sub: "u1".into(), name: Some("Ann".into()), ..IdToken::default() };
        assert_eq!(verified(&good(), &ID_TOKEN).unwrap(), ann);
        let mut claims = good();
        claims["aud"] = json!(["https://api.example.com", "web"]);
        claims["azp"] = json!("web");
        claims["shoe_size"] = json!({ "eu": [41, null] });
        claims.as_object_mut().unwrap().remove("at_hash");
        let got = verified(&claims, &ID_TOKEN);
        assert_eq!(got.unwrap(), ann, "without what may be left out, and with what nobody knows");
        claims["aud"] = json!(["other", "web"]);
        assert_eq!(verified(&claims, &ID_TOKEN), Err(IdTokenRejection::ForeignAudience));
    }

    #[test]
    fn an_address_is_verified_where_the_issuer_says_so() {
        let cases = [
            (json!(true), true),
            (json!("true"), true),
            (json!(false), false),
            (json!("True"), false),
            (json!("yes"), false),
            (json!(1), false),
            (json!(null), false),
            (json!({ "verified": true }), false),
        ];
        for (said, want) in cases {
            let mut claims = good();
            claims["email"] = json!("ann@example.com");
            claims["email_verified"] = said.clone();
            assert_eq!(verified(&claims, &ID_TOKEN).unwrap().email_verified, want, "{said}");
        }
        assert!(!verified(&good(), &ID_TOKEN).unwrap().email_verified);
    }

    #[test]
    fn which_types_pass_for_an_id_token() {
        for (typ, want) in
            [("JWT", true), ("jwt", true), ("at+jwt", false), ("logout+jwt", false), ("", false)]
        {
            assert_eq!(verified(&good(), &Typ::from(typ.to_owned())).is_ok(), want, "{typ:?}");
        }
        // OpenID Connect Core asks for no `typ`, and others' libraries write none.
        let key = SigningKey::generate(Alg::ES256, None).unwrap();
        let payload = good().to_string();
        let untyped = jws::Draft::new(payload.as_bytes()).sign(&key).unwrap().compact().unwrap();
        checked(&untyped, &[Alg::ES256], &key.public_jwk().unwrap()).unwrap();
    }

    #[test]
    fn an_id_token_is_signed_as_agreed() {
        let listed = |names: &[&str]| {
            let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
            id_token_algs(Some(&names))
        };
        assert_eq!(id_token_algs(None), [Alg::RS256]);
        assert_eq!(listed(&["none", "HS256", "ES384", "RS256", "XY256"]), [Alg::RS256, Alg::ES384]);
        assert_eq!(listed(&["HS256"]), []);

        let key = SigningKey::generate_rsa(Alg::PS384, Some("k1"), RsaSize::Bits2048).unwrap();
        let mut claims = good();
        claims["at_hash"] = json!("jtAeDp945y1dDqU3nkIVGNZP1HjH_MFs");
        let token = jwt::sign(&ID_TOKEN, &claims, &key).unwrap();
        let mut jwk = key.public_jwk().unwrap();
        for alg in [jwk.alg, None] {
            jwk.alg = alg;
            checked(&token, &[Alg::RS256, Alg::ES256, Alg::PS384], &jwk).unwrap();
            let refused = checked(&token, &[Alg::RS256], &jwk);
            assert!(matches!(refused, Err(IdTokenRejection::Rejected(_))), "{refused:?}");
        }
        assert_eq!(checked(&token, &[], &jwk), Err(IdTokenRejection::NoAlgorithm));
    }
}
