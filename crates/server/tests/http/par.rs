//! Authorization requests that clients push.

use std::time::Duration;

use http::{Method, StatusCode};
use serde_json::json;

use crate::browser::*;
use crate::fixture::{Answer, Fixture};

/// What a push is called, what is different about its request, and what it meets.
type Push<'p> = (&'p str, &'p [(&'p str, &'p str)], (u16, &'p str));

/// Pushes a request of `office` that differs so from the usual one.
async fn push(fixture: &Fixture, secret: &str, changes: &[(&str, &str)]) -> Answer {
    let changes: Vec<_> = [("client_id", "office")].into_iter().chain(changes.iter().copied()).collect();
    fixture.post("/oauth/par").basic("office", secret).form(&request(&changes)).send().await
}

/// What a browser then brings.
async fn pushed(fixture: &Fixture, secret: &str) -> String {
    let answer = push(fixture, secret, &[]).await.expect(StatusCode::CREATED);
    let request_uri = answer.json()["request_uri"].as_str().unwrap().to_owned();
    encode([("client_id", "office"), ("request_uri", &request_uri)])
}

async fn require_pushed(fixture: &Fixture) {
    let call = fixture.call(Method::PATCH, "/admin/v1/clients/office").bearer(&fixture.admin().await);
    let change = json!({ "require_pushed_authorization_requests": true });
    call.json(&change).send().await.expect(StatusCode::OK);
}

#[tokio::test]
async fn a_pushed_request_is_used_once_and_what_stands_beside_it_means_nothing() {
    let fixture = Fixture::new().await;
    let secret = register(&fixture).await;
    require_pushed(&fixture).await;
    let answer = push(&fixture, &secret, &[]).await.expect(StatusCode::CREATED);
    assert_eq!((answer.header("cache-control"), &answer.json()["expires_in"]), ("no-store", &json!(540)));

    let query = pushed(&fixture, &secret).await;
    let beside =
        encode([("scope", "openid orders:write"), ("redirect_uri", "https://evil.example/"), ("state", "x")]);
    let mut browser = Browser::new(&fixture);
    browser.authorize(&query).await.expect(StatusCode::OK);
    let page = browser.authorize(&format!("{query}&{beside}")).await.expect(StatusCode::OK);
    let back = browser.log_in(&page, "alice").await;
    let back = sent_back(&back);
    assert_eq!(back["state"], "s&1=\"<é>");
    let call = fixture.post("/oauth/token").basic("office", &secret).form(&exchange("office", &back["code"]));
    assert_eq!(call.send().await.expect(StatusCode::OK).json()["scope"], "openid orders:read profile");

    for (name, query) in [("again", query.clone()), ("again_with_more", format!("{query}&{beside}"))] {
        let answer = browser.authorize(&query).await.expect(StatusCode::BAD_REQUEST);
        assert!(text(&answer).contains("used already"), "{name}");
    }
}

#[tokio::test]
async fn a_request_uri_is_its_clients_alone_and_for_minutes() {
    let fixture = Fixture::new().await;
    let secret = register(&fixture).await;
    let query = pushed(&fixture, &secret).await;
    let mut browser = Browser::new(&fixture);
    for (name, query) in [
        ("another_clients", query.replace("office", "shop")),
        ("no_client", query.replace("office", "")),
        ("guessed", format!("{query}x")),
    ] {
        assert_eq!(browser.authorize(&query).await.status, StatusCode::BAD_REQUEST, "{name}");
    }
    fixture.pass(Duration::from_secs(539));
    let page = browser.authorize(&query).await.expect(StatusCode::OK);
    fixture.pass(Duration::from_secs(1));
    browser.log_in(&page, "alice").await.expect(StatusCode::BAD_REQUEST);
    // One that is somewhere else is not fetched, and the client hears of it.
    let elsewhere = request(&[("request_uri", "https://app.example.com/request")]);
    assert_eq!(told_by(&browser.authorize(&elsewhere).await)["error"], "request_uri_not_supported");
}

