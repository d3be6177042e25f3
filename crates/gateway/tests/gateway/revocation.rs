//! What an issuer takes back, as requests and streams at the gateway feel it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use gatepass_jose::{Alg, SigningKey, Typ, jwt};
use http::{Request, Response, StatusCode};
use http_body_util::BodyExt;
use hyper::body::{Frame, Incoming};
use serde_json::{Value, json};
use tokio::io::AsyncReadExt;
use tokio::sync::watch;

use crate::harness::{
    Backend, Running, TestBody, Token, channel, connect, connect_http2, full, now, send_on, until, within,
};
use crate::streams::{close, open_websocket, rest};
use crate::upgrade::echo;

const ISSUER: &str = "https://auth.example.com";

/// An issuer with a revocation feed and a status list, written down by hand as the wire has them.
struct Issuer {
    key: SigningKey,
    /// The ids of sessions that are revoked.
    log: watch::Sender<Vec<String>>,
    is_silent: AtomicBool,
    is_down: AtomicBool,
    asked_about: AtomicUsize,
}

impl Issuer {
    async fn start() -> (Arc<Self>, Backend) {
        let issuer = Arc::new(Issuer {
            key: SigningKey::generate(Alg::ES256, Some("k1")).unwrap(),
            log: watch::Sender::default(),
            is_silent: AtomicBool::new(false),
            is_down: AtomicBool::new(false),
            asked_about: AtomicUsize::new(0),
        });
        let answering = Arc::clone(&issuer);
        let backend = Backend::start(move |request: Request<Incoming>| {
            let issuer = Arc::clone(&answering);
            async move { issuer.answer(&request) }
        })
        .await;
        (issuer, backend)
    }

