use std::time::Duration;

use gatepass_issuer::certificate::X5t;
use gatepass_issuer::rotation::{AskedResource, Decision, Presented, Refusal, Renewal, decide};
use gatepass_issuer::session::Session;
use gatepass_issuer::store::{Rotated, Store, UserChange, Whose};
use gatepass_issuer::user::User;
use gatepass_issuer::{Binding, Jkt};
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;
use tokio::task::JoinSet;

use super::Engine;
use super::sample::*;

pub(crate) async fn a_session_comes_back_as_it_was_started<E: Engine>() {
    let engine = E::start().await;
    let store = engine.store();
    let plain = started(&*store, "alice").await;
    let mut full = session(plain.user);
    full.scope = Some("a b".parse().unwrap());
    full.resource = Some("https://api.example.com".into());
    full.more_resources = vec!["größer \"".into(), String::new()];
    full.device = "größer \" ' \0".into();
    full.generation = u32::MAX;
    full.auth_time = Some(at(-3600));
    full.rotated_at = Some(at(-1));
    full.revoked_at = Some(at(5));
    full.bound = true;
    full.authorization_details = serde_json::from_str(r#"[{"type":"größer","x":[1,null]}]"#).unwrap();
    let digest = |bytes: [u8; 2]| bytes.repeat(16).try_into().unwrap();
    full.binding = Binding { jkt: Some(Jkt(digest([0, 255]))), x5t: Some(X5t(digest([255, 0]))) };
    let mut narrow = session(plain.user);
    narrow.scope = Some("".parse().unwrap());
    narrow.device = String::new();
    narrow.auth_time = None;
    narrow.generation = 0;
    for session in [&full, &narrow] {
        let user = store.start_session(session).await.unwrap();
        assert_eq!(user, store.find_user(plain.user).await.unwrap());
    }
    for session in [plain, full, narrow] {
        assert_eq!(store.find_session(session.id).await.unwrap(), Some(session));
    }
    assert_eq!(store.find_session(session(user("x").id).id).await.unwrap(), None);
}

pub(crate) async fn nobody_and_the_disabled_start_no_session<E: Engine>() {
    let engine = E::start().await;
    let store = engine.store();
    let mut disabled = user("disabled");
    disabled.disabled = true;
    store.create_user(&disabled).await.unwrap();
    for (name, id) in [("disabled", disabled.id), ("nobody", user("nobody").id)] {
        let session = session(id);
        assert_eq!(store.start_session(&session).await.unwrap(), None, "{name}");
        assert_eq!(store.find_session(session.id).await.unwrap(), None, "{name}");
    }
}

pub(crate) async fn a_rotation_moves_the_row_on_and_nothing_else<E: Engine>() {
    let engine = E::start().await;
    let store = engine.store();
    let session = started(&*store, "alice").await;
    let neighbour = started(&*store, "bob").await;
    let rotated = store.rotate_session(session.id, &presented(1, at(60)), revocation("x")).await.unwrap();
    let Rotated::Rotated(now, user) = rotated else { panic!("{rotated:?}") };
    let want = Session {
        generation: 2,
        rotated_at: Some(at(60)),
        idle_expires_at: at(60).saturating_add(Duration::from_secs(7 * 24 * 3600)),
        ..session
    };
    assert_eq!(now, want);
    assert_eq!(user.id, want.user);
    assert_eq!(store.find_session(want.id).await.unwrap().as_ref(), Some(&want));

    let with_key = Presented { binding: Binding::dpop(Some(Jkt([7; 32]))), ..presented(2, at(60)) };
    store.rotate_session(want.id, &with_key, revocation("x")).await.unwrap();
    // Whoever comes with a key does not make the session their own.
    let want = Session { generation: 3, ..want };
    assert_eq!(store.find_session(want.id).await.unwrap(), Some(want.clone()));

    // A token that is kept moves the idle end alone.
    let keep = Presented { renewal: Renewal::Keep, ..presented(3, at(90)) };
    let kept = store.rotate_session(want.id, &keep, revocation("x")).await.unwrap();
    let idle_expires_at = at(90).saturating_add(Duration::from_secs(7 * 24 * 3600));
    let want = Session { idle_expires_at, ..want };
    assert!(matches!(kept, Rotated::Rotated(now, owner) if now == want && owner.id == want.user));
    assert_eq!(store.find_session(want.id).await.unwrap(), Some(want));
    assert_eq!(store.find_session(neighbour.id).await.unwrap(), Some(neighbour));
    assert!(log(&*store).await.is_empty());
}

pub(crate) async fn tabs_that_ask_for_different_audiences_race_for_one_successor<E: Engine>() {
    let engine = E::start().await;
    let store = engine.store();
    let owner = user("alice");
    store.create_user(&owner).await.unwrap();
    let more = vec!["b".to_owned(), "c".to_owned()];
    let began = Session { resource: Some("a".into()), more_resources: more, ..session(owner.id) };
    store.start_session(&began).await.unwrap().unwrap();
    let mut callers = JoinSet::new();
    for number in 0..32 {
        let (store, id) = (engine.store(), began.id);
        let asked = ["a", "b", "c", "d"][number % 4].to_owned();
        let refused = asked == "d";
        let resource = Some(AskedResource { asked, default: Some("d".into()) });
        let presented = Presented { resource, ..presented(1, at(1)) };
        callers.spawn(async move {
            (refused, store.rotate_session(id, &presented, revocation("x")).await.unwrap())
        });
    }
    let mut rotated = 0;
    for (refused, answer) in callers.join_all().await {
        match answer {
            Rotated::Rotated(session, _) | Rotated::Repeated(session, _) if !refused => {
                rotated += 1;
                assert_eq!(
                    (session.generation, session.more_resources.len()),
                    (2, 2),
                    "one successor for all"
                );
            }
            Rotated::Refused(Refusal::Resource) if refused => {}
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(rotated, 24);
    assert!(log(&*store).await.is_empty());
}

pub(crate) async fn a_rotation_is_a_compare_and_swap_under_a_race<E: Engine>() {
    let engine = E::start().await;
    let id = started(&*engine.store(), "alice").await.id;
    let mut callers = JoinSet::new();
    for _ in 0..64 {
        let store = engine.store();
        callers.spawn(async move {
            store.rotate_session(id, &presented(1, at(1)), revocation("x")).await.unwrap()
        });
    }
    let (mut rotated, mut repeated) = (0, 0);
    for answer in callers.join_all().await {
        let session = match answer {
            Rotated::Rotated(session, _) => {
                rotated += 1;
                session
            }
            Rotated::Repeated(session, _) => {
                repeated += 1;
                session
            }
            other => panic!("{other:?}"),
        };
        assert_eq!((session.generation, session.rotated_at), (2, Some(at(1))), "one successor for all");
    }
    assert_eq!((rotated, repeated), (1, 63));
    assert!(log(&*engine.store()).await.is_empty());
}

pub(crate) async fn a_replay_revokes_and_logs_in_one_step<E: Engine>() {
    let engine = E::start().await;
    let store = engine.store();
    let id = started(&*store, "alice").await.id;
    store.rotate_session(id, &presented(1, at(1)), revocation("x")).await.unwrap();
    let replay = presented(1, at(31));
    let answer = store.rotate_session(id, &replay, revocation("replayed")).await.unwrap();
    let Rotated::Revoked(session) = answer else { panic!("{answer:?}") };
    assert_eq!((session.generation, session.revoked_at), (2, Some(at(31))));
    assert_eq!(store.find_session(id).await.unwrap(), Some(session));
    let entry = log(&*store).await.pop().unwrap();
    assert_eq!(entry, revocation("replayed").at(1));

    let owner = store.rotate_session(id, &presented(2, at(32)), revocation("x")).await.unwrap();
    assert!(matches!(owner, Rotated::Refused(Refusal::Revoked)));
}

pub(crate) async fn replays_at_once_revoke_and_log_once<E: Engine>() {
    let engine = E::start().await;
    let id = started(&*engine.store(), "alice").await.id;
    engine.store().rotate_session(id, &presented(1, at(1)), revocation("x")).await.unwrap();
    let mut callers = JoinSet::new();
    for _ in 0..16 {
        let store = engine.store();
        let replay = presented(1, at(100));
        callers
            .spawn(async move { store.rotate_session(id, &replay, revocation("replayed")).await.unwrap() });
    }
    let answers = callers.join_all().await;
    let revoked = answers.iter().filter(|answer| matches!(answer, Rotated::Revoked(_))).count();
    let refused =
        answers.iter().filter(|answer| matches!(answer, Rotated::Refused(Refusal::Revoked))).count();
    assert_eq!((revoked, refused), (1, 15));
    assert_eq!(logged(&*engine.store()).await, ["replayed"]);
}

pub(crate) async fn a_refusal_changes_nothing<E: Engine>() {
    let engine = E::start().await;
    let store = engine.store();
    let live = started(&*store, "alice").await;
    let mut revoked = session(live.user);
    revoked.revoked_at = Some(NOW);
    let mut idle = session(live.user);
    idle.idle_expires_at = at(10);
    for session in [&revoked, &idle] {
        store.start_session(session).await.unwrap().unwrap();
    }
    let mut stranger = presented(1, at(10));
    stranger.client = "other".parse().unwrap();
    let unknown = session(live.user);
    for (session, presented, want) in [
        (&unknown, presented(1, at(10)), Refusal::Unknown),
        (&revoked, presented(1, at(10)), Refusal::Revoked),
        (&idle, presented(1, at(10)), Refusal::Expired),
        (&live, stranger, Refusal::WrongClient),
        (&live, presented(2, at(10)), Refusal::Ahead),
    ] {
        let before = store.find_session(session.id).await.unwrap();
        let answer = store.rotate_session(session.id, &presented, revocation("x")).await.unwrap();
        assert!(matches!(answer, Rotated::Refused(refusal) if refusal == want), "{want:?}: {answer:?}");
        assert_eq!(store.find_session(session.id).await.unwrap(), before, "{want:?}");
    }
    assert!(log(&*store).await.is_empty());
}

pub(crate) async fn a_rotation_gives_the_user_as_they_are_now<E: Engine>() {
    let engine = E::start().await;
    let store = engine.store();
    let session = started(&*store, "alice").await;
    let change =
        UserChange { roles: Some(roles(&["b", "a"])), disabled: Some(true), ..UserChange::default() };
    let changed = store.change_user(session.user, change, None, Vec::new()).await.unwrap();
    for (generation, name) in [(1, "rotated"), (1, "repeated")] {
        let answer = store.rotate_session(session.id, &presented(generation, at(1)), revocation("x")).await;
        match answer.unwrap() {
            Rotated::Rotated(_, user) | Rotated::Repeated(_, user) => assert_eq!(user, changed, "{name}"),
            other => panic!("{other:?}"),
        }
    }
}

/// Random tokens at random times, the clock stepping back now and then: the row is always where the
/// issuer's rule, applied to a plain value, would have put it.
pub(crate) async fn whatever_is_presented_the_row_follows_the_rule<E: Engine>() {
    let engine = E::start().await;
    let store = engine.store();
    let owner = user("alice");
    store.create_user(&owner).await.unwrap();
    let step = (0_u32..4, -40_i64..200_000, proptest::bool::weighted(0.9), proptest::bool::weighted(0.2));
    let runs = proptest::collection::vec((proptest::bool::ANY, proptest::collection::vec(step, 1..24)), 40);
    for (bound, steps) in runs.new_tree(&mut TestRunner::deterministic()).unwrap().current() {
        let mut model = session(owner.id);
        model.bound = bound;
        store.start_session(&model).await.unwrap().unwrap();
        let mut now = 0;
        for (behind, later, quickly, kept) in steps {
            now += if quickly { later % 60 } else { later };
            let renewal = if kept { Renewal::Keep } else { Renewal::Rotate };
            let generation = (model.generation + 1).saturating_sub(behind);
            let token = Presented { renewal, ..presented(generation, at(now)) };
            let logged = store.last_revocation().await.unwrap();
            let answer = store.rotate_session(model.id, &token, revocation("x")).await.unwrap();
            let decision = decide(&model, &token);
            apply(&mut model, &token.now, decision);
            require_answer(&answer, decision, &model, &owner);
            assert_eq!(store.find_session(model.id).await.unwrap().as_ref(), Some(&model));
            let more = u64::from(decision == Decision::Revoke);
            assert_eq!(store.last_revocation().await.unwrap(), logged + more);
        }
    }
}

fn apply(model: &mut Session, now: &gatepass_jose::Timestamp, decision: Decision) {
    match decision {
        Decision::Rotate(rotation) => {
            model.generation = rotation.generation;
            model.rotated_at = Some(rotation.rotated_at);
            model.idle_expires_at = rotation.idle_expires_at;
        }
        Decision::Extend(idle_expires_at) => model.idle_expires_at = idle_expires_at,
        Decision::Revoke => model.revoked_at = Some(*now),
        Decision::Repeat | Decision::Refuse(_) => {}
    }
}

fn require_answer(answer: &Rotated, decision: Decision, model: &Session, owner: &User) {
    match (answer, decision) {
        (Rotated::Rotated(session, user), Decision::Rotate(_) | Decision::Extend(_))
        | (Rotated::Repeated(session, user), Decision::Repeat) => {
            assert_eq!((session, user), (model, owner));
        }
        (Rotated::Refused(refusal), Decision::Refuse(want)) => assert_eq!(*refusal, want),
        (Rotated::Revoked(session), Decision::Revoke) => assert_eq!(session, model),
        (answer, decision) => panic!("{decision:?} became {answer:?}"),
    }
}

pub(crate) async fn a_session_is_revoked_once<E: Engine>() {
    let engine = E::start().await;
    let store = engine.store();
    let id = started(&*store, "alice").await.id;
    assert!(store.revoke_session(id, at(1), revocation("first")).await.unwrap());
    assert!(!store.revoke_session(id, at(2), revocation("second")).await.unwrap());
    let unknown = session(user("x").id).id;
    assert!(!store.revoke_session(unknown, at(3), revocation("third")).await.unwrap());
    assert_eq!(store.find_session(id).await.unwrap().unwrap().revoked_at, Some(at(1)));
    assert_eq!(logged(&*store).await, ["first"]);
}

pub(crate) async fn live_sessions_are_listed_oldest_first_and_not_endlessly<E: Engine>() {
    let engine = E::start().await;
    let store = engine.store();
    let first = started(&*store, "alice").await;
    let mut ended =
        [session_at(first.user, at(1)), session_at(first.user, at(2)), session_at(first.user, at(3))];
    ended[0].revoked_at = Some(at(4));
    ended[1].idle_expires_at = at(100);
    ended[2].expires_at = at(100);
    let second = session_at(first.user, at(5));
    for session in ended.iter().chain([&second]) {
        store.start_session(session).await.unwrap().unwrap();
    }
    started(&*store, "bob").await;
    let listed = store.list_sessions(first.user, at(100)).await.unwrap();
    assert_eq!(listed, [first.clone(), second]);
    assert!(store.list_sessions(user("x").id, NOW).await.unwrap().is_empty());

    let mut starting = JoinSet::new();
    for n in 0..1000 {
        let (store, session) = (engine.store(), session_at(first.user, at(6 + n)));
        starting.spawn(async move { store.start_session(&session).await.unwrap().unwrap() });
    }
    starting.join_all().await;
    let listed = store.list_sessions(first.user, at(100)).await.unwrap();
    assert_eq!((listed.len(), listed.first()), (1000, Some(&first)));
    assert!(listed.is_sorted_by_key(|session| session.created_at));
}

pub(crate) async fn what_arose_from_a_login_is_listed_newest_first_expired_or_not<E: Engine>() {
    let engine = E::start().await;
    let store = engine.store();
    let login = started(&*store, "alice").await;
    let of = |seconds| Session { login: Some(login.id), ..session_at(login.user, at(seconds)) };
    let mut arisen = [of(1), of(2), of(3)];
    arisen[0].idle_expires_at = at(2);
    let ended = Session { revoked_at: Some(at(5)), ..of(4) };
    let other = Session { login: Some(started(&*store, "bob").await.id), ..of(6) };
    for session in arisen.iter().chain([&ended, &other]) {
        store.start_session(session).await.unwrap().unwrap();
    }
    arisen.reverse();
    assert_eq!(store.list_sessions_of_login(login.user, login.id).await.unwrap(), arisen);
    assert!(store.list_sessions_of_login(user("x").id, login.id).await.unwrap().is_empty());
}

pub(crate) async fn sessions_end_by_user_client_or_all_in_one_step<E: Engine>() {
    let cases = [
        ("user", [true, true, false, false]),
        ("client", [false, true, true, false]),
        ("everybody", [true, true, true, false]),
    ];
    for (name, want) in cases {
        let engine = E::start().await;
        let store = engine.store();
        let sessions = four_sessions(&*store).await;
        let whose = match name {
            "user" => Whose::User(sessions[0].user),
            "client" => Whose::Client(sessions[1].client.clone()),
            _ => Whose::Everybody,
        };
        store.end_sessions(&whose, at(10), revocation(name)).await.unwrap();
        for (session, ended) in sessions.iter().zip(want) {
            let now = store.find_session(session.id).await.unwrap().unwrap();
            let want = if ended { Some(at(10)) } else { session.revoked_at };
            assert_eq!(now.revoked_at, want, "{name}");
        }
        assert_eq!(logged(&*store).await, [name]);
    }
}

/// Alice's in our app, Alice's and Bob's in another, and Bob's there that has ended.
async fn four_sessions(store: &dyn Store) -> [Session; 4] {
    let mut sessions: Vec<Session> = Vec::new();
    let (alice, bob) = (user("alice"), user("bob"));
    for user in [&alice, &bob] {
        store.create_user(user).await.unwrap();
    }
    for (user, client) in [(&alice, "first-party"), (&alice, "other"), (&bob, "other"), (&bob, "other")] {
        let mut session = session(user.id);
        session.client = client.parse().unwrap();
        sessions.push(session);
    }
    sessions[3].revoked_at = Some(at(5));
    for session in &sessions {
        store.start_session(session).await.unwrap().unwrap();
    }
    sessions.try_into().unwrap()
}
