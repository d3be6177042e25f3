//! What has to hold before anything is tried.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::http::StatusCode;
use gatepass_attack::{BaselineError, CannotRun, PublicKey, Signer, Token};
use gatepass_jose::Alg;

use crate::service::Service;
use crate::{answering, attack_on};

#[tokio::test]
async fn without_a_baseline_nothing_is_tried() {
    let service = Service::new("", Alg::ES256);
    let token = service.good_token();
    let good = format!("Bearer {token}");
    let begins_well = good[..good.len() - 10].to_owned();
    let once = Arc::new(AtomicUsize::new(0));
    let is_good = {
        let good = good.clone();
        move |value: &str| value == good
    };
    let baseline = async |url: String| match attack_on(&url, &token).await.run(|_| {}).await {
        Err(CannotRun::Baseline(error)) => error,
        other => panic!("{other:?}"),
    };

    let refuses_all = answering(|_| StatusCode::UNAUTHORIZED).await;
    assert_eq!(baseline(refuses_all).await, BaselineError::GoodRefused { status: 401 });
    let redirects_all = answering(|_| StatusCode::FOUND).await;
    assert_eq!(baseline(redirects_all).await, BaselineError::GoodRefused { status: 302 });
    let is_public = answering(|_| StatusCode::OK).await;
    assert_eq!(baseline(is_public).await, BaselineError::Public { status: 200 });

    let takes_anything =
        answering(|value| if value.is_empty() { StatusCode::UNAUTHORIZED } else { StatusCode::OK });
    let error = baseline(takes_anything.await).await;
    assert_eq!(error, BaselineError::DoesNotVerify { what: "garbage", status: 200 });
    let decodes_only = answering(move |value| match value.split_once(' ') {
        Some((_, token)) if Token::parse(token).is_ok() => StatusCode::OK,
        _ => StatusCode::UNAUTHORIZED,
    });
    let error = baseline(decodes_only.await).await;
    assert!(error.is_finding() && error.to_string().contains("one bit of its signature flipped"), "{error}");
    let takes_what_begins_well =
        answering(
            move |value| {
                if value.starts_with(&begins_well) { StatusCode::OK } else { StatusCode::UNAUTHORIZED }
            },
        );
    assert!(
        attack_on(&takes_what_begins_well.await, &token).await.run(|_| {}).await.is_ok(),
        "the attack's to find"
    );

    let crashes = {
        let is_good = is_good.clone();
        move |value: &str| {
            if is_good(value) { StatusCode::OK } else { StatusCode::INTERNAL_SERVER_ERROR }
        }
    };
    let error = baseline(answering(crashes).await).await;
    assert!(matches!(&error, BaselineError::Breaks { what: "no token", .. }), "{error}");
    let counts = Arc::clone(&once);
    let takes_it_once =
        answering(move |value| match is_good(value) && counts.fetch_add(1, Ordering::SeqCst) == 0 {
            true => StatusCode::OK,
            false => StatusCode::UNAUTHORIZED,
        });
    assert_eq!(baseline(takes_it_once.await).await, BaselineError::OnlyOnce { status: 401 });

    let nobody = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    assert!(matches!(baseline(format!("http://{nobody}/")).await, BaselineError::NoAnswer(_)));
}

#[tokio::test]
async fn keys_that_are_not_the_services_are_noticed() {
    let (service, stranger) = (Service::new("", Alg::ES256), Service::new("", Alg::ES256));
    let attack = attack_on(&service.serve().await, &service.good_token()).await;
    let keys = PublicKey::parse_set(stranger.jwk_set().unwrap().as_bytes()).unwrap();
    assert!(matches!(attack.with_public_keys(keys), Err(CannotRun::PublicKey)));

    let signer = Signer::from_jwk(&stranger.key.to_jwk().unwrap(), "ES256").unwrap();
    let attack = attack_on(&service.serve().await, &service.good_token()).await.with_signing_key(signer);
    assert!(matches!(attack.run(|_| {}).await, Err(CannotRun::SigningKey { status: 401 })));
}
