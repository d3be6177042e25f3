//! What somebody comes across on the first day: an address that will not do, a proxy in the environment, a configuration that
//! is changed after the first start.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::Router;
use axum::response::Redirect;
use axum::routing::any;
use gatepass_e2e::command::{self, password_file};
use gatepass_e2e::up::{PASSWORD, path_text};
use gatepass_e2e::{Alone, Up, http, place, send, upstream, wait};
use reqwest::Method;
use serde_json::json;
use tokio::net::TcpListener;

use crate::cli::gatepass;
use crate::serve::file;

#[tokio::test]
async fn the_command_line_gets_in_whatever_the_issuer_was_called_before() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("server.toml");
    let at = ["--config", path_text(&config), "--json"];
    let password = password_file(folder.path(), PASSWORD);
    std::fs::write(&config, file(place::free_address(), "")).unwrap();
    command::run(&["user", "add", "ada", "--role", "admin", "--password-file", &password], &at)
        .await
        .worked();

    let address = place::free_address();
    let text = file(address, "");
    std::fs::write(&config, &text).unwrap();
    command::run(&["user", "list"], &at).await.worked();
    std::fs::write(&config, file(place::free_address(), "")).unwrap();
    command::run(&["user", "list"], &at).await.worked();

    std::fs::write(&config, &text).unwrap();
    let mut server = Alone::start("serve", folder.path(), address, &text).await;
    let client = http::client();
    // It listens before it serves, and the command line finds it when it serves.
    send(client.get(server.url("/readyz"))).await.expect(200);
    let operator = command::run(&["client", "show", "operator"], &at).await.json();
    assert_eq!(operator["audience"], json!([format!("http://{address}")]));
    command::run(&["key", "rotate", "--emergency"], &at).await.worked();

    let login = json!({"username": "ada", "password": PASSWORD});
    let login = send(client.post(server.url("/session/login")).json(&login)).await.expect(200);
    let changes = [
        json!({"dpop_bound_access_tokens": true}),
        json!({"audience": ["https://api.example"], "scope": ""}),
        json!({"disabled": true}),
    ];
    for change in changes {
        let path = server.url("/admin/v1/clients/operator");
        let request = client.patch(path).bearer_auth(login.text("/access_token"));
        send(request.json(&change)).await.expect(200);
    }
    command::run(&["user", "list"], &at).await.failed();
    server.process.stop("TERM").await;
    command::run(&["user", "list"], &at).await.worked();
    let after = command::run(&["client", "show", "operator"], &at).await.json();
    assert_eq!(after, operator);
}

#[tokio::test]
async fn the_command_line_does_not_lock_itself_out() {
    let up = Up::start().await;
    for line in ["client disable operator", "client update operator --scope x", "client secret operator"] {
        let refused = gatepass(&up, line).await.failed();
        assert!(refused.contains("operator is the client of the command line itself"), "{line}: {refused}");
    }
    gatepass(&up, "user list").await.worked();
}

#[tokio::test]
async fn a_start_that_fails_has_made_up_no_password_that_nobody_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let (server, gateway) = (place::free_address().to_string(), place::free_address().to_string());
    let start = ["up", "--server", &server, "--gateway", &gateway];
    let at = ["--dir", path_text(&data), "--json"];
    // Where a file is to be, so that the start fails halfway.
    std::fs::create_dir_all(data.join("gateway.toml")).unwrap();
    let failed = command::run(&start, &at[..2]).await.failed();
    assert!(failed.contains("gateway.toml"), "{failed}");
    let users = command::run(&["user", "list"], &at).await.json();
    assert_eq!(users, json!([]), "the next start makes the first user and says the password");
}

#[tokio::test]
async fn what_up_cannot_reach_safely_is_refused_before_anything_is_made() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    for ip in ["0.0.0.0", "192.0.2.1", "[::]"] {
        let address = format!("{ip}:{}", place::free_address().port());
        let refused =
            command::run(&["up", "--server", &address], &["--dir", path_text(&data)]).await.failed();
        assert!(refused.contains("--server 127.0.0.1:") && refused.contains("--gateway"), "{refused}");
    }
    assert!(!data.exists());
}

