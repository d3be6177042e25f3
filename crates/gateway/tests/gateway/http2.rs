//! HTTP/2 towards clients and servers, and gRPC over it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::BodyExt;
use hyper::body::{Frame, Incoming};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::harness::{
    Backend, OPEN, Running, TestBody, channel, config, connect_http2, full, mirror, mirrored, read, send,
    within,
};

/// With an upstream that speaks HTTP/2.
fn http2_config(backend: &Backend, routes: &str) -> String {
    let servers = format!("servers = ['http://{}']", backend.address);
    config(backend.address, routes).replace(&servers, &format!("{servers}\nprotocol = 'h2'"))
}

fn trailers(fields: &[(&'static str, &'static str)]) -> Frame<Bytes> {
    let fields = fields.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()));
    Frame::trailers(fields.collect::<HeaderMap>())
}

/// A message as gRPC frames it: not compressed, its length, itself.
fn message(text: &str) -> Frame<Bytes> {
    let length = u32::try_from(text.len()).unwrap().to_be_bytes();
    Frame::data([&[0], &length[..], text.as_bytes()].concat().into())
}

/// Sends each piece back as it comes; `/fails` has nothing but trailers to say.
async fn grpc(request: Request<Incoming>) -> Response<TestBody> {
    let asks_for_trailers = request.headers().get("te").is_some_and(|te| te == "trailers");
    let connection_fields = ["connection", "keep-alive", "x-hop", "host", "proxy-connection"];
    let has_connection_fields = connection_fields.iter().any(|name| request.headers().contains_key(*name));
    let response = Response::builder().header("content-type", "application/grpc");
    if request.uri().path() == "/fails" || !asks_for_trailers || has_connection_fields {
        return response.header("grpc-status", "5").body(full("")).unwrap();
    }
    let (frames, body) = channel();
    tokio::spawn(async move {
        let mut incoming = request.into_body();
        while let Some(Ok(frame)) = incoming.frame().await {
            let _ = frames.send(frame.into_data().map(Frame::data).unwrap_or_else(|_| trailers(&[])));
        }
        let _ = frames.send(trailers(&[("grpc-status", "0"), ("grpc-message", "done")]));
    });
    response.body(body).unwrap()
}

#[tokio::test]
async fn grpc_streams_both_ways_and_ends_with_trailers() {
    let backend = Backend::start_http2(grpc).await;
    let gateway = Running::start(&http2_config(&backend, OPEN)).await;
    let mut requests = connect_http2(gateway.address).await;
    let (frames, body) = channel();
    let request = Request::post("http://api.example.com/echo.Echo/Chat")
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .body(body)
        .unwrap();
    frames.send(message("first")).unwrap();
    let response = within(requests.send_request(request)).await.unwrap();
    assert_eq!(
        (response.status(), response.headers()["content-type"].as_bytes()),
        (StatusCode::OK, &b"application/grpc"[..])
    );
    let mut body = response.into_body();
    for text in ["first", "second", "third"] {
        // The answer to one message is there before the next is sent.
        let echoed = within(body.frame()).await.unwrap().unwrap().into_data().unwrap();
        assert_eq!(echoed, message(text).into_data().unwrap(), "{text}");
        let next = if text == "first" { "second" } else { "third" };
        if text != "third" {
            frames.send(message(next)).unwrap();
        }
    }
    drop(frames);
    let ending = within(body.frame()).await.unwrap().unwrap().into_trailers().unwrap();
    assert_eq!(
        (&ending["grpc-status"], &ending["grpc-message"]),
        (&"0".parse().unwrap(), &"done".parse().unwrap())
    );

    let request =
        Request::post("http://api.example.com/fails").header("te", "trailers").body(full("")).unwrap();
    let response = within(requests.send_request(request)).await.unwrap();
    assert_eq!(response.headers()["grpc-status"], "5", "a response of trailers alone");
}

