//! An issuer with two users and three clients, and a way to send it requests.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::ConnectInfo;
use gatepass_issuer::admin::{FirstPassword, NewClient, NewCredential, NewUser, SignOnClient};
use gatepass_issuer::client::{ClientExtensions, GrantType};
use gatepass_issuer::id::UserId;
use gatepass_issuer::password::{HashPolicy, Password};
use gatepass_issuer::user::Role;
use gatepass_issuer::{Config, Issuer, MasterKey, Profile, ResourceServer, ResourceServers, Signing};
use gatepass_jose::{Alg, Timestamp};
use gatepass_server::{Clock, HttpConfig, router_at};
use gatepass_store::Embedded;
use http::header::{AUTHORIZATION, CONTENT_TYPE, COOKIE, SET_COOKIE};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tower::ServiceExt;

pub(crate) const ISSUER: &str = "https://auth.example.com";
pub(crate) const API: &str = "https://api.example.com";
pub(crate) const COOKIE_NAME: &str = "__Secure-gatepass-refresh";
pub(crate) const PASSWORD: &str = "correct horse battery staple";
/// When a fixture's clock starts, in milliseconds.
pub(crate) const START: i64 = 1_763_780_000_000;

pub(crate) struct Fixture {
    pub(crate) issuer: Arc<Issuer>,
    pub(crate) router: Router,
    pub(crate) alice: UserId,
    /// The secret of the confidential client `batch`.
    pub(crate) secret: String,
    millis: Arc<AtomicI64>,
    // Behind everything that uses it.
    _dir: tempfile::TempDir,
}

impl Fixture {
    pub(crate) async fn new() -> Self {
        Self::with(HttpConfig::default(), |_| {}).await
    }

    pub(crate) async fn with(http: HttpConfig, change: impl FnOnce(&mut Config)) -> Self {
        Self::made(http, change, |issuer| issuer).await
    }

    /// As [`Fixture::with`], with an issuer that `finish` has added to.
    pub(crate) async fn made(
        http: HttpConfig,
        change: impl FnOnce(&mut Config),
        finish: impl FnOnce(Issuer) -> Issuer,
    ) -> Self {
        let dir = folder();
        let store = Arc::new(Embedded::open(dir.path()).unwrap());
        let name = gatepass_jose::Issuer::new(ISSUER).unwrap();
        let servers = [API, "https://other.example.com"].map(resource_server);
        let servers = ResourceServers::new(&name, servers.to_vec());
        let mut config = Config::new(name, servers.unwrap());
        config.hashing = HashPolicy { memory_kib: 64, passes: 1, workers: 1, queue: 64 };
        change(&mut config);
        let now = Timestamp::from_millis(START);
        let issuer = Issuer::open(config, &MasterKey::generate().unwrap(), store, now).await.unwrap();
        let (alice, secret) = populate(&issuer, now).await;
        let issuer = Arc::new(finish(issuer));
        let millis = Arc::new(AtomicI64::new(START));
        let clock = {
            let millis = Arc::clone(&millis);
            Clock::new(move || Timestamp::from_millis(millis.load(Ordering::SeqCst)))
        };
        let router = router_at(Arc::clone(&issuer), http, clock);
        Self { issuer, router, alice, secret, millis, _dir: dir }
    }

    pub(crate) fn pass(&self, time: Duration) {
        self.millis.fetch_add(time.as_millis() as i64, Ordering::SeqCst);
    }

    pub(crate) fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.millis.load(Ordering::SeqCst))
    }

    pub(crate) fn get(&self, path: &str) -> Call {
        Call::new(&self.router, Method::GET, path)
    }

    pub(crate) fn post(&self, path: &str) -> Call {
        Call::new(&self.router, Method::POST, path)
    }

    pub(crate) fn call(&self, method: Method, path: &str) -> Call {
        Call::new(&self.router, method, path)
    }

    /// Logs in with the refresh token in the body.
    pub(crate) async fn log_in(&self, username: &str) -> LoggedIn {
        let body = json!({ "username": username, "password": PASSWORD, "refresh_token": "body" });
        let answer = self.post("/session/login").json(&body).send().await.expect(StatusCode::OK).json();
        let text = |name: &str| answer[name].as_str().unwrap().to_owned();
        LoggedIn { access: text("access_token"), refresh: text("refresh_token"), session: text("session_id") }
    }

    /// An access token with the admin scope.
    pub(crate) async fn admin(&self) -> String {
        self.log_in("root").await.access
    }

    /// What an administrator is told of a token, who may know of every one.
    pub(crate) async fn introspected(&self, token: &str) -> Value {
        let call = self.post("/oauth/introspect").bearer(&self.admin().await);
        call.form(&format!("token={token}")).send().await.expect(StatusCode::OK).json()
    }

    /// An access token that `batch` has for itself.
    pub(crate) async fn batch_token(&self) -> String {
        let call = self.post("/oauth/token").basic("batch", &self.secret);
        let answer = call.form("grant_type=client_credentials").send().await.expect(StatusCode::OK).json();
        answer["access_token"].as_str().unwrap().to_owned()
    }
}

