//! Servers behind the gateway: which one gets a request, and what becomes of those that are ill.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use gatepass_gateway::{Config, ServerState};
use http::{Request, Response, StatusCode};
use http_body_util::BodyExt;
use hyper::body::Frame;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::connection::closed_port;
use crate::harness::{
    Answer, Backend, OPEN, Running, channel, config, connect, full, raw, send, send_on, until, within,
};

/// With these servers, and what else is to be said of their upstream.
fn servers(addresses: &[SocketAddr], lines: &str) -> String {
    let list: Vec<String> = addresses.iter().map(|address| format!("'http://{address}'")).collect();
    let one = format!("servers = ['http://{}']", addresses[0]);
    config(addresses[0], OPEN).replace(&one, &format!("servers = [{}]\n{lines}", list.join(", ")))
}

/// What a server does with a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mood {
    Well,
    /// Answers 500.
    Erring,
    /// Closes the connection instead of answering.
    Closing,
    /// Closes it at the second request on it.
    ClosingAtSecond,
    /// Answers checks alone until its mood is another.
    Waiting,
    /// Announces more than it sends.
    BreakingLength,
    /// Does not end a chunked body.
    BreakingChunks,
}

/// A server of changing moods.
struct Moody {
    address: SocketAddr,
    mood: watch::Sender<Mood>,
    seen: Arc<Seen>,
}

#[derive(Default)]
struct Seen {
    /// Of each request.
    heads: Mutex<Vec<String>>,
    open: AtomicUsize,
}

impl Moody {
    async fn start(mood: Mood) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (mood, moods) = watch::channel(mood);
        let seen = Arc::<Seen>::default();
        let counted = Arc::clone(&seen);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (seen, moods) = (Arc::clone(&counted), moods.clone());
                tokio::spawn(async move {
                    seen.open.fetch_add(1, Ordering::SeqCst);
                    converse(stream, &seen, moods).await;
                    seen.open.fetch_sub(1, Ordering::SeqCst);
                });
            }
        });
        Self { address, mood, seen }
    }

    fn set(&self, mood: Mood) {
        self.mood.send_replace(mood);
    }

    /// How many requests have come, checks included.
    fn requests(&self) -> usize {
        self.seen.heads.lock().unwrap().len()
    }

    /// How many of them [`post`] sent.
    fn posts(&self) -> usize {
        self.seen.heads.lock().unwrap().iter().filter(|head| head.starts_with("POST ")).count()
    }

    fn open_connections(&self) -> usize {
        self.seen.open.load(Ordering::SeqCst)
    }
}