#[tokio::test]
async fn what_a_server_sees_over_http_2() {
    let backend = Backend::start_http2(mirror).await;
    let gateway = Running::start(&http2_config(&backend, OPEN)).await;
    // The client speaks HTTP/1.1: the gateway translates.
    let request = Request::post("/a%20b/c?d=e")
        .header("connection", "keep-alive, x-hop")
        .header("x-hop", "1")
        .header("keep-alive", "timeout=5")
        .header("te", "gzip, trailers")
        .header("upgrade", "h2c")
        .header("cookie", "a=1; b=2")
        .header("x-end", "1")
        .body(full("body"))
        .unwrap();
    let answer = send(gateway.address, request).await;
    let told = answer.json();
    assert_eq!(told["target"], "http://api.example.com/a%20b/c?d=e");
    assert_eq!(told["body"], "body");
    for gone in ["connection", "x-hop", "keep-alive", "upgrade", "host", "transfer-encoding"] {
        assert!(mirrored(&told, gone).is_empty(), "{gone}: {told}");
    }
    for (name, want) in [
        ("te", "trailers"),
        ("cookie", "a=1; b=2"),
        ("x-end", "1"),
        ("x-forwarded-host", "api.example.com"),
        ("content-length", "4"),
    ] {
        assert_eq!(mirrored(&told, name), [want], "{name}");
    }
    // A WebSocket cannot go there: the request goes as any other.
    let request = Request::get("/").header("connection", "upgrade").header("upgrade", "websocket");
    let answer = send(gateway.address, request.body(full("")).unwrap()).await;
    assert_eq!(answer.status, StatusCode::OK);
}

#[tokio::test]
async fn requests_share_a_connection_and_take_another_when_it_is_full() {
    let arrived = Arc::new(AtomicUsize::new(0));
    let (open, opened) = tokio::sync::watch::channel(false);
    let counter = Arc::clone(&arrived);
    let backend = Backend::start_http2(move |request: Request<Incoming>| {
        let (counter, mut opened) = (Arc::clone(&counter), opened.clone());
        async move {
            counter.fetch_add(1, Ordering::SeqCst);
            if request.uri().path() == "/waits" {
                opened.wait_for(|opened| *opened).await.unwrap();
            }
            Response::new(full(""))
        }
    })
    .await;
    let gateway = Running::start(&http2_config(&backend, OPEN)).await;
    for _ in 0..20 {
        assert_eq!(gateway.get("/", &[]).await.status, StatusCode::OK);
    }
    assert_eq!(backend.connections(), 1);
    let waiting: Vec<_> = (0..150)
        .map(|_| {
            let address = gateway.address;
            tokio::spawn(async move { send(address, Request::get("/waits").body(full("")).unwrap()).await })
        })
        .collect();
    crate::harness::until("all requests at the server", || arrived.load(Ordering::SeqCst) == 170).await;
    assert_eq!(backend.connections(), 2);
    open.send(true).unwrap();
    for answer in waiting {
        assert_eq!(within(answer).await.unwrap().status, StatusCode::OK);
    }
}

#[tokio::test]
async fn failures_of_servers_that_speak_http_2() {
    let routes = OPEN.to_owned() + "[limits]\nbody_bytes = 1000\n[timeouts]\nresponse = '200ms'\n";
    let silent = Backend::start_http2(|_| std::future::pending()).await;
    let gateway = Running::start(&http2_config(&silent, &routes)).await;
    let answer = gateway.get("/", &[]).await;
    assert_eq!((answer.status, &*answer.code()), (StatusCode::GATEWAY_TIMEOUT, "upstream-timeout"));

    let (frames, body) = channel();
    frames.send(Frame::data(vec![b'x'; 600].into())).unwrap();
    frames.send(Frame::data(vec![b'x'; 600].into())).unwrap();
    let answer = send(gateway.address, Request::post("/").body(body).unwrap()).await;
    assert_eq!((answer.status, &*answer.code()), (StatusCode::PAYLOAD_TOO_LARGE, "body-too-large"));

    // What speaks HTTP/1.1 alone is not understood, and nothing is sent to it twice.
    let old = Backend::mirror().await;
    let gateway = Running::start(&http2_config(&old, &routes)).await;
    let answer = gateway.get("/", &[]).await;
    assert_eq!((answer.status, &*answer.code()), (StatusCode::BAD_GATEWAY, "upstream-broken"));

    let down = crate::connection::closed_port().await;
    let text = http2_config(&old, &routes).replace(&old.address.to_string(), &down.to_string());
    let gateway = Running::start(&text).await;
    for _ in 0..3 {
        let answer = gateway.get("/", &[]).await;
        assert_eq!((answer.status, &*answer.code()), (StatusCode::BAD_GATEWAY, "upstream-unreachable"));
    }
}

#[tokio::test]
async fn trailers_of_a_client_lose_what_a_client_may_not_say() {
    let backend = Backend::start_http2(mirror).await;
    let routes = "[[route]]\npath = '/{*rest}'\nupstream = 'backend'\nforward = { sub = 'X-User-Id' }\n";
    let gateway = Running::start(&http2_config(&backend, routes)).await;
    let mut requests = connect_http2(gateway.address).await;
    let (frames, body) = channel();
    frames.send(Frame::data("x".into())).unwrap();
    frames.send(trailers(&[("x-sum", "1"), ("x-user-id", "root"), ("x_user_id", "root")])).unwrap();
    drop(frames);
    let request = Request::post("http://api.example.com/")
        .header("authorization", crate::harness::Token::of("ann").bearer())
        .body(body)
        .unwrap();
    let told = read(within(requests.send_request(request)).await.unwrap()).await.json();
    assert_eq!(told["trailers"], serde_json::json!(["x-sum"]));
    assert_eq!(mirrored(&told, "x-user-id"), ["ann"]);
}

