//! A gateway, a server behind it, and clients that say exactly what they are told to.

use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use gatepass_gateway::{Config, Gateway};
use gatepass_jose::{Alg, SecretKey, SigningKey, Timestamp, Typ, jwt};
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::client::conn::{http1, http2};
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot};

/// No condition takes this long.
pub(crate) const DEADLINE: Duration = Duration::from_secs(20);

pub(crate) type TestBody = BoxBody<Bytes, Infallible>;

/// A gateway that runs until it is dropped.
pub(crate) struct Running {
    pub(crate) gateway: Gateway,
    pub(crate) address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    served: tokio::task::JoinHandle<()>,
}

impl Running {
    pub(crate) async fn start(config: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let gateway = Gateway::start(Config::parse(config).unwrap()).await.unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let serving = gateway.clone();
        let served = tokio::spawn(async move {
            let stopped = async { drop(stopped.await) };
            serving.serve(listener, stopped).await.unwrap();
        });
        Self { gateway, address, stop: Some(stop), served }
    }

    /// Stops it and waits until it has ended.
    pub(crate) async fn stop(mut self) {
        self.begin_stop();
        within(self.served).await.unwrap();
    }

    pub(crate) fn begin_stop(&mut self) {
        drop(self.stop.take());
    }

    pub(crate) async fn get(&self, path: &str, headers: &[(&str, &str)]) -> Answer {
        let mut request = Request::get(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        send(self.address, request.body(full("")).unwrap()).await
    }
}

/// A response whose body has been read.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    pub(crate) fn code(&self) -> String {
        self.json()["code"].as_str().unwrap_or_default().to_owned()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }
}

/// Opens a connection for requests.
pub(crate) async fn connect(address: SocketAddr) -> http1::SendRequest<TestBody> {
    let stream = TcpStream::connect(address).await.unwrap();
    let (requests, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection.with_upgrades());
    requests
}

/// Sends one request on a connection of its own. `Host` is filled in.
pub(crate) async fn send(address: SocketAddr, request: Request<TestBody>) -> Answer {
    let mut requests = connect(address).await;
    read(send_on(&mut requests, request).await).await
}

pub(crate) async fn send_on(
    requests: &mut http1::SendRequest<TestBody>,
    mut request: Request<TestBody>,
) -> Response<Incoming> {
    request.headers_mut().entry("host").or_insert("api.example.com".parse().unwrap());
    within(requests.ready()).await.unwrap();
    within(requests.send_request(request)).await.unwrap()
}

pub(crate) async fn read(response: Response<Incoming>) -> Answer {
    let (head, body) = response.into_parts();
    let bytes = within(body.collect()).await.unwrap().to_bytes();
    Answer { status: head.status, headers: head.headers, text: String::from_utf8(bytes.to_vec()).unwrap() }
}

/// A body of frames that are sent one by one, until the sender is dropped.
pub(crate) fn channel() -> (mpsc::UnboundedSender<Frame<Bytes>>, TestBody) {
    let (sender, receiver) = mpsc::unbounded_channel();
    let frames = futures_util::stream::unfold(receiver, |mut receiver| async move {
        receiver.recv().await.map(|frame| (Ok(frame), receiver))
    });
    (sender, BodyExt::boxed(StreamBody::new(frames)))
}

/// Opens an HTTP/2 connection for requests.
pub(crate) async fn connect_http2(address: SocketAddr) -> http2::SendRequest<TestBody> {
    let stream = TcpStream::connect(address).await.unwrap();
    let (requests, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    requests
}

pub(crate) fn full(text: impl Into<Bytes>) -> TestBody {
    Full::new(text.into()).boxed()
}

/// Writes bytes, and reads until the other side closes.
pub(crate) async fn raw(address: SocketAddr, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    read_to_end(&mut stream).await
}

pub(crate) async fn read_to_end(stream: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    // A reset says as much as an end.
    let ended = tokio::time::timeout(DEADLINE, stream.read_to_end(&mut answer)).await;
    let answer = String::from_utf8_lossy(&answer).into_owned();
    assert!(ended.is_ok(), "it was not closed after: {answer}");
    answer
}

/// A server behind the gateway.
pub(crate) struct Backend {
    pub(crate) address: SocketAddr,
    connections: Arc<AtomicUsize>,
}

impl Backend {
    /// Answers every request with what `answer` makes of it.
    pub(crate) async fn start<A, F>(answer: A) -> Self
    where
        A: Fn(Request<Incoming>) -> F + Clone + Send + Sync + 'static,
        F: Future<Output = Response<TestBody>> + Send + 'static,
    {
        Self::converse(move |stream| {
            let connection = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), answering(answer.clone()))
                .with_upgrades();
            tokio::spawn(connection);
        })
        .await
    }

    /// As [`Backend::start`], over HTTP/2 and nothing else.
    pub(crate) async fn start_http2<A, F>(answer: A) -> Self
    where
        A: Fn(Request<Incoming>) -> F + Clone + Send + Sync + 'static,
        F: Future<Output = Response<TestBody>> + Send + 'static,
    {
        Self::converse(move |stream| {
            let connection = hyper::server::conn::http2::Builder::new(TokioExecutor::new())
                .serve_connection(TokioIo::new(stream), answering(answer.clone()));
            tokio::spawn(connection);
        })
        .await
    }

    /// Counts connections, and leaves each to `serve`.
    async fn converse(serve: impl Fn(TcpStream) + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let connections = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&connections);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                count.fetch_add(1, Ordering::SeqCst);
                serve(stream);
            }
        });
        Self { address, connections }
    }

    /// Tells in JSON what it got: method, target, header fields (in order, repeated ones too) and body.
    pub(crate) async fn mirror() -> Self {
        Self::start(mirror).await
    }

    /// How many connections it has accepted.
    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

