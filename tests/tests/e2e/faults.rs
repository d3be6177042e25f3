//! What goes wrong around a gateway under load: nobody is admitted who must not be, and what `SECURITY.md` says happens.
//!
//! A watch runs all the while. It asks the gateway how stale its view is, and from then on every revocation that was
//! acknowledged before the moment from which the view claims to be whole must refuse its token.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use axum::Router;
use gatepass_e2e::measure::report;
use gatepass_e2e::meddler::{Feed, Keys, Meddler};
use gatepass_e2e::up::ADMIN;
use gatepass_e2e::way::Way;
use gatepass_e2e::{Admin, Alone, Session, Up, http, jws, place, send, try_send, upstream, wait};
use reqwest::Client;
use serde_json::{Value, json};
use tokio::sync::Mutex;

/// For a condition that a fault delays: reconnecting may take five seconds, and machines are slow.
const SOON: Duration = Duration::from_secs(30);
/// What a heartbeat may take to arrive, which no gateway can know.
const ON_THE_WAY: Duration = Duration::from_secs(1);

struct Gateway {
    address: SocketAddr,
    admin: SocketAddr,
    text: String,
}

impl Gateway {
    /// A gateway that reaches its issuer through a meddler and denies when its view is older than `after`.
    fn new(up: &Up, audience: &str, through: SocketAddr, upstream: SocketAddr, after: &str) -> Self {
        let (address, admin, issuer) = (place::free_address(), place::free_address(), up.issuer());
        let text = format!(
            "listen = \"{address}\"\nadmin_listen = \"{admin}\"\n
            [[issuer]]\nurl = \"{issuer}\"\naudience = [\"{audience}\"]\nbase_url = \"http://{through}\"\n
            revocation = \"feed\"\non_stale = {{ after = \"{after}\", then = \"deny\" }}\n
            [[upstream]]\nname = \"service\"\nservers = [\"http://{upstream}\"]\n
            [[route]]\npath = \"/{{*rest}}\"\nupstream = \"service\"\n
            [timeouts]\nresponse = \"1s\"\n"
        );
        Self { address, admin, text }
    }

    async fn start(&self, up: &Up) -> Alone {
        Alone::start("gateway", up.folder(), self.address, &self.text).await
    }
}

/// Everything that is asked of one gateway.
struct World {
    client: Client,
    url: String,
    ready: String,
    good: Mutex<String>,
    /// Tokens whose revocation was acknowledged, and when.
    revoked: Mutex<Vec<(Instant, String)>>,
    stop: AtomicBool,
    asked: AtomicU64,
    refusals: AtomicU64,
    row: std::sync::Mutex<Row>,
}

/// What one fault came to, so far.
#[derive(Default)]
struct Row {
    /// How often good tokens got each status; 0 where there was no answer.
    good: BTreeMap<u16, u64>,
    /// How often bad ones were asked with, and were not let in.
    bad: u64,
}

impl World {
    fn new(gateway: &Gateway, good: &str) -> Arc<Self> {
        Arc::new(Self {
            client: http::client(),
            url: format!("http://{}/orders", gateway.address),
            ready: format!("http://{}/readyz", gateway.admin),
            good: Mutex::new(good.to_owned()),
            revoked: Mutex::default(),
            stop: AtomicBool::new(false),
            asked: AtomicU64::new(0),
            refusals: AtomicU64::new(0),
            row: std::sync::Mutex::default(),
        })
    }

    async fn ask(&self, token: &str) -> Option<u16> {
        try_send(self.client.get(&self.url).bearer_auth(token)).await.ok().map(|answer| answer.status)
    }

    async fn good(&self) -> Option<u16> {
        let token = self.good.lock().await.clone();
        self.ask(&token).await
    }

