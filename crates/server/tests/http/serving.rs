//! The driver, on real sockets of this machine.

use std::net::SocketAddr;
use std::time::Duration;

use gatepass_server::{HttpConfig, Limits, serve};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::fixture::Fixture;

/// Long enough for anything that happens at all.
const DEADLINE: Duration = Duration::from_secs(20);

struct Running {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    served: JoinHandle<()>,
    _fixture: Fixture,
}

impl Running {
    async fn start(limits: Limits) -> Self {
        Self::start_with(HttpConfig::default(), limits).await
    }

    async fn start_with(http: HttpConfig, limits: Limits) -> Self {
        let fixture = Fixture::with(http, |_| {}).await;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel();
        let shutdown = async { drop(stopped.await) };
        let served = tokio::spawn(serve(listener, fixture.router.clone(), limits, shutdown));
        Self { address, stop, served, _fixture: fixture }
    }

    async fn connect(&self) -> Client {
        Client(TcpStream::connect(self.address).await.unwrap())
    }
}

struct Client(TcpStream);

impl Client {
    async fn write(&mut self, text: &str) {
        self.0.write_all(text.as_bytes()).await.unwrap();
    }

    async fn get(&mut self, path: &str) {
        self.write(&format!("GET {path} HTTP/1.1\r\nhost: auth.example.com\r\n\r\n")).await;
    }

    /// Reads until `text` has come.
    async fn read_until(&mut self, text: &str) -> String {
        let mut read = Vec::new();
        let seen = async {
            while !String::from_utf8_lossy(&read).contains(text) {
                assert_ne!(self.0.read_buf(&mut read).await.unwrap(), 0, "the connection ended");
            }
        };
        tokio::time::timeout(DEADLINE, seen).await.expect("nothing more came");
        String::from_utf8(read).unwrap()
    }

    /// Reads to the connection's end.
    async fn read_to_end(mut self) -> String {
        let mut read = Vec::new();
        let end = self.0.read_to_end(&mut read);
        // A reset is an end too.
        drop(tokio::time::timeout(DEADLINE, end).await.expect("the connection did not end"));
        String::from_utf8_lossy(&read).into_owned()
    }
}

#[tokio::test]
async fn requests_are_served_one_after_the_other_on_a_connection() {
    let running = Running::start(Limits::default()).await;
    let mut client = running.connect().await;
    for _ in 0..3 {
        client.get("/livez").await;
        let answer = client.read_until("alive").await;
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    }
}

#[tokio::test]
async fn http_2_is_spoken_without_being_asked_to() {
    let running = Running::start(Limits::default()).await;
    let stream = TcpStream::connect(running.address).await.unwrap();
    let io = hyper_util::rt::TokioIo::new(stream);
    let executor = hyper_util::rt::TokioExecutor::new();
    let (mut sender, connection) = hyper::client::conn::http2::handshake(executor, io).await.unwrap();
    let connection = tokio::spawn(connection);
    let request = http::Request::get("http://auth.example.com/livez").body(String::new()).unwrap();
    let response = sender.send_request(request).await.unwrap();
    assert_eq!((response.status().as_u16(), response.version()), (200, http::Version::HTTP_2));
    drop((response, sender));
    connection.await.unwrap().unwrap();
}

#[tokio::test]
async fn who_says_nothing_is_not_waited_for() {
    let limits = Limits { header_timeout: Duration::from_millis(50), ..Limits::default() };
    let running = Running::start(limits).await;
    for (name, said) in [
        ("nothing", ""),
        ("half_a_method", "PO"),
        ("half_a_preface", "PRI * HTTP/2.0\r\n"),
        ("half_a_head", "GET /livez HTTP/1.1\r\nhost: a\r\n"),
    ] {
        let mut client = running.connect().await;
        client.write(said).await;
        let answer = client.read_to_end().await;
        assert!(!answer.contains("200"), "{name}: {answer}");
    }
}

#[tokio::test]
async fn there_are_only_so_many_connections() {
    let running = Running::start(Limits { connections: 1, ..Limits::default() }).await;
    let mut first = running.connect().await;
    first.get("/livez").await;
    first.read_until("alive").await;
    let mut second = running.connect().await;
    second.get("/livez").await;
    let mut byte = [0];
    let early = tokio::time::timeout(Duration::from_millis(50), second.0.peek(&mut byte)).await;
    assert!(early.is_err(), "the second was served beside the first");
    drop(first);
    second.read_until("alive").await;
}