async fn converse(mut stream: TcpStream, seen: &Seen, mut moods: watch::Receiver<Mood>) {
    for round in 0.. {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            match stream.read_u8().await {
                Ok(byte) => head.push(byte),
                Err(_) => return,
            }
        }
        let head = String::from_utf8(head).unwrap();
        let is_check = head.starts_with("GET /health");
        seen.heads.lock().unwrap().push(head);
        let decided = moods.wait_for(|mood| is_check || *mood != Mood::Waiting).await;
        let Ok(mood) = decided.map(|mood| *mood) else { return };
        let (answer, goes_on): (&[u8], bool) = match mood {
            Mood::Closing => (b"", false),
            Mood::ClosingAtSecond if round > 0 => (b"", false),
            Mood::Erring => (b"HTTP/1.1 500 Internal Server Error\r\ncontent-length: 0\r\n\r\n", true),
            Mood::BreakingLength => (b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf", false),
            Mood::BreakingChunks => {
                (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n", false)
            }
            _ => (b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nwell", true),
        };
        if stream.write_all(answer).await.is_err() || !goes_on {
            return;
        }
    }
}

async fn post(gateway: SocketAddr) -> Answer {
    send(gateway, Request::post("/").body(full("")).unwrap()).await
}

fn post_later(gateway: &Running) -> JoinHandle<Answer> {
    let address = gateway.address;
    tokio::spawn(async move { post(address).await })
}

/// The state of each server, and its failures.
fn states(gateway: &Running) -> Vec<(ServerState, u64)> {
    let upstreams = gateway.gateway.upstreams();
    upstreams[0].servers.iter().map(|server| (server.state, server.failures)).collect()
}

#[tokio::test]
async fn the_server_with_the_least_to_do_is_taken_until_the_end_of_its_response() {
    let held = Arc::new(Mutex::new(None));
    let named = |name: &'static str| {
        let held = Arc::clone(&held);
        Backend::start(move |request| {
            let held = Arc::clone(&held);
            async move {
                if request.uri().path() != "/held" {
                    return Response::new(full(name));
                }
                let (frames, body) = channel();
                frames.send(Frame::data(name.into())).unwrap();
                *held.lock().unwrap() = Some(frames);
                Response::new(body)
            }
        })
    };
    let (first, second) = (named("first").await, named("second").await);
    let gateway = Running::start(&servers(&[first.address, second.address], "")).await;
    let mut requests = connect(gateway.address).await;
    let response = send_on(&mut requests, Request::get("/held").body(full("")).unwrap()).await;
    let mut body = response.into_body();
    let busy = within(body.frame()).await.unwrap().unwrap().into_data().unwrap();
    for _ in 0..6 {
        assert_ne!(gateway.get("/", &[]).await.text.as_bytes(), busy, "the other has nothing to do");
    }
    held.lock().unwrap().take();
    assert!(within(body.frame()).await.is_none());
    until("the end of the response", || {
        gateway.gateway.upstreams()[0].servers.iter().all(|server| server.in_flight == 0)
    })
    .await;
    let mut names = std::collections::BTreeSet::new();
    for _ in 0..2 {
        names.insert(gateway.get("/", &[]).await.text);
    }
    assert_eq!(names.len(), 2, "among equals they take turns");
}

#[tokio::test]
async fn a_server_whose_requests_fail_is_ejected_until_a_probe_is_answered() {
    let (steady, flapping) = (Moody::start(Mood::Well).await, Moody::start(Mood::Closing).await);
    let gateway = Running::start(&servers(&[steady.address, flapping.address], "")).await;
    let mut failed = 0;
    while states(&gateway)[1].0 == ServerState::Up {
        failed += u32::from(post(gateway.address).await.status == StatusCode::BAD_GATEWAY);
    }
    assert_eq!((failed, states(&gateway)), (3, vec![(ServerState::Up, 0), (ServerState::Ejected, 3)]));
    flapping.set(Mood::Well);
    let started = std::time::Instant::now();
    while states(&gateway)[1].0 == ServerState::Ejected {
        assert!(started.elapsed() < crate::harness::DEADLINE, "it did not come back");
        assert_eq!(post(gateway.address).await.status, StatusCode::OK);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(states(&gateway), [(ServerState::Up, 0), (ServerState::Up, 3)]);
}

#[tokio::test]
async fn what_counts_as_a_failure() {
    let silent = "[timeouts]\nresponse = '100ms'\n";
    let cases = [
        ("no_response", Mood::Closing, "", "", StatusCode::BAD_GATEWAY, true),
        ("no_response_in_time", Mood::Waiting, "", silent, StatusCode::GATEWAY_TIMEOUT, true),
        ("a_status_by_itself", Mood::Erring, "", "", StatusCode::INTERNAL_SERVER_ERROR, false),
        (
            "a_status_where_that_is_said",
            Mood::Erring,
            "eject = { server_errors = true }",
            "",
            StatusCode::INTERNAL_SERVER_ERROR,
            true,
        ),
    ];
    for (name, mood, lines, tables, status, counts) in cases {
        let server = Moody::start(mood).await;
        let gateway = Running::start(&(servers(&[server.address], lines) + tables)).await;
        for _ in 0..3 {
            assert_eq!(post(gateway.address).await.status, status, "{name}");
        }
        let want = if counts { (ServerState::Ejected, 3) } else { (ServerState::Up, 0) };
        assert_eq!(states(&gateway), [want], "{name}");
    }
    let gateway = Running::start(&servers(&[closed_port().await], "eject = { failures = 2 }")).await;
    for _ in 0..2 {
        assert_eq!(post(gateway.address).await.code(), "upstream-unreachable");
    }
    assert_eq!(states(&gateway), [(ServerState::Ejected, 2)]);
}

#[tokio::test]
async fn half_a_response_is_never_taken_for_a_whole_one_and_counts_as_a_failure() {
    for mood in [Mood::BreakingLength, Mood::BreakingChunks] {
        let server = Moody::start(mood).await;
        let gateway = Running::start(&servers(&[server.address], "")).await;
        for _ in 0..3 {
            let request = b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
            let answer = raw(gateway.address, request).await;
            // It may have been cut before anything of it left.
            let announced = answer.contains("content-length: 100") || answer.contains("chunked");
            assert!(answer.is_empty() || announced && !answer.ends_with("0\r\n\r\n"), "{mood:?}: {answer}");
        }
        until("the last failure", || states(&gateway) == [(ServerState::Ejected, 3)]).await;
    }
}

#[tokio::test]
async fn if_all_are_ejected_one_request_at_once_tries() {
    let server = Moody::start(Mood::Closing).await;
    let gateway = Running::start(&servers(&[server.address], "eject = { longest = '1h' }")).await;
    for _ in 0..6 {
        assert_eq!(post(gateway.address).await.code(), "upstream-broken", "it is tried every time");
    }
    server.set(Mood::Waiting);
    let probe = post_later(&gateway);
    until("the probe at the server", || server.requests() == 7).await;
    let refused = post(gateway.address).await;
    assert_eq!(
        (refused.status, &*refused.code(), refused.header("retry-after")),
        (StatusCode::SERVICE_UNAVAILABLE, "upstream-unavailable", Some("1"))
    );
    assert!(!refused.text.contains("127.0.0.1"), "{}", refused.text);
    server.set(Mood::Well);
    assert_eq!(within(probe).await.unwrap().text, "well");
    assert_eq!(states(&gateway)[0].0, ServerState::Up);
    assert_eq!(post(gateway.address).await.text, "well");
}

#[tokio::test]
async fn a_probe_whose_client_has_gone_makes_room_for_another() {
    let server = Moody::start(Mood::Closing).await;
    let gateway = Running::start(&servers(&[server.address], "")).await;
    for _ in 0..3 {
        post(gateway.address).await;
    }
    server.set(Mood::Waiting);
    let mut stream = TcpStream::connect(gateway.address).await.unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    until("the probe at the server", || server.requests() == 4).await;
    drop(stream);
    until("the end of the probe", || gateway.gateway.upstreams()[0].servers[0].in_flight == 0).await;
    server.set(Mood::Well);
    assert_eq!(post(gateway.address).await.text, "well");
}

#[tokio::test]
async fn checks_take_a_server_out_and_bring_it_back() {
    let server = Moody::start(Mood::Well).await;
    let health = "health = { path = '/health?deep=1', every = '20ms', timeout = '10s', unhealthy = 2 }";
    let gateway = Running::start(&servers(&[server.address], health)).await;
    until("two checks", || server.requests() >= 2).await;
    assert_eq!(states(&gateway), [(ServerState::Up, 0)]);
    for ill in [Mood::Erring, Mood::Closing] {
        server.set(ill);
        until("the server down", || states(&gateway)[0].0 == ServerState::Down).await;
        let refused = post(gateway.address).await;
        assert_eq!(
            (refused.status, &*refused.code(), refused.header("retry-after")),
            (StatusCode::SERVICE_UNAVAILABLE, "upstream-unavailable", Some("1"))
        );
        server.set(Mood::Well);
        until("the server up", || states(&gateway)[0].0 == ServerState::Up).await;
        assert_eq!(post(gateway.address).await.text, "well");
    }
    let heads = server.seen.heads.lock().unwrap().clone();
    assert_eq!(server.posts(), 2, "what was refused was not sent");
    let check = heads.iter().find(|head| !head.starts_with("POST / ")).unwrap().to_lowercase();
    assert_eq!(
        check.lines().collect::<Vec<_>>(),
        [
            "get /health?deep=1 http/1.1",
            &format!("host: {}", server.address),
            "user-agent: gatepass-health",
            "connection: close",
            ""
        ]
    );

    // A configuration without checks takes back what they found, and makes none.
    server.set(Mood::Erring);
    until("the server down", || states(&gateway)[0].0 == ServerState::Down).await;
    let unchecked = Config::parse(&servers(&[server.address], "")).unwrap();
    gateway.gateway.reload(unchecked).await.unwrap();
    assert_eq!(states(&gateway)[0].0, ServerState::Up);
    let (started, before) = (std::time::Instant::now(), server.requests() - server.posts());
    while started.elapsed() < Duration::from_millis(200) {
        assert_eq!(post(gateway.address).await.status, StatusCode::INTERNAL_SERVER_ERROR);
    }
    let last = server.requests() - server.posts();
    assert!(last <= before + 1, "{before} checks, then {last}");
}

#[tokio::test]
async fn no_server_has_more_than_so_many_requests_at_once() {
    let server = Moody::start(Mood::Waiting).await;
    let limits = "limits = { requests = 2, waiting = 1, wait = '19500ms' }";
    let gateway = Running::start(&servers(&[server.address], limits)).await;
    let in_flight = [post_later(&gateway), post_later(&gateway)];
    until("two requests at the server", || server.requests() == 2).await;
    let waits = post_later(&gateway);
    until("one that waits", || gateway.gateway.upstreams()[0].waiting == 1).await;
    let refused = post(gateway.address).await;
    assert_eq!(
        (refused.status, &*refused.code(), refused.header("retry-after")),
        (StatusCode::SERVICE_UNAVAILABLE, "upstream-overloaded", Some("20"))
    );
    assert_eq!(server.requests(), 2);
    server.set(Mood::Well);
    for answered in in_flight.into_iter().chain([waits]) {
        assert_eq!(within(answered).await.unwrap().text, "well");
    }
    assert_eq!(gateway.gateway.upstreams()[0].waiting, 0);

    server.set(Mood::Waiting);
    let limits = "limits = { requests = 1, wait = '50ms' }";
    let gateway = Running::start(&servers(&[server.address], limits)).await;
    let in_flight = post_later(&gateway);
    until("a request at the server", || server.requests() == 4).await;
    assert_eq!(post(gateway.address).await.code(), "upstream-overloaded", "it does not wait for ever");
    server.set(Mood::Well);
    assert_eq!(within(in_flight).await.unwrap().text, "well");
}

#[tokio::test]
async fn many_that_wait_are_all_served_and_never_more_than_so_many_at_once() {
    let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let counts = (Arc::clone(&now), Arc::clone(&most));
    let backend = Backend::start(move |_| {
        let (now, most) = counts.clone();
        async move {
            most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            tokio::task::yield_now().await;
            now.fetch_sub(1, Ordering::SeqCst);
            Response::new(full("well"))
        }
    })
    .await;
    let limits = "limits = { requests = 3, waiting = 100, wait = '20s' }";
    let gateway = Running::start(&servers(&[backend.address], limits)).await;
    let clients: Vec<_> = (0..60).map(|_| post_later(&gateway)).collect();
    for client in clients {
        assert_eq!(within(client).await.unwrap().text, "well");
    }
    assert!((1..=3).contains(&most.load(Ordering::SeqCst)), "{most:?}");
}

#[tokio::test]
async fn a_reload_keeps_what_is_known_of_servers_that_stay_and_drains_those_that_go() {
    let (ill, leaving) = (Moody::start(Mood::Erring).await, Moody::start(Mood::Well).await);
    let new = Moody::start(Mood::Well).await;
    let health = "health = { path = '/health', every = '20ms', timeout = '10s', unhealthy = 1 }";
    let gateway = Running::start(&servers(&[ill.address, leaving.address], health)).await;
    until("one server down", || states(&gateway)[0].0 == ServerState::Down).await;
    // Two connections, of which one is in use when the server leaves.
    let both = [post_later(&gateway), post_later(&gateway)];
    for answered in both {
        assert_eq!(within(answered).await.unwrap().text, "well");
    }
    leaving.set(Mood::Waiting);
    let both = [post_later(&gateway), post_later(&gateway)];
    until("two requests at the server", || leaving.posts() == 4).await;
    leaving.set(Mood::Well);
    for answered in both {
        assert_eq!(within(answered).await.unwrap().text, "well");
    }
    leaving.set(Mood::Waiting);
    let in_flight = post_later(&gateway);
    until("a request at the server", || leaving.posts() == 5).await;
    assert!(leaving.open_connections() >= 2);

    let text = servers(&[ill.address, new.address], &format!("{health}\nlimits = {{ requests = 9 }}"));
    gateway.gateway.reload(Config::parse(&text).unwrap()).await.unwrap();
    assert_eq!(states(&gateway), [(ServerState::Down, 0), (ServerState::Up, 0)]);
    until("the end of what was idle", || leaving.open_connections() == 1).await;
    for _ in 0..5 {
        assert_eq!(post(gateway.address).await.text, "well");
    }
    assert_eq!((ill.posts(), leaving.posts(), new.posts()), (0, 5, 5));
    assert!(!in_flight.is_finished());
    leaving.set(Mood::Well);
    assert_eq!(within(in_flight).await.unwrap().text, "well", "what it had has ended");
    until("the end of its last connection", || leaving.open_connections() == 0).await;
}

#[tokio::test]
async fn what_finds_its_idle_connection_closed_is_sent_again_if_that_does_no_harm() {
    let cases = [("GET", "", true), ("HEAD", "", true), ("OPTIONS", "", true), ("GET", "body", false)];
    let others = [("POST", "", false), ("PUT", "", false), ("DELETE", "", false), ("PATCH", "body", false)];
    for (method, body, again) in cases.into_iter().chain(others) {
        let server = Moody::start(Mood::ClosingAtSecond).await;
        let gateway = Running::start(&servers(&[server.address], "")).await;
        assert_eq!(gateway.get("/", &[]).await.status, StatusCode::OK);
        // Not a wait for anything: a connection is idle once it has not been used for a while.
        tokio::time::sleep(Duration::from_millis(150)).await;
        let request = Request::builder().method(method).uri("/").body(full(body)).unwrap();
        let answer = send(gateway.address, request).await;
        let want = if again { StatusCode::OK } else { StatusCode::BAD_GATEWAY };
        assert_eq!(answer.status, want, "{method} {body}");
        assert_eq!(server.requests(), if again { 3 } else { 2 }, "{method} {body}");
        assert_eq!(states(&gateway)[0].1, u64::from(!again), "{method} {body}");
    }
}
