use gatepass_jose::{SecretKey, SigningKey, jwt};
use serde_json::{Value, json};

use super::*;
use crate::authorize::test_client;

const ISSUER: &str = "https://auth.example.com";
const NOW: i64 = 1_763_780_000;
const JWT: Typ = Typ::new("JWT");

fn key() -> SigningKey {
    SigningKey::generate(Alg::ES256, Some("k1")).unwrap()
}

fn set(key: &SigningKey) -> KeySet {
    KeySet::new(vec![key.verifying_key().unwrap()])
}

fn claims() -> Value {
    json!({ "iss": "shop", "sub": "shop", "aud": ISSUER, "exp": NOW + 60, "iat": NOW, "jti": "1" })
}

/// The claims with another value for one, or without it.
fn with(name: &str, value: Value) -> Value {
    let mut claims = claims();
    match value {
        Value::Null => drop(claims.as_object_mut().unwrap().remove(name)),
        value => claims[name] = value,
    }
    claims
}

fn check(token: &str, keys: KeySet) -> Result<Timestamp, AssertionRejection> {
    check_with(None, token, keys)
}

/// The same for a client that has registered `alg`.
fn check_with(alg: Option<Alg>, token: &str, keys: KeySet) -> Result<Timestamp, AssertionRejection> {
    let mut client = Client { id: "shop".parse().unwrap(), ..test_client() };
    client.extensions.token_endpoint_auth_signing_alg = alg;
    let verified = verify(token, &client, keys, ISSUER, false, Timestamp::from_secs(NOW));
    verified.map(|assertion| assertion.forget_after)
}

#[test]
fn what_an_assertion_must_claim() {
    use AssertionRejection::*;
    use WindowRejection::*;
    let key = key();
    let malformed = || Claims(JsonError::Malformed);
    let cases: [(&str, Value, Result<i64, AssertionRejection>); 27] = [
        ("all", claims(), Ok(NOW + 120)),
        ("more_than_is_known_here", with("shoe_size", json!({ "eu": [41, null] })), Ok(NOW + 120)),
        ("without_iat", with("iat", Value::Null), Ok(NOW + 120)),
        ("audience_in_an_array", with("aud", json!([ISSUER])), Ok(NOW + 120)),
        ("another_issuer", with("iss", json!("other")), Err(Subject)),
        ("another_subject", with("sub", json!("other")), Err(Subject)),
        ("no_subject", with("sub", Value::Null), Err(malformed())),
        ("no_issuer", with("iss", Value::Null), Err(malformed())),
        ("another_audience", with("aud", json!("https://other.example")), Err(Audience)),
        ("token_endpoint", with("aud", json!(format!("{ISSUER}/oauth/token"))), Err(Audience)),
        ("a_second_audience", with("aud", json!([ISSUER, "https://other.example"])), Err(Audience)),
        ("issuer_twice", with("aud", json!([ISSUER, ISSUER])), Err(Audience)),
        ("issuer_with_a_slash", with("aud", json!(format!("{ISSUER}/"))), Err(Audience)),
        ("no_audience", with("aud", Value::Null), Err(malformed())),
        ("expired_within_the_skew", with("exp", json!(NOW - 59)), Ok(NOW + 1)),
        ("expired", with("exp", json!(NOW - 60)), Err(Window(Expired))),
        ("an_hour", with("exp", json!(NOW + 3660)), Ok(NOW + 3720)),
        ("more_than_an_hour", with("exp", json!(NOW + 3661)), Err(Window(TooLong))),
        ("for_ever", with("exp", json!(9_999_999_999_i64)), Err(Window(TooLong))),
        ("no_expiry", with("exp", Value::Null), Err(malformed())),
        ("made_within_the_skew", with("iat", json!(NOW + 60)), Ok(NOW + 120)),
        ("made_tomorrow", with("iat", json!(NOW + 61)), Err(Window(NotYetValid))),
        ("begins_tomorrow", with("nbf", json!(NOW + 61)), Err(Window(NotYetValid))),
        ("no_jti", with("jti", Value::Null), Err(malformed())),
        ("empty_jti", with("jti", json!("")), Err(Window(Jti))),
        ("longest_jti", with("jti", json!("j".repeat(256))), Ok(NOW + 120)),
        ("too_long_jti", with("jti", json!("j".repeat(257))), Err(Window(Jti))),
    ];
    for (name, claims, want) in cases {
        let token = jwt::sign(&JWT, &claims, &key).unwrap();
        assert_eq!(check(&token, set(&key)), want.map(Timestamp::from_secs), "{name}");
    }
}

