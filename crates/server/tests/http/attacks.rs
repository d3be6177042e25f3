//! Attacks that go through several features at once, so that no feature's own tests tell of them. `docs/attacks.md` names every
//! attack and its test.

use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::browser::*;
use crate::dpop::Key;
use crate::fixture::{Answer, Call, Fixture, PASSWORD, with};
use crate::identity_providers::mock::Mock;
use crate::{device, identity_providers, logout_notice};

/// What a browser has before anybody logs in.
const BROWSER_COOKIE: &str = "__Host-gatepass-browser";
const EVIL: &str = "evil.example";

/// Everything of an answer that a browser or a client acts on.
fn all(answer: &Answer) -> String {
    let headers = answer.headers.iter().map(|(name, value)| format!("{name}: {value:?}\n"));
    format!("{}\n{}", headers.collect::<String>(), String::from_utf8_lossy(&answer.body))
}

#[tokio::test]
async fn no_answer_repeats_the_host_that_a_request_names() {
    let fixture = Fixture::new().await;
    let secret = register(&fixture).await;
    let admin = fixture.admin().await;
    let initial = fixture.post("/admin/v1/registration-tokens").bearer(&admin);
    let initial = initial.json(&json!({ "uses": 2 })).send().await.expect(StatusCode::CREATED).json();
    let tv = json!({
        "client_id": "tv", "client_name": "TV", "token_endpoint_auth_method": "none", "scope": "orders:read",
        "grant_types": ["urn:ietf:params:oauth:grant-type:device_code"],
    });
    fixture.post("/admin/v1/clients").bearer(&admin).json(&tv).send().await.expect(StatusCode::CREATED);
    let user = json!({ "username": "berta", "password": PASSWORD });
    let client =
        json!({ "redirect_uris": [CALLBACK], "token_endpoint_auth_method": "none", "scope": "openid" });
    let authorize = format!("/oauth/authorize?{}", request(&[]));
    let office = request(&[("client_id", "office")]);
    let calls: [(&str, Call); 13] = [
        ("metadata", fixture.get("/.well-known/openid-configuration")),
        ("oauth_metadata", fixture.get("/.well-known/oauth-authorization-server")),
        ("key_set", fixture.get("/.well-known/jwks.json")),
        ("login_page", fixture.get(&authorize)),
        ("request_in_a_body", fixture.post("/oauth/authorize").form(&request(&[]))),
        ("error_page", fixture.get("/oauth/authorize")),
        ("sent_back", fixture.get(&format!("/oauth/authorize?{}", request(&[("prompt", "none")])))),
        ("pushed", fixture.post("/oauth/par").basic("office", &secret).form(&office)),
        ("device", fixture.post("/oauth/device_authorization").form("client_id=tv")),
        (
            "registered",
            fixture.post("/oauth/register").bearer(initial["token"].as_str().unwrap()).json(&client),
        ),
        ("made", fixture.post("/admin/v1/users").bearer(&admin).json(&user)),
        ("session", fixture.post("/session/login").json(&crate::fixture::credentials())),
        ("logout", fixture.get("/oauth/logout")),
    ];
    for (name, call) in calls {
        let call =
            call.header("host", EVIL).header("x-forwarded-host", EVIL).header("x-forwarded-proto", "http");
        let call =
            call.header("forwarded", &format!("host={EVIL};proto=http")).header("x-original-url", "/evil");
        let answer = call.send().await;
        assert!(answer.status.as_u16() < 400 || name == "error_page", "{name}: {}", all(&answer));
        assert!(!all(&answer).contains("evil"), "{name}: {}", all(&answer));
        assert!(!all(&answer).contains("http://auth"), "{name}: {}", all(&answer));
    }
    // A proof that was made for another host proves nothing here, whatever the request calls this one.
    let key = Key::new();
    let claims = Key::claims(&fixture, ("POST", "/oauth/token"));
    let elsewhere = with(claims, "htu", json!(format!("https://{EVIL}/oauth/token")));
    let grant =
        fixture.post("/oauth/token").basic("batch", &fixture.secret).form("grant_type=client_credentials");
    let refused = grant.header("dpop", &key.sign(&elsewhere)).header("host", EVIL).send().await;
    assert_eq!(refused.oauth_error(), (400, "invalid_dpop_proof".to_owned()));
}

