use gatepass_issuer::code::{AuthorizationCode, CodeDigest, CodeRefusal, PresentedCode};
use gatepass_issuer::id::{ClientId, SessionId};
use gatepass_issuer::session::Session;
use gatepass_issuer::store::{EndSessions, Redeemed, Store, UserChange};
use gatepass_issuer::{Binding, GrantedResources, Jkt};
use tokio::task::JoinSet;

use super::Engine;
use super::sample::*;

/// A login of a new user.
pub(super) async fn login(store: &dyn Store, name: &str) -> Session {
    let owner = user(name);
    store.create_user(&owner).await.unwrap();
    let login = Session { client: ClientId::sign_on(), ..session(owner.id) };
    store.start_login(&login, None).await.unwrap().unwrap();
    login
}

pub(super) fn code(login: &Session, digest: u8) -> AuthorizationCode {
    AuthorizationCode {
        digest: CodeDigest([digest; 32]),
        client: "web".parse().unwrap(),
        redirect_uri: "https://app.example.com/callback".into(),
        challenge: None,
        jkt: Some(Jkt([1; 32])),
        user: login.user,
        login: login.id,
        scope: "openid".parse().unwrap(),
        authorization_details: serde_json::from_str(r#"[{"type":"payment","amount":"5.00"}]"#).unwrap(),
        claims: serde_json::from_str(r#"{"id_token":["preferred_username"]}"#).unwrap(),
        resources: GrantedResources {
            first: "https://api.example.com".into(),
            more: vec!["größer \"".into()],
        },
        nonce: Some("größer \"n\"".into()),
        expires_at: at(60),
        used_at: None,
        session: None,
    }
}

pub(super) fn shown() -> PresentedCode {
    PresentedCode {
        client: "web".parse().unwrap(),
        confidential: true,
        may_refresh: true,
        redirect_uri: Some("https://app.example.com/callback".into()),
        verifier: None,
        resource: None,
        authorization_details: None,
        binding: Binding::dpop(Some(Jkt([1; 32]))),
        session: SessionId::new(NOW, unique()),
        now: at(1),
        policy: Default::default(),
        access_token_lifetime: std::time::Duration::from_secs(900),
        subjects: Default::default(),
    }
}

pub(crate) async fn a_code_gives_its_session_once<E: Engine>() {
    let engine = E::start().await;
    let store = engine.store();
    let login = login(&*store, "alice").await;
    let kept = code(&login, 1);
    store.keep_code(&kept).await.unwrap();
    let presented = shown();
    let redeemed = store.redeem_code(kept.digest, &presented, revocation("")).await.unwrap();
    let Redeemed::Given(given, session, user) = redeemed else { panic!("{redeemed:?}") };
    assert_eq!((session.id, session.login, user.id), (presented.session, Some(login.id), login.user));
    assert_eq!(*given, AuthorizationCode { used_at: Some(at(1)), session: Some(session.id), ..kept.clone() });
    assert_eq!(store.find_session(session.id).await.unwrap().as_ref(), Some(&*session));
    assert!(log(&*store).await.is_empty());

    let again = store.redeem_code(kept.digest, &shown(), revocation("")).await.unwrap();
    assert!(matches!(again, Redeemed::Replayed(Some(id)) if id == session.id), "{again:?}");
    assert!(store.find_session(session.id).await.unwrap().unwrap().revoked_at.is_some());
    assert_eq!(logged(&*store).await, [session.id.to_string()]);
    store.redeem_code(kept.digest, &shown(), revocation("")).await.unwrap();
    assert_eq!(log(&*store).await.len(), 1, "it had ended before");

    let unknown = store.redeem_code(CodeDigest([9; 32]), &shown(), revocation("")).await.unwrap();
    assert!(matches!(unknown, Redeemed::Unknown), "{unknown:?}");
}

pub(crate) async fn a_code_is_given_once_under_a_race<E: Engine>() {
    let engine = E::start().await;
    let login = login(&*engine.store(), "alice").await;
    engine.store().keep_code(&code(&login, 1)).await.unwrap();
    let mut racing = JoinSet::new();
    for _ in 0..16 {
        let store = engine.store();
        racing.spawn(async move { store.redeem_code(CodeDigest([1; 32]), &shown(), revocation("")).await });
    }
    let outcomes = racing.join_all().await;
    let given = outcomes.iter().filter(|outcome| matches!(outcome, Ok(Redeemed::Given(..)))).count();
    let replayed =
        outcomes.iter().filter(|outcome| matches!(outcome, Ok(Redeemed::Replayed(Some(_))))).count();
    assert_eq!((given, replayed), (1, 15));
    assert_eq!(logged(&*engine.store()).await.len(), 1);
}

pub(crate) async fn a_refused_code_is_used_up<E: Engine>() {
    let engine = E::start().await;
    let store = engine.store();
    let login = login(&*store, "alice").await;
    store.keep_code(&code(&login, 1)).await.unwrap();
    let thief = PresentedCode { client: "evil".parse().unwrap(), ..shown() };
    let refused = store.redeem_code(CodeDigest([1; 32]), &thief, revocation("")).await.unwrap();
    assert!(matches!(refused, Redeemed::Refused(CodeRefusal::WrongClient)), "{refused:?}");
    let late = store.redeem_code(CodeDigest([1; 32]), &shown(), revocation("")).await.unwrap();
    assert!(matches!(late, Redeemed::Replayed(None)), "{late:?}");

    store.keep_code(&code(&login, 2)).await.unwrap();
    let disabled = UserChange { disabled: Some(true), ..UserChange::default() };
    let ended = EndSessions { at: at(1), except: None };
    store.change_user(login.user, disabled, Some(ended), Vec::new()).await.unwrap();
    let gone = store.redeem_code(CodeDigest([2; 32]), &shown(), revocation("")).await.unwrap();
    assert!(matches!(gone, Redeemed::Refused(CodeRefusal::LoginEnded)), "{gone:?}");
    assert!(store.list_sessions(login.user, at(1)).await.unwrap().is_empty());
    assert!(log(&*store).await.is_empty());
}

pub(crate) async fn codes_are_forgotten_when_their_time_has_come<E: Engine>() {
    let engine = E::start().await;
    let store = engine.store();
    let login = login(&*store, "alice").await;
    for (digest, expires_at) in [(1, at(9)), (2, at(10))] {
        store.keep_code(&AuthorizationCode { expires_at, ..code(&login, digest) }).await.unwrap();
    }
    assert_eq!(store.forget_codes(at(10), 100).await.unwrap(), 1);
    for (digest, stays) in [(1, false), (2, true)] {
        let redeemed = store.redeem_code(CodeDigest([digest; 32]), &shown(), revocation("")).await.unwrap();
        assert_eq!(!matches!(redeemed, Redeemed::Unknown), stays, "{digest}: {redeemed:?}");
    }
}

pub(crate) async fn a_login_ends_with_what_hangs_on_it<E: Engine>() {
    let engine = E::start().await;
    let store = engine.store();
    let login = login(&*store, "alice").await;
    let of = |scope: &str, from| Session {
        login: from,
        scope: Some(scope.parse().unwrap()),
        client: "web".parse().unwrap(),
        ..session(login.user)
    };
    let hanging = of("openid", Some(login.id));
    let offline = of("openid offline_access", Some(login.id));
    let other = of("openid", None);
    for session in [&hanging, &offline, &other] {
        store.start_session(session).await.unwrap().unwrap();
    }
    assert!(store.revoke_session(login.id, at(5), revocation("login")).await.unwrap());
    let mut logged = logged(&*store).await;
    logged.sort();
    let mut want = ["login".to_owned(), hanging.id.to_string()];
    want.sort();
    assert_eq!(logged, want);
    for (name, id, lives) in [
        ("login", login.id, false),
        ("hanging", hanging.id, false),
        ("offline", offline.id, true),
        ("other", other.id, true),
    ] {
        assert_eq!(store.find_session(id).await.unwrap().unwrap().is_live(at(6)), lives, "{name}");
    }
}

pub(crate) async fn a_new_login_takes_over_from_the_last<E: Engine>() {
    let engine = E::start().await;
    let store = engine.store();
    let first = login(&*store, "alice").await;
    let stranger = login(&*store, "bob").await;
    let hanging = Session { login: Some(first.id), client: "web".parse().unwrap(), ..session(first.user) };
    store.start_session(&hanging).await.unwrap().unwrap();
    let next = Session { client: ClientId::sign_on(), ..session(first.user) };
    store.start_login(&next, Some(first.id)).await.unwrap().unwrap();
    let find = async |id| store.find_session(id).await.unwrap().unwrap();
    assert!(find(first.id).await.revoked_at.is_some());
    assert_eq!(find(hanging.id).await.login, Some(next.id));
    assert!(find(hanging.id).await.is_live(at(1)));

    let last = Session { client: ClientId::sign_on(), ..session(first.user) };
    store.start_login(&last, Some(stranger.id)).await.unwrap().unwrap();
    assert!(find(stranger.id).await.is_live(at(1)), "another user's login is nobody's to end");

    store.extend_session(last.id, at(99)).await.unwrap();
    store.extend_session(first.id, at(99)).await.unwrap();
    assert_eq!(find(last.id).await.idle_expires_at, at(99));
    assert_ne!(find(first.id).await.idle_expires_at, at(99), "it had ended");
}