/// A resource server whose tokens are signed with a published key, and that knows all scopes.
pub(crate) fn resource_server(audience: &str) -> ResourceServer {
    ResourceServer {
        audience: audience.into(),
        signing: Signing::Published(Alg::ES256),
        scope: None,
        not_before: false,
        encryption: None,
    }
}

/// A folder for a store, in memory where this machine has one there: what becomes durable is tested with the store.
pub(crate) fn folder() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

/// What Alice logs in with.
pub(crate) fn credentials() -> Value {
    json!({ "username": "alice", "password": PASSWORD })
}

/// The token with another signature, which is one in form: what its last character can be are A, Q, g and w.
pub(crate) fn forged(token: &str) -> String {
    let (rest, last) = token.split_at(token.len() - 1);
    format!("{rest}{}", if last == "A" { "Q" } else { "A" })
}

/// A JSON object with a member more, or another value for one.
pub(crate) fn with(mut object: Value, name: &str, value: Value) -> Value {
    object[name] = value;
    object
}

pub(crate) struct LoggedIn {
    pub(crate) access: String,
    pub(crate) refresh: String,
    pub(crate) session: String,
}

async fn populate(issuer: &Issuer, now: Timestamp) -> (UserId, String) {
    for (name, scope) in [("admin", "gatepass:admin"), ("clerk", "orders:read orders:write")] {
        let role = Role { name: name.parse().unwrap(), scope: scope.parse().unwrap() };
        issuer.put_role(role, now).await.unwrap();
    }
    let user = |name: &str, role: &str| NewUser {
        username: name.parse().unwrap(),
        name: None,
        password: FirstPassword::New(Password::new(PASSWORD).unwrap()),
        email: None,
        disabled: false,
        roles: vec![role.parse().unwrap()],
    };
    issuer.create_user(user("root", "admin"), now).await.unwrap();
    let alice = issuer.create_user(user("alice", "clerk"), now).await.unwrap();
    if issuer.config().profile == Profile::Fapi2 {
        return (alice.id, String::new()); // none of the clients would fit
    }
    let client = |id: &str, confidential, grants: &[GrantType]| NewClient {
        id: Some(id.parse().unwrap()),
        name: id.to_owned(),
        credential: if confidential { NewCredential::Secret } else { NewCredential::None },
        grants: grants.to_vec(),
        scope: "orders:read".parse().unwrap(),
        audience: Vec::new(),
        sign_on: SignOnClient::default(),
        exchange: None,
        extensions: ClientExtensions::default(),
    };
    let grants = [GrantType::ClientCredentials];
    let (_, secret) = issuer.create_client(client("batch", true, &grants), now).await.unwrap();
    issuer.create_client(client("idle", true, &[]), now).await.unwrap();
    issuer.create_client(client("web", false, &[GrantType::RefreshToken]), now).await.unwrap();
    (alice.id, secret.unwrap().expose().to_owned())
}

/// A request in the making.
#[derive(Clone)]
pub(crate) struct Call {
    router: Router,
    method: Method,
    path: String,
    headers: HeaderMap,
    body: Bytes,
    peer: Option<SocketAddr>,
}

impl Call {
    fn new(router: &Router, method: Method, path: &str) -> Self {
        Self {
            router: router.clone(),
            method,
            path: path.to_owned(),
            headers: HeaderMap::new(),
            body: Bytes::new(),
            peer: None,
        }
    }

    pub(crate) fn header(mut self, name: impl TryInto<HeaderName>, value: &str) -> Self {
        let name = name.try_into().unwrap_or_else(|_| panic!("a header's name"));
        self.headers.append(name, HeaderValue::from_str(value).unwrap());
        self
    }

    pub(crate) fn bearer(self, token: &str) -> Self {
        self.header(AUTHORIZATION, &format!("Bearer {token}"))
    }

    pub(crate) fn basic(self, id: &str, secret: &str) -> Self {
        let pair = base64_simd::STANDARD.encode_to_string(format!("{id}:{secret}"));
        self.header(AUTHORIZATION, &format!("Basic {pair}"))
    }

