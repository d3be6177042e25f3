//! The same at a provider that others wrote: npm oidc-provider, in a process of its own. Its ID tokens have no `typ` and are
//! signed with RS256, it takes the client's secret in the form, and uses each refresh token up.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::process::Command;
use std::time::Duration;

use gatepass_e2e::process::Process;
use gatepass_e2e::{Alone, Answer, http, place, send, try_send, upstream, wait};
use reqwest::{Method, Url};
use serde_json::json;
use tempfile::TempDir;

use super::{Browser, attribute, encoded, join};

const SECRET: &str = "a secret & more";
const API: &str = "https://api.example.com";

struct Scene {
    _provider: Process,
    _gateway: Alone,
    origin: String,
    _folder: TempDir,
}

impl Scene {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let [provider_listen, listen, admin_listen] = std::array::from_fn(|_| place::free_address());
        let origin = format!("http://{listen}");
        // Node looks for packages beside the script.
        let script = place::node().join("provider.mjs");
        std::fs::copy(place::root().join("tests/node/provider.mjs"), &script).unwrap();
        let mut command = Command::new("node");
        command.arg(script).args([&provider_listen.port().to_string(), &origin, SECRET, API]);
        let mut provider =
            Process::start("npm oidc-provider", &mut command, &folder.path().join("provider.log"));
        wait::until("npm oidc-provider to listen", Duration::from_secs(60), async || {
            if let Some(status) = provider.ended() {
                panic!("npm oidc-provider ended with {status}:\n{}", provider.log());
            }
            provider.log().contains("listening").then_some(())
        })
        .await;
        std::fs::write(folder.path().join("site.secret"), SECRET).unwrap();
        let text = file(listen, admin_listen, provider_listen, upstream::mirror().await);
        let gateway = Alone::start("gateway", folder.path(), listen, &text).await;
        let (client, ready) = (http::client(), format!("http://{admin_listen}/readyz"));
        wait::until("the gateway to be ready", Duration::from_secs(20), async || {
            try_send(client.get(&ready)).await.ok().filter(|answer| answer.status == 200)
        })
        .await;
        Self { _provider: provider, _gateway: gateway, origin, _folder: folder }
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.origin)
    }

    /// Where a login leads the browser first: the provider's authorization endpoint.
    async fn begin(&self, browser: &mut Browser) -> String {
        let answer = browser.open(&self.url("/bff/login")).await.expect(302);
        answer.header("location").unwrap().to_owned()
    }

    /// A request of a page of the site's own.
    async fn ask(&self, browser: &Browser, method: Method, path: &str) -> Answer {
        let request = browser.client.request(method, self.url(path));
        let cookie = browser.session().unwrap_or_default();
        send(request.header("cookie", cookie).header("sec-fetch-site", "same-origin")).await
    }

    async fn sub(&self, browser: &Browser) -> String {
        self.ask(browser, Method::GET, "/bff/session").await.expect(200).text("/sub")
    }
}

fn file(listen: SocketAddr, admin_listen: SocketAddr, provider: SocketAddr, mirror: SocketAddr) -> String {
    format!(
        r#"
listen = "{listen}"
admin_listen = "{admin_listen}"
public_url = "http://{listen}"

[[issuer]]
url = "http://{provider}"
audience = ["{API}"]
revocation = "none"

[bff]
issuer = "http://{provider}"
client_id = "site"
client_secret_file = "site.secret"
scope = "openid profile offline_access orders:read"
prompt = "consent"
resource = "{API}"

[[upstream]]
name = "mirror"
servers = ["http://{mirror}"]

[[route]]
path = "/api/{{*rest}}"
upstream = "mirror"
session = true
require = {{ scope = ["orders:read"] }}
forward = {{ sub = "X-User-Id" }}
"#
    )
}

/// From the authorization endpoint through the provider's redirects to where it sends the browser back.
async fn through(browser: &mut Browser, mut url: String) -> String {
    for _ in 0..6 {
        let answer = browser.open(&url).await;
        url = join(&url, answer.header("location").unwrap_or_else(|| panic!("{}", answer.shown())));
        if url.contains("/bff/callback") {
            return url;
        }
    }
    panic!("it came to no end at {url}");
}

