//! Clients that publish their keys, and change them as they like.

use std::sync::Arc;
use std::time::Duration;

use gatepass_jose::jwe::{Decrypter, DecryptionKey, DecryptionKeys};
use gatepass_jose::{Alg, ContentEncryption, Curve, KeyManagement, SigningKey, Typ, base64url, jwt};
use gatepass_server::{Fetch, HttpConfig};
use http::StatusCode;
use serde_json::{Value, json};

use crate::browser::*;
use crate::client_algs::{ask, bare, for_alg, rsa};
use crate::client_documents::Host;
use crate::fixture::{Answer, Fixture, ISSUER, with};
use crate::responses::change;

const JWT_BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// A server that fetches what is at `host`.
async fn fixture(host: &Host) -> Fixture {
    let fetch = Arc::new(Fetch::new(vec![host.origin.parse().unwrap()]));
    let finish = |issuer: gatepass_issuer::Issuer| {
        issuer.with_remote_documents(Arc::clone(&fetch) as _).with_client_key_sets(fetch)
    };
    Fixture::made(HttpConfig::default(), |_| {}, finish).await
}

fn key(kid: &str) -> SigningKey {
    SigningKey::generate(Alg::ES256, Some(kid)).unwrap()
}

fn to_encrypt(kid: &str) -> (DecryptionKey, Value) {
    let key = DecryptionKey::generate(KeyManagement::EcdhEs, Some(Curve::P256), Some(kid)).unwrap();
    let public = json!(key.to_jwk().unwrap().public().unwrap());
    (key, public)
}

async fn registration_token(fixture: &Fixture) -> String {
    let admin = fixture.admin().await;
    let body = json!({ "uses": 50, "scope": "orders:read", "grant_types": ["authorization_code", "client_credentials"] });
    let call = fixture.post("/admin/v1/registration-tokens").bearer(&admin).json(&body);
    call.send().await.expect(StatusCode::CREATED).json()["token"].as_str().unwrap().to_owned()
}

async fn register_self(fixture: &Fixture, token: &str, metadata: &Value) -> Answer {
    fixture.post("/oauth/register").bearer(token).json(metadata).send().await
}

#[tokio::test]
async fn a_client_signs_with_the_keys_that_it_publishes_now() {
    let host = Host::start().await;
    let fixture = fixture(&host).await;
    let (first, second) = (key("k1"), key("k2"));
    let publish = |keys: &[&SigningKey]| {
        let keys: Vec<_> = keys.iter().map(|key| key.public_jwk().unwrap()).collect();
        host.say(json!({ "keys": keys }));
    };
    publish(&[&first]);
    let metadata = json!({
        "token_endpoint_auth_method": "private_key_jwt", "jwks_uri": host.url(),
        "grant_types": ["client_credentials"], "response_types": [],
    });
    let token = registration_token(&fixture).await;
    let registered = register_self(&fixture, &token, &metadata).await.expect(StatusCode::CREATED).json();
    assert_eq!(registered["jwks_uri"], host.url());
    let id = registered["client_id"].as_str().unwrap();
    let jti = std::cell::Cell::new(0);
    let ask = async |key: &SigningKey| {
        jti.set(jti.get() + 1);
        let now = fixture.now().as_secs();
        let claims =
            json!({ "iss": id, "sub": id, "aud": ISSUER, "exp": now + 60, "jti": jti.get().to_string() });
        let assertion = jwt::sign(&Typ::new("JWT"), &claims, key).unwrap();
        let form = [
            ("grant_type", "client_credentials"),
            ("client_assertion_type", JWT_BEARER),
            ("client_assertion", &assertion),
        ];
        fixture.post("/oauth/token").form(&encode(form)).send().await.status
    };
    assert_eq!(host.asked(), 1, "it was looked at when the client registered");
    assert_eq!(ask(&first).await, 200);
    assert_eq!(host.asked(), 2, "and is kept from the first use on");
    // Another key is looked for, but not for each name that somebody makes up.
    publish(&[&first, &second]);
    assert_eq!(ask(&second).await, 401, "it was fetched a moment ago");
    fixture.pass(Duration::from_secs(11));
    assert_eq!(ask(&second).await, 200);
    assert_eq!(
        (ask(&key("x1")).await, ask(&key("x2")).await),
        (StatusCode::UNAUTHORIZED, StatusCode::UNAUTHORIZED)
    );
    assert_eq!(host.asked(), 3);
    // What it has taken back is good for no longer than the set may be kept.
    publish(&[&second]);
    fixture.pass(Duration::from_secs(601));
    assert_eq!((ask(&first).await, ask(&second).await), (StatusCode::UNAUTHORIZED, StatusCode::OK));
    // Where it cannot be had, the last one serves until then, and nothing afterwards.
    host.answer(500, "text/plain", "");
    fixture.pass(Duration::from_secs(300));
    assert_eq!(ask(&second).await, 200);
    fixture.pass(Duration::from_secs(601));
    assert_eq!(ask(&second).await, 401);
}

