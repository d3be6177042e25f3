//! Access tokens ([RFC 9068](https://www.rfc-editor.org/rfc/rfc9068)).

use gatepass_jose::{
    Audience, Claims, Issuer, KeySet, NumericDate, Registered, Timestamp, Typ, Verifier, not_null,
};
use serde::{Deserialize, Serialize};

use crate::{ScopeSet, minted_at};

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
    /// Names this token.
    pub jti: String,
    /// The client it was issued to.
    pub client_id: String,
    /// What it allows.
    #[serde(default, skip_serializing_if = "ScopeSet::is_empty")]
    pub scope: ScopeSet,
    /// The session it belongs to; absent where no user is logged in.
    #[serde(default, deserialize_with = "not_null", skip_serializing_if = "Option::is_none")]
    pub sid: Option<String>,
    /// The user's roles (RFC 9068 section 2.2.3.1).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub roles: Vec<String>,
}

impl AccessClaims {
    /// When it was minted, to the millisecond where the issuer is a gatepass.
    #[must_use]
    pub fn minted_at(&self) -> Timestamp {
        minted_at(&self.jti, self.iat.0)
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
            sid: Some("AZcQ0nB7f0yM6mX8m3yqAA".into()),
            roles: vec!["clerk".into()],
        }
    }

    #[test]
    fn an_access_token_survives_the_wire_and_stays_small() {
        let now = Timestamp::from_millis(1_763_780_000_250);
        let key = SigningKey::generate(Alg::ES256, Some("2026-11-a")).unwrap();
        let claims = claims(now);
        let token = jwt::sign(&Typ::ACCESS_TOKEN, &claims, &key).unwrap();
        assert!(token.len() < 520, "{} bytes", token.len());
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
}