fn answering<A, F>(
    answer: A,
) -> impl Service<Request<Incoming>, Response = Response<TestBody>, Error = Infallible, Future: Send>
where
    A: Fn(Request<Incoming>) -> F,
    F: Future<Output = Response<TestBody>> + Send,
{
    service_fn(move |request| {
        let response = answer(request);
        async move { Ok(response.await) }
    })
}

/// The answer of [`Backend::mirror`].
pub(crate) async fn mirror(request: Request<Incoming>) -> Response<TestBody> {
    let (head, body) = request.into_parts();
    let fields: Vec<(&str, &str)> =
        head.headers.iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap_or("?"))).collect();
    let fields = serde_json::to_value(fields).unwrap();
    let collected = body.collect().await.ok();
    let trailers = collected
        .as_ref()
        .and_then(|body| body.trailers())
        .map(|trailers| trailers.iter().map(|(name, _)| name.to_string()).collect::<Vec<_>>());
    let body = collected.map(|body| body.to_bytes()).unwrap_or_default();
    let told = serde_json::json!({
        "method": head.method.as_str(),
        "target": head.uri.to_string(),
        "fields": fields,
        "body": String::from_utf8_lossy(&body),
        "trailers": trailers,
    });
    Response::new(full(told.to_string()))
}

/// The values of a field that a mirror got.
pub(crate) fn mirrored<'a>(told: &'a serde_json::Value, name: &str) -> Vec<&'a str> {
    let fields = told["fields"].as_array().unwrap();
    fields.iter().filter(|field| field[0] == name).map(|field| field[1].as_str().unwrap()).collect()
}

/// A configuration with one upstream, `backend`, and these routes.
pub(crate) fn config(backend: SocketAddr, routes: &str) -> String {
    format!(
        "listen = '127.0.0.1:0'\n
        [[issuer]]\nurl = '{ISSUER}'\naudience = ['{AUDIENCE}']\nrevocation = 'none'\nsecret_file = '{}'\n
        [[upstream]]\nname = 'backend'\nservers = ['http://{backend}']\n
        {routes}",
        secret_file()
    )
}

const ISSUER: &str = "https://auth.example.com";
const AUDIENCE: &str = "https://api.example.com";
const SECRET: &[u8] = b"a secret of thirty-two bytes or more";

/// A file with the issuer's secret in it.
fn secret_file() -> &'static str {
    static FILE: OnceLock<String> = OnceLock::new();
    FILE.get_or_init(|| {
        let path = format!("{}/gateway-secret", env!("CARGO_TARGET_TMPDIR"));
        std::fs::write(&path, format!("{}\n", gatepass_jose::base64url::encode(SECRET))).unwrap();
        path
    })
}

/// An access token in the making.
#[derive(Debug, Clone)]
pub(crate) struct Token {
    claims: serde_json::Map<String, Value>,
    typ: Typ,
    secret: Vec<u8>,
}

impl Token {
    /// A good one.
    pub(crate) fn of(subject: &str) -> Self {
        let claims = serde_json::json!({
            "iss": ISSUER, "aud": AUDIENCE, "sub": subject, "jti": "t1", "client_id": "web",
            "iat": now(), "exp": now() + 900,
        });
        Self { claims: claims.as_object().unwrap().clone(), typ: Typ::ACCESS_TOKEN, secret: SECRET.to_vec() }
    }

    pub(crate) fn claim(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.claims.insert(name.to_owned(), value.into());
        self
    }

    pub(crate) fn expires_in(self, seconds: i64) -> Self {
        self.claim("exp", now() + seconds)
    }

    pub(crate) fn typ(mut self, typ: &'static str) -> Self {
        self.typ = Typ::new(typ);
        self
    }

    pub(crate) fn signed_with(mut self, secret: &[u8]) -> Self {
        self.secret = secret.to_vec();
        self
    }

    /// As the `Authorization` field carries it.
    pub(crate) fn bearer(&self) -> String {
        let secret = SecretKey::new(self.secret.clone());
        self.bearer_with(&SigningKey::from_secret(Alg::HS256, "test", &secret).unwrap())
    }

    /// Signed with a key of another kind.
    pub(crate) fn bearer_with(&self, key: &SigningKey) -> String {
        format!("Bearer {}", jwt::sign(&self.typ, &self.claims, key).unwrap())
    }
}

#[allow(clippy::disallowed_methods)] // the tests' one look at the clock: tokens have to be current
pub(crate) fn now() -> i64 {
    Timestamp::from(std::time::SystemTime::now()).as_secs()
}

/// A route that takes everything and asks for nothing.
pub(crate) const OPEN: &str = "[[route]]\npath = '/{*rest}'\nupstream = 'backend'\npublic = true\n";

/// Waits, but not for ever.
pub(crate) async fn within<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(DEADLINE, future).await.expect("it took too long")
}

/// Waits until a condition holds.
pub(crate) async fn until(what: &str, condition: impl Fn() -> bool) {
    let started = std::time::Instant::now();
    while !condition() {
        assert!(started.elapsed() < DEADLINE, "{what} did not come about");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}