#[tokio::test]
async fn a_published_key_without_an_algorithm_is_for_the_one_that_is_registered() {
    let host = Host::start().await;
    let fixture = fixture(&host).await;
    let key = rsa(Alg::RS256);
    host.say(json!({ "keys": [bare(&key)] }));
    let token = registration_token(&fixture).await;
    let metadata = json!({
        "token_endpoint_auth_method": "private_key_jwt", "jwks_uri": host.url(),
        "grant_types": ["client_credentials"], "response_types": [],
    });
    for (registered, own, other) in
        [(None, Alg::RS256, Alg::PS256), (Some(Alg::PS256), Alg::PS256, Alg::RS256)]
    {
        let metadata = with(metadata.clone(), "token_endpoint_auth_signing_alg", json!(registered));
        let client = register_self(&fixture, &token, &metadata).await.expect(StatusCode::CREATED).json();
        let id = client["client_id"].as_str().unwrap();
        assert_eq!(ask(&fixture, id, &for_alg(&key, own), "1").await, 200, "{registered:?}");
        assert_eq!(ask(&fixture, id, &for_alg(&key, other), "2").await, 401, "{registered:?}");
    }
    for member in ["token_endpoint_auth_signing_alg", "request_object_signing_alg"] {
        let refused = register_self(&fixture, &token, &with(metadata.clone(), member, json!("ES256"))).await;
        assert_eq!(refused.oauth_error(), (400, "invalid_client_metadata".into()), "{member}");
    }
}

#[tokio::test]
async fn what_is_encrypted_is_for_the_key_that_is_published_or_not_told() {
    let host = Host::start().await;
    let fixture = fixture(&host).await;
    register(&fixture).await;
    let ((first, one), (second, two)) = (to_encrypt("e1"), to_encrypt("e2"));
    let sig = json!(key("s").public_jwk().unwrap());
    host.say(json!({ "keys": [sig, one] }));
    let wanted = json!({ "jwks_uri": host.url(), "id_token_encrypted_response_alg": "ECDH-ES" });
    change(&fixture, "shop", wanted).await.expect(StatusCode::OK);
    let code = async || Browser::new(&fixture).code(&request(&[])).await;
    let redeem = async |code: &str| fixture.post("/oauth/token").form(&exchange("shop", code)).send().await;
    let opens = |answer: &Answer, key: &DecryptionKey| {
        let decrypter =
            Decrypter::new(DecryptionKeys::new(vec![key.clone()]), &[ContentEncryption::A128CbcHs256]);
        decrypter.decrypt(answer.json()["id_token"].as_str().unwrap()).is_ok()
    };
    let answer = redeem(&code().await).await.expect(StatusCode::OK);
    assert!(opens(&answer, &first));
    host.say(json!({ "keys": [two, sig] }));
    fixture.pass(Duration::from_secs(601));
    let answer = redeem(&code().await).await.expect(StatusCode::OK);
    assert!(opens(&answer, &second) && !opens(&answer, &first));

    // No key: no ID token, never one that everybody can read. The code is not used up by that.
    host.say(json!({ "keys": [sig] }));
    fixture.pass(Duration::from_secs(601));
    let kept = code().await;
    assert_eq!(redeem(&kept).await.oauth_error(), (400, "invalid_request".into()));
    host.say(json!({ "keys": [sig, one] }));
    fixture.pass(Duration::from_secs(11));
    let answer = redeem(&kept).await.expect(StatusCode::OK);
    assert!(opens(&answer, &first), "its set was asked for again");
}

