//! Access tokens that are JWTs, and not to RFC 9068: those of many providers, older than it or careless of it.

use std::borrow::Cow;
use std::fmt;
use std::ops::Deref;

use gatepass_jose::{
    Audience, Claims, Issuer, KeySet, NumericDate, Registered, Timestamp, Typ, Verifier, not_null,
};
use serde::de::{self, IgnoredAny, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use crate::access::{AccessClaims, Actor, Confirmation, if_understood};
use crate::{AuthorizationDetails, Scope, ScopeSet};

/// The claims of an access token as issuers make them that do not keep to
/// [RFC 9068](https://www.rfc-editor.org/rfc/rfc9068), read as those of one that does.
///
/// | claim | where it is taken from |
/// |---|---|
/// | `iss`, `sub`, `aud`, `exp` | there, and nowhere else; none may be absent |
/// | `client_id` | `client_id`, else `azp`, else `cid`, else `appid`; one must be there |
/// | `scope` | `scope`, else `scp`; a text or a list |
/// | `jti` | `jti`; empty where there is none |
/// | `iat` | `iat`; where there is none, the beginning of time, so that any revocation reaches the token |
/// | `acr`, `auth_time` | there, where they are a text and a number |
///
/// Nothing in the header need tell such a token from the issuer's other JWTs under the same keys, so the claims
/// must. Refused is what only another kind has: `nonce`, `at_hash`, `c_hash` or `s_hash` of an ID token, `events` of a security event
/// or logout token, `htm` or `htu` of a proof or ticket, `status_list`, and a claim `typ` or `token_use` that names another kind.
/// An ID token without any of these is kept away by its `aud` alone, which is a client: a resource server's
/// audience must not be the `client_id` of one.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(try_from = "Wire")]
pub struct JwtAccessClaims(AccessClaims);

impl JwtAccessClaims {
    /// The claims, under the names of RFC 9068.
    #[must_use]
    pub fn into_claims(self) -> AccessClaims {
        self.0
    }
}

impl Deref for JwtAccessClaims {
    type Target = AccessClaims;

    fn deref(&self) -> &AccessClaims {
        &self.0
    }
}

impl Claims for JwtAccessClaims {
    fn registered(&self) -> Registered<'_> {
        self.0.registered()
    }
}

/// A verifier of access tokens whose `typ` is absent, `JWT` or `at+jwt`, with a minute of clock skew. What it verifies is to
/// be read as [`JwtAccessClaims`], which keep other kinds of tokens out.
#[must_use]
pub fn jwt_access_verifier(issuer: Issuer, audience: Audience, keys: KeySet) -> Verifier {
    Verifier::new(issuer, audience, Typ::ACCESS_TOKEN, keys)
        .with_optional_typ()
        .with_other_typ(Typ::new("JWT"))
}

#[derive(Deserialize)]
struct Wire {
    iss: String,
    sub: String,
    aud: Audience,
    exp: NumericDate,
    #[serde(default, deserialize_with = "not_null")]
    iat: Option<NumericDate>,
    #[serde(default, deserialize_with = "not_null")]
    nbf: Option<NumericDate>,
    #[serde(default, deserialize_with = "not_null")]
    jti: Option<String>,
    #[serde(default, deserialize_with = "not_null")]
    client_id: Option<String>,
    #[serde(default, deserialize_with = "not_null")]
    azp: Option<String>,
    #[serde(default, deserialize_with = "not_null")]
    cid: Option<String>,
    #[serde(default, deserialize_with = "not_null")]
    appid: Option<String>,
    #[serde(default, deserialize_with = "text_or_list")]
    scope: Option<ScopeSet>,
    #[serde(default, deserialize_with = "text_or_list")]
    scp: Option<ScopeSet>,
    #[serde(default)]
    authorization_details: AuthorizationDetails,
    #[serde(default, deserialize_with = "not_null")]
    sid: Option<String>,
    #[serde(default)]
    roles: Vec<String>,
    #[serde(default, deserialize_with = "if_understood")]
    acr: Option<Cow<'static, str>>,
    #[serde(default, deserialize_with = "if_understood")]
    auth_time: Option<NumericDate>,
    #[serde(default, deserialize_with = "not_null")]
    cnf: Option<Confirmation>,
    #[serde(default, deserialize_with = "not_null")]
    act: Option<Actor>,
    // What access tokens do not have.
    nonce: Option<IgnoredAny>,
    at_hash: Option<IgnoredAny>,
    c_hash: Option<IgnoredAny>,
    s_hash: Option<IgnoredAny>,
    events: Option<IgnoredAny>,
    htm: Option<IgnoredAny>,
    htu: Option<IgnoredAny>,
    status_list: Option<IgnoredAny>,
    /// Keycloak says what a token is in its claims: `Bearer`, `DPoP`, `ID`, `Refresh`, …
    typ: Option<String>,
    /// So does Amazon Cognito: `access` or `id`.
    token_use: Option<String>,
    /// And whoever is asked about a token (RFC 7662 section 2.2).
    token_type: Option<Value>,
}

