//! An issuer with a path, behind a proxy that takes the path off: whatever this server leads to is below it.

use std::collections::BTreeMap;

use axum::Router;
use gatepass_issuer::AccountPolicy;
use gatepass_server::HttpConfig;
use http::StatusCode;
use http::header::{LOCATION, SET_COOKIE};
use serde_json::json;
use url::Url;

use crate::browser::*;
use crate::dpop::Key;
use crate::fixture::{Answer, Fixture, credentials, with};
use crate::identity_providers::mock::Mock;

const ISSUER: &str = "https://auth.example.com/auth";

/// A fixture of that issuer with the provider `corp`, which answers nothing that is not below the path.
async fn started(issuer: &str) -> (Fixture, Mock) {
    let mock = Mock::start().await;
    let mut fixture = Fixture::with(HttpConfig::default(), |config| {
        config.issuer = gatepass_jose::Issuer::new(issuer).unwrap();
        config.identity_providers = vec![mock.openid("corp", AccountPolicy::Linked)];
    })
    .await;
    register(&fixture).await;
    fixture.router = Router::new().nest("/auth", std::mem::take(&mut fixture.router));
    (fixture, mock)
}

/// Checks that the page's form goes to `path` below the issuer's, and that everything else it leads to here is there.
async fn check(fixture: &Fixture, page: &Answer, path: &str) {
    assert_eq!(form(page).0, format!("/auth{path}"));
    let html = text(page);
    let led_to =
        |attribute: &'static str| html.split(attribute).skip(1).map(|rest| rest.split('"').next().unwrap());
    for at in ["href=\"", "src=\""].into_iter().flat_map(led_to) {
        fixture.get(at).send().await.expect(StatusCode::OK);
    }
    assert!(led_to("href=\"").any(|at| at.starts_with("/auth/oauth/style.css")), "{html}");
    assert!(led_to("action=\"").all(|at| at.starts_with("/auth/")), "{html}");
}

fn sent_to(answer: &Answer) -> &str {
    assert!(!answer.led_to().is_empty(), "{} {}", answer.status, text(answer));
    answer.led_to()
}

#[tokio::test]
async fn every_endpoint_that_the_metadata_name_is_below_the_path_and_served_there() {
    for issuer in [ISSUER, "https://auth.example.com/auth/"] {
        let (fixture, _mock) = started(issuer).await;
        let mut checked = 0;
        for document in ["oauth-authorization-server", "openid-configuration", "ssf-configuration"] {
            let answer = fixture.get(&format!("/auth/.well-known/{document}")).send().await;
            let metadata = answer.expect(StatusCode::OK).json();
            assert_eq!(metadata["issuer"], issuer);
            for (name, url) in metadata.as_object().unwrap() {
                let is_url = name.ends_with("_endpoint") || name.ends_with("_uri");
                let Some(url) = url.as_str().filter(|_| is_url) else { continue };
                let path =
                    url.strip_prefix("https://auth.example.com").unwrap_or_else(|| panic!("{name}: {url}"));
                assert_ne!(fixture.get(path).send().await.status, StatusCode::NOT_FOUND, "{name}: {url}");
                checked += 1;
            }
        }
        assert!(checked > 20, "{checked}");
        fixture.get("/.well-known/openid-configuration").send().await.expect(StatusCode::NOT_FOUND);
    }
}

