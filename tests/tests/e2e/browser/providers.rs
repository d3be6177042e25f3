//! People who log in with providers that others wrote, and with another gatepass.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use axum::Router;
use axum::response::Html;
use axum::routing::get;
use gatepass_e2e::browser::Visitor;
use gatepass_e2e::command::{self, password_file};
use gatepass_e2e::process::Process;
use gatepass_e2e::up::{PASSWORD, path_text};
use gatepass_e2e::{Alone, Browser, place, upstream, wait};
use reqwest::Url;

use super::pages::{look, pictures};
use crate::log_in::copy_scripts;
use crate::serve::file;

const SECRET: &str = "a secret & more";

async fn providers(folder: &Path, openid: SocketAddr, hub: SocketAddr, site: &str) -> Process {
    copy_scripts(&["identity_providers.mjs"]);
    let mut command = Command::new("node");
    command.arg(place::node().join("identity_providers.mjs"));
    command.args([&openid.port().to_string(), &hub.port().to_string(), SECRET, site]);
    let mut process = Process::start("the providers", &mut command, &folder.join("providers.log"));
    wait::until("the providers to listen", Duration::from_secs(60), async || {
        if let Some(status) = process.ended() {
            panic!("the providers ended with {status}:\n{}", process.log());
        }
        process.log().contains("listening").then_some(())
    })
    .await;
    process
}

/// Another gatepass, with the user `berta`, whose client the first is; and what it calls her.
async fn sister(folder: &Path, site: &str) -> (Alone, String) {
    let address = place::free_address();
    let text = file(address, "");
    let config = folder.join("first.toml");
    std::fs::write(&config, &text).unwrap();
    let there = ["--config", path_text(&config), "--json"];
    let password = password_file(folder, PASSWORD);
    command::run(&["user", "add", "berta", "--password-file", &password], &there).await.worked();
    let callback = format!("{site}/oauth/providers/sister/callback");
    let added = command::run(&["client", "add", "broker", "--redirect-uri", &callback], &there).await.json();
    std::fs::write(folder.join("broker.secret"), added["client_secret"].as_str().unwrap()).unwrap();
    let berta = command::run(&["user", "show", "berta"], &there).await.json();
    (Alone::start("serve", folder, address, &text).await, berta["id"].as_str().unwrap().to_owned())
}

/// The first gatepass's file.
fn text(address: SocketAddr, openid: SocketAddr, hub: SocketAddr, sister: &str, folder: &Path) -> String {
    let providers = format!(
        r#"
[[identity_provider]]
id = "corp"
name = "Example Corp"
issuer = "http://{openid}"
client_id = "gatepass"
client_secret_file = "provider.secret"
accounts = "create"
email_domains = ["corp.example"]
private_origins = ["http://{openid}"]

[[identity_provider]]
id = "hub"
name = "Hub"
authorization_endpoint = "http://{hub}/login/oauth/authorize"
token_endpoint = "http://{hub}/login/oauth/access_token"
userinfo_endpoint = "http://{hub}/user"
token_endpoint_auth_method = "client_secret_post"
scope = ["user"]
members = {{ subject = "/id", email = "/email", email_verified = "/email_checked", name = "/login" }}
client_id = "gatepass"
client_secret_file = "provider.secret"
private_origins = ["http://{hub}"]

[[identity_provider]]
id = "sister"
name = "Sister"
issuer = "{sister}"
client_id = "broker"
client_secret_file = "{secret}"
scope = ["openid", "profile"]
response_mode = "form_post"
private_origins = ["{sister}"]
"#,
        secret = folder.join("broker.secret").display(),
    );
    // Another host than the sister's: cookies do not ask for ports.
    let issuer = format!("issuer = \"http://{address}\"");
    file(address, &providers).replace(&issuer, &format!("issuer = \"http://localhost:{}\"", address.port()))
}

