//! Signing keys rotate as fast as they can while a gateway is under load. The key set reaches it through a cache, as old as
//! `max-age` allows, so that asking again for a key that it does not know would get it nothing.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use gatepass_e2e::command::{self, password_file};
use gatepass_e2e::up::{PASSWORD, path_text};
use gatepass_e2e::{Alone, Answer, Session, http, jws, place, send, upstream, wait};
use reqwest::Client;
use serde_json::json;
use tokio::sync::{Mutex, watch};

use crate::serve::file;

const ALGS: [&str; 4] = ["ES256", "ES384", "EdDSA", "RS256"];
/// The least that a guard goes by.
const MAX_AGE: Duration = Duration::from_secs(10);
/// How many keys sign for each algorithm: the first, the one that waited, and one that was published while both were in use.
const KEYS: usize = 3;

/// Something between gateway and server that keeps the key set until `max-age` is over and says nothing of its age.
struct Cache {
    url: String,
    client: Client,
    kept: Mutex<Option<(Instant, Answer)>>,
    /// How often the gateway has asked, and the names of the keys that it was given last.
    given: watch::Sender<(usize, BTreeSet<String>)>,
}

impl Cache {
    async fn start(server: &Alone) -> (String, Arc<Self>) {
        let url = server.url("/.well-known/jwks.json");
        let (client, given) = (http::client(), watch::Sender::default());
        let cache = Arc::new(Self { url, client, kept: Mutex::default(), given });
        let router = Router::new().route("/jwks", axum::routing::get(Self::answer));
        let address = upstream::serve(router.with_state(Arc::clone(&cache))).await;
        (format!("http://{address}/jwks"), cache)
    }

    async fn answer(State(cache): State<Arc<Self>>) -> impl axum::response::IntoResponse {
        let mut kept = cache.kept.lock().await;
        if kept.as_ref().is_none_or(|(since, answer)| since.elapsed() >= jws::max_age(answer)) {
            *kept = Some((Instant::now(), send(cache.client.get(&cache.url)).await.expect(200)));
        }
        let (_, answer) = kept.as_ref().unwrap();
        let field = |name| answer.header(name).unwrap().to_owned();
        let set = answer.json();
        let kids = set["keys"].as_array().unwrap().iter().map(|key| key["kid"].as_str().unwrap().to_owned());
        cache.given.send_modify(|(asked, given)| (*asked, *given) = (*asked + 1, kids.collect()));
        let headers = [(CACHE_CONTROL, field("cache-control")), (CONTENT_TYPE, field("content-type"))];
        (headers, answer.body.to_vec())
    }
}

fn audience(alg: &str) -> String {
    format!("https://{alg}.example")
}

/// A user, whose tokens are for one resource.
struct User {
    client: Client,
    session: Session,
    refresh: String,
    api: String,
}

impl User {
    async fn log_in(resource: Option<String>, server: &Alone, gateway: &Alone) -> Self {
        let client = http::client();
        let body = json!({
            "username": "ada", "password": PASSWORD, "refresh_token": "body", "resource": resource
        });
        let login = send(client.post(server.url("/session/login")).json(&body)).await.expect(200);
        let (refresh, api) = (server.url("/session/refresh"), gateway.url("/api"));
        Self { client, session: Session::from_body(&login), refresh, api }
    }

    /// Gets one token after the other and goes to the API with each, until it is over. Tells how many keys have signed them.
    async fn keep_calling(
        mut self,
        cache: Arc<Cache>,
        keys: watch::Sender<usize>,
        over: watch::Receiver<bool>,
    ) {
        let mut seen = BTreeSet::new();
        while !*over.borrow() {
            let refresh = self.session.present(self.client.post(&self.refresh));
            self.session = self.session.next(&send(refresh).await.expect(200));
            let token = &self.session.access_token;
            let kid = jws::header(token)["kid"].as_str().unwrap().to_owned();
            assert!(cache.given.borrow().1.contains(&kid), "the gateway would have to ask again for {kid}");
            send(self.client.get(&self.api).bearer_auth(token)).await.expect(200);
            seen.insert(kid);
            keys.send_replace(seen.len());
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gateway_needs_no_key_that_its_copy_of_the_set_lacks() {
    let folder = tempfile::tempdir().unwrap();
    let (here, there) = (place::free_address(), place::free_address());
    let servers =
        ALGS.map(|alg| format!("[[resource_server]]\naudience = \"{}\"\nalg = \"{alg}\"\n", audience(alg)));
    let keys = format!("\n[keys]\nmax_age = \"{}s\"\n", MAX_AGE.as_secs());
    let text = file(here, &format!("{keys}{}", servers.concat()));
    let config = folder.path().join("first.toml");
    std::fs::write(&config, &text).unwrap();
    let password = password_file(folder.path(), PASSWORD);
    let words = ["user", "add", "ada", "--role", "admin", "--password-file", &password];
    command::run(&words, &["--config", path_text(&config)]).await.worked();
    let server = Alone::start("serve", folder.path(), here, &text).await;
    let (jwks_uri, cache) = Cache::start(&server).await;
    let mirror = upstream::mirror().await;
    let text = format!(
        "listen = \"{there}\"\n[[issuer]]\nurl = \"http://{here}\"\naudience = {:?}\nalgs = {ALGS:?}\n\
         jwks_uri = \"{jwks_uri}\"\nrevocation = \"none\"\n[[upstream]]\nname = \"mirror\"\n\
         servers = [\"http://{mirror}\"]\n[[route]]\npath = \"/api\"\nupstream = \"mirror\"\n",
        ALGS.map(audience)
    );
    let gateway = Alone::start("gateway", folder.path(), there, &text).await;

    let (over, is_over) = watch::channel(false);
    let mut users = Vec::new();
    for alg in ALGS.into_iter().cycle().take(8) {
        let (keys, seen) = watch::channel(0);
        let user = User::log_in(Some(audience(alg)), &server, &gateway).await;
        users.push((seen, tokio::spawn(user.keep_calling(Arc::clone(&cache), keys, is_over.clone()))));
    }
    let operator = User::log_in(None, &server, &gateway).await;
    wait::until("every algorithm's third key", Duration::from_secs(60), async || {
        assert!(!users.iter().any(|(_, user)| user.is_finished()), "a request has failed");
        let rotate = operator.client.post(server.url("/admin/v1/keys/rotate")).json(&json!({}));
        send(rotate.bearer_auth(&operator.session.access_token)).await.expect(200);
        users.iter().all(|(seen, _)| *seen.borrow() >= KEYS).then_some(())
    })
    .await;
    over.send_replace(true);
    for (_, user) in users {
        user.await.unwrap();
    }
    let asked = cache.given.borrow().0;
    assert!(asked >= 3, "it asked {asked} times, because its copy was old");
}
