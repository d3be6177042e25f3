//! Tokens that say nothing by themselves: what they are, their issuer tells who asks
//! ([RFC 7662 section 2.2](https://www.rfc-editor.org/rfc/rfc7662#section-2.2)).

use gatepass_jose::{KeySet, Rejection, Verifier, parse_strict_json};
use gatepass_token::JwtAccessClaims;
use serde_json::{Map, Value};

use crate::believed::{Believed, Profile};
use crate::clock::Now;
use crate::keys::Terms;
use crate::location::Location;

/// Whether a token is in none of the JOSE formats, so that only its issuer can say what it is: not three or five parts, of which
/// the first is the beginning of a JSON object in base64url.
///
/// ```
/// assert!(gatepass_guard::is_opaque("jSE1xv7Lx0nqGeHHzDBVE2lRcdnDcQmyjnMyxTzVmTf"));
/// assert!(!gatepass_guard::is_opaque("eyJhbGciOiJFUzI1NiJ9.e30.c2ln"));
/// ```
#[must_use]
pub fn is_opaque(token: &str) -> bool {
    let begins_an_object = matches!(token.as_bytes(), [b'e', b'w'..=b'z', ..]);
    !(begins_an_object && matches!(token.split('.').count(), 3 | 5))
}

/// Reads the answers of one issuer that is asked about opaque tokens.
pub(crate) struct AnswerReader {
    /// Without keys: the connection over which the issuer answers vouches for what it says.
    verifier: Verifier,
}

impl AnswerReader {
    pub(crate) fn new(location: &Location, terms: &Terms) -> Self {
        let (issuer, audience) = (location.issuer().clone(), terms.audience.clone());
        let verifier = Profile::Jwt.verifier(issuer, audience, KeySet::default());
        Self { verifier: verifier.with_clock_skew(terms.clock_skew) }
    }

    /// What an answer says that calls the token active. Its audience and its times are not looked at yet.
    ///
    /// It must say that the token is an access token, for a refresh token is active too: by `token_type`, or by the
    /// claims that [`JwtAccessClaims`] knows. An issuer that does not name itself is the one that was asked. Who is no
    /// user is the client itself ([RFC 9068 section 2.2](https://www.rfc-editor.org/rfc/rfc9068#section-2.2)).
    pub(crate) fn read(&self, token: &str, answer: &[u8]) -> Result<Believed, Rejection> {
        let problem = |problem: String| Rejection::Claims { problem };
        let mut members: Map<String, Value> =
            parse_strict_json(answer).map_err(|error| problem(error.to_string()))?;
        if !says_access_token(&members) {
            return Err(problem(
                "the answer does not say by `token_type` that this is an access token".into(),
            ));
        }
        // Some use the token itself as its name. It is not to be told to logs and services as that.
        if members.get("jti").is_some_and(|jti| jti == token) {
            members.remove("jti");
        }
        let issuer = self.verifier.issuer().as_str();
        members.entry("iss").or_insert_with(|| issuer.into());
        if !members.contains_key("sub")
            && let Some(client) = members.get("client_id").cloned()
        {
            members.insert("sub".into(), client);
        }
        let claims: JwtAccessClaims = serde_json::from_value(Value::Object(members.clone()))
            .map_err(|error| problem(error.to_string()))?;
        let payload = serde_json::to_vec(&members).map_err(|error| problem(error.to_string()))?;
        Ok(Believed::told(claims.into_claims(), payload))
    }

    /// Holds what was read against audience and time.
    pub(crate) fn require_current(&self, believed: &Believed, now: Now) -> Result<(), Rejection> {
        believed.verify_again(&self.verifier, now)
    }
}

