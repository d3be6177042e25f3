use gatepass_jose::Alg;

use super::Engine;
use super::sample::*;

pub(crate) async fn keys_come_back_as_they_were_saved<E: Engine>() {
    let engine = E::start().await;
    let store = engine.store();
    let mut keys: Vec<_> = Alg::all().map(|alg| key(alg.name())).collect();
    for (n, (key, alg)) in (0..).zip(keys.iter_mut().zip(Alg::all())) {
        key.alg = alg;
        key.published_at = at(n);
        key.signs_from = (n % 2 == 0).then(|| at(n + 10));
        key.signed_until = (n % 4 == 0).then(|| at(n + 20));
    }
    store.save_keys(&keys, &[], Vec::new()).await.unwrap();
    let mut saved = store.list_keys().await.unwrap();
    saved.sort_by_key(|key| key.published_at);
    assert_eq!(saved, keys);
}

pub(crate) async fn keys_change_retire_and_log_in_one_step<E: Engine>() {
    let engine = E::start().await;
    let store = engine.store();
    store.save_keys(&[key("old"), key("waiting")], &[], Vec::new()).await.unwrap();
    let mut signing = key("waiting");
    signing.signs_from = Some(at(1));
    let retired = ["old".to_owned(), "never there".to_owned()];
    store.save_keys(&[signing.clone(), key("new")], &retired, vec![revocation("old")]).await.unwrap();

    let mut keys = store.list_keys().await.unwrap();
    keys.sort_by(|a, b| a.kid.cmp(&b.kid));
    assert_eq!(keys, [key("new"), signing]);
    assert_eq!(logged(&*store).await, ["old"]);
}