#[tokio::test]
async fn who_must_push_cannot_do_without() {
    let fixture = Fixture::new().await;
    let secret = register(&fixture).await;
    require_pushed(&fixture).await;
    let direct = request(&[("client_id", "office")]);
    let mut browser = Browser::new(&fixture);
    let refused = browser.authorize(&direct).await;
    assert_eq!(told_by(&refused)["error"], "invalid_request");
    // Nor by the page of a request that was pushed, with another in the place of its name.
    let page = browser.authorize(&pushed(&fixture, &secret).await).await.expect(StatusCode::OK);
    let swapped = browser.submit(&page, &[("request", &direct)]).await;
    assert_eq!(told_by(&swapped)["error"], "invalid_request");

    let call = fixture.call(Method::PATCH, "/admin/v1/clients/shop").bearer(&fixture.admin().await);
    let public = json!({ "require_pushed_authorization_requests": true });
    call.json(&public).send().await.expect(StatusCode::OK);
    let mut browser = Browser::new(&fixture);
    assert_eq!(told_by(&browser.authorize(&request(&[])).await)["error"], "invalid_request");
    browser.code(&pushed_by_shop(&fixture).await).await;
}

/// The authorization request that names what a client pushed that has no secret.
async fn pushed_by_shop(fixture: &Fixture) -> String {
    let answer = fixture.post("/oauth/par").form(&request(&[])).send().await;
    let answer = answer.expect(StatusCode::CREATED).json();
    encode([("client_id", "shop"), ("request_uri", answer["request_uri"].as_str().unwrap())])
}

#[tokio::test]
async fn a_client_without_a_secret_pushes_too_and_nobody_fills_the_store_in_its_name_or_keeps_others_out() {
    let fixture = Fixture::new().await;
    let secret = register(&fixture).await;
    let mut browser = Browser::new(&fixture);
    let code = browser.code(&pushed_by_shop(&fixture).await).await;
    fixture.post("/oauth/token").form(&exchange("shop", &code)).send().await.expect(StatusCode::OK);

    let push = |address: [u8; 4]| fixture.post("/oauth/par").form(&request(&[])).from(address.into()).send();
    let mut kept = 0;
    for attempt in 0..200 {
        let answer = push([192, 0, 2, 1]).await;
        if answer.status == StatusCode::TOO_MANY_REQUESTS {
            assert!(!answer.header("retry-after").is_empty());
            break;
        }
        answer.expect(StatusCode::CREATED);
        kept = attempt + 1;
    }
    assert_eq!(kept, 40, "from one address");
    push([198, 51, 100, 1]).await.expect(StatusCode::CREATED);
    for _ in 0..50 {
        pushed(&fixture, &secret).await; // whoever proves who it is may always
    }
    let mut kept = 0;
    for network in [113, 114, 115] {
        for address in 0..=255 {
            kept += u32::from(push([203, 0, network, address]).await.status == StatusCode::CREATED);
        }
    }
    assert_eq!(kept, 3 * 200, "from three networks");
    push([198, 51, 100, 2]).await.expect(StatusCode::CREATED); // its name is not used up
}

#[tokio::test]
async fn what_cannot_be_pushed() {
    let fixture = Fixture::new().await;
    let secret = register(&fixture).await;
    let long = "x".repeat(9 * 1024);
    let cases: [Push<'_>; 7] = [
        ("another_redirect_uri", &[("redirect_uri", "https://evil.example/")], (400, "invalid_request")),
        ("no_redirect_uri", &[("redirect_uri", "")], (400, "invalid_request")),
        ("too_much_scope", &[("scope", "openid gatepass:admin")], (400, "invalid_scope")),
        ("a_token", &[("response_type", "token")], (400, "unsupported_response_type")),
        (
            "a_request_uri",
            &[("request_uri", "urn:ietf:params:oauth:request_uri:x")],
            (400, "invalid_request"),
        ),
        ("too_long", &[("state", &long)], (400, "invalid_request")),
        ("another_client", &[("client_id", "shop")], (400, "invalid_request")),
    ];
    for (name, changes, (status, error)) in cases {
        let answer = push(&fixture, &secret, changes).await;
        assert_eq!(answer.oauth_error(), (status, error.to_owned()), "{name}");
    }
    let par = || fixture.post("/oauth/par");
    let cases = [
        ("a_secret_left_out", par().form(&request(&[("client_id", "office")]))),
        ("nobody", par().form(&request(&[("client_id", "")]))),
        ("wrong_secret", par().basic("office", "x").form(&request(&[("client_id", "office")]))),
    ];
    for (name, call) in cases {
        assert_eq!(call.send().await.oauth_error(), (401, "invalid_client".into()), "{name}");
    }
    assert_eq!(fixture.get("/oauth/par").send().await.status, StatusCode::METHOD_NOT_ALLOWED);
}
