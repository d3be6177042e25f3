use std::time::Duration;

use gatepass_issuer::client::{Credential, SealedSecret};
use gatepass_issuer::{Reseal, RetiredKey, Sealed, SecretError};
use gatepass_jose::{Alg, SigningKey};

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
        key.terms.publish_ahead = Duration::from_millis(n as u64 * 1000 + 1);
        key.terms.verify_for = Duration::from_millis(n as u64 * 1000 + 2);
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

pub(crate) async fn retired_keys_are_those_that_were_put_last<E: Engine>() {
    let mut engine = E::start().await;
    assert!(engine.store().list_retired_keys().await.unwrap().is_empty());
    let retired = |kid: &str, alg, forget_after| {
        let jwk = SigningKey::generate(alg, Some(kid)).unwrap().public_jwk().unwrap();
        RetiredKey { kid: kid.into(), alg, jwk, forget_after }
    };
    let (first, second, third) = (
        retired("first", Alg::ES256, at(1)),
        retired("second", Alg::RS256, at(2)),
        retired("third", Alg::Ed25519, at(3)),
    );
    for keys in [vec![first, second.clone()], vec![second, third], vec![]] {
        engine.store().put_retired_keys(&keys).await.unwrap();
        engine.restart().await;
        assert_eq!(engine.store().list_retired_keys().await.unwrap(), keys);
    }
}

/// A byte more for each thing, so that it shows how often that was done.
fn longer(except: &'static str) -> Reseal {
    Reseal::new(move |sealed| {
        let (name, sealed) = match sealed {
            Sealed::SigningKey(key) => (key.kid.as_str(), &key.sealed),
            Sealed::ClientSecret(client, SealedSecret(sealed)) => (client.as_str(), sealed),
            Sealed::StreamAuthorization(_, SealedSecret(sealed)) => ("a stream", sealed),
        };
        if name == except { Err(SecretError::Sealed) } else { Ok([sealed.as_slice(), &[9]].concat()) }
    })
}

pub(crate) async fn everything_sealed_is_sealed_anew_or_nothing<E: Engine>() {
    let mut engine = E::start().await;
    let store = engine.store();
    assert_eq!(store.find_roots().await.unwrap(), None);
    let sealed = |id| {
        let mut client = client(id);
        client.credential = Credential::SharedSecret(SealedSecret(vec![4, 2]));
        client
    };
    store.create_client(&client("digest")).await.unwrap();
    store.create_client(&sealed("a")).await.unwrap();
    store.create_client(&sealed("b")).await.unwrap();
    store.save_keys(&[key("k1"), key("k2")], &[], Vec::new()).await.unwrap();
    store.put_stream(&stream("a", 0)).await.unwrap();

    assert!(store.reseal(b"never", longer("b")).await.is_err(), "one does not open");
    assert_eq!(store.find_roots().await.unwrap(), None);
    let secret = async |id: &str| store.find_client(&id.parse().unwrap()).await.unwrap().unwrap().credential;
    assert_eq!(secret("a").await, Credential::SharedSecret(SealedSecret(vec![4, 2])));
    store.reseal(b"first", longer("")).await.unwrap();
    assert_eq!(secret("a").await, Credential::SharedSecret(SealedSecret(vec![4, 2, 9])));
    store.reseal(b"second", longer("")).await.unwrap();
    drop(store);
    engine.restart().await;

    let store = engine.store();
    assert_eq!(store.find_roots().await.unwrap().as_deref(), Some(b"second".as_slice()));
    for key in store.list_keys().await.unwrap() {
        assert_eq!(key.sealed, [0, 1, 2, 255, 9, 9], "{}", key.kid);
    }
    for id in ["a", "b"] {
        let found = store.find_client(&id.parse().unwrap()).await.unwrap().unwrap();
        assert_eq!(found.credential, Credential::SharedSecret(SealedSecret(vec![4, 2, 9, 9])));
    }
    let found = store.list_streams().await.unwrap().remove(0);
    assert_eq!(found.authorization, Some(SealedSecret(vec![3, 9, 9])));
    assert_eq!(store.find_client(&"digest".parse().unwrap()).await.unwrap(), Some(client("digest")));
}
