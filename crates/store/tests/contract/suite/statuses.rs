use gatepass_issuer::StatusRecord;

use super::Engine;
use super::sample::*;

pub(crate) async fn places_in_status_lists_are_kept_until_their_time_has_come<E: Engine>() {
    let mut engine = E::start().await;
    let store = engine.store();
    let record = |list: &str, idx: u32| StatusRecord {
        list: list.into(),
        idx,
        token: format!("{{\"jti\":\"{list}{idx}\"}}"),
        forget_after: at(idx.into()),
    };
    store.keep_statuses(&[]).await.unwrap();
    let records = [record("a", 0), record("a", 1), record("a", 2), record("b", 0), record("b", 65_535)];
    store.keep_statuses(&records[..3]).await.unwrap();
    store.keep_statuses(&records[2..]).await.unwrap();
    drop(store);
    engine.restart().await;
    let store = engine.store();
    assert_eq!(store.list_statuses().await.unwrap(), records);
    store.forget_statuses(at(2), 2).await.unwrap();
    assert_eq!(store.list_statuses().await.unwrap().len(), 3, "no more at once than was asked");
    store.forget_statuses(at(2), 10).await.unwrap();
    assert_eq!(store.list_statuses().await.unwrap(), [record("a", 2), record("b", 65_535)]);
}
