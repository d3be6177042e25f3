//! Devices that cannot show a login page, and the page where their users allow them.

use std::net::IpAddr;
use std::time::Duration;

use gatepass_issuer::admin::{NewClient, NewCredential, SignOnClient};
use gatepass_issuer::client::{ClientExtensions, GrantType};
use gatepass_server::HttpConfig;
use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::browser::{Browser, LOGIN_COOKIE, claims, encode, text};
use crate::fixture::{API, Answer, Fixture, ISSUER};

pub(crate) const GRANT: &str = "urn:ietf:params:oauth:grant-type:device_code";

/// Registers the public client `tv`, and `radio`, which cannot do the same.
pub(crate) async fn register(fixture: &Fixture) {
    for (id, grants) in [
        ("tv", vec![GrantType::DeviceCode, GrantType::RefreshToken]),
        ("car", vec![GrantType::DeviceCode]),
        ("radio", vec![GrantType::RefreshToken]),
    ] {
        let new = NewClient {
            id: Some(id.parse().unwrap()),
            name: format!("The <{id}>"),
            credential: NewCredential::None,
            grants,
            scope: "orders:read orders:write".parse().unwrap(),
            audience: Vec::new(),
            exchange: None,
            extensions: ClientExtensions::default(),
            sign_on: SignOnClient::default(),
        };
        fixture.issuer.create_client(new, fixture.now()).await.unwrap();
    }
}

pub(crate) async fn ask(fixture: &Fixture, client: &str, scope: &str) -> Value {
    let body = encode([("client_id", client), ("scope", scope)]);
    let call = fixture.post("/oauth/device_authorization").form(&body);
    call.send().await.expect(StatusCode::OK).json()
}

async fn poll(fixture: &Fixture, client: &str, asked: &Value) -> Answer {
    let device_code = asked["device_code"].as_str().unwrap();
    let body = encode([("grant_type", GRANT), ("client_id", client), ("device_code", device_code)]);
    fixture.post("/oauth/token").form(&body).send().await
}

async fn error(fixture: &Fixture, client: &str, asked: &Value) -> String {
    let (status, error) = poll(fixture, client, asked).await.oauth_error();
    assert_eq!(status, 400, "{error}");
    error
}

/// Types the code, from a browser that is logged in or not; the page that asks whether the device may.
async fn find(browser: &mut Browser<'_>, user_code: &str) -> Answer {
    let mut page = browser.open("/device").await.expect(StatusCode::OK);
    if text(&page).contains("/device/login") {
        page = browser.log_in(&page, "alice").await.expect(StatusCode::OK);
    }
    browser.submit(&page, &[("user_code", user_code)]).await
}

async fn decide(browser: &mut Browser<'_>, asked: &Value, decision: &str) -> Answer {
    let page = find(browser, asked["user_code"].as_str().unwrap()).await.expect(StatusCode::OK);
    browser.submit(&page, &[("decision", decision)]).await
}