#[tokio::test]
async fn nothing_for_this_machine_goes_to_a_proxy() {
    let (proxy, asked) = proxy().await;
    let environment = ["http_proxy", "https_proxy", "all_proxy"].map(|name| (name, proxy.as_str()));
    let up = Up::start_with(&environment).await;
    let run =
        async |words: &[&str], where_: &[&str]| command::run_with(&environment, words, where_).await.worked();
    run(&["user", "list"], &["--dir", path_text(&up.data())]).await;
    run(&["top", "--once"], &["--admin", up.ready()["admin"].as_str().unwrap()]).await;
    let secret = up.data().join("operator.secret");
    let elsewhere = ["--server", up.issuer(), "--client-id", "operator", "--client-secret-file"];
    run(&["user", "list"], &[&elsewhere[..], &[path_text(&secret)]].concat()).await;
    let token = password_file(up.folder(), &token(&up).await);
    let believed = ["--issuer", up.issuer(), "--audience", &up.gateway()];
    run(&["token", "verify", "--token-file", &token], &believed).await;
    assert_eq!(asked.load(Ordering::Relaxed), 0);
}

/// A proxy that serves nobody, and counts who asks.
async fn proxy() -> (String, Arc<AtomicU64>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let count = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&count);
    tokio::spawn(async move {
        while listener.accept().await.is_ok() {
            counted.fetch_add(1, Ordering::Relaxed);
        }
    });
    (format!("http://{address}"), count)
}

/// An access token of a user of `up`, which was started without one that the tests know.
async fn token(up: &Up) -> String {
    let password = password_file(up.folder(), PASSWORD);
    gatepass(up, &format!("user add carl --role admin --password-file {password}")).await.worked();
    up.login("carl").await.access_token
}

#[tokio::test]
async fn a_secret_is_sent_over_https_or_to_this_machine_and_follows_no_redirect() {
    let folder = tempfile::tempdir().unwrap();
    let secret = password_file(folder.path(), "a-secret-of-a-client");
    let (away, asked) = proxy().await;
    let redirecting = Redirect::temporary(&away);
    let redirecting = upstream::serve(Router::new().fallback(any(async || redirecting))).await;
    let page = upstream::serve(Router::new().fallback(any(async || "<html>It works!</html>"))).await;
    let cases = [
        ("http://auth.example.com".to_owned(), "https, or --insecure-http"),
        ("auth.example.com".to_owned(), "is no URL"),
        (format!("http://{redirecting}"), "is not followed"),
        (format!("http://{page}"), "is no JSON"),
    ];
    for (server, want) in cases {
        let at = ["--server", &server, "--client-id", "ops", "--client-secret-file", &secret];
        let refused = command::run(&["user", "list"], &at).await.failed();
        assert!(refused.contains(want), "{server}: {refused}");
    }
    assert_eq!(asked.load(Ordering::Relaxed), 0, "the redirect was followed");
    // Without --server these would be passed over in silence.
    let lost = command::run(&["client", "add", "--client-id", "webshop"], &[]).await.failed();
    assert!(lost.contains("--server"), "{lost}");
}

#[tokio::test]
async fn sighup_ends_a_server_with_nothing_to_load_again_no_more_than_any_other() {
    let folder = tempfile::tempdir().unwrap();
    let address = place::free_address();
    let mut server = Alone::start("serve", folder.path(), address, &file(address, "")).await;
    server.process.signal("HUP");
    wait::until("the server to say what it did", Duration::from_secs(5), async || {
        assert!(server.process.ended().is_none(), "{}", server.process.log());
        server.process.log().contains("secrets of resource servers read again").then_some(())
    })
    .await;
    send(http::client().get(server.url("/livez"))).await.expect(200);
    assert!(server.process.stop("TERM").await.success());
}

#[tokio::test]
async fn up_ends_in_order_with_its_terminal_and_outlives_it_after_nohup() {
    let mut up = Up::start().await;
    // What is ignored here is by whatever is started here.
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:")).unwrap().trim();
    let after_nohup = u64::from_str_radix(ignored, 16).unwrap() & 1 == 1;
    if after_nohup {
        up.process().signal("HUP");
        send(up.at_server(Method::GET, "/livez")).await.expect(200);
    }
    assert!(up.stop(if after_nohup { "TERM" } else { "HUP" }).await.success());
    assert!(!up.data().join("server.json").exists(), "the store is closed, and nobody looks for a server");
}
