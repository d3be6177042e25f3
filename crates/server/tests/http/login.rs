//! Logging in, and what a login gives.

use std::time::Duration;

use gatepass_issuer::{ThrottleLimit, ThrottlePolicy};
use gatepass_server::{HttpConfig, SameSite};
use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::fixture::{API, Fixture, ISSUER, PASSWORD, credentials, with};

#[tokio::test]
async fn a_browser_logs_in_and_keeps_its_refresh_token_in_the_cookie() {
    let fixture = Fixture::new().await;
    let answer = fixture.post("/session/login").json(&credentials()).send().await.expect(StatusCode::OK);
    assert_eq!(answer.header("cache-control"), "no-store");
    let body = answer.json();
    assert_eq!(body["token_type"], "Bearer");
    assert!((1..=900).contains(&body["expires_in"].as_u64().unwrap()), "{body}");
    assert_eq!(body["scope"], "orders:read orders:write");
    assert_eq!(body["session_id"].as_str().unwrap().len(), 22);
    assert_eq!(
        body["user"],
        json!({ "id": fixture.alice.to_string(), "username": "alice", "roles": ["clerk"] })
    );
    assert!(body.get("refresh_token").is_none() && body.get("refresh_expires_in").is_none());

    let (token, attributes) = answer.set_cookie();
    assert!(token.starts_with("gpr_"));
    assert_eq!(attributes, ["Path=/session", "HttpOnly", "Secure", "SameSite=Strict", "Max-Age=604800"]);
    let refreshed = fixture.post("/session/refresh").cookie(&token).send().await.expect(StatusCode::OK);
    let (next, attributes) = refreshed.set_cookie();
    assert_ne!(next, token);
    assert_eq!(attributes.last().unwrap(), "Max-Age=604800");
    assert_eq!(refreshed.json()["session_id"], body["session_id"]);
    assert_eq!(refreshed.json()["user"], body["user"]);
}

#[tokio::test]
async fn a_native_app_gets_its_refresh_token_in_the_body_and_no_cookie() {
    let fixture = Fixture::new().await;
    let login = with(credentials(), "refresh_token", "body".into());
    let answer = fixture.post("/session/login").json(&login).send().await.expect(StatusCode::OK);
    assert!(!answer.headers.contains_key("set-cookie"));
    let body = answer.json();
    assert_eq!(body["refresh_expires_in"], 604_800);
    let presented = json!({ "refresh_token": body["refresh_token"] });
    let next = fixture.post("/session/refresh").json(&presented).send().await.expect(StatusCode::OK);
    assert!(!next.headers.contains_key("set-cookie"));
    assert_ne!(next.json()["refresh_token"], body["refresh_token"]);
}

#[tokio::test]
async fn same_site_is_lax_where_the_operator_says_so() {
    let http = HttpConfig { same_site: SameSite::Lax, ..HttpConfig::default() };
    let fixture = Fixture::with(http, |_| {}).await;
    let answer = fixture.post("/session/login").json(&credentials()).send().await;
    assert!(answer.set_cookie().1.contains(&"SameSite=Lax".to_owned()));
}

#[tokio::test]
async fn who_may_log_in() {
    let fixture = Fixture::new().await;
    let admin = fixture.admin().await;
    let disabled = json!({ "username": "carol", "password": PASSWORD });
    let carol = fixture.post("/admin/v1/users").bearer(&admin).json(&disabled).send().await.json();
    let carol = format!("/admin/v1/users/{}", carol["id"].as_str().unwrap());
    let off = json!({ "disabled": true });
    fixture.call(Method::PATCH, &carol).bearer(&admin).json(&off).send().await.expect(StatusCode::OK);

    let login = |name: &str, password: &str| json!({ "username": name, "password": password });
    let cases = [
        ("right", credentials(), (200, "")),
        ("other_case", login("ALICE", PASSWORD), (200, "")),
        ("wrong_password", login("alice", "wrong"), (401, "invalid-credentials")),
        ("unknown_user", login("nobody", PASSWORD), (401, "invalid-credentials")),
        ("disabled_user", disabled, (401, "invalid-credentials")),
        ("no_username", json!({ "password": PASSWORD }), (400, "invalid-request")),
        ("no_password", json!({ "username": "alice" }), (400, "invalid-request")),
        ("empty_password", login("alice", ""), (400, "invalid-request")),
        ("impossible_username", login(" alice", PASSWORD), (400, "invalid-request")),
        ("password_is_a_number", with(credentials(), "password", 5.into()), (400, "invalid-request")),
        ("narrower_scope", with(credentials(), "scope", "orders:read".into()), (200, "")),
        ("impossible_scope", with(credentials(), "scope", "a  b".into()), (400, "invalid-request")),
        ("another_resource", with(credentials(), "resource", "https://other.example.com".into()), (200, "")),
        (
            "unknown_resource",
            with(credentials(), "resource", "https://x.example".into()),
            (400, "invalid-target"),
        ),
        ("odd_carrier", with(credentials(), "refresh_token", "header".into()), (400, "invalid-request")),
        ("misspelt_member", with(credentials(), "pasword", "x".into()), (400, "invalid-request")),
    ];
    for (name, body, want) in cases {
        let answer = fixture.post("/session/login").json(&body).send().await;
        if want.0 == 200 {
            assert_eq!(answer.status, 200, "{name}");
            continue;
        }
        assert_eq!(answer.problem(), (want.0, want.1.to_owned()), "{name}");
        assert!(!answer.headers.contains_key("set-cookie"), "{name}");
        assert!(!answer.header("www-authenticate").contains("Basic"), "{name}: browsers would ask the user");
    }
}

