//! The session API.

use std::time::Duration;

use gatepass_issuer::rotation::RefreshPolicy;
use gatepass_issuer::{ThrottleLimit, ThrottlePolicy};
use gatepass_server::{HttpConfig, SameSite};
use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::fixture::{API, COOKIE_NAME, Fixture, ISSUER, PASSWORD, START};

fn credentials() -> Value {
    json!({ "username": "alice", "password": PASSWORD })
}

fn with(mut body: Value, name: &str, value: Value) -> Value {
    body[name] = value;
    body
}

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
        ("wrong_password", login("alice", "wrong"), (401, "invalid_credentials")),
        ("unknown_user", login("nobody", PASSWORD), (401, "invalid_credentials")),
        ("disabled_user", disabled, (401, "invalid_credentials")),
        ("no_username", json!({ "password": PASSWORD }), (400, "invalid_request")),
        ("no_password", json!({ "username": "alice" }), (400, "invalid_request")),
        ("empty_password", login("alice", ""), (400, "invalid_request")),
        ("impossible_username", login(" alice", PASSWORD), (400, "invalid_request")),
        ("password_is_a_number", with(credentials(), "password", 5.into()), (400, "invalid_request")),
        ("narrower_scope", with(credentials(), "scope", "orders:read".into()), (200, "")),
        ("impossible_scope", with(credentials(), "scope", "a  b".into()), (400, "invalid_request")),
        ("another_resource", with(credentials(), "resource", "https://other.example.com".into()), (200, "")),
        ("unknown_resource", with(credentials(), "resource", "https://x.example".into()), (400, "invalid_target")),
        ("odd_carrier", with(credentials(), "refresh_token", "header".into()), (400, "invalid_request")),
        ("misspelt_member", with(credentials(), "pasword", "x".into()), (400, "invalid_request")),
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
    let http =
        HttpConfig { trusted_proxies: vec!["10.0.0.0/8".parse().unwrap()], ..HttpConfig::default() };
    let limit = |burst| ThrottleLimit { burst, every: Duration::from_secs(20) };
    let fixture = Fixture::with(http, |config| {
        config.throttle = ThrottlePolicy { account: limit(3), address: limit(5) };
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
async fn what_refresh_takes() {
    let fixture = Fixture::with(HttpConfig::default(), |config| {
        config.refresh = RefreshPolicy { leeway: Duration::ZERO, ..RefreshPolicy::default() };
    })
    .await;
    let refresh = || fixture.post("/session/refresh");
    let body = |token: &str| json!({ "refresh_token": token });
    let [ended, used, live] =
        [fixture.log_in("alice").await, fixture.log_in("alice").await, fixture.log_in("alice").await];
    fixture.post("/session/logout").cookie(&ended.refresh).send().await.expect(StatusCode::NO_CONTENT);
    refresh().cookie(&used.refresh).send().await.expect(StatusCode::OK);
    let mut forged = live.refresh.clone();
    forged.replace_range(10..11, if &forged[10..11] == "A" { "B" } else { "A" });
    let two = format!("{COOKIE_NAME}={0}; {COOKIE_NAME}={0}", live.refresh);

    let cases = [
        ("nothing", refresh(), (401, "no_refresh_token"), false),
        ("empty_object", refresh().json(&json!({})), (401, "no_refresh_token"), false),
        ("empty_cookie", refresh().cookie(""), (401, "no_refresh_token"), false),
        ("nonsense", refresh().cookie("nonsense"), (401, "invalid_refresh_token"), true),
        ("forged", refresh().cookie(&forged), (401, "invalid_refresh_token"), true),
        ("cut", refresh().cookie(&live.refresh[..40]), (401, "invalid_refresh_token"), true),
        ("huge", refresh().cookie(&"x".repeat(30_000)), (401, "invalid_refresh_token"), true),
        ("an_access_token", refresh().cookie(&live.access), (401, "invalid_refresh_token"), true),
        ("ended", refresh().cookie(&ended.refresh), (401, "invalid_refresh_token"), true),
        ("used_before", refresh().cookie(&used.refresh), (401, "refresh_token_reused"), true),
        ("used_before_again", refresh().cookie(&used.refresh), (401, "invalid_refresh_token"), true),
        ("forged_in_the_body", refresh().json(&body(&forged)), (401, "invalid_refresh_token"), false),
        ("wrong_type", refresh().json(&json!({ "refresh_token": 5 })), (400, "invalid_request"), false),
        ("two_cookies", refresh().header("cookie", &two), (400, "invalid_request"), false),
        (
            "cookie_and_body",
            refresh().cookie(&live.refresh).json(&body(&live.refresh)),
            (400, "invalid_request"),
            false,
        ),
        ("live", refresh().json(&body(&live.refresh)), (200, ""), false),
    ];
    for (name, call, want, clears) in cases {
        let answer = call.send().await;
        if want.0 != 200 {
            assert_eq!(answer.problem(), (want.0, want.1.to_owned()), "{name}");
        }
        assert_eq!(answer.status, want.0, "{name}");
        assert_eq!(answer.headers.contains_key("set-cookie"), clears, "{name}");
        if clears {
            let (value, attributes) = answer.set_cookie();
            assert_eq!((value.as_str(), attributes.last().unwrap().as_str()), ("", "Max-Age=0"), "{name}");
        }
    }
}

#[tokio::test]
async fn many_refreshes_at_once_get_one_answer() {
    let fixture = Fixture::new().await;
    let session = fixture.log_in("alice").await;
    let presented = json!({ "refresh_token": session.refresh });
    let calls: Vec<_> =
        (0..64).map(|_| tokio::spawn(fixture.post("/session/refresh").json(&presented).send())).collect();
    let mut next = Vec::new();
    for call in calls {
        next.push(call.await.unwrap().expect(StatusCode::OK).json()["refresh_token"].clone());
    }
    next.dedup();
    assert_eq!(next.len(), 1);
}

#[tokio::test]
async fn a_replayed_refresh_token_ends_the_session_and_its_access_tokens() {
    let fixture = Fixture::new().await;
    let stolen = fixture.log_in("alice").await;
    let refreshed = fixture.post("/session/refresh").cookie(&stolen.refresh).send().await.json();
    let access = refreshed["access_token"].as_str().unwrap();
    fixture.get("/session/list").bearer(access).send().await.expect(StatusCode::OK);
    fixture.pass(Duration::from_secs(31));
    let replay = fixture.post("/session/refresh").cookie(&stolen.refresh).send().await;
    assert_eq!(replay.problem(), (401, "refresh_token_reused".into()));
    assert_eq!(fixture.get("/session/list").bearer(access).send().await.problem(), (401, "invalid_token".into()));
}

#[tokio::test]
async fn logging_out_ends_what_is_there_to_end() {
    let fixture = Fixture::new().await;
    let expired = fixture.log_in("alice").await;
    fixture.pass(Duration::from_secs(3600));
    let logout = || fixture.post("/session/logout");
    let body = |token: &str| json!({ "refresh_token": token });
    let by_cookie = fixture.log_in("alice").await;
    let by_body = fixture.log_in("alice").await;
    let by_bearer = fixture.log_in("alice").await;
    let by_either = fixture.log_in("alice").await;
    let batch = fixture.batch_token().await;
    let cases = [
        ("nothing", logout(), 204),
        ("by_cookie", logout().cookie(&by_cookie.refresh), 204),
        ("by_cookie_again", logout().cookie(&by_cookie.refresh), 204),
        ("by_body", logout().json(&body(&by_body.refresh)), 204),
        ("by_bearer", logout().bearer(&by_bearer.access), 204),
        ("by_bearer_again", logout().bearer(&by_bearer.access), 204),
        ("dead_cookie_and_bearer", logout().cookie("x").bearer(&by_either.access), 204),
        ("dead_cookie_and_dead_bearer", logout().cookie("x").bearer("x"), 204),
        ("dead_bearer_alone", logout().bearer("x"), 401),
        ("expired_bearer_alone", logout().bearer(&expired.access), 401),
        ("a_client_for_another_audience", logout().bearer(&batch), 401),
        ("cookie_and_body", logout().cookie("x").json(&body("y")), 400),
    ];
    for (name, call, want) in cases {
        let answer = call.send().await;
        assert_eq!(answer.status, want, "{name}: {:?}", answer.body);
        if want == 204 {
            assert!(answer.body.is_empty(), "{name}");
            assert_eq!(answer.set_cookie().1.last().unwrap(), "Max-Age=0", "{name}");
        }
    }
    for session in [by_cookie, by_body, by_bearer, by_either] {
        let refresh = fixture.post("/session/refresh").cookie(&session.refresh).send().await;
        assert_eq!(refresh.problem().1, "invalid_refresh_token");
        assert_eq!(fixture.get("/session/list").bearer(&session.access).send().await.problem().0, 401);
    }
    fixture.post("/session/refresh").cookie(&expired.refresh).send().await.expect(StatusCode::OK);
}

#[tokio::test]
async fn logging_out_everywhere_ends_every_session_of_the_user() {
    let fixture = Fixture::new().await;
    for by in ["cookie", "body", "bearer"] {
        let [here, there] = [fixture.log_in("alice").await, fixture.log_in("alice").await];
        let root = fixture.log_in("root").await;
        let call = fixture.post("/session/logout-all");
        let call = match by {
            "cookie" => call.cookie(&here.refresh),
            "body" => call.json(&json!({ "refresh_token": here.refresh })),
            _ => call.bearer(&here.access),
        };
        let answer = call.send().await.expect(StatusCode::NO_CONTENT);
        assert_eq!(answer.set_cookie().1.last().unwrap(), "Max-Age=0", "{by}");
        for session in [here, there] {
            let refresh = fixture.post("/session/refresh").cookie(&session.refresh).send().await;
            assert_eq!(refresh.problem().1, "invalid_refresh_token", "{by}");
            let list = fixture.get("/session/list").bearer(&session.access).send().await;
            assert_eq!(list.problem().1, "invalid_token", "{by}");
        }
        fixture.get("/session/list").bearer(&root.access).send().await.expect(StatusCode::OK);
        let again = fixture.log_in("alice").await;
        fixture.get("/session/list").bearer(&again.access).send().await.expect(StatusCode::OK);
    }
    fixture.post("/session/logout-all").send().await.expect(StatusCode::NO_CONTENT);
    assert_eq!(fixture.post("/session/logout-all").bearer("x").send().await.problem().0, 401);
}

#[tokio::test]
async fn a_user_sees_and_ends_their_own_sessions_alone() {
    let fixture = Fixture::new().await;
    let login = with(credentials(), "refresh_token", "body".into());
    let call = fixture.post("/session/login").header("user-agent", "Mozilla/5.0 (X11)").json(&login);
    let first = call.send().await.json();
    fixture.pass(Duration::from_secs(60));
    let here = fixture.log_in("alice").await;
    let root = fixture.log_in("root").await;

    let list = fixture.get("/session/list").bearer(&here.access).send().await.expect(StatusCode::OK);
    assert_eq!(list.header("cache-control"), "no-store");
    let started = START / 1000;
    let session = |id: &Value, device: &str, at: i64, current: bool| {
        json!({
            "session_id": id, "device": device, "created_at": at, "last_used_at": at,
            "expires_at": at + 604_800, "current": current
        })
    };
    assert_eq!(
        list.json()["sessions"],
        json!([
            session(&first["session_id"], "Mozilla/5.0 (X11)", started, false),
            session(&here.session.clone().into(), "", started + 60, true),
        ])
    );

    let end = |session: &str| {
        fixture.call(Method::DELETE, &format!("/session/{session}")).bearer(&here.access).send()
    };
    let first = first["session_id"].as_str().unwrap();
    for (name, session, want) in [
        ("another_users", root.session.as_str(), 404),
        ("unknown", "AZcQ0nB7f0yM6mX8m3yqAA", 404),
        ("no_session_at_all", "nonsense", 404),
        ("own", first, 204),
        ("own_again", first, 404),
    ] {
        assert_eq!(end(session).await.status, want, "{name}");
    }
    fixture.get("/session/list").bearer(&root.access).send().await.expect(StatusCode::OK);
    end(&here.session).await.expect(StatusCode::NO_CONTENT);
    assert_eq!(fixture.get("/session/list").bearer(&here.access).send().await.problem().0, 401);
}

#[tokio::test]
async fn which_access_tokens_open_the_session_list() {
    let fixture = Fixture::new().await;
    let old = fixture.log_in("alice").await;
    fixture.pass(Duration::from_secs(3600));
    let good = fixture.log_in("alice").await;
    let other = with(credentials(), "resource", "https://other.example.com".into());
    let other = fixture.post("/session/login").json(&other).send().await.json();
    let (head, signature) = good.access.rsplit_once('.').unwrap();
    let list = || fixture.get("/session/list");
    let cases = [
        ("none", list(), (401, "missing_token"), r#"Bearer realm="gatepass""#),
        ("basic", list().basic("a", "b"), (401, "missing_token"), r#"Bearer realm="gatepass""#),
        ("good", list().bearer(&good.access), (200, ""), ""),
        ("lower_case_scheme", list().header("authorization", &format!("bearer {}", good.access)), (200, ""), ""),
        ("expired", list().bearer(&old.access), (401, "invalid_token"), "has expired"),
        ("cut", list().bearer(head), (401, "invalid_token"), r#"error="invalid_token""#),
        ("forged", list().bearer(&format!("{head}.{}", signature.chars().rev().collect::<String>())), (401, "invalid_token"), "error="),
        ("a_refresh_token", list().bearer(&good.refresh), (401, "invalid_token"), "error="),
        ("for_a_resource_server", list().bearer(other["access_token"].as_str().unwrap()), (401, "invalid_token"), "error="),
        ("twice", list().bearer(&good.access).bearer(&good.access), (400, "invalid_request"), "error="),
    ];
    for (name, call, want, challenge) in cases {
        let answer = call.send().await;
        assert_eq!(answer.status, want.0, "{name}: {:?}", answer.body);
        if want.0 != 200 {
            assert_eq!(answer.problem(), (want.0, want.1.to_owned()), "{name}");
            assert!(answer.header("www-authenticate").contains(challenge), "{name}");
        }
        if want.1 == "missing_token" {
            assert_eq!(answer.header("www-authenticate"), challenge, "{name}");
        }
    }
}

#[tokio::test]
async fn changed_roles_are_told_from_other_refusals_and_the_next_refresh_carries_them() {
    let fixture = Fixture::new().await;
    let alice = fixture.log_in("alice").await;
    let admin = fixture.admin().await;
    let path = format!("/admin/v1/users/{}", fixture.alice);
    let change = json!({ "roles": ["clerk", "auditor"] });
    fixture.call(Method::PATCH, &path).bearer(&admin).json(&change).send().await.expect(StatusCode::OK);
    let refused = fixture.get("/session/list").bearer(&alice.access).send().await;
    assert_eq!(refused.problem(), (401, "claims-changed".into()));
    assert!(refused.header("www-authenticate").contains("claims-changed"));
    let refreshed = fixture.post("/session/refresh").cookie(&alice.refresh).send().await;
    let refreshed = refreshed.expect(StatusCode::OK).json();
    assert_eq!(refreshed["user"]["roles"], json!(["auditor", "clerk"]));
    let access = refreshed["access_token"].as_str().unwrap();
    fixture.get("/session/list").bearer(access).send().await.expect(StatusCode::OK);
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
        let claims: Value = serde_json::from_slice(&gatepass_jose::base64url::decode(payload).unwrap()).unwrap();
        assert_eq!(claims["aud"], audience, "{resource:?}");
    }
}
