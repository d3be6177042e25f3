//! Sends requests to the target, to nobody else, and not faster than was allowed.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use http::header::{CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderMap, HeaderValue, StatusCode};
use reqwest::redirect::Policy;
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep, sleep_until};

use crate::attempt::Attempt;
use crate::request::RequestShape;
use crate::target::Target;

/// What a run may cost the service.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Requests under way at a time.
    pub concurrency: usize,
    /// Requests per second; as many as there can be where it is 0.
    pub per_second: u32,
    /// Requests in all.
    pub requests: usize,
    /// After this long without an answer the service counts as broken.
    pub timeout: Duration,
    /// An answer that takes longer than this is a finding of its own.
    pub slow: Duration,
}

impl Default for Bounds {
    /// Four at a time, 100 per second, 5000 in all; ten seconds without an answer, three for a slow one.
    fn default() -> Self {
        Self {
            concurrency: 4,
            per_second: 100,
            requests: 5000,
            timeout: Duration::from_secs(10),
            slow: Duration::from_secs(3),
        }
    }
}

/// What came of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reply {
    Answered {
        status: u16,
        took: Duration,
    },
    /// The connection ended without an answer.
    Closed,
    TimedOut,
    /// No connection could be made.
    Unreachable,
    /// HTTP has no way to carry it, or the bound of requests is reached.
    NotSent(&'static str),
}

pub(crate) struct Sender<'a> {
    client: reqwest::Client,
    target: &'a Target,
    shape: &'a RequestShape,
    bounds: Bounds,
    next: Mutex<Instant>,
    sent: AtomicUsize,
}

impl<'a> Sender<'a> {
    /// A client that knows the target's addresses and no others, follows nothing and goes through no proxy.
    pub(crate) fn new(target: &'a Target, shape: &'a RequestShape, bounds: Bounds) -> reqwest::Result<Self> {
        let client = reqwest::Client::builder()
            .redirect(Policy::none())
            .no_proxy()
            .http1_only()
            .referer(false)
            .resolve_to_addrs(&target.host, &target.addresses)
            .connect_timeout(bounds.timeout)
            .timeout(bounds.timeout)
            .build()?;
        Ok(Self {
            client,
            target,
            shape,
            bounds,
            next: Mutex::new(Instant::now()),
            sent: AtomicUsize::new(0),
        })
    }

    /// How many requests have been sent.
    pub(crate) fn sent(&self) -> usize {
        self.sent.load(Ordering::Relaxed).min(self.bounds.requests)
    }

    /// Sends it; again where the service says that there were too many requests, and once more where the
    /// connection ended: it may have been about to end before.
    pub(crate) async fn send(&self, attempt: &Attempt) -> Reply {
        const TRIES: usize = 4;
        let mut closed = 0;
        let mut reply = Reply::NotSent("nothing was sent");
        for _ in 0..TRIES {
            let pause;
            (reply, pause) = self.send_once(attempt).await;
            closed += usize::from(reply == Reply::Closed);
            match pause {
                Some(pause) => sleep(pause).await,
                None if reply == Reply::Closed && closed == 1 => {}
                None => break,
            }
        }
        reply
    }

    /// The reply, and how long to wait before another try where that is what the service asks for.
    async fn send_once(&self, attempt: &Attempt) -> (Reply, Option<Duration>) {
        let Some(request) = self.request(attempt) else {
            return (Reply::NotSent("HTTP cannot carry it in this place"), None);
        };
        if self.sent.fetch_add(1, Ordering::Relaxed) >= self.bounds.requests {
            return (Reply::NotSent("the bound of requests is reached"), None);
        }
        self.wait_for_turn().await;
        let start = Instant::now();
        let mut response = match request.send().await {
            Ok(response) => response,
            Err(error) if error.is_timeout() => return (Reply::TimedOut, None),
            Err(error) if error.is_connect() => return (Reply::Unreachable, None),
            Err(_) => return (Reply::Closed, None),
        };
        let took = start.elapsed();
        if response.remote_addr().is_some_and(|address| !self.target.addresses.contains(&address)) {
            return (Reply::Unreachable, None); // whoever that was, it is not the target
        }
        let status = response.status();
        let pause = (status == StatusCode::TOO_MANY_REQUESTS).then(|| retry_after(response.headers()));
        read_some(&mut response).await;
        (Reply::Answered { status: status.as_u16(), took }, pause)
    }

    fn request(&self, attempt: &Attempt) -> Option<reqwest::RequestBuilder> {
        let mut fields: HeaderMap = self.shape.fields.iter().cloned().collect();
        for value in attempt.values(&self.shape.place) {
            fields.append(self.shape.place.field.clone(), HeaderValue::from_bytes(value.as_bytes()).ok()?);
        }
        let mut url = self.target.url.clone();
        if let Some(token) = &attempt.query {
            url.query_pairs_mut().append_pair("access_token", token);
        }
        let request = self.client.request(self.shape.method.clone(), url).headers(fields);
        Some(match &attempt.form {
            Some(token) => request
                .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
                .body(format!("access_token={token}")),
            None => request,
        })
    }

    async fn wait_for_turn(&self) {
        let Some(gap) = Duration::from_secs(1).checked_div(self.bounds.per_second) else { return };
        let turn = {
            let mut next = self.next.lock().await;
            let turn = Instant::now().max(*next);
            *next = turn + gap;
            turn
        };
        sleep_until(turn).await;
    }
}

/// Seconds of `Retry-After`, a second where it says nothing, and never long.
fn retry_after(fields: &HeaderMap) -> Duration {
    const MOST: u64 = 5;
    let seconds = fields.get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.trim().parse().ok());
    Duration::from_secs(seconds.unwrap_or(1).min(MOST))
}

/// Reads so much of a body that its connection can be used again, where it is short; the status has said all.
async fn read_some(response: &mut reqwest::Response) {
    const MOST: usize = 64 * 1024;
    let mut read = 0;
    while let Ok(Some(chunk)) = response.chunk().await {
        read += chunk.len();
        if read > MOST {
            break;
        }
    }
}
