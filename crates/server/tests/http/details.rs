//! Rich authorization requests: what is asked for beyond scopes.

use std::time::Duration;

use gatepass_server::HttpConfig;
use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::browser::*;
use crate::fixture::{Answer, Fixture, with};

const OFFLINE: &str = "openid profile offline_access orders:read";
const DETAILS: &str =
    r#"[{"type":"payment","amount":"5.00","to":"<b>Bo</b>"},{"type":"payment","amount":"7.00"}]"#;
const ONE: &str = r#"[{"amount":"7.00","type":"payment"}]"#;
const MORE: &str = r#"[{"type":"payment","amount":"700.00"}]"#;

fn details(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

async fn allow(fixture: &Fixture, client: &str, types: &[&str]) -> Answer {
    let call =
        fixture.call(Method::PATCH, &format!("/admin/v1/clients/{client}")).bearer(&fixture.admin().await);
    call.json(&json!({ "authorization_details_types": types })).send().await
}

/// A server that knows payments and accounts, and `shop`, which may ask for payments.
async fn fixture() -> Fixture {
    let types = ["payment", "account"].map(str::to_owned).to_vec();
    let fixture =
        Fixture::with(HttpConfig::default(), |config| config.authorization_details_types = types).await;
    register(&fixture).await;
    allow(&fixture, "shop", &["payment"]).await.expect(StatusCode::OK);
    fixture
}

/// The tokens of a login at `shop` that allows [`DETAILS`].
async fn log_in(fixture: &Fixture, more: &[(&str, &str)]) -> Answer {
    let query = request(&[("scope", OFFLINE), ("authorization_details", DETAILS)]);
    let code = Browser::new(fixture).code(&query).await;
    let form = format!("{}&{}", exchange("shop", &code), encode(more.iter().copied()));
    fixture.post("/oauth/token").form(&form).send().await
}

async fn refresh(fixture: &Fixture, tokens: &Value, asked: &str) -> Answer {
    let token = tokens["refresh_token"].as_str().unwrap();
    let params = [
        ("grant_type", "refresh_token"),
        ("client_id", "shop"),
        ("refresh_token", token),
        ("authorization_details", asked),
    ];
    fixture.post("/oauth/token").form(&encode(params)).send().await
}

fn in_token(tokens: &Value) -> Value {
    let inside = claims(tokens["access_token"].as_str().unwrap());
    let inside = inside.get("authorization_details").cloned().unwrap_or_default();
    assert_eq!(inside, tokens.get("authorization_details").cloned().unwrap_or_default(), "told and minted");
    inside
}

#[tokio::test]
async fn details_are_shown_given_and_only_ever_narrowed() {
    let fixture = fixture().await;
    let query = request(&[("scope", OFFLINE), ("authorization_details", DETAILS)]);
    let mut browser = Browser::new(&fixture);
    browser.code(&request(&[("scope", OFFLINE)])).await;
    let page = text(&browser.authorize(&query).await);
    assert!(page.contains("payment") && page.contains("5.00") && page.contains("7.00"), "{page}");
    assert!(page.contains("&#60;b&#62;Bo") && !page.contains("<b>"), "{page}");
    browser.code(&query).await;
    let again = text(&browser.authorize(&query).await);
    assert!(again.contains("/oauth/consent"), "each is asked for each time");

    let tokens = log_in(&fixture, &[]).await.expect(StatusCode::OK).json();
    assert_eq!(in_token(&tokens), details(DETAILS));
    let told = encode([("token", tokens["access_token"].as_str().unwrap())]);
    let told =
        fixture.post("/oauth/introspect").basic("batch", &fixture.secret).form(&told).send().await.json();
    assert_eq!(told["authorization_details"], details(DETAILS));

    for asked in [MORE, r#"[{"type":"account"}]"#, r#"[{"type":"payment"}]"#] {
        let refused = refresh(&fixture, &tokens, asked).await;
        assert_eq!(refused.oauth_error(), (400, "invalid_authorization_details".into()), "{asked}");
    }
    let narrowed = refresh(&fixture, &tokens, ONE).await.expect(StatusCode::OK).json();
    assert_eq!(in_token(&narrowed), details(ONE));
    let whole = refresh(&fixture, &narrowed, "").await.expect(StatusCode::OK).json();
    assert_eq!(in_token(&whole), details(DETAILS), "what was granted is still granted");

    let narrowed = log_in(&fixture, &[("authorization_details", ONE)]).await.expect(StatusCode::OK).json();
    assert_eq!(in_token(&narrowed), details(ONE));
    let widened = log_in(&fixture, &[("authorization_details", MORE)]).await;
    assert_eq!(widened.oauth_error(), (400, "invalid_authorization_details".into()));
}

#[tokio::test]
async fn what_sessions_may_beyond_scopes_is_listed_while_they_live() {
    let fixture = fixture().await;
    let own = fixture.log_in("alice").await.access;
    let path = format!("/admin/v1/users/{}/consents", fixture.alice);
    let admin = fixture.admin().await;
    let listed = async |client: &str| {
        let mut lists = Vec::new();
        for (path, token) in [("/session/consents", &own), (path.as_str(), &admin)] {
            let list = fixture.get(path).bearer(token).send().await.expect(StatusCode::OK).json();
            let all = list["consents"].as_array().unwrap().clone();
            let one = all.into_iter().find(|one| one["client_id"] == client);
            lists.push(one.map(|one| (one["scope"].clone(), one["authorization_details"].clone())));
        }
        assert_eq!(lists[0], lists[1], "for the user and for an administrator");
        lists.remove(0)
    };
    let scope = json!("offline_access openid orders:read profile");
    log_in(&fixture, &[]).await.expect(StatusCode::OK);
    let tokens = log_in(&fixture, &[]).await.expect(StatusCode::OK).json();
    assert_eq!(listed("shop").await, Some((scope.clone(), details(DETAILS))), "each once");

    // The operator's own application asks for no consent, and what it may is seen all the same.
    allow(&fixture, "own", &["payment"]).await.expect(StatusCode::OK);
    let query = request(&[("client_id", "own"), ("scope", "openid"), ("authorization_details", ONE)]);
    let code = Browser::new(&fixture).code(&query).await;
    assert_eq!(listed("own").await, None, "a code is no session yet");
    fixture.post("/oauth/token").form(&exchange("own", &code)).send().await.expect(StatusCode::OK);
    assert_eq!(listed("own").await, Some((json!(""), details(ONE))));
    let taken_back = fixture.call(Method::DELETE, &format!("{path}/own")).bearer(&admin).send().await;
    taken_back.expect(StatusCode::NO_CONTENT);
    assert_eq!(listed("own").await, None);

    let token = encode([("token", tokens["refresh_token"].as_str().unwrap()), ("client_id", "shop")]);
    fixture.post("/oauth/revoke").form(&token).send().await.expect(StatusCode::OK);
    assert_eq!(listed("shop").await, Some((scope.clone(), details(DETAILS))), "another session lives");
    fixture.pass(Duration::from_secs(400 * 24 * 3600));
    let own = fixture.log_in("alice").await.access;
    let list = fixture.get("/session/consents").bearer(&own).send().await.expect(StatusCode::OK).json();
    let shop = &list["consents"][0];
    assert_eq!((&shop["scope"], shop.get("authorization_details")), (&scope, None), "and none does");
}

#[tokio::test]
async fn details_that_are_refused() {
    let fixture = fixture().await;
    let mut browser = Browser::new(&fixture);
    let long = format!(r#"[{{"type":"payment","x":"{}"}}]"#, "x".repeat(1500));
    let cases = [
        ("no_json", "shop", "x"),
        ("an_object", "shop", r#"{"type":"payment"}"#),
        ("no_type", "shop", r#"[{"amount":"5.00"}]"#),
        ("a_member_twice", "shop", r#"[{"type":"payment","type":"account"}]"#),
        ("another_type", "shop", r#"[{"type":"payment"},{"type":"account"}]"#),
        ("too_long", "shop", &long),
        ("another_client", "own", r#"[{"type":"payment"}]"#),
    ];
    for (name, client, text) in cases {
        let query = request(&[("client_id", client), ("authorization_details", text)]);
        let back = told_by(&browser.authorize(&query).await);
        assert_eq!(back["error"], "invalid_authorization_details", "{name}");
    }
    let unknown = allow(&fixture, "shop", &["dance"]).await;
    assert_eq!(unknown.problem(), (400, "invalid-request".into()));
    let metadata = fixture.get("/.well-known/oauth-authorization-server").send().await.json();
    assert_eq!(metadata["authorization_details_types_supported"], json!(["payment", "account"]));
}

#[tokio::test]
async fn a_client_asks_for_itself() {
    let fixture = fixture().await;
    allow(&fixture, "batch", &["account"]).await.expect(StatusCode::OK);
    let ask = |details: &str| {
        let form = encode([("grant_type", "client_credentials"), ("authorization_details", details)]);
        fixture.post("/oauth/token").basic("batch", &fixture.secret).form(&form)
    };
    let account = r#"[{"type":"account","actions":["read"]}]"#;
    let tokens = ask(account).send().await.expect(StatusCode::OK).json();
    assert_eq!(in_token(&tokens), details(account));
    for text in [MORE, "x"] {
        let refused = ask(text).send().await;
        assert_eq!(refused.oauth_error(), (400, "invalid_authorization_details".into()), "{text}");
    }
}

#[tokio::test]
async fn what_a_client_may_no_longer_ask_for_is_taken_back() {
    let fixture = fixture().await;
    let tokens = log_in(&fixture, &[]).await.expect(StatusCode::OK).json();
    allow(&fixture, "shop", &[]).await.expect(StatusCode::OK);
    let told = encode([("token", tokens["access_token"].as_str().unwrap())]);
    let told =
        fixture.post("/oauth/introspect").basic("batch", &fixture.secret).form(&told).send().await.json();
    assert_eq!(told, json!({ "active": false }));
    let next = refresh(&fixture, &tokens, "").await.expect(StatusCode::OK).json();
    assert_eq!(in_token(&next), Value::Null);
}

#[tokio::test]
async fn a_client_registers_the_types_that_its_token_allows() {
    let fixture = fixture().await;
    let admin = fixture.admin().await;
    let body =
        |types: &[&str]| json!({ "scope": "orders:read", "uses": 2, "authorization_details_types": types });
    let make = async |types: &[&str]| {
        fixture.post("/admin/v1/registration-tokens").bearer(&admin).json(&body(types)).send().await
    };
    assert_eq!(make(&["health"]).await.problem(), (400, "invalid-request".into()), "nobody knows that type");
    let made = make(&["payment"]).await.expect(StatusCode::CREATED).json();
    assert_eq!(made["authorization_details_types"], json!(["payment"]));
    let metadata = json!({ "redirect_uris": [CALLBACK], "token_endpoint_auth_method": "none" });
    let saying = |types: Value| with(metadata.clone(), "authorization_details_types", types);
    let register = async |metadata: &Value| {
        let call = fixture.post("/oauth/register").bearer(made["token"].as_str().unwrap()).json(metadata);
        call.send().await
    };
    let refused = register(&saying(json!(["payment", "account"]))).await;
    assert_eq!(refused.oauth_error(), (400, "invalid_client_metadata".into()));
    let silent = register(&metadata).await.expect(StatusCode::CREATED).json();
    assert_eq!(silent["authorization_details_types"], json!([]));
    let mut client = register(&saying(json!(["payment"]))).await.expect(StatusCode::CREATED).json();
    assert_eq!(client["authorization_details_types"], json!(["payment"]));

    let id = client["client_id"].as_str().unwrap().to_owned();
    let mut browser = Browser::new(&fixture);
    let query = request(&[("client_id", &id), ("scope", "orders:read"), ("authorization_details", ONE)]);
    let tokens = fixture.post("/oauth/token").form(&exchange(&id, &browser.code(&query).await)).send().await;
    assert_eq!(in_token(&tokens.expect(StatusCode::OK).json()), details(ONE));

    // What an operator adds comes back with what was read, stays where nothing is said, and can be given up.
    allow(&fixture, &id, &["payment", "account"]).await.expect(StatusCode::OK);
    for (said, want) in [
        (json!(["payment", "account"]), Some(json!(["payment", "account"]))),
        (Value::Null, Some(json!(["payment", "account"]))),
        (json!(["account"]), Some(json!(["account"]))),
        (json!(["health"]), None),
        (json!([]), Some(json!([]))),
        (json!(["account"]), None),
    ] {
        let path = format!("/oauth/register/{id}");
        let call =
            fixture.call(Method::PUT, &path).bearer(client["registration_access_token"].as_str().unwrap());
        let changed = call.json(&with(saying(said.clone()), "client_id", json!(id))).send().await;
        match want {
            None => assert_eq!(changed.oauth_error(), (400, "invalid_client_metadata".into()), "{said}"),
            Some(want) => {
                client = changed.expect(StatusCode::OK).json();
                assert_eq!(client["authorization_details_types"], want, "{said}");
            }
        }
    }
}
