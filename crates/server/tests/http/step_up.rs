//! How and when a user logged in, as tokens tell it, and what clients may demand of it (RFC 9470, RFC 9068 section 2.2.1).

use std::time::Duration;

use gatepass_jose::{Typ, jwt};
use http::StatusCode;
use serde_json::{Value, json};

use crate::browser::*;
use crate::fixture::{Answer, Fixture, ISSUER};
use crate::responses::change;
use crate::signed::register_vault;

const PASSWORD_ACR: &str = "urn:gatepass:acr:password";

/// `acr` and `auth_time` of a token.
fn login_of(token: &Value) -> (Value, Value) {
    let claims = claims(token.as_str().unwrap());
    (claims["acr"].clone(), claims["auth_time"].clone())
}

async fn tokens(fixture: &Fixture, form: &str) -> Value {
    fixture.post("/oauth/token").form(form).send().await.expect(StatusCode::OK).json()
}

#[tokio::test]
async fn access_tokens_tell_how_and_when_their_user_logged_in_however_often_they_are_renewed() {
    let fixture = Fixture::new().await;
    register(&fixture).await;
    let at = |fixture: &Fixture| (json!(PASSWORD_ACR), json!(fixture.now().as_secs()));

    let began = at(&fixture);
    let session = fixture.log_in("alice").await;
    assert_eq!(login_of(&json!(session.access)), began, "the session API");
    fixture.pass(Duration::from_secs(700));
    let call = fixture.post("/session/refresh").json(&json!({ "refresh_token": session.refresh }));
    let renewed = call.send().await.expect(StatusCode::OK).json();
    assert_eq!(login_of(&renewed["access_token"]), began, "a refresh is no login");
    let ask = json!({ "method": "GET", "path": "/export" });
    let ticket = fixture.post("/tickets").bearer(renewed["access_token"].as_str().unwrap()).json(&ask);
    let ticket = ticket.send().await.expect(StatusCode::OK).json();
    assert_eq!(login_of(&ticket["ticket"]), began, "a ticket is its token's");

    // A login at the pages serves an application hours later.
    let mut browser = Browser::new(&fixture);
    let began = at(&fixture);
    browser.code(&request(&[("client_id", "own")])).await;
    fixture.pass(Duration::from_secs(4000));
    let query = request(&[("client_id", "own"), ("scope", "openid offline_access orders:read")]);
    let first = tokens(&fixture, &exchange("own", &browser.code(&query).await)).await;
    assert_eq!(login_of(&first["access_token"]), began, "single sign-on is no login");
    assert_eq!(login_of(&first["id_token"]), began);
    fixture.pass(Duration::from_secs(4000));
    let refresh = first["refresh_token"].as_str().unwrap();
    let form = encode([("grant_type", "refresh_token"), ("client_id", "own"), ("refresh_token", refresh)]);
    let second = tokens(&fixture, &form).await;
    assert_eq!(login_of(&second["access_token"]), began);

    let told = async |token: &Value| {
        let told = fixture.introspected(token.as_str().unwrap()).await;
        (told["acr"].clone(), told["auth_time"].clone())
    };
    assert_eq!(told(&second["access_token"]).await, began, "introspection, RFC 9470 section 6.2");
    assert_eq!(told(&second["refresh_token"]).await, began);
    let machine = json!(fixture.batch_token().await);
    assert_eq!(login_of(&machine), (Value::Null, Value::Null), "nobody logged in");
    assert_eq!(told(&machine).await, (Value::Null, Value::Null));
}

/// An authorization request with these wishes, after a login a moment ago.
async fn asked(browser: &mut Browser<'_>, changes: &[(&str, &str)]) -> Answer {
    let mut all = vec![("client_id", "own")];
    all.extend(changes);
    browser.authorize(&request(&all)).await
}

#[tokio::test]
async fn what_is_asked_of_the_login_for_a_resource_server_is_given_or_refused() {
    let fixture = Fixture::new().await;
    register(&fixture).await;
    let mut browser = Browser::new(&fixture);
    browser.code(&request(&[("client_id", "own")])).await;
    let unmet = Some("unmet_authentication_requirements");
    let openid = ("scope", "openid profile email offline_access");
    let cases = [
        ("given", vec![("acr_values", PASSWORD_ACR)], None),
        ("given_among_others", vec![("acr_values", "urn:example:gold urn:gatepass:acr:password")], None),
        ("not_given", vec![("acr_values", "urn:example:gold phr")], unmet),
        ("not_given_here", vec![("acr_values", "urn:gatepass:acr:federated")], unmet),
        // OpenID Connect Core 1.0 sections 3.1.2.1 and 15.1.
        ("no_more_than_a_wish_of_a_login", vec![("acr_values", "urn:example:gold"), openid], None),
        (
            "a_login_for_a_resource_server",
            vec![("acr_values", "urn:example:gold"), openid, ("resource", crate::fixture::API)],
            unmet,
        ),
        ("nothing", vec![("acr_values", " ")], None),
    ];
    for (name, changes, want) in cases {
        let back = sent_back(&asked(&mut browser, &changes).await);
        assert_eq!(back.get("error").map(String::as_str), want, "{name}");
        assert_eq!(back.contains_key("code"), want.is_none(), "{name}");
    }
    // Nobody is sent anywhere by a link who has not logged in.
    let stranger = Browser::new(&fixture).authorize(&request(&[("acr_values", "urn:example:gold")])).await;
    assert_eq!(stranger.status, StatusCode::BAD_REQUEST);
    assert_eq!(told_by(&stranger)["error"], "unmet_authentication_requirements");
}

