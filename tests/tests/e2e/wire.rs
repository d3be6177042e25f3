//! HTTP as it is on the wire: the real gateway between clients that others wrote, or that mean harm, and a service that
//! keeps count of what reaches it.

mod curl;
mod grpc;
mod hostile;
mod load;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use aws_lc_rs::digest;
use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use futures_util::StreamExt as _;
use gatepass_e2e::{Alone, place, upstream};
use serde_json::json;
use tempfile::TempDir;

/// A gateway with one public route to everything at one service.
struct Wire {
    gateway: Alone,
    folder: TempDir,
    /// Its file, to write it again.
    text: String,
}

impl Wire {
    /// `more` comes at the end of the gateway's file.
    async fn start(service: SocketAddr, more: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self::start_in(folder, service, more).await
    }

    async fn start_in(folder: TempDir, service: SocketAddr, more: &str) -> Self {
        let listen = place::free_address();
        let text = format!(
            "listen = \"{listen}\"\n\n[[upstream]]\nname = \"service\"\nservers = [\"http://{service}\"]\n\n\
            [[route]]\npath = \"/{{*rest}}\"\nupstream = \"service\"\npublic = true\n\n{more}"
        );
        let gateway = Alone::start("gateway", folder.path(), listen, &text).await;
        Self { gateway, folder, text }
    }
}

/// What reached the service: method and target of each request.
#[derive(Clone, Default)]
struct Arrivals {
    /// By their heads.
    begun: Arc<Mutex<Vec<String>>>,
    /// To the end of their bodies.
    whole: Arc<Mutex<Vec<String>>>,
}

impl Arrivals {
    /// Starts the service. It tells of each request what its body was; at `/large` are [`large`]'s bytes, and any range of
    /// them.
    async fn start() -> (Self, SocketAddr) {
        let arrivals = Self::default();
        let router = Router::new().fallback(serve).with_state(arrivals.clone());
        (arrivals, upstream::serve(router).await)
    }

    fn begun(&self) -> Vec<String> {
        self.begun.lock().unwrap().clone()
    }

    fn whole(&self) -> Vec<String> {
        self.whole.lock().unwrap().clone()
    }
}

async fn serve(State(arrivals): State<Arrivals>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let line = format!("{} {}", head.method, head.uri);
    arrivals.begun.lock().unwrap().push(line.clone());
    let (mut sum, mut length) = (digest::Context::new(&digest::SHA256), 0);
    let mut body = body.into_data_stream();
    while let Some(piece) = body.next().await {
        let Ok(piece) = piece else { return StatusCode::BAD_REQUEST.into_response() };
        sum.update(&piece);
        length += piece.len();
    }
    arrivals.whole.lock().unwrap().push(line);
    match head.uri.path() {
        "/large" => part_of_large(&head.headers),
        _ => {
            json!({ "method": head.method.as_str(), "length": length, "sha256": hex(sum.finish().as_ref()) })
                .to_string()
                .into_response()
        }
    }
}

/// RFC 9110 section 14.2, for `bytes=FIRST-LAST` alone.
fn part_of_large(headers: &HeaderMap) -> Response {
    let large = large();
    let asked = headers.get("range").and_then(|range| range.to_str().ok()?.strip_prefix("bytes="));
    let Some((first, last)) = asked.and_then(|range| range.split_once('-')) else {
        return Body::from(large).into_response();
    };
    let (first, last): (usize, usize) = (first.parse().unwrap(), last.parse().unwrap());
    let range = format!("bytes {first}-{last}/{}", large.len());
    (StatusCode::PARTIAL_CONTENT, [("content-range", range)], large[first..=last].to_vec()).into_response()
}

/// 20 MB in which no two blocks are alike.
fn large() -> Vec<u8> {
    (0..2_500_000_u64).flat_map(u64::to_le_bytes).collect()
}

fn sha256(bytes: &[u8]) -> String {
    hex(digest::digest(&digest::SHA256, bytes).as_ref())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
