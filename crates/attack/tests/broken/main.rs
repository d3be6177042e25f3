//! The attack against services that make one mistake each, and against some that make none.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests, and the services beside them, which are broken on purpose"
)]

mod baseline;
mod conduct;
mod good;
mod mistakes;
mod service;

use std::collections::BTreeMap;
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::http::header::AUTHORIZATION;
use axum::routing::any;
use gatepass_attack::{Attack, Bounds, Outcome, PublicKey, Report, RequestShape, Signer, Target, Token};
use gatepass_jose::Timestamp;

use service::{AUDIENCE, Service, serve};

/// The present, for the services and for the attack.
const NOW: i64 = 1_795_000_000;
const OTHER_AUDIENCE: &str = "https://billing.example.com";

/// Fast, since nobody else is asked; patient, since a busy machine is no finding.
fn bounds() -> Bounds {
    Bounds {
        concurrency: 8,
        per_second: 0,
        timeout: Duration::from_secs(60),
        slow: Duration::from_secs(30),
        ..Bounds::default()
    }
}

fn now() -> Timestamp {
    Timestamp::from_secs(NOW)
}

async fn attack_on(url: &str, token: &str) -> Attack {
    let target = Target::resolve(url, &[]).await.unwrap();
    let shape = RequestShape::new("GET", &[], &[]).unwrap();
    Attack::new(target, shape, Token::parse(token).unwrap(), now()).with_bounds(bounds())
}

/// An attack with all that an operator can give.
async fn full_attack(service: &Service, url: &str) -> Attack {
    let good = service.good_token();
    let second = service.token(AUDIENCE, "2");
    // The service has seen the second token before, as a service does.
    reqwest::Client::new().get(url).bearer_auth(&second).send().await.unwrap();
    let signer = Signer::from_jwk(&service.key.to_jwk().unwrap(), service.alg.name()).unwrap();
    let other = Token::parse(&service.token(OTHER_AUDIENCE, "3")).unwrap();
    let attack = attack_on(url, &good)
        .await
        .with_signing_key(signer)
        .with_second_token(Token::parse(&second).unwrap())
        .with_other_token(other);
    match service.jwk_set() {
        Some(set) => attack.with_public_keys(PublicKey::parse_set(set.as_bytes()).unwrap()).unwrap(),
        None => attack,
    }
}

fn findings(report: &Report) -> BTreeMap<&'static str, Outcome> {
    let findings = report.classes.iter().filter(|class| class.outcome.is_finding());
    findings.map(|class| (class.id, class.outcome)).collect()
}

/// A service that answers by what the request holds.
async fn answering(answer: impl Fn(&str) -> StatusCode + Clone + Send + Sync + 'static) -> String {
    serve(Router::new().fallback(any(move |request: Request| {
        let value =
            request.headers().get(AUTHORIZATION).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let status = answer(value);
        async move { status }
    })))
    .await
}
