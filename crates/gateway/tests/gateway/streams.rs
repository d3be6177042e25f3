//! What goes on after its request was admitted, and ends with the token that opened it.

use gatepass_gateway::Config;
use http::{Request, Response, StatusCode};
use http_body_util::BodyExt;
use hyper::body::{Frame, Incoming};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::harness::{
    Backend, Running, TestBody, Token, channel, config, connect, connect_http2, full, send, send_on, until,
    within,
};
use crate::upgrade::{HANDSHAKE, echo, head};

const CLOSED: &str = "[[route]]\npath = '/{*rest}'\nupstream = 'backend'\n\
    [[route]]\npath = '/on/{*rest}'\nupstream = 'backend'\nend_streams = false\n";

/// Takes over a configuration in which no token is good that was before.
pub(crate) async fn distrust(gateway: &Running, text: &str) {
    let text = text.replace("https://api.example.com", "https://other.example.com");
    gateway.gateway.reload(Config::parse(&text).unwrap()).await.unwrap();
}

pub(crate) async fn open_websocket(gateway: &Running, path: &str, bearer: &str) -> TcpStream {
    let mut stream = TcpStream::connect(gateway.address).await.unwrap();
    let token = format!("authorization: {bearer}\r\n\r\n");
    let request = HANDSHAKE.replace("/socket", path).replace("\r\n\r\n", &format!("\r\n{token}"));
    stream.write_all(request.as_bytes()).await.unwrap();
    let answer = head(&mut stream).await;
    assert!(answer.starts_with("http/1.1 101 "), "{answer}");
    stream
}

pub(crate) async fn rest(stream: &mut TcpStream) -> Vec<u8> {
    let mut rest = Vec::new();
    within(stream.read_to_end(&mut rest)).await.unwrap();
    rest
}

/// A close frame of a server.
pub(crate) fn close(code: u16, reason: &str) -> Vec<u8> {
    [&[0x88, reason.len() as u8 + 2], &code.to_be_bytes()[..], reason.as_bytes()].concat()
}

#[tokio::test]
async fn a_websocket_ends_with_its_token() {
    let backend = echo().await;
    let text = config(backend.address, CLOSED);
    let gateway = Running::start(&text).await;
    let mut ends = open_websocket(&gateway, "/socket", &Token::of("ann").bearer()).await;
    let mut goes_on = open_websocket(&gateway, "/on/socket", &Token::of("ann").bearer()).await;
    let message = b"\x82\x05hello";
    for stream in [&mut ends, &mut goes_on] {
        stream.write_all(message).await.unwrap();
        let mut echoed = [0; 7];
        within(stream.read_exact(&mut echoed)).await.unwrap();
        assert_eq!(echoed, *message);
    }
    distrust(&gateway, &text).await;
    assert_eq!(rest(&mut ends).await, close(4401, "invalid-token"));
    assert_eq!(gateway.gateway.stats().ended, 1);
    goes_on.write_all(message).await.unwrap();
    within(goes_on.read_exact(&mut [0; 7])).await.unwrap();
    goes_on.shutdown().await.unwrap();
    assert_eq!(rest(&mut goes_on).await, b"", "its route says so");
}

#[tokio::test]
async fn a_frame_that_has_begun_ends_before_the_close_frame() {
    let (finish, finished) = tokio::sync::watch::channel(false);
    let backend = Backend::start(move |mut request| {
        let mut finished = finished.clone();
        async move {
            let upgrade = hyper::upgrade::on(&mut request);
            tokio::spawn(async move {
                let mut stream = TokioIo::new(upgrade.await.unwrap());
                stream.write_all(b"\x82\x0ahello").await.unwrap();
                finished.wait_for(|finished| *finished).await.unwrap();
                stream.write_all(b"world\x82\x05never").await.unwrap();
                std::future::pending::<()>().await;
            });
            Response::builder()
                .status(StatusCode::SWITCHING_PROTOCOLS)
                .header("connection", "upgrade")
                .header("upgrade", "websocket")
                .body(full(""))
                .unwrap()
        }
    })
    .await;
    let text = config(backend.address, CLOSED);
    let gateway = Running::start(&text).await;
    let mut stream = open_websocket(&gateway, "/", &Token::of("ann").bearer()).await;
    within(stream.read_exact(&mut [0; 7])).await.unwrap();
    distrust(&gateway, &text).await;
    until("the end", || gateway.gateway.stats().ended == 1).await;
    finish.send(true).unwrap();
    assert_eq!(rest(&mut stream).await, [b"world", &close(4401, "invalid-token")[..]].concat());
}