#[tokio::test]
async fn guessing_is_throttled_by_account_and_by_the_address_behind_trusted_proxies() {
    let http = HttpConfig { trusted_proxies: vec!["10.0.0.0/8".parse().unwrap()], ..HttpConfig::default() };
    let limit = |burst| ThrottleLimit { burst, every: Duration::from_secs(20) };
    let fixture = Fixture::with(http, |config| {
        config.throttle =
            ThrottlePolicy { account: limit(3), address: limit(5), ..ThrottlePolicy::default() };
    })
    .await;
    let guess = |username: String, client: &str| {
        let body = json!({ "username": username, "password": "wrong" });
        let call = fixture.post("/session/login").json(&body).from("10.0.0.1".parse().unwrap());
        call.header("x-forwarded-for", client).send()
    };
    for at in 0..3 {
        assert_eq!(guess("alice".into(), &format!("198.51.100.{at}")).await.problem().0, 401);
    }
    let refused = guess("alice".into(), "198.51.100.9").await;
    assert_eq!(refused.problem(), (429, "throttled".into()));
    assert_eq!(refused.header("retry-after"), "20");

    for at in 0..5 {
        assert_eq!(guess(format!("user{at}"), "6.6.6.6, 203.0.113.7").await.problem().0, 401);
    }
    assert_eq!(guess("user9".into(), "7.7.7.7, 203.0.113.7").await.problem().0, 429);
    assert_eq!(guess("user9".into(), "7.7.7.7, 203.0.113.8").await.problem().0, 401);

    fixture.pass(Duration::from_secs(20));
    let owner = fixture.post("/session/login").json(&credentials()).send().await;
    owner.expect(StatusCode::OK);
}

#[tokio::test]
async fn a_flood_of_logins_is_refused_and_leaves_the_rest_alone() {
    let fixture = Fixture::with(HttpConfig::default(), |config| {
        config.hashing.memory_kib = 8 * 1024;
        config.hashing.passes = 8;
        config.hashing.queue = 1;
    })
    .await;
    let floods = (0..24).map(|at| {
        let body = json!({ "username": format!("user{at}"), "password": "wrong" });
        tokio::spawn(fixture.post("/session/login").json(&body).send())
    });
    let floods: Vec<_> = floods.collect();
    fixture.get("/.well-known/jwks.json").send().await.expect(StatusCode::OK);
    let mut refused = 0;
    for flood in floods {
        let answer = flood.await.unwrap();
        if answer.problem() == (503, "overloaded".into()) {
            assert!(answer.header("retry-after").parse::<u32>().unwrap() >= 1);
            refused += 1;
        }
    }
    assert!(refused > 0);
}

#[tokio::test]
async fn the_access_token_is_for_the_resource_that_was_asked_for() {
    let fixture = Fixture::new().await;
    for (resource, audience) in [
        (None, json!([API, ISSUER])),
        (Some("https://other.example.com"), json!("https://other.example.com")),
        (Some(ISSUER), json!(ISSUER)),
    ] {
        let body = with(credentials(), "resource", json!(resource));
        let token = fixture.post("/session/login").json(&body).send().await.expect(StatusCode::OK).json();
        let payload = token["access_token"].as_str().unwrap().split('.').nth(1).unwrap();
        let claims: Value =
            serde_json::from_slice(&gatepass_jose::base64url::decode(payload).unwrap()).unwrap();
        assert_eq!(claims["aud"], audience, "{resource:?}");
    }
}