/// The URL with another value of a parameter, or without the parameter.
fn with(url: &str, name: &str, value: Option<&str>) -> String {
    let mut url = Url::parse(url).unwrap();
    let kept: Vec<_> = url.query_pairs().into_owned().filter(|(own, _)| own != name).collect();
    url.query_pairs_mut().clear().extend_pairs(kept).extend_pairs(value.map(|value| (name, value)));
    url.into()
}

fn parameter(url: &str, name: &str) -> String {
    let url = Url::parse(url).unwrap();
    let found = url.query_pairs().find(|(own, _)| own == name).map(|(_, value)| value.into_owned());
    found.unwrap_or_else(|| panic!("no {name} in {url}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_logs_in_at_a_provider_that_others_wrote() {
    let scene = Scene::start().await;
    let mut browser = Browser::new();
    browser.log_in(&scene.url("/bff/login"), "").await.expect(303);
    let facts = scene.ask(&browser, Method::GET, "/bff/session").await.expect(200).json();
    assert_eq!((&facts["sub"], &facts["name"]), (&json!("user-1"), &json!("The user user-1")), "{facts}");

    // Its access tokens last two seconds. A refresh token that is used twice ends the grant there.
    let mut tokens = BTreeSet::new();
    wait::until("the third access token", Duration::from_secs(60), async || {
        let told = scene.ask(&browser, Method::GET, "/api/a").await.expect(200).json();
        assert_eq!(told["headers"]["x-user-id"], json!(["user-1"]), "{told}");
        tokens.insert(told["headers"]["authorization"].to_string());
        (tokens.len() == 3).then_some(())
    })
    .await;

    browser.log_in(&scene.url("/bff/login"), "").await.expect(303);
    assert_eq!(scene.sub(&browser).await, "user-1", "the provider knows its user again");

    let out = scene.ask(&browser, Method::POST, "/bff/logout").await.expect(200);
    scene.ask(&browser, Method::GET, "/api/a").await.expect_problem(401, "session-ended");
    let url = out.text("/logout_url");
    let page = String::from_utf8(browser.open(&url).await.expect(200).body).unwrap();
    let (action, xsrf) = (attribute(&page, "<form", "action"), attribute(&page, "name=\"xsrf\"", "value"));
    let form = encoded(&[("xsrf", &xsrf), ("logout", "yes")]);
    let back = browser.go(Method::POST, &join(&url, &action), Some(form)).await.expect(303);
    assert_eq!(back.header("location"), Some(&*scene.url("/")), "{}", back.shown());
    browser.log_in(&scene.url("/bff/login"), "").await.expect(303);
    assert_eq!(scene.sub(&browser).await, "user-2", "the provider has forgotten its user");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_not_made_for_this_login_is_refused() {
    let scene = Scene::start().await;
    let mut other = Browser::new();
    let start = scene.begin(&mut other).await;
    let others_code = parameter(&through(&mut other, start).await, "code");
    // What is changed on the way to the provider, and on the way back.
    type Change<'c> = Option<(&'c str, Option<&'c str>)>;
    let cases: [(&str, Change<'_>, Change<'_>); 7] = [
        ("nothing", None, None),
        ("another_nonce", Some(("nonce", Some("x"))), None),
        ("another_state", Some(("state", Some("x"))), None),
        ("another_challenge", Some(("code_challenge", Some(&"x".repeat(43)))), None),
        ("another_issuer", None, Some(("iss", Some("https://evil.example")))),
        ("no_issuer", None, Some(("iss", None))),
        ("the_code_of_another_login", None, Some(("code", Some(&others_code)))),
    ];
    for (name, going, coming) in cases {
        let mut browser = Browser::new();
        let mut url = scene.begin(&mut browser).await;
        if let Some((name, value)) = going {
            url = with(&url, name, value);
        }
        let mut back = through(&mut browser, url).await;
        if let Some((name, value)) = coming {
            back = with(&back, name, value);
        }
        let answer = browser.open(&back).await;
        let want = if name == "nothing" { (303, true) } else { (400, false) };
        assert_eq!((answer.status, browser.session().is_some()), want, "{name}: {}", answer.shown());
    }
}