/// Allows the application what it asks for, and comes back to it with a code.
async fn allow(visitor: &mut Visitor<'_>, application: &str, whom: &str) {
    let asked = visitor.read("button[value=allow] >> xpath=ancestor::main").await;
    assert!(asked.contains(&format!("shop asks {whom}")), "{asked}");
    visitor.click("button[value=allow]").await;
    let at = visitor.arrive(application).await;
    assert!(at.contains("code=") && at.contains("state=as-it-was"), "{at}");
    assert_eq!(visitor.complaints().await, [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn people_log_in_with_providers_that_others_wrote() {
    let (folder, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let [address, openid, hub] = std::array::from_fn(|_| place::free_address());
    let site = format!("http://localhost:{}", address.port());
    let _providers = providers(folder.path(), openid, hub, &site).await;
    let (sister, berta) = sister(elsewhere.path(), &site).await;
    let page = Router::new().route("/callback", get(async || Html("<p>back</p>")));
    let application = format!("http://{}/callback", upstream::serve(page).await);

    std::fs::write(folder.path().join("provider.secret"), SECRET).unwrap();
    let text = text(address, openid, hub, sister.url("").trim_end_matches('/'), elsewhere.path());
    let config = folder.path().join("first.toml");
    std::fs::write(&config, &text).unwrap();
    let here = ["--config", path_text(&config), "--json"];
    let password = password_file(folder.path(), PASSWORD);
    let ada = [
        "user",
        "add",
        "ada",
        "--password-file",
        &password,
        "--email",
        "ada@example.com",
        "--email-verified",
    ];
    command::run(&ada, &here).await.worked();
    command::run(&["user", "add", "bertha", "--password-file", &password], &here).await.worked();
    command::run(&["user", "link", "bertha", "sister", &berta], &here).await.worked();
    let client = ["client", "add", "shop", "--public", "--redirect-uri", &application];
    command::run(&client, &here).await.worked();
    let server = Alone::start("serve", folder.path(), address, &text).await;

    let mut request = Url::parse(&format!("{site}/oauth/authorize")).unwrap();
    request.query_pairs_mut().extend_pairs([
        ("response_type", "code"),
        ("client_id", "shop"),
        ("redirect_uri", &application),
        ("scope", "openid"),
        ("state", "as-it-was"),
        ("code_challenge", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"),
        ("code_challenge_method", "S256"),
    ]);
    let pictures = pictures(folder.path());
    let mut browser = Browser::start();

    let mut grace = browser.visitor("grace without scripts");
    grace.open(request.as_str()).await;
    look(&mut grace, &pictures, "login-with-providers").await;
    let names = [
        "username",
        "password",
        "Log in",
        "Log in with Example Corp",
        "Log in with Hub",
        "Log in with Sister",
    ];
    assert_eq!(grace.tab().await, names);
    grace.click("text=Log in with Example Corp").await;
    let asked = grace.read("button[value=allow] >> xpath=ancestor::main").await;
    assert!(asked.contains("Grace (grace@corp.example)"), "{asked}\n{}", server.process.log());
    look(&mut grace, &pictures, "create-account").await;
    grace.click("button[value=allow]").await;
    grace.read("text=Allow access?").await;
    allow(&mut grace, &application, "grace@corp.example").await;

    let mut ada = browser.visitor("ada");
    ada.open(request.as_str()).await;
    ada.click("text=Log in with Hub").await;
    let asked = ada.read("button[value=deny] >> xpath=ancestor::main").await;
    assert!(asked.contains("octo (ada@example.com)"), "{asked}\n{}", server.process.log());
    look(&mut ada, &pictures, "link-identity").await;
    ada.fill("#password", "not-her-password").await;
    ada.click("button[value=allow]").await;
    assert_eq!(ada.read("[role=alert]").await, "The user name or the password is wrong.");
    ada.fill("#password", PASSWORD).await;
    ada.click("button[value=allow]").await;
    ada.read("text=Allow access?").await;
    allow(&mut ada, &application, "ada").await;

    let mut berta = browser.visitor("berta without scripts");
    berta.open(request.as_str()).await;
    berta.click("text=Log in with Sister").await;
    berta.arrive(&sister.url("/oauth/authorize?")).await;
    berta.fill("#username", "berta").await;
    berta.fill("#password", PASSWORD).await;
    berta.click("button").await;
    let asked = berta.read("button[value=allow] >> xpath=ancestor::main").await;
    assert!(asked.contains("broker asks berta"), "{asked}");
    berta.click("button[value=allow]").await;
    berta.read("text=One moment").await;
    berta.click("button").await;
    berta.arrive(&format!("{site}/oauth/providers/sister/callback?")).await;
    allow(&mut berta, &application, "bertha").await;

    for (name, provider, subject) in [("grace@corp.example", "corp", "user-1"), ("ada", "hub", "4711")] {
        let links = command::run(&["user", "identities", name], &here).await.json();
        assert_eq!(
            (&links[0]["provider"], &links[0]["subject"]),
            (&provider.into(), &subject.into()),
            "{links}"
        );
    }
    command::run(&["user", "unlink", "ada", "hub"], &here).await.worked();
    let mut ada = browser.visitor("ada");
    ada.open(request.as_str()).await;
    assert!(ada.read("main").await.contains("Password"), "her login ended with the link");
}
