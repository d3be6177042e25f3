//! ID tokens that come back as hints: whom a client expects, for as long as its user is logged in.

use std::time::Duration;

use gatepass_revocation::Reason;
use gatepass_server::HttpConfig;
use http::StatusCode;
use serde_json::Value;

use crate::browser::*;
use crate::fixture::{Fixture, forged};

const HOUR: Duration = Duration::from_secs(3600);
const BYE: &str = "https://app.example.com/bye";

/// An ID token of whoever logs in first with this browser.
async fn id_token(fixture: &Fixture, browser: &mut Browser<'_>, username: &str) -> String {
    let query = request(&[("client_id", "own"), ("scope", "openid")]);
    let page = browser.authorize(&query).await;
    let code = sent_back(&browser.log_in(&page, username).await)["code"].clone();
    let tokens = fixture.post("/oauth/token").form(&exchange("own", &code)).send().await;
    tokens.expect(StatusCode::OK).json()["id_token"].as_str().unwrap().to_owned()
}

fn kid_of(jwt: &str) -> String {
    let header = gatepass_jose::base64url::decode(jwt.split('.').next().unwrap()).unwrap();
    serde_json::from_slice::<Value>(&header).unwrap()["kid"].as_str().unwrap().to_owned()
}

fn hinted(hint: &str, prompt: &str) -> String {
    request(&[("client_id", "own"), ("scope", "openid"), ("id_token_hint", hint), ("prompt", prompt)])
}

/// What the client is told that asks nobody and shows a hint.
async fn silently(browser: &mut Browser<'_>, hint: &str) -> String {
    let told = sent_back(&browser.authorize(&hinted(hint, "none")).await);
    told.get("error").cloned().unwrap_or_else(|| "code".to_owned())
}

async fn log_out(browser: &mut Browser<'_>, hint: &str, changes: &[(&str, &str)]) -> (StatusCode, String) {
    let params = [("id_token_hint", hint), ("post_logout_redirect_uri", BYE)];
    let query = encode(params.iter().chain(changes).copied());
    let answer = browser.open(&format!("/oauth/logout?{query}")).await;
    (answer.status, answer.header("location").to_owned())
}

#[tokio::test]
async fn a_hint_that_cannot_be_read_is_nobodys() {
    let fixture = Fixture::new().await;
    register(&fixture).await;
    let alices = id_token(&fixture, &mut Browser::new(&fixture), "alice").await;
    let mut browser = Browser::new(&fixture);
    let roots = id_token(&fixture, &mut browser, "root").await;
    assert_eq!(silently(&mut browser, &alices).await, "login_required");
    assert_eq!(silently(&mut browser, &roots).await, "code");
    fixture.issuer.replace_keys(None, Reason::KEY_COMPROMISED, fixture.now()).await.unwrap();
    for hint in [&alices, &roots, &forged(&alices), "an.id.token", "x"] {
        assert_eq!(silently(&mut browser, hint).await, "login_required", "{hint}");
        // Who it is shows in the login; whoever it is gets what is theirs.
        let page = browser.authorize(&hinted(hint, "")).await;
        assert!(text(&page).contains("/oauth/login"), "{hint}: {}", text(&page));
        assert!(sent_back(&browser.log_in(&page, "root").await).contains_key("code"), "{hint}");
    }
}

#[tokio::test]
async fn a_logout_with_a_hint_that_cannot_be_read_is_asked_for_and_leads_nowhere() {
    let fixture = Fixture::new().await;
    register(&fixture).await;
    let mut browser = Browser::new(&fixture);
    let hint = forged(&id_token(&fixture, &mut browser, "alice").await);
    for changes in [vec![], vec![("client_id", "own")]] {
        let (status, location) = log_out(&mut browser, &hint, &changes).await;
        assert_eq!((status, location.as_str()), (StatusCode::OK, ""), "{changes:?}");
        assert!(browser.cookie(LOGIN_COOKIE).is_some(), "{changes:?}: nobody proved to be the application");
    }
    let query = encode([("id_token_hint", hint.as_str()), ("post_logout_redirect_uri", BYE)]);
    let page = browser.open(&format!("/oauth/logout?{query}")).await;
    let done = browser.submit(&page, &[]).await.expect(StatusCode::OK);
    assert!(text(&done).contains("Logged out") && browser.cookie(LOGIN_COOKIE).is_none());
}

#[tokio::test]
async fn an_id_token_is_a_hint_for_as_long_as_a_login_lives_whatever_key_signed_it() {
    let fixture =
        Fixture::with(HttpConfig::default(), |config| config.login.idle = config.login.absolute).await;
    register(&fixture).await;
    let mut browser = Browser::new(&fixture);
    let hint = id_token(&fixture, &mut browser, "alice").await;
    let kid = kid_of(&hint);
    let published = || String::from_utf8(fixture.issuer.published_keys().json.to_vec()).unwrap();
    fixture.issuer.rotate_keys(None, fixture.now()).await.unwrap();
    for hours in [1, 150] {
        fixture.pass(hours * HOUR);
        fixture.issuer.maintain(fixture.now()).await.unwrap();
        assert!(!published().contains(&kid), "what it signed is dead");
        assert_eq!(silently(&mut browser, &hint).await, "code", "{hours}");
        let mut other = Browser::new(&fixture);
        id_token(&fixture, &mut other, "root").await;
        assert_eq!(silently(&mut other, &hint).await, "login_required", "{hours}: it is alice's");
        let bye = (StatusCode::SEE_OTHER, BYE.to_owned());
        assert_eq!(log_out(&mut Browser::new(&fixture), &hint, &[]).await, bye, "{hours}");
    }
    assert_eq!(log_out(&mut browser, &hint, &[]).await, (StatusCode::SEE_OTHER, BYE.to_owned()));
    assert!(browser.cookie(LOGIN_COOKIE).is_none(), "hers");
    // A week after the key has signed for the last time, no login is as old as its ID tokens.
    fixture.pass(24 * HOUR);
    fixture.issuer.maintain(fixture.now()).await.unwrap();
    assert_eq!(log_out(&mut browser, &hint, &[]).await, (StatusCode::OK, String::new()));
}

#[tokio::test]
async fn what_a_withdrawn_key_signed_is_no_hint_however_long_it_has_been_retired() {
    for by_name in [true, false] {
        let fixture = Fixture::new().await;
        register(&fixture).await;
        let mut browser = Browser::new(&fixture);
        let hint = id_token(&fixture, &mut browser, "alice").await;
        let kid = kid_of(&hint);
        fixture.issuer.rotate_keys(None, fixture.now()).await.unwrap();
        fixture.pass(HOUR);
        fixture.issuer.maintain(fixture.now()).await.unwrap();
        assert_eq!(silently(&mut browser, &hint).await, "code");
        let (reason, now) = (Reason::KEY_COMPROMISED, fixture.now());
        match by_name {
            true => assert!(fixture.issuer.withdraw_key(&kid, reason, now).await.unwrap()),
            false => fixture.issuer.replace_keys(None, reason, now).await.unwrap(),
        }
        assert_eq!(silently(&mut browser, &hint).await, "login_required", "{by_name}");
    }
}