    fn answer(self: Arc<Self>, request: &Request<Incoming>) -> Response<TestBody> {
        let path = request.uri().path();
        if self.is_down.load(Ordering::SeqCst) && path != "/introspect" {
            return Response::builder().status(StatusCode::BAD_GATEWAY).body(full("")).unwrap();
        }
        match path {
            "/jwks" => Response::new(full(json!({ "keys": [self.key.public_jwk().unwrap()] }).to_string())),
            "/revocations/snapshot" => {
                let entries: Vec<_> =
                    (1..).zip(&*self.log.borrow()).map(|(seq, id)| entry(seq, id)).collect();
                let snapshot = json!({
                    "iss": ISSUER, "iat": now(), "exp": now() + 300, "seq": entries.len(),
                    "now": now() * 1000, "entries": entries,
                });
                Response::new(full(self.sign("gatepass-revocations+jwt", &snapshot)))
            }
            "/revocations/stream" => {
                let (frames, body) = channel();
                tokio::spawn(self.feed(frames));
                Response::builder().header("content-type", "text/event-stream").body(body).unwrap()
            }
            "/introspect" => {
                self.asked_about.fetch_add(1, Ordering::SeqCst);
                Response::new(full(r#"{"active":true}"#))
            }
            // Sixteen statuses of one bit, of which the first is set.
            "/statuses" => Response::new(full(self.sign(
                "statuslist+jwt",
                &json!({
                    "sub": format!("http://{}/statuses", request.headers()["host"].to_str().unwrap()),
                    "iat": now(), "ttl": 1, "status_list": { "bits": 1, "lst": "eNrbuRgAAhcBXQ" },
                }),
            ))),
            other => panic!("nobody should ask for {other}"),
        }
    }

    fn sign(&self, typ: &'static str, claims: &Value) -> String {
        jwt::sign(&Typ::new(typ), claims, &self.key).unwrap()
    }

    async fn feed(self: Arc<Self>, frames: tokio::sync::mpsc::UnboundedSender<Frame<bytes::Bytes>>) {
        let mut log = self.log.subscribe();
        let mut sent = 0;
        loop {
            let entries: Vec<_> =
                (1..).zip(&*log.borrow_and_update()).skip(sent).map(|(seq, id)| entry(seq, id)).collect();
            sent += entries.len();
            let mut text: String =
                entries.iter().map(|entry| format!("event: revocation\ndata: {entry}\n\n")).collect();
            if !self.is_silent.load(Ordering::SeqCst) {
                text += &format!("event: heartbeat\ndata: {{\"seq\":{sent},\"now\":{}}}\n\n", now() * 1000);
            }
            if frames.send(Frame::data(text.into())).is_err() {
                return;
            }
            let _ = tokio::time::timeout(Duration::from_millis(100), log.changed()).await;
        }
    }

    fn revoke_session(&self, id: &str) {
        self.log.send_modify(|log| log.push(id.to_owned()));
    }

    fn token(&self, session: &str) -> Token {
        Token::of("ann").claim("sid", session)
    }
}

fn entry(seq: usize, id: &str) -> Value {
    json!({
        "seq": seq, "kind": "session", "id": id, "reason": "logout",
        "issued_before": now() * 1000, "forget_after": (now() + 1_000) * 1000,
    })
}

/// A file with one upstream, this issuer, and what its table says beyond that.
fn text(issuer: &Backend, backend: &Backend, revocation: &str, rest: &str) -> String {
    format!(
        "listen = '127.0.0.1:0'\n
        [[issuer]]\nurl = '{ISSUER}'\naudience = ['https://api.example.com']\nbase_url = 'http://{0}'\n
        jwks_uri = '{ISSUER}/jwks'\n{revocation}\n
        [[upstream]]\nname = 'backend'\nservers = ['http://{1}']\n
        {rest}",
        issuer.address, backend.address,
    )
}

const FEED: &str = "revocation = 'feed'\non_stale = { after = '1h', then = 'deny' }";
const OPEN: &str = "[[route]]\npath = '/{*rest}'\nupstream = 'backend'\n";

async fn start(text: &str) -> Running {
    let gateway = Running::start(text).await;
    until("readiness", || gateway.gateway.is_ready()).await;
    gateway
}

#[tokio::test]
async fn a_websocket_ends_when_its_session_is_revoked() {
    let (issuer, published) = Issuer::start().await;
    let gateway = start(&text(&published, &echo().await, FEED, OPEN)).await;
    let open = async |session| {
        open_websocket(&gateway, "/socket", &issuer.token(session).bearer_with(&issuer.key)).await
    };
    let (mut ends, mut goes_on) = (open("s1").await, open("s2").await);
    issuer.revoke_session("s1");
    assert_eq!(rest(&mut ends).await, close(4401, "revoked"));
    assert_eq!(gateway.gateway.stats().ended, 1);
    let checks = gateway.gateway.stats().checks;
    let checks: Vec<_> = checks.iter().map(|count| (count.code, count.check, count.ended)).collect();
    assert_eq!(checks, [("revoked", "session", 1)]);
    tokio::io::AsyncWriteExt::write_all(&mut goes_on, b"\x82\x00").await.unwrap();
    within(goes_on.read_exact(&mut [0; 2])).await.unwrap();
}

#[tokio::test]
async fn an_event_stream_ends_when_its_session_is_revoked() {
    let (issuer, published) = Issuer::start().await;
    let backend = Backend::start(|_| async { endless("text/event-stream", "data: 1\n\n") }).await;
    let gateway = start(&text(&published, &backend, FEED, OPEN)).await;
    let mut requests = connect(gateway.address).await;
    let bearer = issuer.token("s1").bearer_with(&issuer.key);
    let request = Request::get("/").header("authorization", bearer).body(full("")).unwrap();
    let mut body = send_on(&mut requests, request).await.into_body();
    within(body.frame()).await.unwrap().unwrap();
    issuer.revoke_session("s1");
    let rest = within(body.collect()).await.unwrap().to_bytes();
    assert_eq!(rest, "event: gatepass.end\ndata: revoked\n\n");
}

#[tokio::test]
async fn a_grpc_call_ends_when_its_session_is_revoked() {
    let (issuer, published) = Issuer::start().await;
    let backend = Backend::start_http2(|_| async { endless("application/grpc", "x") }).await;
    let routes = format!("protocol = 'h2'\n{OPEN}");
    let gateway = start(&text(&published, &backend, FEED, &routes)).await;
    let mut requests = connect_http2(gateway.address).await;
    let request = Request::post("http://api.example.com/")
        .header("authorization", issuer.token("s1").bearer_with(&issuer.key))
        .header("te", "trailers");
    let response = within(requests.send_request(request.body(full("")).unwrap())).await.unwrap();
    let mut body = response.into_body();
    within(body.frame()).await.unwrap().unwrap();
    issuer.revoke_session("s1");
    let trailers = within(body.frame()).await.unwrap().unwrap().into_trailers().unwrap();
    assert_eq!(
        (&trailers["grpc-status"], &trailers["grpc-message"]),
        (&"16".parse().unwrap(), &"revoked".parse().unwrap())
    );
}

fn endless(kind: &'static str, begin: &'static str) -> Response<TestBody> {
    let (frames, body) = channel();
    frames.send(Frame::data(begin.into())).unwrap();
    tokio::spawn(async move { frames.closed().await });
    Response::builder().header("content-type", kind).body(body).unwrap()
}

#[tokio::test]
async fn a_route_says_what_holds_when_the_view_is_stale() {
    let (issuer, published) = Issuer::start().await;
    let secret = format!("{}/introspection-secret", env!("CARGO_TARGET_TMPDIR"));
    std::fs::write(&secret, "s3cret\n").unwrap();
    let trust = format!(
        "{FEED}\nintrospection = {{ url = '{ISSUER}/introspect', client_id = 'gateway', client_secret_file = '{secret}' }}"
    );
    let route =
        |path: &str, policy: &str| format!("[[route]]\npath = '{path}'\nupstream = 'backend'\n{policy}\n");
    let routes = [
        route("/usual", ""),
        route("/strict", "on_stale = { after = '1s', then = 'deny' }"),
        route("/lax", "on_stale = { after = '1s', then = 'allow' }"),
        route("/asks", "on_stale = { after = '1s', then = 'introspect' }"),
    ];
    let backend = echo().await;
    let gateway = start(&text(&published, &backend, &trust, &routes.concat())).await;
    let bearer = issuer.token("s1").bearer_with(&issuer.key);
    let statuses = async || {
        let mut statuses = Vec::new();
        for path in ["/usual", "/strict", "/lax", "/asks"] {
            statuses.push(gateway.get(path, &[("authorization", &bearer)]).await.status.as_u16());
        }
        statuses
    };
    assert_eq!(statuses().await, [200, 200, 200, 200]);
    assert_eq!(issuer.asked_about.load(Ordering::SeqCst), 0, "nobody asks while the view is fresh");
    let mut usual = open_websocket(&gateway, "/usual", &bearer).await;
    let mut strict = open_websocket(&gateway, "/strict", &bearer).await;

    issuer.is_silent.store(true, Ordering::SeqCst);
    issuer.is_down.store(true, Ordering::SeqCst);
    assert_eq!(rest(&mut strict).await, close(1013, "verification-unavailable"));
    assert_eq!(statuses().await, [200, 503, 200, 200]);
    assert_eq!(issuer.asked_about.load(Ordering::SeqCst), 1);
    tokio::io::AsyncWriteExt::write_all(&mut usual, b"\x82\x00").await.unwrap();
    within(usual.read_exact(&mut [0; 2])).await.unwrap();

    // The forward-auth endpoint is asked about the same routes.
    let asked =
        [("authorization", bearer.as_str()), ("x-forwarded-method", "GET"), ("x-forwarded-uri", "/strict")];
    assert_eq!(gateway.get("/auth/verify", &asked).await.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(gateway.gateway.is_ready(), "readiness is about what the issuer's table says");
}

#[tokio::test]
async fn status_lists_are_read() {
    let (issuer, published) = Issuer::start().await;
    let lists = format!("http://{}", published.address);
    let revocation = format!(
        "revocation = 'status-list'\nstatus_list_origins = ['{lists}']\non_stale = {{ after = '0s', then = 'deny' }}"
    );
    let routes = format!(
        "{OPEN}[[route]]\npath = '/lax'\nupstream = 'backend'\non_stale = {{ after = '1h', then = 'deny' }}\n"
    );
    let gateway = start(&text(&published, &Backend::mirror().await, &revocation, &routes)).await;
    let status = async |path: &str, idx: u8| {
        let list = json!({ "status_list": { "idx": idx, "uri": format!("{lists}/statuses") } });
        let bearer = issuer.token("s1").claim("status", list).bearer_with(&issuer.key);
        let answer = gateway.get(path, &[("authorization", &bearer)]).await;
        answer.status.as_u16()
    };
    assert_eq!((status("/", 0).await, status("/", 1).await), (401, 200));
    issuer.is_down.store(true, Ordering::SeqCst);
    let deadline = std::time::Instant::now();
    while status("/", 1).await != 503 {
        assert!(deadline.elapsed() < crate::harness::DEADLINE, "the list is never due");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!((status("/lax", 0).await, status("/lax", 1).await), (401, 200));
}