fn says_access_token(members: &Map<String, Value>) -> bool {
    // What else these two may be is refused with the claims.
    let kind = ["token_type", "token_use", "typ"].iter().find_map(|name| members.get(*name));
    let kinds = ["Bearer", "DPoP", "access_token", "access"];
    kind.and_then(Value::as_str)
        .is_some_and(|found| kinds.iter().any(|kind| kind.eq_ignore_ascii_case(found)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::config::{IssuerConfig, Revocation};
    use gatepass_jose::{Audience, Timestamp};
    use std::time::Duration;

    const NOW: Timestamp = Timestamp::from_secs(1_763_780_000);

    fn read(changes: Value) -> Result<Believed, Rejection> {
        let config = IssuerConfig::new("https://auth.example.com", ["api"], Revocation::None);
        let terms = Terms {
            audience: Audience::new(["api"]).unwrap(),
            algs: config.algs.clone(),
            clock_skew: Duration::from_secs(60),
            profile: Profile::Jwt,
        };
        let reader = AnswerReader::new(&Location::new(&config).unwrap(), &terms);
        let mut answer = json!({
            "active": true, "client_id": "web", "sub": "ann", "aud": "api", "exp": NOW.as_secs() + 60,
            "iat": NOW.as_secs(), "scope": "orders:read", "token_type": "Bearer",
        });
        for (name, value) in changes.as_object().unwrap() {
            match value {
                Value::Null => answer.as_object_mut().unwrap().remove(name),
                value => answer.as_object_mut().unwrap().insert(name.clone(), value.clone()),
            };
        }
        let believed = reader.read("t0ken", answer.to_string().as_bytes())?;
        reader.require_current(&believed, Now { wall: NOW, steady: NOW })?;
        Ok(believed)
    }

    #[test]
    fn what_an_answer_may_leave_out() {
        let all =
            read(json!({ "jti": "j", "iss": "https://auth.example.com", "sid": "s", "tenant": "acme" }))
                .unwrap();
        assert_eq!((&*all.claims().jti, all.kid(), all.claim("tenant")), ("j", None, Some(&json!("acme"))));
        let least = read(json!({ "sub": null, "iat": null, "scope": null, "token_type": "bearer" })).unwrap();
        let claims = least.claims();
        assert_eq!((&*claims.iss, &*claims.sub, &*claims.jti), ("https://auth.example.com", "web", ""));
        assert_eq!(claims.minted_at(), Timestamp::from_secs(0), "any revocation reaches it");
        let named_by_itself = read(json!({ "jti": "t0ken" })).unwrap();
        assert_eq!(named_by_itself.claims().jti, "");
        assert!(!String::from_utf8_lossy(&named_by_itself.payload).contains("t0ken"));
        for of_its_own in
            [json!({ "token_type": null, "typ": "Bearer" }), json!({ "token_use": "access_token" })]
        {
            assert!(read(of_its_own).is_ok());
        }
    }

    #[test]
    fn what_opens_nothing() {
        let cases = [
            ("a_refresh_token", json!({ "token_type": null })),
            ("a_refresh_token_of_keycloak", json!({ "typ": "Refresh" })),
            ("a_refresh_token_of_hydra", json!({ "token_use": "refresh_token" })),
            ("another_type", json!({ "token_type": "N_A" })),
            ("bound_to_a_key_that_is_not_told", json!({ "token_type": "dpop" })),
            ("for_another", json!({ "aud": ["other"] })),
            ("for_nobody_named", json!({ "aud": null })),
            ("of_another", json!({ "iss": "https://evil.example" })),
            ("expired", json!({ "exp": NOW.as_secs() - 61 })),
            ("without_an_end", json!({ "exp": null })),
            ("not_yet", json!({ "nbf": NOW.as_secs() + 61 })),
            ("of_nobody", json!({ "client_id": null })),
            ("an_id_token", json!({ "nonce": "n" })),
        ];
        for (name, changes) in cases {
            assert!(read(changes).is_err(), "{name}");
        }
    }

    #[test]
    fn which_tokens_are_opaque() {
        let cases = [
            ("2YotnFZFEjr1zCsicMWpAA", true),
            ("ory_at_szEfGH.A1b2", true),
            ("eyJhbGciOiJub25lIn0.e30", true),
            ("aaa.bbb.ccc", true),
            ("", true),
            ("eyJhbGciOiJFUzI1NiJ9.e30.", false),
            ("ewogImFsZyI6IkVTMjU2IiB9.e30.c2ln", false),
            ("eyJlbmMiOiIifQ.a.b.c.d", false),
        ];
        for (token, want) in cases {
            assert_eq!(is_opaque(token), want, "{token}");
        }
    }
}