impl Wire {
    fn require_access_token(&self) -> Result<(), String> {
        let claims = [
            ("nonce", &self.nonce),
            ("at_hash", &self.at_hash),
            ("c_hash", &self.c_hash),
            ("s_hash", &self.s_hash),
            ("events", &self.events),
            ("htm", &self.htm),
            ("htu", &self.htu),
            ("status_list", &self.status_list),
        ];
        if let Some((name, _)) = claims.iter().find(|(_, value)| value.is_some()) {
            return Err(format!("`{name}` is no claim of an access token"));
        }
        let kinds = [
            ("typ", &self.typ, ["Bearer", "DPoP"]),
            ("token_use", &self.token_use, ["access", "access_token"]),
        ];
        for (name, found, own) in kinds {
            if found.as_ref().is_some_and(|found| !own.iter().any(|own| own.eq_ignore_ascii_case(found))) {
                return Err(format!("`{name}` names another kind of token than an access token"));
            }
        }
        // Without the key it would pass for a token that is bound to none.
        let kinds = [self.typ.as_deref(), self.token_type.as_ref().and_then(Value::as_str)];
        if self.cnf.is_none() && kinds.into_iter().flatten().any(|kind| kind.eq_ignore_ascii_case("DPoP")) {
            return Err("it is bound to a DPoP key, and `cnf` does not say to which".to_owned());
        }
        Ok(())
    }
}

impl TryFrom<Wire> for JwtAccessClaims {
    type Error = String;

    fn try_from(wire: Wire) -> Result<Self, String> {
        wire.require_access_token()?;
        let client_id = [wire.client_id, wire.azp, wire.cid, wire.appid].into_iter().flatten().next();
        let client_id = client_id.filter(|client_id| !client_id.is_empty());
        Ok(Self(AccessClaims {
            iss: wire.iss,
            sub: wire.sub,
            aud: wire.aud,
            exp: wire.exp,
            iat: wire.iat.unwrap_or(NumericDate(Timestamp::from_secs(0))),
            nbf: wire.nbf,
            jti: wire.jti.unwrap_or_default(),
            client_id: client_id.ok_or("none of `client_id`, `azp`, `cid` and `appid` names the client")?,
            scope: wire.scope.or(wire.scp).unwrap_or_default(),
            authorization_details: wire.authorization_details,
            sid: wire.sid,
            roles: wire.roles,
            acr: wire.acr,
            auth_time: wire.auth_time,
            cnf: wire.cnf,
            act: wire.act,
        }))
    }
}

/// Scopes in one text, or one by one.
fn text_or_list<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<ScopeSet>, D::Error> {
    struct Scopes;

    impl<'de> Visitor<'de> for Scopes {
        type Value = ScopeSet;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("scopes between single spaces, or a list of them")
        }

        fn visit_str<E: de::Error>(self, text: &str) -> Result<ScopeSet, E> {
            text.parse().map_err(E::custom)
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<ScopeSet, A::Error> {
            let mut scopes = Vec::<Scope>::new();
            while let Some(scope) = list.next_element::<String>()? {
                scopes.push(scope.parse().map_err(de::Error::custom)?);
            }
            Ok(scopes.into_iter().collect())
        }
    }

    deserializer.deserialize_any(Scopes).map(Some)
}

#[cfg(test)]
mod tests {
    use gatepass_jose::{Alg, Rejection, SigningKey, jws};
    use serde_json::json;

    use super::*;

    const NOW: Timestamp = Timestamp::from_secs(1_763_780_000);
    const API: &str = "https://api.example.com";

