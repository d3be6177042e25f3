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
    let cases: [(&str, Spoil); 5] = [
        ("metadata_of_another", |issuer| {
            *issuer.claimed_url.lock().unwrap() = Some(format!("{}/", issuer.url))
        }),
        ("redirected", |issuer| issuer.redirect_keys.store(true, Ordering::SeqCst)),
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
