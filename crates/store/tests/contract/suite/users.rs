use std::collections::BTreeSet;

use gatepass_issuer::password::PasswordHash;
use gatepass_issuer::store::{ChangeError, EndSessions, Page, UserChange};
use tokio::task::JoinSet;

use super::Engine;
use super::sample::*;

pub(crate) async fn a_user_is_found_by_id_and_by_name_however_it_is_written<E: Engine>() {
    let engine = E::start().await;
    let store = engine.store();
    let mut alice = user("Älice@Example.com");
    alice.roles = roles(&["clerk", "admin", "clerk"]);
    store.create_user(&alice).await.unwrap();

    alice.roles = roles(&["admin", "clerk"]);
    assert_eq!(store.find_user(alice.id).await.unwrap().as_ref(), Some(&alice));
    for name in ["Älice@Example.com", "älice@example.com", "ÄLICE@EXAMPLE.COM"] {
        let found = store.find_user_by_name(&name.parse().unwrap()).await.unwrap().unwrap();
        assert_eq!(found, alice, "{name}");
        assert_eq!(found.username.as_str(), "Älice@Example.com", "as it was given");
    }
    assert_eq!(store.find_user(user("bob").id).await.unwrap(), None);
    assert_eq!(store.find_user_by_name(&"bob".parse().unwrap()).await.unwrap(), None);
}

pub(crate) async fn a_folded_name_is_taken_once<E: Engine>() {
    let engine = E::start().await;
    let mut tries = JoinSet::new();
    for n in 0..16 {
        let store = engine.store();
        let mut user = user(if n % 2 == 0 { "alice" } else { "ALICE" });
        user.roles = roles(&["clerk"]);
        tries.spawn(async move { (store.create_user(&user).await, user.id) });
    }
    let (created, refused): (Vec<_>, Vec<_>) =
        tries.join_all().await.into_iter().partition(|(created, _)| created.is_ok());
    assert_eq!((created.len(), refused.len()), (1, 15));
    for (error, id) in refused {
        assert!(matches!(error, Err(ChangeError::Exists)));
        assert_eq!(engine.store().find_user(id).await.unwrap(), None);
    }
}

pub(crate) async fn users_come_in_pages_in_the_order_of_their_ids<E: Engine>() {
    let engine = E::start().await;
    let store = engine.store();
    let mut ids = Vec::new();
    for name in ["e", "d", "c", "b", "a"] {
        let user = user(name);
        ids.push(user.id);
        store.create_user(&user).await.unwrap();
    }
    ids.sort_unstable();
    for (name, after, limit, want) in [
        ("first_page", None, 2, &ids[..2]),
        ("next_page", Some(ids[1]), 2, &ids[2..4]),
        ("last_page", Some(ids[3]), 2, &ids[4..]),
        ("past_the_end", Some(ids[4]), 2, &[][..]),
        ("everything", None, u32::MAX, &ids[..]),
        ("nothing", None, 0, &[][..]),
    ] {
        let page = store.list_users(Page { after, limit }).await.unwrap();
        assert_eq!(page.iter().map(|user| user.id).collect::<Vec<_>>(), want, "{name}");
    }
}

pub(crate) async fn a_change_keeps_what_it_does_not_name<E: Engine>() {
    let engine = E::start().await;
    let store = engine.store();
    let mut alice = user("alice");
    alice.roles = roles(&["admin"]);
    store.create_user(&alice).await.unwrap();

    let new_password = PasswordHash::from_phc("$argon2id$new");
    let changes = [
        ("nothing", UserChange::default()),
        ("roles", UserChange { roles: Some(roles(&["b", "a"])), ..UserChange::default() }),
        ("disabled", UserChange { disabled: Some(true), ..UserChange::default() }),
        ("password", UserChange { password: Some(new_password), ..UserChange::default() }),
        ("enabled", UserChange { disabled: Some(false), ..UserChange::default() }),
        ("name", UserChange { name: Some(Some("Alice Ä.".parse().unwrap())), ..UserChange::default() }),
        ("no_name", UserChange { name: Some(None), ..UserChange::default() }),
        ("no_roles", UserChange { roles: Some(Vec::new()), ..UserChange::default() }),
    ];
    for (name, change) in changes {
        alice.roles = change.roles.clone().unwrap_or(alice.roles);
        alice.roles.sort();
        alice.disabled = change.disabled.unwrap_or(alice.disabled);
        alice.name = change.name.clone().unwrap_or(alice.name);
        alice.password = change.password.clone().unwrap_or(alice.password);
        let changed = store.change_user(alice.id, change, None, Vec::new()).await.unwrap();
        assert_eq!(changed, alice, "{name}");
        assert_eq!(store.find_user(alice.id).await.unwrap(), Some(changed), "{name}");
    }
    // One that counts on a password is made while that is kept, or not at all.
    let (old, next) = (PasswordHash::from_phc("$argon2id$old"), PasswordHash::from_phc("$argon2id$next"));
    for (expected, changes) in [(old, false), (alice.password.clone(), true)] {
        let change = UserChange {
            password: Some(next.clone()),
            expected_password: Some(expected),
            disabled: Some(true),
            ..UserChange::default()
        };
        let changed = store.change_user(alice.id, change, None, vec![revocation("x")]).await;
        assert_eq!(changed.is_ok(), changes);
        let kept = store.find_user(alice.id).await.unwrap().unwrap();
        assert_eq!((kept.password == next, kept.disabled), (changes, changes));
    }
    assert_eq!(logged(&*store).await, ["x"], "both or neither");
}

