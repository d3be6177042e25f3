//! Connections: kept, shared out, given up.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use http::{Request, Response, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};

use crate::harness::{
    Backend, OPEN, Running, config, connect, full, mirrored, raw, read, read_to_end, send, send_on, until,
    within,
};

#[tokio::test]
async fn connections_to_the_server_are_used_again() {
    let backend = Backend::mirror().await;
    let gateway = Running::start(&config(backend.address, OPEN)).await;
    for round in 0..20 {
        let answer = gateway.get(&format!("/{round}"), &[]).await;
        assert_eq!(answer.json()["target"], format!("/{round}"));
        let answer = send(gateway.address, Request::post("/").body(full("body")).unwrap()).await;
        assert_eq!(answer.json()["body"], "body");
    }
    assert_eq!(backend.connections(), 1);
}

#[tokio::test]
async fn a_connection_that_the_server_closed_meanwhile_costs_no_request() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    // Keeps the connection open after the response, then closes it without a word.
    let closed = Arc::new(AtomicBool::new(false));
    let closing = Arc::clone(&closed);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut buffer = [0; 4096];
            let _ = stream.read(&mut buffer).await;
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await.unwrap();
            drop(stream);
            closing.store(true, Ordering::SeqCst);
        }
    });
    let gateway = Running::start(&config(address, OPEN)).await;
    for _ in 0..20 {
        closed.store(false, Ordering::SeqCst);
        let answer =
            send(gateway.address, Request::post("/").body(full("not to be sent twice")).unwrap()).await;
        assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
        until("the server's end of the connection", || closed.load(Ordering::SeqCst)).await;
    }
}

#[tokio::test]
async fn many_requests_at_once_each_get_their_own_answer() {
    let backend = Backend::mirror().await;
    let gateway = Running::start(&config(backend.address, OPEN)).await;
    let address = gateway.address;
    let clients: Vec<_> = (0..32)
        .map(|client| {
            tokio::spawn(async move {
                let mut requests = connect(address).await;
                for round in 0..30 {
                    let target = format!("/{client}/{round}");
                    let body = if round % 3 == 0 { target.clone() } else { String::new() };
                    let request = Request::post(&target).body(full(body.clone())).unwrap();
                    let told = read(send_on(&mut requests, request).await).await.json();
                    assert_eq!(
                        (told["target"].as_str(), told["body"].as_str()),
                        (Some(&*target), Some(&*body))
                    );
                }
            })
        })
        .collect();
    for client in clients {
        within(client).await.unwrap();
    }
    assert!(backend.connections() <= 32, "{} connections", backend.connections());
    assert_eq!(gateway.gateway.stats().passed, 32 * 30);
}

#[tokio::test]
async fn servers_take_turns_and_one_that_is_down_is_passed_over() {
    let first = Backend::start(|_| async { Response::new(full("first")) }).await;
    let second = Backend::start(|_| async { Response::new(full("second")) }).await;
    let down = closed_port().await;
    let text = config(first.address, OPEN).replace(
        &format!("['http://{}']", first.address),
        &format!("['http://{}', 'http://{down}', 'http://{}']", first.address, second.address),
    );
    let gateway = Running::start(&text).await;
    let mut count = std::collections::BTreeMap::new();
    for _ in 0..9 {
        let answer = send(gateway.address, Request::post("/").body(full("once")).unwrap()).await;
        *count.entry(answer.text).or_insert(0) += 1;
    }
    assert_eq!(count.into_iter().collect::<Vec<_>>(), [("first".to_owned(), 3), ("second".to_owned(), 6)]);
}

