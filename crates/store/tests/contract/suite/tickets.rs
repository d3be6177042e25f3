use std::sync::Arc;

use super::Engine;
use super::sample::*;

pub(crate) async fn a_ticket_is_consumed_once_under_a_race<E: Engine>() {
    let engine = E::start().await;
    for ticket in 0..20 {
        let attempts = (0..8).map(|_| {
            let store = Arc::clone(&engine.store());
            tokio::spawn(async move { store.consume_ticket([ticket; 16], at(360)).await.unwrap() })
        });
        let mut passed = 0;
        for attempt in attempts.collect::<Vec<_>>() {
            passed += u32::from(attempt.await.unwrap());
        }
        assert_eq!(passed, 1, "ticket {ticket}");
    }
}

pub(crate) async fn a_ticket_stays_consumed_until_it_is_forgotten<E: Engine>() {
    let mut engine = E::start().await;
    assert!(engine.store().consume_ticket([1; 16], at(360)).await.unwrap());
    assert!(engine.store().consume_ticket([2; 16], at(360)).await.unwrap());
    engine.restart().await;
    let store = engine.store();
    store.forget_tickets(at(360)).await.unwrap();
    assert!(!store.consume_ticket([1; 16], at(360)).await.unwrap(), "it is not past its time");
    store.forget_tickets(at(361)).await.unwrap();
    assert!(store.consume_ticket([1; 16], at(720)).await.unwrap(), "nobody would take it any more");
}