pub(crate) async fn a_change_ends_live_sessions_and_logs_in_one_step<E: Engine>() {
    let engine = E::start().await;
    let store = engine.store();
    let live = started(&*store, "alice").await;
    let spared = session(live.user);
    let mut expired = session(live.user);
    expired.idle_expires_at = at(10);
    for session in [&spared, &expired] {
        store.start_session(session).await.unwrap().unwrap();
    }
    let other = started(&*store, "bob").await;

    let change = UserChange { disabled: Some(true), ..UserChange::default() };
    let end = EndSessions { at: at(10), except: Some(spared.id) };
    let revocations = vec![revocation("first"), revocation("second")];
    store.change_user(live.user, change, Some(end), revocations).await.unwrap();

    for (name, session, want) in [
        ("live", &live, Some(at(10))),
        ("spared", &spared, None),
        ("expired_at_that_instant", &expired, None),
        ("of_somebody_else", &other, None),
    ] {
        let now = store.find_session(session.id).await.unwrap().unwrap();
        assert_eq!(now.revoked_at, want, "{name}");
    }
    assert_eq!(logged(&*store).await, ["first", "second"]);
}

pub(crate) async fn a_change_of_nobody_changes_nothing<E: Engine>() {
    let engine = E::start().await;
    let store = engine.store();
    let change = UserChange { roles: Some(roles(&["admin"])), ..UserChange::default() };
    let changed = store.change_user(user("x").id, change, None, vec![revocation("x")]).await;
    assert!(matches!(changed, Err(ChangeError::Unknown)));
    store.put_role(&super::roles::role("admin", ""), for_holder()).await.unwrap();
    assert!(log(&*store).await.is_empty(), "nobody became a holder");
}

pub(crate) async fn a_password_is_upgraded_unless_it_was_changed_meanwhile<E: Engine>() {
    let engine = E::start().await;
    let store = engine.store();
    let alice = user("alice");
    store.create_user(&alice).await.unwrap();
    store.create_user(&user("bob")).await.unwrap();
    let [first, second, third] = ["$argon2id$1", "$argon2id$2", "$argon2id$3"].map(PasswordHash::from_phc);

    let mut tries = JoinSet::new();
    for new in [&first, &second] {
        let (store, old, new) = (engine.store(), alice.password.clone(), new.clone());
        tries
            .spawn(async move { store.upgrade_password(alice.id, &old, &new).await.unwrap().then_some(new) });
    }
    let kept: Vec<PasswordHash> = tries.join_all().await.into_iter().flatten().collect();
    assert_eq!(kept.len(), 1, "one of two");
    assert_eq!(store.find_user(alice.id).await.unwrap().unwrap().password, kept[0]);
    assert!(!store.upgrade_password(alice.id, &alice.password, &third).await.unwrap(), "not what is kept");
    assert!(!store.upgrade_password(user("nobody").id, &kept[0], &third).await.unwrap());
    assert_eq!(store.find_user(alice.id).await.unwrap().unwrap().password, kept[0]);
    let bob = store.find_user_by_name(&"bob".parse().unwrap()).await.unwrap().unwrap();
    assert_eq!(bob.password, alice.password, "somebody else with the same hash");
    assert!(log(&*store).await.is_empty());
}

pub(crate) async fn a_sample_of_passwords_is_of_different_users<E: Engine>() {
    let engine = E::start().await;
    let store = engine.store();
    assert!(store.sample_passwords(10).await.unwrap().is_empty());
    for at in 0..40 {
        let password = PasswordHash::from_phc(&format!("$argon2id${at:02}"));
        store
            .create_user(&gatepass_issuer::user::User { password, ..user(&format!("u{at}")) })
            .await
            .unwrap();
    }
    let sample = async |count| -> BTreeSet<String> {
        let sample = store.sample_passwords(count).await.unwrap();
        sample.iter().map(|hash| hash.as_phc().to_owned()).collect()
    };
    assert_eq!(sample(100).await.len(), 40, "everybody, where there are no more");
    assert_eq!(sample(20).await.len(), 20, "nobody twice");
    // That two samples are of the same 20 of 40 has a chance of one in 137 thousand million.
    assert_ne!(sample(20).await, sample(20).await);
}
