use std::sync::atomic::Ordering;
use std::time::Duration;

use gatepass_guard::{Denied, Guard, IssuerConfig, KeySource};
use gatepass_jose::{Typ, jwt};
use url::Url;

use crate::issuer::{Asked, Issuer, eventually, guard, new_key};

#[tokio::test]
async fn keys_are_found_by_either_metadata_or_by_their_own_url() {
    let issuer = Issuer::start().await;
    let jwks_uri = Url::parse(&format!("{}/jwks", issuer.url)).unwrap();
    for (name, openid, keys) in [
        ("openid", true, KeySource::Discovery),
        ("oauth", false, KeySource::Discovery),
        ("jwks_uri", false, KeySource::JwksUri(jwks_uri)),
    ] {
        issuer.openid.store(openid, Ordering::SeqCst);
        let guard = guard([IssuerConfig { keys, ..issuer.config() }]).await;
        assert!(guard.verify(&issuer.token()).await.is_ok(), "{name}");
    }
}

#[tokio::test]
async fn an_issuer_is_reached_at_another_place_than_its_name_says() {
    let issuer = Issuer::start().await;
    let name = "https://auth.example.com";
    *issuer.claimed_url.lock().unwrap() = Some(name.into());
    let base_url = Some(Url::parse(&issuer.url).unwrap());
    let guard = guard([IssuerConfig { issuer: name.into(), base_url, ..issuer.config() }]).await;
    assert!(guard.verify(&issuer.token_with("iss", name)).await.is_ok());
}

#[tokio::test]
async fn what_is_no_key_set_of_the_issuer_is_not_used() {
    type Spoil = fn(&Issuer);
    let cases: [(&str, Spoil); 9] = [
        ("metadata_of_another", |issuer| {
            *issuer.claimed_url.lock().unwrap() = Some(format!("{}/", issuer.url))
        }),
        ("oauth_metadata_of_another", |issuer| {
            issuer.openid.store(false, Ordering::SeqCst);
            *issuer.claimed_url.lock().unwrap() = Some(issuer.url.replace("http://", "HTTP://"));
        }),
        ("metadata_redirected", |issuer| {
            let oauth = "/.well-known/oauth-authorization-server";
            *issuer.redirect_metadata.lock().unwrap() = Some(oauth.into());
        }),
        ("redirected", |issuer| *issuer.redirect_keys.lock().unwrap() = Some("/jwks-elsewhere".into())),
        ("garbage", |issuer| *issuer.instead_of_keys.lock().unwrap() = Some(b"{\"keys\":[".to_vec())),
        ("not_text", |issuer| *issuer.instead_of_keys.lock().unwrap() = Some(vec![0xff; 64])),
        ("too_long", |issuer| issuer.padding.store(1024 * 1024, Ordering::SeqCst)),
        ("without_keys", |issuer| issuer.keys.lock().unwrap().clear()),
        ("down", |issuer| issuer.down.store(true, Ordering::SeqCst)),
    ];
    for (name, spoil) in cases {
        let issuer = Issuer::start().await;
        let token = issuer.token();
        spoil(&issuer);
        let guard = Guard::start([issuer.config()]).await.unwrap();
        assert_eq!(guard.verify(&token).await.unwrap_err(), Denied::NoKeys, "{name}");
        assert_eq!(guard.status().issuers[0].keys, 0, "{name}");
    }
}

#[tokio::test]
async fn the_last_good_set_outlives_an_outage() {
    let issuer = Issuer::start().await;
    let refetch_interval = Duration::ZERO;
    let guard = guard([IssuerConfig { refetch_interval, ..issuer.config() }]).await;
    let token = issuer.token();
    issuer.down.store(true, Ordering::SeqCst);

    // A key that the guard cannot fetch, to make it try.
    let unknown = jwt::sign(&Typ::ACCESS_TOKEN, &issuer.claims(), &new_key("k2")).unwrap();
    let asked = Asked::count(&issuer.asked.keys);
    assert_eq!(guard.verify(&unknown).await.unwrap_err().check(), "unknown-key");
    assert_eq!(Asked::count(&issuer.asked.keys), asked + 1);
    assert!(guard.verify(&token).await.is_ok());

    let age = guard.status().issuers[0].key_set_age.unwrap();
    eventually("the age of the set grows", async || guard.status().issuers[0].key_set_age.unwrap() > age)
        .await;
    assert_eq!(guard.status().issuers[0].keys, 1);
}

