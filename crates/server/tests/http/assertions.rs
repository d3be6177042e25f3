//! Clients that authenticate by what they sign.

use std::time::Duration;

use gatepass_issuer::Profile;
use gatepass_issuer::admin::{ChangeClient, NewClient, NewCredential, SignOnClient};
use gatepass_issuer::client::{ClientExtensions, ClientKeys, GrantType};
use gatepass_jose::{Alg, JwkSet, SecretKey, SigningKey, Typ, jwt};
use gatepass_server::HttpConfig;
use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::browser::encode;
use crate::fixture::{Call, Fixture, ISSUER, with};

const JWT_BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

fn key() -> SigningKey {
    SigningKey::generate(Alg::ES256, Some("k1")).unwrap()
}

fn keys(key: &SigningKey) -> JwkSet {
    JwkSet { keys: vec![key.public_jwk().unwrap()] }
}

/// Registers a client `signer`; returns its secret, if it gets one.
async fn register(fixture: &Fixture, credential: NewCredential) -> Option<String> {
    let new = NewClient {
        id: Some("signer".parse().unwrap()),
        name: "signer".into(),
        credential,
        grants: vec![GrantType::ClientCredentials],
        scope: "orders:read".parse().unwrap(),
        audience: Vec::new(),
        sign_on: SignOnClient::default(),
        exchange: None,
        extensions: ClientExtensions::default(),
    };
    let (_, secret) = fixture.issuer.create_client(new, fixture.now()).await.unwrap();
    secret.map(|secret| secret.expose().to_owned())
}

fn claims(fixture: &Fixture, jti: &str) -> Value {
    let now = fixture.now().as_secs();
    json!({ "iss": "signer", "sub": "signer", "aud": ISSUER, "iat": now, "exp": now + 60, "jti": jti })
}

fn assertion(fixture: &Fixture, key: &SigningKey, jti: &str) -> String {
    jwt::sign(&Typ::new("JWT"), &claims(fixture, jti), key).unwrap()
}

fn ask(fixture: &Fixture, path: &str, assertion: &str, more: &[(&str, &str)]) -> Call {
    let own = [("client_assertion_type", JWT_BEARER), ("client_assertion", assertion)];
    fixture.post(path).form(&encode(own.into_iter().chain(more.iter().copied())))
}

fn token(fixture: &Fixture, assertion: &str) -> Call {
    ask(fixture, "/oauth/token", assertion, &[("grant_type", "client_credentials")])
}

#[tokio::test]
async fn a_client_authenticates_with_its_key_and_every_assertion_counts_once() {
    let fixture = Fixture::new().await;
    let key = key();
    register(&fixture, NewCredential::Keys(ClientKeys::new(keys(&key)).unwrap().into())).await;
    let first = assertion(&fixture, &key, "1");
    let answer = token(&fixture, &first).send().await.expect(StatusCode::OK).json();
    let access = answer["access_token"].as_str().unwrap();

    let told = ask(&fixture, "/oauth/introspect", &assertion(&fixture, &key, "2"), &[("token", access)]);
    assert_eq!(told.send().await.expect(StatusCode::OK).json()["client_id"], "signer");
    let revoke = ask(&fixture, "/oauth/revoke", &assertion(&fixture, &key, "3"), &[("token", access)]);
    revoke.send().await.expect(StatusCode::OK);

    for (name, passed) in [("at_once", 0), ("later", 59), ("within_the_skew", 60)] {
        fixture.pass(Duration::from_secs(passed));
        fixture.issuer.maintain(fixture.now()).await.unwrap();
        let replayed = token(&fixture, &first).send().await;
        assert_eq!(replayed.oauth_error(), (401, "invalid_client".into()), "{name}");
    }
    // Nobody would take it any more, so its name is free again.
    fixture.pass(Duration::from_secs(2));
    fixture.issuer.maintain(fixture.now()).await.unwrap();
    token(&fixture, &assertion(&fixture, &key, "1")).send().await.expect(StatusCode::OK);
}

#[tokio::test]
async fn what_proves_nothing() {
    let fixture = Fixture::new().await;
    let (key, another) = (key(), key());
    register(&fixture, NewCredential::Keys(ClientKeys::new(keys(&key)).unwrap().into())).await;
    let sign = |claims: Value| jwt::sign(&Typ::new("JWT"), &claims, &key).unwrap();
    let plain = || claims(&fixture, "1");
    let grant = ("grant_type", "client_credentials");
    let id = |id| ask(&fixture, "/oauth/token", &sign(plain()), &[grant, ("client_id", id)]);
    let cases = [
        ("another_key", token(&fixture, &assertion(&fixture, &another, "1"))),
        (
            "token_endpoint",
            token(&fixture, &sign(with(plain(), "aud", json!(format!("{ISSUER}/oauth/token"))))),
        ),
        ("expired", token(&fixture, &sign(with(plain(), "exp", json!(1))))),
        ("for_another_client", token(&fixture, &sign(with(plain(), "sub", json!("batch"))))),
        ("for_nobody", token(&fixture, &sign(with(plain(), "sub", json!("nobody"))))),
        ("another_client_id", id("batch")),
        ("an_access_token", token(&fixture, &fixture.batch_token().await)),
        ("no_jwt", token(&fixture, "x")),
        (
            "no_assertion_but_the_id",
            fixture.post("/oauth/token").form("grant_type=client_credentials&client_id=signer"),
        ),
        ("a_secret", fixture.post("/oauth/token").basic("signer", "x").form("grant_type=client_credentials")),
    ];
    for (name, call) in cases {
        assert_eq!(call.send().await.oauth_error(), (401, "invalid_client".into()), "{name}");
    }
    // None of it used the assertion up.
    id("signer").send().await.expect(StatusCode::OK);
}

