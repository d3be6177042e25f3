//! Applications hear of logouts: by a logout token, and in a frame of the logout page.

use std::collections::BTreeSet;
use std::time::Duration;

use gatepass_issuer::Delivered;
use gatepass_issuer::admin::{ChangeClient, ChangeUser};
use gatepass_server::HttpConfig;
use http::StatusCode;
use serde_json::{Value, json};

use crate::browser::*;
use crate::fixture::{Fixture, ISSUER};

const BACKCHANNEL: &str = "https://app.example.com/backchannel";

const WEEK: Duration = Duration::from_secs(7 * 24 * 3600);

/// Has `client` told of logouts.
pub(crate) async fn tell(fixture: &Fixture, client: &str) {
    let change = ChangeClient {
        backchannel_logout_uri: Some(Some(BACKCHANNEL.parse().unwrap())),
        frontchannel_logout_uri: Some(Some("https://app.example.com/front?x=1".parse().unwrap())),
        ..ChangeClient::default()
    };
    fixture.issuer.change_client(&client.parse().unwrap(), change, fixture.now()).await.unwrap();
}

pub(crate) async fn tokens(fixture: &Fixture, browser: &mut Browser<'_>, client: &str, scope: &str) -> Value {
    let code = browser.code(&request(&[("client_id", client), ("scope", scope)])).await;
    let call = fixture.post("/oauth/token").form(&exchange(client, &code));
    call.send().await.expect(StatusCode::OK).json()
}

#[tokio::test]
async fn a_logout_leaves_a_token_for_each_application_that_wants_to_know() {
    let fixture = Fixture::new().await;
    register(&fixture).await;
    tell(&fixture, "shop").await;
    let mut browser = Browser::new(&fixture);
    let shop = tokens(&fixture, &mut browser, "shop", "openid").await;
    let own = tokens(&fixture, &mut browser, "own", "openid").await;
    assert!(fixture.issuer.due_logouts(10, fixture.now()).await.unwrap().is_empty());
    let hint = own["id_token"].as_str().unwrap();
    let page = browser.open(&format!("/oauth/logout?id_token_hint={hint}")).await.expect(StatusCode::OK);

    let id = claims(shop["id_token"].as_str().unwrap());
    let due = due_logouts(&fixture).await;
    let [(delivery, token)] = due.as_slice() else { panic!("one of the two wants to know: {due:?}") };
    assert_eq!(delivery.uri.as_str(), BACKCHANNEL);
    let told = claims(token);
    for name in ["iss", "sub", "sid", "aud"] {
        assert_eq!(told[name], id[name], "{name}");
    }
    assert_eq!(told["events"], json!({ "http://schemas.openid.net/event/backchannel-logout": {} }));
    assert!(told.get("nonce").is_none() && !told["jti"].as_str().unwrap().is_empty());
    // A logout token is none of the issuer's other tokens.
    assert_eq!(fixture.get("/oauth/userinfo").bearer(token).send().await.status, 401);
    let hinted = browser.open(&format!("/oauth/logout?id_token_hint={token}")).await;
    assert!(!text(&hinted).contains("iframe"));

    let sid = id["sid"].as_str().unwrap();
    let frame =
        format!("https://app.example.com/front?x=1&#38;iss=https%3A%2F%2Fauth.example.com&#38;sid={sid}");
    assert!(text(&page).contains(&format!("<iframe src=\"{frame}\"")), "{}", text(&page));
    let policy = page.header("content-security-policy");
    assert!(
        policy.contains("; frame-src https://app.example.com") && policy.contains("frame-ancestors 'none'")
    );
    assert_eq!(page.header("refresh"), "", "there is nowhere to go on to");
    assert_eq!(ISSUER, told["iss"]);
}

/// An issuer whose logins live for a week without being used.
async fn patient() -> Fixture {
    let fixture = Fixture::with(HttpConfig::default(), |config| config.login.idle = WEEK).await;
    register(&fixture).await;
    for client in ["shop", "own"] {
        tell(&fixture, client).await;
    }
    fixture
}

