//! Users change their own password.

use std::sync::Arc;
use std::time::Duration;

use gatepass_issuer::admin::{AdminError, ChangeUser, OwnChange};
use gatepass_issuer::password::Password;
use http::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::browser::*;
use crate::fixture::{Call, Fixture, PASSWORD, credentials, with};

const NEW: &str = "tangled violet harbour lantern";

fn change() -> Value {
    json!({ "current_password": PASSWORD, "new_password": NEW })
}

async fn log_in(fixture: &Fixture, password: &str) -> u16 {
    let body = with(credentials(), "password", json!(password));
    fixture.post("/session/login").json(&body).send().await.status.as_u16()
}

#[tokio::test]
async fn the_session_stays_and_everything_else_of_the_user_ends() {
    for by in ["cookie", "body", "bearer"] {
        let fixture = Fixture::new().await;
        let (own, other) = (fixture.log_in("alice").await, fixture.log_in("alice").await);
        let root = fixture.log_in("root").await;
        let call = fixture.post("/session/password");
        let call = match by {
            "cookie" => call.cookie(&own.refresh).json(&change()),
            "body" => call.json(&with(change(), "refresh_token", json!(own.refresh))),
            _ => call.bearer(&own.access).json(&change()),
        };
        call.send().await.expect(StatusCode::NO_CONTENT);

        assert_eq!((log_in(&fixture, PASSWORD).await, log_in(&fixture, NEW).await), (401, 200), "{by}");
        let refresh =
            |token: &str| fixture.post("/session/refresh").json(&json!({ "refresh_token": token })).send();
        assert_eq!(refresh(&other.refresh).await.status, 401, "{by}");
        for dead in [&own.access, &other.access] {
            let answer = fixture.get("/session/list").bearer(dead).send().await;
            assert_eq!(answer.problem(), (401, "revoked".into()), "{by}");
        }
        let fresh = refresh(&own.refresh).await.expect(StatusCode::OK).json();
        let fresh = fresh["access_token"].as_str().unwrap();
        fixture.get("/session/list").bearer(fresh).send().await.expect(StatusCode::OK);
        fixture.get("/session/list").bearer(&root.access).send().await.expect(StatusCode::OK);
    }
}

#[tokio::test]
async fn what_changes_nothing() {
    let fixture = Fixture::new().await;
    register(&fixture).await;
    let own = fixture.log_in("alice").await;
    let mut browser = Browser::new(&fixture);
    let code = browser.code(&request(&[("scope", "openid offline_access")])).await;
    let tokens = fixture.post("/oauth/token").form(&exchange("shop", &code)).send().await.json();
    let foreign = tokens["refresh_token"].as_str().unwrap();
    let call = || fixture.post("/session/password");
    let mine = || call().cookie(&own.refresh);
    let new = |password: &str| with(change(), "new_password", json!(password));
    let cases: [(&str, Call, u16, &str); 10] = [
        ("nobody", call().json(&change()), 401, "token-missing"),
        (
            "forged",
            call().cookie(&crate::fixture::forged(&own.refresh)).json(&change()),
            401,
            "token-missing",
        ),
        ("an_applications_refresh_token", call().cookie(foreign).json(&change()), 401, "token-missing"),
        (
            "its_access_token",
            call().bearer(tokens["access_token"].as_str().unwrap()).json(&change()),
            401,
            "",
        ),
        ("wrong", mine().json(&with(change(), "current_password", json!("wrong"))), 403, "wrong-password"),
        ("short", mine().json(&new("short")), 400, "invalid-request"),
        ("common", mine().json(&new("passwordpasswordpassword")), 400, "invalid-request"),
        ("unknown_member", mine().json(&with(change(), "user", json!("root"))), 400, "invalid-request"),
        (
            "other_site",
            mine().header("sec-fetch-site", "cross-site").json(&change()),
            403,
            "cross-site-request",
        ),
        ("a_form", mine().form("current_password=x&new_password=y"), 415, "unsupported-media-type"),
    ];
    for (name, call, status, code) in cases {
        let problem = call.send().await.problem();
        assert!(problem.0 == status && (code.is_empty() || problem.1 == code), "{name}: {problem:?}");
    }
    assert_eq!(log_in(&fixture, PASSWORD).await, 200);
    let delete = fixture.call(Method::DELETE, "/session/password").send().await;
    assert_eq!(delete.status, StatusCode::METHOD_NOT_ALLOWED);

    // Whoever sits at somebody's device guesses no faster than at the login.
    let guess = || mine().json(&with(change(), "current_password", json!("wrong"))).send();
    for at in 0..10 {
        assert_eq!(guess().await.status, 403, "{at}");
    }
    assert_eq!(guess().await.problem(), (429, "throttled".into()));
    assert_eq!(log_in(&fixture, PASSWORD).await, 429, "the same buckets");
}

