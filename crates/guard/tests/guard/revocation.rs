use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use gatepass_guard::{
    Alg, ClientSecret, Denied, Feed, Guard, Introspection, IssuerConfig, KeySource, Kind, OnStale, Reason,
    Revocation, Revoked, WhenStale,
};
use gatepass_jose::{SecretKey, SigningKey, Typ, jwt};
use gatepass_revocation::LogId;
use gatepass_token::shared_secret_kid;

use crate::issuer::{Asked, CLIENT, Issuer, eventually, guard, new_key, now};

const LONG: Duration = Duration::from_secs(3_600);

fn introspection() -> Introspection {
    let (client_id, secret) = CLIENT;
    Introspection { endpoint: None, client_id: client_id.into(), client_secret: ClientSecret::new(secret) }
}

async fn revoked(guard: &Guard, token: &str) -> Option<Revoked> {
    match guard.verify(token).await {
        Err(Denied::Revoked(revoked)) => Some(revoked),
        _ => None,
    }
}

/// Waits until every entry of the log has arrived and is proven to be all there is.
async fn in_step(guard: &Guard, seq: u64) {
    eventually("the view is complete", async || {
        let view = guard.status().issuers[0].revocation.clone().unwrap();
        view.seq == seq && view.connected && view.staleness.unwrap() < Duration::from_millis(500)
    })
    .await;
}

#[tokio::test]
async fn a_revocation_arrives_and_refuses_what_it_names() {
    let issuer = Issuer::start().await;
    issuer.revoke(Kind::Session, "before-the-start", Reason::LOGOUT);
    let guard = guard([issuer.followed(LONG, WhenStale::Allow)]).await;
    let early = issuer.token_with("sid", "before-the-start");
    assert_eq!(revoked(&guard, &early).await, Some(Revoked { kind: Kind::Session, reason: Reason::LOGOUT }));
    in_step(&guard, 1).await;

    let token = issuer.token();
    assert!(guard.verify(&token).await.is_ok());
    let cases = [
        (Kind::Session, "s1", Reason::LOGOUT, "revoked"),
        (Kind::Client, "web", Reason::DISABLED, "revoked"),
        (Kind::Subject, "ann", Reason::CLAIMS_CHANGED, "claims-changed"),
        (Kind::All, "", Reason::ADMIN, "revoked"),
    ];
    // Each of them is wider than the one before, so that it is the one that is named.
    let order = [0, 2, 1, 3];
    for case in order {
        let (kind, id, reason, code) = &cases[case];
        issuer.revoke(*kind, id, reason.clone());
        let want = Some(Revoked { kind: *kind, reason: reason.clone() });
        eventually("the token is refused", async || revoked(&guard, &token).await == want).await;
        assert_eq!(guard.verify(&token).await.unwrap_err().code(), *code);
    }
    assert_eq!(Asked::count(&issuer.asked.snapshot), 1);
}

#[tokio::test]
async fn a_secret_is_revoked_by_its_name_whatever_its_tokens_call_it() {
    let issuer = Issuer::start().await;
    let [old, new] = std::array::from_fn(|_| SecretKey::generate().unwrap());
    let keys = KeySource::Secret { alg: Alg::HS256, secret: new.clone(), previous: Some(old.clone()) };
    let guard = guard([IssuerConfig { keys, ..issuer.followed(LONG, WhenStale::Allow) }]).await;
    let token = |kid: &str, secret: &SecretKey| {
        let key = SigningKey::from_secret(Alg::HS256, kid, secret).unwrap();
        jwt::sign(&Typ::ACCESS_TOKEN, &issuer.claims(), &key).unwrap()
    };
    let leaked = shared_secret_kid(&old);
    let honest = token(&leaked, &old);
    let of_a_thief = ["zzz", &shared_secret_kid(&new)].map(|kid| token(kid, &old));
    let new = token(&shared_secret_kid(&new), &new);
    for token in of_a_thief.iter().chain([&honest, &new]) {
        guard.verify(token).await.unwrap();
    }
    issuer.revoke(Kind::Key, &leaked, Reason::KEY_COMPROMISED);
    let want = Some(Revoked { kind: Kind::Key, reason: Reason::KEY_COMPROMISED });
    eventually("the token is refused", async || revoked(&guard, &honest).await == want).await;
    for token in &of_a_thief {
        assert_eq!(revoked(&guard, token).await, want, "whatever it calls the secret");
    }
    assert!(guard.verify(&new).await.is_ok());
}

