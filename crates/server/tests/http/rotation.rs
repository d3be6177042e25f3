//! Signing keys rotate under load, and verifiers that ask again only when `max-age` is over notice nothing. The server
//! listens, and everybody comes over connections of their own; only time is made.

use std::collections::{BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use gatepass_issuer::Config;
use gatepass_jose::{Alg, Audience, Issuer, JwkSet, KeySet, Timestamp, Verifier};
use gatepass_server::{HttpConfig, Limits, serve};
use gatepass_token::{AccessClaims, access_verifier};
use http::header::{AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, HOST};
use http::request::Builder;
use http::{HeaderMap, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};

use crate::fixture::{API, Fixture, ISSUER};

const ROTATIONS: usize = 1000;
const LIFETIME: Duration = Duration::from_secs(15 * 60);

/// A connection to the server, which is kept.
struct Connection(SendRequest<Full<Bytes>>);

impl Connection {
    async fn open(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        let (sender, connection) = handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        Self(sender)
    }

    /// The answer, which is 200: no request fails.
    async fn send(&mut self, request: Builder, body: String) -> (HeaderMap, Bytes) {
        let request = request.header(HOST, "auth.example.com").body(Full::from(body)).unwrap();
        self.0.ready().await.unwrap();
        let (head, body) = self.0.send_request(request).await.unwrap().into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        assert_eq!(head.status, StatusCode::OK, "{body:?}");
        (head.headers, body)
    }

    async fn post(&mut self, path: &str, authorization: &str, content_type: &str, body: String) -> Value {
        let request = Request::post(path).header(AUTHORIZATION, authorization);
        let (_, body) = self.send(request.header(CONTENT_TYPE, content_type), body).await;
        serde_json::from_slice(&body).unwrap()
    }
}

/// An application's machine, which gets a token whenever it is asked to.
struct Machine {
    connection: Connection,
    authorization: String,
}

impl Machine {
    async fn token(&mut self) -> String {
        let (path, form) = ("/oauth/token", "application/x-www-form-urlencoded");
        let body = "grant_type=client_credentials".to_owned();
        let answer = self.connection.post(path, &self.authorization, form, body).await;
        answer["access_token"].as_str().unwrap().to_owned()
    }
}

/// A service that keeps the key set for as long as it may and not a moment less, whatever key a token names.
struct Service {
    connection: Connection,
    verifier: Option<Verifier>,
    /// Until when the answer said that it may be kept.
    good_until: Timestamp,
    fetches: usize,
}

impl Service {
    async fn keep_keys(&mut self, now: Timestamp) {
        if self.verifier.is_some() && now < self.good_until {
            return;
        }
        let (headers, body) =
            self.connection.send(Request::get("/.well-known/jwks.json"), String::new()).await;
        let max_age = headers[CACHE_CONTROL].to_str().unwrap().strip_prefix("public, max-age=").unwrap();
        let set = JwkSet::parse(&body).unwrap();
        let keys = KeySet::from_jwks(&set, &[Alg::ES256]);
        let audience = Audience::new([API]).unwrap();
        self.verifier = Some(access_verifier(Issuer::new(ISSUER).unwrap(), audience, keys));
        self.good_until = now.saturating_add(Duration::from_secs(max_age.parse().unwrap()));
        self.fetches += 1;
    }

    /// The key that signed the token.
    fn verify(&self, token: &str, now: Timestamp) -> Result<String, String> {
        let verified = self.verifier.as_ref().unwrap().verify::<AccessClaims>(token, now);
        verified.map(|verified| verified.kid().to_owned()).map_err(|refused| refused.to_string())
    }
}

/// Who rotates the keys, with a session of their own.
struct Operator {
    connection: Connection,
    access: String,
    refresh: String,
    renewed_at: Timestamp,
}

impl Operator {
    async fn rotate(&mut self, now: Timestamp) {
        if now.since(self.renewed_at) > LIFETIME / 2 {
            let body = json!({ "refresh_token": self.refresh }).to_string();
            let request = Request::post("/session/refresh").header(CONTENT_TYPE, "application/json");
            let (_, body) = self.connection.send(request, body).await;
            let answer: Value = serde_json::from_slice(&body).unwrap();
            let text = |name: &str| answer[name].as_str().unwrap().to_owned();
            (self.access, self.refresh) = (text("access_token"), text("refresh_token"));
            self.renewed_at = now;
        }
        let authorization = format!("Bearer {}", self.access);
        let json = "application/json";
        self.connection.post("/admin/v1/keys/rotate", &authorization, json, "{}".to_owned()).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_rotations_under_load_fail_no_request() {
    let a_month = |config: &mut Config| config.refresh.absolute = Duration::from_secs(30 * 24 * 3600);
    let fixture = Fixture::with(HttpConfig::default(), a_month).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let served =
        tokio::spawn(serve(listener, fixture.router.clone(), Limits::default(), std::future::pending()));

    let session = fixture.log_in("root").await;
    let mut operator = Operator {
        connection: Connection::open(address).await,
        access: session.access,
        refresh: session.refresh,
        renewed_at: fixture.now(),
    };
    let pair = base64_simd::STANDARD.encode_to_string(format!("batch:{}", fixture.secret));
    let mut machine =
        Machine { connection: Connection::open(address).await, authorization: format!("Basic {pair}") };
    let mut services = Vec::new();
    for _ in 0..3 {
        let (connection, good_until) = (Connection::open(address).await, fixture.now());
        services.push(Service { connection, verifier: None, good_until, fetches: 0 });
    }
    // They begin at different times, so that together they hold every age of the set that is allowed.
    for service in &mut services {
        service.keep_keys(fixture.now()).await;
        fixture.pass(Duration::from_secs(70));
    }

    let mut tokens: VecDeque<(String, Timestamp)> = VecDeque::new();
    let mut signers = BTreeSet::new();
    let mut step: u64 = 0;
    while signers.len() <= ROTATIONS {
        step += 1;
        fixture.pass(Duration::from_secs(151 + step * 97 % 499));
        let now = fixture.now();
        // All at once: the keys change, a token is minted, and those whose copy is too old fetch the set.
        let fetching =
            futures_util::future::join_all(services.iter_mut().map(|service| service.keep_keys(now)));
        let (token, ..) = tokio::join!(machine.token(), operator.rotate(now), fetching);
        tokens.push_back((token, now.saturating_add(LIFETIME * 19 / 20)));
        tokens.retain(|(_, exp)| *exp > now);
        for service in &services {
            // The newest, and the one that lives longest after its key.
            for (token, _) in tokens.front().into_iter().chain(tokens.back()) {
                let kid = service.verify(token, now);
                let kid =
                    kid.unwrap_or_else(|refused| panic!("after {} rotations: {refused}", signers.len()));
                signers.insert(kid);
            }
        }
    }
    let fetches: usize = services.iter().map(|service| service.fetches).sum();
    let asked_at_most = services.len() as u64 * step;
    assert!((fetches as u64) < asked_at_most, "they have kept the set: {fetches} in {step} steps");
    assert!(fixture.issuer.list_keys(fixture.now()).len() < 20, "dead keys retire");
    served.abort();
}
