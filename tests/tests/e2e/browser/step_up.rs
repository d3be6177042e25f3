//! Pages that want a login, or a younger one, in a real browser that says of itself what it does.

use std::time::Duration;

use gatepass_e2e::up::{ADMIN, PASSWORD};
use gatepass_e2e::{Browser, Up, wait};
use serde_json::json;

use super::pages::page_and;
use super::{Application, Service};

const ROUTES: &str = r#"
[[route]]
path = "/orders"
upstream = "service"
session = true
forward = { sub = "X-User-Id" }

[[route]]
path = "/vault"
upstream = "service"
session = true
require = { acr = ["urn:gatepass:acr:password"], max_age = "6s" }
"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_page_leads_to_the_login_that_it_wants_and_a_script_hears_where_that_is() {
    let up = Up::start().await;
    let (_, service) = Service::start().await;
    let routes = page_and(ROUTES, service);
    let site = Application::start(&up, "site", "https://localhost", &routes).await;
    let user = up.native_login(ADMIN).await.subject();
    let mut browser = Browser::start();
    let mut ada = browser.visitor("ada");

    let (status, at) = ada.open(&site.url("/orders?open=1#part")).await;
    assert!(status == 200 && at.starts_with(up.issuer()), "{status} at {at}");
    ada.fill("#username", ADMIN).await;
    ada.fill("#password", PASSWORD).await;
    ada.click("button").await;
    ada.click("button[value=allow]").await;
    ada.arrive(&site.url("/orders?open=1")).await;
    assert!(ada.read("body").await.contains(&user));

    ada.open(&site.url("/")).await;
    let script = "fetch('/vault').then((answer) => answer.status === 401 ? answer.json() : null)";
    let problem = wait::until("the login to grow old", Duration::from_secs(30), async || {
        Some(ada.run(script).await).filter(|told| !told.is_null())
    })
    .await;
    let login = problem["login"].as_str().unwrap();
    assert_eq!(login, "/bff/login?acr_values=urn%3Agatepass%3Aacr%3Apassword&max_age=0", "{problem}");
    let (_, at) = ada.open(&site.url("/vault")).await;
    assert!(at.starts_with(up.issuer()), "the page asks for the login by itself: {at}");
    ada.open(&site.url(&format!("{login}&return_to=/vault"))).await;
    ada.fill("#username", ADMIN).await;
    ada.fill("#password", PASSWORD).await;
    ada.click("button").await;
    ada.arrive(&site.url("/vault")).await;
    ada.open(&site.url("/")).await;
    assert_eq!(ada.run("fetch('/vault').then((answer) => answer.status)").await, json!(200));
}
