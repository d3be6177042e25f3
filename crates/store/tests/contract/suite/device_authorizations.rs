use gatepass_issuer::code::PresentedCode;
use gatepass_issuer::device::{
    Allowed, DeviceAnswer, DeviceAuthorization, DeviceCodeDigest, DeviceRefusal, DeviceState, UserCodeDigest,
};
use gatepass_issuer::id::{ClientId, SessionId};
use gatepass_issuer::session::Session;
use gatepass_issuer::store::{RedeemedDevice, Store};
use gatepass_issuer::{Binding, GrantedResources};
use tokio::task::JoinSet;

use super::Engine;
use super::sample::*;

fn asked(name: u8) -> DeviceAuthorization {
    DeviceAuthorization {
        digest: DeviceCodeDigest([name; 32]),
        user_code: UserCodeDigest([name + 100; 32]),
        client: "tv".parse().unwrap(),
        scope: "openid orders:read".parse().unwrap(),
        authorization_details: serde_json::from_str(r#"[{"type":"payment"}]"#).unwrap(),
        resources: GrantedResources { first: "https://api.example.com".into(), more: vec!["b".into()] },
        expires_at: at(600),
        state: DeviceState::Pending,
    }
}

async fn allow(store: &dyn Store, name: &str) -> Allowed {
    let owner = user(name);
    store.create_user(&owner).await.unwrap();
    let login = Session { client: ClientId::sign_on(), ..session(owner.id) };
    store.start_login(&login, None).await.unwrap().unwrap();
    Allowed { user: owner.id, login: login.id }
}

fn shown() -> PresentedCode {
    PresentedCode {
        client: "tv".parse().unwrap(),
        confidential: false,
        may_refresh: true,
        redirect_uri: None,
        verifier: None,
        resource: None,
        authorization_details: None,
        binding: Binding::default(),
        session: SessionId::new(NOW, unique()),
        now: at(9),
        policy: Default::default(),
        access_token_lifetime: std::time::Duration::from_secs(900),
        subjects: Default::default(),
    }
}

pub(crate) async fn a_device_is_found_by_either_code_and_answered_once<E: Engine>() {
    let mut engine = E::start().await;
    let store = engine.store();
    let (first, second) = (asked(1), asked(2));
    assert!(store.keep_device_authorization(&first).await.unwrap());
    assert!(store.keep_device_authorization(&second).await.unwrap());
    let same_code = DeviceAuthorization { user_code: first.user_code, ..asked(3) };
    assert!(!store.keep_device_authorization(&same_code).await.unwrap(), "the user code is taken");
    assert_eq!(store.find_device_authorization(same_code.digest).await.unwrap(), None);
    drop(store);
    engine.restart().await;
    let store = engine.store();
    assert_eq!(store.find_device_authorization(first.digest).await.unwrap().as_ref(), Some(&first));
    let by_user_code = store.find_device_authorization_by_user_code(second.user_code).await.unwrap();
    assert_eq!(by_user_code.as_ref(), Some(&second));

    let allowed = allow(&*store, "alice").await;
    let yes = DeviceAnswer::Allow(allowed.clone());
    assert!(!store.answer_device_authorization(first.user_code, &yes, at(600)).await.unwrap(), "too late");
    assert!(store.answer_device_authorization(first.user_code, &yes, at(599)).await.unwrap());
    assert!(!store.answer_device_authorization(first.user_code, &DeviceAnswer::Deny, at(1)).await.unwrap());
    assert!(store.answer_device_authorization(second.user_code, &DeviceAnswer::Deny, at(1)).await.unwrap());
    assert!(!store.answer_device_authorization(second.user_code, &yes, at(1)).await.unwrap());
    for (digest, state) in
        [(first.digest, DeviceState::Allowed(allowed)), (second.digest, DeviceState::Denied)]
    {
        assert_eq!(store.find_device_authorization(digest).await.unwrap().unwrap().state, state);
    }
}

pub(crate) async fn a_device_code_gives_its_session_once_under_a_race<E: Engine>() {
    let engine = E::start().await;
    let store = engine.store();
    let kept = asked(1);
    store.keep_device_authorization(&kept).await.unwrap();
    let early = store.redeem_device_authorization(kept.digest, &shown(), revocation("")).await.unwrap();
    assert!(matches!(early, RedeemedDevice::Refused(DeviceRefusal::Pending)), "{early:?}");
    let allowed = allow(&*store, "alice").await;
    let yes = DeviceAnswer::Allow(allowed.clone());
    store.answer_device_authorization(kept.user_code, &yes, at(1)).await.unwrap();
    let thief = PresentedCode { client: "evil".parse().unwrap(), ..shown() };
    let refused = store.redeem_device_authorization(kept.digest, &thief, revocation("")).await.unwrap();
    assert!(matches!(refused, RedeemedDevice::Refused(DeviceRefusal::WrongClient)), "{refused:?}");

    let mut racing = JoinSet::new();
    for _ in 0..16 {
        let store = engine.store();
        racing.spawn(async move {
            store.redeem_device_authorization(DeviceCodeDigest([1; 32]), &shown(), revocation("")).await
        });
    }
    let outcomes = racing.join_all().await;
    let given = outcomes.iter().filter_map(|outcome| match outcome {
        Ok(RedeemedDevice::Given(session, user)) => Some((session.id, user.id)),
        _ => None,
    });
    let given: Vec<_> = given.collect();
    let [(session, user)] = given.as_slice() else { panic!("{outcomes:?}") };
    assert_eq!(*user, allowed.user);
    let replayed = |outcome: &&Result<RedeemedDevice, _>| matches!(outcome, Ok(RedeemedDevice::Replayed(Some(id))) if id == session);
    assert_eq!(outcomes.iter().filter(replayed).count(), 15);
    assert_eq!(logged(&*store).await, [session.to_string()], "once");
    assert!(store.find_session(*session).await.unwrap().unwrap().revoked_at.is_some());
    let nobody = DeviceCodeDigest([9; 32]);
    let unknown = store.redeem_device_authorization(nobody, &shown(), revocation("")).await.unwrap();
    assert!(matches!(unknown, RedeemedDevice::Unknown), "{unknown:?}");
}

pub(crate) async fn devices_are_forgotten_when_their_time_has_come<E: Engine>() {
    let engine = E::start().await;
    let store = engine.store();
    let kept = [(1, 58), (2, 59), (3, 60)]
        .map(|(name, expires_in)| DeviceAuthorization { expires_at: at(expires_in), ..asked(name) });
    for asked in &kept {
        store.keep_device_authorization(asked).await.unwrap();
    }
    let left = async || {
        let mut left = Vec::new();
        for (number, asked) in kept.iter().enumerate() {
            let found = store.find_device_authorization(asked.digest).await.unwrap();
            left.extend(found.map(|_| number));
        }
        left
    };
    assert_eq!(store.forget_device_authorizations(at(60), 1).await.unwrap(), 1);
    assert_eq!(left().await.len(), 2, "no more at once than was asked");
    assert_eq!(store.forget_device_authorizations(at(60), 10).await.unwrap(), 1);
    assert_eq!(left().await, [2]);
}
