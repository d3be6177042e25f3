use gatepass_issuer::client::{Client, ClientLogout};
use gatepass_issuer::id::ClientId;
use gatepass_issuer::session::Session;
use tokio::task::JoinSet;

use super::Engine;
use super::sample::*;

pub(crate) async fn what_ended_is_forgotten_and_nothing_else<E: Engine>() {
    let engine = E::start().await;
    let store = engine.store();
    let owner = user("alice");
    store.create_user(&owner).await.unwrap();
    let cases = [
        ("live", None, at(100), at(200), true),
        ("revoked_just_before", Some(at(9)), at(100), at(200), false),
        ("revoked_at_that_instant", Some(at(10)), at(100), at(200), true),
        ("idle_just_before", None, at(9), at(200), false),
        ("idle_at_that_instant", None, at(10), at(200), true),
        ("used_up_just_before", None, at(100), at(9), false),
        ("used_up_at_that_instant", None, at(100), at(10), true),
        ("revoked_later_but_idle_before", Some(at(50)), at(9), at(200), false),
    ];
    let mut sessions = Vec::new();
    for (name, revoked_at, idle_expires_at, expires_at, stays) in cases {
        let mut session = session(owner.id);
        (session.revoked_at, session.idle_expires_at, session.expires_at) =
            (revoked_at, idle_expires_at, expires_at);
        store.start_session(&session).await.unwrap().unwrap();
        sessions.push((name, session.id, stays));
    }
    assert_eq!(store.forget_sessions(at(10), 100).await.unwrap(), 4);
    for (name, id, stays) in sessions {
        assert_eq!(store.find_session(id).await.unwrap().is_some(), stays, "{name}");
    }
    assert_eq!(store.forget_sessions(at(10), 100).await.unwrap(), 0);
}

pub(crate) async fn what_expired_is_kept_for_whoever_is_told_when_its_login_ends<E: Engine>() {
    let engine = E::start().await;
    let store = engine.store();
    let owner = user("alice");
    store.create_user(&owner).await.unwrap();
    let uri = || "https://app.example.com/logout".parse().ok();
    for (id, logout) in [
        ("backchannel", ClientLogout { backchannel: uri(), frontchannel: None }),
        ("frontchannel", ClientLogout { backchannel: None, frontchannel: uri() }),
        ("quiet", ClientLogout::default()),
    ] {
        store.create_client(&Client { logout, ..client(id) }).await.unwrap();
    }
    let login = |idle_expires_at, revoked_at| Session {
        client: ClientId::sign_on(),
        idle_expires_at,
        revoked_at,
        ..session(owner.id)
    };
    let (lives, idle, ended) = (login(at(10), None), login(at(9), None), login(at(100), Some(at(9))));
    for login in [&lives, &idle, &ended] {
        store.start_session(login).await.unwrap().unwrap();
    }
    let forgotten = session(owner.id).id;
    let cases = [
        ("backchannel", Some(lives.id), None, true),
        ("frontchannel", Some(lives.id), None, true),
        ("quiet", Some(lives.id), None, false),
        ("unregistered", Some(lives.id), None, false),
        ("backchannel", Some(lives.id), Some(at(9)), false),
        ("backchannel", Some(idle.id), None, false),
        ("backchannel", Some(ended.id), None, false),
        ("backchannel", Some(forgotten), None, false),
        ("backchannel", None, None, false),
    ];

    let mut sessions = Vec::new();
    for (client, login, revoked_at, stays) in cases {
        let client = client.parse().unwrap();
        let (idle_expires_at, expires_at) = (at(5), at(5));
        let session = Session { client, login, revoked_at, idle_expires_at, expires_at, ..session(owner.id) };
        store.start_session(&session).await.unwrap().unwrap();
        sessions.push((session, stays));
    }
    // It was handed on from login to login, and expired longer ago than one can live.
    let longest = lives.expires_at.since(lives.created_at).as_secs();
    let long_ago = at(9 - i64::try_from(longest).unwrap());
    let (client, login) = ("backchannel".parse().unwrap(), Some(lives.id));
    let (idle_expires_at, expires_at) = (long_ago, long_ago);
    let handed_on = Session { client, login, idle_expires_at, expires_at, ..session(owner.id) };
    store.start_session(&handed_on).await.unwrap().unwrap();
    sessions.push((handed_on, false));
    assert_eq!(store.forget_sessions(at(10), 100).await.unwrap(), 10);
    for (session, stays) in sessions {
        let found = store.find_session(session.id).await.unwrap();
        assert_eq!(found.is_some(), stays, "{session:?}");
    }
    assert_eq!(store.forget_sessions(at(10), 100).await.unwrap(), 0);
    assert_eq!(
        store.forget_sessions(at(11), 100).await.unwrap(),
        3,
        "its login has ended, and they go with it"
    );
}