#[test]
fn whom_an_assertion_may_be_for_where_endpoints_are_taken_too() {
    let (key, client) = (key(), Client { id: "shop".parse().unwrap(), ..test_client() });
    let (token, par) = (format!("{ISSUER}/oauth/token"), format!("{ISSUER}/oauth/par"));
    let cases = [
        ("the_issuer", json!(ISSUER), true),
        ("the_token_endpoint", json!(token), true),
        ("the_endpoint_of_pushed_requests", json!(par), true),
        ("all_of_them", json!([ISSUER, token, par]), true),
        ("another_beside_them", json!([token, "https://other.example"]), false),
        ("another", json!("https://other.example/oauth/token"), false),
        ("another_endpoint", json!(format!("{ISSUER}/oauth/introspect")), false),
        ("a_longer_path", json!(format!("{token}/x")), false),
        ("a_host_that_begins_alike", json!(format!("{ISSUER}.evil.example/oauth/token")), false),
        ("nobody", json!([]), false),
    ];
    for (name, aud, taken) in cases {
        let token = jwt::sign(&JWT, &with("aud", aud), &key).unwrap();
        let verified = verify(&token, &client, set(&key), ISSUER, true, Timestamp::from_secs(NOW));
        assert_eq!(verified.is_ok(), taken, "{name}: {verified:?}");
    }
    for issuer in ["https://example.com/tenant", "https://example.com/tenant/"] {
        let cases = [
            ("https://example.com/tenant/oauth/token", true),
            ("https://example.com/oauth/token", false),
            ("https://example.com/tenant//oauth/token", false),
        ];
        for (aud, taken) in cases {
            let token = jwt::sign(&JWT, &with("aud", json!(aud)), &key).unwrap();
            let verified = verify(&token, &client, set(&key), issuer, true, Timestamp::from_secs(NOW));
            assert_eq!(verified.is_ok(), taken, "{aud} for {issuer}");
        }
    }
}

#[test]
fn what_an_assertion_may_be_called() {
    let key = key();
    let cases = [
        ("JWT", true),
        ("client-authentication+jwt", true),
        ("application/client-authentication+jwt", true),
        ("at+jwt", false),
        ("oauth-authz-req+jwt", false),
        ("dpop+jwt", false),
    ];
    for (typ, taken) in cases {
        let token = jwt::sign(&Typ::new(typ), &claims(), &key).unwrap();
        assert_eq!(check(&token, set(&key)).is_ok(), taken, "{typ}");
    }
    let payload = serde_json::to_vec(&claims()).unwrap();
    let mut untyped = jws::Draft::new(&payload).sign(&key).unwrap().compact().unwrap();
    assert!(check(&untyped, set(&key)).is_ok());
    untyped.truncate(untyped.len() - 2);
    assert!(check(&untyped, set(&key)).is_err());
}

#[test]
fn an_assertion_is_under_the_clients_own_key_and_its_algorithm() {
    let (key, another) = (key(), key());
    let token = jwt::sign(&JWT, &claims(), &key).unwrap();
    assert!(matches!(check(&token, set(&another)), Err(AssertionRejection::Jws(jws::Rejection::Signature))));
    assert!(check(&token, KeySet::default()).is_err(), "no key at all");

    let secret = SecretKey::new(*b"0123456789012345678901234567890123456789012");
    let shared = SigningKey::from_secret(Alg::HS256, "", &secret).unwrap();
    let token = jwt::sign(&JWT, &claims(), &shared).unwrap();
    assert!(check(&token, set(&shared)).is_ok());
    assert!(check(&token, set(&key)).is_err(), "a secret where a key is registered");
}

#[test]
fn an_assertion_has_the_algorithm_that_is_registered() {
    let (ec, ed) = (key(), SigningKey::generate(Alg::EdDSA, Some("k2")).unwrap());
    let both = || KeySet::new([&ec, &ed].map(|key| key.verifying_key().unwrap()).to_vec());
    for (key, own, other) in [(&ec, Alg::ES256, Alg::EdDSA), (&ed, Alg::EdDSA, Alg::ES256)] {
        let token = jwt::sign(&JWT, &claims(), key).unwrap();
        for registered in [None, Some(own)] {
            assert!(check_with(registered, &token, both()).is_ok(), "{own} for {registered:?}");
        }
        let refused = check_with(Some(other), &token, both());
        assert_eq!(refused, Err(AssertionRejection::Alg(other)), "{own}");
    }
}

#[test]
fn the_client_is_named_by_what_it_claims() {
    let key = key();
    let name = |claims: Value| Some(unverified_client(&jwt::sign(&JWT, &claims, &key).unwrap())?.0);
    assert_eq!(name(claims()), Some("shop".parse().unwrap()));
    assert_eq!(name(with("sub", Value::Null)), None);
    assert_eq!(name(with("sub", json!("no id"))), None);
    for text in ["", "a.b.c", "....", "e30.e30."] {
        assert_eq!(unverified_client(text), None, "{text}");
    }
}