#[tokio::test]
async fn a_lost_entry_shows_and_is_made_up_for() {
    let issuer = Issuer::start().await;
    let guard = guard([issuer.followed(LONG, WhenStale::Allow)]).await;
    in_step(&guard, 0).await;
    let token = issuer.token();
    issuer.revoke_untold(Kind::Session, "s1", Reason::LOGOUT);
    // The next heartbeat gives it away.
    eventually("the token is refused", async || revoked(&guard, &token).await.is_some()).await;
    assert_eq!(Asked::count(&issuer.asked.snapshot), 2);
    in_step(&guard, 1).await;
    issuer.revoke(Kind::Subject, "ann", Reason::DISABLED);
    eventually("the stream goes on", async || {
        revoked(&guard, &token).await.is_some_and(|revoked| revoked.kind == Kind::Subject)
    })
    .await;
}

#[tokio::test]
async fn a_stream_that_ends_is_taken_up_where_it_was() {
    let issuer = Issuer::start().await;
    issuer.revoke(Kind::Session, "s0", Reason::LOGOUT);
    let guard = guard([issuer.followed(LONG, WhenStale::Allow)]).await;
    in_step(&guard, 1).await;
    issuer.revoke_untold(Kind::Session, "s1", Reason::LOGOUT);
    issuer.cut.send(()).unwrap();
    in_step(&guard, 2).await;
    assert!(revoked(&guard, &issuer.token()).await.is_some());
    assert!(issuer.asked.last_event_id.load(Ordering::SeqCst) >= 1);
}

/// A restored backup that has as many entries again when the guard comes back, but others.
#[tokio::test]
async fn another_log_of_the_same_length_is_told_apart() {
    let issuer = Issuer::start().await;
    let guard = guard([issuer.followed(LONG, WhenStale::Allow)]).await;
    for session in ["s7", "s8"] {
        issuer.revoke(Kind::Session, session, Reason::LOGOUT);
    }
    in_step(&guard, 2).await;
    issuer.down.store(true, Ordering::SeqCst);
    issuer.cut.send(()).unwrap();
    issuer.restore(1);
    issuer.revoke_untold(Kind::Session, "s1", Reason::LOGOUT);
    *issuer.log_id.lock().unwrap() = Some(LogId::new([2; 16]));
    issuer.down.store(false, Ordering::SeqCst);
    eventually("its entry is known", async || revoked(&guard, &issuer.token()).await.is_some()).await;
    let lost = issuer.token_with("sid", "s8");
    assert!(revoked(&guard, &lost).await.is_some(), "what was revoked stays so");
    in_step(&guard, 2).await;
}

#[tokio::test]
async fn a_silent_stream_is_opened_again() {
    let issuer = Issuer::start().await;
    let guard = guard([issuer.followed(LONG, WhenStale::Allow)]).await;
    in_step(&guard, 0).await;
    let opened = Asked::count(&issuer.asked.stream);
    issuer.silent.store(true, Ordering::SeqCst);
    eventually("the stream is opened again", async || Asked::count(&issuer.asked.stream) > opened).await;
    let staleness = guard.status().issuers[0].revocation.clone().unwrap().staleness.unwrap();
    assert!(staleness >= Duration::from_secs(2), "{staleness:?} after three silent seconds");
    issuer.silent.store(false, Ordering::SeqCst);
    in_step(&guard, 0).await;
}

