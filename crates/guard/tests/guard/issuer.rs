//! An issuer to test against: keys, metadata, feed and introspection over real HTTP, each of which can be
//! made to misbehave.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use axum::body::Body;
use axum::extract::State;
use axum::http::header::{ACCEPT, AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH, LOCATION};
use axum::http::{HeaderMap, Response, StatusCode};
use axum::routing::{get, post};
use axum::{Json, Router};
use futures_util::stream;
use gatepass_guard::{Feed, Guard, IssuerConfig, KeySource, OnStale, Revocation, WhenStale};
use gatepass_jose::{Alg, JwkSet, SigningKey, Timestamp, Typ, jwt};
use gatepass_revocation::{Entry, FeedEvent, Heartbeat, Kind, LogId, Reason, Snapshot};
use gatepass_token::TokenId;
use serde_json::{Value, json};
use tokio::sync::broadcast;
use url::Url;

pub(crate) const AUDIENCE: &str = "https://api.example.com";
pub(crate) const CLIENT: (&str, &str) = ("guard", "s3cret and more");

pub(crate) struct Issuer {
    pub(crate) url: String,
    pub(crate) keys: Mutex<Vec<SigningKey>>,
    /// What the metadata say, if not this issuer's URL.
    pub(crate) claimed_url: Mutex<Option<String>>,
    pub(crate) down: AtomicBool,
    pub(crate) openid: AtomicBool,
    /// Where a question for keys is sent on to.
    pub(crate) redirect_keys: Mutex<Option<String>>,
    pub(crate) redirect_metadata: Mutex<Option<String>>,
    /// What is answered instead of the key set.
    pub(crate) instead_of_keys: Mutex<Option<Vec<u8>>>,
    /// For how long the key set may be used, in seconds.
    pub(crate) max_age: AtomicUsize,
    /// How long a question for keys takes, in milliseconds.
    pub(crate) slow_keys: AtomicUsize,
    pub(crate) padding: AtomicUsize,
    pub(crate) silent: AtomicBool,
    pub(crate) inactive: AtomicBool,
    pub(crate) introspection_down: AtomicBool,
    /// What is said of opaque tokens.
    pub(crate) opaque: Mutex<HashMap<String, Value>>,
    log: Mutex<Vec<Entry>>,
    pub(crate) log_id: Mutex<Option<LogId>>,
    /// Ends every open stream.
    pub(crate) cut: broadcast::Sender<()>,
    appended: broadcast::Sender<Entry>,
    pub(crate) snapshot_key: Mutex<Option<SigningKey>>,
    /// The claims of `/statuses`; without them it is down.
    pub(crate) status_list: Mutex<Option<Value>>,
    pub(crate) asked: Asked,
}

/// How often each endpoint was asked.
#[derive(Default)]
pub(crate) struct Asked {
    pub(crate) keys: AtomicUsize,
    pub(crate) keys_not_modified: AtomicUsize,
    /// The most questions for keys that were there at once.
    pub(crate) keys_at_once: AtomicUsize,
    keys_now: AtomicUsize,
    pub(crate) snapshot: AtomicUsize,
    pub(crate) statuses: AtomicUsize,
    pub(crate) stream: AtomicUsize,
    pub(crate) last_event_id: AtomicU64,
    pub(crate) introspection: AtomicUsize,
}

impl Asked {
    pub(crate) fn count(counter: &AtomicUsize) -> usize {
        counter.load(Ordering::SeqCst)
    }
}

#[allow(clippy::disallowed_methods)] // the guard under test reads the real clock
pub(crate) fn now() -> Timestamp {
    SystemTime::now().into()
}

pub(crate) fn new_key(kid: &str) -> SigningKey {
    SigningKey::generate(Alg::ES256, Some(kid)).unwrap()
}

impl Issuer {
    pub(crate) async fn start() -> Arc<Self> {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        Self::serve(listener, url, vec![new_key("k1")])
    }

    /// Another server of this issuer's, with the same key and a log of its own; and where it is.
    pub(crate) async fn replica(&self) -> (Url, Arc<Self>) {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let place = format!("http://{}/revocations", listener.local_addr().unwrap());
        let key = self.keys.lock().unwrap()[0].to_private_bytes().unwrap();
        let key = SigningKey::from_private_bytes(Alg::ES256, "k1", &key).unwrap();
        (place.parse().unwrap(), Self::serve(listener, self.url.clone(), vec![key]))
    }

