//! Signed request objects ([RFC 9101](https://www.rfc-editor.org/rfc/rfc9101)): a client signs what it asks for, so
//! that nobody between it and this server can ask for something else.
//!
//! They are taken by value alone. A reference would make this server fetch addresses that others choose.

use gatepass_jose::{
    Alg, Audience, JsonError, KeySet, Malformed, Timestamp, Typ, decode_unverified, jws, not_null,
    parse_strict_json,
};
use serde::Deserialize;
use serde_json::{Map, Value};
use thiserror::Error;

use super::AuthorizationParams;
use crate::client::Client;
use crate::client_jwt::{Window, WindowRejection, require_jti};
use crate::client_key_sets::NoClientKeys;
use crate::jti::JtiDigest;

/// The one type ([RFC 9101 section 10.8](https://www.rfc-editor.org/rfc/rfc9101#section-10.8)): a client assertion, an
/// ID token or whatever else is signed under a client's key is another.
const TYP: Typ = Typ::new("oauth-authz-req+jwt");
/// What stands in an object and is no parameter of its request.
const CLAIMS: [&str; 6] = ["iss", "aud", "exp", "iat", "nbf", "jti"];
/// What an object cannot hold ([RFC 9101 section 4](https://www.rfc-editor.org/rfc/rfc9101#section-4)).
const NOT_INSIDE: [&str; 2] = ["request", "request_uri"];

/// The parameters that a client signed. Whatever else stands beside them in a request means nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestObject {
    params: Vec<(String, String)>,
    /// Its name among all that its client signed, and until when to remember it; `None` where it has none, and may be
    /// shown again.
    pub(crate) once: Option<(JtiDigest, Timestamp)>,
}

