//! Users log in to applications: the authorization endpoint, its pages, and what they give.

use std::time::Duration;

use gatepass_jose::Alg;
use gatepass_revocation::Reason;
use gatepass_token::c_hash;
use http::StatusCode;
use http::header::LOCATION;
use serde_json::json;
use url::Url;

use crate::browser::*;
use crate::fixture::{API, Fixture, ISSUER, PASSWORD};

#[tokio::test]
async fn a_user_logs_in_allows_it_and_the_application_gets_its_tokens() {
    let fixture = Fixture::new().await;
    register(&fixture).await;
    let mut browser = Browser::new(&fixture);
    let page = browser.authorize(&request(&[])).await.expect(StatusCode::OK);
    assert!(text(&page).contains("The &#60;shop&#62;"), "the client's name, escaped");
    let page = browser.log_in(&page, "Alice").await.expect(StatusCode::OK);
    assert!(
        text(&page).contains("See your name and user name")
            && text(&page).contains("<code dir=\"auto\">orders:read</code>")
    );
    let back = sent_back(&browser.submit(&page, &[("decision", "allow")]).await);
    assert_eq!(back.keys().collect::<Vec<_>>(), ["code", "iss", "state"]);
    assert_eq!(back["state"], "s&1=\"<é>");

    let call = fixture.post("/oauth/token").form(&exchange("shop", &back["code"]));
    let tokens = call.send().await.expect(StatusCode::OK).json();
    assert!(tokens.get("refresh_token").is_none(), "offline_access was not asked for");
    assert_eq!(tokens["scope"], "openid orders:read profile");
    let access = claims(tokens["access_token"].as_str().unwrap());
    assert_eq!((&access["aud"], &access["client_id"]), (&json!(API), &json!("shop")), "not for the issuer");
    let id = claims(tokens["id_token"].as_str().unwrap());
    assert_eq!((&id["iss"], &id["aud"], &id["nonce"]), (&json!(ISSUER), &json!("shop"), &json!("n-1")));
    assert_eq!((&id["sub"], &id["sid"]), (&access["sub"], &access["sid"]));
    assert_eq!(id["c_hash"], c_hash(Alg::ES256, &back["code"]).unwrap(), "given for this code");
    assert_eq!(
        (&id["preferred_username"], &id["auth_time"]),
        (&json!("alice"), &json!(fixture.now().as_secs()))
    );

    let token = tokens["access_token"].as_str().unwrap();
    for call in [fixture.get("/oauth/userinfo"), fixture.post("/oauth/userinfo")] {
        let info = call.bearer(token).send().await.expect(StatusCode::OK).json();
        assert_eq!(info, json!({ "sub": id["sub"], "preferred_username": "alice" }));
    }
    // An ID token is no access token, and another application's token opens none of the issuer's own doors.
    let id_token = tokens["id_token"].as_str().unwrap();
    assert_eq!(fixture.get("/oauth/userinfo").bearer(id_token).send().await.status, 401);
    assert_eq!(fixture.get("/session/list").bearer(token).send().await.status, 401);
    let first_party = fixture.log_in("alice").await.access;
    assert_eq!(fixture.get("/oauth/userinfo").bearer(&first_party).send().await.oauth_error().0, 403);
}

#[tokio::test]
async fn one_login_serves_every_application_and_consent_is_remembered() {
    let fixture = Fixture::new().await;
    register(&fixture).await;
    let mut browser = Browser::new(&fixture);
    browser.code(&request(&[])).await;
    let again = browser.authorize(&request(&[])).await;
    assert!(sent_back(&again).contains_key("code"), "nobody is asked twice");
    let other = browser.authorize(&request(&[("client_id", "own"), ("prompt", "none")])).await;
    assert!(sent_back(&other).contains_key("code"), "another application, without a word");
    let more = browser.authorize(&request(&[("scope", "openid orders:write")])).await;
    assert!(text(&more).contains("/oauth/consent"), "more than was allowed");
    let denied = browser.submit(&more, &[("decision", "deny")]).await;
    assert_eq!(sent_back(&denied)["error"], "access_denied");

    fixture.pass(Duration::from_secs(11 * 3600));
    assert!(sent_back(&browser.authorize(&request(&[])).await).contains_key("code"), "used, it lives on");
    fixture.pass(Duration::from_secs(12 * 3600 + 1));
    assert!(text(&browser.authorize(&request(&[])).await).contains("/oauth/login"), "idle for too long");
}

