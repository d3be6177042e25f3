use gatepass_issuer::code::{AuthorizationCode, PresentedCode};
use gatepass_issuer::consent::Consent;
use gatepass_issuer::id::UserId;
use gatepass_issuer::session::Session;
use gatepass_issuer::store::Redeemed;

use super::sample::*;
use super::{Engine, codes};

fn consent(user: UserId, client: &str, resource: &str, scope: &str) -> Consent {
    Consent {
        user,
        client: client.parse().unwrap(),
        resource: Some(resource.to_owned()),
        scope: scope.parse().unwrap(),
        given_at: NOW,
    }
}

pub(crate) async fn consents_are_joined_and_listed<E: Engine>() {
    let engine = E::start().await;
    let store = engine.store();
    let (alice, bob) = (user("alice"), user("bob"));
    for user in [&alice, &bob] {
        store.create_user(user).await.unwrap();
    }
    let later = Consent { given_at: at(60), ..consent(alice.id, "web", "b", "b c") };
    let anywhere = Consent { resource: None, ..consent(alice.id, "web", "", "z") };
    let given = [
        vec![consent(alice.id, "web", "b", "a b"), consent(alice.id, "web", "a", "a b")],
        vec![later],
        vec![consent(alice.id, "app", "a", "a")],
        vec![consent(bob.id, "web", "a", "")],
        vec![anywhere.clone()],
        vec![],
    ];
    for given in given {
        store.give_consents(given).await.unwrap();
    }
    let of_web = [anywhere, consent(alice.id, "web", "a", "a b"), consent(alice.id, "web", "b", "a b c")];
    assert_eq!(store.find_consents(alice.id, &"web".parse().unwrap()).await.unwrap(), of_web);
    let all: Vec<_> = [consent(alice.id, "app", "a", "a")].into_iter().chain(of_web).collect();
    assert_eq!(store.list_consents(alice.id).await.unwrap(), all);
    assert!(store.find_consents(bob.id, &"app".parse().unwrap()).await.unwrap().is_empty());
}

pub(crate) async fn a_withdrawn_consent_ends_the_clients_sessions_in_one_step<E: Engine>() {
    let engine = E::start().await;
    let store = engine.store();
    let alice = user("alice");
    store.create_user(&alice).await.unwrap();
    let of = |client: &str| Session { client: client.parse().unwrap(), ..session(alice.id) };
    let (web, app) = (of("web"), of("app"));
    for session in [&web, &app] {
        store.start_session(session).await.unwrap().unwrap();
    }
    let given = ["a", "b"].map(|resource| consent(alice.id, "web", resource, "a"));
    store.give_consents(given.to_vec()).await.unwrap();
    assert!(store.withdraw_consent(alice.id, &web.client, at(5), revocation("")).await.unwrap());
    assert_eq!(logged(&*store).await, [web.id.to_string()]);
    assert!(store.list_consents(alice.id).await.unwrap().is_empty());
    let live: Vec<_> =
        store.list_sessions(alice.id, at(6)).await.unwrap().iter().map(|live| live.id).collect();
    assert_eq!(live, [app.id]);
    assert!(!store.withdraw_consent(alice.id, &web.client, at(6), revocation("")).await.unwrap());
    assert_eq!(log(&*store).await.len(), 1);
}

pub(crate) async fn what_was_allowed_and_not_fetched_goes_with_the_consent<E: Engine>() {
    let engine = E::start().await;
    let store = engine.store();
    let login = codes::login(&*store, "alice").await;
    let (code, other) = (codes::code(&login, 1), codes::code(&login, 2));
    let other = AuthorizationCode { client: "app".parse().unwrap(), ..other };
    for code in [&code, &other] {
        store.keep_code(code).await.unwrap();
    }
    store.withdraw_consent(login.user, &code.client, at(1), revocation("")).await.unwrap();
    let gone = store.redeem_code(code.digest, &codes::shown(), revocation("")).await.unwrap();
    assert!(matches!(gone, Redeemed::Unknown), "{gone:?}");
    let shown = PresentedCode { client: other.client.clone(), ..codes::shown() };
    let kept = store.redeem_code(other.digest, &shown, revocation("")).await.unwrap();
    assert!(matches!(kept, Redeemed::Given(..)), "{kept:?}");
}
