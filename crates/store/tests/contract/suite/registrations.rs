use gatepass_issuer::client::GrantType;
use gatepass_issuer::consent::Consent;
use gatepass_issuer::registration::{
    InitialAccessToken, Registration, RegistrationPolicy, RegistrationTokenDigest,
};
use gatepass_issuer::session::Session;
use gatepass_issuer::store::{Registering, RegistrationRotation};
use tokio::task::JoinSet;

use super::Engine;
use super::sample::*;

fn policy() -> RegistrationPolicy {
    RegistrationPolicy {
        scope: "orders:read".parse().unwrap(),
        grants: vec![GrantType::AuthorizationCode],
        audience: vec!["https://orders.example.com".into()],
        authorization_details_types: vec!["payment".into()],
    }
}

fn token(name: u8, uses_left: u32) -> InitialAccessToken {
    InitialAccessToken {
        digest: RegistrationTokenDigest([name; 32]),
        id: format!("token-{name}"),
        policy: policy(),
        uses_left,
        expires_at: at(60),
        created_at: NOW,
    }
}

fn registration(client: &str, digest: u8) -> Registration {
    Registration {
        client: client.parse().unwrap(),
        digest: RegistrationTokenDigest([digest; 32]),
        policy: policy(),
    }
}

pub(crate) async fn an_initial_access_token_is_used_as_often_as_it_may_be<E: Engine>() {
    let mut engine = E::start().await;
    engine.store().keep_initial_access_token(&token(1, 3)).await.unwrap();
    engine.restart().await;
    let store = engine.store();
    let digest = RegistrationTokenDigest([1; 32]);
    assert_eq!(store.find_initial_access_token(digest).await.unwrap(), Some(token(1, 3)));
    let mut racing = JoinSet::new();
    for number in 0..12 {
        let store = engine.store();
        let (client, registration) =
            (client(&format!("c{number}")), registration(&format!("c{number}"), number));
        racing.spawn(
            async move { store.register_client(digest, &client, &registration, at(1)).await.unwrap() },
        );
    }
    let outcomes = racing.join_all().await;
    assert_eq!(outcomes.iter().filter(|outcome| **outcome == Registering::Done).count(), 3);
    assert_eq!(outcomes.iter().filter(|outcome| **outcome == Registering::UsedUp).count(), 9);
    let mut registered = 0;
    for number in 0..12 {
        let id = format!("c{number}").parse().unwrap();
        let found = store.find_client(&id).await.unwrap().is_some();
        assert_eq!(store.find_registration(&id).await.unwrap().is_some(), found, "both or neither");
        registered += u32::from(found);
    }
    assert_eq!(registered, 3);

    store.keep_initial_access_token(&token(2, 5)).await.unwrap();
    let second = RegistrationTokenDigest([2; 32]);
    let register = async |digest, id: &str, now| {
        store.register_client(digest, &client(id), &registration(id, 9), now).await.unwrap()
    };
    assert_eq!(register(second, "late", at(60)).await, Registering::UsedUp);
    assert_eq!(register(RegistrationTokenDigest([9; 32]), "nobody", at(1)).await, Registering::UsedUp);
    assert_eq!(register(second, "new", at(1)).await, Registering::Done);
    assert_eq!(register(second, "new", at(1)).await, Registering::Exists);
    assert_eq!(store.find_initial_access_token(second).await.unwrap().unwrap().uses_left, 4);
    assert!(store.remove_initial_access_token("token-2").await.unwrap());
    assert!(!store.remove_initial_access_token("token-2").await.unwrap());
    let left = store.list_initial_access_tokens().await.unwrap();
    assert_eq!(
        left.iter().map(|token| (token.id.as_str(), token.uses_left)).collect::<Vec<_>>(),
        [("token-1", 0)]
    );
    store.forget_initial_access_tokens(at(60)).await.unwrap();
    assert_eq!(store.list_initial_access_tokens().await.unwrap().len(), 1);
    store.forget_initial_access_tokens(at(61)).await.unwrap();
    assert!(store.list_initial_access_tokens().await.unwrap().is_empty());
}

pub(crate) async fn a_registration_is_rotated_by_compare_and_swap_and_removed_with_all_of_its_client<
    E: Engine,
>() {
    let engine = E::start().await;
    let store = engine.store();
    store.keep_initial_access_token(&token(1, 2)).await.unwrap();
    for (id, digest) in [("web", 3), ("other", 4)] {
        let kept = registration(id, digest);
        store.register_client(RegistrationTokenDigest([1; 32]), &client(id), &kept, at(1)).await.unwrap();
    }
    let (web, other) = ("web".parse().unwrap(), "other".parse().unwrap());
    let digest = |name| RegistrationTokenDigest([name; 32]);
    let change = async |name: &str, old, new| {
        let mut client = store.find_client(&web).await.unwrap().unwrap();
        client.name = name.to_owned();
        let rotation = RegistrationRotation { old: digest(old), new: digest(new) };
        let changed = store.change_registration(&client, vec![revocation(name)], rotation).await.unwrap();
        let kept = store.find_client(&web).await.unwrap().unwrap();
        assert_eq!(kept.name == name, changed, "{name}: both or neither");
        assert_eq!(log(&*store).await.iter().any(|entry| entry.id == name), changed, "{name}");
        changed
    };
    assert!(!change("another's", 4, 5).await);
    assert!(change("own", 3, 5).await);
    assert!(!change("used before", 3, 6).await);
    assert_eq!(store.find_registration(&web).await.unwrap(), Some(registration("web", 5)));

    let disable = async |disabled| {
        let mut client = store.find_client(&web).await.unwrap().unwrap();
        client.disabled = disabled;
        store.replace_client(&client, Vec::new()).await.unwrap();
    };
    disable(true).await;
    assert!(!change("while disabled", 5, 6).await);
    disable(false).await;
    assert!(change("enabled again", 5, 5).await);

    let owner = user("alice");
    store.create_user(&owner).await.unwrap();
    let mut sessions = Vec::new();
    for id in ["web", "other"] {
        let started = Session { client: id.parse().unwrap(), ..session(owner.id) };
        store.start_session(&started).await.unwrap().unwrap();
        let at = |resource: &str| Consent {
            user: owner.id,
            client: id.parse().unwrap(),
            resource: Some(resource.to_owned()),
            scope: "orders:read".parse().unwrap(),
            given_at: NOW,
        };
        store.give_consents(vec![at("a"), at("b")]).await.unwrap();
        sessions.push(started.id);
    }
    assert!(store.remove_client(&web, at(2), revocation("web")).await.unwrap());
    assert!(!store.remove_client(&web, at(2), revocation("web")).await.unwrap());
    assert_eq!(logged(&*store).await, ["own", "enabled again", "web"], "once");
    assert_eq!(store.find_client(&web).await.unwrap(), None);
    assert_eq!(store.find_registration(&web).await.unwrap(), None);
    for (session, live) in sessions.iter().zip([false, true]) {
        let found = store.find_session(*session).await.unwrap().unwrap();
        assert_eq!(found.revoked_at.is_none(), live);
    }
    let consents = store.list_consents(owner.id).await.unwrap();
    assert_eq!(consents.iter().map(|consent| consent.client.as_str()).collect::<Vec<_>>(), ["other"; 2]);
    assert!(store.find_registration(&other).await.unwrap().is_some());
}