#[tokio::test]
async fn what_comes_after_a_good_set_and_cannot_be_used_does_not_replace_it() {
    type Spoil = fn(&Issuer);
    let cases: [(&str, Spoil); 5] = [
        ("empty", |issuer| *issuer.instead_of_keys.lock().unwrap() = Some(b"{\"keys\":[]}".to_vec())),
        ("nothing", |issuer| *issuer.instead_of_keys.lock().unwrap() = Some(Vec::new())),
        ("garbage", |issuer| *issuer.instead_of_keys.lock().unwrap() = Some(vec![b'['; 100_000])),
        ("too_long", |issuer| *issuer.instead_of_keys.lock().unwrap() = Some(vec![b' '; 1024 * 1024 + 1])),
        ("redirected", |issuer| *issuer.redirect_keys.lock().unwrap() = Some("/jwks-elsewhere".into())),
    ];
    for (name, spoil) in cases {
        let issuer = Issuer::start().await;
        let refetch_interval = Duration::ZERO;
        let guard = guard([IssuerConfig { refetch_interval, ..issuer.config() }]).await;
        let token = issuer.token();
        spoil(&issuer);
        let unknown = jwt::sign(&Typ::ACCESS_TOKEN, &issuer.claims(), &new_key("k2")).unwrap();
        let asked = Asked::count(&issuer.asked.keys);
        assert_eq!(guard.verify(&unknown).await.unwrap_err().check(), "unknown-key", "{name}");
        assert_eq!(Asked::count(&issuer.asked.keys), asked + 1, "{name}");
        assert!(guard.verify(&token).await.is_ok(), "{name}");
        assert_eq!(guard.status().issuers[0].keys, 1, "{name}");
    }
}

#[tokio::test]
async fn a_redirect_does_not_lead_to_another_host() {
    let (issuer, other) = (Issuer::start().await, Issuer::start().await);
    *issuer.redirect_keys.lock().unwrap() = Some(format!("{}/jwks", other.url));
    let guard = Guard::start([issuer.config()]).await.unwrap();
    eventually("the redirect was met", async || Asked::count(&issuer.asked.keys) > 1).await;
    assert_eq!(guard.verify(&other.token_with("iss", issuer.url.clone())).await.unwrap_err(), Denied::NoKeys);
    assert_eq!(Asked::count(&other.asked.keys), 0, "nobody was asked there");
}

#[tokio::test]
async fn a_set_is_fetched_again_before_its_time_is_up_although_nobody_asks() {
    let issuer = Issuer::start().await;
    // The least that is believed.
    issuer.max_age.store(10, Ordering::SeqCst);
    let guard = guard([issuer.config()]).await;
    eventually("the set was confirmed", async || Asked::count(&issuer.asked.keys_not_modified) > 0).await;
    assert_eq!(guard.status().issuers[0].keys, 1, "what was not modified is still there");
}

#[tokio::test]
async fn word_that_nothing_has_changed_makes_the_set_young_again() {
    let issuer = Issuer::start().await;
    let guard = guard([IssuerConfig { refetch_interval: Duration::ZERO, ..issuer.config() }]).await;
    let age = || guard.status().issuers[0].key_set_age.unwrap();
    eventually("the set is older", async || age() > Duration::from_millis(300)).await;
    let (old, before) = (age(), Asked::count(&issuer.asked.keys_not_modified));
    let unknown = jwt::sign(&Typ::ACCESS_TOKEN, &issuer.claims(), &new_key("k2")).unwrap();
    let asked_at = std::time::Instant::now();
    assert!(guard.verify(&unknown).await.is_err());
    assert_eq!(Asked::count(&issuer.asked.keys_not_modified), before + 1);
    assert!(age() <= asked_at.elapsed(), "it was {old:?} old");
}

#[tokio::test]
async fn many_first_tokens_of_a_new_key_wait_for_one_fetch() {
    let issuer = Issuer::start().await;
    let guard = guard([IssuerConfig { refetch_interval: Duration::ZERO, ..issuer.config() }]).await;
    issuer.keys.lock().unwrap().push(new_key("k2"));
    issuer.slow_keys.store(100, Ordering::SeqCst);
    let asked = Asked::count(&issuer.asked.keys);
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..200 {
        let (guard, token) = (guard.clone(), issuer.token());
        tasks.spawn(async move { guard.verify(&token).await.is_ok() });
    }
    assert!(tasks.join_all().await.into_iter().all(|accepted| accepted));
    assert_eq!(Asked::count(&issuer.asked.keys), asked + 1);
    assert_eq!(Asked::count(&issuer.asked.keys_at_once), 1);
}