#[tokio::test]
async fn a_stale_view_does_what_the_operator_chose() {
    let after = Duration::from_millis(700);
    let issuer = Issuer::start().await;
    let allows = guard([issuer.followed(after, WhenStale::Allow)]).await;
    let denies = guard([issuer.followed(after, WhenStale::Deny)]).await;
    let asks = guard([issuer.followed(after, WhenStale::Introspect(introspection()))]).await;
    let token = issuer.token();
    for guard in [&allows, &denies, &asks] {
        eventually("the view is fresh", async || guard.verify(&token).await.is_ok()).await;
    }
    assert_eq!(Asked::count(&issuer.asked.introspection), 0, "nobody asks while the view is fresh");

    issuer.silent.store(true, Ordering::SeqCst);
    eventually("tokens are refused", async || {
        matches!(denies.verify(&token).await, Err(Denied::Stale(Some(staleness))) if staleness > after)
    })
    .await;
    assert!(allows.verify(&token).await.is_ok());
    issuer.inactive.store(true, Ordering::SeqCst);
    eventually("the issuer is asked", async || asks.verify(&token).await.err() == Some(Denied::Inactive))
        .await;
    // Not asked before and not to be asked now.
    issuer.introspection_down.store(true, Ordering::SeqCst);
    let other = issuer.token_with("sub", "bob");
    assert_eq!(asks.verify(&other).await.unwrap_err().check(), "introspection");

    issuer.silent.store(false, Ordering::SeqCst);
    for guard in [&allows, &denies, &asks] {
        eventually("the view is fresh again", async || guard.verify(&token).await.is_ok()).await;
    }
}

#[tokio::test]
async fn before_the_first_snapshot_a_view_is_stale() {
    let issuer = Issuer::start().await;
    *issuer.snapshot_key.lock().unwrap() = Some(new_key("k1"));
    let token = issuer.token();
    let denies = Guard::start([issuer.followed(LONG, WhenStale::Deny)]).await.unwrap();
    eventually("keys are there and revocations are not", async || {
        denies.verify(&token).await.err() == Some(Denied::Stale(None))
    })
    .await;
    eventually("the forged snapshot was refused", async || Asked::count(&issuer.asked.snapshot) > 1).await;
    assert_eq!(denies.verify(&token).await.err(), Some(Denied::Stale(None)));

    *issuer.snapshot_key.lock().unwrap() = None;
    eventually("the good one is loaded", async || denies.verify(&token).await.is_ok()).await;
}

#[tokio::test]
async fn a_revoked_key_is_refused_and_never_comes_back() {
    let issuer = Issuer::start().await;
    issuer.keys.lock().unwrap().insert(0, new_key("k2"));
    let guard = guard([issuer.followed(LONG, WhenStale::Allow)]).await;
    in_step(&guard, 0).await;
    let stolen = issuer.token();
    assert_eq!(guard.verify(&stolen).await.unwrap().kid(), Some("k1"));

    issuer.revoke(Kind::Key, "k1", Reason::KEY_COMPROMISED);
    let want = Some(Revoked { kind: Kind::Key, reason: Reason::KEY_COMPROMISED });
    eventually("its tokens are refused", async || revoked(&guard, &stolen).await == want).await;
    eventually("it is out of the set", async || guard.status().issuers[0].keys == 1).await;
    let minted_later = issuer.token_with("iat", 4_000_000_000_i64);
    assert_eq!(revoked(&guard, &minted_later).await, want, "whoever stole the key writes any `iat`");

    // The issuer still publishes it; nevertheless it is not taken up again.
    issuer.keys.lock().unwrap().push(new_key("k3"));
    assert!(guard.verify(&issuer.token()).await.is_ok());
    assert_eq!(revoked(&guard, &stolen).await, want);
}

