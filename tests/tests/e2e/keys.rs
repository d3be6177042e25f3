//! Signing keys rotate and nobody notices.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use gatepass_e2e::up::ADMIN;
use gatepass_e2e::{Admin, Up, jws, send};
use serde_json::Value;

#[tokio::test]
async fn a_rotation_changes_the_key_and_old_tokens_stay_good() {
    let up = Up::start().await;
    let before = up.native_login(ADMIN).await;
    let announced = send(up.client.get(up.jwks_uri())).await.json();
    let admin = Admin::with_token(&up, &before.access_token);
    admin.rotate_keys().await.expect(200);
    let after = up.refresh(&before).await;
    let (old, new) = (kid(&before.access_token), kid(&after.access_token));
    assert_ne!(old, new, "the next key signs");
    assert!(jws::key(&announced, &new).is_some(), "it was published before it signed: {announced}");
    let set = send(up.client.get(up.jwks_uri())).await.json();
    for kid in [&old, &new] {
        assert!(jws::key(&set, kid).is_some(), "{kid} stays published while tokens of it live: {set}");
    }
    assert!(kids(&set).len() > 2, "the one after is published already: {set}");
    for session in [&before, &after] {
        up.call("/api/orders", &session.access_token).await.expect(200);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rotations_fail_no_verifier_that_asks_again_only_at_max_age() {
    let up = Up::start().await;
    let mut session = up.native_login(ADMIN).await;
    let mut service = jws::Service::new(up.jwks_uri());
    service.verify(&session.access_token).await.expect("the first token");
    let mut seen = BTreeSet::from([kid(&session.access_token)]);
    for _ in 0..50 {
        Admin::with_token(&up, &session.access_token).rotate_keys().await.expect(200);
        session = up.refresh(&session).await;
        seen.insert(kid(&session.access_token));
        service.verify(&session.access_token).await.expect("a token after a rotation");
        up.call("/api/orders", &session.access_token).await.expect(200);
    }
    assert!(seen.len() >= 2, "a rotation changes the key: {seen:?}");
    let set = send(up.client.get(up.jwks_uri())).await.json();
    assert!(kids(&set).len() < 10, "rotations asked for in a row do not fill the set: {set}");
}

#[tokio::test]
async fn a_rotation_survives_a_restart() {
    let mut up = Up::start().await;
    let before = up.native_login(ADMIN).await;
    Admin::with_token(&up, &before.access_token).rotate_keys().await.expect(200);
    let after = up.refresh(&before).await;
    let set = send(up.client.get(up.jwks_uri())).await.json();
    up.kill();
    let start = Instant::now();
    up.start_again().await;
    assert!(start.elapsed() < Duration::from_secs(10), "ready again after {:?}", start.elapsed());
    assert_eq!(kids(&send(up.client.get(up.jwks_uri())).await.json()), kids(&set));
    for session in [&before, &after] {
        up.call("/api/orders", &session.access_token).await.expect(200);
    }
    assert_eq!(kid(&up.refresh(&after).await.access_token), kid(&after.access_token));
}

#[tokio::test]
async fn private_keys_are_not_in_the_store_in_the_clear() {
    let up = Up::start().await;
    // The start of a PKCS#8 structure that holds a P-256 key: RFC 5958 section 2 and RFC 5480 section 2.1.1.1.
    let algorithm = b"\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07\x04";
    for entry in std::fs::read_dir(up.data()).unwrap() {
        let path = entry.unwrap().path();
        let Ok(bytes) = std::fs::read(&path) else { continue };
        let found = bytes.windows(algorithm.len()).any(|window| window == algorithm);
        assert!(!found, "{} holds a private key in the clear", path.display());
    }
}

pub(super) fn kid(token: &str) -> String {
    jws::header(token)["kid"].as_str().expect("a kid").to_owned()
}

fn kids(set: &Value) -> BTreeSet<String> {
    set["keys"].as_array().unwrap().iter().map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
}