#[tokio::test]
async fn what_a_failing_server_gets_its_client() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut buffer = [0; 4096];
                let read = stream.read(&mut buffer).await.unwrap_or(0);
                let request = String::from_utf8_lossy(&buffer[..read]).into_owned();
                let answer = match request.split(' ').nth(1) {
                    Some("/silent") => return std::future::pending().await,
                    Some("/garbage") => "220 mail.example.com ESMTP\r\n",
                    Some("/half-head") => "HTTP/1.1 200 OK\r\ncontent-",
                    Some("/switch") => {
                        "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n"
                    }
                    Some("/two-lengths") => {
                        "HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab"
                    }
                    _ => "",
                };
                let _ = stream.write_all(answer.as_bytes()).await;
            });
        }
    });
    let gateway = Running::start(&(config(address, OPEN) + "[timeouts]\nresponse = '300ms'\n")).await;
    let cases = [
        ("/silent", StatusCode::GATEWAY_TIMEOUT, "upstream-timeout"),
        ("/closes", StatusCode::BAD_GATEWAY, "upstream-broken"),
        ("/garbage", StatusCode::BAD_GATEWAY, "upstream-broken"),
        ("/half-head", StatusCode::BAD_GATEWAY, "upstream-broken"),
        ("/switch", StatusCode::BAD_GATEWAY, "upstream-broken"),
        ("/two-lengths", StatusCode::BAD_GATEWAY, "upstream-broken"),
    ];
    for (path, status, code) in cases {
        let answer = gateway.get(path, &[]).await;
        assert_eq!((answer.status, answer.code().as_str()), (status, code), "{path}");
        assert_eq!(answer.header("content-type"), Some("application/problem+json"));
        assert!(!answer.text.contains("127.0.0.1"), "{}", answer.text);
    }
    let gateway = Running::start(&config(closed_port().await, OPEN)).await;
    let answer = gateway.get("/", &[]).await;
    assert_eq!((answer.status, answer.code().as_str()), (StatusCode::BAD_GATEWAY, "upstream-unreachable"));
    assert_eq!(gateway.gateway.stats().refused["upstream-unreachable"], 1);
}

#[tokio::test]
async fn a_client_that_never_ends_its_head_is_cut_off() {
    let backend = Backend::mirror().await;
    let gateway =
        Running::start(&(config(backend.address, OPEN) + "[timeouts]\nheader = '300ms'\nidle = '300ms'\n"))
            .await;
    for beginning in [
        "",
        "P",
        "PRI * HTTP/2.0\r\n",
        "GET / HTTP/1.1\r\nhost: a\r\n",
        "GET / HTTP/1.1\r\nhost: a\r\n\r\nGET",
    ] {
        let mut stream = TcpStream::connect(gateway.address).await.unwrap();
        stream.write_all(beginning.as_bytes()).await.unwrap();
        let (mut reading, mut writing) = stream.into_split();
        let dripping = tokio::spawn(async move {
            for letter in "x-slow: loris".bytes().cycle() {
                tokio::time::sleep(Duration::from_millis(20)).await;
                if !beginning.is_empty() && writing.write_all(&[letter]).await.is_err() {
                    return;
                }
            }
        });
        let mut answer = Vec::new();
        let _ = within(reading.read_to_end(&mut answer)).await;
        dripping.abort();
        let served = beginning.ends_with("\r\nGET");
        assert_eq!(
            answer.starts_with(b"HTTP/1.1 200 OK"),
            served,
            "{beginning:?}: {}",
            String::from_utf8_lossy(&answer)
        );
    }
}

#[tokio::test]
async fn an_exchange_may_take_longer_than_a_silence() {
    let backend = Backend::start(|_| async {
        tokio::time::sleep(Duration::from_millis(600)).await;
        Response::new(full("at last"))
    })
    .await;
    let gateway =
        Running::start(&(config(backend.address, OPEN) + "[timeouts]\nheader = '100ms'\nidle = '100ms'\n"))
            .await;
    assert_eq!(gateway.get("/", &[]).await.text, "at last");
}

#[tokio::test]
async fn what_is_in_flight_ends_when_the_gateway_stops() {
    let (started, mut running) = tokio::sync::mpsc::channel(1);
    let (finish, finished) = tokio::sync::watch::channel(false);
    let backend = Backend::start(move |_| {
        let (started, mut finished) = (started.clone(), finished.clone());
        async move {
            started.send(()).await.unwrap();
            finished.wait_for(|finished| *finished).await.unwrap();
            Response::new(full("finished"))
        }
    })
    .await;
    let mut gateway = Running::start(&config(backend.address, OPEN)).await;
    let address = gateway.address;
    let mut idle = TcpStream::connect(address).await.unwrap();
    let in_flight =
        tokio::spawn(async move { send(address, Request::get("/").body(full("")).unwrap()).await });
    within(running.recv()).await.unwrap();
    gateway.begin_stop();
    assert_eq!(read_to_end(&mut idle).await, "", "an idle connection ends at once");
    assert!(TcpStream::connect(address).await.is_err(), "no new connection is taken");
    assert!(!in_flight.is_finished());
    finish.send(true).unwrap();
    let answer = within(in_flight).await.unwrap();
    assert_eq!((answer.text.as_str(), answer.header("connection")), ("finished", Some("close")));
    gateway.stop().await;
}