#[tokio::test]
async fn a_flood_of_invented_keys_causes_no_more_than_one_fetch_per_interval() {
    let issuer = Issuer::start().await;
    let refetch_interval = Duration::from_millis(200);
    let guard = guard([IssuerConfig { refetch_interval, ..issuer.config() }]).await;
    let asked = Asked::count(&issuer.asked.keys);
    let unknown = jwt::sign(&Typ::ACCESS_TOKEN, &issuer.claims(), &new_key("k2")).unwrap();
    let begun = std::time::Instant::now();
    let mut sent = 0_u32;
    while Asked::count(&issuer.asked.keys) < asked + 4 {
        assert_eq!(guard.verify(&unknown).await.unwrap_err().check(), "unknown-key");
        sent += 1;
    }
    let intervals = begun.elapsed().as_millis() / refetch_interval.as_millis();
    let fetches = Asked::count(&issuer.asked.keys) - asked;
    assert!(fetches as u128 <= intervals + 1, "{fetches} fetches in {intervals} intervals for {sent} tokens");
    assert_eq!(Asked::count(&issuer.asked.keys_at_once), 1);
}

#[tokio::test]
async fn a_new_key_is_accepted_with_its_first_token_and_an_old_one_refused_when_it_is_gone() {
    let issuer = Issuer::start().await;
    let refetch_interval = Duration::ZERO;
    let guard = guard([IssuerConfig { refetch_interval, ..issuer.config() }]).await;
    let old = issuer.token();
    assert!(guard.verify(&old).await.is_ok());

    issuer.keys.lock().unwrap().push(new_key("k2"));
    assert!(guard.verify(&issuer.token()).await.is_ok());
    assert!(guard.verify(&old).await.is_ok(), "the old key is still published");

    issuer.keys.lock().unwrap().remove(0);
    issuer.keys.lock().unwrap().push(new_key("k3"));
    assert!(guard.verify(&issuer.token()).await.is_ok());
    assert_eq!(guard.verify(&old).await.unwrap_err().check(), "unknown-key");
}

#[tokio::test]
async fn invented_keys_cause_one_fetch_per_interval_and_delay_nobody() {
    let issuer = Issuer::start().await;
    let refetch_interval = Duration::from_secs(3_600);
    let guard = guard([IssuerConfig { refetch_interval, ..issuer.config() }]).await;
    let asked = Asked::count(&issuer.asked.keys);
    let stranger = new_key("template");
    let (_, bytes) = (stranger.kid(), stranger.to_private_bytes().unwrap());
    let mut tasks = tokio::task::JoinSet::new();
    for n in 0..500 {
        let kid = format!("invented-{n}");
        let key =
            gatepass_jose::SigningKey::from_private_bytes(gatepass_jose::Alg::ES256, &kid, &bytes).unwrap();
        let token = jwt::sign(&Typ::ACCESS_TOKEN, &issuer.claims(), &key).unwrap();
        let guard = guard.clone();
        tasks.spawn(async move { guard.verify(&token).await.unwrap_err().check() });
    }
    while let Some(check) = tasks.join_next().await {
        assert_eq!(check.unwrap(), "unknown-key");
    }
    assert_eq!(Asked::count(&issuer.asked.keys), asked + 1);
    assert_eq!(Asked::count(&issuer.asked.keys_not_modified), 1, "the set was asked for conditionally");
    assert!(guard.verify(&issuer.token()).await.is_ok());
}

#[tokio::test]
async fn a_guard_that_started_without_its_issuer_recovers() {
    let issuer = Issuer::start().await;
    issuer.down.store(true, Ordering::SeqCst);
    let guard = Guard::start([issuer.config()]).await.unwrap();
    let token = issuer.token();
    assert_eq!(guard.verify(&token).await.unwrap_err().status(), 503);
    issuer.down.store(false, Ordering::SeqCst);
    eventually("the token is accepted", async || guard.verify(&token).await.is_ok()).await;
}