    fn serve(listener: tokio::net::TcpListener, url: String, keys: Vec<SigningKey>) -> Arc<Self> {
        let issuer = Arc::new(Issuer {
            url,
            keys: Mutex::new(keys),
            claimed_url: Mutex::default(),
            down: AtomicBool::new(false),
            openid: AtomicBool::new(true),
            redirect_keys: Mutex::default(),
            redirect_metadata: Mutex::default(),
            instead_of_keys: Mutex::default(),
            max_age: AtomicUsize::new(600),
            slow_keys: AtomicUsize::new(0),
            padding: AtomicUsize::new(0),
            silent: AtomicBool::new(false),
            inactive: AtomicBool::new(false),
            introspection_down: AtomicBool::new(false),
            opaque: Mutex::default(),
            log: Mutex::default(),
            log_id: Mutex::new(Some(LogId::new([1; 16]))),
            cut: broadcast::Sender::new(4),
            appended: broadcast::Sender::new(64),
            snapshot_key: Mutex::default(),
            status_list: Mutex::default(),
            asked: Asked::default(),
        });
        let app = Router::new()
            .route("/.well-known/openid-configuration", get(openid_configuration))
            .route("/.well-known/oauth-authorization-server", get(metadata))
            .route("/jwks", get(jwks))
            .route("/jwks-elsewhere", get(jwks))
            .route("/revocations/snapshot", get(snapshot))
            .route("/revocations/stream", get(feed))
            .route("/introspect", post(introspect))
            .route("/statuses", get(statuses))
            .with_state(issuer.clone());
        tokio::spawn(async move { axum::serve(listener, app).await });
        issuer
    }

    /// Trusts this issuer; revocations are not followed.
    pub(crate) fn config(&self) -> IssuerConfig {
        IssuerConfig::new(&self.url, [AUDIENCE], Revocation::None)
    }

    /// Trusts this issuer and follows its feed.
    pub(crate) fn followed(&self, after: Duration, then: WhenStale) -> IssuerConfig {
        let revocation = Revocation::Feed(Feed::new(OnStale { after, then }));
        IssuerConfig { revocation, ..self.config() }
    }

    pub(crate) fn jwk_set(&self) -> JwkSet {
        JwkSet { keys: self.keys.lock().unwrap().iter().filter_map(SigningKey::public_jwk).collect() }
    }

    pub(crate) fn claims(&self) -> Value {
        let minted = now();
        json!({
            "iss": self.url,
            "aud": AUDIENCE,
            "sub": "ann",
            "client_id": "web",
            "sid": "s1",
            "jti": TokenId::new(minted, [7; 10]).to_string(),
            "iat": minted.as_secs(),
            "exp": minted.as_secs() + 900,
            "scope": "orders:read",
            "roles": ["clerk"],
            "tenant": "acme",
        })
    }

    /// A good token, signed with the newest key.
    pub(crate) fn token(&self) -> String {
        self.sign(&self.claims())
    }

    pub(crate) fn token_with(&self, name: &str, value: impl Into<Value>) -> String {
        let mut claims = self.claims();
        claims[name] = value.into();
        self.sign(&claims)
    }

    /// Gives out an opaque token with the claims of [`Issuer::claims`], changed so.
    pub(crate) fn give_out(&self, token: &str, changes: Value) {
        let mut told = self.claims();
        let own = json!({ "active": true, "token_type": "Bearer" });
        for changes in [own, changes] {
            told.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        }
        self.opaque.lock().unwrap().insert(token.to_owned(), told);
    }

    pub(crate) fn sign(&self, claims: &Value) -> String {
        jwt::sign(&Typ::ACCESS_TOKEN, claims, self.keys.lock().unwrap().last().unwrap()).unwrap()
    }

    /// Appends to the log and tells the streams.
    pub(crate) fn revoke(&self, kind: Kind, id: &str, reason: Reason) {
        let entry = self.revoke_untold(kind, id, reason);
        let _ = self.appended.send(entry);
    }

    /// Appends to the log without telling the streams: an entry that got lost.
    pub(crate) fn revoke_untold(&self, kind: Kind, id: &str, reason: Reason) -> Entry {
        let mut log = self.log.lock().unwrap();
        let entry = Entry {
            seq: log.len() as u64 + 1,
            kind,
            id: id.to_owned(),
            issued_before: now().saturating_add(Duration::from_millis(1)),
            forget_after: now().saturating_add(Duration::from_secs(1_000)),
            reason,
        };
        log.push(entry.clone());
        entry
    }