pub(crate) async fn of_many_that_expired_in_one_login_the_newest_are_kept<E: Engine>() {
    let engine = E::start().await;
    let store = engine.store();
    let owner = user("alice");
    store.create_user(&owner).await.unwrap();
    let backchannel = "https://app.example.com/logout".parse().ok();
    let logout = ClientLogout { backchannel, frontchannel: None };
    for id in ["often", "once"] {
        store.create_client(&Client { logout: logout.clone(), ..client(id) }).await.unwrap();
    }
    let login = Session { client: ClientId::sign_on(), idle_expires_at: at(100), ..session(owner.id) };
    store.start_session(&login).await.unwrap().unwrap();
    let start = async |client: &str| {
        let (client, login, over) = (client.parse().unwrap(), Some(login.id), at(5));
        let expired = Session { client, login, idle_expires_at: over, expires_at: over, ..session(owner.id) };
        store.start_session(&expired).await.unwrap().unwrap();
        expired.id
    };
    let once = start("once").await;
    let mut often = Vec::new();
    for _ in 0..40 {
        often.push(start("often").await);
    }
    often.sort();
    assert_eq!(store.forget_sessions(at(10), 100).await.unwrap(), 8);
    let kept = store.list_sessions_of_login(owner.id, login.id).await.unwrap();
    let kept: Vec<_> = kept.iter().map(|session| session.id).filter(|id| *id != once).collect();
    assert_eq!(kept.len(), 32, "and the other client has its own");
    assert!(often[8..].iter().all(|id| kept.contains(id)), "the newest");
    assert!(store.find_session(once).await.unwrap().is_some());
}

pub(crate) async fn no_more_is_forgotten_at_once_than_was_asked<E: Engine>() {
    let engine = E::start().await;
    let store = engine.store();
    let owner = user("alice");
    store.create_user(&owner).await.unwrap();
    for n in 0..10 {
        let mut session = session(owner.id);
        session.revoked_at = (n % 2 == 0).then_some(NOW);
        store.start_session(&session).await.unwrap().unwrap();
    }
    for want in [2, 2, 1, 0] {
        assert_eq!(store.forget_sessions(at(1), 2).await.unwrap(), want);
    }
    assert_eq!(store.forget_sessions(at(1), 0).await.unwrap(), 0);
    assert_eq!(store.list_sessions(owner.id, NOW).await.unwrap().len(), 5);

    // What ends before the place where the last call stopped is found as well.
    let oldest = store.list_sessions(owner.id, NOW).await.unwrap().remove(0);
    store.revoke_session(oldest.id, NOW, revocation("x")).await.unwrap();
    assert_eq!(store.forget_sessions(at(1), 2).await.unwrap(), 1);
}

pub(crate) async fn what_ended_is_found_wherever_it_stands_in_a_long_table<E: Engine>() {
    let engine = E::start().await;
    let owner = user("alice");
    engine.store().create_user(&owner).await.unwrap();
    let mut starting = JoinSet::new();
    for n in 0..4500 {
        let (store, mut session) = (engine.store(), session_at(owner.id, at(n)));
        session.revoked_at = [0, 1999, 2000, 4499].contains(&n).then_some(NOW);
        starting.spawn(async move { store.start_session(&session).await.unwrap().unwrap() });
    }
    starting.join_all().await;
    for want in [3, 1, 0] {
        assert_eq!(engine.store().forget_sessions(at(1), 3).await.unwrap(), want);
    }
}