#[tokio::test]
async fn what_an_application_can_demand_of_the_login() {
    let fixture = Fixture::new().await;
    register(&fixture).await;
    let mut browser = Browser::new(&fixture);
    let error = |back: std::collections::BTreeMap<String, String>| back["error"].clone();
    let none = request(&[("prompt", "none")]);
    assert_eq!(error(sent_back(&browser.authorize(&none).await)), "login_required");
    browser.through(&request(&[("client_id", "own")])).await;
    assert_eq!(error(sent_back(&browser.authorize(&none).await)), "consent_required");

    let before = browser.cookie(LOGIN_COOKIE).unwrap().to_owned();
    for demand in [("prompt", "login"), ("max_age", "99")] {
        fixture.pass(Duration::from_secs(100));
        let query = request(&[("client_id", "own"), demand]);
        let page = browser.authorize(&query).await.expect(StatusCode::OK);
        assert!(text(&page).contains("value=\"alice\""), "{demand:?}: the known name is filled in");
        assert!(sent_back(&browser.log_in(&page, "alice").await).contains_key("code"), "{demand:?}");
    }
    assert_ne!(browser.cookie(LOGIN_COOKIE).unwrap(), before, "a login has a cookie of its own");
    let mut old = Browser::new(&fixture);
    old.set_cookie(LOGIN_COOKIE, &before);
    assert!(text(&old.authorize(&none.replace("none", "login")).await).contains("/oauth/login"));
    assert_eq!(error(sent_back(&old.authorize(&none).await)), "login_required", "the old one is over");
}

#[tokio::test]
async fn errors_go_to_the_application_only_where_that_is_safe() {
    let fixture = Fixture::new().await;
    register(&fixture).await;
    let mut browser = Browser::new(&fixture);
    let long = "x".repeat(9000);
    let twice = format!("{}&state=x", request(&[]));
    let shown = [
        ("no_client", request(&[("client_id", "")])),
        ("unknown_client", request(&[("client_id", "nobody")])),
        ("impossible_client", request(&[("client_id", "a b")])),
        ("first_party", request(&[("client_id", "first-party")])),
        ("sign_on_itself", request(&[("client_id", "gatepass-sign-on")])),
        ("machine", request(&[("client_id", "batch")])),
        ("no_redirect_uri", request(&[("redirect_uri", "")])),
        ("other_host", request(&[("redirect_uri", "https://evil.example/callback")])),
        ("suffix", request(&[("redirect_uri", &format!("{CALLBACK}/more"))])),
        ("user", request(&[("redirect_uri", "https://app.example.com@evil.example/callback")])),
        ("fragment", request(&[("redirect_uri", &format!("{CALLBACK}#x"))])),
        ("traversal", request(&[("redirect_uri", &format!("{CALLBACK}/../evil"))])),
        ("case", request(&[("redirect_uri", "https://APP.example.com/callback")])),
        ("port", request(&[("redirect_uri", "https://app.example.com:444/callback")])),
        ("newline", request(&[("redirect_uri", &format!("{CALLBACK}\r\nx: y"))])),
        ("script", request(&[("redirect_uri", "javascript:alert(1)")])),
        ("twice", twice),
        ("too_long", request(&[("state", &long)])),
        ("malformed", "client_id=%zz".to_owned()),
    ];
    for (name, query) in shown {
        let answer = browser.authorize(&query).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{name}");
        assert_eq!(answer.header(LOCATION), "", "{name}: an open redirect");
        assert!(answer.header("content-type").starts_with("text/html"), "{name}");
    }
    let told = [
        ("no_pkce", request(&[("code_challenge", ""), ("code_challenge_method", "")]), "invalid_request"),
        ("plain", request(&[("code_challenge_method", "plain")]), "invalid_request"),
        ("implicit", request(&[("response_type", "token")]), "unsupported_response_type"),
        ("fragment_mode", request(&[("response_mode", "fragment")]), "invalid_request"),
        ("too_much", request(&[("scope", "openid gatepass:admin")]), "invalid_scope"),
        ("elsewhere", request(&[("resource", "https://x.example")]), "invalid_target"),
        ("the_issuer_itself", request(&[("resource", ISSUER)]), "invalid_target"),
    ];
    for (name, query, want) in told {
        let back = told_by(&browser.authorize(&query).await);
        assert_eq!((back["error"].as_str(), back["state"].as_str()), (want, "s&1=\"<é>"), "{name}");
    }
    let split = request(&[("state", "x\r\nSet-Cookie: a=b"), ("prompt", "none")]);
    let answer = browser.authorize(&split).await;
    assert!(answer.header("set-cookie").is_empty(), "response splitting");
    assert_eq!(sent_back(&answer)["state"], "x\r\nSet-Cookie: a=b");
}

