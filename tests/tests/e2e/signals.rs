//! A receiver in another language hears what happens to sessions, with a library that nobody here wrote.

use std::process::Stdio;
use std::time::Duration;

use gatepass_e2e::up::ADMIN;
use gatepass_e2e::{Admin, Up, place, send};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{ChildStdout, Command};

async fn next(lines: &mut Lines<BufReader<ChildStdout>>) -> Value {
    let line = tokio::time::timeout(Duration::from_secs(30), lines.next_line()).await;
    let line = line.expect("an event").unwrap().expect("the receiver runs");
    serde_json::from_str(&line).unwrap()
}

#[tokio::test]
async fn npm_jose_takes_the_events_that_are_pushed_to_it() {
    let up = Up::start().await;
    let admin = Admin::login(&up).await;
    let body = json!({
        "client_id": "siem", "client_name": "siem", "grant_types": ["client_credentials"],
        "scope": "ssf.manage", "audience": [up.issuer()],
    });
    let secret =
        send(admin.request(Method::POST, "/clients").json(&body)).await.expect(201).text("/client_secret");
    let script = place::node().join("signals.mjs");
    std::fs::copy(place::root().join("tests/node/signals.mjs"), &script).unwrap();
    let port = place::free_address().port().to_string();
    let mut command = Command::new("node");
    command
        .arg(&script)
        .args([up.issuer(), &port, "siem", &secret])
        .stdout(Stdio::piped())
        .kill_on_drop(true);
    let mut receiver = command.spawn().expect("a Node");
    let mut lines = BufReader::new(receiver.stdout.take().unwrap()).lines();

    let made = next(&mut lines).await;
    assert_eq!(made["delivered"].as_array().unwrap().len(), 3, "{made}");
    let verification = next(&mut lines).await;
    let event = "https://schemas.openid.net/secevent/ssf/event-type/verification";
    assert_eq!(verification["events"][event], json!({ "state": "are you there" }), "{verification}");

    let session = up.native_login(ADMIN).await;
    admin.revoke("session", &session.id).await.expect(201);
    let told = next(&mut lines).await;
    let event = "https://schemas.openid.net/secevent/caep/event-type/session-revoked";
    assert_eq!(told["events"][event]["reason_admin"]["en"], "e2e", "{told}");
    assert_eq!(told["sub_id"]["session"]["id"], json!(session.id));
    assert_eq!(told["sub_id"]["user"]["sub"], json!(session.subject()));
}