#[tokio::test]
async fn a_user_allows_a_device_and_it_gets_its_tokens_once() {
    let fixture = Fixture::new().await;
    register(&fixture).await;
    let asked = ask(&fixture, "tv", "openid profile orders:read offline_access").await;
    let user_code = asked["user_code"].as_str().unwrap();
    assert_eq!(asked["verification_uri"], format!("{ISSUER}/device"));
    assert_eq!(asked["verification_uri_complete"], format!("{ISSUER}/device?user_code={user_code}"));
    assert_eq!((&asked["expires_in"], &asked["interval"]), (&json!(600), &json!(5)));
    assert_eq!(error(&fixture, "tv", &asked).await, "authorization_pending");

    let mut browser = Browser::new(&fixture);
    let typed = user_code.to_lowercase().replace('-', " ");
    let page = find(&mut browser, &typed).await.expect(StatusCode::OK);
    let shown = text(&page);
    assert!(shown.contains("The &#60;tv&#62;") && shown.contains(user_code), "{shown}");
    assert!(
        shown.contains("See your name and user name")
            && shown.contains("<code dir=\"auto\">orders:read</code>"),
        "{shown}"
    );
    assert!(shown.contains("If somebody sent you the code"), "a warning: {shown}");
    assert!(page.header("content-security-policy").contains("frame-ancestors 'none'"));
    let done = browser.submit(&page, &[("decision", "allow")]).await.expect(StatusCode::OK);
    assert!(text(&done).contains("Device connected"));

    let tokens = poll(&fixture, "tv", &asked).await.expect(StatusCode::OK).json();
    assert_eq!(tokens["scope"], "offline_access openid orders:read profile");
    let access = claims(tokens["access_token"].as_str().unwrap());
    assert_eq!((&access["aud"], &access["client_id"]), (&json!(API), &json!("tv")));
    assert_eq!(access["sub"], fixture.alice.to_string());
    assert_eq!(access["auth_time"], fixture.now().as_secs(), "when its user logged in at the page");
    let id = claims(tokens["id_token"].as_str().unwrap());
    assert_eq!((&id["aud"], &id["sid"]), (&json!("tv"), &access["sid"]));
    assert!(id.get("nonce").is_none() && id.get("c_hash").is_none(), "{id}");
    let refresh = |token: &Value| {
        let token = token.as_str().unwrap().to_owned();
        let body =
            encode([("grant_type", "refresh_token"), ("client_id", "tv"), ("refresh_token", token.as_str())]);
        fixture.post("/oauth/token").form(&body)
    };
    let next = refresh(&tokens["refresh_token"]).send().await.expect(StatusCode::OK).json();
    let consents = fixture.issuer.list_consents(fixture.alice, fixture.now()).await.unwrap();
    assert_eq!(consents.iter().map(|consent| consent.client.as_str()).collect::<Vec<_>>(), ["tv"]);

    // The page is over too: the code names nothing any more.
    assert_eq!(find(&mut browser, user_code).await.status, StatusCode::BAD_REQUEST);
    // Who shows the device code again has a copy, or lost one: what it gave ends.
    assert_eq!(error(&fixture, "tv", &asked).await, "invalid_grant");
    assert_eq!(refresh(&next["refresh_token"]).send().await.oauth_error().1, "invalid_grant");
    let userinfo = fixture.get("/oauth/userinfo").bearer(tokens["access_token"].as_str().unwrap());
    assert_eq!(userinfo.send().await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_device_hears_how_it_stands_and_asks_no_more_often_than_it_may() {
    let fixture = Fixture::new().await;
    register(&fixture).await;
    let asked = ask(&fixture, "tv", "openid").await;
    for (wait, want) in [
        (0, "authorization_pending"),
        (1, "slow_down"),
        (10, "authorization_pending"), // five seconds more than before, as RFC 8628 section 3.5 has it
        (5, "authorization_pending"),
        (2, "slow_down"),
        (10, "authorization_pending"),
    ] {
        fixture.pass(Duration::from_secs(wait));
        assert_eq!(error(&fixture, "tv", &asked).await, want, "after {wait} seconds");
    }
    let other = ask(&fixture, "tv", "openid").await;
    assert_eq!(error(&fixture, "tv", &other).await, "authorization_pending", "each device for itself");

    let mut browser = Browser::new(&fixture);
    let denied = decide(&mut browser, &asked, "deny").await.expect(StatusCode::OK);
    assert!(text(&denied).contains("Not allowed"));
    assert_eq!(error(&fixture, "tv", &asked).await, "access_denied");
    assert_eq!(error(&fixture, "tv", &asked).await, "access_denied", "however often");
    assert!(fixture.issuer.list_consents(fixture.alice, fixture.now()).await.unwrap().is_empty());

    fixture.pass(Duration::from_secs(600));
    assert_eq!(error(&fixture, "tv", &other).await, "expired_token");
    let late = find(&mut browser, other["user_code"].as_str().unwrap()).await;
    assert_eq!(late.status, StatusCode::BAD_REQUEST, "nobody can allow it any more");

    fixture.issuer.maintain(fixture.now()).await.unwrap();
    assert_eq!(error(&fixture, "tv", &other).await, "expired_token", "a late device is told so");
    fixture.pass(Duration::from_secs(3601));
    fixture.issuer.maintain(fixture.now()).await.unwrap();
    assert_eq!(error(&fixture, "tv", &other).await, "invalid_grant", "forgotten");
}

#[tokio::test]
async fn a_device_code_is_its_clients_alone_and_ends_with_the_login() {
    let fixture = Fixture::new().await;
    register(&fixture).await;
    let mut browser = Browser::new(&fixture);
    let asked = ask(&fixture, "tv", "openid").await;
    decide(&mut browser, &asked, "allow").await.expect(StatusCode::OK);
    assert_eq!(error(&fixture, "car", &asked).await, "invalid_grant", "another client");
    assert_eq!(error(&fixture, "radio", &asked).await, "unauthorized_client");
    let tokens = poll(&fixture, "tv", &asked).await.expect(StatusCode::OK).json();
    assert!(tokens.get("refresh_token").is_none(), "offline_access was not asked for");

    let asked = ask(&fixture, "car", "openid offline_access").await;
    decide(&mut browser, &asked, "allow").await.expect(StatusCode::OK);
    fixture.issuer.log_out_everywhere(fixture.alice, fixture.now()).await.unwrap();
    assert_eq!(error(&fixture, "car", &asked).await, "invalid_grant", "the user has logged out since");
}

#[tokio::test]
async fn what_a_device_cannot_ask_for() {
    let fixture = Fixture::new().await;
    register(&fixture).await;
    let cases = [
        ("nobody", "client_id=nobody", 401, "invalid_client"),
        ("no_client", "", 401, "invalid_client"),
        ("secret_missing", "client_id=batch", 401, "invalid_client"),
        ("other_grants", "client_id=radio", 400, "unauthorized_client"),
        ("too_much", "client_id=tv&scope=orders:delete", 400, "invalid_scope"),
        ("admin", "client_id=tv&scope=gatepass:admin", 400, "invalid_scope"),
        ("no_scope", "client_id=tv&scope=%22", 400, "invalid_scope"),
        ("elsewhere", "client_id=tv&resource=https://x.example", 400, "invalid_target"),
        ("the_issuer", "client_id=tv&resource=https://auth.example.com", 400, "invalid_target"),
        ("twice", "client_id=tv&client_id=tv", 400, "invalid_request"),
    ];
    for (name, body, status, want) in cases {
        let answer = fixture.post("/oauth/device_authorization").form(body).send().await;
        assert_eq!(answer.oauth_error(), (status, want.to_owned()), "{name}");
    }
    for (name, code, want) in [("none", "", "invalid_request"), ("unknown", "gpd_x", "invalid_grant")] {
        let body = encode([("grant_type", GRANT), ("client_id", "tv"), ("device_code", code)]);
        assert_eq!(fixture.post("/oauth/token").form(&body).send().await.oauth_error().1, want, "{name}");
    }
    // A public client's request can be made by anybody, and costs a row.
    let flood = |host: u8| {
        let call = fixture.post("/oauth/device_authorization").form("client_id=tv");
        call.from(IpAddr::from([192, 0, 2, host]))
    };
    for _ in 0..40 {
        flood(1).send().await.expect(StatusCode::OK);
    }
    let refused = flood(1).send().await.expect(StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(refused.header("retry-after"), "2");
    // Its name counts for nothing: whoever used it up would keep its users out. A network does.
    let mut kept = 40;
    for host in 2..=10 {
        for _ in 0..40 {
            kept += u32::from(flood(host).send().await.status == StatusCode::OK);
        }
    }
    assert_eq!(kept, 200, "from one network");
    let call = fixture.post("/oauth/device_authorization").form("client_id=tv");
    call.from(IpAddr::from([198, 51, 100, 1])).send().await.expect(StatusCode::OK);
}

#[tokio::test]
async fn codes_cannot_be_guessed_and_a_link_opens_nothing_by_itself() {
    let fixture = Fixture::new().await;
    register(&fixture).await;
    let asked = ask(&fixture, "tv", "openid").await;
    let user_code = asked["user_code"].as_str().unwrap();

    // A link with the code asks who it is, fills the code in, and waits for the user.
    let mut browser = Browser::new(&fixture);
    // Its name as pages show it: two letters alone stand in a random token now and then.
    let link = format!("/device?user_code={user_code}");
    let page = browser.open(&link).await.expect(StatusCode::OK);
    assert!(
        text(&page).contains("/device/login") && !text(&page).contains("tv&#62;"),
        "nothing for strangers"
    );
    let page = browser.log_in(&page, "alice").await.expect(StatusCode::OK);
    assert!(text(&page).contains(&format!("value=\"{user_code}\"")) && !text(&page).contains("tv&#62;"));
    assert_eq!(error(&fixture, "tv", &asked).await, "authorization_pending");

    for (at, typed) in ["", "BBBB-BBB", "WDJB-MJHT", "<script>"].into_iter().enumerate() {
        let wrong = browser.submit(&page, &[("user_code", typed)]).await.expect(StatusCode::BAD_REQUEST);
        assert!(text(&wrong).contains("No device waits for this code"), "{at}");
        assert!(!text(&wrong).contains("<script>"), "{at}");
    }
    for guess in 0..9 {
        let wrong = browser.submit(&page, &[("user_code", "WDJB-MJHT")]).await;
        assert_eq!(wrong.status, StatusCode::BAD_REQUEST, "{guess}");
    }
    let throttled = browser.submit(&page, &[("user_code", user_code)]).await;
    assert_eq!(throttled.status, StatusCode::TOO_MANY_REQUESTS, "even the right one");
    assert_ne!(throttled.header("retry-after"), "");
    fixture.pass(Duration::from_secs(20));
    browser.submit(&page, &[("user_code", user_code)]).await.expect(StatusCode::OK);
}

#[tokio::test]
async fn nobody_else_can_send_the_forms() {
    let fixture = Fixture::new().await;
    register(&fixture).await;
    let asked = ask(&fixture, "tv", "openid").await;
    let mut browser = Browser::new(&fixture);
    let page = find(&mut browser, asked["user_code"].as_str().unwrap()).await.expect(StatusCode::OK);
    let form = |browser: &Browser<'_>| browser.form(&page, &[("decision", "allow")]);
    for (name, value) in [
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-site", "same-site"),
        ("origin", "https://evil.example"),
        ("origin", "null"),
    ] {
        let call = form(&browser).header(name, value);
        browser.send(call).await.expect(StatusCode::FORBIDDEN);
    }
    // The form of one browser in another, and without the login that it was shown to.
    let own_page = |call: crate::fixture::Call| call.header("sec-fetch-site", "same-origin");
    let mut other = Browser::new(&fixture);
    let login = browser.cookie(LOGIN_COOKIE).unwrap().to_owned();
    other.set_cookie(LOGIN_COOKIE, &login);
    let call = own_page(form(&other));
    assert!(text(&other.send(call).await).contains("Which code does your device show?"));
    // A token for one code does nothing for another, and that of one form nothing in the next.
    let second = ask(&fixture, "tv", "openid").await;
    let typed = [("decision", "allow"), ("user_code", second["user_code"].as_str().unwrap())];
    let (_, fields) = crate::browser::form(&page);
    let swapped = encode([
        ("token", fields["token"].as_str()),
        ("request", second["user_code"].as_str().unwrap()),
        ("decision", "allow"),
    ]);
    let call = own_page(fixture.post("/device/answer").form(&swapped));
    assert!(text(&browser.send(call).await).contains("Which code does your device show?"));
    let call = own_page(
        fixture.post("/device").form(&encode(typed.into_iter().chain([("token", fields["token"].as_str())]))),
    );
    assert!(text(&browser.send(call).await).contains("Which code does your device show?"));
    for asked in [&asked, &second] {
        assert_eq!(error(&fixture, "tv", asked).await, "authorization_pending");
    }
    browser.submit(&page, &[("decision", "dance")]).await.expect(StatusCode::BAD_REQUEST);
    browser.submit(&page, &[("decision", "allow")]).await.expect(StatusCode::OK);
    poll(&fixture, "tv", &asked).await.expect(StatusCode::OK);
    let again = browser.submit(&page, &[("decision", "allow")]).await;
    assert_eq!(again.status, StatusCode::BAD_REQUEST, "it was answered before");
}

#[tokio::test]
async fn what_a_device_asks_for_in_detail_is_shown_and_given() {
    const DETAILS: &str = r#"[{"type":"payment","amount":"5.00","to":"<b>Bo</b>"}]"#;
    let fixture = Fixture::with(HttpConfig::default(), |config| {
        config.authorization_details_types = vec!["payment".to_owned(), "account".to_owned()];
    })
    .await;
    register(&fixture).await;
    let types = json!({ "authorization_details_types": ["payment"] });
    let change = fixture.call(Method::PATCH, "/admin/v1/clients/tv").bearer(&fixture.admin().await);
    change.json(&types).send().await.expect(StatusCode::OK);
    let ask = |client: &str, details: &str| {
        let asked = [("client_id", client), ("scope", "orders:read"), ("authorization_details", details)];
        fixture.post("/oauth/device_authorization").form(&encode(asked))
    };
    for (name, client, details) in [
        ("not_this_client", "car", DETAILS),
        ("not_this_type", "tv", r#"[{"type":"account"}]"#),
        ("no_type", "tv", r#"[{"amount":"5.00"}]"#),
        ("no_array", "tv", "{}"),
    ] {
        let refused = ask(client, details).send().await.oauth_error();
        assert_eq!(refused, (400, "invalid_authorization_details".into()), "{name}");
    }
    let asked = ask("tv", DETAILS).send().await.expect(StatusCode::OK).json();
    let mut browser = Browser::new(&fixture);
    let page = find(&mut browser, asked["user_code"].as_str().unwrap()).await.expect(StatusCode::OK);
    let shown = text(&page);
    assert!(shown.contains("payment") && shown.contains("5.00"), "{shown}");
    assert!(shown.contains("&#60;b&#62;Bo") && !shown.contains("<b>"), "{shown}");
    browser.submit(&page, &[("decision", "allow")]).await.expect(StatusCode::OK);
    fixture.pass(Duration::from_secs(5));
    let tokens = poll(&fixture, "tv", &asked).await.expect(StatusCode::OK).json();
    let want: Value = serde_json::from_str(DETAILS).unwrap();
    assert_eq!(tokens["authorization_details"], want);
    assert_eq!(claims(tokens["access_token"].as_str().unwrap())["authorization_details"], want);
}
