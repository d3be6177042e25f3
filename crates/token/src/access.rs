//! Access tokens ([RFC 9068](https://www.rfc-editor.org/rfc/rfc9068)).

use std::borrow::Cow;

use gatepass_jose::{
    Audience, Claims, Issuer, KeySet, NumericDate, Registered, Timestamp, Typ, Verifier, not_null,
};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use crate::{AuthorizationDetails, ScopeSet, minted_at};

/// The claims of an access token ([RFC 9068 section 2.2](https://www.rfc-editor.org/rfc/rfc9068#section-2.2)),
/// under their own names.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AccessClaims {
    /// Who minted it.
    pub iss: String,
    /// Whom it speaks for: a user, or a client that acts for itself.
    pub sub: String,
    /// The resource servers it is for.
    pub aud: Audience,
    /// Until when it is valid.
    pub exp: NumericDate,
    /// When it was minted, in whole seconds; see [`AccessClaims::minted_at`].
    pub iat: NumericDate,
    /// From when it is valid; checked where present, sent only if asked for.
    #[serde(default, deserialize_with = "not_null", skip_serializing_if = "Option::is_none")]
    pub nbf: Option<NumericDate>,
    /// Names this token. Empty where another issuer's token has no name ([`JwtAccessClaims`](crate::JwtAccessClaims)).
    pub jti: String,
    /// The client it was issued to.
    pub client_id: String,
    /// What it allows.
    #[serde(default, skip_serializing_if = "ScopeSet::is_empty")]
    pub scope: ScopeSet,
    /// What it allows beyond that ([RFC 9396 section 9.1](https://www.rfc-editor.org/rfc/rfc9396#section-9.1)).
    #[serde(default, skip_serializing_if = "AuthorizationDetails::is_empty")]
    pub authorization_details: AuthorizationDetails,
    /// The session it belongs to; absent where no user is logged in.
    #[serde(default, deserialize_with = "not_null", skip_serializing_if = "Option::is_none")]
    pub sid: Option<String>,
    /// The user's roles (RFC 9068 section 2.2.3.1).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub roles: Vec<String>,
    /// How the user logged in: an authentication context class (RFC 9068 section 2.2.1).
    #[serde(default, deserialize_with = "if_understood", skip_serializing_if = "Option::is_none")]
    pub acr: Option<Cow<'static, str>>,
    /// When the user logged in, however often tokens were renewed since (RFC 9068 section 2.2.1).
    #[serde(default, deserialize_with = "if_understood", skip_serializing_if = "Option::is_none")]
    pub auth_time: Option<NumericDate>,
    /// The key that it is bound to; a token without one is good for whoever holds it.
    #[serde(default, deserialize_with = "not_null", skip_serializing_if = "Option::is_none")]
    pub cnf: Option<Confirmation>,
    /// Who acts for the subject, where somebody does.
    #[serde(default, deserialize_with = "not_null", skip_serializing_if = "Option::is_none")]
    pub act: Option<Actor>,
}

/// Who acts for a token's subject ([RFC 8693 section 4.1](https://www.rfc-editor.org/rfc/rfc8693#section-4.1)), and
/// before it who handed the authority on, latest first. Members other than these are not read.
///
/// Rules are for the subject and the outermost actor; those behind it are history. A revocation of any client
/// among them ends the token all the same: it would not be there without that client.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Actor {
    /// The actor: a user, or a client that acts by itself.
    #[serde(default, deserialize_with = "not_null", skip_serializing_if = "Option::is_none")]
    pub sub: Option<String>,
    /// Who acted before it.
    #[serde(default, deserialize_with = "not_null", skip_serializing_if = "Option::is_none")]
    pub act: Option<Box<Actor>>,
}

impl Actor {
    /// An actor, and who acted before it.
    pub fn new(sub: impl Into<String>, before: Option<Self>) -> Self {
        Self { sub: Some(sub.into()), act: before.map(Box::new) }
    }

    /// This actor and those before it, latest first.
    pub fn chain(&self) -> impl Iterator<Item = &Self> {
        std::iter::successors(Some(self), |actor| actor.act.as_deref())
    }
}

