//! Claims that a client asks for one by one.

use gatepass_issuer::Email;
use gatepass_issuer::admin::ChangeUser;
use http::StatusCode;
use serde_json::{Value, json};

use crate::browser::*;
use crate::fixture::Fixture;
use crate::responses::change;

fn asking(claims: &Value, more: &[(&str, &str)]) -> String {
    let claims = claims.to_string();
    let mut changes = vec![("claims", claims.as_str()), ("scope", "openid")];
    changes.extend(more);
    request(&changes)
}

/// What the ID token and the userinfo endpoint say of the user's name.
async fn told(fixture: &Fixture, client: &str, code: &str) -> [Value; 2] {
    told_of(fixture, client, code).await.map(|claims| claims["preferred_username"].clone())
}

async fn told_of(fixture: &Fixture, client: &str, code: &str) -> [Value; 2] {
    let call = fixture.post("/oauth/token").form(&exchange(client, code));
    let tokens = call.send().await.expect(StatusCode::OK).json();
    let token = tokens["access_token"].as_str().unwrap();
    let info = fixture.get("/oauth/userinfo").bearer(token).send().await.expect(StatusCode::OK).json();
    let id = claims(tokens["id_token"].as_str().unwrap());
    [id, info]
}

#[tokio::test]
async fn a_claim_is_told_where_it_was_asked_for_and_only_what_the_user_allows() {
    let fixture = Fixture::new().await;
    register(&fixture).await;
    let name = json!({ "preferred_username": null });
    let wanted = [
        (json!({}), [Value::Null, Value::Null]),
        (json!({ "id_token": name }), [json!("alice"), Value::Null]),
        (
            json!({ "userinfo": { "preferred_username": { "essential": true } } }),
            [Value::Null, json!("alice")],
        ),
        (json!({ "id_token": name, "userinfo": name, "x": 1 }), [json!("alice"), json!("alice")]),
        (json!({ "id_token": { "email": { "essential": true } } }), [Value::Null, Value::Null]),
    ];
    let mut browser = Browser::new(&fixture);
    for (asked, want) in wanted {
        let code = browser.code(&asking(&asked, &[("client_id", "own")])).await;
        assert_eq!(told(&fixture, "own", &code).await, want, "{asked}");
    }
    // Nobody is told a name whose owner has only been asked whether it is them.
    browser.code(&asking(&json!({}), &[])).await;
    let page = browser.authorize(&asking(&json!({ "userinfo": name }), &[])).await.expect(StatusCode::OK);
    assert!(text(&page).contains("/oauth/consent") && text(&page).contains("See your user name"));
    let back = sent_back(&browser.submit(&page, &[("decision", "allow")]).await);
    assert_eq!(told(&fixture, "shop", &back["code"]).await, [Value::Null, json!("alice")]);
    let again = browser.authorize(&asking(&json!({ "id_token": name }), &[("prompt", "none")])).await;
    assert!(sent_back(&again).contains_key("code"), "allowed before");
    let no_openid = asking(&json!({ "id_token": name }), &[("scope", "orders:read"), ("client_id", "own")]);
    let code = browser.code(&no_openid).await;
    let call = fixture.post("/oauth/token").form(&exchange("own", &code));
    assert!(call.send().await.expect(StatusCode::OK).json().get("id_token").is_none());
}

#[tokio::test]
async fn an_address_is_told_by_scope_or_claim_with_whether_it_is_verified() {
    let fixture = Fixture::new().await;
    register(&fixture).await;
    let address = |address: &str, verified| ChangeUser {
        email: Some(Some(Email { address: address.parse().unwrap(), verified })),
        ..ChangeUser::default()
    };
    let claim = |name: &str| json!({ "userinfo": { name: null } });
    let mut browser = Browser::new(&fixture);
    let cases = [
        ("none", None, "openid email", json!({}), [Value::Null, Value::Null]),
        ("unverified", Some(false), "openid email", json!({}), [json!("a@example.com"), json!(false)]),
        ("verified", Some(true), "openid email", json!({}), [json!("a@example.com"), json!(true)]),
        ("not_asked_for", Some(true), "openid profile", json!({}), [Value::Null, Value::Null]),
        ("one_claim", Some(true), "openid", claim("email"), [json!("a@example.com"), Value::Null]),
        ("the_other", Some(true), "openid", claim("email_verified"), [Value::Null, json!(true)]),
    ];
    for (name, verified, scope, asked, want) in cases {
        if let Some(verified) = verified {
            let change = address("a@example.com", verified);
            fixture.issuer.change_user(fixture.alice, change, fixture.now()).await.unwrap();
        }
        let code = browser.code(&asking(&asked, &[("client_id", "own"), ("scope", scope)])).await;
        let [id, info] = told_of(&fixture, "own", &code).await;
        let email = |claims: &Value| ["email", "email_verified"].map(|name| claims[name].clone());
        assert_eq!(email(&info), want, "{name}");
        let by_scope = scope == "openid email";
        assert_eq!(email(&id), if by_scope { want } else { [Value::Null, Value::Null] }, "{name}");
    }
    // To others it is told when the user allows it.
    browser.code(&request(&[("scope", "openid")])).await;
    let page = browser.authorize(&request(&[("scope", "openid email")])).await.expect(StatusCode::OK);
    assert!(text(&page).contains("/oauth/consent") && text(&page).contains("See your e-mail address"));
}

