//! Many requests at once, from h2load, and a gateway that reads new files meanwhile.

use std::net::SocketAddr;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use axum::routing::{any, post};
use gatepass_e2e::up::ADMIN;
use gatepass_e2e::{Up, http, jws, place, send, upstream, wait};

use super::super::gateway::{FEED, File};
use super::{Wire, large, sha256};

const LIMIT: Duration = Duration::from_secs(20);

/// Runs h2load to its end; each of its requests must get a 2xx.
async fn h2load(count: usize, arguments: &[&str]) {
    let mut command = Command::new(place::h2load());
    command.args(["--requests", &count.to_string()]).args(arguments);
    // On a thread of its own: the test's own servers go on meanwhile.
    let output = tokio::task::spawn_blocking(move || command.output()).await.unwrap().expect("h2load");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let all = format!("{count} succeeded, 0 failed, 0 errored, 0 timeout");
    for wanted in [all, format!("{count} 2xx, 0 3xx, 0 4xx, 0 5xx")] {
        assert!(said.contains(&wanted), "no `{wanted}` in:\n{said}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn h2load_gets_an_answer_to_each_of_its_requests() {
    let up = Up::start().await;
    let token = up.login(ADMIN).await.access_token;
    let (mirror, audience) = (upstream::mirror().await, jws::audience(&token));
    let file = File::new(up.issuer(), &audience, FEED, mirror);
    let gateway = file.start(up.folder(), "[[route]]\npath = \"/orders\"\nupstream = \"mirror\"\n").await;
    let (url, bearer) = (gateway.url("/orders"), format!("authorization: Bearer {token}"));
    h2load(2_000, &["--clients", "10", "--max-concurrent-streams", "20", "--header", &bearer, &url]).await;
    h2load(1_000, &["--clients", "10", "--h1", "--header", &bearer, &url]).await;
}

/// Answers everything with its name, and a `POST` of `/echo` with its body.
async fn named(name: &'static str) -> SocketAddr {
    let router = Router::new().fallback(any(move || async move { name }));
    upstream::serve(router.route("/echo", post(|body: axum::body::Bytes| async { body }))).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gateway_that_reloads_under_load_loses_no_request() {
    let services = [("old", named("old").await), ("new", named("new").await)];
    let wire = Wire::start(services[0].1, "").await;
    let text = wire.text.as_str();
    let over = Arc::new(AtomicBool::new(false));
    let mut lanes = Vec::new();
    for arguments in [vec!["--clients", "4", "--max-concurrent-streams", "5"], vec!["--clients", "4", "--h1"]]
    {
        let (over, url) = (Arc::clone(&over), wire.gateway.url("/"));
        lanes.push(tokio::spawn(async move {
            while !over.load(Ordering::SeqCst) {
                h2load(500, &[arguments.as_slice(), &[url.as_str()]].concat()).await;
            }
        }));
    }
    let (ended, echo) = (Arc::clone(&over), wire.gateway.url("/echo"));
    lanes.push(tokio::spawn(async move {
        let (client, body) = (http::client(), large()[..1_000_000].to_vec());
        while !ended.load(Ordering::SeqCst) {
            let answer = send(client.post(&echo).body(body.clone())).await.expect(200);
            assert_eq!(sha256(&answer.body), sha256(&body));
        }
    }));

    // Asked on a connection that stays open throughout, too.
    let client = http::client();
    let ask = async |path: &str| send(client.get(wire.gateway.url(path))).await;
    let added =
        format!("[[upstream]]\nname = \"added\"\nservers = [\"http://{}\"]\n\n", named("added").await);
    for round in 0..20 {
        let (name, service) = services[(round + 1) % 2];
        let route = format!("[[route]]\npath = \"/added-{round}\"\nupstream = \"added\"\npublic = true\n");
        let text = text.replace(&services[0].1.to_string(), &service.to_string());
        wire.gateway.reload(&[text, added.clone(), route].concat());
        wait::until("the new route", LIMIT, async || {
            (ask(&format!("/added-{round}")).await.expect(200).body == b"added").then_some(())
        })
        .await;
        assert_eq!(ask("/").await.expect(200).body, name.as_bytes());
    }
    let (name, _) = services[0];
    let bad = ["listen = ", "", &text.replace("\"service\"\npublic", "\"nobody\"\npublic")];
    for (round, bad) in bad.into_iter().enumerate() {
        wire.gateway.reload(bad);
        wait::until("word of the bad file", LIMIT, async || {
            let refused = wire.gateway.process.log().matches("configuration refused").count();
            (refused > round).then_some(())
        })
        .await;
        assert_eq!(ask("/").await.expect(200).body, name.as_bytes(), "{bad:?}");
        assert_eq!(ask("/added-19").await.expect(200).body, b"added", "{bad:?}");
    }
    over.store(true, Ordering::SeqCst);
    for lane in lanes {
        lane.await.unwrap();
    }
}