#[tokio::test]
async fn the_page_changes_it_without_scripts() {
    let fixture = Fixture::new().await;
    register(&fixture).await;
    let (mut browser, mut elsewhere) = (Browser::new(&fixture), Browser::new(&fixture));
    elsewhere.through(&request(&[])).await;
    let found = browser.open("/.well-known/change-password").await;
    assert_eq!(found.header("location"), "/account/password");
    let page = browser.open("/account/password").await.expect(StatusCode::OK);
    assert!(text(&page).contains("to change your password"), "{}", text(&page));
    let page = browser.log_in(&page, "alice").await.expect(StatusCode::OK);
    let fields = |current, new| [("current_password", current), ("new_password", new)];
    let cases = [
        ("wrong", fields("wrong", NEW), 403, "The current password is wrong."),
        ("none", fields("", NEW), 403, "The current password is wrong."),
        ("short", fields(PASSWORD, "short"), 400, "characters: <strong dir=\"auto\">15</strong>"),
        ("empty", fields(PASSWORD, ""), 400, "too easy to guess"),
        ("name", fields(PASSWORD, "alicealicealicealice"), 400, "too easy to guess"),
    ];
    for (name, fields, status, want) in cases {
        let again = browser.submit(&page, &fields).await;
        assert_eq!(again.status, status, "{name}");
        let html = text(&again);
        assert!(html.contains(want) && html.contains("aria-invalid=\"true\""), "{name}: {html}");
        assert!(html.contains("<title>Error: Change password</title>"), "{name}");
    }
    // Another site's form, and one that was shown to somebody else.
    let foreign = browser.form(&page, &fields(PASSWORD, NEW)).header("sec-fetch-site", "cross-site");
    assert_eq!(browser.send(foreign).await.status, StatusCode::FORBIDDEN);
    let theirs = elsewhere.submit(&page, &fields(PASSWORD, NEW)).await.expect(StatusCode::OK);
    assert!(text(&theirs).contains("name=\"new_password\""), "the page again");
    assert_eq!(log_in(&fixture, PASSWORD).await, 200, "nothing has changed");

    let copied = browser.cookie(LOGIN_COOKIE).unwrap().to_owned();
    let done = browser.submit(&page, &fields(PASSWORD, NEW)).await.expect(StatusCode::OK);
    assert!(text(&done).contains("Password changed"), "{}", text(&done));
    assert_ne!(browser.cookie(LOGIN_COOKIE), Some(&*copied), "a login of its own");
    let mut thief = Browser::new(&fixture);
    thief.set_cookie(LOGIN_COOKIE, &copied);
    let page = thief.open("/account/password").await.expect(StatusCode::OK);
    assert!(text(&page).contains("/account/login"), "and what somebody copied is nobody's any more");
    assert_eq!((log_in(&fixture, PASSWORD).await, log_in(&fixture, NEW).await), (401, 200));
    let none = request(&[("client_id", "own"), ("prompt", "none")]);
    assert!(sent_back(&browser.authorize(&none).await).contains_key("code"), "still logged in here");
    assert_eq!(sent_back(&elsewhere.authorize(&none).await)["error"], "login_required");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_with_the_old_password_does_not_outlive_its_reset() {
    let fixture = Arc::new(Fixture::new().await);
    for round in 0..5 {
        let (before, after) = match round % 2 {
            0 => (PASSWORD, NEW),
            _ => (NEW, PASSWORD),
        };
        let mut logins = JoinSet::new();
        for _ in 0..6 {
            let fixture = Arc::clone(&fixture);
            logins.spawn(async move { log_in(&fixture, before).await });
        }
        let reset = ChangeUser { password: Some(Password::new(after).unwrap()), ..ChangeUser::default() };
        fixture.issuer.change_user(fixture.alice, reset, fixture.now()).await.unwrap();
        let answers = logins.join_all().await;
        assert!(answers.iter().all(|status| [200, 401, 429, 503].contains(status)), "{answers:?}");
        let live = fixture.issuer.list_sessions(fixture.alice, fixture.now()).await.unwrap();
        assert!(live.is_empty(), "{round}: {} of {answers:?}", live.len());
        fixture.pass(Duration::from_secs(3600));
    }
}

#[tokio::test]
async fn whoever_knows_an_old_password_undoes_no_reset() {
    let fixture = Fixture::new().await;
    let old = fixture.issuer.find_user(fixture.alice).await.unwrap().password;
    let new = |text: &str| Some(Password::new(text).unwrap());
    let reset = ChangeUser { password: new(NEW), ..ChangeUser::default() };
    fixture.issuer.change_user(fixture.alice, reset, fixture.now()).await.unwrap();
    // What a request does that had verified the old password just before.
    let own = Some(OwnChange { session: None, password: old });
    let late = ChangeUser { password: new(PASSWORD), own, ..ChangeUser::default() };
    let late = fixture.issuer.change_user(fixture.alice, late, fixture.now()).await;
    assert!(matches!(late, Err(AdminError::Unknown)), "{late:?}");
    assert_eq!((log_in(&fixture, PASSWORD).await, log_in(&fixture, NEW).await), (401, 200));
}
