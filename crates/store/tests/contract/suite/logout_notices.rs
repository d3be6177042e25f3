use std::time::Duration;

use gatepass_issuer::client::ClientLogout;
use gatepass_issuer::id::{ClientId, SessionId, UserId};
use gatepass_issuer::session::Session;
use gatepass_issuer::store::{EndSessions, NewRevocation, Store, UserChange, Whose};
use gatepass_issuer::{LinkedIdentity, ProviderId};

use super::Engine;
use super::sample::*;

/// A user with a session of each of two clients, of which only `told` wants to know, that arose from a login.
async fn sessions(store: &dyn Store, name: &str) -> (UserId, Session, Session) {
    let user = user(name);
    store.create_user(&user).await.unwrap();
    let login = Session { client: ClientId::sign_on(), ..session(user.id) };
    store.start_session(&login).await.unwrap().unwrap();
    let of =
        |client: &str| Session { client: client.parse().unwrap(), login: Some(login.id), ..session(user.id) };
    let told = of("told");
    for session in [&told, &of("quiet")] {
        store.start_session(session).await.unwrap().unwrap();
    }
    (user.id, login, told)
}

async fn clients(store: &dyn Store) {
    store.create_client(&client("told")).await.unwrap();
    let mut quiet = client("quiet");
    quiet.logout = ClientLogout { backchannel: None, ..quiet.logout };
    store.create_client(&quiet).await.unwrap();
}

pub(crate) async fn whatever_ends_a_session_keeps_a_notice_for_who_wants_to_know<E: Engine>() {
    let engine = E::start().await;
    let store = engine.store();
    clients(&*store).await;
    let end = at(5);
    for way in ["session", "login", "user", "client", "everybody", "password", "offline"] {
        let (user, login, mut told) = sessions(&*store, way).await;
        match way {
            "session" => drop(store.revoke_session(told.id, end, revocation(way)).await.unwrap()),
            "login" => drop(store.revoke_session(login.id, end, revocation(way)).await.unwrap()),
            "user" => store.end_sessions(&Whose::User(user), end, revocation(way)).await.unwrap(),
            "client" => store
                .end_sessions(&Whose::Client("told".parse().unwrap()), end, revocation(way))
                .await
                .unwrap(),
            "everybody" => store.end_sessions(&Whose::Everybody, end, revocation(way)).await.unwrap(),
            "password" => {
                let ended = EndSessions { at: end, except: Some(login.id) };
                let change = UserChange::default();
                store.change_user(user, change, Some(ended), vec![revocation(way)]).await.unwrap();
            }
            _ => {
                store.revoke_session(told.id, end, revocation(way)).await.unwrap();
                let first = store.due_logout_notices(end, 10).await.unwrap().remove(0);
                store.settle_logout_notice(first.id, None).await.unwrap();
                let scope = Some("openid offline_access".parse().unwrap());
                told = Session { id: session(user).id, scope, ..told };
                store.start_session(&told).await.unwrap().unwrap();
                store.revoke_session(login.id, end, revocation(way)).await.unwrap();
                assert!(
                    store.find_session(told.id).await.unwrap().unwrap().is_live(at(6)),
                    "it outlives its login"
                );
            }
        }
        assert!(store.due_logout_notices(at(4), 10).await.unwrap().is_empty(), "{way}: not before the end");
        let due = store.due_logout_notices(end, 10).await.unwrap();
        assert_eq!(due.len(), 1, "{way}: {due:?}");
        let notice = &due[0];
        assert_eq!((notice.session, notice.user, notice.client.as_str()), (told.id, user, "told"), "{way}");
        store.settle_logout_notice(notice.id, None).await.unwrap();
        store.end_sessions(&Whose::Everybody, end, revocation(way)).await.unwrap();
        for left in store.due_logout_notices(end, 10).await.unwrap() {
            store.settle_logout_notice(left.id, None).await.unwrap();
        }
    }
}

