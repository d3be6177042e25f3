//! Grants for several resource servers, and access tokens for one of them (RFC 8707).

use std::time::Duration;

use futures_util::future::join_all;
use gatepass_issuer::{ResourceServer, ResourceServers};
use gatepass_jose::{Typ, jwt};
use gatepass_server::HttpConfig;
use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::browser::*;
use crate::device;
use crate::fixture::{API, Answer, Fixture, ISSUER, resource_server};
use crate::responses::change;
use crate::signed::{assertion, register_vault};

const OTHER: &str = "https://other.example.com";
const SCOPE: &str = "openid offline_access orders:read orders:write";

/// A fixture whose other resource server knows one scope, with applications that may have tokens for both.
async fn started() -> (Fixture, String) {
    let fixture = Fixture::with(HttpConfig::default(), |config| {
        let limited =
            ResourceServer { scope: Some("orders:read".parse().unwrap()), ..resource_server(OTHER) };
        let servers = vec![resource_server(API), limited];
        config.resource_servers = ResourceServers::new(&config.issuer, servers).unwrap();
    })
    .await;
    let secret = register(&fixture).await;
    for client in ["shop", "own", "office"] {
        change(&fixture, client, json!({ "audience": [API, OTHER] })).await.expect(StatusCode::OK);
    }
    (fixture, secret)
}

/// An application's request that names resources.
fn asking(client: &str, resources: &[&str]) -> String {
    let named = encode(resources.iter().map(|resource| ("resource", *resource)));
    format!("{}&{named}", request(&[("client_id", client), ("scope", SCOPE)]))
}

fn refreshing(client: &str, token: &Value, resources: &[&str]) -> String {
    let grant =
        [("grant_type", "refresh_token"), ("client_id", client), ("refresh_token", token.as_str().unwrap())];
    encode(grant.into_iter().chain(resources.iter().map(|resource| ("resource", *resource))))
}

async fn token(fixture: &Fixture, form: &str) -> Answer {
    fixture.post("/oauth/token").form(form).send().await
}

/// Whom an access token is for, and its scope.
fn used_at(tokens: &Value) -> (Value, Value) {
    (claims(tokens["access_token"].as_str().unwrap())["aud"].clone(), tokens["scope"].clone())
}

#[tokio::test]
async fn a_user_allows_several_resource_servers_and_each_token_is_for_one() {
    let (fixture, _) = started().await;
    let mut browser = Browser::new(&fixture);
    let page = browser.authorize(&asking("shop", &[API, OTHER])).await.expect(StatusCode::OK);
    let page = browser.log_in(&page, "alice").await.expect(StatusCode::OK);
    for resource in [API, OTHER] {
        assert!(text(&page).contains(&format!("At <code dir=\"auto\">{resource}</code>")), "{}", text(&page));
    }
    let code = sent_back(&browser.submit(&page, &[("decision", "allow")]).await)["code"].clone();
    let at_other = format!("{}&{}", exchange("shop", &code), encode([("resource", OTHER)]));
    let first = token(&fixture, &at_other).await.expect(StatusCode::OK).json();
    let (whole, part) =
        ("offline_access openid orders:read orders:write", "offline_access openid orders:read");
    assert_eq!(used_at(&first), (json!(OTHER), json!(part)), "no scope that means nothing there");

    let mut refresh = first["refresh_token"].clone();
    for (named, aud, scope) in [(&[][..], API, whole), (&[OTHER], OTHER, part), (&[API, API], API, whole)] {
        let form = refreshing("shop", &refresh, named);
        let next = token(&fixture, &form).await.expect(StatusCode::OK).json();
        assert_eq!(used_at(&next), (json!(aud), json!(scope)), "{named:?}");
        refresh = next["refresh_token"].clone();
    }
    for refused in [&[API, OTHER][..], &["https://x.example"], &[ISSUER], &["https://other.example.com//"]] {
        let answer = token(&fixture, &refreshing("shop", &refresh, refused)).await;
        assert_eq!(answer.oauth_error(), (400, "invalid_target".into()), "{refused:?}");
    }
    token(&fixture, &refreshing("shop", &refresh, &[])).await.expect(StatusCode::OK); // none of it costs the session

    // Without a word, a token is for the first.
    let code = browser.code(&asking("own", &[OTHER, API])).await;
    let plain = token(&fixture, &exchange("own", &code)).await.expect(StatusCode::OK).json();
    assert_eq!(used_at(&plain).0, OTHER);
}

