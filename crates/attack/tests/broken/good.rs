//! Services that make no mistake, and what can be said of them.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Router;
use axum::http::header::AUTHORIZATION;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::any;
use gatepass_attack::{Class, Outcome, Verdict};
use gatepass_jose::{Alg, Audience, Issuer, KeySet, RegisteredClaims, Typ, Verifier};

use crate::service::{AUDIENCE, ISSUER, Service, serve};
use crate::{attack_on, findings, full_attack, now};

/// A verifier out of `gatepass-jose`, and nothing else.
fn jose_service(service: &Service) -> Router {
    let verifier = Verifier::new(
        Issuer::new(ISSUER).unwrap(),
        Audience::new([AUDIENCE]).unwrap(),
        Typ::ACCESS_TOKEN,
        KeySet::new(vec![service.key.verifying_key().unwrap()]),
    );
    let verifier = Arc::new(verifier);
    Router::new().fallback(any(move |fields: HeaderMap| {
        let verifier = Arc::clone(&verifier);
        async move {
            let mut values = fields.get_all(AUTHORIZATION).iter();
            let (Some(value), None) = (values.next(), values.next()) else { return StatusCode::UNAUTHORIZED };
            let token = value.to_str().ok().and_then(|value| value.strip_prefix("Bearer "));
            match verifier.verify::<RegisteredClaims>(token.unwrap_or_default(), now()) {
                Ok(_) => StatusCode::NO_CONTENT,
                Err(_) => StatusCode::UNAUTHORIZED,
            }
        }
    }))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_verifier_of_gatepass_jose_lets_nothing_in() {
    for alg in [Alg::ES256, Alg::RS256, Alg::PS384, Alg::EdDSA, Alg::HS256, Alg::ES512, Alg::MlDsa44] {
        let service = Service::new("", alg);
        let url = serve(jose_service(&service)).await;
        let report = full_attack(&service, &url).await.run(|_| {}).await.unwrap();
        assert_eq!(findings(&report), BTreeMap::new(), "{alg}");
        assert_eq!(report.verdict(), Verdict::AllRefused, "{alg}");
        let untested: Vec<_> =
            report.classes.iter().filter(|class| class.outcome == Outcome::NotTested).collect();
        // What is left out is what another kind of key is needed for.
        assert!(untested.len() < 12, "{alg}: {untested:?}");
        assert!(untested.iter().all(|class| class.why.is_some()), "{alg}: {untested:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_note_is_no_finding() {
    for note in ["crit-registered", "scheme-wrong", "header-duplicate-last", "claim-duplicate-last"] {
        let service = Service::new(note, Alg::ES256);
        let url = service.serve().await;
        let report = full_attack(&service, &url).await.run(|_| {}).await.unwrap();
        assert_eq!(report.verdict(), Verdict::AllRefused, "{note}: {:?}", findings(&report));
        let noted =
            |id: &str| report.classes.iter().any(|class| class.id == id && class.outcome == Outcome::Noted);
        for id in [note, "ecdsa-malleable", "scheme-case", "exp-far", "iat-future"] {
            assert!(noted(id), "{note}: {id}");
        }
    }
}

#[tokio::test]
async fn what_needs_something_that_was_not_given_is_not_tested() {
    let service = Service::new("exp-past", Alg::ES256);
    let report = attack_on(&service.serve().await, &service.good_token()).await.run(|_| {}).await.unwrap();
    assert_eq!(report.verdict(), Verdict::AllRefused);
    let needing = report.classes.iter().filter(|class| Class::find(class.id).unwrap().needs().is_some());
    let given = ["jku-followed", "x5u-followed", "kid-followed", "iss-followed"]; // the service runs here
    for class in needing.filter(|class| !given.contains(&class.id)) {
        assert_eq!(class.outcome, Outcome::NotTested, "{}", class.id);
        assert!(class.why.as_deref().unwrap().starts_with("needs "), "{}: {:?}", class.id, class.why);
    }
    assert!(report.count(Outcome::NotTested) > 30 && report.count(Outcome::Refused) > 25);

    let only = vec![Class::find("exp-past").unwrap()];
    let attack = attack_on(&service.serve().await, &service.good_token()).await.with_only(only);
    assert_eq!(attack.run(|_| {}).await.unwrap().verdict(), Verdict::Unknown, "nothing was tested");
}

#[tokio::test]
async fn a_finding_can_be_repeated_with_what_the_report_says() {
    let folder = tempfile::tempdir().unwrap();
    let service = Service::new("alg-none", Alg::ES256);
    let url = service.serve().await;
    let only = vec![Class::find("alg-none").unwrap()];
    let attack = attack_on(&url, &service.good_token()).await.with_only(only);
    let report = attack.with_saved(folder.path().join("forged")).run(|_| {}).await.unwrap();
    let finding = report.classes[0].findings.first().unwrap();
    let file = folder.path().join("forged/alg-none-1.jwt");
    assert!(finding.request.contains(file.to_str().unwrap()), "{}", finding.request);
    assert!(finding.request.ends_with(&format!("'{url}'")), "{}", finding.request);
    let forged = std::fs::read_to_string(file).unwrap();
    let answer = reqwest::Client::new().get(&url).bearer_auth(forged).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    let json = serde_json::to_value(&report).unwrap();
    assert_eq!(json["classes"][0]["outcome"], "let-in", "{json}");
    assert!(!json.to_string().contains(&service.good_token()), "the good token is nobody's business");
}
