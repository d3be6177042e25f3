use std::sync::Arc;

use gatepass_issuer::{PushedRequest, RequestUriDigest};

use super::Engine;
use super::sample::*;

fn request(name: u8, expires_in: i64) -> PushedRequest {
    PushedRequest {
        digest: RequestUriDigest([name; 32]),
        client: "web".parse().unwrap(),
        query: "client_id=web&state=%C3%A9".into(),
        expires_at: at(expires_in),
    }
}

pub(crate) async fn a_pushed_request_is_found_until_it_is_consumed<E: Engine>() {
    let mut engine = E::start().await;
    let (first, second) = (request(1, 60), request(2, 60));
    for request in [&first, &second] {
        engine.store().keep_pushed_request(request).await.unwrap();
    }
    engine.restart().await;
    let store = engine.store();
    assert_eq!(store.find_pushed_request(first.digest).await.unwrap().as_ref(), Some(&first));
    assert!(store.consume_pushed_request(first.digest).await.unwrap());
    assert_eq!(store.find_pushed_request(first.digest).await.unwrap(), None);
    assert!(!store.consume_pushed_request(first.digest).await.unwrap());
    assert_eq!(store.find_pushed_request(second.digest).await.unwrap(), Some(second), "another stays");
}

pub(crate) async fn a_pushed_request_is_consumed_once_under_a_race<E: Engine>() {
    let engine = E::start().await;
    for name in 0..20 {
        let request = request(name, 60);
        engine.store().keep_pushed_request(&request).await.unwrap();
        let attempts = (0..8).map(|_| {
            let store = Arc::clone(&engine.store());
            let digest = request.digest;
            tokio::spawn(async move { store.consume_pushed_request(digest).await.unwrap() })
        });
        let mut passed = 0;
        for attempt in attempts.collect::<Vec<_>>() {
            passed += u32::from(attempt.await.unwrap());
        }
        assert_eq!(passed, 1, "request {name}");
    }
}

pub(crate) async fn pushed_requests_are_forgotten_when_their_time_has_come<E: Engine>() {
    let engine = E::start().await;
    let store = engine.store();
    let kept = [(1, 59), (2, 58), (3, 60)].map(|(name, expires_in)| request(name, expires_in));
    for request in &kept {
        store.keep_pushed_request(request).await.unwrap();
    }
    assert_eq!(store.forget_pushed_requests(at(60), 1).await.unwrap(), 1);
    let mut left = 0;
    for request in &kept {
        left += u32::from(store.find_pushed_request(request.digest).await.unwrap().is_some());
    }
    assert_eq!(left, 2, "no more at once than was asked");
    assert_eq!(store.forget_pushed_requests(at(60), 10).await.unwrap(), 1);
    for (request, stays) in kept.iter().zip([false, false, true]) {
        let found = store.find_pushed_request(request.digest).await.unwrap();
        assert_eq!(found.is_some(), stays, "{}", request.expires_at);
    }
}
