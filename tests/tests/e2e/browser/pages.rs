//! The pages that people see: what they lead to, and how they look. `GATEPASS_SCREENSHOTS` names the folder for the pictures.

use std::path::{Path, PathBuf};
use std::time::Duration;

use axum::Router;
use axum::response::{Html, Redirect};
use axum::routing::{any, get};
use gatepass_e2e::browser::Visitor;
use gatepass_e2e::command::{self, password_file};
use gatepass_e2e::sign_on::authorization_url_to;
use gatepass_e2e::up::{ADMIN, PASSWORD, path_text};
use gatepass_e2e::{Admin, Alone, Browser, Up, place, send, upstream, wait};
use reqwest::Method;
use serde_json::json;

use super::{Application, Service};
use crate::serve::file;

/// Where the pictures go: a folder that somebody wants to look at, or the test's own.
pub(super) fn pictures(folder: &Path) -> PathBuf {
    let named = std::env::var_os("GATEPASS_SCREENSHOTS").map(PathBuf::from);
    let folder = named.unwrap_or_else(|| folder.join("pictures"));
    std::fs::create_dir_all(&folder).expect("a folder for the pictures");
    folder
}

pub(super) async fn look(visitor: &mut Visitor<'_>, folder: &Path, page: &str) {
    assert_eq!(visitor.look(folder, page).await, [""; 0], "{page}");
    for picture in ["light-phone", "light-desktop", "dark-phone", "dark-desktop"] {
        assert!(folder.join(format!("{page}-{picture}.png")).exists(), "{page}-{picture}");
    }
}

/// A service with a public page, and other routes to it.
pub(super) fn page_and(routes: &str, service: std::net::SocketAddr) -> String {
    format!(
        r#"
[[upstream]]
name = "service"
servers = ["http://{service}"]

[[route]]
path = "/"
upstream = "service"
public = true
{routes}"#
    )
}

const API: &str = r#"
[[route]]
path = "/api/{*rest}"
upstream = "service"
session = true
"#;

/// An authorization request of an application that wants its answer in a form.
async fn form_post_request(up: &Up, redirect_uri: &str) -> String {
    let registered = json!({
        "client_id": "poster", "client_name": "Poster", "confidential": true,
        "grant_types": ["authorization_code"], "redirect_uris": [redirect_uri],
    });
    send(Admin::login(up).await.request(Method::POST, "/clients").json(&registered)).await.expect(201);
    let more = [("response_mode", "form_post"), ("state", "as-it-was")];
    authorization_url_to(up.issuer(), ("poster", redirect_uri), "openid", &more).into()
}

