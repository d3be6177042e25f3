use gatepass_issuer::id::UserId;
use gatepass_issuer::session::Session;
use gatepass_issuer::store::{ChangeError, Store, UserChange};
use gatepass_issuer::user::User;
use gatepass_issuer::{Email, LinkedIdentity, ProviderId};

use super::Engine;
use super::sample::*;

fn email(address: &str, verified: bool) -> Option<Email> {
    Some(Email { address: address.parse().unwrap(), verified })
}

fn link(user: UserId, provider: &str, subject: &str) -> LinkedIdentity {
    LinkedIdentity { provider: provider.parse().unwrap(), subject: subject.into(), user, linked_at: NOW }
}

async fn linked(store: &dyn Store, provider: &str, subject: &str) -> Option<UserId> {
    let provider: ProviderId = provider.parse().unwrap();
    store.find_linked_user(&provider, subject).await.unwrap().map(|user| user.id)
}

async fn by_email(store: &dyn Store, address: &str) -> Option<UserId> {
    store.find_user_by_email(&address.parse().unwrap()).await.unwrap().map(|user| user.id)
}

pub(crate) async fn a_verified_address_is_one_users<E: Engine>() {
    let engine = E::start().await;
    let store = &*engine.store();
    let alice = User { email: email("Alice@Example.com", true), ..user("alice") };
    store.create_user(&alice).await.unwrap();
    assert_eq!(store.find_user(alice.id).await.unwrap().unwrap(), alice);
    assert_eq!(by_email(store, "aLICE@example.COM").await, Some(alice.id));
    assert_eq!(by_email(store, "alice@example.org").await, None);
    let again = User { email: email("alice@example.com", true), ..user("bob") };
    assert!(matches!(store.create_user(&again).await, Err(ChangeError::Exists)));
    assert!(store.find_user_by_name(&again.username).await.unwrap().is_none(), "nothing of it is kept");
    let claimed = User { email: email("alice@example.com", false), ..user("carol") };
    store.create_user(&claimed).await.unwrap();
    assert_eq!(
        by_email(store, "alice@example.com").await,
        Some(alice.id),
        "what is not verified counts for nothing"
    );

    let change =
        |email| UserChange { email: Some(email), roles: Some(roles(&["clerk"])), ..UserChange::default() };
    let taken =
        store.change_user(claimed.id, change(email("ALICE@example.com", true)), None, Vec::new()).await;
    assert!(matches!(taken, Err(ChangeError::Exists)), "{taken:?}");
    assert_eq!(store.find_user(claimed.id).await.unwrap().unwrap(), claimed, "nothing has changed");
    store.change_user(alice.id, change(email("alice@example.com", true)), None, Vec::new()).await.unwrap();
    store.change_user(alice.id, UserChange::default(), None, Vec::new()).await.unwrap();
    assert_eq!(by_email(store, "alice@example.com").await, Some(alice.id), "one's own is free, and stays");
    store.change_user(alice.id, change(None), None, Vec::new()).await.unwrap();
    assert_eq!(by_email(store, "alice@example.com").await, None);
    store.change_user(claimed.id, change(email("alice@example.com", true)), None, Vec::new()).await.unwrap();
    assert_eq!(by_email(store, "alice@example.com").await, Some(claimed.id));
}