#[tokio::test]
async fn who_plants_a_cookie_is_not_logged_in_with_its_victim() {
    let fixture = Fixture::new().await;
    register(&fixture).await;
    let (mut attacker, mut victim) = (Browser::new(&fixture), Browser::new(&fixture));
    attacker.authorize(&request(&[])).await;
    let planted = attacker.cookie(BROWSER_COOKIE).unwrap().to_owned();
    victim.set_cookie(BROWSER_COOKIE, &planted);
    victim.code(&request(&[("client_id", "own")])).await;
    assert!(victim.cookie(LOGIN_COOKIE).is_some_and(|login| login != planted));
    let silent = request(&[("client_id", "own"), ("prompt", "none")]);
    assert_eq!(sent_back(&attacker.authorize(&silent).await)["error"], "login_required", "before a login");

    // A login of the attacker's own, planted: whoever logs in there gets another one, and the attacker nothing.
    let page = attacker.authorize(&request(&[("client_id", "own")])).await;
    attacker.log_in(&page, "root").await;
    let planted = attacker.cookie(LOGIN_COOKIE).unwrap().to_owned();
    victim.set_cookie(LOGIN_COOKIE, &planted);
    let page = victim.authorize(&request(&[("client_id", "own"), ("prompt", "login")])).await;
    victim.log_in(&page, "alice").await;
    assert_ne!(victim.cookie(LOGIN_COOKIE), Some(&*planted), "a login of its own");
    let back = sent_back(&attacker.authorize(&silent).await);
    assert!(
        !back.contains_key("code") || subject(&fixture, &back["code"]).await != fixture.alice.to_string()
    );

    // A made-up one is nobody's.
    let mut nobody = Browser::new(&fixture);
    nobody.set_cookie(LOGIN_COOKIE, &planted.replace(&planted[8..12], "AAAA"));
    assert_eq!(sent_back(&nobody.authorize(&silent).await)["error"], "login_required");
}

/// Whom the tokens for a code of `own` are about.
async fn subject(fixture: &Fixture, code: &str) -> String {
    let tokens = fixture.post("/oauth/token").form(&exchange("own", code)).send().await;
    let tokens = tokens.expect(StatusCode::OK).json();
    claims(tokens["id_token"].as_str().unwrap())["sub"].as_str().unwrap().to_owned()
}

/// The pages of logins, with a password and for a device, each with something that is in no page of another kind.
async fn pages_of_logins(fixture: &Fixture) -> Vec<(&'static str, Answer)> {
    device::register(fixture).await;
    let mut browser = Browser::new(fixture);
    let login = browser.authorize(&request(&[])).await;
    let offer = browser.authorize(&request(&[("response_type", "token")])).await;
    let consent = browser.log_in(&login, "alice").await;
    let wrong = browser.submit(&login, &[("username", "alice"), ("password", "wrong")]).await;
    let onward = browser.submit(&consent, &[("decision", "allow")]).await;
    let own = request(&[("client_id", "own"), ("response_mode", "form_post")]);
    let in_a_form = browser.authorize(&own).await;
    let user_code = browser.open("/device").await;
    let no_device = browser.submit(&user_code, &[("user_code", "BCDF-GHJK")]).await;
    let asked = device::ask(fixture, "tv", "orders:read").await;
    let device = browser.submit(&user_code, &[("user_code", asked["user_code"].as_str().unwrap())]).await;
    let password = browser.open("/account/password").await;
    let cross = browser.form(&login, &[]).header("sec-fetch-site", "cross-site");
    let cross = browser.send(cross).await;
    vec![
        ("action=\"/oauth/login\"", login),
        ("<a class=\"button second\" href=\"", offer),
        ("action=\"/oauth/consent\"", consent),
        ("the password is wrong", wrong),
        ("<a class=\"button\" href=\"", onward),
        ("name=\"code\"", in_a_form),
        ("action=\"/device\"", user_code),
        ("role=\"alert\"", no_device),
        ("action=\"/device/answer\"", device),
        ("action=\"/account/password\"", password),
        ("<h1>", cross),
        ("<h1>", browser.authorize("").await),
    ]
}

