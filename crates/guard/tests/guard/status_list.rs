//! Token Status Lists as the issuer's word on revocation.

use std::sync::atomic::Ordering;
use std::time::Duration;

use gatepass_guard::{
    ClientSecret, Denied, Guard, Introspection, IssuerConfig, OnStale, Revocation, StatusListSource,
    WhenStale,
};
use serde_json::{Value, json};
use url::Url;

use crate::issuer::{Asked, CLIENT, Issuer, eventually, guard, new_key, now};

/// Sixteen statuses of one bit, of which the first is set.
const FIRST_IS_INVALID: &str = "eNrbuRgAAhcBXQ";

fn claims(issuer: &Issuer) -> Value {
    json!({
        "sub": format!("{}/statuses", issuer.url),
        "iat": now().as_secs(),
        "status_list": { "bits": 1, "lst": FIRST_IS_INVALID },
    })
}

fn publish(issuer: &Issuer, changes: Value) {
    let mut claims = claims(issuer);
    claims.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    *issuer.status_list.lock().unwrap() = Some(claims);
}

fn token(issuer: &Issuer, idx: impl Into<Value>) -> String {
    let uri = format!("{}/statuses", issuer.url);
    issuer.token_with("status", json!({ "status_list": { "idx": idx.into(), "uri": uri } }))
}

fn listed(issuer: &Issuer, after: Duration, then: WhenStale) -> IssuerConfig {
    let source = StatusListSource::new(OnStale { after, then });
    IssuerConfig { revocation: Revocation::StatusList(source), ..issuer.config() }
}

async fn check(guard: &Guard, token: &str) -> Result<(), &'static str> {
    guard.verify(token).await.map(|_| ()).map_err(|denied| denied.check())
}

#[tokio::test]
async fn what_a_list_says_of_a_token() {
    let issuer = Issuer::start().await;
    publish(&issuer, json!({}));
    let guard = guard([listed(&issuer, Duration::ZERO, WhenStale::Deny)]).await;
    let status = |status: Value| issuer.token_with("status", status);
    let at = |uri: &str| status(json!({ "status_list": { "idx": 1, "uri": uri } }));
    // The first status is 1, the second 0.
    let cases = [
        ("revoked", token(&issuer, 0), Err("status")),
        ("valid", token(&issuer, 1), Ok(())),
        ("past_the_end", token(&issuer, 16), Err("no-status")),
        ("far_past_the_end", token(&issuer, u64::MAX), Err("no-status")),
        ("negative", token(&issuer, -1), Err("no-status")),
        ("text_for_a_number", token(&issuer, "1"), Err("no-status")),
        ("no_status", issuer.token(), Err("no-status")),
        ("null", status(Value::Null), Err("no-status")),
        ("another_kind_of_status", status(json!({ "identifier_list": {} })), Err("no-status")),
        ("elsewhere", at("https://evil.example.com/statuses"), Err("no-status")),
        ("inside_the_network", at("http://169.254.169.254/latest"), Err("no-status")),
        ("another_port", at("http://127.0.0.1:1/statuses"), Err("no-status")),
        ("a_file", at("file:///etc/passwd"), Err("no-status")),
        ("no_uri", at(""), Err("no-status")),
        ("expired_anyway", issuer.token_with("exp", 1), Err("expired")),
    ];
    for (name, token, want) in cases {
        assert_eq!(check(&guard, &token).await, want, "{name}");
    }
    assert_eq!(Asked::count(&issuer.asked.statuses), 1, "one list, fetched once");
    let denied = guard.verify(&token(&issuer, 0)).await.unwrap_err();
    assert_eq!((denied.code(), denied.status().as_u16()), ("revoked", 401));
}

#[tokio::test]
async fn lists_that_are_not_believed() {
    let past = now().as_secs() - 61;
    let cases = [
        ("of_another_uri", json!({ "sub": "https://auth.example.com/other" })),
        ("of_another_issuer", json!({ "iss": "https://other.example.com" })),
        ("expired", json!({ "exp": past })),
        ("of_another_type", json!({ "typ": "at+jwt" })),
        ("no_zlib", json!({ "status_list": { "bits": 1, "lst": "AAAA" } })),
        ("three_bits", json!({ "status_list": { "bits": 3, "lst": FIRST_IS_INVALID } })),
        ("ttl_null", json!({ "ttl": null })),
        ("no_list", json!({ "status_list": null })),
    ];
    for (name, changes) in cases {
        let issuer = Issuer::start().await;
        publish(&issuer, changes);
        let guard = guard([listed(&issuer, Duration::from_secs(3_600), WhenStale::Deny)]).await;
        assert_eq!(guard.verify(&token(&issuer, 1)).await.err(), Some(Denied::Stale(None)), "{name}");
    }
    let issuer = Issuer::start().await;
    publish(&issuer, json!({}));
    *issuer.snapshot_key.lock().unwrap() = Some(new_key("k1"));
    let guard = guard([listed(&issuer, Duration::from_secs(3_600), WhenStale::Deny)]).await;
    assert_eq!(guard.verify(&token(&issuer, 1)).await.err(), Some(Denied::Stale(None)), "a forged list");
}

