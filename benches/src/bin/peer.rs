//! What a gateway is compared with, and what stands behind all of them: `peer backend ADDR` answers
//! every request alike, `peer proxy ADDR UPSTREAM` is a reverse proxy of hyper alone.

use std::convert::Infallible;
use std::net::SocketAddr;

use anyhow::{Context as _, Result, bail};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Empty};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode, Uri, header};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const ANSWER: &[u8] =
    b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 27\r\n\r\n{\"orders\":[1,2,3],\"more\":0}";

#[tokio::main]
async fn main() -> Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match args.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["backend", address] => backend(TcpListener::bind(address).await?).await,
        ["proxy", address, upstream] => proxy(TcpListener::bind(address).await?, upstream.parse()?).await,
        _ => bail!("give `backend ADDR` or `proxy ADDR UPSTREAM`"),
    }
}

/// Answers requests without body, each with the same bytes, with next to no work.
async fn backend(listener: TcpListener) -> Result<()> {
    loop {
        let (stream, _) = listener.accept().await?;
        tokio::spawn(async move {
            let _ = answer_all(stream).await; // the other end has gone
        });
    }
}

async fn answer_all(mut stream: TcpStream) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut buffer = Vec::with_capacity(16 * 1024);
    while stream.read_buf(&mut buffer).await? > 0 {
        while let Some(end) = buffer.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
            buffer.drain(..end + 4);
            stream.write_all(ANSWER).await?;
        }
    }
    Ok(())
}

/// What hyper itself costs: nothing is checked, added or taken away but what HTTP demands.
async fn proxy(listener: TcpListener, upstream: SocketAddr) -> Result<()> {
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    let client = Client::builder(TokioExecutor::new()).build(connector);
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let client = client.clone();
        let service = service_fn(move |request| pass_on(client.clone(), upstream, request));
        tokio::spawn(async move {
            let _ = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    }
}

async fn pass_on(
    client: Client<HttpConnector, Incoming>,
    upstream: SocketAddr,
    mut request: Request<Incoming>,
) -> Result<Response<BoxBody<Bytes, hyper::Error>>, Infallible> {
    let answered = async {
        let path = request.uri().path_and_query().context("a request without path")?.clone();
        *request.uri_mut() =
            Uri::builder().scheme("http").authority(upstream.to_string()).path_and_query(path).build()?;
        request.headers_mut().remove(header::CONNECTION);
        anyhow::Ok(client.request(request).await?.map(BodyExt::boxed))
    };
    Ok(answered.await.unwrap_or_else(|_| {
        let mut refusal = Response::new(Empty::new().map_err(|never| match never {}).boxed());
        *refusal.status_mut() = StatusCode::BAD_GATEWAY;
        refusal
    }))
}