/// Browsers hold a form to the policy of its page through every redirect that follows, and an application's callback may
/// lead to another origin.
#[tokio::test]
async fn from_a_form_of_ours_a_page_leads_to_the_application_and_from_a_link_a_redirect() {
    let fixture = Fixture::new().await;
    register(&fixture).await;
    let mut browser = Browser::new(&fixture);
    let login = browser.authorize(&request(&[("client_id", "own")])).await;
    let page = browser.log_in(&login, "alice").await.expect(StatusCode::OK);
    let location = page.led_to().to_owned();
    assert!(location.starts_with(&format!("{CALLBACK}?code=gpc_")), "{location}");
    assert!(text(&page).contains(&format!("href=\"{}\"", location.replace('&', "&#38;"))), "{}", text(&page));
    assert_eq!((page.header("referrer-policy"), page.header("cache-control")), ("no-referrer", "no-store"));
    for page in [&login, &page] {
        assert!(page.header("content-security-policy").ends_with("; form-action 'self'"));
    }
    let denied = browser.authorize(&request(&[])).await.expect(StatusCode::OK);
    let denied = browser.submit(&denied, &[("decision", "deny")]).await.expect(StatusCode::OK);
    assert_eq!(sent_back(&denied)["error"], "access_denied");
    let linked = browser.authorize(&request(&[("client_id", "own")])).await.expect(StatusCode::SEE_OTHER);
    assert!(linked.body.is_empty() && sent_back(&linked).contains_key("code"));

    let fields = [("decision", "allow")];
    let native = request(&[("redirect_uri", "com.example.shop:/cb")]);
    let page = browser.authorize(&native).await.expect(StatusCode::OK);
    assert!(page.header("content-security-policy").ends_with("; form-action 'self' com.example.shop:"));
    let answer = browser.submit(&page, &fields).await.expect(StatusCode::SEE_OTHER);
    assert!(answer.led_to().starts_with("com.example.shop:/cb?code=gpc_"), "an app is opened at once");
}

#[tokio::test]
async fn a_loopback_client_listens_on_any_port_and_is_asked_each_time() {
    let fixture = Fixture::new().await;
    register(&fixture).await;
    let mut browser = Browser::new(&fixture);
    browser.code(&request(&[])).await;
    let native = request(&[("redirect_uri", "http://127.0.0.1:51004/cb")]);
    for _ in 0..2 {
        let page = browser.authorize(&native).await.expect(StatusCode::OK);
        let answer = browser.submit(&page, &[("decision", "allow")]).await;
        assert!(answer.led_to().starts_with("http://127.0.0.1:51004/cb?code=gpc_"));
    }
}

#[tokio::test]
async fn a_code_is_good_once_and_only_as_it_was_given() {
    let fixture = Fixture::new().await;
    register(&fixture).await;
    let mut browser = Browser::new(&fixture);
    let swap = |from: &str, to: &str| {
        let (from, to) = (encode([("", from)]), encode([("", to)]));
        move |request: String| request.replace(&from[1..], &to[1..])
    };
    type Change = Box<dyn Fn(String) -> String>;
    let cases: [(&str, Change); 6] = [
        ("other_client", Box::new(|request| request.replace("client_id=shop", "client_id=own"))),
        ("other_redirect_uri", Box::new(swap(CALLBACK, "http://127.0.0.1/cb"))),
        ("other_verifier", Box::new(swap(VERIFIER, &"a".repeat(43)))),
        ("no_verifier", Box::new(|request| request.replace("code_verifier=", "x="))),
        ("other_resource", Box::new(|request| request + "&resource=https://other.example.com")),
        ("other_code", Box::new(|request| request.replace("code=gpc_", "code=gpc_A"))),
    ];
    for (name, change) in cases {
        let code = browser.code(&request(&[])).await;
        let token = |body: &str| fixture.post("/oauth/token").form(body);
        let refused = token(&change(exchange("shop", &code))).send().await;
        let (status, error) = refused.oauth_error();
        assert_eq!(status, 400, "{name}");
        assert!(["invalid_grant", "invalid_target"].contains(&error.as_str()), "{name}: {error}");
        let burnt = name != "other_code";
        let after = token(&exchange("shop", &code)).send().await;
        assert_eq!(after.status == StatusCode::BAD_REQUEST, burnt, "{name}: a wrong guess costs the code");
    }
    let code = browser.code(&request(&[])).await;
    fixture.pass(Duration::from_secs(60));
    let late = fixture.post("/oauth/token").form(&exchange("shop", &code)).send().await;
    assert_eq!(late.oauth_error().1, "invalid_grant", "a minute is too late");
}