#[tokio::test]
async fn who_takes_nothing_is_cut_off() {
    let limits = Limits { connections: 1, stall_timeout: Duration::from_millis(50), ..Limits::default() };
    let running = Running::start(limits).await;
    let mut greedy = running.connect().await;
    // Answers of some megabytes, more than the system takes on for somebody who does not read.
    let request = "GET /admin/v1/openapi.json HTTP/1.1\r\nhost: a\r\n\r\n".repeat(1000);
    let asking = tokio::spawn(async move {
        drop(greedy.0.write_all(request.as_bytes()).await);
        greedy
    });
    let mut next = running.connect().await;
    next.get("/livez").await;
    next.read_until("alive").await;
    drop(asking.await.unwrap());
}

#[tokio::test]
async fn a_stream_outlives_every_timeout() {
    let short = Duration::from_millis(50);
    let http = HttpConfig { request_timeout: short, body_timeout: short, ..HttpConfig::default() };
    let limits = Limits { header_timeout: short, stall_timeout: short, ..Limits::default() };
    let running = Running::start_with(http, limits).await;
    let mut client = running.connect().await;
    client.get("/revocations/stream").await;
    for _ in 0..3 {
        client.read_until("event: heartbeat").await;
    }
}

#[tokio::test]
async fn large_heads_are_refused() {
    let running = Running::start(Limits { header_bytes: 8192, ..Limits::default() }).await;
    let mut client = running.connect().await;
    client.write(&format!("GET /livez HTTP/1.1\r\nhost: a\r\nx: {}\r\n\r\n", "x".repeat(20_000))).await;
    let answer = client.read_until("\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 431"), "{answer}");
}

#[tokio::test]
async fn streams_and_idle_connections_end_with_the_server() {
    let running = Running::start(Limits::default()).await;
    let mut stream = running.connect().await;
    stream.get("/revocations/stream").await;
    stream.read_until("event: heartbeat").await;
    let mut idle = running.connect().await;
    idle.get("/livez").await;
    idle.read_until("alive").await;
    let silent = running.connect().await;

    running.stop.send(()).unwrap();
    let rest = stream.read_to_end().await;
    assert!(rest.ends_with("0\r\n\r\n"), "the stream was cut, not ended: {rest:?}");
    idle.read_to_end().await;
    silent.read_to_end().await;
    tokio::time::timeout(DEADLINE, running.served).await.expect("it goes on serving").unwrap();
    assert!(TcpStream::connect(running.address).await.is_err());
}

#[tokio::test]
async fn what_does_not_end_in_time_is_cut() {
    let running = Running::start(Limits { drain: Duration::from_millis(50), ..Limits::default() }).await;
    let mut client = running.connect().await;
    client
        .write("POST /session/login HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ncontent-length: 10\r\n\r\n{")
        .await;
    let mut other = running.connect().await;
    other.get("/livez").await;
    other.read_until("alive").await;
    running.stop.send(()).unwrap();
    tokio::time::timeout(DEADLINE, running.served).await.expect("it waits for the body").unwrap();
    client.read_to_end().await;
}

#[tokio::test]
async fn a_client_that_opens_and_resets_streams_in_turn_loses_its_connection() {
    let running = Running::start(Limits::default()).await;
    let frame = |kind: u8, flags: u8, stream: u32, payload: &[u8]| {
        let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
        [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
    };
    let mut said = [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".as_slice(), &frame(4, 0, 0, &[])].concat();
    // GET, http, /, and the authority "a", from the static table of RFC 7541.
    let head = [0x82, 0x86, 0x84, 0x41, 0x01, b'a'];
    for id in (1..2_000).step_by(2) {
        said.extend(frame(1, 0x5, id, &head));
        said.extend(frame(3, 0, id, &8_u32.to_be_bytes()));
    }
    let mut client = running.connect().await.0;
    let (mut reading, mut writing) = client.split();
    let mut heard = Vec::new();
    // Where it is closed before all is written, that is as good.
    let both = async { tokio::join!(writing.write_all(&said), reading.read_to_end(&mut heard)) };
    let _ = tokio::time::timeout(DEADLINE, both).await.expect("the connection did not end");
    // GOAWAY, and why: ENHANCE_YOUR_CALM.
    let goaway = heard.windows(17).any(|bytes| bytes[3] == 7 && bytes[13..17] == 11_u32.to_be_bytes());
    assert!(goaway, "{heard:?}");
}