pub(crate) async fn an_identity_is_one_users_and_a_user_has_one_at_a_provider<E: Engine>() {
    let engine = E::start().await;
    let store = &*engine.store();
    let (alice, bob) = (user("alice"), user("bob"));
    for user in [&alice, &bob] {
        store.create_user(user).await.unwrap();
    }
    for made in [link(alice.id, "hub", "1"), link(alice.id, "corp", "1"), link(bob.id, "corp", "2")] {
        store.link_identity(&made).await.unwrap();
    }
    assert_eq!(linked(store, "corp", "1").await, Some(alice.id));
    assert_eq!(linked(store, "corp", "2").await, Some(bob.id));
    assert_eq!(linked(store, "hub", "2").await, None, "a subject is its provider's alone");
    let all = [link(alice.id, "corp", "1"), link(alice.id, "hub", "1")];
    assert_eq!(store.list_identities(alice.id).await.unwrap(), all);
    for (name, taken) in [("identity", link(bob.id, "hub", "1")), ("place", link(bob.id, "corp", "3"))] {
        let refused = store.link_identity(&taken).await;
        assert!(matches!(refused, Err(ChangeError::Exists)), "{name}: {refused:?}");
    }
    let nobody = store.link_identity(&link(UserId::from_bytes([9; 16]), "hub", "9")).await;
    assert!(matches!(nobody, Err(ChangeError::Unknown)), "{nobody:?}");
    for (subject, want) in [("a", None), ("A", Some(bob.id)), ("A ", None), ("%", None)] {
        if subject == "A" {
            store.link_identity(&link(bob.id, "hub", "A")).await.unwrap();
        }
        assert_eq!(linked(store, "hub", subject).await, want, "{subject:?}: compared byte by byte");
    }
}

pub(crate) async fn a_user_comes_with_their_identity_or_not_at_all<E: Engine>() {
    let engine = E::start().await;
    let store = engine.store();
    let new = |name: &str, address: &str, subject: &str| {
        let user = User { email: email(address, true), roles: roles(&["clerk"]), ..user(name) };
        let link = link(user.id, "corp", subject);
        (user, link)
    };
    let (first, its) = new("a@example.com", "a@example.com", "1");
    store.create_linked_user(&first, &its).await.unwrap();
    assert_eq!(store.find_linked_user(&its.provider, "1").await.unwrap(), Some(first.clone()));
    for (name, (user, link)) in [
        ("name", new("A@example.com", "b@example.com", "2")),
        ("address", new("b", "A@Example.com", "2")),
        ("identity", new("b", "b@example.com", "1")),
    ] {
        let refused = store.create_linked_user(&user, &link).await;
        assert!(matches!(refused, Err(ChangeError::Exists)), "{name}: {refused:?}");
        assert!(store.find_user(user.id).await.unwrap().is_none(), "{name}");
        assert!(store.list_identities(user.id).await.unwrap().is_empty(), "{name}");
    }
    let racers = (0..8).map(|at| {
        let (store, (user, link)) =
            (engine.store(), new(&format!("r{at}"), &format!("r{at}@example.com"), "race"));
        tokio::spawn(async move { store.create_linked_user(&user, &link).await.is_ok() })
    });
    let mut made = 0;
    for racer in racers.collect::<Vec<_>>() {
        made += u32::from(racer.await.unwrap());
    }
    assert_eq!(made, 1);
}

pub(crate) async fn with_a_link_end_the_sessions_that_began_with_it<E: Engine>() {
    let engine = E::start().await;
    let store = &*engine.store();
    let alice = user("alice");
    store.create_user(&alice).await.unwrap();
    let provider: ProviderId = "corp".parse().unwrap();
    store.link_identity(&link(alice.id, "corp", "1")).await.unwrap();
    let by = |provider: Option<&str>| Session {
        provider: provider.map(|provider| provider.parse().unwrap()),
        ..session(alice.id)
    };
    let (corp, hub, password) = (by(Some("corp")), by(Some("hub")), by(None));
    for session in [&corp, &hub, &password] {
        store.start_session(session).await.unwrap().unwrap();
        assert_eq!(store.find_session(session.id).await.unwrap().as_ref(), Some(session));
    }
    assert!(!store.unlink_identity(alice.id, &"hub".parse().unwrap(), at(1), revocation("")).await.unwrap());
    assert!(logged(store).await.is_empty(), "nothing ends where there was no link");
    assert!(store.unlink_identity(alice.id, &provider, at(1), revocation("")).await.unwrap());
    assert_eq!(logged(store).await, [corp.id.to_string()]);
    let live: Vec<_> =
        store.list_sessions(alice.id, at(2)).await.unwrap().iter().map(|live| live.id).collect();
    assert_eq!(live, [hub.id, password.id]);
    assert_eq!(linked(store, "corp", "1").await, None);
    assert!(!store.unlink_identity(alice.id, &provider, at(2), revocation("")).await.unwrap());
    store.link_identity(&link(alice.id, "corp", "2")).await.unwrap();
}