#[tokio::test]
async fn what_was_allowed_at_one_resource_server_is_asked_for_at_another() {
    let (fixture, _) = started().await;
    let mut browser = Browser::new(&fixture);
    let page = browser.authorize(&asking("shop", &[OTHER])).await;
    let page = browser.log_in(&page, "alice").await.expect(StatusCode::OK);
    browser.submit(&page, &[("decision", "allow")]).await;
    for (resources, again) in [(&[OTHER][..], false), (&[], true), (&[API], true), (&[OTHER, API], true)] {
        assert_eq!(is_asked(&mut browser, resources).await, again, "{resources:?}: OTHER is allowed");
    }
    let page = browser.authorize(&asking("shop", &[])).await;
    browser.submit(&page, &[("decision", "allow")]).await;
    for resources in [&[][..], &[API], &[OTHER], &[API, OTHER], &[OTHER, API]] {
        assert!(!is_asked(&mut browser, resources).await, "{resources:?}: both are allowed");
    }
    let more = |resource| encode([("scope", "openid profile orders:read"), ("resource", resource)]);
    let page = browser
        .authorize(&request(&[("client_id", "shop"), ("scope", "profile"), ("resource", OTHER)]))
        .await;
    browser.submit(&page, &[("decision", "allow")]).await;
    for (resource, again) in [(OTHER, false), (API, true)] {
        let query = format!("{}&{}", request(&[("scope", "")]), more(resource));
        assert_eq!(text(&browser.authorize(&query).await).contains(ALLOW), again, "more at {resource}");
    }
}

/// What a consent page has.
const ALLOW: &str = "value=\"allow\"";

/// Whether the user is asked when `shop` wants these resources.
async fn is_asked(browser: &mut Browser<'_>, resources: &[&str]) -> bool {
    text(&browser.authorize(&asking("shop", resources)).await).contains(ALLOW)
}

#[tokio::test]
async fn what_was_allowed_where_is_listed_and_taken_back_as_a_whole() {
    let (fixture, _) = started().await;
    let mut browser = Browser::new(&fixture);
    browser.code(&asking("shop", &[OTHER])).await;
    let first = fixture.now().as_secs();
    fixture.pass(Duration::from_secs(60));
    browser.code(&request(&[("scope", "openid")])).await;
    let own = fixture.log_in("alice").await.access;
    let list = fixture.get("/session/consents").bearer(&own).send().await.expect(StatusCode::OK).json();
    let at = |resource: &str, scope: &str, given_at| json!({ "resource": resource, "scope": scope, "given_at": given_at });
    let scope = "offline_access openid orders:read orders:write";
    let want = json!({
        "client_id": "shop", "scope": scope, "given_at": first,
        "resources": [at(API, "openid", first + 60), at(OTHER, scope, first)],
    });
    assert_eq!(list, json!({ "consents": [want] }));
    let gone = fixture.call(Method::DELETE, "/session/consents/shop").bearer(&own).send().await;
    gone.expect(StatusCode::NO_CONTENT);
    for resources in [&[OTHER][..], &[]] {
        assert!(is_asked(&mut browser, resources).await, "{resources:?}");
    }
}