#[tokio::test]
async fn an_assertion_is_for_the_token_endpoint_where_the_operator_says_so_and_fapi_does_not_forbid_it() {
    for (profile, taken) in [(Profile::OAuth21, true), (Profile::Fapi2, false)] {
        let fixture = Fixture::with(HttpConfig::default(), |config| config.profile = profile).await;
        let key = key();
        register(&fixture, NewCredential::Keys(ClientKeys::new(keys(&key)).unwrap().into())).await;
        let send = async |jti: &str| {
            let claims = with(claims(&fixture, jti), "aud", json!(format!("{ISSUER}/oauth/token")));
            let signed = jwt::sign(&Typ::new("JWT"), &claims, &key).unwrap();
            ask(&fixture, "/oauth/introspect", &signed, &[("token", "x")]).send().await.status
        };
        assert_eq!(send("1").await, StatusCode::UNAUTHORIZED);
        let change = ChangeClient { endpoint_audience: Some(true), ..ChangeClient::default() };
        fixture.issuer.change_client(&"signer".parse().unwrap(), change, fixture.now()).await.unwrap();
        assert_eq!(send("2").await == StatusCode::OK, taken, "{profile:?}");
        let own = assertion(&fixture, &key, "3");
        ask(&fixture, "/oauth/introspect", &own, &[("token", "x")]).send().await.expect(StatusCode::OK);
    }
}

#[tokio::test]
async fn a_shared_secret_signs_and_is_never_sent() {
    let fixture = Fixture::new().await;
    let secret = register(&fixture, NewCredential::SharedSecret).await.unwrap();
    let key = SigningKey::from_secret(Alg::HS256, "", &SecretKey::new(secret.as_bytes())).unwrap();
    token(&fixture, &assertion(&fixture, &key, "1")).send().await.expect(StatusCode::OK);
    let sent = fixture.post("/oauth/token").basic("signer", &secret).form("grant_type=client_credentials");
    assert_eq!(sent.send().await.oauth_error(), (401, "invalid_client".into()));

    // A client that sends its secret cannot sign with it either: the issuer does not know it.
    let batch = SigningKey::from_secret(Alg::HS256, "", &SecretKey::new(fixture.secret.as_bytes())).unwrap();
    let claims = with(with(claims(&fixture, "2"), "iss", json!("batch")), "sub", json!("batch"));
    let signed = jwt::sign(&Typ::new("JWT"), &claims, &batch).unwrap();
    assert_eq!(token(&fixture, &signed).send().await.oauth_error(), (401, "invalid_client".into()));
}

#[tokio::test]
async fn keys_are_registered_shown_and_replaced() {
    let fixture = Fixture::new().await;
    let admin = fixture.admin().await;
    let send = async |method: Method, path: &str, body: Value| {
        fixture.call(method, &format!("/admin/v1/{path}")).bearer(&admin).json(&body).send().await
    };
    let (old, new) = (key(), key());
    let body = json!({
        "client_id": "signer", "client_name": "signer", "grant_types": ["client_credentials"],
        "scope": "orders:read", "token_endpoint_auth_method": "private_key_jwt", "jwks": keys(&old),
    });
    let made = send(Method::POST, "clients", body.clone()).await.expect(StatusCode::CREATED).json();
    assert!(made.get("client_secret").is_none(), "{made}");
    assert_eq!((&made["jwks"], &made["confidential"]), (&json!(keys(&old)), &json!(true)));
    assert_eq!(made["token_endpoint_auth_method"], "private_key_jwt");
    token(&fixture, &assertion(&fixture, &old, "1")).send().await.expect(StatusCode::OK);

    let changed = send(Method::PATCH, "clients/signer", json!({ "jwks": keys(&new) })).await;
    assert_eq!(changed.expect(StatusCode::OK).json()["jwks"], json!(keys(&new)));
    let refused = token(&fixture, &assertion(&fixture, &old, "2")).send().await;
    assert_eq!(refused.oauth_error(), (401, "invalid_client".into()));
    token(&fixture, &assertion(&fixture, &new, "2")).send().await.expect(StatusCode::OK);

    let private: Value = serde_json::from_str(&old.to_jwk().unwrap().to_json()).unwrap();
    let other = with(body, "client_id", json!("other"));
    let cases = [
        ("no_keys", with(other.clone(), "jwks", Value::Null)),
        ("an_empty_set", with(other.clone(), "jwks", json!({ "keys": [] }))),
        ("a_private_key", with(other.clone(), "jwks", json!({ "keys": [private] }))),
        ("not_confidential", with(other.clone(), "confidential", json!(false))),
        ("no_such_method", with(other, "token_endpoint_auth_method", json!("tls_client_auth"))),
    ];
    for (name, body) in cases {
        let refused = send(Method::POST, "clients", body).await;
        assert_eq!(refused.problem(), (400, "invalid-request".into()), "{name}");
    }
    // Beside a secret they are there to sign requests with: nobody authenticates with them.
    let beside = send(Method::PATCH, "clients/batch", json!({ "jwks": keys(&new) })).await;
    assert_eq!(beside.expect(StatusCode::OK).json()["token_endpoint_auth_method"], "client_secret_basic");
    let claims = with(with(claims(&fixture, "3"), "iss", json!("batch")), "sub", json!("batch"));
    let signed = jwt::sign(&Typ::new("JWT"), &claims, &new).unwrap();
    assert_eq!(token(&fixture, &signed).send().await.oauth_error(), (401, "invalid_client".into()));
}