    /// Loses all but the first entries: a restored backup.
    pub(crate) fn restore(&self, entries: usize) {
        self.log.lock().unwrap().truncate(entries);
    }

    fn newest(&self) -> u64 {
        self.log.lock().unwrap().len() as u64
    }

    fn is_down(&self) -> bool {
        self.down.load(Ordering::SeqCst)
    }
}

pub(crate) async fn guard(configs: impl IntoIterator<Item = IssuerConfig>) -> Guard {
    let guard = Guard::start(configs).await.unwrap();
    tokio::time::timeout(Duration::from_secs(20), guard.ready())
        .await
        .expect("the guard is not ready after 20 s");
    guard
}

/// Asks again and again until the answer is yes.
pub(crate) async fn eventually(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    for _ in 0..4_000 {
        if is_so().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("after 20 s it is still not so that {what}");
}

pub(crate) fn inline(issuer: &Issuer) -> IssuerConfig {
    IssuerConfig { keys: KeySource::Inline(issuer.jwk_set()), ..issuer.config() }
}

type Shared = State<Arc<Issuer>>;

async fn openid_configuration(State(issuer): Shared) -> Result<Json<Value>, Response<Body>> {
    if !issuer.openid.load(Ordering::SeqCst) {
        return Err(status(StatusCode::NOT_FOUND));
    }
    metadata(State(issuer)).await
}

fn status(status: StatusCode) -> Response<Body> {
    Response::builder().status(status).body(Body::empty()).unwrap()
}

fn redirect(to: &str) -> Response<Body> {
    Response::builder().status(302).header(LOCATION, to).body(Body::empty()).unwrap()
}

async fn metadata(State(issuer): Shared) -> Result<Json<Value>, Response<Body>> {
    if issuer.is_down() {
        return Err(status(StatusCode::BAD_GATEWAY));
    }
    if let Some(to) = &*issuer.redirect_metadata.lock().unwrap() {
        return Err(redirect(to));
    }
    let claimed = issuer.claimed_url.lock().unwrap().clone().unwrap_or_else(|| issuer.url.clone());
    Ok(Json(json!({
        "issuer": claimed,
        "jwks_uri": format!("{}/jwks", issuer.url),
        "introspection_endpoint": format!("{}/introspect", issuer.url),
    })))
}

async fn jwks(State(issuer): Shared, headers: HeaderMap, uri: axum::http::Uri) -> Response<Body> {
    issuer.asked.keys.fetch_add(1, Ordering::SeqCst);
    let at_once = issuer.asked.keys_now.fetch_add(1, Ordering::SeqCst) + 1;
    issuer.asked.keys_at_once.fetch_max(at_once, Ordering::SeqCst);
    tokio::time::sleep(Duration::from_millis(issuer.slow_keys.load(Ordering::SeqCst) as u64)).await;
    issuer.asked.keys_now.fetch_sub(1, Ordering::SeqCst);
    let max_age = issuer.max_age.load(Ordering::SeqCst);
    let answer = Response::builder().header(CACHE_CONTROL, format!("max-age={max_age}"));
    if issuer.is_down() {
        return status(StatusCode::BAD_GATEWAY);
    }
    if let Some(to) = issuer.redirect_keys.lock().unwrap().as_ref().filter(|_| uri.path() == "/jwks") {
        return redirect(to);
    }
    if let Some(body) = &*issuer.instead_of_keys.lock().unwrap() {
        return answer.body(Body::from(body.clone())).unwrap();
    }
    let mut set = serde_json::to_value(issuer.jwk_set()).unwrap();
    set["padding"] = " ".repeat(issuer.padding.load(Ordering::SeqCst)).into();
    let kids: Vec<_> = issuer.keys.lock().unwrap().iter().map(|key| key.kid().to_owned()).collect();
    let etag = format!("\"{}\"", kids.join("+"));
    if headers.get(IF_NONE_MATCH).is_some_and(|known| known == etag.as_str()) {
        issuer.asked.keys_not_modified.fetch_add(1, Ordering::SeqCst);
        return answer.status(304).header(ETAG, etag).body(Body::empty()).unwrap();
    }
    answer.header(ETAG, etag).body(Body::from(set.to_string())).unwrap()
}

async fn snapshot(State(issuer): Shared) -> Result<String, StatusCode> {
    issuer.asked.snapshot.fetch_add(1, Ordering::SeqCst);
    if issuer.is_down() {
        return Err(StatusCode::BAD_GATEWAY);
    }
    let entries = issuer.log.lock().unwrap().clone();
    let log = *issuer.log_id.lock().unwrap();
    let snapshot = Snapshot { log, ..Snapshot::new(&issuer.url, entries.len() as u64, now(), entries) };
    let stranger = issuer.snapshot_key.lock().unwrap();
    let keys = issuer.keys.lock().unwrap();
    let key = stranger.as_ref().or(keys.last()).unwrap();
    Ok(snapshot.sign(key).unwrap())
}

async fn statuses(State(issuer): Shared, headers: HeaderMap) -> Result<String, StatusCode> {
    issuer.asked.statuses.fetch_add(1, Ordering::SeqCst);
    assert_eq!(headers[ACCEPT], "application/statuslist+jwt");
    let claims = issuer.status_list.lock().unwrap().clone().ok_or(StatusCode::BAD_GATEWAY)?;
    let typ = claims["typ"].as_str().unwrap_or("statuslist+jwt").to_owned();
    let stranger = issuer.snapshot_key.lock().unwrap();
    let keys = issuer.keys.lock().unwrap();
    let key = stranger.as_ref().or(keys.last()).unwrap();
    Ok(jwt::sign(&Typ::new(typ.leak()), &claims, key).unwrap())
}

async fn feed(State(issuer): Shared, headers: HeaderMap) -> Result<Response<Body>, StatusCode> {
    issuer.asked.stream.fetch_add(1, Ordering::SeqCst);
    if issuer.is_down() {
        return Err(StatusCode::BAD_GATEWAY);
    }
    let last = headers.get("last-event-id").and_then(|id| id.to_str().ok()?.parse().ok()).unwrap_or(0);
    issuer.asked.last_event_id.store(last, Ordering::SeqCst);
    let (appended, cut) = (issuer.appended.subscribe(), issuer.cut.subscribe());
    let missed = issuer.log.lock().unwrap().iter().skip(last as usize).cloned().collect::<Vec<_>>();
    let frames =
        missed.into_iter().map(|entry| FeedEvent::from(entry).to_event().to_frame()).collect::<String>();
    let state = (issuer, appended, cut, Some(frames));
    let stream = stream::unfold(state, |(issuer, mut appended, mut cut, first)| async move {
        if let Some(frames) = first {
            return Some((frames, (issuer, appended, cut, None)));
        }
        let frame = tokio::select! {
            // An entry that is there goes before the heartbeat that counts it.
            biased;
            _ = cut.recv() => return None,
            entry = appended.recv() => FeedEvent::from(entry.ok()?),
            () = heartbeat(&issuer) => FeedEvent::from(Heartbeat { seq: issuer.newest(), now: now(), log: *issuer.log_id.lock().unwrap() }),
        };
        Some((frame.to_event().to_frame(), (issuer, appended, cut, None)))
    });
    let body = Body::from_stream(futures_util::StreamExt::map(stream, Ok::<_, Infallible>));
    Ok(Response::builder().header(CONTENT_TYPE, "text/event-stream").body(body).unwrap())
}

async fn heartbeat(issuer: &Issuer) {
    tokio::time::sleep(Duration::from_millis(20)).await;
    while issuer.silent.load(Ordering::SeqCst) {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn introspect(
    State(issuer): Shared,
    headers: HeaderMap,
    form: String,
) -> Result<Json<Value>, StatusCode> {
    issuer.asked.introspection.fetch_add(1, Ordering::SeqCst);
    if issuer.introspection_down.load(Ordering::SeqCst) {
        return Err(StatusCode::BAD_GATEWAY);
    }
    // "guard" and "s3cret+and+more", as RFC 6749 section 2.3.1 has it.
    if headers.get(AUTHORIZATION).is_none_or(|basic| basic != "Basic Z3VhcmQ6czNjcmV0K2FuZCttb3Jl") {
        return Err(StatusCode::UNAUTHORIZED);
    }
    let opaque = form.strip_prefix("token=t-").and_then(|rest| rest.split_once('&'));
    if let Some((name, _)) = opaque {
        let told = issuer.opaque.lock().unwrap().get(&format!("t-{name}")).cloned();
        return Ok(Json(told.unwrap_or_else(|| json!({ "active": false }))));
    }
    assert!(form.starts_with("token=ey") && form.ends_with("&token_type_hint=access_token"), "{form}");
    Ok(Json(json!({ "active": !issuer.inactive.load(Ordering::SeqCst) })))
}
