//! Somebody between a gateway and its authorization server who passes everything on, but for what a test tells him.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, LOCATION};
use axum::http::{HeaderValue, Response, StatusCode};
use futures_util::{StreamExt as _, stream};
use reqwest::Client;

use crate::{http, upstream};

/// What becomes of the revocation feed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Feed {
    /// It goes through.
    Whole,
    /// Nobody answers.
    Down,
    /// Connections stand, and nothing comes any more.
    Silent,
    /// Every stream ends after a piece or two.
    Cut,
    /// Entries do not arrive.
    Dropped,
    /// An entry arrives after what follows it.
    Reordered,
    /// Everything arrives twice.
    Doubled,
}

/// What is given for the key set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keys {
    /// The issuer's.
    Good,
    /// Nothing: the connection breaks.
    Unreachable,
    /// A set without keys.
    Empty,
    /// What is no JSON.
    Garbage,
    /// Sixty-four megabytes.
    Huge,
    /// A redirect to somebody else's set.
    Redirect,
}

/// A proxy in front of an authorization server. Its address stands in for the server's.
pub struct Meddler {
    /// Where it listens.
    pub address: SocketAddr,
    told: Arc<Told>,
}

struct Told {
    client: Client,
    server: String,
    feed: Mutex<Feed>,
    keys: Mutex<Keys>,
    /// How far the issuer's clock is ahead in what its heartbeats say, in milliseconds.
    clock: AtomicI64,
    keys_asked: AtomicU64,
}

impl Meddler {
    /// Stands in front of the server of that URL and passes everything on.
    pub async fn start(server: &str) -> Self {
        let told = Arc::new(Told {
            client: http::client(),
            server: server.to_owned(),
            feed: Mutex::new(Feed::Whole),
            keys: Mutex::new(Keys::Good),
            clock: AtomicI64::new(0),
            keys_asked: AtomicU64::new(0),
        });
        let router = Router::new().fallback(pass_on).with_state(Arc::clone(&told));
        Self { address: upstream::serve(router).await, told }
    }

    /// What to do with the feed from now on, on streams that are open, too.
    pub fn feed(&self, feed: Feed) {
        *self.told.feed.lock().unwrap() = feed;
    }

    /// What to give for the key set from now on.
    pub fn keys(&self, keys: Keys) {
        *self.told.keys.lock().unwrap() = keys;
    }

    /// How far ahead the issuer's clock is from now on.
    pub fn clock(&self, seconds: i64) {
        self.told.clock.store(seconds * 1000, Ordering::SeqCst);
    }

    /// How often the key set was asked for.
    pub fn keys_asked(&self) -> u64 {
        self.told.keys_asked.load(Ordering::SeqCst)
    }
}

impl Told {
    fn feed(&self) -> Feed {
        *self.feed.lock().unwrap()
    }

    /// What a frame of the stream becomes; `None` ends it.
    fn meddle(&self, frame: String, held: &mut Option<String>) -> Option<String> {
        let is_entry = frame.contains("event: revocation\n");
        let frame = self.shift_clock(frame);
        match self.feed() {
            Feed::Whole => Some(held.take().unwrap_or_default() + &frame),
            Feed::Silent => Some(String::new()),
            Feed::Down | Feed::Cut => None,
            Feed::Dropped if is_entry => Some(String::new()),
            Feed::Dropped => Some(frame),
            Feed::Doubled => Some(format!("{frame}{frame}")),
            Feed::Reordered if is_entry && held.is_none() => {
                *held = Some(frame);
                Some(String::new())
            }
            Feed::Reordered => Some(frame + &held.take().unwrap_or_default()),
        }
    }

    fn shift_clock(&self, frame: String) -> String {
        let Some((before, rest)) = frame.split_once("\"now\":") else { return frame };
        let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        let (now, after) = rest.split_at(digits);
        let now: i64 = now.parse().expect("an instant in a heartbeat");
        format!("{before}\"now\":{}{after}", now + self.clock.load(Ordering::SeqCst))
    }
}

async fn pass_on(State(told): State<Arc<Told>>, request: Request) -> Response<Body> {
    let path = request.uri().path();
    let is_feed = path.starts_with("/revocations/");
    if is_feed && told.feed() == Feed::Down {
        return plain(StatusCode::BAD_GATEWAY, Body::empty());
    }
    if path.ends_with("jwks.json") {
        told.keys_asked.fetch_add(1, Ordering::SeqCst);
        let keys = *told.keys.lock().unwrap();
        if let Some(answer) = instead_of_keys(keys) {
            return answer;
        }
    }
    let url = format!("{}{}", told.server, request.uri());
    let mut headers = request.headers().clone();
    headers.remove("host");
    let asked = told.client.request(request.method().clone(), url).headers(headers);
    let body = reqwest::Body::wrap_stream(request.into_body().into_data_stream());
    // A stream lasts longer than any request.
    let asked = asked.body(body).timeout(std::time::Duration::from_secs(3_600));
    let Ok(answer) = asked.send().await else { return plain(StatusCode::BAD_GATEWAY, Body::empty()) };
    let mut response = plain(answer.status(), Body::empty());
    for name in [CONTENT_TYPE, ETAG] {
        if let Some(value) = answer.headers().get(&name) {
            response.headers_mut().insert(name, value.clone());
        }
    }
    // Whoever asks for keys is to ask again soon.
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("max-age=0"));
    let is_stream = answer.headers().get(CONTENT_TYPE).is_some_and(|kind| kind == "text/event-stream");
    *response.body_mut() = match is_stream {
        true => Body::from_stream(frames(told, answer)),
        false => Body::from_stream(answer.bytes_stream()),
    };
    response
}

fn plain(status: StatusCode, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response
}

fn instead_of_keys(keys: Keys) -> Option<Response<Body>> {
    let broken = || Err::<Vec<u8>, _>(std::io::Error::other("broken off"));
    let body = match keys {
        Keys::Good => return None,
        Keys::Unreachable => Body::from_stream(stream::iter([broken()])),
        Keys::Empty => Body::from("{\"keys\":[]}"),
        Keys::Garbage => Body::from(vec![b'{'; 10_000]),
        Keys::Huge => {
            let piece = || Ok::<_, std::io::Error>(vec![b' '; 1 << 20]);
            Body::from_stream(stream::iter((0..64).map(move |_| piece())))
        }
        Keys::Redirect => {
            let mut response = plain(StatusCode::FOUND, Body::empty());
            let elsewhere = HeaderValue::from_static("http://127.0.0.1:9/jwks.json");
            response.headers_mut().insert(LOCATION, elsewhere);
            return Some(response);
        }
    };
    Some(plain(StatusCode::OK, body))
}

/// The frames of an event stream, one by one, as they are to arrive.
fn frames(
    told: Arc<Told>,
    answer: reqwest::Response,
) -> impl futures_util::Stream<Item = Result<String, std::io::Error>> {
    let state = (told, answer.bytes_stream().boxed(), String::new(), None);
    stream::unfold(state, |(told, mut pieces, mut text, mut held)| async move {
        loop {
            if let Some(end) = text.find("\n\n") {
                let rest = text.split_off(end + 2);
                let frame = told.meddle(std::mem::replace(&mut text, rest), &mut held)?;
                return Some((Ok(frame), (told, pieces, text, held)));
            }
            let piece = pieces.next().await?.ok()?;
            text += &String::from_utf8_lossy(&piece);
        }
    })
}
