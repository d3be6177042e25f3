//! Signing keys rotate under load, and verifiers that ask again only when `max-age` is over notice nothing. The server
//! listens, and eight callers never pause; only time is made, and it moves on while their requests are under way.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::{LocalBoxFuture, join_all};
use gatepass_issuer::Config;
use gatepass_jose::{Alg, Audience, Issuer, JwkSet, KeySet, Timestamp, Verified, Verifier};
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
use tokio::sync::watch;

use crate::browser::{claims, encode};
use crate::fixture::{API, Fixture, ISSUER, LoggedIn};

const ROTATIONS: usize = 1000;
/// How many seconds time moves at once. Whatever is under way then is over before it moves again, so nothing takes longer
/// than the longest step. A copy of the key set is given up when it is `max-age` (300 s) old, counted from when it came, a
/// step after it was sent; whoever is at work with it by then sees tokens that were signed a step later; and a key is
/// in the set a step after it counts as published. All that must be less than what keys are published ahead: 600 s.
const STEPS: RangeInclusive<u64> = 80..=99;

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

    async fn post_json(&mut self, request: Builder, body: Value) -> Value {
        let request = request.header(CONTENT_TYPE, "application/json");
        serde_json::from_slice(&self.send(request, body.to_string()).await.1).unwrap()
    }

    async fn post_form(&mut self, request: Builder, form: &[(&str, &str)]) -> Value {
        let request = request.header(CONTENT_TYPE, "application/x-www-form-urlencoded");
        serde_json::from_slice(&self.send(request, encode(form.iter().copied())).await.1).unwrap()
    }

    /// The key set, and for how long it may be kept.
    async fn key_set(&mut self) -> (Verifier, Duration) {
        let (headers, body) = self.send(Request::get("/.well-known/jwks.json"), String::new()).await;
        let max_age = headers[CACHE_CONTROL].to_str().unwrap().strip_prefix("public, max-age=").unwrap();
        let keys = KeySet::from_jwks(&JwkSet::parse(&body).unwrap(), &[Alg::ES256]);
        let audience = Audience::new([API]).unwrap();
        let verifier = access_verifier(Issuer::new(ISSUER).unwrap(), audience, keys);
        (verifier, Duration::from_secs(max_age.parse().unwrap()))
    }
}

/// What everybody knows.
struct World {
    fixture: Fixture,
    /// How often each caller has begun anew.
    turns: watch::Sender<Vec<u64>>,
    /// The tokens that live, each with its end, in the order in which they were minted.
    tokens: RefCell<VecDeque<(String, Timestamp)>>,
    /// The keys of tokens that were verified.
    signers: RefCell<BTreeSet<String>>,
    /// How often services have fetched the key set because their copy was too old.
    fetches: Cell<u64>,
    /// How often time moved while a caller was at work.
    overtaken: Cell<u64>,
    is_over: Cell<bool>,
}

impl World {
    fn new(fixture: Fixture, callers: usize) -> Self {
        Self {
            fixture,
            turns: watch::Sender::new(vec![0; callers]),
            tokens: RefCell::default(),
            signers: RefCell::default(),
            fetches: Cell::default(),
            overtaken: Cell::default(),
            is_over: Cell::default(),
        }
    }

    fn now(&self) -> Timestamp {
        self.fixture.now()
    }

    /// Whoever calls does so without a pause, until it is over.
    async fn keep_calling(&self, place: usize, mut caller: impl Caller) {
        while !self.is_over.get() {
            self.turns.send_modify(|turns| turns[place] += 1);
            let begun = self.now();
            caller.call(self).await;
            if self.now() > begun {
                self.overtaken.set(self.overtaken.get() + 1);
            }
        }
    }

    /// Waits until whatever was under way is over.
    async fn everybody_begins_anew(&self) {
        let before = self.turns.borrow().clone();
        let begun = |turns: &Vec<u64>| turns.iter().zip(&before).all(|(now, before)| now > before);
        self.turns.subscribe().wait_for(begun).await.unwrap();
    }