#[tokio::test]
async fn a_token_that_expires_ends_what_it_opened_and_nothing_else() {
    let backend = echo().await;
    let gateway = Running::start(&config(backend.address, CLOSED)).await;
    // Its time is up five seconds from now: the gateway allows for clocks that differ by a minute.
    let mut short = open_websocket(&gateway, "/", &Token::of("ann").expires_in(-55).bearer()).await;
    let mut long = open_websocket(&gateway, "/", &Token::of("ann").bearer()).await;
    assert_eq!(rest(&mut short).await, close(4401, "expired"));
    long.write_all(b"\x82\x00").await.unwrap();
    within(long.read_exact(&mut [0; 2])).await.unwrap();
    assert_eq!(gateway.gateway.stats().ended, 1);
}

#[tokio::test]
async fn a_websocket_that_says_nothing_is_closed() {
    let backend = echo().await;
    let text = config(backend.address, CLOSED) + "[timeouts]\ntunnel = '200ms'\n";
    let gateway = Running::start(&text).await;
    let mut stream = open_websocket(&gateway, "/on/", &Token::of("ann").bearer()).await;
    assert_eq!(rest(&mut stream).await, close(1001, "idle"));
}

/// Answers with a body that begins with the request's `x-begin`, is of its `x-type` and has no end.
async fn endless(request: Request<Incoming>) -> Response<TestBody> {
    let field = |name| request.headers().get(name).cloned();
    let (frames, body) = channel();
    frames.send(Frame::data(field("x-begin").unwrap().as_bytes().to_vec().into())).unwrap();
    tokio::spawn(async move {
        frames.closed().await;
    });
    let mut response = Response::new(body);
    response.headers_mut().insert("content-type", field("x-type").unwrap());
    if let Some(encoding) = field("x-encoding") {
        response.headers_mut().insert("content-encoding", encoding);
    }
    response
}

