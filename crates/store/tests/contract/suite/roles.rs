use gatepass_issuer::store::{ChangeError, Store};
use gatepass_issuer::user::{Role, User};
use gatepass_revocation::Kind;

use super::Engine;
use super::sample::*;

pub(crate) fn role(name: &str, scope: &str) -> Role {
    Role { name: name.parse().unwrap(), scope: scope.parse().unwrap() }
}

async fn holders(store: &dyn Store) -> [User; 3] {
    let mut users = [user("alice"), user("bob"), user("carol")];
    users[0].roles = roles(&["admin", "clerk"]);
    users[1].roles = roles(&["clerk"]);
    users[2].roles = roles(&["clerks"]);
    for user in &users {
        store.create_user(user).await.unwrap();
    }
    store.put_role(&role("clerk", "orders:read"), for_holder()).await.unwrap();
    users
}

/// Holds that the log is one entry as `for_holder` makes it for each of `users`, and nothing else.
async fn require_log(store: &dyn Store, users: &[&User]) {
    let mut log = log(store).await;
    log.sort_by(|a, b| a.id.cmp(&b.id));
    let mut want: Vec<String> = users.iter().map(|user| user.id.to_string()).collect();
    want.sort();
    assert_eq!(log.iter().map(|entry| entry.id.clone()).collect::<Vec<_>>(), want);
    for entry in log {
        assert_eq!(entry.kind, Kind::Subject);
        let made = for_holder();
        assert_eq!((entry.issued_before, entry.forget_after), (made.issued_before, made.forget_after));
        assert_eq!(entry.reason, made.reason);
    }
}

pub(crate) async fn roles_are_listed_by_name_in_their_last_state<E: Engine>() {
    let engine = E::start().await;
    let store = engine.store();
    assert!(store.list_roles().await.unwrap().is_empty());
    for role in [role("clerk", "a"), role("admin", "b c"), role("clerk", "d")] {
        store.put_role(&role, for_holder()).await.unwrap();
    }
    assert_eq!(store.list_roles().await.unwrap(), [role("admin", "b c"), role("clerk", "d")]);
}

pub(crate) async fn a_changed_role_revokes_each_holder<E: Engine>() {
    let engine = E::start().await;
    let store = engine.store();
    let [alice, bob, _] = holders(&*store).await;
    require_log(&*store, &[&alice, &bob]).await;
}

pub(crate) async fn a_removed_role_leaves_every_user_and_revokes_each_holder<E: Engine>() {
    let engine = E::start().await;
    let store = engine.store();
    let [alice, bob, carol] = holders(&*store).await;
    store.remove_role(&"clerk".parse().unwrap(), for_holder()).await.unwrap();

    assert!(store.list_roles().await.unwrap().is_empty());
    for (user, want) in [(&alice, roles(&["admin"])), (&bob, roles(&[])), (&carol, roles(&["clerks"]))] {
        assert_eq!(store.find_user(user.id).await.unwrap().unwrap().roles, want, "{}", user.username);
    }
    require_log(&*store, &[&alice, &alice, &bob, &bob]).await;
}

pub(crate) async fn removing_no_role_changes_nothing<E: Engine>() {
    let engine = E::start().await;
    let store = engine.store();
    let [alice, bob, _] = holders(&*store).await;
    let removed = store.remove_role(&"admin".parse().unwrap(), for_holder()).await;
    assert!(matches!(removed, Err(ChangeError::Unknown)), "held, but not in the list");
    assert_eq!(store.find_user(alice.id).await.unwrap().unwrap().roles, alice.roles);
    require_log(&*store, &[&alice, &bob]).await;
}
