//! Guessing, and who is not kept out by it.

use std::net::IpAddr;
use std::time::Duration;

use http::StatusCode;
use serde_json::json;

use crate::browser::*;
use crate::fixture::{Fixture, PASSWORD, credentials};

const DEVICE_COOKIE: &str = "__Host-gatepass-device";

fn wrong(name: &str) -> [(&str, &str); 2] {
    [("username", name), ("password", "wrong")]
}

#[tokio::test]
async fn nobody_is_shut_out_of_a_browser_that_they_have_logged_in_with() {
    let fixture = Fixture::new().await;
    register(&fixture).await;
    let mut own = Browser::new(&fixture);
    own.code(&request(&[])).await;
    assert!(own.cookie(DEVICE_COOKIE).unwrap().starts_with("gpk_"));

    let mut attacker = Browser::new(&fixture);
    let form = attacker.authorize(&request(&[])).await;
    for _ in 0..11 {
        attacker.submit(&form, &wrong("alice")).await;
    }
    assert_eq!(attacker.log_in(&form, "alice").await.status, StatusCode::TOO_MANY_REQUESTS);

    let again = request(&[("prompt", "login")]);
    let page = own.authorize(&again).await;
    assert!(sent_back(&own.log_in(&page, "alice").await).contains_key("code"), "her own browser");
    let cookie = own.cookie(DEVICE_COOKIE).unwrap().to_owned();
    let call =
        |cookie: &str| fixture.post("/session/login").header("cookie", &format!("{DEVICE_COOKIE}={cookie}"));
    call(&cookie).json(&credentials()).send().await.expect(StatusCode::OK);

    // The cookie is hers alone, is not made up, and opens nothing.
    for _ in 0..11 {
        attacker.submit(&form, &wrong("root")).await;
    }
    let root = json!({ "username": "root", "password": PASSWORD });
    let forged = crate::fixture::forged(&cookie);
    let cases = [
        ("another user", call(&cookie).json(&root), 429),
        ("forged", call(&forged).json(&credentials()), 429),
        ("cut", call(&cookie[..40]).json(&credentials()), 429),
        ("empty", call("").json(&credentials()), 429),
        ("wrong password", call(&cookie).json(&json!({ "username": "alice", "password": "wrong" })), 401),
    ];
    for (name, call, want) in cases {
        assert_eq!(call.send().await.status, want, "{name}");
    }
    fixture.pass(Duration::from_secs(181 * 24 * 3600));
    let mut statuses = Vec::new();
    for _ in 0..11 {
        let body = json!({ "username": "alice", "password": "wrong" });
        statuses.push(fixture.post("/session/login").json(&body).send().await.status.as_u16());
    }
    assert_eq!(statuses.last(), Some(&429));
    assert_eq!(call(&cookie).json(&credentials()).send().await.status, 429, "after half a year");
}

#[tokio::test]
async fn one_password_is_not_tried_at_every_account() {
    let fixture = Fixture::new().await;
    let spray = |at: u32, password: &str| {
        let body = json!({ "username": format!("user{at}"), "password": password });
        let from = IpAddr::from(std::net::Ipv4Addr::from(0x0b00_0000 | at << 8));
        fixture.post("/session/login").json(&body).from(from).send()
    };
    for at in 0..20 {
        assert_eq!(spray(at, "Summer2026!Summer").await.status, 401, "{at}");
    }
    let refused = spray(20, "Summer2026!Summer").await;
    assert_eq!((refused.problem().0, refused.header("retry-after")), (429, "20"));
    assert_eq!(spray(21, "Winter2026!Winter").await.status, 401, "another password is another pattern");
}

#[tokio::test]
async fn a_clients_secret_is_not_guessed_from_one_address_and_the_client_goes_on() {
    let fixture = Fixture::new().await;
    let (attacker, own): (IpAddr, IpAddr) = ("203.0.113.7".parse().unwrap(), "192.0.2.1".parse().unwrap());
    let ask = |path: &str, secret: &str, from: IpAddr| {
        let form = "grant_type=client_credentials&token=x";
        fixture.post(path).basic("batch", secret).form(form).from(from).send()
    };
    for at in 0..100 {
        assert_eq!(ask("/oauth/token", "wrong", attacker).await.oauth_error().0, 401, "{at}");
    }
    for path in
        ["/oauth/token", "/oauth/introspect", "/oauth/revoke", "/oauth/par", "/oauth/device_authorization"]
    {
        let refused = ask(path, &fixture.secret, attacker).await;
        assert_eq!(refused.oauth_error(), (429, "temporarily_unavailable".into()), "{path}");
        assert_eq!(refused.header("retry-after"), "1", "{path}");
    }
    ask("/oauth/token", &fixture.secret, own).await.expect(StatusCode::OK);
    fixture.pass(Duration::from_secs(1));
    ask("/oauth/token", &fixture.secret, attacker).await.expect(StatusCode::OK);
}