#[tokio::test]
async fn what_cannot_be_a_clients_published_keys() {
    let host = Host::start().await;
    let fixture = fixture(&host).await;
    register(&fixture).await;
    let token = registration_token(&fixture).await;
    let sig = json!(key("s").public_jwk().unwrap());
    let (_, enc) = to_encrypt("e");
    let private: Value = serde_json::from_str(&key("p").to_jwk().unwrap().to_json()).unwrap();
    let many: Vec<Value> = (0..65).map(|at| with(sig.clone(), "kid", json!(at.to_string()))).collect();
    let by_key = |url: &str| {
        json!({
            "token_endpoint_auth_method": "private_key_jwt", "jwks_uri": url,
            "grant_types": ["client_credentials"], "response_types": [],
        })
    };
    let refused = async |metadata: Value, name: &str| {
        let answer = register_self(&fixture, &token, &metadata).await;
        assert_eq!(answer.oauth_error(), (400, "invalid_client_metadata".into()), "{name}");
    };
    for url in [
        "https://127.0.0.1/jwks",
        "https://169.254.169.254/jwks",
        "https://[::1]/jwks",
        "http://127.0.0.1:1/jwks",
        "https://localhost/jwks",
        "file:///etc/passwd",
        "https://me:pw@keys.example/jwks",
    ] {
        refused(by_key(url), url).await;
    }
    let padding = "x".repeat(300_000);
    for (name, body) in [
        ("private", json!({ "keys": [private] })),
        ("nothing", json!({ "keys": [] })),
        ("no_set", json!([sig])),
        ("to_encrypt_alone", json!({ "keys": [enc] })),
        ("many", json!({ "keys": many })),
        ("huge", json!({ "keys": [sig], "padding": padding })),
    ] {
        host.say(body);
        // Another place each time: one that was asked a moment ago is not asked again.
        refused(by_key(&format!("{}?{name}", host.url())), name).await;
    }
    host.answer(302, "application/json", "{}");
    refused(by_key(&format!("{}?redirect", host.url())), "redirect").await;
    host.answer(200, "text/html", &json!({ "keys": [sig] }).to_string());
    refused(by_key(&format!("{}?html", host.url())), "html").await;
    host.say(json!({ "keys": [sig] }));
    let both = with(by_key(&format!("{}?both", host.url())), "jwks", json!({ "keys": [sig] }));
    refused(both, "both").await;
    let wanted = json!({ "jwks_uri": host.url(), "id_token_encrypted_response_alg": "ECDH-ES" });
    assert_eq!(change(&fixture, "shop", wanted).await.problem().0, 400, "no key to encrypt for");
}

#[tokio::test]
async fn a_client_registers_where_it_hears_of_logouts() {
    let host = Host::start().await;
    let fixture = fixture(&host).await;
    let token = registration_token(&fixture).await;
    let at = |uri: &str| {
        json!({
            "redirect_uris": [CALLBACK], "token_endpoint_auth_method": "none", "backchannel_logout_uri": uri,
            "backchannel_logout_session_required": true,
        })
    };
    for uri in
        ["https://10.0.0.1/", "https://169.254.169.254/", "http://127.0.0.1:1/", "https://app.example:8443/"]
    {
        let refused = register_self(&fixture, &token, &at(uri)).await;
        assert_eq!(refused.oauth_error(), (400, "invalid_client_metadata".into()), "{uri}");
    }
    let uri = format!("{}/logout", host.origin);
    let registered = register_self(&fixture, &token, &at(&uri)).await.expect(StatusCode::CREATED).json();
    assert_eq!(registered["backchannel_logout_uri"], uri);
    let id = registered["client_id"].as_str().unwrap();
    let mut browser = Browser::new(&fixture);
    let code = browser.code(&request(&[("client_id", id)])).await;
    let tokens = fixture.post("/oauth/token").form(&exchange(id, &code)).send().await.expect(StatusCode::OK);
    let claims = tokens.json()["id_token"].as_str().unwrap().split('.').nth(1).unwrap().to_owned();
    let claims: Value = serde_json::from_slice(&base64url::decode(&claims).unwrap()).unwrap();
    let session = claims["sid"].as_str().unwrap().parse().unwrap();
    fixture.issuer.end_session(session, gatepass_revocation::Reason::LOGOUT, fixture.now()).await.unwrap();
    let due = fixture.issuer.due_logouts(10, fixture.now()).await.unwrap();
    assert!(due[0].by_stranger && due[0].uri.as_str() == uri);
    // An operator's word leads anywhere.
    register(&fixture).await;
    let operators = json!({ "backchannel_logout_uri": "https://10.0.0.1/logout" });
    change(&fixture, "shop", operators).await.expect(StatusCode::OK);
}