/// The pages of logouts: asked for, done, and told to applications in frames of its own.
async fn pages_of_logouts(fixture: &Fixture) -> Vec<(&'static str, Answer)> {
    logout_notice::tell(fixture, "own").await;
    let mut browser = Browser::new(fixture);
    logout_notice::tokens(fixture, &mut browser, "own", "openid").await;
    let logout = browser.open("/oauth/logout").await;
    let in_frames = browser.submit(&logout, &[]).await;
    let logged_out = browser.open("/oauth/logout").await;
    vec![("action=\"/oauth/logout/confirm\"", logout), ("<iframe", in_frames), ("<h1>Logged out", logged_out)]
}

/// The pages of logins with a provider: the way there, an account to link, one to create.
async fn pages_of_providers(fixture: &Fixture, mock: &Mock) -> Vec<(&'static str, Answer)> {
    identity_providers::set_address(fixture, "alice@example.com", true).await;
    let mut browser = Browser::new(fixture);
    let login = browser.authorize(&request(&[])).await;
    let provider = identity_providers::pressed(fixture, &mut browser, &login, "corp").await;
    let link = identity_providers::through(fixture, mock, &mut browser, json!({})).await;
    let new = json!({ "sub": "u-2", "email": "new@example.com" });
    let create = identity_providers::through(fixture, mock, &mut browser, new).await;
    vec![
        ("rel=\"noreferrer\"", provider),
        ("action=\"/oauth/identity/link\"", link),
        ("action=\"/oauth/identity/create\"", create),
    ]
}

#[tokio::test]
async fn no_page_of_any_kind_can_be_framed() {
    let (fixture, mock) = identity_providers::corp(identity_providers::create(&[])).await;
    let mut pages = pages_of_logins(&fixture).await;
    pages.extend(pages_of_logouts(&fixture).await);
    pages.extend(pages_of_providers(&fixture, &mock).await);
    for (name, page) in pages {
        assert!(page.header("content-type").starts_with("text/html"), "{name}: {}", all(&page));
        assert!(text(&page).contains(name), "{name}: {}", all(&page));
        let policies: Vec<_> = page.headers.get_all("content-security-policy").iter().collect();
        assert_eq!(policies.len(), 1, "{name}: which one counts is told once");
        let policy = page.header("content-security-policy");
        assert!(policy.split("; ").any(|rule| rule == "frame-ancestors 'none'"), "{name}: {policy}");
        assert_eq!(page.header("x-frame-options"), "DENY", "{name}");
    }
}

#[tokio::test]
async fn nothing_that_a_client_sends_ends_a_header_or_begins_one() {
    const SPLIT: &str = "x\r\nSet-Cookie: a=b\r\n\r\n<script>alert(1)</script>\u{2028}\u{0}";
    let fixture = Fixture::new().await;
    register(&fixture).await;
    let mut browser = Browser::new(&fixture);
    browser.code(&request(&[("client_id", "own")])).await;
    let own = |changes: &[(&str, &str)]| {
        let changes: Vec<_> = [("client_id", "own")].into_iter().chain(changes.iter().copied()).collect();
        format!("/oauth/authorize?{}", request(&changes))
    };
    let bye = "https://app.example.com/bye";
    let logout = encode([
        ("client_id", "own"),
        ("post_logout_redirect_uri", bye),
        ("state", SPLIT),
        ("ui_locales", SPLIT),
    ]);
    let asked = [
        ("state", own(&[("state", SPLIT)])),
        ("state_of_an_error", own(&[("state", SPLIT), ("response_type", "token")])),
        ("state_in_a_form", own(&[("state", SPLIT), ("response_mode", "form_post")])),
        ("state_that_is_signed", own(&[("state", SPLIT), ("response_mode", "jwt")])),
        ("nonce", own(&[("nonce", SPLIT)])),
        ("login_hint", own(&[("login_hint", SPLIT), ("prompt", "login")])),
        ("client", own(&[("client_id", SPLIT)])),
        ("mode", own(&[("response_mode", SPLIT)])),
        ("redirect_uri", own(&[("redirect_uri", &format!("{CALLBACK}?{SPLIT}"))])),
        ("user_code", format!("/device?{}", encode([("user_code", SPLIT)]))),
        ("logout", format!("/oauth/logout?{logout}")),
        ("path", format!("/{}", encode([("", SPLIT)]))),
    ];
    for (name, path) in asked {
        let answer = browser.open(&path).await;
        for (header, value) in &answer.headers {
            let value = value.to_str().unwrap_or_else(|_| panic!("{name}: {header} is not ASCII"));
            assert!(!value.contains(['\r', '\n', '\0']), "{name}: {header}: {value:?}");
            assert!(!value.contains("a=b") || header == "location", "{name}: {header}: {value:?}");
        }
        assert!(!text(&answer).contains("<script>alert"), "{name}: {}", text(&answer));
    }
}

