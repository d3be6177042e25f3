use gatepass_issuer::store::ChangeError;
use tokio::task::JoinSet;

use super::Engine;
use super::sample::*;

pub(crate) async fn a_failing_operation_does_not_spoil_its_neighbours<E: Engine>() {
    let engine = E::start().await;
    let store = engine.store();
    let twice = started(&*store, "alice").await;
    let mut callers = JoinSet::new();
    for n in 0..64 {
        let (store, twice) = (engine.store(), twice.clone());
        callers.spawn(async move {
            match n % 4 {
                0 => assert!(store.start_session(&twice).await.is_err(), "the id is taken"),
                1 => assert!(matches!(store.create_user(&user("alice")).await, Err(ChangeError::Exists))),
                2 => assert!(store.start_session(&session(twice.user)).await.unwrap().is_some()),
                _ => store.create_user(&user(&format!("user {n}"))).await.unwrap(),
            }
        });
    }
    callers.join_all().await;
    assert_eq!(store.list_sessions(twice.user, NOW).await.unwrap().len(), 17);
    let everybody = gatepass_issuer::store::Page { after: None, limit: 100 };
    assert_eq!(store.list_users(everybody).await.unwrap().len(), 17);
}

pub(crate) async fn what_was_answered_is_there_after_a_restart<E: Engine>() {
    let mut engine = E::start().await;
    let store = engine.store();
    let session = started(&*store, "alice").await;
    store.rotate_session(session.id, &presented(1, at(1)), revocation("x")).await.unwrap();
    store.create_client(&client("web")).await.unwrap();
    store.put_role(&super::roles::role("clerk", "a"), for_holder()).await.unwrap();
    store.save_keys(&[key("k")], &[], vec![revocation("y")]).await.unwrap();
    drop(store);

    engine.restart().await;
    let store = engine.store();
    assert_eq!(store.find_session(session.id).await.unwrap().unwrap().generation, 2);
    assert_eq!(store.find_user_by_name(&"alice".parse().unwrap()).await.unwrap().unwrap().id, session.user);
    assert!(store.find_client(&"web".parse().unwrap()).await.unwrap().is_some());
    assert_eq!(store.list_roles().await.unwrap().len(), 1);
    assert_eq!(store.list_keys().await.unwrap(), [key("k")]);
    assert_eq!(logged(&*store).await, ["y"]);
}