/// The frames of HTTP/2 that the tests write themselves. RFC 9113 section 4.1.
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// A client that asks and never has a window for the answer: no PING goes unanswered, and nothing is taken.
async fn ask_without_a_window(gateway: &Running, authorization: Option<&str>) -> TcpStream {
    let mut stream = TcpStream::connect(gateway.address).await.unwrap();
    stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await.unwrap();
    // SETTINGS_INITIAL_WINDOW_SIZE = 0.
    stream.write_all(&frame(4, 0, 0, &[0, 4, 0, 0, 0, 0])).await.unwrap();
    let mut head = vec![0x82, 0x86, 0x84, 0x41, 0x01, b'a'];
    if let Some(value) = authorization {
        // A literal whose name is that of entry 23, and a length of more than seven bits. RFC 7541 section 5.1.
        head.extend([0x0f, 23 - 15, 0x7f]);
        let mut rest = value.len() - 127;
        while rest >= 128 {
            head.push((rest % 128 + 128) as u8);
            rest /= 128;
        }
        head.push(rest as u8);
        head.extend(value.as_bytes());
    }
    stream.write_all(&frame(1, 0x5, 1, &head)).await.unwrap();
    stream
}

#[tokio::test]
async fn a_response_that_its_client_does_not_take_ends_and_frees_its_place() {
    let (told, mut told_of) = tokio::sync::mpsc::unbounded_channel();
    let backend = Backend::start(move |_| {
        let (frames, body) = channel();
        frames.send(Frame::data("to be taken".into())).unwrap();
        told.send(frames).unwrap();
        async move { Response::new(body) }
    })
    .await;
    let closed = "[[route]]\npath = '/{*rest}'\nupstream = 'backend'\n";
    let token = crate::harness::Token::of("ann").bearer();

    // With a limit on it, whatever its token.
    let text = config(backend.address, closed) + "[timeouts]\nstall = '300ms'\n";
    let gateway = Running::start(&text).await;
    let _client = ask_without_a_window(&gateway, Some(&token)).await;
    let frames = within(told_of.recv()).await.unwrap();
    within(frames.closed()).await;
    crate::harness::until("its place is free", || gateway.gateway.upstreams()[0].servers[0].in_flight == 0)
        .await;

    // Long before that limit, with its token.
    let text = config(backend.address, closed);
    let gateway = Running::start(&text).await;
    let _client = ask_without_a_window(&gateway, Some(&token)).await;
    let frames = within(told_of.recv()).await.unwrap();
    crate::streams::distrust(&gateway, &text).await;
    within(frames.closed()).await;
    assert_eq!(gateway.gateway.stats().ended, 1);
}

#[tokio::test]
async fn a_client_that_opens_and_resets_streams_in_turn_loses_its_connection() {
    let backend = Backend::start(|_| std::future::pending()).await;
    let gateway = Running::start(&config(backend.address, OPEN)).await;
    let mut stream = TcpStream::connect(gateway.address).await.unwrap();
    stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await.unwrap();
    stream.write_all(&frame(4, 0, 0, &[])).await.unwrap();
    // GET, http, /, and the authority "a", from the static table of RFC 7541.
    let head = [0x82, 0x86, 0x84, 0x41, 0x01, b'a'];
    let mut flood = Vec::new();
    for id in (1..2_000).step_by(2) {
        flood.extend(frame(1, 0x5, id, &head));
        flood.extend(frame(3, 0, id, &8_u32.to_be_bytes()));
    }
    let (mut reading, mut writing) = stream.split();
    // Where it is closed before all is written, that is as good.
    let mut answer = Vec::new();
    let (_, ended) =
        within(async { tokio::join!(writing.write_all(&flood), reading.read_to_end(&mut answer)) }).await;
    let _ = ended;
    // GOAWAY, and why: ENHANCE_YOUR_CALM.
    let goaway = answer.windows(17).any(|bytes| bytes[3] == 7 && bytes[13..17] == 11_u32.to_be_bytes());
    assert!(goaway, "{answer:?}");
    assert_eq!(gateway.gateway.stats().passed, 0);
}
