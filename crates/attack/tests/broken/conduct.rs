//! How a run behaves when the service does.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::http::header::{AUTHORIZATION, LOCATION, RETRY_AFTER};
use axum::http::{HeaderMap, StatusCode};
use axum::response::IntoResponse as _;
use axum::routing::any;
use gatepass_attack::{AcceptedStatus, Attack, Bounds, Class, Outcome, RequestShape, Target, Token, Verdict};
use gatepass_jose::Alg;

use crate::service::{Service, serve};
use crate::{answering, attack_on, bounds, findings, now};

#[tokio::test]
async fn a_redirect_is_judged_and_never_followed() {
    let elsewhere = Arc::new(AtomicUsize::new(0));
    let visits = Arc::clone(&elsewhere);
    let other = serve(Router::new().fallback(any(move || {
        visits.fetch_add(1, Ordering::SeqCst);
        async { StatusCode::OK }
    })))
    .await;
    let service = Service::new("", Alg::ES256);
    let token = service.good_token();
    let good = format!("Bearer {token}");
    let url = serve(Router::new().fallback(any(move |fields: HeaderMap| {
        let values: Vec<_> = fields.get_all(AUTHORIZATION).iter().collect();
        let is_good = values == [good.as_str()];
        let to = if is_good { format!("{other}&in") } else { format!("{other}&login") };
        async move { (if is_good { StatusCode::SEE_OTHER } else { StatusCode::FOUND }, [(LOCATION, to)]) }
    })))
    .await;
    let shape = RequestShape::new("GET", &[], &[]).unwrap();
    let accepted: AcceptedStatus = "303".parse().unwrap();
    let target = Target::resolve(&url, &[]).await.unwrap();
    let token = Token::parse(&token).unwrap();
    let attack = Attack::new(target, shape.with_accepted(accepted), token, now()).with_bounds(bounds());
    let report = attack.run(|_| {}).await.unwrap();
    assert_eq!(report.verdict(), Verdict::AllRefused, "{:?}", findings(&report));
    assert_eq!(report.baseline.accepted, 303);
    assert_eq!(elsewhere.load(Ordering::SeqCst), 0, "a redirect was followed");
}

#[tokio::test]
async fn a_run_ends_when_the_good_token_is_refused() {
    let service = Service::new("", Alg::ES256);
    let token = service.good_token();
    let good = format!("Bearer {token}");
    let uses = Arc::new(AtomicUsize::new(0));
    let url = answering(move |value| match value == good && uses.fetch_add(1, Ordering::SeqCst) < 5 {
        true => StatusCode::OK,
        false => StatusCode::UNAUTHORIZED,
    })
    .await;
    let report = attack_on(&url, &token).await.run(|_| {}).await.unwrap();
    assert_eq!(report.verdict(), Verdict::Unknown);
    assert!(report.stopped.as_deref().unwrap().contains("not accepted any more"), "{:?}", report.stopped);
    assert_eq!(report.count(Outcome::Refused), 3, "two for the baseline, three after a class");
    assert!(report.requests < 200, "{} requests", report.requests);
}

#[tokio::test]
async fn a_service_that_hangs_or_goes_away_is_broken() {
    let service = Service::new("", Alg::ES256);
    let token = service.good_token();
    let good = format!("Bearer {token}");
    let url = serve(Router::new().fallback(any(move |fields: HeaderMap| {
        let value =
            fields.get(AUTHORIZATION).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
        let good = good.clone();
        async move {
            if value == good {
                return StatusCode::OK;
            }
            if value.matches('.').count() == 4 {
                std::future::pending::<()>().await; // two thousand million rounds take their time
            }
            assert!(!value.ends_with('.'), "this is how a careless service ends");
            StatusCode::UNAUTHORIZED
        }
    })))
    .await;
    let only = ["jwe-iterations", "signature-empty"].map(|id| Class::find(id).unwrap());
    let impatient = Bounds { timeout: Duration::from_secs(1), concurrency: 16, ..bounds() };
    let attack = attack_on(&url, &token).await.with_only(only.to_vec()).with_bounds(impatient);
    let report = attack.run(|_| {}).await.unwrap();
    let evidence: Vec<_> = report.classes.iter().map(|class| class.findings[0].evidence.as_str()).collect();
    assert_eq!(evidence, ["no answer in time", "the connection was closed without an answer"]);
    assert_eq!(report.count(Outcome::Broke), 2);
}

#[tokio::test]
async fn too_many_requests_is_no_refusal() {
    let service = Service::new("", Alg::ES256);
    let token = service.good_token();
    let good = format!("Bearer {token}");
    let url = serve(Router::new().fallback(any(move |fields: HeaderMap| {
        let value = fields.get(AUTHORIZATION).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let status = match value {
            _ if value == good => StatusCode::OK,
            _ if value.ends_with('.') => StatusCode::TOO_MANY_REQUESTS,
            _ => StatusCode::UNAUTHORIZED,
        };
        async move { (status, [(RETRY_AFTER, "0")]).into_response() }
    })))
    .await;
    let only = ["signature-empty", "signature-missing"].map(|id| Class::find(id).unwrap());
    let report = attack_on(&url, &token).await.with_only(only.to_vec()).run(|_| {}).await.unwrap();
    let outcomes: Vec<_> = report.classes.iter().map(|class| class.outcome).collect();
    assert_eq!(outcomes, [Outcome::NotTested, Outcome::Refused]);
    assert_eq!(report.requests, 7 + 4 + 1 + 1 + 1, "four tries, and the good token after each class");
}

#[tokio::test]
async fn no_more_is_sent_than_was_allowed() {
    let service = Service::new("", Alg::ES256);
    let few = Bounds { requests: 60, ..bounds() };
    let attack = attack_on(&service.serve().await, &service.good_token()).await.with_bounds(few);
    let report = attack.run(|_| {}).await.unwrap();
    assert_eq!(report.verdict(), Verdict::Unknown);
    assert_eq!(report.stopped.as_deref(), Some("the bound of requests is reached"));
    assert_eq!(report.requests, 60);
}
