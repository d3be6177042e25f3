//! With which algorithms clients sign: what their keys say, what they have registered, and what is usual.

use gatepass_jose::{Alg, RsaSize, SigningKey, Typ, jwt};
use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::browser::encode;
use crate::fixture::{Answer, Fixture, ISSUER, with};

const JWT_BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

pub(crate) fn rsa(alg: Alg) -> SigningKey {
    SigningKey::generate_rsa(alg, Some("k1"), RsaSize::Bits2048).unwrap()
}

/// The same key, for another algorithm.
pub(crate) fn for_alg(key: &SigningKey, alg: Alg) -> SigningKey {
    SigningKey::from_private_bytes(alg, key.kid(), &key.to_private_bytes().unwrap()).unwrap()
}

/// Its public half, which does not say what it is for.
pub(crate) fn bare(key: &SigningKey) -> Value {
    let mut jwk = serde_json::to_value(key.public_jwk().unwrap()).unwrap();
    jwk.as_object_mut().unwrap().retain(|name, _| !["alg", "use"].contains(&name.as_str()));
    jwk
}

fn machine(keys: &[Value]) -> Value {
    json!({
        "grant_types": ["client_credentials"],
        "token_endpoint_auth_method": "private_key_jwt",
        "jwks": { "keys": keys },
    })
}

async fn register(fixture: &Fixture, metadata: &Value) -> Answer {
    let body = json!({ "scope": "orders:read", "grant_types": ["client_credentials"] });
    let call = fixture.post("/admin/v1/registration-tokens").bearer(&fixture.admin().await).json(&body);
    let token = call.send().await.expect(StatusCode::CREATED).json()["token"].as_str().unwrap().to_owned();
    fixture.post("/oauth/register").bearer(&token).json(metadata).send().await
}

/// How a client fares that signs with this key.
pub(crate) async fn ask(fixture: &Fixture, client: &str, key: &SigningKey, jti: &str) -> u16 {
    let now = fixture.now().as_secs();
    let claims = json!({ "iss": client, "sub": client, "aud": ISSUER, "exp": now + 60, "jti": jti });
    let assertion = jwt::sign(&Typ::new("JWT"), &claims, key).unwrap();
    let form = [
        ("grant_type", "client_credentials"),
        ("client_assertion_type", JWT_BEARER),
        ("client_assertion", &assertion),
    ];
    fixture.post("/oauth/token").form(&encode(form)).send().await.status.as_u16()
}

#[tokio::test]
async fn a_key_without_an_algorithm_is_for_the_usual_one_or_the_one_that_is_registered() {
    let fixture = Fixture::new().await;
    let (rsa, ed) = (rsa(Alg::RS256), SigningKey::generate(Alg::EdDSA, Some("k1")).unwrap());
    let cases = [
        ("rsa", &rsa, None, Alg::RS256, Some(Alg::PS256)),
        ("rsa_and_its_algorithm", &rsa, Some(Alg::PS256), Alg::PS256, Some(Alg::RS256)),
        ("ed25519", &ed, None, Alg::EdDSA, None),
        ("ed25519_by_its_own_name", &ed, Some(Alg::Ed25519), Alg::Ed25519, Some(Alg::EdDSA)),
    ];
    for (name, key, registered, own, other) in cases {
        for jwk in [bare(key), with(bare(key), "use", json!("sig"))] {
            let mut metadata = machine(&[jwk]);
            metadata["token_endpoint_auth_signing_alg"] = json!(registered);
            let answer = register(&fixture, &metadata).await.expect(StatusCode::CREATED).json();
            let said = answer.get("token_endpoint_auth_signing_alg").cloned().unwrap_or_default();
            assert_eq!(said, json!(registered), "{name}: what is registered is told");
            let id = answer["client_id"].as_str().unwrap();
            assert_eq!(ask(&fixture, id, &for_alg(key, own), "1").await, 200, "{name}");
            if let Some(other) = other {
                assert_eq!(ask(&fixture, id, &for_alg(key, other), "2").await, 401, "{name}");
            }
        }
    }
}