#[tokio::test(flavor = "multi_thread")]
async fn one_login_serves_two_applications_without_any_script() {
    let up = Up::start().await;
    let folder = pictures(up.folder());
    let (_, service) = Service::start().await;
    let routes = page_and(API, service);
    let shop = Application::start(&up, "shop", "http://127.0.0.1", &routes).await;
    let office = Application::start(&up, "office", "http://localhost", &routes).await;
    let mut browser = Browser::start();
    let mut ada = browser.visitor("ada without scripts");

    let (status, at) = ada.open(&shop.url("/bff/login")).await;
    assert!(status == 200 && at.starts_with(&format!("{}/oauth/authorize?", up.issuer())), "{status} {at}");
    look(&mut ada, &folder, "login").await;
    assert_eq!(ada.tab().await, ["username", "password", "Log in"]);
    ada.fill("#username", ADMIN).await;
    ada.fill("#password", "not-her-password").await;
    ada.click("button").await;
    assert_eq!(ada.read("[role=alert]").await, "The user name or the password is wrong.");
    look(&mut ada, &folder, "login-refused").await;
    // From here to the application without a mouse: the focus is where there is something to type.
    ada.type_text(PASSWORD).await;
    ada.enter().await;
    let asked = ada.read("button[value=allow] >> xpath=ancestor::main").await;
    assert!(asked.contains("shop asks ada") && asked.contains("127.0.0.1"), "{asked}");
    look(&mut ada, &folder, "consent").await;
    assert_eq!(ada.tab().await, ["Allow", "Do not allow"]);
    ada.press("Tab").await;
    ada.enter().await;
    ada.arrive(&shop.url("/")).await;

    // The second application asks whether it may, and nobody asks who it is.
    ada.open(&office.url("/bff/login")).await;
    assert!(ada.read("main").await.contains("office asks ada"));
    ada.click("button[value=deny]").await;
    ada.arrive(&office.url("/bff/callback")).await;
    look(&mut ada, &folder, "not-logged-in").await;
    ada.click("a").await;
    ada.click("button[value=allow]").await;
    ada.arrive(&office.url("/")).await;
    for application in [&shop, &office] {
        assert_eq!(ada.open(&application.url("/bff/login")).await, (200, application.url("/")));
        assert_eq!(ada.open(&application.url("/api/orders")).await.0, 200);
    }

    let posted = format!("http://{service}/posted");
    let request = form_post_request(&up, &posted).await;
    ada.open(&request).await;
    ada.click("button[value=allow]").await;
    ada.read("text=One moment").await;
    look(&mut ada, &folder, "form-post").await;
    ada.click("button").await;
    ada.arrive(&posted).await;
    let answer = ada.read("p").await;
    assert!(answer.contains("code=") && answer.contains("state=as-it-was"), "{answer}");

    assert_eq!(ada.open(&format!("{}/oauth/authorize?client_id=nobody", up.issuer())).await.0, 400);
    look(&mut ada, &folder, "error").await;

    // Logged out of one application, of the issuer, and so of the other.
    ada.open(&office.url("/")).await;
    ada.click("button").await;
    ada.arrive(&format!("{}/oauth/logout?", up.issuer())).await;
    look(&mut ada, &folder, "logout").await;
    ada.click("button").await;
    ada.arrive(&office.url("/")).await;
    for application in [&office, &shop] {
        // Then it leads to the login, or says that the last one, which was just now, is over.
        let orders = application.url("/api/orders");
        wait::until("the session to end", Duration::from_secs(20), async || {
            (ada.open(&orders).await != (200, orders.clone())).then_some(())
        })
        .await;
    }
    let (_, at) = ada.open(&shop.url("/bff/login")).await;
    assert!(at.starts_with(up.issuer()) && ada.read("h1").await == "Log in", "{at}");
    ada.open(&format!("{}/oauth/logout", up.issuer())).await;
    assert_eq!(ada.read("h1").await, "Logged out");
    look(&mut ada, &folder, "logged-out").await;
    assert_eq!(ada.complaints().await, [""; 0]);

    // With scripts, the form that carries an answer sends itself, as the page's policy allows.
    let mut ada = browser.visitor("ada");
    ada.open(&request).await;
    ada.fill("#username", ADMIN).await;
    ada.fill("#password", PASSWORD).await;
    ada.click("button").await;
    ada.arrive(&posted).await;
    assert!(ada.read("p").await.contains("code="));
    assert_eq!(ada.complaints().await, [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_reads_every_place_where_an_application_could_use_what_it_asks_for() {
    const RESOURCES: [&str; 2] =
        ["https://orders.api.example", "https://a-rather-long-name.stock.api.example/v2"];
    let folder = tempfile::tempdir().unwrap();
    let address = place::free_address();
    let servers = RESOURCES.map(|audience| format!("\n[[resource_server]]\naudience = \"{audience}\"\n"));
    let text = file(address, &servers.concat());
    let config = folder.path().join("first.toml");
    std::fs::write(&config, &text).unwrap();
    let page = Router::new().route("/callback", get(async || Html("<p>back</p>")));
    let application = format!("http://{}/callback", upstream::serve(page).await);
    let here = ["--config", path_text(&config)];
    let password = password_file(folder.path(), PASSWORD);
    command::run(&["user", "add", ADMIN, "--password-file", &password], &here).await.worked();
    let client =
        ["client", "add", "shop", "--public", "--redirect-uri", &application, "--scope", "orders:read"];
    command::run(&client, &here).await.worked();
    let audiences = ["client", "update", "shop", "--audience", RESOURCES[0], "--audience", RESOURCES[1]];
    command::run(&audiences, &here).await.worked();
    let server = Alone::start("serve", folder.path(), address, &text).await;

    let resources = RESOURCES.map(|resource| ("resource", resource));
    let issuer = format!("http://{address}");
    let request = authorization_url_to(&issuer, ("shop", &application), "openid orders:read", &resources);
    let mut browser = Browser::start();
    let mut ada = browser.visitor("ada without scripts");
    assert_eq!(ada.open(request.as_str()).await.0, 200, "{}", server.process.log());
    ada.fill("#username", ADMIN).await;
    ada.fill("#password", PASSWORD).await;
    ada.click("button").await;
    let asked = ada.read("button[value=allow] >> xpath=ancestor::main").await;
    for resource in RESOURCES {
        assert!(asked.contains(&format!("At {resource}")), "{asked}");
    }
    look(&mut ada, &pictures(folder.path()), "consent-resources").await;
    ada.click("button[value=allow]").await;
    let at = ada.arrive(&application).await;
    assert!(at.contains("code="), "{at}");
    assert_eq!(ada.complaints().await, [""; 0]);
}

/// An application with a callback on one origin and its pages on another, as many have that keep their tokens on a server.
#[tokio::test(flavor = "multi_thread")]
async fn an_application_whose_callback_leads_to_another_origin_is_reached_from_every_form() {
    let up = Up::start().await;
    let pages = Router::new().route("/{page}", get(async || Html("<h1>Welcome</h1>")));
    let pages = format!("http://localhost:{}", upstream::serve(pages).await.port());
    let on = |page: &str| {
        let to = format!("{pages}/{page}");
        any(async move || Redirect::to(&to))
    };
    let server = Router::new().route("/callback", on("in")).route("/bye", on("out"));
    let server = format!("http://{}", upstream::serve(server).await);
    let (callback, bye) = (format!("{server}/callback"), format!("{server}/bye"));
    let registered = json!({
        "client_id": "shop", "client_name": "Shop", "token_endpoint_auth_method": "none",
        "grant_types": ["authorization_code"], "redirect_uris": [callback],
        "post_logout_redirect_uris": [bye],
    });
    send(Admin::login(&up).await.request(Method::POST, "/clients").json(&registered)).await.expect(201);
    let mut browser = Browser::start();
    for (name, mode) in [("without scripts", "query"), ("with scripts", "query"), ("posting", "form_post")] {
        let mut ada = browser.visitor(if name == "without scripts" { "ada without scripts" } else { "ada" });
        let more = [("response_mode", mode)];
        let request = authorization_url_to(up.issuer(), ("shop", &callback), "openid", &more);
        ada.open(request.as_str()).await;
        ada.fill("#username", ADMIN).await;
        ada.fill("#password", PASSWORD).await;
        ada.click("button").await;
        ada.click("button[value=allow]").await;
        ada.arrive(&format!("{pages}/in")).await;
        // Nothing to ask any more than the same consent: denied, and there again.
        ada.open(request.as_str()).await;
        ada.click("button[value=deny]").await;
        ada.arrive(&format!("{pages}/in")).await;
        let out = format!("{}/oauth/logout?client_id=shop&post_logout_redirect_uri={bye}", up.issuer());
        ada.open(&out).await;
        ada.click("button").await;
        ada.arrive(&format!("{pages}/out")).await;
        assert_eq!(ada.complaints().await, [""; 0], "{name}");
    }
}