#[tokio::test]
async fn responses_that_last_end_as_their_kind_ends() {
    let line_end = Backend::start(|request: Request<Incoming>| async move {
        // A header field cannot hold line ends.
        let (mut parts, body) = request.into_parts();
        let begin = parts.headers["x-begin"].to_str().unwrap().replace("\\n", "\n").replace("\\r", "\r");
        let (frames, endless) = channel();
        frames.send(Frame::data(begin.into())).unwrap();
        tokio::spawn(async move { frames.closed().await });
        drop(body);
        let mut response = Response::new(endless);
        for (name, from) in [("content-type", "x-type"), ("content-encoding", "x-encoding")] {
            if let Some(value) = parts.headers.remove(from) {
                response.headers_mut().insert(name, value);
            }
        }
        response
    })
    .await;
    let text = config(line_end.address, CLOSED);
    let gateway = Running::start(&text).await;
    let told = "event: gatepass.end\ndata: invalid-token\n\n";
    let cases: [(&str, &str, &str, Option<&str>); 8] = [
        ("text/event-stream", "", "data: 1\\n\\n", Some(told)),
        ("text/event-stream; charset=utf-8", "", "data: 1\\r\\n\\r\\n", Some(told)),
        ("Text/Event-Stream", "", "data: 1\\r\\r", Some(told)),
        ("text/event-stream", "", "data: 1\\n", Some("")),
        ("text/event-stream", "", "data: 1\\n\\ndata", Some("")),
        ("text/event-stream", "gzip", "data: 1\\n\\n", None),
        ("text/event-streams", "", "data: 1\\n\\n", None),
        ("application/octet-stream", "", "data", None),
    ];
    let token = Token::of("ann").bearer();
    let mut open = Vec::new();
    for (kind, encoding, begin, _) in cases {
        let mut request = Request::get("/").header("x-type", kind).header("x-begin", begin);
        if !encoding.is_empty() {
            request = request.header("x-encoding", encoding);
        }
        let request = request.header("authorization", &token).body(full("")).unwrap();
        let mut requests = connect(gateway.address).await;
        let mut body = send_on(&mut requests, request).await.into_body();
        let first = within(body.frame()).await.unwrap().unwrap().into_data().unwrap();
        assert_eq!(first, begin.replace("\\n", "\n").replace("\\r", "\r"));
        open.push((requests, body));
    }
    distrust(&gateway, &text).await;
    for ((kind, _, begin, want), (_requests, body)) in cases.into_iter().zip(open) {
        let rest = within(body.collect()).await;
        let rest = rest.ok().map(|rest| String::from_utf8(rest.to_bytes().to_vec()).unwrap());
        assert_eq!(rest.as_deref(), want, "{kind} {begin}");
    }
    assert_eq!(gateway.gateway.stats().ended, cases.len() as u64);
}

#[tokio::test]
async fn a_grpc_call_ends_with_a_status() {
    let backend = Backend::start_http2(endless).await;
    let servers = format!("servers = ['http://{}']", backend.address);
    let text = config(backend.address, CLOSED).replace(&servers, &format!("{servers}\nprotocol = 'h2'"));
    let gateway = Running::start(&text).await;
    let mut requests = connect_http2(gateway.address).await;
    let mut open = Vec::new();
    for kind in ["application/grpc", "application/grpc+proto", "application/grpc-web"] {
        let request = Request::post("http://api.example.com/")
            .header("authorization", Token::of("ann").bearer())
            .header("te", "trailers")
            .header("x-type", kind)
            .header("x-begin", "x");
        let response = within(requests.send_request(request.body(full("")).unwrap())).await.unwrap();
        let mut body = response.into_body();
        within(body.frame()).await.unwrap().unwrap();
        open.push((kind, body));
    }
    distrust(&gateway, &text).await;
    for (kind, mut body) in open {
        match within(body.frame()).await.unwrap() {
            Ok(frame) if kind != "application/grpc-web" => {
                let trailers = frame.into_trailers().unwrap();
                assert_eq!(trailers["grpc-status"], "16", "{kind}");
                assert_eq!(trailers["grpc-message"], "invalid-token", "{kind}");
            }
            Err(_) if kind == "application/grpc-web" => {}
            other => panic!("{kind}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn an_upload_ends_with_its_token() {
    let (started, mut running) = tokio::sync::mpsc::channel(1);
    let backend = Backend::start(move |request: Request<Incoming>| {
        let started = started.clone();
        async move {
            started.send(()).await.unwrap();
            drop(request.into_body().collect().await);
            Response::new(full("whole"))
        }
    })
    .await;
    let text = config(backend.address, CLOSED);
    let gateway = Running::start(&text).await;
    let (frames, body) = channel();
    frames.send(Frame::data("a part".into())).unwrap();
    let request = Request::post("/").header("authorization", Token::of("ann").bearer()).body(body).unwrap();
    let answer = tokio::spawn(send(gateway.address, request));
    within(running.recv()).await.unwrap();
    distrust(&gateway, &text).await;
    let answer = within(answer).await.unwrap();
    assert_eq!((answer.status, &*answer.code()), (StatusCode::UNAUTHORIZED, "invalid-token"));
    drop(frames);
}
