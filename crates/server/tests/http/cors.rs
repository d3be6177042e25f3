//! Which sites may use the session endpoints from a browser.

use gatepass_server::HttpConfig;
use http::{Method, StatusCode};
use serde_json::json;

use crate::fixture::{Fixture, ISSUER, PASSWORD};

const APP: &str = "https://app.example.com";
const EVIL: &str = "https://evil.example";

async fn fixture() -> Fixture {
    let http = HttpConfig { app_origins: vec![APP.parse().unwrap()], ..HttpConfig::default() };
    Fixture::with(http, |_| {}).await
}

#[tokio::test]
async fn cross_site_requests_are_refused_before_anything_else() {
    let fixture = fixture().await;
    let cases = [
        ("no_browser", None, None, true),
        ("own_page", Some("same-origin"), Some(ISSUER), true),
        ("own_page_under_another_name", Some("same-origin"), Some("https://proxy.example"), true),
        ("typed", Some("none"), None, true),
        ("app", Some("same-site"), Some(APP), true),
        ("old_browser_app", None, Some(APP), true),
        ("neighbour", Some("same-site"), Some("https://blog.example.com"), false),
        ("another_site", Some("cross-site"), Some(EVIL), false),
        ("another_site_hiding_its_name", Some("cross-site"), None, false),
        ("old_browser_another_site", None, Some(EVIL), false),
        ("sandboxed", None, Some("null"), false),
        ("app_over_http", None, Some("http://app.example.com"), false),
        ("app_with_another_port", None, Some("https://app.example.com:8443"), false),
        ("app_as_a_prefix", None, Some("https://app.example.com.evil.example"), false),
    ];
    let login = json!({ "username": "alice", "password": PASSWORD });
    for path in ["/session/login", "/session/refresh", "/session/logout", "/session/logout-all"] {
        for (name, fetch_site, origin, allowed) in &cases {
            let mut call = fixture.post(path);
            if path == "/session/login" {
                call = call.json(&login);
            }
            if let Some(site) = fetch_site {
                call = call.header("sec-fetch-site", site);
            }
            if let Some(origin) = origin {
                call = call.header("origin", origin);
            }
            let answer = call.send().await;
            if *allowed {
                assert_ne!(answer.status, 403, "{path} {name}");
            } else {
                assert_eq!(answer.problem(), (403, "cross-site-request".into()), "{path} {name}");
                assert!(!answer.headers.contains_key("set-cookie"), "{path} {name}");
            }
            let allows = answer.headers.contains_key("access-control-allow-origin");
            assert_eq!(allows, *origin == Some(APP), "{path} {name}");
        }
    }
}

#[tokio::test]
async fn an_app_reads_answers_and_errors_alike() {
    let fixture = fixture().await;
    let session = fixture.log_in("alice").await;
    let cases = [
        ("answer", fixture.get("/session/list").bearer(&session.access), 200),
        ("unauthorized", fixture.get("/session/list"), 401),
        ("refused", fixture.post("/session/refresh").cookie("x"), 401),
        ("malformed", fixture.post("/session/login").json(&json!([])), 400),
        ("wrong_method", fixture.get("/session/login"), 405),
    ];
    for (name, call, status) in cases {
        let answer = call.header("origin", APP).header("sec-fetch-site", "same-site").send().await;
        assert_eq!(answer.status, status, "{name}");
        assert_eq!(answer.header("access-control-allow-origin"), APP, "{name}");
        assert_eq!(answer.header("access-control-allow-credentials"), "true", "{name}");
        assert!(answer.header("access-control-expose-headers").contains("WWW-Authenticate"), "{name}");
        assert!(answer.header("vary").contains("Origin"), "{name}");
    }
}

#[tokio::test]
async fn browsers_that_ask_first() {
    let fixture = fixture().await;
    let ask = |path: &str, origin: &str| {
        fixture
            .call(Method::OPTIONS, path)
            .header("origin", origin)
            .header("access-control-request-method", "POST")
    };
    for path in ["/session/login", "/session/refresh", "/session/list", "/session/AZcQ0nB7f0yM6mX8m3yqAA"] {
        let answer = ask(path, APP).header("access-control-request-headers", "content-type").send().await;
        let answer = answer.expect(StatusCode::NO_CONTENT);
        assert_eq!(answer.header("access-control-allow-origin"), APP);
        assert_eq!(answer.header("access-control-allow-credentials"), "true");
        assert_eq!(answer.header("access-control-allow-methods"), "GET, POST, PUT, DELETE");
        assert_eq!(answer.header("access-control-allow-headers"), "Authorization, Content-Type, DPoP");
        assert_eq!(answer.header("access-control-max-age"), "600");
        assert!(answer.header("vary").contains("Origin"));

        let refused = ask(path, EVIL).send().await;
        assert_eq!(refused.problem(), (403, "cross-site-request".into()));
        assert!(!refused.headers.contains_key("access-control-allow-origin"));
    }
    let elsewhere = ask("/oauth/introspect", APP).send().await;
    assert_eq!(elsewhere.problem().0, 405);
    assert!(!elsewhere.headers.contains_key("access-control-allow-origin"));
}