/// The key that a token is bound to ([RFC 7800 section 3.1](https://www.rfc-editor.org/rfc/rfc7800#section-3.1)):
/// whoever uses the token must show that it holds the key.
///
/// Members other than these are not read. A confirmation of which nothing is left then names a key in a way
/// that is not understood here ([`Confirmation::is_unknown`]); it never means that there is none.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Confirmation {
    /// The thumbprint of the key that the client's DPoP proofs are signed with
    /// ([RFC 9449 section 6.1](https://www.rfc-editor.org/rfc/rfc9449#section-6.1)).
    #[serde(default, deserialize_with = "not_null", skip_serializing_if = "Option::is_none")]
    pub jkt: Option<String>,
    /// The SHA-256 thumbprint of the client's TLS certificate, in base64url
    /// ([RFC 8705 section 3.1](https://www.rfc-editor.org/rfc/rfc8705#section-3.1)).
    #[serde(
        rename = "x5t#S256",
        default,
        deserialize_with = "not_null",
        skip_serializing_if = "Option::is_none"
    )]
    pub x5t_s256: Option<String>,
}

impl Confirmation {
    /// Bound to the key of the client's DPoP proofs.
    pub fn dpop(jkt: impl Into<String>) -> Self {
        Self { jkt: Some(jkt.into()), x5t_s256: None }
    }

    /// Bound to the client's TLS certificate.
    pub fn certificate(x5t_s256: impl Into<String>) -> Self {
        Self { jkt: None, x5t_s256: Some(x5t_s256.into()) }
    }

    /// Whether it names a key in none of the ways that are understood here.
    #[must_use]
    pub fn is_unknown(&self) -> bool {
        self.jkt.is_none() && self.x5t_s256.is_none()
    }
}

impl AccessClaims {
    /// When it was minted, to the millisecond where the issuer is a gatepass.
    #[must_use]
    pub fn minted_at(&self) -> Timestamp {
        minted_at(&self.jti, self.iat.0)
    }

    /// Everybody who acts or acted for the subject, latest first.
    pub fn actors(&self) -> impl Iterator<Item = &str> {
        self.act.iter().flat_map(Actor::chain).filter_map(|actor| actor.sub.as_deref())
    }
}

impl Claims for AccessClaims {
    fn registered(&self) -> Registered<'_> {
        Registered {
            issuer: Some(&self.iss),
            audience: Some(&self.aud),
            expires: Some(self.exp),
            not_before: self.nbf,
        }
    }
}

/// A claim that issuers elsewhere write in other types too. What is not understood counts as absent: it is for a rule that
/// demands it to refuse the token, and for no other.
pub(crate) fn if_understood<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: DeserializeOwned,
{
    Ok(serde_json::from_value(Value::deserialize(deserializer)?).ok())
}