#[tokio::test]
async fn a_consent_is_no_other_resource_servers_when_the_clients_first_one_changes() {
    let (fixture, _) = started().await;
    let mut browser = Browser::new(&fixture);
    browser.code(&asking("shop", &[])).await;
    assert!(!is_asked(&mut browser, &[]).await);
    change(&fixture, "shop", json!({ "audience": [OTHER, API] })).await.expect(StatusCode::OK);
    for (resources, again) in [(&[][..], true), (&[OTHER], true), (&[API], false)] {
        assert_eq!(is_asked(&mut browser, resources).await, again, "{resources:?}");
    }
}

#[tokio::test]
async fn what_a_device_may_at_one_resource_server_is_no_consent_at_another() {
    let (fixture, _) = started().await;
    change(
        &fixture,
        "shop",
        json!({ "grant_types": ["authorization_code", "refresh_token", device::GRANT] }),
    )
    .await
    .expect(StatusCode::OK);
    let form = encode([("client_id", "shop"), ("scope", SCOPE), ("resource", OTHER)]);
    let asked = fixture.post("/oauth/device_authorization").form(&form).send().await;
    let asked = asked.expect(StatusCode::OK).json();
    let mut browser = Browser::new(&fixture);
    let page = browser.open("/device").await;
    let page = browser.log_in(&page, "alice").await;
    let page = browser.submit(&page, &[("user_code", asked["user_code"].as_str().unwrap())]).await;
    browser.submit(&page, &[("decision", "allow")]).await.expect(StatusCode::OK);
    for (resources, again) in [(&[OTHER][..], false), (&[], true), (&[API], true)] {
        assert_eq!(is_asked(&mut browser, resources).await, again, "{resources:?}");
    }
}

