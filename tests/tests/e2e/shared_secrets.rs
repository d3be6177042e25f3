//! A secret that the server shares with a resource server is replaced, in the steps that the README gives.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use gatepass_e2e::command::{self, password_file};
use gatepass_e2e::up::{PASSWORD, path_text};
use gatepass_e2e::{Alone, Session, http, jws, place, send, upstream, wait};
use serde_json::json;

use crate::serve::file;

const OLD: &str = "secret_file = \"old.secret\"";
const BOTH: &str = "secret_file = \"new.secret\"\nprevious_secret_file = \"old.secret\"";
const NEW: &str = "secret_file = \"new.secret\"";

/// The API at a gateway, the server, and what each is told of secrets.
struct Pair {
    server: Alone,
    gateway: Alone,
    mirror: String,
    client: reqwest::Client,
}

impl Pair {
    async fn start(folder: &Path) -> Self {
        let (here, there) = (place::free_address(), place::free_address());
        let mirror = format!("http://{}", upstream::mirror().await);
        let config = folder.join("first.toml");
        std::fs::write(&config, server_text(here, OLD)).unwrap();
        let password = password_file(folder, PASSWORD);
        let words = ["user", "add", "ada", "--password-file", &password];
        command::run(&words, &["--config", path_text(&config)]).await.worked();
        let server = Alone::start("serve", folder, here, &server_text(here, OLD)).await;
        let text = gateway_text(there, &server, &mirror, OLD);
        let gateway = Alone::start("gateway", folder, there, &text).await;
        Self { server, gateway, mirror, client: http::client() }
    }

    async fn tell_gateway(&self, secrets: &str) {
        let text = gateway_text(self.gateway.address, &self.server, &self.mirror, secrets);
        reload(&self.gateway, &text, "configuration loaded again").await;
    }

    async fn tell_server(&self, secrets: &str) {
        let text = server_text(self.server.address, secrets);
        reload(&self.server, &text, "secrets of resource servers read again").await;
    }

    async fn log_in(&self) -> Session {
        let body = json!({"username": "ada", "password": PASSWORD, "refresh_token": "body"});
        let login = self.client.post(self.server.url("/session/login")).json(&body);
        Session::from_body(&send(login).await.expect(200))
    }

    async fn refresh(&self, session: &Session) -> Session {
        let request = session.present(self.client.post(self.server.url("/session/refresh")));
        session.next(&send(request).await.expect(200))
    }

    /// Goes to the API with a token.
    async fn call(&self, token: &str, want: u16) {
        send(self.client.get(self.gateway.url("/api")).bearer_auth(token)).await.expect(want);
    }
}

fn server_text(address: std::net::SocketAddr, secrets: &str) -> String {
    file(
        address,
        &format!("\n[[resource_server]]\naudience = \"https://api.example\"\nalg = \"HS256\"\n{secrets}\n"),
    )
}

fn gateway_text(address: std::net::SocketAddr, server: &Alone, mirror: &str, secrets: &str) -> String {
    format!(
        "listen = \"{address}\"\n[[issuer]]\nurl = \"http://{}\"\naudience = [\"https://api.example\"]\n\
         revocation = \"none\"\n{secrets}\n[[upstream]]\nname = \"mirror\"\nservers = [\"{mirror}\"]\n\
         [[route]]\npath = \"/api\"\nupstream = \"mirror\"\n",
        server.address
    )
}

/// Hands over another file and waits until it counts.
async fn reload(half: &Alone, text: &str, said: &str) {
    let count = || half.process.log().matches(said).count();
    let before = count();
    half.reload(text);
    wait::until(said, Duration::from_secs(20), async || (count() > before).then_some(())).await;
}

fn kid(session: &Session) -> String {
    jws::header(&session.access_token)["kid"].as_str().unwrap().to_owned()
}

/// A user who never stops, and how often each of two secrets has signed for them: first the old one, then the new one.
async fn keep_calling(
    pair: Arc<Pair>,
    old: String,
    calls: Arc<AtomicUsize>,
    stop: Arc<AtomicBool>,
) -> [usize; 2] {
    let (mut session, mut signed) = (pair.log_in().await, [0; 2]);
    while !stop.load(Ordering::Relaxed) {
        session = pair.refresh(&session).await;
        pair.call(&session.access_token, 200).await;
        let is_new = kid(&session) != old;
        assert!(is_new || signed[1] == 0, "the old secret signs no more once the new one does");
        signed[usize::from(is_new)] += 1;
        calls.fetch_add(1, Ordering::Relaxed);
    }
    signed
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shared_secret_is_replaced_step_by_step_and_no_request_fails() {
    let folder = tempfile::tempdir().unwrap();
    for (name, byte) in [("old.secret", 7), ("new.secret", 8)] {
        std::fs::write(folder.path().join(name), jws::encode(&[byte; 32])).unwrap();
    }
    let pair = Arc::new(Pair::start(folder.path()).await);
    let before = pair.log_in().await;
    let (calls, stop) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
    let callers: Vec<_> = (0..4)
        .map(|_| {
            tokio::spawn(keep_calling(Arc::clone(&pair), kid(&before), Arc::clone(&calls), Arc::clone(&stop)))
        })
        .collect();
    // Between the steps everybody calls on for a while.
    let go_on = async || {
        let enough = calls.load(Ordering::Relaxed) + 100;
        wait::until("more calls", Duration::from_secs(60), async || {
            assert!(!callers.iter().any(|caller| caller.is_finished()), "a request has failed");
            (calls.load(Ordering::Relaxed) >= enough).then_some(())
        })
        .await;
    };

    go_on().await;
    pair.tell_gateway(BOTH).await;
    go_on().await;
    pair.tell_server(BOTH).await;
    go_on().await;
    pair.call(&before.access_token, 200).await;
    assert_ne!(kid(&pair.log_in().await), kid(&before), "the new secret signs");
    // Here an operator waits until the last token of the old one is dead.
    pair.tell_gateway(NEW).await;
    pair.tell_server(NEW).await;
    go_on().await;
    pair.call(&before.access_token, 401).await;

    stop.store(true, Ordering::Relaxed);
    for caller in callers {
        let signed = caller.await.unwrap();
        assert!(signed.iter().all(|tokens| *tokens > 0), "both have signed: {signed:?}");
    }
}

#[tokio::test]
async fn a_file_whose_secrets_are_wrong_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("old.secret"), jws::encode(&[7; 32])).unwrap();
    let pair = Pair::start(folder.path()).await;
    let before = pair.log_in().await;
    std::fs::write(folder.path().join("new.secret"), jws::encode(&[8; 31])).unwrap();
    let said = "configuration refused, the one before goes on";
    reload(&pair.server, &server_text(pair.server.address, BOTH), said).await;
    let same = "secret_file = \"old.secret\"\nprevious_secret_file = \"old.secret\"";
    reload(&pair.server, &server_text(pair.server.address, same), said).await;
    let after = pair.refresh(&before).await;
    assert_eq!(kid(&after), kid(&before));
    pair.call(&after.access_token, 200).await;
}