    /// Asks with a good token, over and over.
    async fn load(self: Arc<Self>) {
        while !self.stop.load(Ordering::Relaxed) {
            let status = self.good().await;
            assert!(matches!(status, None | Some(200 | 502 | 503 | 504)), "a good token got {status:?}");
            self.asked.fetch_add(1, Ordering::Relaxed);
            *self.row.lock().unwrap().good.entry(status.unwrap_or_default()).or_default() += 1;
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    /// Holds the gateway to what it says of its view.
    async fn watch(self: Arc<Self>) {
        while !self.stop.load(Ordering::Relaxed) {
            let before = Instant::now();
            if let Some(whole_at) =
                self.staleness().await.and_then(|staleness| before.checked_sub(staleness + ON_THE_WAY))
            {
                let revoked = self.revoked.lock().await.clone();
                for (acknowledged, token) in revoked.iter().rev().take(20).filter(|(at, _)| *at <= whole_at) {
                    let status = self.ask(token).await;
                    assert_ne!(
                        status,
                        Some(200),
                        "revoked {:?} ago, and the view said it knew",
                        acknowledged.elapsed()
                    );
                    self.refusals.fetch_add(u64::from(status == Some(401)), Ordering::Relaxed);
                    self.row.lock().unwrap().bad += 1;
                }
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Asks with a token that somebody else signed, over and over.
    async fn intrude(self: Arc<Self>, forged: String) {
        while !self.stop.load(Ordering::Relaxed) {
            let status = self.ask(&forged).await;
            assert!(matches!(status, None | Some(401 | 503)), "a forged token got {status:?}");
            self.row.lock().unwrap().bad += 1;
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Reports the row of the table that ends here.
    fn end_row(&self, fault: &str) {
        let Row { good, bad } = std::mem::take(&mut *self.row.lock().unwrap());
        let good = good.iter().map(|(status, count)| match status {
            0 => format!("{count} no answer"),
            status => format!("{count} {status}"),
        });
        let good = good.collect::<Vec<_>>().join(", ");
        report(&format!("fault | {fault} | good tokens: {good} | {bad} revoked or forged ones, none let in"));
    }

    async fn staleness(&self) -> Option<Duration> {
        let status = try_send(self.client.get(&self.ready)).await.ok()?.json();
        status["issuers"][0]["revocation"]["staleness"].as_f64().map(Duration::from_secs_f64)
    }

    async fn revoke(&self, up: &Up, admin: &Admin<'_>) -> String {
        let session: Session = up.native_login(ADMIN).await;
        wait::until("the new session to be let in", SOON, async || {
            self.ask(&session.access_token).await.filter(|status| [200, 503].contains(status))
        })
        .await;
        admin.revoke("session", &session.id).await.expect(201);
        self.revoked.lock().await.push((Instant::now(), session.access_token.clone()));
        session.access_token
    }

    async fn until_refused(&self, what: &str, token: &str) {
        let refused = async || (self.ask(token).await == Some(401)).then_some(());
        wait::until(&format!("{what}: the revoked token to be refused"), SOON, refused).await;
    }

    async fn until_good(&self, what: &str, status: u16) {
        let so = async || (self.good().await == Some(status)).then_some(());
        wait::until(&format!("{what}: the good token to get {status}"), SOON, so).await;
    }

    async fn until_ready(&self, what: &str, status: u16) {
        let so = async || {
            try_send(self.client.get(&self.ready)).await.ok().filter(|answer| answer.status == status)
        };
        wait::until(&format!("{what}: readiness to be {status}"), SOON, so).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_happens_to_the_feed_nobody_is_wrongly_let_in() {
    let mut up = Up::start().await;
    let meddler = Meddler::start(up.issuer()).await;
    let (service, state) = service().await;
    let good = up.native_login(ADMIN).await;
    let way = Way::to(service).await;
    let gateway = Gateway::new(&up, &jws::audience(&good.access_token), meddler.address, way.address, "2s");
    let mut process = gateway.start(&up).await;
    let world = World::new(&gateway, &good.access_token);
    world.until_ready("at first", 200).await;
    let tasks = [
        tokio::spawn(Arc::clone(&world).load()),
        tokio::spawn(Arc::clone(&world).load()),
        tokio::spawn(Arc::clone(&world).watch()),
    ];
    let token = up.login(ADMIN).await.access_token;

    // What a snapshot or another try makes up for.
    for (what, feed) in [
        ("entries are dropped", Feed::Dropped),
        ("entries are reordered", Feed::Reordered),
        ("everything comes twice", Feed::Doubled),
    ] {
        meddler.feed(feed);
        let admin = Admin::with_token(&up, &token);
        for _ in 0..3 {
            let revoked = world.revoke(&up, &admin).await;
            world.until_refused(what, &revoked).await;
        }
        meddler.feed(Feed::Whole);
        world.until_good(what, 200).await;
        world.end_row(what);
    }
    // What nothing makes up for: the view grows stale, and what was chosen holds.
    for (what, feed) in [
        ("the feed is cut", Feed::Cut),
        ("the feed is silent", Feed::Silent),
        ("the feed is down", Feed::Down),
    ] {
        meddler.feed(feed);
        let revoked = world.revoke(&up, &Admin::with_token(&up, &token)).await;
        world.until_good(what, 503).await;
        world.until_ready(what, 503).await;
        meddler.feed(Feed::Whole);
        world.until_refused(what, &revoked).await;
        world.until_good(what, 200).await;
        world.until_ready(what, 200).await;
        world.end_row(what);
    }
    for seconds in [30, -30, 0] {
        let what = format!("the issuer's clock is {seconds} s ahead");
        meddler.clock(seconds);
        let revoked = world.revoke(&up, &Admin::with_token(&up, &token)).await;
        world.until_refused(&what, &revoked).await;
        world.until_good(&what, 200).await;
        world.end_row(&what);
    }

    let revoked = world.revoke(&up, &Admin::with_token(&up, &token)).await;
    up.kill();
    world.until_good("the server is down", 503).await;
    up.start_again().await;
    world.until_good("the server is back", 200).await;
    world.until_refused("the server is back", &revoked).await;
    world.end_row("the server is down for longer than on_stale.after");

    for _ in 0..3 {
        process.process.kill();
        let revoked = world.revoke_unseen(&up, &token).await;
        process = gateway.start(&up).await;
        // From its first answer on: it knows nothing yet, and says so.
        let first = wait::until("the new gateway to answer", SOON, async || world.ask(&revoked).await).await;
        assert_ne!(first, 200, "a gateway that has just started lets in what is revoked");
        world.until_good("the gateway is back", 200).await;
        world.until_refused("the gateway is back", &revoked).await;
    }

    world.end_row("the gateway is killed and started, three times");

    upstream_faults(&world, &state, &way, &revoked).await;
    world.stop.store(true, Ordering::Relaxed);
    for task in tasks {
        task.await.expect("nobody was wrongly let in");
    }
    let (asked, refusals) = (world.asked.load(Ordering::Relaxed), world.refusals.load(Ordering::Relaxed));
    report(&format!(
        "{asked} requests through faults, {refusals} of revoked tokens while the view was whole"
    ));
    assert!(refusals > 50, "only {refusals} refusals: the test proves little");
}

impl World {
    /// As [`World::revoke`], when no gateway is there.
    async fn revoke_unseen(&self, up: &Up, admin: &str) -> String {
        let session = up.native_login(ADMIN).await;
        Admin::with_token(up, admin).revoke("session", &session.id).await.expect(201);
        self.revoked.lock().await.push((Instant::now(), session.access_token.clone()));
        session.access_token
    }
}

/// How the service behind the gateway is.
#[derive(Default)]
struct Service {
    is_slow: AtomicBool,
    is_flapping: AtomicBool,
    asked: AtomicU64,
}

async fn service() -> (SocketAddr, Arc<Service>) {
    let state = Arc::new(Service::default());
    let service = Arc::clone(&state);
    let answer = move || {
        let service = Arc::clone(&service);
        async move {
            let turn = service.asked.fetch_add(1, Ordering::Relaxed);
            if service.is_slow.load(Ordering::Relaxed) {
                tokio::time::sleep(Duration::from_secs(3)).await;
            }
            let fails = service.is_flapping.load(Ordering::Relaxed) && turn.is_multiple_of(2);
            let body = if fails { Err(std::io::Error::other("gone")) } else { Ok("an answer") };
            axum::body::Body::from_stream(futures_util::stream::iter([body]))
        }
    };
    (upstream::serve(Router::new().fallback(answer)).await, state)
}

async fn upstream_faults(world: &World, service: &Service, way: &Way, revoked: &str) {
    service.is_slow.store(true, Ordering::Relaxed);
    world.until_good("the service is slow", 504).await;
    assert_eq!(world.ask(revoked).await, Some(401), "who is refused does not wait for the service");
    service.is_slow.store(false, Ordering::Relaxed);
    world.until_good("the service is quick again", 200).await;
    world.end_row("the service is slow");
    way.cut().await;
    world.until_good("the service is dead", 502).await;
    for _ in 0..20 {
        assert_eq!(world.ask(revoked).await, Some(401), "who is refused hears of that alone");
        let _ = world.good().await;
    }
    way.restore();
    world.until_good("the service is alive again", 200).await;
    world.end_row("the service is dead");
    service.is_flapping.store(true, Ordering::Relaxed);
    for _ in 0..20 {
        assert_eq!(world.ask(revoked).await, Some(401));
        let _ = world.good().await;
    }
    service.is_flapping.store(false, Ordering::Relaxed);
    world.until_good("the service is well again", 200).await;
    world.end_row("the service is flapping");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_set_that_cannot_be_used_admits_nobody_and_takes_no_good_one_away() {
    let up = Up::start().await;
    let good = up.native_login(ADMIN).await.access_token;
    let audience = jws::audience(&good);
    let (service, _) = service().await;
    let (up, good, audience) = (&up, &good, &audience);
    let each =
        [Keys::Unreachable, Keys::Empty, Keys::Garbage, Keys::Huge, Keys::Redirect].map(|keys| async move {
            let meddler = Meddler::start(up.issuer()).await;
            meddler.keys(keys);
            let gateway = Gateway::new(up, audience, meddler.address, service, "1h");
            let _process = gateway.start(up).await;
            let (world, what) = (World::new(&gateway, good), format!("the key set is {keys:?}"));
            let forged = Issuer::new().token_of(up.issuer(), audience, 0, 900);
            let tasks =
                [tokio::spawn(Arc::clone(&world).load()), tokio::spawn(Arc::clone(&world).intrude(forged))];
            assert_eq!(world.good().await, Some(503), "{what} from the start");
            world.until_ready(&what, 503).await;
            meddler.keys(Keys::Good);
            world.until_good("the key set is good", 200).await;

            meddler.keys(keys);
            let asked = meddler.keys_asked();
            let again = async || (meddler.keys_asked() > asked + 1).then_some(());
            wait::until(&format!("{what}: the gateway to ask again"), SOON, again).await;
            assert_eq!(world.good().await, Some(200), "{what}, and the last good one stays in use");
            world.until_ready(&what, 200).await;
            world.stop.store(true, Ordering::Relaxed);
            for task in tasks {
                task.await.expect("nobody was wrongly let in, nor refused");
            }
            world.end_row(&format!("{what}, from the start and later on"));
        });
    futures_util::future::join_all(each).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_that_rotate_every_second_refuse_no_good_token() {
    let up = Up::start().await;
    let meddler = Meddler::start(up.issuer()).await;
    let mut session = up.native_login(ADMIN).await;
    let (service, _) = service().await;
    let gateway = Gateway::new(&up, &jws::audience(&session.access_token), meddler.address, service, "1h");
    let _process = gateway.start(&up).await;
    let world = World::new(&gateway, &session.access_token);
    world.until_ready("at first", 200).await;
    let forged = Issuer::new().token_of(up.issuer(), &jws::audience(&session.access_token), 0, 900);
    let tasks = [tokio::spawn(Arc::clone(&world).load()), tokio::spawn(Arc::clone(&world).intrude(forged))];
    for _ in 0..6 {
        let rotated = Instant::now();
        Admin::with_token(&up, &session.access_token).rotate_keys().await.expect(200);
        session = up.refresh(&session).await;
        assert_eq!(world.ask(&session.access_token).await, Some(200), "the first token of a new key");
        *world.good.lock().await = session.access_token.clone();
        tokio::time::sleep(Duration::from_secs(1).saturating_sub(rotated.elapsed())).await;
    }
    world.stop.store(true, Ordering::Relaxed);
    for task in tasks {
        task.await.expect("no good token is refused, and no forged one let in");
    }
    world.end_row("keys rotate every second");
}

/// Two machines whose clocks differ by half a minute still understand each other; by a minute and a half not.
#[tokio::test]
async fn clocks_that_differ_by_less_than_the_skew_refuse_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let issuer = Issuer::new();
    let set = json!({ "keys": [issuer.jwk()] });
    let (jwks_uri, _) = upstream::counted_jwks(set).await;
    let (service, _) = service().await;
    let (address, admin) = (place::free_address(), place::free_address());
    let text = format!(
        "listen = \"{address}\"\nadmin_listen = \"{admin}\"\n
        [[issuer]]\nurl = \"https://auth.example\"\naudience = [\"https://api.example\"]\nrevocation = \"none\"\n
        jwks_uri = \"{jwks_uri}\"\n
        [[upstream]]\nname = \"service\"\nservers = [\"http://{service}\"]\n
        [[route]]\npath = \"/{{*rest}}\"\nupstream = \"service\"\n"
    );
    let gateway = Gateway { address, admin, text };
    let _process = Alone::start("gateway", folder.path(), address, &gateway.text).await;
    let cases = [
        ("right", 0, 900, 200),
        ("the issuer is half a minute ahead", 30, 930, 200),
        ("the issuer is a minute and a half ahead", 90, 990, 401),
        ("half a minute past its end", -900, -30, 200),
        ("a minute and a half past its end", -900, -90, 401),
    ];
    let world = World::new(&gateway, &issuer.token(0, 900));
    world.until_good("at first", 200).await;
    for (what, iat, exp, want) in cases {
        let answer = send(world.client.get(&world.url).bearer_auth(issuer.token(iat, exp))).await;
        assert_eq!(answer.status, want, "{what}\n{}", answer.shown());
    }
}

/// An issuer of the test's own, whose clock is what the test says.
struct Issuer(EcdsaKeyPair);

impl Issuer {
    fn new() -> Self {
        Self(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap())
    }

    fn jwk(&self) -> Value {
        let (x, y) = self.0.public_key().as_ref()[1..].split_at(32);
        json!({"kty": "EC", "crv": "P-256", "kid": "k1", "alg": "ES256", "x": jws::encode(x), "y": jws::encode(y)})
    }

    fn token(&self, iat: i64, exp: i64) -> String {
        self.token_of("https://auth.example", "https://api.example", iat, exp)
    }

    #[allow(clippy::disallowed_methods, reason = "tokens have to be current")]
    fn token_of(&self, issuer: &str, audience: &str, iat: i64, exp: i64) -> String {
        let now =
            std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs() as i64;
        let header = json!({"alg": "ES256", "typ": "at+jwt", "kid": "k1"});
        let claims = json!({
            "iss": issuer, "aud": audience, "sub": "ann", "client_id": "web", "jti": "t1",
            "iat": now + iat, "nbf": now + iat, "exp": now + exp,
        });
        let input = [header, claims].map(|part| jws::encode(part.to_string().as_bytes())).join(".");
        let signature = self.0.sign(&SystemRandom::new(), input.as_bytes()).unwrap();
        format!("{input}.{}", jws::encode(signature.as_ref()))
    }
}