pub(crate) async fn a_session_that_expired_is_told_of_once_when_its_login_ends<E: Engine>() {
    let engine = E::start().await;
    let store = engine.store();
    clients(&*store).await;
    let end = at(100_000);
    let forget_after = end.saturating_add(Duration::from_secs(1200));
    for way in ["login", "user", "client", "everybody", "disabled", "consent", "provider"] {
        let user = user(way);
        store.create_user(&user).await.unwrap();
        let provider: ProviderId = "corp".parse().unwrap();
        let link =
            LinkedIdentity { provider: provider.clone(), subject: way.into(), user: user.id, linked_at: NOW };
        store.link_identity(&link).await.unwrap();
        let login = Session { client: ClientId::sign_on(), ..session(user.id) };
        store.start_session(&login).await.unwrap().unwrap();
        let of = |from: Option<SessionId>, idle_expires_at, scope: &str| Session {
            client: "told".parse().unwrap(),
            login: from,
            idle_expires_at,
            scope: Some(scope.parse().unwrap()),
            provider: Some(provider.clone()),
            ..session(user.id)
        };
        let expired = of(Some(login.id), at(900), "openid");
        // It was started and last rotated long ago; what has extended it since leaves no other trace.
        let just_now = of(Some(login.id), at(99_900), "openid");
        let offline = of(Some(login.id), at(900), "openid offline_access");
        let ended = Session { revoked_at: Some(at(5)), ..of(Some(login.id), at(900), "openid") };
        let without_login = of(None, at(900), "openid");
        for session in [&expired, &just_now, &offline, &ended, &without_login] {
            store.start_session(session).await.unwrap().unwrap();
        }
        let before = log(&*store).await.len();
        let revocation = NewRevocation { forget_after, ..revocation(way) };
        let ends = async |at| match way {
            "login" => drop(store.revoke_session(login.id, at, revocation.clone()).await.unwrap()),
            "user" => store.end_sessions(&Whose::User(user.id), at, revocation.clone()).await.unwrap(),
            "client" => {
                let whose = Whose::Client("told".parse().unwrap());
                store.end_sessions(&whose, at, revocation.clone()).await.unwrap();
            }
            "everybody" => store.end_sessions(&Whose::Everybody, at, revocation.clone()).await.unwrap(),
            "disabled" => {
                let change = UserChange { disabled: Some(true), ..UserChange::default() };
                let ended = EndSessions { at, except: None };
                store.change_user(user.id, change, Some(ended), vec![revocation.clone()]).await.unwrap();
            }
            "consent" => {
                let told = "told".parse().unwrap();
                store.withdraw_consent(user.id, &told, at, revocation.clone()).await.unwrap();
            }
            _ => drop(store.unlink_identity(user.id, &provider, at, revocation.clone()).await.unwrap()),
        };
        ends(end).await;
        let due = store.due_logout_notices(end, 10).await.unwrap();
        let mut told: Vec<_> = due.iter().map(|notice| notice.session).collect();
        told.sort();
        assert_eq!(told, [expired.id, just_now.id, offline.id], "{way}");
        for notice in due {
            store.settle_logout_notice(notice.id, None).await.unwrap();
        }
        let logged = logged(&*store).await;
        let mut logged = logged[before..].iter();
        match way {
            "login" => assert_eq!(logged.next(), Some(&just_now.id.to_string()), "a token of it may live"),
            "consent" | "provider" => assert_eq!(logged.next(), Some(&just_now.id.to_string()), "{way}"),
            _ => {}
        }
        if way != "consent" && way != "provider" {
            assert_eq!(logged.next().map(String::as_str), Some(way));
        }
        assert_eq!(logged.next(), None, "{way}: nothing is taken back of what is dead");
        ends(at(100_001)).await;
        assert!(store.due_logout_notices(at(100_001), 10).await.unwrap().is_empty(), "{way}: once");
        // What outlives its login has an end of its own, and what is left must not be in the way of the next.
        store.end_sessions(&Whose::Everybody, at(100_001), revocation.clone()).await.unwrap();
        for left in store.due_logout_notices(at(100_001), 10).await.unwrap() {
            assert_eq!((way, left.session), ("login", offline.id));
            store.settle_logout_notice(left.id, None).await.unwrap();
        }
    }
}

pub(crate) async fn notices_wait_go_and_leave_room_for_others<E: Engine>() {
    let mut engine = E::start().await;
    let store = engine.store();
    clients(&*store).await;
    store.create_client(&client("other")).await.unwrap();
    let user = user("alice");
    store.create_user(&user).await.unwrap();
    for number in 0..50 {
        let client = if number == 49 { "other" } else { "told" };
        let session = Session { client: client.parse().unwrap(), ..session(user.id) };
        store.start_session(&session).await.unwrap().unwrap();
    }
    store.end_sessions(&Whose::User(user.id), at(1), revocation("alice")).await.unwrap();
    let due = store.due_logout_notices(at(1), 40).await.unwrap();
    assert!(due.len() < 20, "a client with many notices waits its turn");
    assert!(due.iter().any(|notice| notice.client.as_str() == "other"), "and does not hold up the others");
    let told = due.iter().filter(|notice| notice.client.as_str() == "told").map(|notice| notice.session);
    assert!(told.collect::<Vec<_>>().is_sorted_by(|newer, older| newer > older), "the newest first");
    let first = &due[0];
    let later = at(1).saturating_add(Duration::from_secs(60));
    store.settle_logout_notice(first.id, Some(later)).await.unwrap();
    let find = async |now| {
        let due = engine.store().due_logout_notices(now, 1000).await.unwrap();
        due.into_iter().find(|notice| notice.id == first.id)
    };
    assert_eq!(find(at(2)).await, None);
    for notice in &due[1..] {
        store.settle_logout_notice(notice.id, None).await.unwrap();
    }
    let mut left = store.due_logout_notices(at(2), 1000).await.unwrap();
    while !left.is_empty() {
        for notice in &left {
            assert_ne!(notice.id, first.id);
            store.settle_logout_notice(notice.id, None).await.unwrap();
        }
        left = store.due_logout_notices(at(2), 1000).await.unwrap();
    }
    assert_eq!(find(later).await.map(|notice| notice.attempts), Some(1));
    drop(store);
    engine.restart().await;
    assert_eq!(engine.store().due_logout_notices(later, 10).await.unwrap().len(), 1, "it is still there");
}
