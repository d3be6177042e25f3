//! Where a browser goes with an error of the request itself.

use http::StatusCode;
use http::header::LOCATION;

use crate::browser::*;
use crate::fixture::Fixture;

const TOO_MUCH: (&str, &str) = ("scope", "openid gatepass:admin");

#[tokio::test]
async fn nobody_is_sent_on_unasked_before_anybody_has_logged_in() {
    let fixture = Fixture::new().await;
    register(&fixture).await;
    let mut browser = Browser::new(&fixture);
    let cases = [
        ("scope", TOO_MUCH, "invalid_scope"),
        ("challenge", ("code_challenge_method", "plain"), "invalid_request"),
        ("response_type", ("response_type", "token"), "unsupported_response_type"),
        ("prompt", ("prompt", "nonesuch"), "invalid_request"),
        ("resource", ("resource", "https://x.example"), "invalid_target"),
    ];
    for (name, change, error) in cases {
        let page = browser.authorize(&request(&[change])).await.expect(StatusCode::BAD_REQUEST);
        assert!(!page.headers.contains_key(LOCATION) && !page.headers.contains_key("refresh"), "{name}");
        let html = text(&page);
        assert!(
            html.contains(&format!("<code>{error}</code>")) && !html.contains("<script"),
            "{name}: {html}"
        );
        assert!(html.contains("Back to <strong dir=\"auto\">app.example.com</strong>"), "{name}: {html}");
        let told = told_by(&page);
        assert_eq!((told["error"].as_str(), told["state"].as_str()), (error, "s&1=\"<é>"), "{name}");
    }

    browser.through(&request(&[("client_id", "own")])).await;
    let logged_in = browser.authorize(&request(&[TOO_MUCH])).await;
    assert_eq!(sent_back(&logged_in)["error"], "invalid_scope", "by somebody who has logged in");
}

#[tokio::test]
async fn silent_requests_and_the_operators_own_clients_are_answered_at_once() {
    let fixture = Fixture::new().await;
    register(&fixture).await;
    let mut browser = Browser::new(&fixture);
    for change in [("client_id", "own"), ("prompt", "none"), ("prompt", "login none")] {
        let answer = browser.authorize(&request(&[TOO_MUCH, change])).await;
        assert_eq!(sent_back(&answer)["error"], "invalid_scope", "{change:?}");
    }
}

#[tokio::test]
async fn the_answer_on_the_page_is_the_one_that_would_have_been_sent() {
    let fixture = Fixture::new().await;
    register(&fixture).await;
    let mut browser = Browser::new(&fixture);
    let signed = browser.authorize(&request(&[TOO_MUCH, ("response_mode", "jwt")])).await;
    let told = told_by(&signed);
    assert_eq!(claims(&told["response"])["error"], "invalid_scope");
    assert_eq!(told.len(), 1, "nothing stands beside it");

    let posted = browser.authorize(&request(&[TOO_MUCH, ("response_mode", "form_post")])).await;
    let (action, fields) = form(&posted);
    assert_eq!((action.as_str(), fields["error"].as_str()), (CALLBACK, "invalid_scope"));
    let policy = posted.header("content-security-policy");
    assert!(policy.ends_with("; form-action https:"), "no script sends it: {policy}");
}
