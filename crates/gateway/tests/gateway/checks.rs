//! Which check failed: every operator's view tells it, and no client hears of it.

use std::collections::BTreeSet;

use gatepass_gateway::{Config, SpanValue};
use http::StatusCode;
use serde_json::{Value, json};

use crate::harness::{Backend, Running, Token, config, now, until};
use crate::operations::{Spans, ask, lines, operator};

const ROUTES: &str = "
[[route]]
path = '/any'
upstream = 'backend'

[[route]]
path = '/staff'
upstream = 'backend'
require = { scope = ['orders:read'], role = ['clerk'], claim = { tenant = 'acme' } }

[[route]]
path = '/bound'
upstream = 'backend'
require = { dpop = true }

[[route]]
path = '/recent'
upstream = 'backend'
require = { max_age = '10m' }
";

/// Path, credentials, status, what the client is told and what the operator is.
type Case = (&'static str, Option<String>, u16, &'static str, &'static str);

fn cases() -> Vec<Case> {
    let token = || Token::of("ann");
    let clerk = || token().claim("scope", "orders:read").claim("roles", ["clerk"]);
    let good = token().bearer();
    let spoilt = match good.strip_suffix('A') {
        Some(start) => format!("{start}E"),
        None => format!("{}A", &good[..good.len() - 1]),
    };
    let elsewhere = token().claim("aud", "https://elsewhere.example").bearer();
    let foreign = token().claim("iss", "https://forged.example").bearer();
    let future = token().claim("nbf", now() + 3600).bearer();
    let old = token().claim("auth_time", now() - 3600).bearer();
    let dpop = good.replace("Bearer", "DPoP");
    vec![
        ("/any", None, 401, "token-missing", "token-missing"),
        ("/any", Some(spoilt), 401, "invalid-token", "bad-signature"),
        ("/any", Some(elsewhere), 401, "invalid-token", "wrong-audience"),
        ("/any", Some(foreign), 401, "invalid-token", "wrong-issuer"),
        ("/any", Some(future), 401, "invalid-token", "not-yet-valid"),
        ("/any", Some(token().typ("JWT").bearer()), 401, "invalid-token", "wrong-type"),
        ("/any", Some(token().claim("sub", 7).bearer()), 401, "invalid-token", "bad-claims"),
        ("/any", Some("Bearer e30.e30.e30".into()), 401, "invalid-token", "malformed"),
        ("/any", Some(token().expires_in(-600).bearer()), 401, "expired", "expired"),
        ("/any", Some(dpop), 401, "invalid-token", "dpop-unbound"),
        ("/bound", Some(good.clone()), 401, "dpop-required", "dpop-required"),
        ("/staff", Some(good), 403, "insufficient-scope", "insufficient-scope"),
        ("/staff", Some(token().claim("scope", "orders:read").bearer()), 403, "forbidden", "role"),
        ("/staff", Some(clerk().bearer()), 403, "forbidden", "claim"),
        ("/recent", Some(old), 401, "insufficient-user-authentication", "max-age"),
        ("/nowhere", None, 404, "no-route", "no-route"),
    ]
}

#[tokio::test]
async fn the_check_that_failed_is_told_to_operators_and_to_nobody_else() {
    let backend = Backend::mirror().await;
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("access.log");
    let text = format!(
        "public_url = 'https://api.example.com'\n{}\n[access_log]\npath = '{}'\n[tracing]\notlp = 'http://127.0.0.1:4318'\n",
        config(backend.address, ROUTES),
        log.display(),
    );
    let gateway = Running::start(&text).await;
    let spans = Spans::default();
    gateway.gateway.export_spans(spans.clone());

    let mut invalid = BTreeSet::new();
    for (path, token, status, code, check) in cases() {
        let fields: Vec<_> = token.iter().map(|token| ("authorization", token.as_str())).collect();
        let answer = gateway.get(path, &fields).await;
        assert_eq!((answer.status.as_u16(), &*answer.code()), (status, code), "{check}: {answer:?}");
        until("a span", || !spans.0.lock().unwrap().is_empty()).await;
        let span = spans.0.lock().unwrap().remove(0);
        for (name, want) in [("gatepass.code", code), ("gatepass.check", check)] {
            assert!(span.attributes.contains(&(name, SpanValue::Text(want.into()))), "{check}: {span:?}");
        }
        if code == "invalid-token" {
            let mut headers = answer.headers;
            for varies in ["date", "x-request-id"] {
                headers.remove(varies);
            }
            invalid.insert(format!("{headers:?} {}", answer.text));
        }
    }
    assert_eq!(invalid.len(), 1, "of one token the wire says what it says of another: {invalid:#?}");

    let cases = cases();
    let logged = lines(&log, cases.len()).await;
    for ((.., code, check), line) in cases.iter().zip(&logged) {
        assert_eq!((&line["code"], &line["check"]), (&json!(code), &json!(check)), "{line}");
    }
    let admin = operator(&gateway).await;
    let (stats, metrics) = (ask(admin, "/stats").await.json(), ask(admin, "/metrics").await.text);
    let told: Vec<&Value> = stats["checks"].as_array().unwrap().iter().collect();
    for (.., code, check) in &cases {
        let want = json!({ "code": code, "check": check, "refused": 1, "would_refuse": 0, "ended": 0 });
        assert!(told.contains(&&want), "{want} is not in {told:#?}");
        let line = format!("gatepass_gateway_refusals_total{{code=\"{code}\",check=\"{check}\"}} 1");
        assert!(metrics.lines().any(|found| found == line), "{line} is not in\n{metrics}");
    }
    assert_eq!(told.len(), cases.len(), "{told:#?}");
    assert_eq!(stats["refused"]["invalid-token"], 8, "by code it is the sum of the checks");
}

#[tokio::test]
async fn a_route_that_does_not_enforce_tells_which_check_would_have_refused() {
    let backend = Backend::mirror().await;
    let shadow = ROUTES.replace("upstream = 'backend'", "upstream = 'backend'\nenforce = false");
    let gateway =
        Running::start(&config(backend.address, &shadow.replace("dpop = true", "role = ['x']"))).await;
    let elsewhere = Token::of("ann").claim("aud", "https://elsewhere.example").bearer();
    let clerk = Token::of("ann").claim("scope", "orders:read").claim("roles", ["clerk"]).bearer();
    for (path, token) in [("/any", &elsewhere), ("/staff", &elsewhere), ("/staff", &clerk)] {
        assert_eq!(gateway.get(path, &[("authorization", token)]).await.status, StatusCode::OK);
    }
    let metrics = ask(operator(&gateway).await, "/metrics").await.text;
    for line in [
        "gatepass_gateway_would_refuse_total{code=\"invalid-token\",check=\"wrong-audience\"} 2",
        "gatepass_gateway_would_refuse_total{code=\"forbidden\",check=\"claim\"} 1",
    ] {
        assert!(metrics.lines().any(|found| found == line), "{line} is not in\n{metrics}");
    }
    assert!(!metrics.contains("gatepass_gateway_refusals_total{"), "{metrics}");
    let checks = gateway.gateway.stats().checks;
    assert_eq!(checks.iter().map(|count| count.would_refuse).sum::<u64>(), 3, "{checks:?}");
    let enforced = Config::parse(&config(backend.address, ROUTES).replace("dpop = true", "role = ['x']"));
    gateway.gateway.reload(enforced.unwrap()).await.unwrap();
    assert_eq!(gateway.get("/any", &[("authorization", &elsewhere)]).await.status, StatusCode::UNAUTHORIZED);
    let checks = gateway.gateway.stats().checks;
    let found = checks.iter().find(|count| count.check == "wrong-audience").unwrap();
    assert_eq!((found.refused, found.would_refuse), (1, 2), "one reason, whichever became of it");
}
