use gatepass_issuer::store::NewRevocation;
use gatepass_revocation::{Entry, Kind, Reason};
use tokio::task::JoinSet;

use super::Engine;
use super::sample::*;

pub(crate) async fn places_count_from_one_without_a_gap_under_a_race<E: Engine>() {
    let engine = E::start().await;
    assert_eq!(engine.store().last_revocation().await.unwrap(), 0);
    let mut appending = JoinSet::new();
    for n in 0..100 {
        let store = engine.store();
        appending.spawn(async move { store.append_revocation(revocation(&n.to_string())).await.unwrap() });
    }
    let mut entries = appending.join_all().await;
    entries.sort_by_key(|entry| entry.seq);
    assert_eq!(entries.iter().map(|entry| entry.seq).collect::<Vec<_>>(), (1..=100).collect::<Vec<_>>());
    assert_eq!(log(&*engine.store()).await, entries, "each at the place it was told");
    assert_eq!(engine.store().last_revocation().await.unwrap(), 100);
}

pub(crate) async fn places_in_the_log_are_never_used_twice<E: Engine>() {
    let mut engine = E::start().await;
    for n in 1..=5 {
        assert_eq!(engine.store().append_revocation(revocation("x")).await.unwrap().seq, n);
    }
    engine.store().forget_revocations(at(1_000_000)).await.unwrap();
    assert!(log(&*engine.store()).await.is_empty());
    assert_eq!(engine.store().last_revocation().await.unwrap(), 5);

    engine.restart().await;
    assert_eq!(engine.store().last_revocation().await.unwrap(), 5);
    assert_eq!(engine.store().append_revocation(revocation("x")).await.unwrap().seq, 6);
}

pub(crate) async fn the_log_is_read_from_any_place_in_pages<E: Engine>() {
    let engine = E::start().await;
    let store = engine.store();
    for n in 1..=5 {
        store.append_revocation(revocation(&n.to_string())).await.unwrap();
    }
    for (name, seq, limit, want) in [
        ("first_page", 0, 2, &[1, 2][..]),
        ("next_page", 2, 2, &[3, 4][..]),
        ("last_page", 4, 2, &[5][..]),
        ("past_the_end", 5, 2, &[][..]),
        ("far_past_the_end", u64::MAX, 2, &[][..]),
        ("nothing", 0, 0, &[][..]),
    ] {
        let page = store.revocations_after(seq, limit).await.unwrap();
        assert_eq!(page.iter().map(|entry| entry.seq).collect::<Vec<_>>(), want, "{name}");
    }
}

pub(crate) async fn an_entry_comes_back_as_it_was_made<E: Engine>() {
    let engine = E::start().await;
    let store = engine.store();
    for (kind, reason) in Kind::EVERY
        .into_iter()
        .zip([Reason::LOGOUT, Reason::REUSE, "lost 1.2_3-x".parse().unwrap()].iter().cycle())
    {
        let mut new = revocation(if kind == Kind::All { "" } else { "größer'\"\0" });
        (new.kind, new.reason) = (kind, reason.clone());
        let entry = store.append_revocation(new.clone()).await.unwrap();
        assert_eq!(entry, new.at(entry.seq));
        assert_eq!(store.revocations_after(entry.seq - 1, 1).await.unwrap(), [entry], "{kind}");
    }
}

pub(crate) async fn entries_are_forgotten_when_their_time_has_come<E: Engine>() {
    let engine = E::start().await;
    let store = engine.store();
    // More than an engine may go through in one step, the last the first to be forgotten.
    for n in 0..2500 {
        let mut new = revocation(&n.to_string());
        new.forget_after = at(2500 - n);
        store.append_revocation(new).await.unwrap();
    }
    store.forget_revocations(at(1)).await.unwrap();
    assert_eq!(log(&*store).await.len(), 2500, "the last moment is not over");
    store.forget_revocations(at(2)).await.unwrap();
    assert_eq!(log(&*store).await.len(), 2499);
    store.forget_revocations(at(2400)).await.unwrap();
    let left = log(&*store).await;
    assert_eq!(left.iter().map(|entry| entry.seq).collect::<Vec<_>>(), (1..=101).collect::<Vec<_>>());
}

/// The guards know tokens of these by nothing else.
pub(crate) async fn a_users_entry_comes_with_one_for_each_other_name<E: Engine>() {
    let engine = E::start().await;
    let store = engine.store();
    let (alice, bob) = (user("alice"), user("bob"));
    for user in [&alice, &bob] {
        store.create_user(user).await.unwrap();
    }
    let sessions = [
        (&alice, Some("p:a")),
        (&alice, None),
        (&bob, Some("p:b")),
        (&alice, Some("p:c")),
        (&alice, Some("p:a")),
    ];
    for (at_work, (user, name)) in sessions.into_iter().enumerate() {
        let mut session = session(user.id);
        session.pairwise_subject = name.map(str::to_owned);
        session.revoked_at = (at_work == 3).then_some(at(5)); // what it gave may live
        store.start_session(&session).await.unwrap().unwrap();
        assert_eq!(store.find_session(session.id).await.unwrap().unwrap(), session);
    }
    let new = NewRevocation { kind: Kind::Subject, ..revocation(&alice.id.to_string()) };
    let entry = store.append_revocation(new.clone()).await.unwrap();
    let mut logged = log(&*store).await;
    assert_eq!(logged.last(), Some(&entry));
    logged.sort_by(|one, other| one.id.cmp(&other.id));
    let mut want = [alice.id.to_string(), "p:a".to_owned(), "p:c".to_owned()];
    want.sort();
    assert_eq!(logged.iter().map(|entry| entry.id.clone()).collect::<Vec<_>>(), want);
    let is_alike = |one: &Entry| {
        (one.kind, one.issued_before, one.forget_after) == (new.kind, new.issued_before, new.forget_after)
    };
    assert!(logged.iter().all(is_alike));
}