/// Whatever order things happen in: once anybody was refused, nobody who asks later is let in, and that
/// the token's claims and signature are remembered changes nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_remembered_token_is_never_let_in_after_it_was_refused() {
    let ends: [fn(&Issuer); 5] = [
        |issuer| issuer.revoke(Kind::Session, "s1", Reason::LOGOUT),
        |issuer| issuer.revoke(Kind::Key, "k1", Reason::KEY_COMPROMISED),
        |issuer| issuer.revoke(Kind::All, "", Reason::ADMIN),
        |_| {}, // it expires
        // Its key is withdrawn, and the set is fetched again for a token of the key that came instead.
        |issuer| *issuer.keys.lock().unwrap() = vec![new_key("k2"), new_key("k3")],
    ];
    for (number, end) in ends.into_iter().enumerate() {
        let issuer = Issuer::start().await;
        issuer.keys.lock().unwrap().insert(0, new_key("k2"));
        let config = IssuerConfig { clock_skew: Duration::ZERO, ..issuer.followed(LONG, WhenStale::Allow) };
        let guard = guard([config]).await;
        in_step(&guard, 0).await;
        let token = match number {
            3 => issuer.token_with("exp", now().as_secs() + 2),
            _ => issuer.token(),
        };
        assert!(guard.verify(&token).await.is_ok());
        let refused = Arc::new(AtomicBool::new(false));
        let callers: Vec<_> = (0..4)
            .map(|_| {
                let (guard, token, refused) = (guard.clone(), token.clone(), Arc::clone(&refused));
                tokio::spawn(async move {
                    let mut after = 0;
                    while after < 200 {
                        let was_refused = refused.load(Ordering::SeqCst);
                        match guard.verify(&token).await {
                            Ok(_) => assert!(!was_refused, "let in after somebody was refused"),
                            Err(_) => {
                                refused.store(true, Ordering::SeqCst);
                                after += 1;
                            }
                        }
                        tokio::task::yield_now().await;
                    }
                })
            })
            .collect();
        end(&issuer);
        if number == 4 {
            assert!(guard.verify(&issuer.token()).await.is_ok());
        }
        for caller in callers {
            tokio::time::timeout(Duration::from_secs(30), caller).await.expect("never refused").unwrap();
        }
        assert!(guard.status().issuers[0].signatures_remembered > 0, "it was never remembered");
    }
}

#[tokio::test]
async fn a_snapshot_may_be_signed_with_another_algorithm_than_the_tokens() {
    let issuer = Issuer::start().await;
    let algs = vec![Alg::EdDSA];
    let copy = issuer.keys.lock().unwrap()[0].to_private_bytes().unwrap();
    *issuer.snapshot_key.lock().unwrap() = SigningKey::from_private_bytes(Alg::ES256, "k1", &copy).ok();
    issuer.keys.lock().unwrap().push(SigningKey::generate(Alg::EdDSA, Some("k2")).unwrap());
    let guard = guard([IssuerConfig { algs, ..issuer.followed(LONG, WhenStale::Deny) }]).await;
    assert!(guard.verify(&issuer.token()).await.is_ok());
    issuer.keys.lock().unwrap().remove(1);
    assert_eq!(
        guard.verify(&issuer.token()).await.unwrap_err().check(),
        "unknown-key",
        "ES256 is not allowed"
    );
}

/// Even what the log itself has lost since, as after a restored backup.
#[tokio::test]
async fn a_guard_that_takes_anothers_place_knows_what_that_one_saw_revoked() {
    let issuer = Issuer::start().await;
    let old = guard([issuer.followed(LONG, WhenStale::Allow)]).await;
    issuer.revoke(Kind::Session, "s1", Reason::LOGOUT);
    in_step(&old, 1).await;
    issuer.restore(0);
    let audience = vec!["https://other.example.com".to_owned(), crate::issuer::AUDIENCE.to_owned()];
    let config = IssuerConfig { audience, ..issuer.followed(LONG, WhenStale::Allow) };
    let new = Guard::succeed(&old, [config]).await.unwrap();
    new.ready().await;
    drop(old);
    assert!(revoked(&new, &issuer.token()).await.is_some());
}

#[tokio::test]
async fn one_question_is_asked_for_all_that_come_with_a_token_at_once() {
    let issuer = Issuer::start().await;
    let revocation = Revocation::Introspect(introspection());
    let guard = guard([IssuerConfig { revocation, ..issuer.config() }]).await;
    let token = issuer.token();
    for down in [true, false] {
        let asked = Asked::count(&issuer.asked.introspection);
        issuer.introspection_down.store(down, Ordering::SeqCst);
        let answers = futures_util::future::join_all((0..20).map(|_| guard.verify(&token))).await;
        assert!(answers.iter().all(|answer| answer.is_err() == down), "{answers:?}");
        assert_eq!(Asked::count(&issuer.asked.introspection), asked + 1);
    }
}

#[tokio::test]
async fn introspection_is_asked_once_for_a_while() {
    let issuer = Issuer::start().await;
    let revocation = Revocation::Introspect(introspection());
    let guard = guard([IssuerConfig { revocation, ..issuer.config() }]).await;
    let token = issuer.token();
    for _ in 0..10 {
        assert!(guard.verify(&token).await.is_ok());
    }
    assert_eq!(Asked::count(&issuer.asked.introspection), 1);
    assert_eq!(guard.verify("a.b.c").await.unwrap_err().check(), "malformed");
    let expired = issuer.token_with("exp", 1);
    assert_eq!(guard.verify(&expired).await.unwrap_err().check(), "expired");
    assert_eq!(Asked::count(&issuer.asked.introspection), 1, "what is not valid anyway is not asked about");
    issuer.inactive.store(true, Ordering::SeqCst);
    let bob = guard.verify(&issuer.token_with("sub", "bob")).await;
    assert_eq!(bob.err(), Some(Denied::Inactive));
}