    /// What each provider's documentation shows of an access token, with our issuer and times in it.
    fn tokens() -> [(&'static str, Value); 7] {
        let keycloak = json!({
            "jti": "onrtac:5e0e2d4c", "sub": "ann", "typ": "Bearer", "azp": "web", "sid": "s1", "acr": "1",
            "allowed-origins": ["https://app.example.com"], "realm_access": { "roles": ["clerk"] },
            "resource_access": { "account": { "roles": ["view-profile"] } }, "scope": "openid orders:read",
            "email_verified": true, "preferred_username": "ann", "aud": [API, "account"],
        });
        let auth0 = json!({
            "sub": "auth0|63f5a1", "aud": [API, "https://tenant.eu.auth0.com/userinfo"], "scope": "orders:read",
            "azp": "web", "gty": "password", "permissions": ["orders:read"],
        });
        let okta = json!({
            "ver": 1, "jti": "AT.0mP4JKAZX1iACIT4vbEDF7LpvDVjxypPMf0D7uX39RE", "aud": API, "cid": "web",
            "uid": "00u5t60il", "scp": ["orders:read", "openid"], "auth_time": 1_763_779_000, "sub": "ann@example.com",
        });
        let entra_1 = json!({
            "aud": API, "nbf": NOW.as_secs(), "acr": "1", "aio": "AXQAi", "amr": ["pwd"], "appid": "web", "appidacr": "0",
            "oid": "690222be", "rh": "0.AAAA", "scp": "orders:read", "sub": "HKZpfaHy", "tid": "fa15d692", "uti": "fqiB",
            "ver": "1.0", "roles": ["clerk"],
        });
        let entra_2 = json!({
            "aud": API, "nbf": NOW.as_secs(), "azp": "web", "azpacr": "0", "oid": "690222be", "scp": "orders:read",
            "sub": "HKZpfaHy", "tid": "fa15d692", "uti": "fqiB", "ver": "2.0", "sid": "s1",
        });
        let duende = json!({
            "aud": API, "client_id": "web", "sub": "1", "scope": ["openid", "orders:read"], "jti": "E1", "amr": ["pwd"],
        });
        let cognito = json!({
            "aud": API, "client_id": "web", "sub": "aaaa", "token_use": "access", "scope": "orders:read", "jti": "c",
        });
        [
            ("Keycloak", keycloak),
            ("Auth0", auth0),
            ("Okta", okta),
            ("Entra, version 1", entra_1),
            ("Entra, version 2", entra_2),
            ("Duende", duende),
            ("Cognito", cognito),
        ]
    }

    fn completed(mut claims: Value) -> Value {
        claims["iss"] = "https://auth.example.com".into();
        for (name, at) in [("iat", 0), ("exp", 900)] {
            let claim = claims.as_object_mut().unwrap().entry(name);
            claim.or_insert((NOW.as_secs() + at).into());
        }
        claims
    }

    fn minimal() -> Value {
        completed(json!({ "sub": "ann", "aud": API, "azp": "web" }))
    }

    fn verify(typ: Option<&str>, claims: &Value) -> Result<AccessClaims, Rejection> {
        let key = SigningKey::generate(Alg::ES256, Some("k")).unwrap();
        let payload = claims.to_string();
        let mut draft = jws::Draft::new(payload.as_bytes());
        if let Some(typ) = typ {
            draft = draft.with_typ(Typ::from(typ.to_owned()));
        }
        let token = draft.sign(&key).unwrap().compact().unwrap();
        let keys = KeySet::new(vec![key.verifying_key().unwrap()]);
        let issuer = Issuer::new("https://auth.example.com").unwrap();
        let verifier = jwt_access_verifier(issuer, Audience::new([API]).unwrap(), keys);
        Ok(verifier.verify::<JwtAccessClaims>(&token, NOW)?.into_claims().into_claims())
    }

    #[test]
    fn tokens_of_other_issuers_are_read_as_if_they_kept_to_the_standard() {
        for (provider, token) in tokens() {
            let token = completed(token);
            let claims = verify(None, &token).unwrap_or_else(|error| panic!("{provider}: {error}"));
            assert_eq!(claims.client_id, "web", "{provider}");
            assert!(claims.scope.contains("orders:read"), "{provider}");
            assert_eq!(claims.sub, token["sub"].as_str().unwrap(), "{provider}");
            assert_eq!(claims.jti, token["jti"].as_str().unwrap_or_default(), "{provider}");
            assert_eq!(claims.iat.0, NOW, "{provider}");
        }
    }

    #[test]
    fn which_types_pass_for_an_access_token() {
        for typ in [None, Some("JWT"), Some("jwt"), Some("at+jwt"), Some("application/AT+JWT")] {
            assert!(verify(typ, &minimal()).is_ok(), "{typ:?}");
        }
        let others = [
            "dpop+jwt",
            "logout+jwt",
            "secevent+jwt",
            "statuslist+jwt",
            "ticket+jwt",
            "oauth-authz-req+jwt",
            "token-introspection+jwt",
            "client-authentication+jwt",
            "JOSE",
            "",
        ];
        for typ in others {
            let refused = verify(Some(typ), &minimal());
            assert!(matches!(refused, Err(Rejection::Typ { .. })), "{typ}: {refused:?}");
        }
    }

    #[test]
    fn what_only_another_kind_of_token_has_is_refused() {
        let with = |name: &str, value: Value| {
            let mut claims = minimal();
            claims[name] = value;
            verify(Some("JWT"), &claims)
        };
        let without = |name: &str| {
            let mut claims = minimal();
            claims.as_object_mut().unwrap().remove(name);
            verify(Some("JWT"), &claims)
        };
        let event = json!({ "http://schemas.openid.net/event/backchannel-logout": {} });
        let refused = [
            ("an_id_token_with_its_nonce", with("nonce", json!("n"))),
            ("an_id_token_with_its_hash", with("at_hash", json!("77QmUPtjPfzWtF2AnpK9RQ"))),
            ("an_id_token_of_a_hybrid_login", with("c_hash", json!("LDktKdoQak3Pk0cnXxCltA"))),
            ("keycloak_id_token", with("typ", json!("ID"))),
            ("keycloak_refresh_token", with("typ", json!("Refresh"))),
            ("keycloak_offline_token", with("typ", json!("Offline"))),
            ("cognito_id_token", with("token_use", json!("id"))),
            ("a_logout_token", with("events", event)),
            ("a_proof", with("htm", json!("GET"))),
            ("a_ticket", with("htu", json!("/orders"))),
            ("a_status_list", with("status_list", json!({ "bits": 1, "lst": "" }))),
            ("a_kind_that_is_no_text", with("typ", json!(1))),
            ("bound_to_a_key_that_is_not_told", with("typ", json!("DPoP"))),
            ("no_client", without("azp")),
            ("an_empty_client", with("client_id", json!(""))),
            ("no_subject", without("sub")),
            ("no_audience", without("aud")),
            ("no_expiry", without("exp")),
            ("scopes_that_are_none", with("scp", json!(["a b"]))),
            ("a_scope_that_is_no_text", with("scope", json!(1))),
            ("a_null_scope", with("scope", Value::Null)),
            ("a_null_session", with("sid", Value::Null)),
        ];
        for (name, refused) in refused {
            assert!(matches!(refused, Err(Rejection::Claims { .. })), "{name}: {refused:?}");
        }
        assert!(matches!(with("aud", json!("web")), Err(Rejection::Audience { .. })));
        let mut bound = minimal();
        bound["typ"] = json!("DPoP");
        bound["cnf"] = json!({ "jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I" });
        assert!(verify(Some("JWT"), &bound).is_ok(), "Keycloak's access tokens that are bound to a key");
        bound["cnf"] = Value::Null;
        assert!(verify(Some("JWT"), &bound).is_err(), "to no key");
    }

    #[test]
    fn of_several_names_the_standards_own_counts() {
        let mut claims = minimal();
        for (name, value) in [("appid", "d"), ("cid", "c"), ("azp", "b"), ("client_id", "a")] {
            claims[name] = value.into();
        }
        claims["scp"] = json!(["orders:write"]);
        claims["scope"] = json!("orders:read");
        let read = verify(None, &claims).unwrap();
        assert_eq!((read.client_id.as_str(), read.scope.to_string().as_str()), ("a", "orders:read"));
    }

    #[test]
    fn a_token_that_does_not_say_when_it_was_minted_is_older_than_any_revocation() {
        let mut claims = minimal();
        claims.as_object_mut().unwrap().remove("iat");
        assert_eq!(verify(None, &claims).unwrap().minted_at(), Timestamp::from_secs(0));
    }
}
