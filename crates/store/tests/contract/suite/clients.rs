use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use gatepass_issuer::client::{ClientExtensions, Credential, SealedSecret, SecretDigest};
use gatepass_issuer::id::ClientId;
use gatepass_issuer::store::{ChangeError, Page};

use tokio::task::JoinSet;

use super::Engine;
use super::sample::*;

pub(crate) async fn a_client_is_found_as_it_was_registered<E: Engine>() {
    let engine = E::start().await;
    let store = engine.store();
    let full = client("full");
    let mut empty = client("empty");
    (empty.credential, empty.grants, empty.audience) = (Credential::None, Vec::new(), Vec::new());
    empty.exchange = None;
    empty.extensions = ClientExtensions::default();
    empty.scope = "".parse().unwrap();
    empty.disabled = true;
    (empty.redirect_uris, empty.post_logout_redirect_uris) = (Vec::new(), Vec::new());
    (empty.trusted, empty.require_pkce, empty.require_pushed) = (false, true, false);
    for client in [&full, &empty] {
        store.create_client(client).await.unwrap();
        assert_eq!(store.find_client(&client.id).await.unwrap().as_ref(), Some(client));
    }
    assert_eq!(store.find_client(&"other".parse().unwrap()).await.unwrap(), None);
}

pub(crate) async fn a_client_keeps_its_credential<E: Engine>() {
    let mut engine = E::start().await;
    let keys = r#"{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"1","alg":"EdDSA",
        "x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#;
    let credentials = [
        Credential::None,
        Credential::Secret(SecretDigest([9; 32])),
        Credential::SharedSecret(SealedSecret(vec![0, 255, 7])),
        Credential::Keys(serde_json::from_str(keys).unwrap()),
        Credential::Certificate(
            serde_json::from_str(r#"{"subject_dn":"CN=größer\\, kleiner,C=DE"}"#).unwrap(),
        ),
    ];
    let mut client = client("web");
    engine.store().create_client(&client).await.unwrap();
    // Each takes the place of the one before.
    for credential in credentials {
        client.credential = credential;
        engine.store().replace_client(&client, Vec::new()).await.unwrap();
        engine.restart().await;
        assert_eq!(engine.store().find_client(&client.id).await.unwrap().as_ref(), Some(&client));
    }
}

pub(crate) async fn a_client_id_is_taken_once<E: Engine>() {
    let engine = E::start().await;
    let store = engine.store();
    store.create_client(&client("web")).await.unwrap();
    let mut second = client("web");
    second.name = "another".into();
    assert!(matches!(store.create_client(&second).await, Err(ChangeError::Exists)));
    assert_eq!(store.find_client(&second.id).await.unwrap(), Some(client("web")));
}

pub(crate) async fn clients_come_in_pages_in_the_order_of_their_ids<E: Engine>() {
    let engine = E::start().await;
    let store = engine.store();
    for id in ["b", "Z", "a.1", "a-1", "a"] {
        store.create_client(&client(id)).await.unwrap();
    }
    for (name, after, limit, want) in [
        ("first_page", None, 2, &["Z", "a"][..]),
        ("next_page", Some("a"), 2, &["a-1", "a.1"][..]),
        ("last_page", Some("a.1"), 2, &["b"][..]),
        ("past_the_end", Some("b"), 2, &[][..]),
    ] {
        let after = after.map(|id| id.parse::<ClientId>().unwrap());
        let page = store.list_clients(Page { after, limit }).await.unwrap();
        assert_eq!(page.iter().map(|client| client.id.as_str()).collect::<Vec<_>>(), want, "{name}");
    }
}

pub(crate) async fn a_client_is_replaced_and_logged_in_one_step<E: Engine>() {
    let engine = E::start().await;
    let store = engine.store();
    store.create_client(&client("web")).await.unwrap();
    let mut changed = client("web");
    (changed.credential, changed.disabled, changed.name) = (Credential::None, true, "renamed".into());
    store.replace_client(&changed, vec![revocation("web")]).await.unwrap();
    assert_eq!(store.find_client(&changed.id).await.unwrap(), Some(changed));
    assert_eq!(logged(&*store).await, ["web"]);

    let unknown = store.replace_client(&client("other"), vec![revocation("other")]).await;
    assert!(matches!(unknown, Err(ChangeError::Unknown)));
    assert_eq!(store.find_client(&"other".parse().unwrap()).await.unwrap(), None);
    assert_eq!(logged(&*store).await, ["web"]);
}

pub(crate) async fn whoever_asks_after_a_change_sees_it_whoever_asks_meanwhile<E: Engine>() {
    let engine = E::start().await;
    let store = engine.store();
    let mut changing = client("web");
    store.create_client(&changing).await.unwrap();
    let done = Arc::new(AtomicBool::new(false));
    let mut asking = JoinSet::new();
    for _ in 0..3 {
        let (store, id, done) = (engine.store(), changing.id.clone(), Arc::clone(&done));
        asking.spawn(async move {
            while !done.load(Ordering::Relaxed) {
                store.find_client(&id).await.unwrap();
                tokio::task::yield_now().await;
            }
        });
    }
    for round in 0..50 {
        changing.name = format!("round {round}");
        store.replace_client(&changing, Vec::new()).await.unwrap();
        for _ in 0..3 {
            assert_eq!(store.find_client(&changing.id).await.unwrap().as_ref(), Some(&changing));
        }
    }
    assert!(store.remove_client(&changing.id, NOW, revocation("web")).await.unwrap());
    assert_eq!(store.find_client(&changing.id).await.unwrap(), None);
    done.store(true, Ordering::Relaxed);
    asking.join_all().await;
    assert_eq!(store.find_client(&changing.id).await.unwrap(), None);
}