/// A verifier of access tokens: type `at+jwt`, a minute of clock skew. What RFC 9068 section 4 asks
/// of a resource server beyond it (scope, the session's revocation) is the guard's.
#[must_use]
pub fn access_verifier(issuer: Issuer, audience: Audience, keys: KeySet) -> Verifier {
    Verifier::new(issuer, audience, Typ::ACCESS_TOKEN, keys)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::TokenId;
    use gatepass_jose::{Alg, SigningKey, jwt};

    fn claims(now: Timestamp) -> AccessClaims {
        AccessClaims {
            iss: "https://auth.example.com".into(),
            sub: "u_018f3a".into(),
            aud: Audience::new(["https://api.example.com"]).unwrap(),
            exp: now.saturating_add(std::time::Duration::from_secs(900)).into(),
            iat: now.into(),
            nbf: None,
            jti: TokenId::new(now, [7; 10]).to_string(),
            client_id: "web".into(),
            scope: "orders:read".parse().unwrap(),
            authorization_details: AuthorizationDetails::default(),
            sid: Some("AZcQ0nB7f0yM6mX8m3yqAA".into()),
            roles: vec!["clerk".into()],
            acr: Some("urn:gatepass:acr:password".into()),
            auth_time: Some(Timestamp::from_secs(now.as_secs() - 60).into()),
            cnf: None,
            act: None,
        }
    }

    #[test]
    fn an_access_token_survives_the_wire_and_stays_small() {
        let now = Timestamp::from_millis(1_763_780_000_250);
        let key = SigningKey::generate(Alg::ES256, Some("2026-11-a")).unwrap();
        let claims = claims(now);
        let token = jwt::sign(&Typ::ACCESS_TOKEN, &claims, &key).unwrap();
        assert!(token.len() < 560, "{} bytes", token.len());
        let keys = KeySet::new(vec![key.verifying_key().unwrap()]);
        let verifier = access_verifier(Issuer::new(&claims.iss).unwrap(), claims.aud.clone(), keys);
        let verified = verifier.verify::<AccessClaims>(&token, now).unwrap();
        assert_eq!(verified.minted_at(), now);
        assert_eq!(
            verified.into_claims(),
            AccessClaims {
                iat: Timestamp::from_secs(now.as_secs()).into(),
                exp: Timestamp::from_secs(now.as_secs() + 900).into(),
                ..claims
            }
        );
    }

    #[test]
    fn the_key_that_a_token_is_bound_to() {
        let none = Confirmation::default();
        let both = Confirmation { jkt: Some("j".into()), x5t_s256: Some("x".into()) };
        let cases = [
            ("dpop", r#"{"jkt":"j"}"#, Some(Confirmation::dpop("j"))),
            ("certificate", r#"{"x5t#S256":"x"}"#, Some(Confirmation::certificate("x"))),
            ("both", r#"{"jkt":"j","x5t#S256":"x"}"#, Some(both)),
            ("beside_something_unknown", r#"{"jwk":{"kty":"EC"},"jkt":"j"}"#, Some(Confirmation::dpop("j"))),
            ("something_unknown_alone", r#"{"jwk":{"kty":"EC"}}"#, Some(none.clone())),
            ("empty", "{}", Some(none.clone())),
            ("null", "null", None),
            ("jkt_null", r#"{"jkt":null}"#, None),
            ("jkt_number", r#"{"jkt":1}"#, None),
            ("jkt_twice", r#"{"jkt":"j","jkt":"j"}"#, None),
            ("text", r#""j""#, None),
        ];
        let good = serde_json::to_string(&claims(Timestamp::from_secs(1_763_780_000))).unwrap();
        for (name, cnf, want) in cases {
            let token = format!("{},\"cnf\":{cnf}}}", good.strip_suffix('}').unwrap());
            let read = serde_json::from_str::<AccessClaims>(&token).ok();
            assert_eq!(read.map(|claims| claims.cnf), want.map(Some), "{name}");
        }
        assert!(none.is_unknown() && !Confirmation::dpop("j").is_unknown());
        assert!(!good.contains("cnf"), "a token that is bound to nothing stays as small as it was");
    }

    #[test]
    fn a_login_that_is_told_in_another_way_is_not_told() {
        let good = serde_json::to_string(&claims(Timestamp::from_secs(1_763_780_000))).unwrap();
        let cases = [
            (r#""acr":"urn:gatepass:acr:password""#, r#""acr":["urn:gold"]"#),
            (r#""acr":"urn:gatepass:acr:password""#, r#""acr":null"#),
            (r#""auth_time":1763779940"#, r#""auth_time":"2025-11-22T02:12:20Z""#),
            (r#""auth_time":1763779940"#, r#""auth_time":-1"#),
        ];
        for (from, to) in cases {
            let token = good.replace(from, to);
            assert_ne!(token, good, "{from}");
            let read: AccessClaims = serde_json::from_str(&token).unwrap();
            assert_eq!(
                (read.acr.is_none(), read.auth_time.is_none()),
                (to.contains("acr"), to.contains("time"))
            );
        }
        assert!(
            serde_json::from_str::<AccessClaims>(&good.replacen('{', r#"{"acr":"x","#, 1)).is_err(),
            "twice"
        );
    }

    #[test]
    fn who_acts_for_the_subject() {
        let chain = Actor::new("orders", Some(Actor::new("gateway", None)));
        let cases = [
            ("one", r#"{"sub":"gateway"}"#, Some(vec!["gateway"])),
            ("two", r#"{"sub":"orders","act":{"sub":"gateway"}}"#, Some(vec!["orders", "gateway"])),
            ("other_members", r#"{"sub":"a","iss":"https://a","act":{"x":[]}}"#, Some(vec!["a"])),
            ("nobody_named", "{}", Some(vec![])),
            ("text", r#""gateway""#, None),
            ("null", "null", None),
            ("sub_number", r#"{"sub":1}"#, None),
            ("act_null", r#"{"sub":"a","act":null}"#, None),
        ];
        let good = serde_json::to_string(&claims(Timestamp::from_secs(1_763_780_000))).unwrap();
        for (name, act, want) in cases {
            let token = format!("{},\"act\":{act}}}", good.strip_suffix('}').unwrap());
            let read = serde_json::from_str::<AccessClaims>(&token).ok();
            assert_eq!(read.as_ref().map(|claims| claims.actors().collect()), want, "{name}");
        }
        let claims = AccessClaims { act: Some(chain), ..claims(Timestamp::from_secs(1_763_780_000)) };
        let json = serde_json::to_value(&claims).unwrap();
        assert_eq!(json["act"], serde_json::json!({ "sub": "orders", "act": { "sub": "gateway" } }));
    }
}
