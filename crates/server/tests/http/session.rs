//! The session API once somebody is logged in.

use std::pin::pin;
use std::time::Duration;

use gatepass_issuer::rotation::RefreshPolicy;
use gatepass_server::HttpConfig;
use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::fixture::{COOKIE_NAME, Fixture, START, credentials, with};

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
        ("nothing", refresh(), (401, "no-refresh-token"), false),
        ("empty_object", refresh().json(&json!({})), (401, "no-refresh-token"), false),
        ("empty_cookie", refresh().cookie(""), (401, "no-refresh-token"), false),
        ("nonsense", refresh().cookie("nonsense"), (401, "invalid-refresh-token"), true),
        ("forged", refresh().cookie(&forged), (401, "invalid-refresh-token"), true),
        ("cut", refresh().cookie(&live.refresh[..40]), (401, "invalid-refresh-token"), true),
        ("huge", refresh().cookie(&"x".repeat(30_000)), (401, "invalid-refresh-token"), true),
        ("an_access_token", refresh().cookie(&live.access), (401, "invalid-refresh-token"), true),
        ("ended", refresh().cookie(&ended.refresh), (401, "invalid-refresh-token"), true),
        ("used_before", refresh().cookie(&used.refresh), (401, "refresh-token-reused"), true),
        ("used_before_again", refresh().cookie(&used.refresh), (401, "invalid-refresh-token"), true),
        ("forged_in_the_body", refresh().json(&body(&forged)), (401, "invalid-refresh-token"), false),
        ("wrong_type", refresh().json(&json!({ "refresh_token": 5 })), (400, "invalid-request"), false),
        ("two_cookies", refresh().header("cookie", &two), (400, "invalid-request"), false),
        (
            "cookie_and_body",
            refresh().cookie(&live.refresh).json(&body(&live.refresh)),
            (400, "invalid-request"),
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
    assert_eq!(replay.problem(), (401, "refresh-token-reused".into()));
    assert_eq!(fixture.get("/session/list").bearer(access).send().await.problem(), (401, "revoked".into()));
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
        assert_eq!(refresh.problem().1, "invalid-refresh-token");
        assert_eq!(fixture.get("/session/list").bearer(&session.access).send().await.problem().0, 401);
    }
    fixture.post("/session/refresh").cookie(&expired.refresh).send().await.expect(StatusCode::OK);
}

#[tokio::test]
async fn logging_out_everywhere_ends_every_session_of_the_user() {
    let fixture = Fixture::new().await;
    for by in ["cookie", "body", "bearer"] {
        // The clock stands still: one sweep must reach past the tokens that the last one let live.
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
            assert_eq!(refresh.problem().1, "invalid-refresh-token", "{by}");
            let list = fixture.get("/session/list").bearer(&session.access).send().await;
            assert_eq!(list.problem().1, "revoked", "{by}");
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
        ("none", list(), (401, "token-missing"), r#"Bearer realm="gatepass""#),
        ("basic", list().basic("a", "b"), (401, "token-missing"), r#"Bearer realm="gatepass""#),
        ("good", list().bearer(&good.access), (200, ""), ""),
        (
            "lower_case_scheme",
            list().header("authorization", &format!("bearer {}", good.access)),
            (200, ""),
            "",
        ),
        ("expired", list().bearer(&old.access), (401, "expired"), "has expired"),
        ("cut", list().bearer(head), (401, "invalid-token"), r#"error="invalid_token""#),
        (
            "forged",
            list().bearer(&format!("{head}.{}", signature.chars().rev().collect::<String>())),
            (401, "invalid-token"),
            "error=",
        ),
        ("a_refresh_token", list().bearer(&good.refresh), (401, "invalid-token"), "error="),
        (
            "for_a_resource_server",
            list().bearer(other["access_token"].as_str().unwrap()),
            (401, "invalid-token"),
            "error=",
        ),
        ("twice", list().bearer(&good.access).bearer(&good.access), (400, "invalid-request"), "error="),
    ];
    for (name, call, want, challenge) in cases {
        let answer = call.send().await;
        assert_eq!(answer.status, want.0, "{name}: {:?}", answer.body);
        if want.0 != 200 {
            assert_eq!(answer.problem(), (want.0, want.1.to_owned()), "{name}");
            assert!(answer.header("www-authenticate").contains(challenge), "{name}");
        }
        if want.1 == "token-missing" {
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
async fn a_logout_is_carried_through_although_its_client_has_gone() {
    let fixture = Fixture::new().await;
    let mut revocations = fixture.issuer.watch_revocations();
    // Its first step begins the change, and there is no second; once in a while the first is all that there is to do.
    let mut attempts = 0..1000;
    let before = loop {
        attempts.next().expect("a logout that waits for something");
        let session = fixture.log_in("alice").await;
        let before = *revocations.borrow_and_update();
        let mut logout = pin!(fixture.post("/session/logout").cookie(&session.refresh).open());
        if futures_util::poll!(logout.as_mut()).is_pending() {
            break before;
        }
    };
    let told = revocations.wait_for(|seq| *seq > before);
    let told = tokio::time::timeout(Duration::from_secs(10), told).await;
    told.expect("the guards were not told").unwrap();
}
