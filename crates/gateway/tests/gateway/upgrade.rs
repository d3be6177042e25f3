//! WebSocket and what else a client may ask to switch to.

use http::{Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::harness::{Backend, OPEN, Running, config, full, raw, within};

pub(crate) const HANDSHAKE: &str = "GET /socket HTTP/1.1\r\nhost: a\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n\
    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

/// Switches when it is asked to, whatever the protocol, and then sends back what it gets.
pub(crate) async fn echo() -> Backend {
    Backend::start(|mut request| async move {
        let Some(protocol) = request.headers().get("upgrade").cloned() else {
            return Response::new(full("not asked to switch"));
        };
        if request.uri().path() == "/no" {
            return Response::builder().status(StatusCode::FORBIDDEN).body(full("no")).unwrap();
        }
        let upgrade = hyper::upgrade::on(&mut request);
        tokio::spawn(async move {
            let mut stream = TokioIo::new(upgrade.await.unwrap());
            let mut buffer = [0; 1024];
            while let Ok(read @ 1..) = stream.read(&mut buffer).await {
                stream.write_all(&buffer[..read]).await.unwrap();
            }
            let _ = stream.shutdown().await;
        });
        Response::builder()
            .status(StatusCode::SWITCHING_PROTOCOLS)
            .header("connection", "upgrade")
            .header("upgrade", protocol)
            .header("sec-websocket-accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")
            .body(full(""))
            .unwrap()
    })
    .await
}

pub(crate) async fn head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(within(stream.read_u8()).await.unwrap());
    }
    String::from_utf8(head).unwrap().to_lowercase()
}

#[tokio::test]
async fn a_websocket_is_a_tunnel() {
    let backend = echo().await;
    let gateway = Running::start(&config(backend.address, OPEN)).await;
    let mut stream = TcpStream::connect(gateway.address).await.unwrap();
    // The first bytes may come with the request.
    stream.write_all(format!("{HANDSHAKE}early").as_bytes()).await.unwrap();
    let answer = head(&mut stream).await;
    assert!(answer.starts_with("http/1.1 101 "), "{answer}");
    for field in
        ["connection: upgrade", "upgrade: websocket", "sec-websocket-accept: s3pplmbitxaq9kygzzhzrbk+xoo="]
    {
        assert!(answer.contains(field), "{answer}");
    }
    let mut echoed = [0; 5];
    within(stream.read_exact(&mut echoed)).await.unwrap();
    assert_eq!(echoed, *b"early");
    for size in [1, 100, 100_000] {
        let bytes = vec![b'x'; size];
        let (mut reading, mut writing) = stream.split();
        let mut echoed = vec![0; size];
        let (written, read) =
            within(async { tokio::join!(writing.write_all(&bytes), reading.read_exact(&mut echoed)) }).await;
        written.unwrap();
        read.unwrap();
        assert_eq!(echoed, bytes);
    }
    stream.shutdown().await.unwrap();
    assert_eq!(within(stream.read(&mut [0; 1])).await.unwrap(), 0, "the end goes through as well");
}

#[tokio::test]
async fn a_server_that_does_not_switch_answers_as_ever() {
    let backend = echo().await;
    let gateway = Running::start(&config(backend.address, OPEN)).await;
    let request = HANDSHAKE.replace("/socket", "/no").replace("keep-alive, ", "close, ");
    let answer = raw(gateway.address, request.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 403 ") && answer.ends_with("\r\n\r\nno"), "{answer}");
}

#[tokio::test]
async fn no_other_protocol_is_switched_to() {
    let backend = echo().await;
    let routes = "[[route]]\npath = '/closed'\nupstream = 'backend'\n".to_owned() + OPEN;
    let gateway = Running::start(&config(backend.address, &routes)).await;
    for protocol in ["h2c", "HTTP/2.0", "TLS/1.0", "websocket, h2c", "WebSocket2"] {
        let request =
            HANDSHAKE.replace("websocket\r\n", &format!("{protocol}\r\n")).replace("keep-alive, ", "close, ");
        let answer = raw(gateway.address, request.as_bytes()).await;
        assert!(
            answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("not asked to switch"),
            "{protocol}: {answer}"
        );
    }
    let answer = raw(
        gateway.address,
        HANDSHAKE.replace("/socket", "/closed").replace("keep-alive, ", "close, ").as_bytes(),
    )
    .await;
    assert!(answer.starts_with("HTTP/1.1 401 "), "a rule holds for a WebSocket too: {answer}");
}

#[tokio::test]
async fn tunnels_are_cut_when_the_gateway_has_waited_enough() {
    let backend = echo().await;
    let gateway = Running::start(&(config(backend.address, OPEN) + "[timeouts]\ndrain = '200ms'\n")).await;
    let mut stream = TcpStream::connect(gateway.address).await.unwrap();
    stream.write_all(HANDSHAKE.as_bytes()).await.unwrap();
    assert!(head(&mut stream).await.starts_with("http/1.1 101 "));
    gateway.stop().await;
    assert_eq!(within(stream.read(&mut [0; 1])).await.unwrap_or(0), 0);
}