    fn require_good(&self, verifier: &Verifier, token: &str, now: Timestamp) -> Verified<AccessClaims> {
        let mut signers = self.signers.borrow_mut();
        let verified = verifier.verify::<AccessClaims>(token, now);
        let verified =
            verified.unwrap_or_else(|refused| panic!("after {} rotations: {refused}", signers.len()));
        if !signers.contains(verified.kid()) {
            signers.insert(verified.kid().to_owned());
        }
        verified
    }

    /// The token that is nearest its end and will live for a while, which lives longest after its key.
    fn oldest_token(&self, lives_until: Timestamp) -> Option<String> {
        let mut tokens = self.tokens.borrow_mut();
        tokens.retain(|(_, end)| *end > self.now());
        tokens.iter().find(|(_, end)| *end > lives_until).map(|(token, _)| token.clone())
    }

    fn newest_token(&self) -> Option<String> {
        self.tokens.borrow().back().map(|(token, _)| token.clone())
    }
}

/// Somebody who does one thing again and again.
trait Caller {
    async fn call(&mut self, world: &World);
}

/// A service that keeps the key set for as long as it may and not a moment less, whatever key a token names.
struct Service {
    connection: Connection,
    verifier: Verifier,
    /// Until when the answer said that it may be kept.
    good_until: Timestamp,
}

impl Service {
    async fn open(mut connection: Connection, world: &World) -> Self {
        let (verifier, max_age) = connection.key_set().await;
        Self { connection, verifier, good_until: world.now().saturating_add(max_age) }
    }

    /// The keys to serve a request with that comes now.
    async fn keys(&mut self, world: &World) -> &Verifier {
        if self.good_until <= world.now() {
            let (verifier, max_age) = self.connection.key_set().await;
            (self.verifier, self.good_until) = (verifier, world.now().saturating_add(max_age));
            world.fetches.set(world.fetches.get() + 1);
        }
        &self.verifier
    }
}

/// A way to a token.
enum Grant {
    /// The authorization of a client.
    Credentials(String),
    /// The refresh token of a client of that name.
    RefreshToken(String, String),
    /// The refresh token of a login.
    Session(String),
}

impl Grant {
    async fn token(&mut self, connection: &mut Connection) -> String {
        let mut answer = match self {
            Self::Credentials(authorization) => {
                let request = Request::post("/oauth/token").header(AUTHORIZATION, &*authorization);
                connection.post_form(request, &[("grant_type", "client_credentials")]).await
            }
            Self::RefreshToken(refresh, client) => {
                let form =
                    [("grant_type", "refresh_token"), ("refresh_token", refresh), ("client_id", client)];
                connection.post_form(Request::post("/oauth/token"), &form).await
            }
            Self::Session(refresh) => {
                let body = json!({ "refresh_token": refresh });
                connection.post_json(Request::post("/session/refresh"), body).await
            }
        };
        let mut text = |name: &str| answer[name].take().as_str().map(str::to_owned);
        if let Self::RefreshToken(refresh, _) | Self::Session(refresh) = self {
            *refresh = text("refresh_token").unwrap();
        }
        text("access_token").unwrap()
    }
}

/// A client that gets a token and goes to a service with it.
struct Customer {
    connection: Connection,
    grant: Grant,
    service: Service,
}

impl Caller for Customer {
    async fn call(&mut self, world: &World) {
        let keys = self.service.keys(world).await;
        let token = self.grant.token(&mut self.connection).await;
        let now = world.now();
        let end = world.require_good(keys, &token, now).exp.0;
        if let Some(oldest) = world.oldest_token(now) {
            world.require_good(keys, &oldest, now);
        }
        world.tokens.borrow_mut().push_back((token, end));
    }
}

/// A service that asks the issuer about each token.
struct Asker {
    connection: Connection,
    authorization: String,
}

impl Caller for Asker {
    async fn call(&mut self, world: &World) {
        // One that lives on, should time move while the question is under way.
        let oldest = world.oldest_token(world.now().saturating_add(Duration::from_secs(*STEPS.end())));
        for token in oldest.into_iter().chain(world.newest_token()) {
            let request = Request::post("/oauth/introspect").header(AUTHORIZATION, &self.authorization);
            let answer = self.connection.post_form(request, &[("token", &token)]).await;
            assert_eq!(answer["active"], true, "after {} rotations", world.signers.borrow().len());
        }
    }
}