#[tokio::test]
async fn a_list_is_fetched_again_when_it_is_due_and_not_before() {
    let issuer = Issuer::start().await;
    publish(&issuer, json!({ "ttl": 1 }));
    let guard = guard([listed(&issuer, Duration::from_secs(3_600), WhenStale::Deny)]).await;
    let token = token(&issuer, 0);
    assert_eq!(check(&guard, &token).await, Err("status"));
    // The same key under a new name, so that the list makes the guard ask for keys.
    issuer.keys.lock().unwrap().push(new_key("k2"));
    let all_valid = json!({ "ttl": 600, "status_list": { "bits": 1, "lst": "eNpjYAAAAAIAAQ" } });
    publish(&issuer, all_valid);
    eventually("the new list is in use", async || check(&guard, &token).await == Ok(())).await;
    let asked = Asked::count(&issuer.asked.statuses);
    for _ in 0..10 {
        assert_eq!(check(&guard, &token).await, Ok(()));
    }
    assert_eq!(Asked::count(&issuer.asked.statuses), asked);
}

#[tokio::test]
async fn many_at_once_cause_one_fetch() {
    let issuer = Issuer::start().await;
    let guard = guard([listed(&issuer, Duration::ZERO, WhenStale::Deny)]).await;
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..100 {
        let (guard, token) = (guard.clone(), token(&issuer, 1));
        tasks.spawn(async move { guard.verify(&token).await.is_err() });
    }
    assert!(tasks.join_all().await.into_iter().all(|refused| refused));
    assert_eq!(Asked::count(&issuer.asked.statuses), 1, "and the failure holds for all");
}

#[tokio::test]
async fn a_list_that_cannot_be_had_does_what_the_operator_chose() {
    let issuer = Issuer::start().await;
    publish(&issuer, json!({ "ttl": 1 }));
    let (client_id, secret) = CLIENT;
    let client_secret = ClientSecret::new(secret);
    let introspection = Introspection { endpoint: None, client_id: client_id.into(), client_secret };
    let long = guard([listed(&issuer, Duration::from_secs(3_600), WhenStale::Deny)]).await;
    let denies = guard([listed(&issuer, Duration::ZERO, WhenStale::Deny)]).await;
    let allows = guard([listed(&issuer, Duration::ZERO, WhenStale::Allow)]).await;
    let asks = guard([listed(&issuer, Duration::ZERO, WhenStale::Introspect(introspection))]).await;
    let (good, bad) = (token(&issuer, 1), token(&issuer, 0));
    for guard in [&long, &denies, &allows, &asks] {
        assert_eq!(check(guard, &good).await, Ok(()));
    }
    *issuer.status_list.lock().unwrap() = None;
    issuer.inactive.store(true, Ordering::SeqCst);
    eventually("it is refused", async || check(&denies, &good).await == Err("stale")).await;
    eventually("the issuer is asked", async || check(&asks, &good).await == Err("inactive")).await;
    for (name, guard, want) in [("long", &long, Ok(())), ("allows", &allows, Ok(()))] {
        assert_eq!(check(guard, &good).await, want, "{name}");
    }
    for guard in [&long, &denies, &allows, &asks] {
        assert_eq!(check(guard, &bad).await, Err("status"), "what was revoked stays so");
    }
}

#[tokio::test]
async fn another_origin_is_asked_where_the_configuration_names_it() {
    let (issuer, lists) = (Issuer::start().await, Issuer::start().await);
    let copy = issuer.keys.lock().unwrap()[0].to_private_bytes().unwrap();
    let key = gatepass_jose::SigningKey::from_private_bytes(gatepass_guard::Alg::ES256, "k1", &copy).unwrap();
    *lists.snapshot_key.lock().unwrap() = Some(key);
    publish(&lists, json!({}));
    let on_stale = OnStale { after: Duration::ZERO, then: WhenStale::Deny };
    let origins = vec![Url::parse(&lists.url).unwrap()];
    let source = StatusListSource { origins, ..StatusListSource::new(on_stale) };
    let guard = guard([IssuerConfig { revocation: Revocation::StatusList(source), ..issuer.config() }]).await;
    let uri = format!("{}/statuses", lists.url);
    let at = |idx: u8| issuer.token_with("status", json!({ "status_list": { "idx": idx, "uri": uri } }));
    assert_eq!(check(&guard, &at(1)).await, Ok(()));
    assert_eq!(check(&guard, &at(0)).await, Err("status"));
}