#[tokio::test]
async fn of_two_keys_only_that_of_the_registered_algorithm_counts() {
    let fixture = Fixture::new().await;
    let admin = fixture.admin().await;
    let (rsa, ec) = (rsa(Alg::PS256), SigningKey::generate(Alg::ES256, Some("k2")).unwrap());
    let keys = [&rsa, &ec].map(|key| serde_json::to_value(key.public_jwk().unwrap()).unwrap());
    let body = with(with(machine(&keys), "client_id", json!("signer")), "client_name", json!("signer"));
    let call = fixture.post("/admin/v1/clients").bearer(&admin).json(&body);
    let made = call.send().await.expect(StatusCode::CREATED).json();
    assert!(made.get("token_endpoint_auth_signing_alg").is_none(), "{made}");
    assert_eq!(
        [ask(&fixture, "signer", &rsa, "1").await, ask(&fixture, "signer", &ec, "2").await],
        [200, 200]
    );

    let change = async |change: Value| {
        let call = fixture.call(Method::PATCH, "/admin/v1/clients/signer").bearer(&admin);
        call.json(&change).send().await
    };
    let said = json!({ "token_endpoint_auth_signing_alg": "ES256", "request_object_signing_alg": "PS256" });
    let changed = change(said.clone()).await.expect(StatusCode::OK).json();
    for (member, alg) in said.as_object().unwrap() {
        assert_eq!(&changed[member], alg, "{member}");
    }
    assert_eq!(
        [ask(&fixture, "signer", &rsa, "3").await, ask(&fixture, "signer", &ec, "4").await],
        [401, 200]
    );
    let cleared = change(json!({ "token_endpoint_auth_signing_alg": null })).await.expect(StatusCode::OK);
    assert!(cleared.json().get("token_endpoint_auth_signing_alg").is_none());
    assert_eq!(ask(&fixture, "signer", &rsa, "5").await, 200);
}

#[tokio::test]
async fn nobody_registers_an_algorithm_that_they_cannot_sign_with() {
    let fixture = Fixture::new().await;
    let ec = SigningKey::generate(Alg::ES256, Some("k1")).unwrap();
    let signer = machine(&[bare(&ec)]);
    let secret = json!({ "grant_types": ["client_credentials"] });
    let shared = with(secret.clone(), "token_endpoint_auth_method", json!("client_secret_jwt"));
    let (assertions, requests) = ("token_endpoint_auth_signing_alg", "request_object_signing_alg");
    let cases = [
        ("its_key's", &signer, assertions, "ES256", true),
        ("another_curve's", &signer, assertions, "ES384", false),
        ("of_secrets", &signer, assertions, "HS256", false),
        ("none", &signer, assertions, "none", false),
        ("of_its_secret", &shared, assertions, "HS256", true),
        ("of_a_longer_secret", &shared, assertions, "HS512", false),
        ("requests_with_its_key", &signer, requests, "ES256", true),
        ("requests_with_another", &signer, requests, "RS256", false),
        ("unsigned_requests", &signer, requests, "none", false),
        ("requests_without_a_key", &secret, requests, "ES256", false),
    ];
    for (name, metadata, member, alg, want) in cases {
        let answer = register(&fixture, &with(metadata.clone(), member, json!(alg))).await;
        match want {
            true => assert_eq!(answer.expect(StatusCode::CREATED).json()[member], alg, "{name}"),
            false => {
                assert_eq!(answer.oauth_error(), (400, "invalid_client_metadata".into()), "{name}");
            }
        }
    }
}

#[tokio::test]
async fn the_algorithm_of_assertions_means_nothing_for_a_client_that_signs_none() {
    let fixture = Fixture::new().await;
    let signs = "token_endpoint_auth_signing_alg";
    for method in ["client_secret_basic", "client_secret_post"] {
        let metadata = json!({
            "grant_types": ["client_credentials"], "token_endpoint_auth_method": method, signs: "ES256",
        });
        let made = register(&fixture, &metadata).await.expect(StatusCode::CREATED).json();
        assert!(made.get(signs).is_none(), "{method}: {made}");
    }
    // An operator is told.
    let body = json!({ "client_id": "m", "client_name": "m", "grant_types": ["client_credentials"], signs: "ES256" });
    let call = fixture.post("/admin/v1/clients").bearer(&fixture.admin().await).json(&body);
    assert_eq!(call.send().await.status, StatusCode::BAD_REQUEST);
}