#[tokio::test]
async fn what_does_not_end_is_cut_when_the_gateway_has_waited_enough() {
    let (started, mut running) = tokio::sync::mpsc::channel(1);
    let backend = Backend::start(move |_| {
        let started = started.clone();
        async move {
            started.send(()).await.unwrap();
            std::future::pending().await
        }
    })
    .await;
    let gateway = Running::start(&(config(backend.address, OPEN) + "[timeouts]\ndrain = '200ms'\n")).await;
    let mut stream = TcpStream::connect(gateway.address).await.unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    within(running.recv()).await.unwrap();
    gateway.stop().await;
    assert_eq!(read_to_end(&mut stream).await, "");
}

#[tokio::test]
async fn more_connections_than_allowed_wait_their_turn() {
    let backend = Backend::mirror().await;
    let gateway = Running::start(&(config(backend.address, OPEN) + "[limits]\nconnections = 2\n")).await;
    let mut first = connect(gateway.address).await;
    let second = connect(gateway.address).await;
    let request = || Request::get("/").body(full("")).unwrap();
    assert_eq!(send_on(&mut first, request()).await.status(), StatusCode::OK);
    let address = gateway.address;
    let third = tokio::spawn(async move { send(address, request()).await });
    let again = read(send_on(&mut first, request()).await).await;
    assert_eq!(again.status, StatusCode::OK);
    assert!(!third.is_finished());
    drop(second);
    assert_eq!(within(third).await.unwrap().status, StatusCode::OK);
}

#[tokio::test]
async fn limits_on_the_head_of_a_request() {
    const OTHERS: &str = "host: a\r\nconnection: close\r\n";
    let backend = Backend::mirror().await;
    let gateway = Running::start(
        &(config(backend.address, OPEN)
            + "[limits]\nheader_bytes = 8192\nheaders = 20\ntarget_bytes = 1000\n"),
    )
    .await;
    let cases = [
        (format!("GET /{} HTTP/1.1\r\n{OTHERS}\r\n", "a".repeat(999)), "200"),
        (format!("GET /{} HTTP/1.1\r\n{OTHERS}\r\n", "a".repeat(1000)), "414"),
        (format!("GET / HTTP/1.1\r\n{OTHERS}{}\r\n", "x: y\r\n".repeat(18)), "200"),
        (format!("GET / HTTP/1.1\r\n{OTHERS}{}\r\n", "x: y\r\n".repeat(19)), "431"),
        (format!("GET / HTTP/1.1\r\n{OTHERS}x: {}\r\n\r\n", "y".repeat(8000)), "200"),
        (format!("GET / HTTP/1.1\r\n{OTHERS}x: {}\r\n\r\n", "y".repeat(9000)), "431"),
    ];
    for (request, status) in cases {
        let answer = raw(gateway.address, request.as_bytes()).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{status}: {answer}");
    }
}

#[tokio::test]
async fn http_2_without_tls() {
    let backend = Backend::mirror().await;
    let routes = "[[route]]\npath = '/closed'\nupstream = 'backend'\n".to_owned() + OPEN;
    let gateway = Running::start(&config(backend.address, &routes)).await;
    let stream = TcpStream::connect(gateway.address).await.unwrap();
    let (requests, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let streams: Vec<_> = (0..50)
        .map(|stream| {
            let mut requests = requests.clone();
            tokio::spawn(async move {
                let body = "x".repeat(stream * 1000);
                let request = Request::post(format!("http://api.example.com/{stream}?q=%20"))
                    .header("cookie", "a=1")
                    .header("cookie", "b=2")
                    .body(full(body.clone()))
                    .unwrap();
                let answer = read(within(requests.send_request(request)).await.unwrap()).await;
                assert_eq!(answer.status, StatusCode::OK);
                let told = answer.json();
                assert_eq!(told["target"], format!("/{stream}?q=%20"));
                assert_eq!(told["body"].as_str(), Some(&*body));
                assert_eq!(mirrored(&told, "host"), ["api.example.com"]);
                assert_eq!(mirrored(&told, "cookie"), ["a=1; b=2"]);
                assert_eq!(mirrored(&told, "x-forwarded-host"), ["api.example.com"]);
            })
        })
        .collect();
    for stream in streams {
        within(stream).await.unwrap();
    }
    let request = Request::get("http://api.example.com/closed").body(full("")).unwrap();
    let refused = within(requests.clone().send_request(request)).await.unwrap();
    assert_eq!(refused.status(), StatusCode::UNAUTHORIZED);
}

/// A port that nobody listens on.
pub(crate) async fn closed_port() -> std::net::SocketAddr {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = socket.local_addr().unwrap();
    // Bound and never listening: a port that is given back may be another test's server in a moment.
    std::mem::forget(socket);
    address
}