/// Why a request object is not taken: one variant per check, in their order. The wire says `invalid_request_object`.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(crate) enum RequestObjectRejection {
    /// [RFC 9101 section 5](https://www.rfc-editor.org/rfc/rfc9101#section-5).
    #[error("request and request_uri do not go together")]
    WithReference,
    #[error(transparent)]
    Keys(#[from] NoClientKeys),
    #[error("it is malformed: {0}")]
    Malformed(#[from] Malformed),
    #[error("its type is not {TYP}")]
    Typ,
    /// [OpenID Connect Core 1.0 section 6.3.2](https://openid.net/specs/openid-connect-core-1_0.html#SignedRequestObject).
    #[error("its algorithm is not {0}, which the client is registered with")]
    Alg(Alg),
    #[error("its signature is not accepted: {0}")]
    Jws(#[from] jws::Rejection),
    #[error("its claims cannot be read: {0}")]
    Claims(#[from] JsonError),
    #[error("`iss`, `aud`, `exp` or `client_id` is missing, or a claim has the wrong type")]
    ClaimTypes,
    #[error("`iss` and `client_id` are not the client")]
    Client,
    #[error("`aud` does not name this issuer")]
    Audience,
    #[error(transparent)]
    Window(#[from] WindowRejection),
    #[error("{0} cannot stand inside")]
    NotInside(&'static str),
    #[error("a parameter in it that is known here has another type")]
    Parameter,
}

#[derive(Deserialize)]
struct ObjectClaims {
    iss: String,
    aud: Audience,
    client_id: String,
    #[serde(flatten)]
    window: Window,
    #[serde(default, deserialize_with = "not_null")]
    jti: Option<String>,
}

impl RequestObject {
    /// Verifies an object of `client`, whose keys these are, to `issuer`. That it was not used before is left to the caller.
    pub(crate) fn verify(
        jwt: &str,
        client: &Client,
        keys: KeySet,
        issuer: &str,
        now: Timestamp,
    ) -> Result<Self, RequestObjectRejection> {
        let header = decode_unverified(jwt)?;
        if !header.unverified_typ().is_some_and(|typ| TYP.matches(typ)) {
            return Err(RequestObjectRejection::Typ);
        }
        if let Some(alg) = client.extensions.request_object_signing_alg
            && header.unverified_alg() != alg.name()
        {
            return Err(RequestObjectRejection::Alg(alg));
        }
        let verified = jws::Verifier::new(keys).verify(jwt)?;
        let members: Map<String, Value> = parse_strict_json(verified.payload())?;
        let claims = ObjectClaims::deserialize(Value::Object(members.clone()));
        let claims = claims.map_err(|_| RequestObjectRejection::ClaimTypes)?;
        if [&claims.iss, &claims.client_id].into_iter().any(|name| name != client.id.as_str()) {
            return Err(RequestObjectRejection::Client);
        }
        if !claims.aud.contains(issuer) {
            return Err(RequestObjectRejection::Audience);
        }
        let forget_after = claims.window.require_current(now)?;
        let once = match &claims.jti {
            Some(jti) => {
                require_jti(jti)?;
                Some((JtiDigest::of("request object", client.id.as_str(), jti), forget_after))
            }
            None => None,
        };
        if let Some(name) = NOT_INSIDE.into_iter().find(|name| members.contains_key(*name)) {
            return Err(RequestObjectRejection::NotInside(name));
        }
        let mut params = Vec::with_capacity(members.len());
        for (name, value) in members.into_iter().filter(|(name, _)| !CLAIMS.contains(&name.as_str())) {
            let is_known = AuthorizationParams::knows(&name);
            match pairs(name, value) {
                Some(pairs) => params.extend(pairs),
                None if is_known => return Err(RequestObjectRejection::Parameter),
                // RFC 9101 section 4: what is not known is passed over, whatever it is.
                None => {}
            }
        }
        Ok(Self { params, once })
    }

    /// The request that was signed.
    pub(crate) fn params(&self) -> AuthorizationParams<'_> {
        let named = |name: &'static str| {
            self.pairs().filter(move |(known, _)| *known == name).map(|(_, value)| value)
        };
        AuthorizationParams::of(|name| named(name).next(), named("resource").collect())
    }

    /// Each parameter with its value.
    pub fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.params.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

/// The name of the key that an object claims to be signed with, which nobody has verified.
pub(crate) fn unverified_kid(jwt: &str) -> Result<Option<String>, RequestObjectRejection> {
    Ok(decode_unverified(jwt)?.unverified_kid().map(str::to_owned))
}

/// A parameter as it would stand in a query, where `resource` may stand several times
/// ([RFC 8707 section 2](https://www.rfc-editor.org/rfc/rfc8707#section-2)).
fn pairs(name: String, value: Value) -> Option<Vec<(String, String)>> {
    match value {
        Value::Array(values) if name == "resource" => {
            values.into_iter().map(|value| Some((name.clone(), value.as_str()?.to_owned()))).collect()
        }
        value => Some(vec![(name.clone(), text(&name, value)?)]),
    }
}

/// A parameter's one value as it would stand in a query ([RFC 9101 section 4](https://www.rfc-editor.org/rfc/rfc9101#section-4)).
fn text(name: &str, value: Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text),
        Value::Number(number) => Some(number.to_string()),
        // The parameters that are JSON in a query too (RFC 9396 section 2, OpenID Connect Core 1.0 sections 5.5 and 7.2.1).
        Value::Array(_) if name == "authorization_details" => Some(value.to_string()),
        Value::Object(_) if ["claims", "registration"].contains(&name) => Some(value.to_string()),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use gatepass_jose::{JwkSet, SecretKey, SigningKey, jwt};
    use serde_json::json;

    use super::*;
    use crate::authorize::request::tests::client as plain_client;
    use crate::client::{ClientKeys, Credential};
    use crate::profile::Profile;

    const NOW: i64 = 1_763_780_000;
    const ISSUER: &str = "https://auth.example.com";

    fn client(key: &SigningKey) -> Client {
        let keys = ClientKeys::new(JwkSet { keys: vec![key.public_jwk().unwrap()] }).unwrap();
        Client { credential: Credential::Keys(keys.into()), ..plain_client() }
    }

    fn verify(object: &str, client: &Client) -> Result<RequestObject, RequestObjectRejection> {
        let given = client.keys().and_then(|keys| keys.given());
        let algs = client.signing_algs(Profile::OAuth21);
        let keys = given.map(|keys| keys.verifying(&algs)).unwrap_or_default();
        RequestObject::verify(object, client, keys, ISSUER, Timestamp::from_secs(NOW))
    }

    fn claims() -> Value {
        json!({
            "iss": "web", "aud": ISSUER, "exp": NOW + 300, "iat": NOW, "nbf": NOW, "jti": "1", "client_id": "web",
            "response_type": "code", "scope": "openid", "max_age": 60,
        })
    }

    fn with(name: &str, value: Value) -> Value {
        let mut claims = claims();
        match value {
            Value::Null => drop(claims.as_object_mut().unwrap().remove(name)),
            value => claims[name] = value,
        }
        claims
    }

    #[test]
    fn which_objects_are_taken() {
        use RequestObjectRejection::{Audience, ClaimTypes, Client, NotInside, Parameter, Window};
        let key = SigningKey::generate(Alg::ES256, Some("k")).unwrap();
        let cases: [(&str, Value, Result<(), RequestObjectRejection>); 29] = [
            ("good", claims(), Ok(())),
            ("several_audiences", with("aud", json!(["https://other.example", ISSUER])), Ok(())),
            ("claims", with("claims", json!({ "id_token": { "acr": null } })), Ok(())),
            ("details", with("authorization_details", json!([{ "type": "a" }])), Ok(())),
            ("no_jti", with("jti", Value::Null), Ok(())),
            ("another_audience", with("aud", json!("https://other.example")), Err(Audience)),
            ("no_audience", with("aud", Value::Null), Err(ClaimTypes)),
            ("another_client", with("client_id", json!("other")), Err(Client)),
            ("no_client", with("client_id", Value::Null), Err(ClaimTypes)),
            ("another_issuer", with("iss", json!("other")), Err(Client)),
            ("no_issuer", with("iss", Value::Null), Err(ClaimTypes)),
            ("expired", with("exp", json!(NOW - 60)), Err(Window(WindowRejection::Expired))),
            ("no_expiry", with("exp", Value::Null), Err(ClaimTypes)),
            ("for_ever", with("exp", json!(NOW + 7200)), Err(Window(WindowRejection::TooLong))),
            ("not_yet", with("nbf", json!(NOW + 61)), Err(Window(WindowRejection::NotYetValid))),
            ("empty_jti", with("jti", json!("")), Err(Window(WindowRejection::Jti))),
            ("an_object_inside", with("request", json!("e30.e30.")), Err(NotInside("request"))),
            ("a_reference_inside", with("request_uri", json!("urn:x")), Err(NotInside("request_uri"))),
            ("a_list", with("scope", json!(["openid"])), Err(Parameter)),
            ("known_and_true", with("prompt", json!(true)), Err(Parameter)),
            ("known_and_an_object", with("state", json!({ "a": 1 })), Err(Parameter)),
            (
                "details_that_are_no_list",
                with("authorization_details", json!({ "type": "a" })),
                Err(Parameter),
            ),
            ("a_resource_that_is_an_object", with("resource", json!({})), Err(Parameter)),
            ("unknown_and_true", with("foo", json!(true)), Ok(())),
            ("unknown_and_an_object", with("foo", json!({ "a": [null] })), Ok(())),
            ("unknown_and_a_list", with("foo", json!([1])), Ok(())),
            ("unknown_text", with("foo", json!("bar")), Ok(())),
            ("resources", with("resource", json!(["https://a.example", "https://b.example"])), Ok(())),
            ("resources_of_another_type", with("resource", json!(["https://a.example", 1])), Err(Parameter)),
        ];
        for (name, claims, want) in cases {
            let object = jwt::sign(&TYP, &claims, &key).unwrap();
            let found = verify(&object, &client(&key));
            assert_eq!(found.as_ref().err(), want.as_ref().err(), "{name}");
            if let Ok(object) = found {
                assert_eq!(object.params().max_age, Some("60"), "{name}");
                assert!(object.pairs().all(|(name, _)| !CLAIMS.contains(&name)), "{name}");
            }
        }
    }

    #[test]
    fn an_object_has_the_algorithm_that_is_registered() {
        let keys = [Alg::ES256, Alg::EdDSA].map(|alg| SigningKey::generate(alg, Some(alg.name())).unwrap());
        let public = keys.iter().map(|key| key.public_jwk().unwrap()).collect();
        let both = Credential::Keys(ClientKeys::new(JwkSet { keys: public }).unwrap().into());
        for (registered, want) in [
            (None, [None, None]),
            (Some(Alg::ES256), [None, Some(RequestObjectRejection::Alg(Alg::ES256))]),
            (Some(Alg::EdDSA), [Some(RequestObjectRejection::Alg(Alg::EdDSA)), None]),
        ] {
            let mut client = Client { credential: both.clone(), ..plain_client() };
            client.extensions.request_object_signing_alg = registered;
            let found =
                keys.each_ref().map(|key| verify(&jwt::sign(&TYP, &claims(), key).unwrap(), &client).err());
            assert_eq!(found, want, "{registered:?}");
        }
    }

    #[test]
    fn what_is_no_request_object_of_this_client() {
        let key = SigningKey::generate(Alg::ES256, Some("k")).unwrap();
        let another = SigningKey::generate(Alg::ES256, Some("k")).unwrap();
        let secret = SecretKey::new(*b"0123456789012345678901234567890123456789012");
        let shared = SigningKey::from_secret(Alg::HS256, "k", &secret).unwrap();
        let sign = |typ, key: &SigningKey| jwt::sign(&Typ::new(typ), &claims(), key).unwrap();
        let part = |json: Value| gatepass_jose::base64url::encode(json.to_string().as_bytes());
        let none =
            format!("{}.{}.", part(json!({ "alg": "none", "typ": "oauth-authz-req+jwt" })), part(claims()));
        let verify = |object: &str, client: &Client| verify(object, client).is_ok();
        let good = sign("oauth-authz-req+jwt", &key);
        let cases = [
            ("good", good.clone(), true),
            ("an_assertion_or_id_token", sign("JWT", &key), false),
            ("an_assertion_of_its_own_type", sign("client-authentication+jwt", &key), false),
            ("an_access_token", sign("at+jwt", &key), false),
            ("another_key", sign("oauth-authz-req+jwt", &another), false),
            ("a_secret", sign("oauth-authz-req+jwt", &shared), false),
            ("none", none, false),
            ("nothing", String::new(), false),
        ];
        for (name, object, want) in cases {
            assert_eq!(verify(&object, &client(&key)), want, "{name}");
        }
        assert!(!verify(&good, &plain_client()), "a client without keys");
    }
}