#[tokio::test]
async fn a_name_that_nobody_has_costs_the_work_of_one_that_somebody_has() {
    let fixture = Fixture::new().await;
    register(&fixture).await;
    let carol = json!({ "username": "carol", "password": PASSWORD, "disabled": true });
    let admin = fixture.admin().await;
    fixture.post("/admin/v1/users").bearer(&admin).json(&carol).send().await.expect(StatusCode::CREATED);
    let computed = || fixture.issuer.password_hashes_computed();
    let mut said = Vec::new();
    for (username, password) in [
        ("alice", "wrong"),
        ("nobody", "wrong"),
        ("nobody", PASSWORD),
        ("n\u{f6}body", "wrong"),
        ("carol", PASSWORD),
    ] {
        let before = computed();
        let body = json!({ "username": username, "password": password });
        let answer = fixture.post("/session/login").json(&body).send().await;
        said.push((answer.status.as_u16(), String::from_utf8(answer.body.to_vec()).unwrap()));
        assert_eq!(computed() - before, 1, "{username} {password}");
    }
    assert!(said.iter().all(|one| *one == said[0]) && said[0].0 == 401, "{said:?}");

    let mut browser = Browser::new(&fixture);
    let form = browser.authorize(&request(&[])).await;
    let mut pages = Vec::new();
    for username in ["alice", "nobody"] {
        let before = computed();
        let page = browser.submit(&form, &wrong(username)).await.expect(StatusCode::UNAUTHORIZED);
        pages.push(text(&page).replace(username, "NAME"));
        assert_eq!(computed() - before, 1, "{username} in the form");
    }
    assert_eq!(pages[0], pages[1]);

    // Who has to wait costs nothing, and waits as long under either name.
    let mut waits = Vec::new();
    for username in ["alice", "nobody2"] {
        let body = json!({ "username": username, "password": "wrong too" });
        let guess = || fixture.post("/session/login").json(&body).send();
        while guess().await.status != StatusCode::TOO_MANY_REQUESTS {}
        let before = computed();
        let refused = guess().await;
        waits.push((refused.problem(), refused.header("retry-after").to_owned()));
        assert_eq!(computed(), before, "{username}");
    }
    assert_eq!(waits[0], waits[1]);
}

#[tokio::test]
async fn no_browser_is_known_any_more_after_a_change_of_the_password() {
    const NEW: &str = "tangled violet harbour lantern";
    for by in ["the_page", "an_app", "an_administrator"] {
        let fixture = Fixture::new().await;
        register(&fixture).await;
        let (mut thief, mut own) = (Browser::new(&fixture), Browser::new(&fixture));
        thief.code(&request(&[])).await;
        let page = own.open("/account/password").await;
        let page = own.log_in(&page, "alice").await.expect(StatusCode::OK);
        let cookie = |browser: &Browser<'_>| browser.cookie(DEVICE_COOKIE).unwrap().to_owned();
        let before = cookie(&own);
        match by {
            "the_page" => {
                let fields = [("current_password", PASSWORD), ("new_password", NEW)];
                own.submit(&page, &fields).await.expect(StatusCode::OK);
            }
            "an_app" => {
                let session = fixture.log_in("alice").await;
                let change = json!({ "current_password": PASSWORD, "new_password": NEW });
                let call = fixture.post("/session/password").bearer(&session.access).json(&change);
                own.send(call).await.expect(StatusCode::NO_CONTENT);
            }
            _ => {
                let path = format!("/admin/v1/users/{}", fixture.alice);
                let call = fixture.call(http::Method::PATCH, &path).bearer(&fixture.admin().await);
                call.json(&json!({ "password": NEW })).send().await.expect(StatusCode::OK);
            }
        }
        let known = |cookie: &str, password: &str| {
            let call = fixture.post("/session/login").header("cookie", &format!("{DEVICE_COOKIE}={cookie}"));
            call.json(&json!({ "username": "alice", "password": password })).send()
        };
        for _ in 0..11 {
            fixture
                .post("/session/login")
                .json(&json!({ "username": "alice", "password": "wrong" }))
                .send()
                .await;
        }
        assert_eq!(known(&cookie(&thief), NEW).await.status, 429, "{by}");
        assert_eq!(known(&before, NEW).await.status, 429, "{by}");
        let want = if by == "an_administrator" { 429 } else { 200 };
        assert_eq!(known(&cookie(&own), NEW).await.status, want, "{by}: where it was changed");
    }
}