/// The `sid`s of the sessions of which somebody is to be told now.
async fn told(fixture: &Fixture) -> BTreeSet<String> {
    let due = due_logouts(fixture).await;
    due.iter().map(|(_, token)| claims(token)["sid"].as_str().unwrap().to_owned()).collect()
}

fn sid(tokens: &Value) -> String {
    claims(tokens["id_token"].as_str().unwrap())["sid"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_logout_reaches_applications_whose_tokens_died_long_ago() {
    for hours in [1, 60] {
        let fixture = patient().await;
        let mut browser = Browser::new(&fixture);
        let shop = tokens(&fixture, &mut browser, "shop", "openid").await;
        let own = tokens(&fixture, &mut browser, "own", "openid").await;
        assert!(shop.get("refresh_token").is_none());
        fixture.pass(Duration::from_secs(hours * 3600));
        fixture.issuer.maintain(fixture.now()).await.unwrap();
        let revoked = fixture.issuer.read_log(&mut fixture.issuer.log_position(Some(0)), 100).len();
        let hint = own["id_token"].as_str().unwrap();
        let page = browser.open(&format!("/oauth/logout?id_token_hint={hint}")).await.expect(StatusCode::OK);
        let both = BTreeSet::from([sid(&shop), sid(&own)]);
        for sid in &both {
            assert!(text(&page).contains(&format!("&#38;sid={sid}\"")), "{hours}: {}", text(&page));
        }
        assert_eq!(told(&fixture).await, both, "{hours}");
        let log = fixture.issuer.read_log(&mut fixture.issuer.log_position(Some(0)), 100);
        let ended = "the login, and what the hint names; of the other no token is alive";
        assert_eq!(log.len(), revoked + 2, "{hours}: {ended}");
    }
}

#[tokio::test]
async fn whoever_is_disabled_is_told_of_to_applications_whose_tokens_died_long_ago() {
    let fixture = patient().await;
    let mut browser = Browser::new(&fixture);
    let shop = tokens(&fixture, &mut browser, "shop", "openid").await;
    let offline = tokens(&fixture, &mut browser, "own", "openid offline_access").await;
    fixture.pass(Duration::from_secs(3600));
    let change = ChangeUser { disabled: Some(true), ..ChangeUser::default() };
    fixture.issuer.change_user(fixture.alice, change, fixture.now()).await.unwrap();
    assert_eq!(told(&fixture).await, BTreeSet::from([sid(&shop), sid(&offline)]));
}

#[tokio::test]
async fn a_login_that_runs_out_is_told_to_nobody() {
    let fixture = patient().await;
    let mut browser = Browser::new(&fixture);
    let shop = tokens(&fixture, &mut browser, "shop", "openid").await;
    for time in [WEEK, Duration::from_secs(25 * 3600)] {
        fixture.pass(time);
        fixture.issuer.maintain(fixture.now()).await.unwrap();
        assert!(told(&fixture).await.is_empty(), "{time:?}");
    }
    let hint = shop["id_token"].as_str().unwrap();
    browser.open(&format!("/oauth/logout?id_token_hint={hint}")).await.expect(StatusCode::OK);
    assert!(told(&fixture).await.is_empty(), "there is no login that could end");
}

#[tokio::test]
async fn an_application_with_many_sessions_leaves_the_others_their_frames() {
    let fixture = patient().await;
    let mut browser = Browser::new(&fixture);
    let own = tokens(&fixture, &mut browser, "own", "openid").await;
    for _ in 0..40 {
        fixture.pass(Duration::from_secs(600));
        tokens(&fixture, &mut browser, "shop", "openid").await;
    }
    let hint = own["id_token"].as_str().unwrap();
    let last = tokens(&fixture, &mut browser, "shop", "openid").await;
    let page = text(&browser.open(&format!("/oauth/logout?id_token_hint={hint}")).await);
    assert_eq!(page.matches("<iframe").count(), 32);
    for shown in [&own, &last] {
        assert!(page.contains(&sid(shown)), "{page}");
    }
}

#[tokio::test]
async fn frames_come_before_the_way_back_and_not_without_need() {
    let fixture = Fixture::new().await;
    register(&fixture).await;
    tell(&fixture, "shop").await;
    let bye = "https://app.example.com/bye";
    for (client, framed) in [("shop", true), ("own", false)] {
        let mut browser = Browser::new(&fixture);
        let tokens = tokens(&fixture, &mut browser, client, "openid").await;
        let hint = tokens["id_token"].as_str().unwrap();
        let params = [("id_token_hint", hint), ("post_logout_redirect_uri", bye), ("state", "a\"b")];
        let answer = browser.open(&format!("/oauth/logout?{}", encode(params))).await;
        let next = format!("{bye}?state=a%22b");
        match framed {
            true => {
                assert_eq!(answer.status, StatusCode::OK);
                assert_eq!(answer.header("refresh"), format!("3; url={next}"));
                assert!(text(&answer).contains(&format!("<a href=\"{next}\"")), "{}", text(&answer));
            }
            false => {
                assert_eq!((answer.status, answer.header("location")), (StatusCode::SEE_OTHER, next.as_str()))
            }
        }
        assert!(browser.cookie(LOGIN_COOKIE).is_none(), "{client}");
    }
}

#[tokio::test]
async fn what_is_not_taken_is_sent_again_for_hours_and_then_given_up() {
    let fixture = Fixture::new().await;
    register(&fixture).await;
    tell(&fixture, "shop").await;
    let mut browser = Browser::new(&fixture);
    tokens(&fixture, &mut browser, "shop", "openid offline_access").await;
    let change = ChangeUser { disabled: Some(true), ..ChangeUser::default() };
    fixture.issuer.change_user(fixture.alice, change, fixture.now()).await.unwrap();
    let mut attempts = 0;
    for _ in 0..100 {
        for delivery in fixture.issuer.due_logouts(10, fixture.now()).await.unwrap() {
            attempts += 1;
            fixture.issuer.settle_logout(&delivery.notice, Delivered::Failed, fixture.now()).await.unwrap();
        }
        fixture.pass(Duration::from_secs(600));
    }
    assert_eq!(attempts, 9, "once, and again after each pause");
}

#[tokio::test]
async fn where_applications_are_told_is_checked() {
    let fixture = Fixture::new().await;
    let admin = fixture.admin().await;
    let body = json!({
        "client_id": "told", "client_name": "told", "token_endpoint_auth_method": "none",
        "grant_types": ["authorization_code"], "redirect_uris": [CALLBACK],
        "backchannel_logout_uri": BACKCHANNEL,
    });
    let created = fixture.post("/admin/v1/clients").bearer(&admin).json(&body).send().await;
    assert_eq!(created.expect(StatusCode::CREATED).json()["backchannel_logout_uri"], BACKCHANNEL);
    for (name, uri) in [
        ("backchannel_logout_uri", "http://app.example.com/logout"),
        ("backchannel_logout_uri", "http://169.254.169.254/latest/meta-data"),
        ("backchannel_logout_uri", "com.example.app:/logout"),
        ("frontchannel_logout_uri", "https://evil.example/front"),
    ] {
        let call = fixture.call(http::Method::PATCH, "/admin/v1/clients/told").bearer(&admin);
        let answer = call.json(&json!({ name: uri })).send().await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{uri}");
    }
    for (change, left) in
        [(json!({}), json!(BACKCHANNEL)), (json!({ "backchannel_logout_uri": null }), Value::Null)]
    {
        let call = fixture.call(http::Method::PATCH, "/admin/v1/clients/told").bearer(&admin);
        let changed = call.json(&change).send().await.expect(StatusCode::OK).json();
        assert_eq!(changed["backchannel_logout_uri"], left);
    }
}