#[tokio::test]
async fn of_two_that_redeem_one_code_at_once_one_gets_tokens_and_they_end() {
    let fixture = Fixture::new().await;
    register(&fixture).await;
    let mut browser = Browser::new(&fixture);
    let code = browser.code(&request(&[("scope", "openid offline_access")])).await;
    let redeem = || fixture.post("/oauth/token").form(&exchange("shop", &code)).send();
    let (one, other) = tokio::join!(redeem(), redeem());
    let (won, lost) = if one.status == StatusCode::OK { (one, other) } else { (other, one) };
    let tokens = won.expect(StatusCode::OK).json();
    assert_eq!(lost.oauth_error(), (400, "invalid_grant".to_owned()));
    assert_eq!(refresh(&fixture, &tokens, "").await.oauth_error(), (400, "invalid_grant".to_owned()));
}

#[tokio::test]
async fn more_scope_is_not_got_by_refreshing() {
    let fixture = Fixture::new().await;
    register(&fixture).await;
    let mut browser = Browser::new(&fixture);
    let code = browser.code(&request(&[("scope", "openid offline_access orders:read")])).await;
    let tokens = fixture.post("/oauth/token").form(&exchange("shop", &code)).send().await;
    let tokens = tokens.expect(StatusCode::OK).json();
    // What the client may ask for and the user has not allowed, what nobody may, and another audience.
    for (name, more, want) in [
        ("registered", "&scope=openid+orders:read+orders:write", "invalid_scope"),
        ("of_administrators", "&scope=gatepass:admin", "invalid_scope"),
        ("none_at_all", "&scope=%22", "invalid_scope"),
        ("elsewhere", "&resource=https://elsewhere.example", "invalid_target"),
        ("the_issuer_itself", "&resource=https://auth.example.com", "invalid_target"),
    ] {
        assert_eq!(refresh(&fixture, &tokens, more).await.oauth_error(), (400, want.to_owned()), "{name}");
    }
    let less = refresh(&fixture, &tokens, "&scope=openid").await.expect(StatusCode::OK).json();
    assert_eq!(less["scope"], "openid");
    let same = refresh(&fixture, &less, "").await.expect(StatusCode::OK).json();
    assert!(!same["scope"].as_str().unwrap().contains("write"), "{same}");
}

async fn refresh(fixture: &Fixture, tokens: &Value, more: &str) -> Answer {
    let token = tokens["refresh_token"].as_str().unwrap();
    let body = encode([("grant_type", "refresh_token"), ("client_id", "shop"), ("refresh_token", token)]);
    fixture.post("/oauth/token").form(&format!("{body}{more}")).send().await
}

#[tokio::test]
async fn a_method_that_is_not_meant_does_not_reach_what_is_behind_it() {
    let fixture = Fixture::new().await;
    register(&fixture).await;
    let credentials =
        format!("grant_type=client_credentials&client_id=batch&client_secret={}", fixture.secret);
    for (name, call) in [
        ("token_by_get", fixture.get(&format!("/oauth/token?{credentials}"))),
        ("login_by_get", fixture.get("/oauth/login?username=alice&password=x")),
        ("consent_by_get", fixture.get("/oauth/consent?decision=allow")),
        ("device_answer_by_get", fixture.get("/device/answer?decision=allow")),
        ("logout_by_get", fixture.get("/oauth/logout/confirm")),
        ("session_by_get", fixture.get("/session/logout-all")),
        ("overridden", fixture.get("/oauth/login").header("x-http-method-override", "POST")),
        ("in_a_parameter", fixture.call(Method::GET, "/session/login?_method=POST")),
    ] {
        let answer = call.send().await;
        assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED, "{name}: {}", all(&answer));
        assert!(answer.headers.get("set-cookie").is_none(), "{name}");
    }
}
