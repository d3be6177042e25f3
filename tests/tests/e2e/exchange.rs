//! Token exchange (RFC 8693): a gateway that passes on tokens for the service behind it.

use std::time::Duration;

use gatepass_e2e::command::{password_file, run};
use gatepass_e2e::up::{ADMIN, path_text};
use gatepass_e2e::{Admin, Alone, Up, jws, send, upstream, wait};
use serde_json::json;

use crate::gateway::{FEED, File};

/// Registers the client `gateway` on the command line, which may exchange for the audience, and starts one.
pub(crate) async fn start(up: &Up, audience: &str, routes: &str) -> Alone {
    let mirror = upstream::mirror().await;
    start_at(up, audience, routes, &register(up, audience).await, mirror).await
}

/// The file with the secret of the client `gateway`.
pub(crate) async fn register(up: &Up, audience: &str) -> String {
    let data = up.data();
    let words = ["client", "add", "gateway", "--exchange-for", audience, "--exchange-from", audience];
    let client = run(&words, &["--json", "--dir", path_text(&data)]).await.json();
    assert_eq!(client["exchange"], json!({ "for": [audience], "from": [audience], "impersonate": false }));
    password_file(up.folder(), client["client_secret"].as_str().expect("a secret"))
}

pub(crate) async fn start_at(
    up: &Up,
    audience: &str,
    routes: &str,
    secret_file: &str,
    upstream: std::net::SocketAddr,
) -> Alone {
    let trust = format!("{FEED}client = {{ id = \"gateway\", secret_file = \"{secret_file}\" }}\n");
    File::new(up.issuer(), audience, &trust, upstream).start(up.folder(), routes).await
}

#[tokio::test]
async fn the_service_behind_the_gateway_gets_a_short_lived_token_that_says_who_acts() {
    let mut up = Up::start().await;
    let session = up.native_login(ADMIN).await;
    let audience = jws::audience(&session.access_token);
    let routes = format!(
        "[[route]]\npath = \"/orders/{{id}}\"\nupstream = \"mirror\"\n\
         token = {{ exchange = \"{audience}\", scope = [\"orders:read\"] }}\n"
    );
    let gateway = start(&up, &audience, &routes).await;
    let (client, url) = (up.client.clone(), gateway.url("/orders/7"));
    let ask = |token: &str| send(client.get(&url).bearer_auth(token));

    let answer = ask(&session.access_token).await.expect(200);
    let passed_on = answer.text("/headers/authorization/0");
    let inner = passed_on.strip_prefix("Bearer ").expect("a bearer token");
    assert_ne!(inner, session.access_token);
    let (old, new) = (jws::claims(&session.access_token), jws::claims(inner));
    assert_eq!((&new["sub"], &new["sid"]), (&old["sub"], &old["sid"]));
    assert_eq!((&new["scope"], &new["client_id"]), (&json!("orders:read"), &json!("gateway")));
    assert_eq!(new["act"]["sub"], "gateway");
    assert!(new["exp"].as_i64().unwrap() - new["iat"].as_i64().unwrap() <= 300);
    jws::Service::new(up.jwks_uri()).verify(inner).await.expect("any service verifies it");

    // With the server gone, what was exchanged is good for as long as it lives; nothing new is.
    let next = up.native_login(ADMIN).await;
    up.kill();
    ask(&session.access_token).await.expect(200);
    let away = ask(&next.access_token).await.expect_problem(503, "token-exchange-failed");
    assert!(away.retry_after() >= 1);
    up.start_again().await;
    wait::until("the gateway to exchange again", Duration::from_secs(20), async || {
        (ask(&next.access_token).await.status == 200).then_some(())
    })
    .await;

    // A revocation reaches the token that was presented, kept or not.
    Admin::with_token(&up, &next.access_token).revoke("session", &session.id).await.expect(201);
    wait::until("the revocation to arrive", Duration::from_secs(20), async || {
        (ask(&session.access_token).await.status == 401).then_some(())
    })
    .await;
    ask(&next.access_token).await.expect(200);
}
