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
    assert!(text(&page).contains("/oauth/consent") && text(&page).contains("See your name and user name"));
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
async fn what_people_call_a_user_is_told_with_the_user_name() {
    let fixture = Fixture::new().await;
    register(&fixture).await;
    let claim = json!({ "userinfo": { "name": null } });
    let mut browser = Browser::new(&fixture);
    let alice = json!("Alice Liddell");
    let cases = [
        ("nobody_has_said_it", Value::Null, "openid profile", json!({}), [Value::Null, Value::Null]),
        ("by_scope", alice.clone(), "openid profile", json!({}), [alice.clone(), alice.clone()]),
        ("not_asked_for", alice.clone(), "openid email", json!({}), [Value::Null, Value::Null]),
        ("one_claim", alice.clone(), "openid", claim.clone(), [Value::Null, alice.clone()]),
        ("taken_away", Value::Null, "openid profile", claim, [Value::Null, Value::Null]),
    ];
    let path = format!("/admin/v1/users/{}", fixture.alice);
    for (case, name, scope, asked, want) in cases {
        let admin = fixture.admin().await;
        let change = fixture.call(http::Method::PATCH, &path).bearer(&admin).json(&json!({ "name": name }));
        let changed = change.send().await.expect(StatusCode::OK).json();
        assert_eq!(changed.get("name").unwrap_or(&Value::Null), &name, "{case}");
        let code = browser.code(&asking(&asked, &[("client_id", "own"), ("scope", scope)])).await;
        let told = told_of(&fixture, "own", &code).await;
        assert_eq!(told.each_ref().map(|claims| claims["name"].clone()), want, "{case}");
    }
}

#[tokio::test]
async fn roles_are_told_to_a_client_that_is_registered_for_them_and_asks() {
    let fixture = Fixture::new().await;
    register(&fixture).await;
    let (scope, claim) = ("openid gatepass:roles", json!({ "id_token": { "roles": null } }));
    let roles = json!(["clerk"]);
    let mut browser = Browser::new(&fixture);
    let told = async |browser: &mut Browser<'_>, asked: &Value, scope: &str| {
        let query = asking(asked, &[("client_id", "own"), ("scope", scope)]);
        told_of(&fixture, "own", &browser.code(&query).await).await.map(|claims| claims["roles"].clone())
    };
    let nothing = [Value::Null, Value::Null];
    assert_eq!(told(&mut browser, &claim, "openid").await, nothing, "not registered: passed over");
    let refused = asking(&json!({}), &[("client_id", "own"), ("scope", scope)]);
    assert_eq!(told_by(&browser.authorize(&refused).await)["error"], "invalid_scope");

    let registered = |more: &str| json!({ "scope": format!("orders:read orders:write {more}").trim() });
    change(&fixture, "own", registered("gatepass:roles")).await.expect(StatusCode::OK);
    assert_eq!(told(&mut browser, &json!({}), "openid profile email").await, nothing, "not asked for");
    assert_eq!(told(&mut browser, &json!({}), scope).await, [roles.clone(), roles.clone()], "by scope");
    assert_eq!(told(&mut browser, &claim, "openid").await, [roles.clone(), Value::Null], "one claim");
    let by_userinfo = json!({ "userinfo": { "roles": { "essential": true } } });
    assert_eq!(told(&mut browser, &by_userinfo, "openid").await, [Value::Null, roles.clone()], "the other");

    // A client that loses it is told no more, whatever it was granted before.
    let codes = [
        browser.code(&refused).await,
        browser.code(&asking(&claim, &[("client_id", "own"), ("scope", "openid")])).await,
    ];
    change(&fixture, "own", registered("")).await.expect(StatusCode::OK);
    fixture.pass(std::time::Duration::from_secs(31));
    for code in codes {
        let form = exchange("own", &code);
        let tokens = fixture.post("/oauth/token").form(&form).send().await.expect(StatusCode::OK).json();
        assert!(claims(tokens["id_token"].as_str().unwrap()).get("roles").is_none());
    }

    // Others ask the user first.
    change(&fixture, "shop", registered("gatepass:roles")).await.expect(StatusCode::OK);
    browser.code(&request(&[("scope", "openid")])).await;
    for query in [request(&[("scope", scope)]), asking(&claim, &[])] {
        let page = browser.authorize(&query).await.expect(StatusCode::OK);
        assert!(text(&page).contains("/oauth/consent") && text(&page).contains("See your roles"));
    }
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