#[tokio::test]
async fn what_is_asked_of_the_login_may_be_pushed_and_signed() {
    let fixture = Fixture::new().await;
    let secret = register(&fixture).await;
    let push = async |acr: &str| {
        let query = request(&[("client_id", "office"), ("acr_values", acr), ("max_age", "100")]);
        fixture.post("/oauth/par").basic("office", &secret).form(&query).send().await
    };
    assert_eq!(push("urn:gold").await.oauth_error(), (400, "unmet_authentication_requirements".into()));
    let pushed = push(PASSWORD_ACR).await.expect(StatusCode::CREATED).json();
    let mut browser = Browser::new(&fixture);
    browser.code(&request(&[("client_id", "own")])).await;
    fixture.pass(Duration::from_secs(101));
    let query = encode([("client_id", "office"), ("request_uri", pushed["request_uri"].as_str().unwrap())]);
    let page = browser.authorize(&query).await.expect(StatusCode::OK);
    let back = sent_back(&browser.log_in(&page, "alice").await);
    let call = fixture.post("/oauth/token").basic("office", &secret).form(&exchange("office", &back["code"]));
    let given = call.send().await.expect(StatusCode::OK).json();
    let just_now = (json!(PASSWORD_ACR), json!(fixture.now().as_secs()));
    assert_eq!(login_of(&given["access_token"]), just_now);

    let key = register_vault(&fixture).await;
    let signed = |acr: &str| {
        let now = fixture.now().as_secs();
        let query = request(&[("client_id", "vault"), ("acr_values", acr)]);
        let params = url::form_urlencoded::parse(query.as_bytes()).into_owned();
        let mut claims: serde_json::Map<_, _> = params.map(|(name, value)| (name, json!(value))).collect();
        let more = json!({ "iss": "vault", "aud": ISSUER, "iat": now, "exp": now + 60, "jti": acr });
        claims.extend(more.as_object().unwrap().clone());
        let object = jwt::sign(&Typ::new("oauth-authz-req+jwt"), &Value::Object(claims), &key).unwrap();
        encode([("client_id", "vault"), ("request", &object)])
    };
    // What stands beside it means nothing.
    let beside = format!("{}&acr_values={PASSWORD_ACR}", signed("urn:gold"));
    let refused = sent_back(&browser.authorize(&beside).await);
    assert_eq!(refused["error"], "unmet_authentication_requirements");
    assert!(sent_back(&browser.authorize(&signed(PASSWORD_ACR)).await).contains_key("code"));
}

#[tokio::test]
async fn how_old_a_login_may_be_is_registered_for_requests_that_do_not_say() {
    let fixture = Fixture::new().await;
    register(&fixture).await;
    let mut browser = Browser::new(&fixture);
    browser.code(&request(&[("client_id", "own")])).await;
    let set = json!({ "default_max_age": 60 });
    let set = change(&fixture, "own", set).await.expect(StatusCode::OK).json();
    assert_eq!(set["default_max_age"], 60);
    fixture.pass(Duration::from_secs(60));
    assert!(sent_back(&asked(&mut browser, &[]).await).contains_key("code"));
    fixture.pass(Duration::from_secs(1));
    let quiet = sent_back(&asked(&mut browser, &[("prompt", "none")]).await);
    assert_eq!(quiet["error"], "login_required");
    let more = sent_back(&asked(&mut browser, &[("max_age", "61")]).await);
    assert!(more.contains_key("code"), "what a request says counts more");
    let page = asked(&mut browser, &[]).await;
    assert!(text(&page).contains("/oauth/login"), "{}", text(&page));
    let back = sent_back(&browser.log_in(&page, "alice").await);
    let given = tokens(&fixture, &exchange("own", &back["code"])).await;
    assert_eq!(login_of(&given["id_token"]).1, fixture.now().as_secs());

    for (odd, name) in
        [(json!(-1), "negative"), (json!("60"), "text"), (json!(5_000_000_000_u64), "too_long")]
    {
        let refused = change(&fixture, "own", json!({ "default_max_age": odd })).await;
        assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{name}");
    }
    let unset = change(&fixture, "own", json!({ "default_max_age": null })).await.expect(StatusCode::OK);
    assert!(unset.json().get("default_max_age").is_none());
    fixture.pass(Duration::from_secs(600));
    assert!(sent_back(&asked(&mut browser, &[]).await).contains_key("code"));
}