#[tokio::test]
async fn a_guard_that_is_dropped_asks_no_more() {
    let issuer = Issuer::start().await;
    let guard = guard([issuer.followed(LONG, WhenStale::Allow)]).await;
    let clone = guard.clone();
    drop(guard);
    in_step(&clone, 0).await;
    drop(clone);
    eventually("nobody listens to the stream", async || issuer.cut.receiver_count() == 0).await;
}

/// A guard that follows the first replica and falls back to the second, and both of them.
async fn with_two_places(issuer: &Issuer, then: WhenStale) -> (Guard, [Arc<Issuer>; 2]) {
    let ((first_url, first), (second_url, second)) = (issuer.replica().await, issuer.replica().await);
    let on_stale = OnStale { after: Duration::from_millis(700), then };
    let feed = Feed { url: Some(first_url), fallbacks: vec![second_url], ..Feed::new(on_stale) };
    let guard = guard([IssuerConfig { revocation: Revocation::Feed(feed), ..issuer.config() }]).await;
    (guard, [first, second])
}

fn go_down(replica: &Issuer) {
    replica.down.store(true, Ordering::SeqCst);
    let _ = replica.cut.send(());
}

#[tokio::test]
async fn the_next_place_of_the_feed_is_taken_up_where_the_last_was_left() {
    let issuer = Issuer::start().await;
    let (guard, [first, second]) = with_two_places(&issuer, WhenStale::Deny).await;
    for replica in [&first, &second] {
        replica.revoke(Kind::Session, "s0", Reason::LOGOUT);
    }
    in_step(&guard, 1).await;
    assert_eq!(Asked::count(&second.asked.stream), 0);
    go_down(&first);
    second.revoke(Kind::Session, "s1", Reason::LOGOUT);
    eventually("the other place is heard", async || revoked(&guard, &issuer.token()).await.is_some()).await;
    in_step(&guard, 2).await;
    assert_eq!(Asked::count(&second.asked.snapshot), 0, "nothing was missed, so no snapshot is needed");
    assert_eq!(second.asked.last_event_id.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_place_that_lags_is_not_taken_for_complete() {
    let issuer = Issuer::start().await;
    let (guard, [first, second]) = with_two_places(&issuer, WhenStale::Deny).await;
    first.revoke(Kind::Session, "s0", Reason::LOGOUT);
    first.revoke(Kind::Session, "s1", Reason::LOGOUT);
    second.revoke(Kind::Session, "s0", Reason::LOGOUT);
    in_step(&guard, 2).await;
    go_down(&first);
    let token = issuer.token_with("sid", "s2");
    eventually("the snapshot of the second was asked for twice", async || {
        Asked::count(&second.asked.snapshot) > 1
    })
    .await;
    assert_eq!(guard.status().issuers[0].revocation.clone().unwrap().seq, 2);
    eventually("tokens are refused", async || matches!(guard.verify(&token).await, Err(Denied::Stale(_))))
        .await;
    second.revoke(Kind::Session, "s1", Reason::LOGOUT);
    eventually("it has caught up", async || guard.verify(&token).await.is_ok()).await;
}

#[tokio::test]
async fn a_log_that_went_back_in_all_places_is_believed() {
    let issuer = Issuer::start().await;
    let (guard, replicas) = with_two_places(&issuer, WhenStale::Allow).await;
    for replica in &replicas {
        replica.revoke(Kind::Session, "s0", Reason::LOGOUT);
        replica.revoke(Kind::Session, "s1", Reason::LOGOUT);
    }
    in_step(&guard, 2).await;
    replicas.iter().for_each(|replica| replica.restore(1));
    in_step(&guard, 1).await;
    assert!(revoked(&guard, &issuer.token()).await.is_some(), "what was revoked stays so");
}
