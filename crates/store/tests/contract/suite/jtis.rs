use std::sync::Arc;

use gatepass_issuer::JtiDigest;

use super::Engine;
use super::sample::*;

pub(crate) async fn a_signed_text_counts_once_under_a_race<E: Engine>() {
    let engine = E::start().await;
    for text in 0..20 {
        let attempts = (0..8).map(|_| {
            let store = Arc::clone(&engine.store());
            tokio::spawn(async move { store.consume_jti(JtiDigest([text; 32]), at(60)).await.unwrap() })
        });
        let mut passed = 0;
        for attempt in attempts.collect::<Vec<_>>() {
            passed += u32::from(attempt.await.unwrap());
        }
        assert_eq!(passed, 1, "text {text}");
    }
}

pub(crate) async fn a_signed_text_is_remembered_until_its_time_has_come<E: Engine>() {
    let mut engine = E::start().await;
    let (first, second) = (JtiDigest([1; 32]), JtiDigest([2; 32]));
    assert!(engine.store().consume_jti(first, at(60)).await.unwrap());
    assert!(engine.store().consume_jti(second, at(90)).await.unwrap());
    engine.restart().await;
    let store = engine.store();
    store.forget_jtis(at(60)).await.unwrap();
    assert!(!store.consume_jti(first, at(120)).await.unwrap(), "it is not past its time");
    store.forget_jtis(at(61)).await.unwrap();
    assert!(store.consume_jti(first, at(120)).await.unwrap(), "nobody would take it any more");
    assert!(!store.consume_jti(second, at(120)).await.unwrap(), "another one stays");
}