#[tokio::test]
async fn a_client_says_who_it_must_be_and_how_they_must_have_logged_in() {
    let fixture = Fixture::new().await;
    register(&fixture).await;
    let mut browser = Browser::new(&fixture);
    browser.code(&request(&[("client_id", "own")])).await;
    let quiet = [("client_id", "own"), ("prompt", "none")];
    let sub = |name: &str| json!({ "id_token": { "sub": { "value": name } } });
    let acr = |value: &str| json!({ "id_token": { "acr": { "essential": true, "values": [value] } } });
    let alice = fixture.alice.to_string();
    let cases = [
        ("her", sub(&alice), None),
        ("somebody", sub("somebody"), Some("login_required")),
        (
            "two_at_once",
            json!({ "id_token": { "sub": { "values": [alice, "somebody"] } } }),
            Some("login_required"),
        ),
        ("acr", acr("urn:gatepass:acr:password"), None),
        ("acr_unmet", acr("urn:example:hardware"), Some("unmet_authentication_requirements")),
        ("odd", json!({ "id_token": ["acr"] }), Some("invalid_request")),
    ];
    for (name, asked, want) in cases {
        let back = sent_back(&browser.authorize(&asking(&asked, &quiet)).await);
        assert_eq!(back.get("error").map(String::as_str), want, "{name}");
        assert_eq!(back.contains_key("code"), want.is_none(), "{name}");
    }
    // Somebody else logs in, and is sent back without a code.
    let page = browser.authorize(&asking(&sub("somebody"), &[("client_id", "own")])).await;
    let back = sent_back(&browser.log_in(&page.expect(StatusCode::OK), "alice").await);
    assert_eq!(back["error"], "login_required");

    // A pairwise client knows her by one name alone, and it is not her own.
    change(&fixture, "own", json!({ "subject_type": "pairwise" })).await.expect(StatusCode::OK);
    let back = sent_back(&browser.authorize(&asking(&sub(&alice), &quiet)).await);
    assert_eq!(back["error"], "login_required");
}

/// RFC 6750 section 2.2.
#[tokio::test]
async fn the_userinfo_endpoint_takes_the_token_in_a_form_too_and_not_twice() {
    let fixture = Fixture::new().await;
    register(&fixture).await;
    let code = Browser::new(&fixture).code(&request(&[])).await;
    let tokens = fixture.post("/oauth/token").form(&exchange("shop", &code)).send().await.json();
    let token = tokens["access_token"].as_str().unwrap();
    let post = || fixture.post("/oauth/userinfo");
    let form = encode([("access_token", token)]);
    for call in [post().form(&form), post().bearer(token), post().bearer(token).form("")] {
        assert_eq!(call.send().await.expect(StatusCode::OK).json()["sub"], claims(token)["sub"]);
    }
    let twice = encode([("access_token", token), ("access_token", token)]);
    let cases = [
        ("in_both", post().bearer(token).form(&form), 400),
        ("in_the_form_twice", post().form(&twice), 400),
        ("in_a_query", fixture.post(&format!("/oauth/userinfo?{form}")), 401),
        ("in_a_body_of_another_type", post().json(&json!({ "access_token": token })), 401),
        ("nowhere", post().form(""), 401),
        ("no_token", post().form("access_token=x"), 401),
    ];
    for (name, call, want) in cases {
        assert_eq!(call.send().await.status, want, "{name}");
    }
}