/// A service that keeps nothing and fetches the key set each time.
struct Fetcher(Connection);

impl Caller for Fetcher {
    async fn call(&mut self, world: &World) {
        let (keys, _) = self.0.key_set().await;
        let now = world.now();
        for token in world.oldest_token(now).into_iter().chain(world.newest_token()) {
            world.require_good(&keys, &token, now);
        }
    }
}

/// Who rotates the keys, with a session of their own.
struct Operator {
    connection: Connection,
    session: LoggedIn,
    renewed_at: Timestamp,
}

impl Operator {
    async fn rotate(&mut self, world: &World) {
        let now = world.now();
        if now.since(self.renewed_at) > Duration::from_secs(300) {
            let mut grant = Grant::Session(self.session.refresh.clone());
            self.session.access = grant.token(&mut self.connection).await;
            let Grant::Session(refresh) = grant else { unreachable!() };
            (self.session.refresh, self.renewed_at) = (refresh, now);
        }
        let bearer = format!("Bearer {}", self.session.access);
        let request = Request::post("/admin/v1/keys/rotate").header(AUTHORIZATION, bearer);
        self.connection.post_json(request, json!({})).await;
    }

    /// Rotates and rotates, and lets time pass meanwhile.
    async fn rotate_often(&mut self, world: &World) {
        let (least, most) = STEPS.into_inner();
        let mut steps = 0;
        while world.signers.borrow().len() <= ROTATIONS {
            steps += 1;
            let pass = async {
                world.fixture.pass(Duration::from_secs(least + steps * 37 % (most - least + 1)));
                world.everybody_begins_anew().await;
            };
            tokio::join!(self.rotate(world), pass);
        }
        world.is_over.set(true);
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
    let connect = async || Connection::open(address).await;

    let pair = base64_simd::STANDARD.encode_to_string(format!("batch:{}", fixture.secret));
    let batch = format!("Basic {pair}");
    let mut grants = Vec::new();
    for _ in 0..2 {
        let (app, browser) = (fixture.log_in("alice").await, fixture.log_in("alice").await);
        let client = claims(&app.access)["client_id"].as_str().unwrap().to_owned();
        grants.push(Grant::Credentials(batch.clone()));
        grants.push(Grant::RefreshToken(app.refresh, client));
        grants.push(Grant::Session(browser.refresh));
    }
    let session = fixture.log_in("root").await;
    let mut operator = Operator { connection: connect().await, session, renewed_at: fixture.now() };
    let world = World::new(fixture, grants.len() + 2);
    let mut calling: Vec<LocalBoxFuture<'_, ()>> = Vec::new();
    for grant in grants {
        // They begin at different times, so that together they hold every age of the set that is allowed.
        world.fixture.pass(Duration::from_secs(*STEPS.start()));
        let service = Service::open(connect().await, &world).await;
        let mut customer = Customer { connection: connect().await, grant, service };
        customer.call(&world).await;
        calling.push(world.keep_calling(calling.len(), customer).boxed_local());
    }
    let services = calling.len() as u64;
    let asker = Asker { connection: connect().await, authorization: batch };
    calling.push(world.keep_calling(calling.len(), asker).boxed_local());
    calling.push(world.keep_calling(calling.len(), Fetcher(connect().await)).boxed_local());

    let began = world.now();
    tokio::join!(operator.rotate_often(&world), join_all(calling));
    let lasted = world.now().since(began).as_secs();
    let fetches = world.fetches.get();
    assert!(fetches <= services * (1 + lasted / 300), "{fetches} of {services} services in {lasted} s");
    assert!(world.overtaken.get() > ROTATIONS as u64, "time moved while requests were under way");
    assert!(world.fixture.issuer.list_keys(world.now()).len() < 20, "dead keys retire");
    served.abort();
}