#[tokio::test]
async fn a_code_that_comes_again_takes_back_what_it_gave() {
    let fixture = Fixture::new().await;
    register(&fixture).await;
    let mut browser = Browser::new(&fixture);
    let code = browser.code(&request(&[("scope", "openid offline_access orders:read")])).await;
    let token = || fixture.post("/oauth/token").form(&exchange("shop", &code));
    let tokens = token().send().await.expect(StatusCode::OK).json();
    let access = tokens["access_token"].as_str().unwrap();
    fixture.get("/oauth/userinfo").bearer(access).send().await.expect(StatusCode::OK);
    fixture.pass(Duration::from_secs(3600));
    assert_eq!(token().send().await.oauth_error().1, "invalid_grant");
    let refresh = encode([
        ("grant_type", "refresh_token"),
        ("client_id", "shop"),
        ("refresh_token", tokens["refresh_token"].as_str().unwrap()),
    ]);
    let refused = fixture.post("/oauth/token").form(&refresh).send().await;
    assert_eq!(refused.oauth_error().1, "invalid_grant", "the session has ended");
    let sid = claims(access)["sid"].as_str().unwrap().to_owned();
    let mut position = fixture.issuer.log_position(Some(0));
    let log = fixture.issuer.read_log(&mut position, 10);
    assert!(log.iter().any(|entry| entry.id == sid), "{log:?}");
}

#[tokio::test]
async fn offline_access_gives_a_refresh_token_that_rotates() {
    let fixture = Fixture::new().await;
    let secret = register(&fixture).await;
    let mut browser = Browser::new(&fixture);
    let query = request(&[("client_id", "office"), ("scope", "openid offline_access orders:read")]);
    let code = browser.code(&query).await;
    let body = exchange("office", &code);
    let tokens = fixture.post("/oauth/token").basic("office", &secret).form(&body).send().await;
    let tokens = tokens.expect(StatusCode::OK).json();
    let mut refresh = tokens["refresh_token"].as_str().unwrap().to_owned();
    for _ in 0..2 {
        let body = encode([("grant_type", "refresh_token"), ("refresh_token", &refresh)]);
        let next = fixture.post("/oauth/token").basic("office", &secret).form(&body).send().await;
        let next = next.expect(StatusCode::OK).json();
        assert_eq!(next["scope"], "offline_access openid orders:read");
        refresh = next["refresh_token"].as_str().unwrap().to_owned();
    }
    let stranger =
        encode([("grant_type", "refresh_token"), ("refresh_token", &refresh), ("client_id", "shop")]);
    let refused = fixture.post("/oauth/token").form(&stranger).send().await;
    assert_eq!(refused.oauth_error().1, "invalid_grant");
    let without = fixture.post("/oauth/token").form(&exchange("office", &code)).send().await;
    assert_eq!(without.oauth_error(), (401, "invalid_client".to_owned()), "it has a secret to show");
}

#[tokio::test]
async fn an_answer_in_a_form_goes_where_it_should_and_nowhere_else() {
    let fixture = Fixture::new().await;
    register(&fixture).await;
    let mut browser = Browser::new(&fixture);
    let query = request(&[("client_id", "own"), ("response_mode", "form_post")]);
    let page = browser.authorize(&query).await;
    let page = browser.log_in(&page, "alice").await.expect(StatusCode::OK);
    let (action, fields) = form(&page);
    assert_eq!(action, CALLBACK);
    assert_eq!(fields["state"], "s&1=\"<é>", "escaped and read back");
    assert_eq!(fields["iss"], ISSUER);
    assert!(fields["code"].starts_with("gpc_"));
    let policy = page.header("content-security-policy");
    assert!(policy.contains("script-src 'sha256-") && policy.contains("; form-action https:;"));
}