#[tokio::test]
async fn a_user_goes_from_page_to_page_below_the_path_until_the_application_has_its_tokens() {
    let (fixture, _mock) = started(ISSUER).await;
    let mut browser = Browser::new(&fixture); // its cookies are all of the whole host, as their names demand
    let query = request(&[]);
    let posted = browser.send(fixture.post("/auth/oauth/authorize").form(&query)).await;
    let login = browser.open(sent_to(&posted)).await.expect(StatusCode::OK);
    check(&fixture, &login, "/oauth/login").await;
    let consent = browser.log_in(&login, "alice").await.expect(StatusCode::OK);
    check(&fixture, &consent, "/oauth/consent").await;
    let back = browser.submit(&consent, &[("decision", "allow")]).await;
    let back: BTreeMap<String, String> =
        Url::parse(sent_to(&back)).unwrap().query_pairs().into_owned().collect();
    assert_eq!(back["iss"], ISSUER, "RFC 9207");

    let key = Key::new();
    let htu = json!(format!("{ISSUER}/oauth/token"));
    let proof = key.sign(&with(Key::claims(&fixture, ("POST", "/oauth/token")), "htu", htu));
    let call = fixture.post("/auth/oauth/token").form(&exchange("shop", &back["code"]));
    let tokens = call.header("dpop", &proof).send().await.expect(StatusCode::OK).json();
    assert_eq!(tokens["token_type"], "DPoP");
    for token in ["id_token", "access_token"] {
        assert_eq!(claims(tokens[token].as_str().unwrap())["iss"], ISSUER, "{token}");
    }

    let found = browser.open("/auth/.well-known/change-password").await;
    let password = browser.open(sent_to(&found)).await.expect(StatusCode::OK);
    check(&fixture, &password, "/account/password").await;
    let device = browser.open("/auth/device").await.expect(StatusCode::OK);
    check(&fixture, &device, "/device").await;
    for (path, action) in [("/account/password", "/account/login"), ("/device", "/device/login")] {
        let page = Browser::new(&fixture).open(&format!("/auth{path}")).await.expect(StatusCode::OK);
        check(&fixture, &page, action).await;
    }
    let posted = browser.send(fixture.post("/auth/oauth/logout").form("")).await;
    let logout = browser.open(sent_to(&posted)).await.expect(StatusCode::OK);
    check(&fixture, &logout, "/oauth/logout/confirm").await;
    browser.submit(&logout, &[]).await.expect(StatusCode::OK);
    assert!(browser.cookie(LOGIN_COOKIE).is_none());
}

#[tokio::test]
async fn what_others_are_told_of_where_to_come_back_is_below_the_path() {
    let (fixture, mock) = started(ISSUER).await;
    let answer = fixture.post("/auth/session/login").json(&credentials()).send().await.expect(StatusCode::OK);
    assert!(answer.header(SET_COOKIE).contains("; Path=/auth/session; "), "{answer:?}");

    let mut browser = Browser::new(&fixture);
    let login = browser.open(&format!("/auth/oauth/authorize?{}", request(&[]))).await;
    let (_, fields) = form(&login);
    let body = encode(fields.iter().map(|(name, value)| (name.as_str(), value.as_str())));
    let call = fixture.post("/auth/oauth/providers/corp").form(&body);
    let page = browser.send(call.header("sec-fetch-site", "same-origin")).await.expect(StatusCode::OK);
    let (_, url) = page.header("refresh").split_once("; url=").unwrap();
    let asked: BTreeMap<String, String> = Url::parse(url).unwrap().query_pairs().into_owned().collect();
    assert!(url.starts_with(&mock.origin), "{url}");
    assert_eq!(asked["redirect_uri"], format!("{ISSUER}/oauth/providers/corp/callback"));

    let root = with(credentials(), "username", json!("root"));
    let root = fixture.post("/auth/session/login").json(&root).send().await.expect(StatusCode::OK).json();
    let tv = json!({
        "client_id": "tv", "client_name": "TV", "token_endpoint_auth_method": "none", "scope": "orders:read",
        "grant_types": ["urn:ietf:params:oauth:grant-type:device_code"],
    });
    let call = fixture.post("/auth/admin/v1/clients").bearer(root["access_token"].as_str().unwrap());
    let created = call.json(&tv).send().await.expect(StatusCode::CREATED);
    assert_eq!(created.header(LOCATION), "/auth/admin/v1/clients/tv");
    let call = fixture.post("/auth/oauth/device_authorization").form("client_id=tv");
    let told = call.send().await.expect(StatusCode::OK).json();
    assert_eq!(told["verification_uri"], format!("{ISSUER}/device"));
    let complete = told["verification_uri_complete"].as_str().unwrap();
    assert!(complete.starts_with(&format!("{ISSUER}/device?")), "{complete}");
}
