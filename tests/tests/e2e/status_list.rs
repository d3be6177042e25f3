//! A gateway that fetches status lists instead of following the feed.

use std::time::Duration;

use gatepass_e2e::command::{self, password_file};
use gatepass_e2e::up::{PASSWORD, path_text};
use gatepass_e2e::{Alone, Session, http, jws, place, send, upstream, wait};
use serde_json::json;

use super::serve::file;

#[tokio::test]
async fn a_gateway_that_fetches_status_lists_refuses_what_was_revoked_also_after_a_restart_of_the_server() {
    let folder = tempfile::tempdir().unwrap();
    let (address, listen) = (place::free_address(), place::free_address());
    let text = file(address, "access_token = { status_list = \"1s\" }\n");
    std::fs::write(folder.path().join("first.toml"), &text).unwrap();
    let config = folder.path().join("first.toml");
    let password = password_file(folder.path(), PASSWORD);
    let words = ["user", "add", "ada", "--role", "admin", "--password-file", &password];
    command::run(&words, &["--config", path_text(&config)]).await.worked();
    let mut server = Alone::start("serve", folder.path(), address, &text).await;
    let mirror = upstream::mirror().await;
    let routes = format!(
        "listen = \"{listen}\"\n[[issuer]]\nurl = \"http://{address}\"\naudience = [\"https://api.example\"]\n\
         revocation = \"status-list\"\non_stale = {{ after = \"5s\", then = \"deny\" }}\n\
         [[upstream]]\nname = \"mirror\"\nservers = [\"http://{mirror}\"]\n\
         [[route]]\npath = \"/api\"\nupstream = \"mirror\"\n"
    );
    let gateway = Alone::start("gateway", folder.path(), listen, &routes).await;
    let client = http::client();
    let log_in = async || {
        let body = json!({"username": "ada", "password": PASSWORD, "refresh_token": "body"});
        let request = client.post(format!("http://{address}/session/login")).json(&body);
        Session::from_body(&send(request).await.expect(200))
    };
    let call = async |session: &Session| {
        send(client.get(gateway.url("/api")).bearer_auth(&session.access_token)).await.status
    };
    let reached = async |what: &str, session: &Session, status: u16| {
        wait::until(what, Duration::from_secs(20), async || (call(session).await == status).then_some(()))
            .await;
    };
    let (revoked, kept) = (log_in().await, log_in().await);
    assert_eq!(
        jws::claims(&kept.access_token)["status"]["status_list"]["idx"].as_u64().map(|_| ()),
        Some(())
    );
    for session in [&revoked, &kept] {
        reached("the gateway to admit a token", session, 200).await;
    }
    let revoke = ["revoke", "session", &revoked.id];
    command::run(&revoke, &["--config", path_text(&config)]).await.worked();
    reached("the gateway to refuse what was revoked", &revoked, 401).await;
    assert_eq!(call(&kept).await, 200);

    server.process.stop("TERM").await;
    server = Alone::start("serve", folder.path(), address, &text).await;
    let next = log_in().await;
    reached("the gateway to admit a token of the second run", &next, 200).await;
    reached("the gateway to admit a token of the first run", &kept, 200).await;
    reached("the gateway to refuse a revoked token of the first run", &revoked, 401).await;
    server.process.stop("TERM").await;
    reached("the gateway to refuse what it cannot know", &kept, 503).await;
}