#[tokio::test]
async fn the_same_request_in_a_body_becomes_a_query() {
    let fixture = Fixture::new().await;
    register(&fixture).await;
    let query = request(&[]);
    let answer = fixture.post("/oauth/authorize").form(&query).send().await.expect(StatusCode::SEE_OTHER);
    let to = Url::parse(ISSUER).unwrap().join(answer.header(LOCATION)).unwrap();
    assert_eq!(to.path(), "/oauth/authorize");
    let params = |query: &str| url::form_urlencoded::parse(query.as_bytes()).into_owned().collect::<Vec<_>>();
    assert_eq!(params(to.query().unwrap()), params(&query));
    let twice = fixture.post("/oauth/authorize").form("a=1&a=2").send().await;
    assert_eq!(twice.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn no_other_site_can_send_the_forms() {
    let fixture = Fixture::new().await;
    register(&fixture).await;
    let credentials = [("username", "alice"), ("password", PASSWORD)];
    let mut victim = Browser::new(&fixture);
    let page = victim.authorize(&request(&[])).await;
    let mut attacker = Browser::new(&fixture);
    let theirs = attacker.authorize(&request(&[])).await;

    let cross = victim.form(&page, &credentials).header("sec-fetch-site", "cross-site");
    assert_eq!(victim.send(cross).await.status, StatusCode::FORBIDDEN, "by Fetch Metadata");
    let foreign = victim.form(&page, &credentials).header("origin", "https://evil.example");
    assert_eq!(victim.send(foreign).await.status, StatusCode::FORBIDDEN, "by Origin");
    let borrowed = victim.submit(&theirs, &credentials).await;
    assert_eq!(borrowed.status, StatusCode::FORBIDDEN, "a token of another browser");
    assert!(victim.cookie(LOGIN_COOKIE).is_none(), "nobody was logged in");

    let consent = victim.log_in(&page, "alice").await;
    let others = attacker.log_in(&theirs, "root").await;
    let mixed = victim.submit(&others, &[("decision", "allow")]).await.expect(StatusCode::OK);
    assert!(text(&mixed).contains("/oauth/consent"), "a token of another login: asked again");
    let cross = victim.form(&consent, &[("decision", "allow")]).header("sec-fetch-site", "same-site");
    assert_eq!(victim.send(cross).await.status, StatusCode::FORBIDDEN);
    let widened = {
        let (_, mut fields) = form(&consent);
        fields.insert("request".into(), request(&[("scope", "openid orders:write")]));
        fields.insert("decision".into(), "allow".into());
        encode(fields.iter().map(|(name, value)| (name.as_str(), value.as_str())))
    };
    let call = fixture.post("/oauth/consent").form(&widened).header("sec-fetch-site", "same-origin");
    assert!(text(&victim.send(call).await).contains("/oauth/consent"), "another request than was shown");
    assert!(sent_back(&victim.submit(&consent, &[("decision", "allow")]).await).contains_key("code"));
}

#[tokio::test]
async fn every_page_is_locked_down() {
    let fixture = Fixture::new().await;
    register(&fixture).await;
    let mut browser = Browser::new(&fixture);
    let login = browser.authorize(&request(&[("login_hint", "\"><script>alert(1)</script>")])).await;
    assert!(!text(&login).contains("<script"), "{}", text(&login));
    let consent = browser.log_in(&login, "alice").await;
    let error = browser.authorize("").await;
    let logout = browser.open("/oauth/logout").await;
    for (name, page) in [("login", login), ("consent", consent), ("error", error), ("logout", logout)] {
        let policy = page.header("content-security-policy");
        for rule in ["default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'", "form-action 'self'"]
        {
            assert!(policy.contains(rule), "{name}: {policy}");
        }
        assert!(!policy.contains("unsafe") && !policy.contains("script-src"), "{name}: {policy}");
        let headers = [
            ("x-frame-options", "DENY"),
            ("cache-control", "no-store"),
            ("referrer-policy", "same-origin"),
            ("x-content-type-options", "nosniff"),
        ];
        for (header, want) in headers {
            assert_eq!(page.header(header), want, "{name}");
        }
        assert!(text(&page).contains("<html lang=\"en\" dir=\"ltr\">"), "{name}");
    }
    let style = browser.open("/oauth/style.css").await.expect(StatusCode::OK);
    assert!(text(&style).contains("prefers-color-scheme: dark"));
}

#[tokio::test]
async fn guessing_in_the_form_is_throttled_and_tells_nothing() {
    let fixture = Fixture::new().await;
    register(&fixture).await;
    let mut browser = Browser::new(&fixture);
    let page = browser.authorize(&request(&[])).await;
    let mut told = Vec::new();
    for name in ["alice", "nobody", " ", ""] {
        let answer = browser.submit(&page, &[("username", name), ("password", "wrong")]).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{name}");
        let shown = format!("value=\"{name}\"");
        let autofocus = |html: String| html.replace(" autofocus", "");
        told.push(autofocus(text(&answer).replacen(&shown, "value=\"\"", 1)));
    }
    assert!(told.windows(2).all(|two| two[0] == two[1]), "one answer for all");
    let mut statuses = Vec::new();
    for _ in 0..12 {
        let answer = browser.submit(&page, &[("username", "alice"), ("password", "wrong")]).await;
        statuses.push((answer.status.as_u16(), !answer.header("retry-after").is_empty()));
    }
    assert_eq!(statuses.first(), Some(&(401, false)));
    assert_eq!(statuses.last(), Some(&(429, true)));
    assert_eq!(browser.log_in(&page, "alice").await.status, StatusCode::TOO_MANY_REQUESTS);
    let login = fixture.post("/session/login").json(&crate::fixture::credentials()).send().await;
    assert_eq!(login.status, StatusCode::TOO_MANY_REQUESTS, "the same buckets as the session API's");
}

#[tokio::test]
async fn a_logout_ends_the_login_and_what_hangs_on_it() {
    let fixture = Fixture::new().await;
    register(&fixture).await;
    let mut browser = Browser::new(&fixture);
    let tokens = async |browser: &mut Browser<'_>, client: &str, scope: &str| {
        let code = browser.code(&request(&[("client_id", client), ("scope", scope)])).await;
        fixture.post("/oauth/token").form(&exchange(client, &code)).send().await.expect(StatusCode::OK).json()
    };
    let shop = tokens(&mut browser, "shop", "openid").await;
    let own = tokens(&mut browser, "own", "openid").await;
    let offline = tokens(&mut browser, "own", "openid offline_access").await;
    let userinfo = async |tokens: &serde_json::Value| {
        let token = tokens["access_token"].as_str().unwrap();
        fixture.get("/oauth/userinfo").bearer(token).send().await.status.as_u16()
    };
    let hint = shop["id_token"].as_str().unwrap();
    let bye = "https://app.example.com/bye";
    let out = |params: &[(&str, &str)]| format!("/oauth/logout?{}", encode(params.iter().copied()));

    for (name, params) in [
        (
            "unregistered",
            vec![("id_token_hint", hint), ("post_logout_redirect_uri", "https://evil.example/")],
        ),
        ("without_client", vec![("post_logout_redirect_uri", bye)]),
        ("two_clients", vec![("id_token_hint", hint), ("client_id", "own")]),
    ] {
        assert_eq!(browser.open(&out(&params)).await.status, StatusCode::BAD_REQUEST, "{name}");
    }
    // Another site's form brings no cookie with it, and the browser does when it comes again.
    let from_elsewhere = fixture.post("/oauth/logout").form(&encode([("id_token_hint", hint)])).send().await;
    assert_eq!(
        from_elsewhere.expect(StatusCode::SEE_OTHER).header(LOCATION),
        out(&[("id_token_hint", hint)])
    );
    assert_eq!(userinfo(&shop).await, 200);
    let asked = browser.open(&out(&[("client_id", "shop"), ("post_logout_redirect_uri", bye)])).await;
    assert!(text(&asked).contains("/oauth/logout/confirm"), "nobody proved to be the application");
    assert!(browser.cookie(LOGIN_COOKIE).is_some());

    let gone = browser
        .open(&out(&[("id_token_hint", hint), ("post_logout_redirect_uri", bye), ("state", "x y")]))
        .await;
    assert_eq!(gone.header(LOCATION), "https://app.example.com/bye?state=x+y");
    assert!(browser.cookie(LOGIN_COOKIE).is_none());
    assert_eq!((userinfo(&shop).await, userinfo(&own).await), (401, 401), "both applications are out");
    assert_eq!(userinfo(&offline).await, 200, "it was allowed in the user's absence");
    assert!(text(&browser.authorize(&request(&[])).await).contains("/oauth/login"));

    browser.code(&request(&[])).await;
    let asked = browser.open("/oauth/logout").await;
    let done = browser.submit(&asked, &[]).await.expect(StatusCode::OK);
    assert!(text(&done).contains("Logged out"));
    assert!(text(&browser.authorize(&request(&[])).await).contains("/oauth/login"));
}

#[tokio::test]
async fn what_a_user_allowed_is_listed_and_taken_back() {
    let fixture = Fixture::new().await;
    register(&fixture).await;
    let mut browser = Browser::new(&fixture);
    let own = fixture.log_in("alice").await.access;
    let admin = fixture.admin().await;
    let of_admin = format!("/admin/v1/users/{}/consents", fixture.alice);
    for (token, path) in [(&own, "/session/consents"), (&admin, of_admin.as_str())] {
        let code = browser.code(&request(&[("scope", "openid offline_access")])).await;
        let tokens = fixture.post("/oauth/token").form(&exchange("shop", &code)).send().await;
        let tokens = tokens.expect(StatusCode::OK).json();
        let access = tokens["access_token"].as_str().unwrap();
        let list = fixture.get(path).bearer(token).send().await.expect(StatusCode::OK).json();
        let (scope, given_at) = ("offline_access openid", fixture.now().as_secs());
        let there = json!({ "resource": API, "scope": scope, "given_at": given_at });
        let want = json!({ "client_id": "shop", "scope": scope, "resources": [there], "given_at": given_at });
        assert_eq!(list, json!({ "consents": [want] }), "{path}");
        let gone = format!("{path}/shop");
        let withdraw = || fixture.call(http::Method::DELETE, &gone).bearer(token).send();
        withdraw().await.expect(StatusCode::NO_CONTENT);
        assert_eq!(withdraw().await.status, StatusCode::NOT_FOUND, "{path}");
        let log = fixture.issuer.read_log(&mut fixture.issuer.log_position(Some(0)), 100);
        let by = if token == &own { Reason::LOGOUT } else { Reason::ADMIN };
        assert_eq!(log.last().map(|entry| &entry.reason), Some(&by), "{path}: who took it back");
        assert_eq!(fixture.get("/oauth/userinfo").bearer(access).send().await.status, 401, "{path}");
        let asked = browser.authorize(&request(&[("scope", "openid")])).await;
        assert!(text(&asked).contains("/oauth/consent"), "{path}: it must ask again");
    }
    let foreign = fixture.call(http::Method::DELETE, "/session/consents/first-party").bearer(&own);
    assert_eq!(foreign.send().await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn pages_of_every_site_read_what_clients_get_and_send_nothing_that_browsers_keep() {
    let app = "https://app.example.com";
    let anybody = "https://somebodys.example";
    let http = gatepass_server::HttpConfig { app_origins: vec![app.parse().unwrap()], ..Default::default() };
    let fixture = Fixture::with(http, |_| {}).await;
    let preflight = async |path: &str, origin: &str| {
        let preflight = fixture.call(http::Method::OPTIONS, path).header("origin", origin);
        preflight.header("access-control-request-method", "POST").send().await
    };
    for path in [
        "/oauth/token",
        "/oauth/par",
        "/oauth/userinfo",
        "/oauth/revoke",
        "/oauth/register",
        "/oauth/register/shop",
        "/oauth/device_authorization",
        "/.well-known/oauth-authorization-server",
        "/.well-known/jwks.json",
    ] {
        let answer = preflight(path, anybody).await.expect(StatusCode::NO_CONTENT);
        assert_eq!(answer.header("access-control-allow-origin"), "*", "{path}");
        assert!(!answer.headers.contains_key("access-control-allow-credentials"), "{path}");
        assert!(answer.header("access-control-allow-methods").contains("PUT"), "{path}");
        assert_eq!(
            answer.header("access-control-allow-headers"),
            "Authorization, Content-Type, DPoP, *",
            "{path}: an asterisk does not stand for Authorization"
        );
        let refused = fixture.post(path).form("x=y").header("origin", anybody).send().await;
        assert!(refused.status.is_client_error(), "{path}");
        assert_eq!(refused.header("access-control-allow-origin"), "*", "{path}: errors can be read");
        assert!(refused.header("access-control-expose-headers").contains("DPoP-Nonce"), "{path}");
    }
    for path in ["/oauth/token", "/oauth/userinfo", "/oauth/revoke"] {
        assert_eq!(preflight(path, app).await.header("access-control-allow-origin"), app, "{path}");
    }
    for path in ["/oauth/login", "/oauth/consent", "/oauth/introspect", "/admin/v1/clients", "/session/login"]
    {
        let answer = preflight(path, anybody).await;
        assert!(!answer.headers.contains_key("access-control-allow-origin"), "{path}");
    }
}

#[tokio::test]
async fn a_client_that_loses_a_scope_does_not_get_it_back_by_refreshing() {
    let fixture = Fixture::new().await;
    register(&fixture).await;
    let mut browser = Browser::new(&fixture);
    let query = request(&[("client_id", "own"), ("scope", "openid offline_access orders:read orders:write")]);
    let code = browser.code(&query).await;
    let tokens = fixture.post("/oauth/token").form(&exchange("own", &code)).send().await.json();
    let refresh = |scope: &str| {
        let token = tokens["refresh_token"].as_str().unwrap();
        let all = [
            ("grant_type", "refresh_token"),
            ("client_id", "own"),
            ("refresh_token", token),
            ("scope", scope),
        ];
        fixture.post("/oauth/token").form(&encode(all)).send()
    };
    assert_eq!(refresh("openid gatepass:admin").await.oauth_error().1, "invalid_scope");
    let admin = fixture.admin().await;
    let change = json!({ "scope": "orders:read" });
    let call = fixture.call(http::Method::PATCH, "/admin/v1/clients/own").bearer(&admin).json(&change);
    call.send().await.expect(StatusCode::OK);
    let next = refresh("").await.expect(StatusCode::OK).json();
    assert_eq!(next["scope"], "offline_access openid orders:read");

    let change = json!({ "audience": ["https://other.example.com"] });
    let call = fixture.call(http::Method::PATCH, "/admin/v1/clients/own").bearer(&admin).json(&change);
    call.send().await.expect(StatusCode::OK);
    assert_eq!(refresh("").await.oauth_error().1, "invalid_grant", "nor a resource server");
}

#[tokio::test]
async fn an_id_token_alone_ends_nothing() {
    let fixture = Fixture::new().await;
    register(&fixture).await;
    let mut browser = Browser::new(&fixture);
    let query = request(&[("client_id", "own"), ("scope", "openid offline_access")]);
    let call = fixture.post("/oauth/token").form(&exchange("own", &browser.code(&query).await));
    let tokens = call.send().await.expect(StatusCode::OK).json();
    let hint = tokens["id_token"].as_str().unwrap();
    let mut stranger = Browser::new(&fixture);
    let query =
        encode([("id_token_hint", hint), ("post_logout_redirect_uri", "https://app.example.com/bye")]);
    let gone = stranger.open(&format!("/oauth/logout?{query}")).await;
    assert_eq!(gone.header(LOCATION), "https://app.example.com/bye");
    let token = tokens["access_token"].as_str().unwrap();
    assert_eq!(fixture.get("/oauth/userinfo").bearer(token).send().await.status, 200);
}

#[tokio::test]
async fn a_consent_page_is_good_for_an_hour() {
    let fixture = Fixture::new().await;
    register(&fixture).await;
    for (minutes, allowed) in [(60, true), (61, false)] {
        let mut browser = Browser::new(&fixture);
        let page = browser.authorize(&request(&[("prompt", "consent")])).await.expect(StatusCode::OK);
        let page = browser.log_in(&page, "alice").await.expect(StatusCode::OK);
        assert!(text(&page).contains("/oauth/consent"));
        fixture.pass(Duration::from_secs(minutes * 60));
        let answer = browser.submit(&page, &[("decision", "allow")]).await;
        match allowed {
            true => assert!(sent_back(&answer).contains_key("code")),
            false => assert!(text(&answer).contains("/oauth/consent"), "asked again: {}", text(&answer)),
        }
    }
}
