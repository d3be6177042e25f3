//! Tokens of issuers that do not keep to RFC 9068.

use gatepass_jose::{Alg, SecretKey, SigningKey, base64url, jws};
use serde_json::{Value, json};

use crate::harness::{Backend, Running, config, mirrored, now};

const PROVIDER: &str = "https://keycloak.example.com/realms/staff";
const SECRET: &[u8] = b"another secret of thirty-two bytes or more";

fn token(changes: Value) -> String {
    let mut claims = json!({
        "iss": PROVIDER, "aud": ["https://api.example.com", "account"], "sub": "ann", "typ": "Bearer", "azp": "web",
        "iat": now(), "exp": now() + 900, "scope": "openid orders:read",
    });
    claims.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    let key = SigningKey::from_secret(Alg::HS256, "test", &SecretKey::new(SECRET.to_vec())).unwrap();
    let payload = claims.to_string();
    let token = jws::Draft::new(payload.as_bytes()).sign(&key).unwrap().compact().unwrap();
    format!("Bearer {token}")
}

#[tokio::test]
async fn a_route_takes_the_tokens_of_another_kind_of_issuer() {
    let backend = Backend::mirror().await;
    let folder = tempfile::tempdir().unwrap();
    let secret = folder.path().join("secret");
    std::fs::write(&secret, base64url::encode(SECRET)).unwrap();
    let issuer = format!(
        "[[issuer]]\nurl = '{PROVIDER}'\naudience = ['https://api.example.com']\nrevocation = 'none'\n\
        secret_file = '{}'\n",
        secret.display()
    );
    let route = "[[route]]\npath = '/orders'\nupstream = 'backend'\nrequire = { scope = ['orders:read'] }\n\
        forward = { sub = 'X-User-Id', azp = 'X-Client-Id' }\n";
    let file = |tokens: &str| format!("{}\n{issuer}{tokens}\n", config(backend.address, route));
    let gateway = Running::start(&file("tokens = 'jwt'")).await;
    let answer = gateway.get("/orders", &[("authorization", &token(json!({})))]).await;
    let told = answer.json();
    assert_eq!((mirrored(&told, "x-user-id"), mirrored(&told, "x-client-id")), (vec!["ann"], vec!["web"]));
    let cases = [
        ("an ID token", json!({ "typ": "ID" }), "invalid-token"),
        ("of a login", json!({ "nonce": "n" }), "invalid-token"),
        ("without the scope", json!({ "scope": "openid" }), "insufficient-scope"),
        ("for another service", json!({ "aud": "account" }), "invalid-token"),
    ];
    for (name, changes, code) in cases {
        let answer = gateway.get("/orders", &[("authorization", &token(changes))]).await;
        assert_eq!(answer.code(), code, "{name}");
    }
    let strict = Running::start(&file("")).await;
    let answer = strict.get("/orders", &[("authorization", &token(json!({})))]).await;
    assert_eq!(answer.code(), "invalid-token", "nobody said that such tokens are taken");
}
