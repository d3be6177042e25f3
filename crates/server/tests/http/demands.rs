//! What the standards demand of every authorization server, and no test of a feature asks about.

use gatepass_jose::base64url;
use gatepass_server::HttpConfig;
use http::{Method, StatusCode};
use serde_json::json;

use crate::browser::*;
use crate::fixture::Fixture;

#[tokio::test]
async fn parameters_that_mean_nothing_here_change_nothing() {
    let fixture = Fixture::new().await;
    register(&fixture).await;
    let mut browser = Browser::new(&fixture);
    let cases = [
        ("nobody_knows_it", "x_of_somebody", "<1>"),
        ("display", "display", "popup"),
        ("impossible_display", "display", "hologram"),
        ("ui_locales", "ui_locales", "fr-CA fr en"),
        ("impossible_ui_locales", "ui_locales", "\u{e9}--"),
        ("claims_locales", "claims_locales", "de"),
        ("unknown_claims", "claims", r#"{"userinfo":{"shoe_size":{"essential":true}},"x":{"y":[null]}}"#),
    ];
    for (name, parameter, value) in cases {
        let back = browser.through(&request(&[(parameter, value)])).await;
        assert!(back.contains_key("code"), "{name}: {back:?}");
        let body = format!("{}&{}", exchange("shop", &back["code"]), encode([("x_of_somebody", "1")]));
        let tokens = fixture.post("/oauth/token").form(&body).send().await.expect(StatusCode::OK).json();
        assert_eq!(tokens["scope"], "openid orders:read profile", "{name}");
        assert!(tokens.get("x_of_somebody").is_none(), "{name}");
    }
}

#[tokio::test]
async fn no_page_reads_what_the_authorization_endpoint_answers() {
    const APP: &str = "https://app.example.com";
    let http = HttpConfig { app_origins: vec![APP.parse().unwrap()], ..HttpConfig::default() };
    let fixture = Fixture::with(http, |_| {}).await;
    register(&fixture).await;
    let path = format!("/oauth/authorize?{}", request(&[]));
    for (name, call) in [
        ("get", fixture.get(&path)),
        ("post", fixture.post("/oauth/authorize").form(&request(&[]))),
        ("get_refused", fixture.get("/oauth/authorize")),
        ("preflight", fixture.call(Method::OPTIONS, &path).header("access-control-request-method", "GET")),
        ("options", fixture.call(Method::OPTIONS, &path)),
    ] {
        let answer = call.header("origin", APP).send().await;
        let allowed: Vec<_> =
            answer.headers.keys().filter(|name| name.as_str().starts_with("access-control-")).collect();
        assert!(allowed.is_empty(), "{name}: {allowed:?}");
        assert!(!name.contains("opt") || answer.status == StatusCode::METHOD_NOT_ALLOWED, "{name}");
    }
}

#[tokio::test]
async fn who_has_a_secret_refreshes_with_it_or_not_at_all() {
    let fixture = Fixture::new().await;
    let secret = register(&fixture).await;
    let mut browser = Browser::new(&fixture);
    let code = browser.code(&request(&[("client_id", "office"), ("scope", "openid offline_access")])).await;
    let token = || fixture.post("/oauth/token");
    let tokens = token().basic("office", &secret).form(&exchange("office", &code)).send().await;
    let tokens = tokens.expect(StatusCode::OK).json();
    let refresh = encode([
        ("grant_type", "refresh_token"),
        ("refresh_token", tokens["refresh_token"].as_str().unwrap()),
    ]);
    let named = format!("{refresh}&client_id=office");
    let cases = [
        ("its_name_alone", token().form(&named), (401, "invalid_client")),
        ("a_wrong_secret", token().basic("office", "x").form(&refresh), (401, "invalid_client")),
        ("an_empty_secret", token().form(&format!("{named}&client_secret=")), (401, "invalid_client")),
        // Without any name the token speaks for the public client that it was given to; this one is nobody's.
        ("nothing", token().form(&refresh), (400, "invalid_grant")),
    ];
    for (name, call, want) in cases {
        assert_eq!(call.send().await.oauth_error(), (want.0, want.1.to_owned()), "{name}");
    }
    let next = token().basic("office", &secret).form(&refresh).send().await.expect(StatusCode::OK);
    assert!(next.json()["refresh_token"].is_string(), "none of it has ended the session");
}

#[tokio::test]
async fn a_secret_in_the_uri_is_not_looked_at() {
    let fixture = Fixture::new().await;
    let credentials = encode([("client_id", "batch"), ("client_secret", &fixture.secret)]);
    let grant = "grant_type=client_credentials";
    let in_uri = fixture.post(&format!("/oauth/token?{credentials}")).form(grant).send().await;
    assert_eq!(in_uri.oauth_error(), (401, "invalid_client".to_owned()));
    let all_in_uri = fixture.post(&format!("/oauth/token?{credentials}&{grant}")).form("").send().await;
    assert_eq!(all_in_uri.oauth_error(), (400, "invalid_request".to_owned()));
    let in_body = fixture.post("/oauth/token").form(&format!("{grant}&{credentials}")).send().await;
    in_body.expect(StatusCode::OK);
}

#[tokio::test]
async fn a_redirect_uris_own_query_is_kept() {
    let fixture = Fixture::new().await;
    register(&fixture).await;
    let uri = format!("{CALLBACK}?tenant=7&next=%2Fa%3Fb");
    let change = json!({ "redirect_uris": [uri] });
    let call = fixture.call(Method::PATCH, "/admin/v1/clients/own").bearer(&fixture.admin().await);
    call.json(&change).send().await.expect(StatusCode::OK);
    let mut browser = Browser::new(&fixture);
    let query = request(&[("client_id", "own"), ("redirect_uri", &uri)]);
    let page = browser.authorize(&query).await;
    for (name, answer) in [
        ("code", browser.log_in(&page, "alice").await),
        ("error", browser.authorize(&query.replace("response_type=code", "response_type=x")).await),
    ] {
        let location = answer.led_to().to_owned();
        assert!(location.starts_with(&format!("{uri}&{name}=")), "{location}");
        let back = sent_back(&answer);
        assert_eq!((back["tenant"].as_str(), back["next"].as_str()), ("7", "/a?b"));
    }
    let without = browser.authorize(&request(&[("client_id", "own")])).await;
    assert_eq!(without.status, StatusCode::BAD_REQUEST, "it is compared with its query");
}

#[tokio::test]
async fn an_account_is_chosen_by_logging_in() {
    let fixture = Fixture::new().await;
    register(&fixture).await;
    let mut browser = Browser::new(&fixture);
    browser.code(&request(&[("client_id", "own")])).await;
    let choose = request(&[("client_id", "own"), ("prompt", "select_account")]);
    let page = browser.authorize(&choose).await.expect(StatusCode::OK);
    assert!(text(&page).contains("/oauth/login"), "whoever is logged in already is asked");
    assert!(sent_back(&browser.log_in(&page, "root").await).contains_key("code"), "another account");
    let silent = request(&[("client_id", "own"), ("prompt", "none select_account")]);
    let back = sent_back(&browser.authorize(&silent).await);
    assert_eq!(back["error"], "invalid_request", "nobody can choose where nothing may be asked");
}

#[tokio::test]
async fn what_is_made_here_is_too_long_to_be_guessed() {
    let fixture = Fixture::new().await;
    let secret = register(&fixture).await;
    let mut browser = Browser::new(&fixture);
    let query = request(&[("scope", "openid offline_access")]);
    let (code, other) = (browser.code(&query).await, browser.code(&query).await);
    let tokens = fixture.post("/oauth/token").form(&exchange("shop", &other)).send().await;
    let tokens = tokens.expect(StatusCode::OK).json();
    let pushed = fixture.post("/oauth/par").basic("office", &secret);
    let pushed = pushed.form(&request(&[("client_id", "office")])).send().await;
    let pushed = pushed.expect(StatusCode::CREATED).json();
    let admin = fixture.admin().await;
    let initial = fixture.post("/admin/v1/registration-tokens").bearer(&admin).json(&json!({})).send().await;
    let initial = initial.expect(StatusCode::CREATED).json()["token"].as_str().unwrap().to_owned();
    let client = json!({ "redirect_uris": [CALLBACK], "scope": "openid" });
    let client = fixture.post("/oauth/register").bearer(&initial).json(&client).send().await;
    let client = client.expect(StatusCode::CREATED).json();
    let made = [
        ("a code", &*code, "gpc_", 32),
        ("another code", &*other, "gpc_", 32),
        ("a client's secret", &*secret, "", 32),
        ("a secret of a client that registered itself", client["client_secret"].as_str().unwrap(), "", 32),
        ("a pushed request", pushed["request_uri"].as_str().unwrap(), PUSHED, 32),
        // A name of the session, its generation, and a MAC of 128 bits over both.
        ("a refresh token", tokens["refresh_token"].as_str().unwrap(), "gpr_", 36),
        ("an initial access token", &*initial, "gpi_", 32),
        ("a registration access token", client["registration_access_token"].as_str().unwrap(), "gpm_", 32),
    ];
    for (name, text, prefix, bytes) in made {
        let random = text.strip_prefix(prefix).unwrap_or_else(|| panic!("{name}: {text}"));
        let random = base64url::decode(random).unwrap_or_else(|_| panic!("{name}: {text}"));
        assert!(random.len() >= bytes, "{name}: {} bytes", random.len());
        let alike = made.iter().filter(|(_, other, ..)| other.ends_with(&text[text.len() - 20..])).count();
        assert_eq!(alike, 1, "{name}");
    }
    assert!(browser.cookie(LOGIN_COOKIE).unwrap().len() >= 43, "a login");
}

const PUSHED: &str = "urn:ietf:params:oauth:request_uri:";

#[tokio::test]
async fn whatever_a_client_sends_a_description_is_printable() {
    let fixture = Fixture::new().await;
    register(&fixture).await;
    let hostile = ["\"", "\\", "\r\nx: y", "\u{e9}", "\u{0}", "\u{7f}", "\u{202e}", "<script>"];
    for text in hostile {
        let twice = encode([("grant_type", "client_credentials"), (text, "1"), (text, "2")]);
        let answer = fixture.post("/oauth/token").form(&twice).send().await;
        // What a description is made of is looked at in `oauth_error` and `sent_back`, for every test's errors.
        assert_eq!(answer.oauth_error(), (400, "invalid_request".to_owned()), "{text:?}");
        let mut browser = Browser::new(&fixture);
        for parameter in
            ["scope", "prompt", "max_age", "code_challenge", "claims", "dpop_jkt", "response_type"]
        {
            let back = told_by(&browser.authorize(&request(&[(parameter, text)])).await);
            assert!(back.contains_key("error_description"), "{parameter} {text:?}");
        }
        let token = fixture.post("/oauth/introspect").basic("batch", &fixture.secret);
        let answer = token.form(&encode([("token", "x"), (text, "1"), (text, "2")])).send().await;
        assert_eq!(answer.oauth_error().0, 400, "{text:?}");
    }
}