    pub(crate) fn cookie(self, token: &str) -> Self {
        self.header(COOKIE, &format!("{COOKIE_NAME}={token}"))
    }

    pub(crate) fn json(self, body: &Value) -> Self {
        self.header(CONTENT_TYPE, "application/json").body(body.to_string())
    }

    pub(crate) fn form(self, body: &str) -> Self {
        self.header(CONTENT_TYPE, "application/x-www-form-urlencoded").body(body.to_owned())
    }

    pub(crate) fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self
    }

    pub(crate) fn from(mut self, peer: IpAddr) -> Self {
        self.peer = Some(SocketAddr::new(peer, 4711));
        self
    }

    fn request(self) -> (Router, Request<Body>) {
        let mut request = Request::new(Body::from(self.body));
        *request.method_mut() = self.method;
        *request.uri_mut() = self.path.parse().unwrap();
        *request.headers_mut() = self.headers;
        if let Some(peer) = self.peer {
            request.extensions_mut().insert(ConnectInfo(peer));
        }
        (self.router, request)
    }

    /// The response with its body not read yet.
    pub(crate) async fn open(self) -> http::Response<Body> {
        let (router, request) = self.request();
        router.oneshot(request).await.unwrap()
    }

    pub(crate) async fn send(self) -> Answer {
        let asked = format!("{} {}", self.method, self.path);
        let (head, body) = self.open().await.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        Answer { asked, status: head.status, headers: head.headers, body }
    }
}

/// A response, read whole.
#[derive(Debug)]
pub(crate) struct Answer {
    asked: String,
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// What a description is made of, whichever endpoint gives it (RFC 6749 sections 4.1.2.1 and 5.2).
#[track_caller]
pub(crate) fn require_description(text: &str) {
    let is_allowed = |byte: u8| matches!(byte, 0x20..=0x21 | 0x23..=0x5b | 0x5d..=0x7e);
    assert!(!text.is_empty() && text.bytes().all(is_allowed), "no description: {text:?}");
}

impl Answer {
    #[track_caller]
    pub(crate) fn expect(self, status: StatusCode) -> Self {
        assert_eq!(self.status, status, "{}: {:?}", self.asked, self.body);
        self
    }

    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("{}: {:?}", self.asked, self.body))
    }

    pub(crate) fn header(&self, name: impl http::header::AsHeaderName) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// Where the browser goes on to by itself: from a link by a redirect, from a form by a page that comes between; "" where it
    /// stays.
    pub(crate) fn led_to(&self) -> &str {
        match self.status {
            StatusCode::OK => self.header("refresh").strip_prefix("0; url=").unwrap_or_default(),
            _ => self.header("location"),
        }
    }

    /// Status and `code` of a problem; checks what holds for all of them.
    #[track_caller]
    pub(crate) fn problem(&self) -> (u16, String) {
        let asked = &self.asked;
        assert_eq!(self.header(CONTENT_TYPE), "application/problem+json", "{asked}: {:?}", self.body);
        assert_eq!(self.header("cache-control"), "no-store", "{asked}");
        let problem = self.json();
        assert_eq!(problem["status"], self.status.as_u16(), "{asked}");
        assert!(!problem["title"].as_str().unwrap().is_empty(), "{asked}");
        assert!(!problem["detail"].as_str().unwrap().is_empty(), "{asked}");
        if self.status == StatusCode::UNAUTHORIZED {
            assert!(!self.header("www-authenticate").is_empty(), "{asked}: a 401 without a challenge");
        }
        (self.status.as_u16(), problem["code"].as_str().unwrap().to_owned())
    }

    /// Status and `error` of an OAuth error.
    #[track_caller]
    pub(crate) fn oauth_error(&self) -> (u16, String) {
        let error = self.json();
        assert_eq!(self.header(CONTENT_TYPE), "application/json", "{}", self.asked);
        assert_eq!(self.header("cache-control"), "no-store", "{}", self.asked);
        require_description(error["error_description"].as_str().unwrap());
        (self.status.as_u16(), error["error"].as_str().unwrap().to_owned())
    }

    /// The value of the refresh cookie that is set, and its attributes.
    #[track_caller]
    pub(crate) fn set_cookie(&self) -> (String, Vec<String>) {
        let cookie = self.header(SET_COOKIE);
        let (pair, attributes) =
            cookie.split_once("; ").unwrap_or_else(|| panic!("{}: no cookie", self.asked));
        let value = pair.strip_prefix(COOKIE_NAME).and_then(|rest| rest.strip_prefix('='));
        (value.unwrap().to_owned(), attributes.split("; ").map(str::to_owned).collect())
    }
}
