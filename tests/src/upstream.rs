//! A service behind the gateway that tells what reached it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::response::IntoResponse as _;
use axum::routing::{MethodRouter, any};
use serde_json::{Map, Value, json};
use tokio::net::TcpListener;

/// Serves a router on a free port until the test ends.
pub async fn serve(router: Router) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("the address of a listener");
    tokio::spawn(async move { axum::serve(listener, router).await });
    address
}

/// Answers every request with its method, target and header fields as JSON; `POST /echo` with its own body, as it comes.
pub async fn mirror() -> SocketAddr {
    let echo = |request: Request| async { Body::from_stream(request.into_body().into_data_stream()) };
    mirror_and("/echo", axum::routing::post(echo)).await
}

/// The same, where a `POST` to the path gets its own body back once all of it has arrived: a proxy need not carry both
/// ways at once, and Go's server, Caddy's for one, stops reading a request when its response begins.
pub async fn mirror_and_return(path: &str) -> SocketAddr {
    mirror_and(path, axum::routing::post(|body: Bytes| async { body })).await
}

async fn mirror_and(path: &str, answer: MethodRouter) -> SocketAddr {
    serve(Router::new().route(path, answer.fallback(describe)).fallback(any(describe))).await
}

async fn describe(request: Request) -> axum::response::Response {
    let mut headers = Map::new();
    for (name, value) in request.headers() {
        let values = headers.entry(name.as_str()).or_insert_with(|| json!([]));
        values.as_array_mut().expect("a list").push(json!(String::from_utf8_lossy(value.as_bytes())));
    }
    let told =
        json!({"method": request.method().as_str(), "target": request.uri().to_string(), "headers": headers});
    ([("content-type", "application/json")], told.to_string()).into_response()
}

/// A JWK Set that another server keeps, with a count of how often it was asked for.
pub async fn counted_jwks(set: Value) -> (String, Arc<AtomicU64>) {
    let count = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&count);
    let answer = move || {
        counted.fetch_add(1, Ordering::Relaxed);
        let set = set.to_string();
        async { ([("content-type", "application/jwk-set+json"), ("cache-control", "max-age=300")], set) }
    };
    let address = serve(Router::new().route("/jwks", axum::routing::get(answer))).await;
    (format!("http://{address}/jwks"), count)
}