#[tokio::test]
async fn which_resources_an_application_can_ask_for() {
    let (fixture, secret) = started().await;
    change(&fixture, "office", json!({ "audience": [OTHER] })).await.expect(StatusCode::OK);
    let mut browser = Browser::new(&fixture);
    browser.code(&asking("own", &[])).await;
    let many: Vec<String> = (0..9).map(|n| format!("https://{n}.example")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let cases: [(&str, &str, &[&str], bool); 11] = [
        ("none", "own", &[], true),
        ("empty", "own", &[""], true),
        ("one", "own", &[OTHER], true),
        ("both", "own", &[OTHER, API], true),
        ("one_twice", "own", &[API, API], true),
        ("one_of_them_unknown", "own", &[API, "https://x.example"], false),
        ("one_of_them_not_the_clients", "office", &[OTHER, API], false),
        ("the_issuer_itself", "own", &[API, ISSUER], false),
        ("with_a_fragment", "own", &[API, "https://other.example.com#x"], false),
        ("relative", "own", &[API, "/orders"], false),
        ("too_many", "own", &many, false),
    ];
    for (name, client, resources, want) in cases {
        let back = told_by(&browser.authorize(&asking(client, resources)).await);
        assert_eq!(back.contains_key("code"), want, "{name}: {back:?}");
        assert_eq!(back.get("error").map(String::as_str), (!want).then_some("invalid_target"), "{name}");
    }
    // What was granted bounds what a code gives, whatever else the client may have.
    let code = browser.code(&asking("own", &[OTHER])).await;
    let form = format!("{}&{}", exchange("own", &code), encode([("resource", API)]));
    assert_eq!(token(&fixture, &form).await.oauth_error(), (400, "invalid_target".into()));
    let form = encode([("grant_type", "client_credentials"), ("resource", API), ("resource", OTHER)]);
    let both = fixture.post("/oauth/token").basic("batch", &fixture.secret).form(&form).send().await;
    assert_eq!(both.oauth_error(), (400, "invalid_target".into()));
    let form = format!("{}&scope=x&scope=y", refreshing("own", &json!("gpr_x"), &[]));
    assert_eq!(token(&fixture, &form).await.oauth_error(), (400, "invalid_request".into()), "nothing else");

    let push = fixture.post("/oauth/par").basic("office", &secret);
    let refused = push.form(&asking("office", &[OTHER, API])).send().await;
    assert_eq!(refused.oauth_error(), (400, "invalid_target".into()));
}

#[tokio::test]
async fn resources_are_pushed_signed_and_posted() {
    let (fixture, secret) = started().await;
    let mut browser = Browser::new(&fixture);
    let posted = fixture.post("/oauth/authorize").form(&asking("own", &[OTHER, API])).send().await;
    let posted = posted.expect(StatusCode::SEE_OTHER).header("location").to_owned();
    let page = browser.open(&posted).await.expect(StatusCode::OK);
    let code = sent_back(&browser.log_in(&page, "alice").await)["code"].clone();
    let form = format!("{}&{}", exchange("own", &code), encode([("resource", API)]));
    assert_eq!(used_at(&token(&fixture, &form).await.expect(StatusCode::OK).json()).0, API, "posted");

    let push = fixture.post("/oauth/par").basic("office", &secret).form(&asking("office", &[OTHER, API]));
    let pushed = push.send().await.expect(StatusCode::CREATED).json();
    let query = encode([("client_id", "office"), ("request_uri", pushed["request_uri"].as_str().unwrap())]);
    let code = browser.code(&query).await;
    let form = format!("{}&{}", exchange("office", &code), encode([("resource", API)]));
    let given = fixture.post("/oauth/token").basic("office", &secret).form(&form).send().await;
    assert_eq!(used_at(&given.expect(StatusCode::OK).json()).0, API, "pushed");

    let key = register_vault(&fixture).await;
    change(&fixture, "vault", json!({ "audience": [API, OTHER] })).await.expect(StatusCode::OK);
    let now = fixture.now().as_secs();
    let query = request(&[("client_id", "vault"), ("scope", "openid orders:read")]);
    let params = url::form_urlencoded::parse(query.as_bytes()).into_owned();
    let mut object: serde_json::Map<_, _> = params.map(|(name, value)| (name, json!(value))).collect();
    let more =
        json!({ "iss": "vault", "aud": ISSUER, "exp": now + 60, "jti": "1", "resource": [OTHER, API] });
    object.extend(more.as_object().unwrap().clone());
    let object = jwt::sign(&Typ::new("oauth-authz-req+jwt"), &Value::Object(object), &key).unwrap();
    let query = encode([("client_id", "vault"), ("request", &object), ("resource", "https://x.example")]);
    let code = browser.code(&query).await;
    let proves = encode([
        ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
        ("client_assertion", &assertion(&fixture, &key, "a")),
        ("resource", API),
    ]);
    let form = format!("{}&{proves}", exchange("vault", &code));
    assert_eq!(used_at(&token(&fixture, &form).await.expect(StatusCode::OK).json()).0, API, "signed");
}

#[tokio::test]
async fn tabs_that_ask_for_different_resources_at_once_stay_one_session() {
    let (fixture, _) = started().await;
    let mut browser = Browser::new(&fixture);
    let code = browser.code(&asking("own", &[API, OTHER])).await;
    let mut refresh =
        token(&fixture, &exchange("own", &code)).await.expect(StatusCode::OK).json()["refresh_token"].clone();
    for _ in 0..3 {
        let asked: Vec<&str> = [API, OTHER].into_iter().cycle().take(8).collect();
        let answers = join_all(asked.iter().map(|resource| {
            let form = refreshing("own", &refresh, &[resource]);
            let call = fixture.post("/oauth/token").form(&form);
            async move { call.send().await.expect(StatusCode::OK).json() }
        }))
        .await;
        for (answer, asked) in answers.iter().zip(&asked) {
            assert_eq!(used_at(answer).0, *asked, "each tab gets what it asked for");
            assert_eq!(answer["refresh_token"], answers[0]["refresh_token"], "and all the same successor");
        }
        refresh = answers[0]["refresh_token"].clone();
    }
}
