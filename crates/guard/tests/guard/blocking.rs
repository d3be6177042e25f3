//! A guard without async around it, against the same issuer.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use gatepass_guard::{IssuerConfig, StartError, WhenStale, blocking};

use crate::issuer::{Issuer, inline, new_key};

/// An issuer on a runtime of its own, as it would be on a machine of its own.
fn issuer() -> (tokio::runtime::Runtime, Arc<Issuer>) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let issuer = runtime.block_on(Issuer::start());
    (runtime, issuer)
}

#[test]
fn threads_verify_tokens_and_wait_for_keys() {
    let (_runtime, issuer) = issuer();
    let refetch_interval = Duration::ZERO;
    let guard = blocking::Guard::start([IssuerConfig { refetch_interval, ..issuer.config() }]).unwrap();
    guard.ready();
    assert_eq!(guard.verify("a.b.c").unwrap_err().check(), "malformed");
    // Its key has to be fetched first, whichever thread comes first.
    issuer.keys.lock().unwrap().push(new_key("k2"));
    let token = issuer.token();
    let threads: Vec<_> = (0..8)
        .map(|_| {
            let (guard, token) = (guard.clone(), token.clone());
            std::thread::spawn(move || guard.verify(&token).map(|admitted| admitted.sub.clone()))
        })
        .collect();
    for thread in threads {
        assert_eq!(thread.join().unwrap(), Ok("ann".to_owned()));
    }
    assert_eq!(guard.status().issuers[0].keys, 2);
}

#[test]
fn a_guard_is_used_and_dropped_where_another_runtime_is_at_work() {
    let (runtime, issuer) = issuer();
    runtime.block_on(async {
        let guard = blocking::Guard::start([inline(&issuer)]).unwrap();
        assert!(guard.verify(&issuer.token()).is_ok());
        drop(guard);
    });
}

#[test]
fn the_thread_ends_with_the_last_clone() {
    let (_runtime, issuer) = issuer();
    let followed = issuer.followed(Duration::from_secs(60), WhenStale::Deny);
    let guard = blocking::Guard::start([followed]).unwrap();
    guard.ready();
    let listens = || issuer.cut.receiver_count() > 0;
    let wait_until = |what: &str, is_so: &dyn Fn() -> bool| {
        let tries = (0..4_000).any(|_| {
            std::thread::sleep(Duration::from_millis(5));
            is_so()
        });
        assert!(tries, "after 20 s it is still not so that {what}");
    };
    wait_until("the stream is followed", &listens);
    let clone = guard.clone();
    drop(guard);
    assert!(clone.verify(&issuer.token()).is_ok());
    drop(clone);
    wait_until("nobody listens", &|| !listens());
}

#[test]
fn a_configuration_that_leaves_something_open_does_not_start() {
    assert!(matches!(blocking::Guard::start([]), Err(StartError::NoIssuer)));
    let (_runtime, issuer) = issuer();
    issuer.down.store(true, Ordering::SeqCst);
    let guard = blocking::Guard::start([issuer.config()]).unwrap();
    assert_eq!(guard.verify(&issuer.token()).unwrap_err().status(), 503);
}
