//! The revocation feed: where guards learn what is no longer valid.
//!
//! A guard loads the snapshot once and follows the stream from there. Both are open to anybody who
//! reaches the server: they name tokens and sessions by identifiers that open nothing.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::stream;
use gatepass_issuer::{LogPosition, SnapshotError};
use gatepass_jose::Timestamp;
use gatepass_revocation::{FeedEvent, sse};
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderName, Uri};
use tokio::sync::{Mutex, OwnedSemaphorePermit, watch};
use tokio::time::{Instant, Interval, MissedTickBehavior};

use crate::form::Form;
use crate::problem::Problem;
use crate::serve::Shutdown;
use crate::server::Server;

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
/// Tells nginx to pass events on as they come.
const X_ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

const HEARTBEAT: Duration = Duration::from_secs(1);
/// So many entries go into one piece of the stream, which bounds what a reader that lags makes us hold.
const BATCH: usize = 256;
/// A lone revocation is sent at once; those of a burst, at least this far apart, go together.
const PACE: Duration = Duration::from_millis(5);
/// How long a snapshot serves while nothing is revoked; well under its own lifetime.
const SNAPSHOT_FOR: Duration = Duration::from_secs(10);

/// The last snapshot, and a lock under which one at a time is made.
#[derive(Default)]
pub(crate) struct Snapshots(Arc<Mutex<Option<Taken>>>);

struct Taken {
    seq: u64,
    at: Timestamp,
    /// Counts up from the start of the process, whatever the clock does.
    begun: Instant,
    token: Bytes,
}

/// `GET /revocations/snapshot`
pub(crate) async fn snapshot(State(server): State<Arc<Server>>) -> Result<Response, Problem> {
    let token = server.snapshots.take(&server).await?;
    Ok(([(CONTENT_TYPE, "application/jwt")], Body::from(token)).into_response())
}

/// `GET /revocations/stream`
pub(crate) async fn stream(
    State(server): State<Arc<Server>>,
    uri: Uri,
    headers: HeaderMap,
    shutdown: Option<axum::Extension<Shutdown>>,
) -> Result<Response, Problem> {
    let after = resume_after(&uri, &headers)?;
    let place = Arc::clone(&server.streams).try_acquire_owned().map_err(|_| {
        tracing::debug!("a revocation stream was refused: as many as are allowed are open");
        Problem::overloaded(Duration::from_secs(5))
    })?;
    let shutdown = shutdown.map(|shutdown| shutdown.0).unwrap_or_default();
    let reader = Reader::new(server, after, shutdown, place);
    let frames = stream::unfold(reader, |mut reader| async move {
        let frames = reader.next().await?;
        Some((Ok::<_, Infallible>(frames), reader))
    });
    let headers = [(CONTENT_TYPE, sse::CONTENT_TYPE), (X_ACCEL_BUFFERING, "no")];
    Ok((headers, Body::from_stream(frames)).into_response())
}

/// Where the reader left off: `Last-Event-ID`, or `?after=` for those who cannot set a header.
fn resume_after(uri: &Uri, headers: &HeaderMap) -> Result<Option<u64>, Problem> {
    let query = Form::parse(uri.query().unwrap_or_default().as_bytes())?;
    query.require_only(&["after"])?;
    let (name, place) = match headers.get(LAST_EVENT_ID) {
        Some(id) => ("Last-Event-ID", id.to_str().unwrap_or("?")),
        None => match query.find("after") {
            Some(after) => ("after", after),
            None => return Ok(None),
        },
    };
    match place.parse() {
        Ok(seq) if place.bytes().all(|byte| byte.is_ascii_digit()) => Ok(Some(seq)),
        _ => Err(Problem::invalid_value(name, "it is the number of an entry")),
    }
}

impl Snapshots {
    /// A snapshot that holds everything that was revoked before it was asked for. However many ask,
    /// one is made at a time, and none while the last one still says all there is.
    async fn take(&self, server: &Arc<Server>) -> Result<Bytes, Problem> {
        let asked_at = Instant::now();
        let mut last = Arc::clone(&self.0).lock_owned().await;
        let now = server.now();
        let seq = *server.issuer.watch_revocations().borrow();
        if let Some(taken) = &*last {
            let is_fresh = now.since(taken.at) < SNAPSHOT_FOR && taken.begun.elapsed() < SNAPSHOT_FOR;
            if is_fresh && (taken.seq == seq || taken.begun > asked_at) {
                return Ok(taken.token.clone());
            }
        }
        let issuer = Arc::clone(&server.issuer);
        // A million entries take a while to write down and sign. The lock goes along: whoever asks and
        // goes away must not make room for a second one.
        let made = tokio::task::spawn_blocking(move || {
            let begun = Instant::now();
            let token = Bytes::from(issuer.snapshot(now)?);
            *last = Some(Taken { seq, at: now, begun, token: token.clone() });
            Ok::<_, SnapshotError>(token)
        });
        Ok(made.await.map_err(|panic| Problem::internal(&panic))??)
    }
}

/// One reader of the stream. It is cut off when its connection stalls.
struct Reader {
    server: Arc<Server>,
    position: LogPosition,
    sent_at: Option<Instant>,
    newest: watch::Receiver<u64>,
    heartbeat: Interval,
    heartbeat_due: bool,
    shutdown: Shutdown,
    _place: OwnedSemaphorePermit,
}

impl Reader {
    fn new(server: Arc<Server>, after: Option<u64>, shutdown: Shutdown, place: OwnedSemaphorePermit) -> Self {
        let newest = server.issuer.watch_revocations();
        let mut heartbeat = tokio::time::interval(HEARTBEAT);
        heartbeat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self {
            position: server.issuer.log_position(after),
            sent_at: None,
            server,
            newest,
            heartbeat,
            heartbeat_due: false,
            shutdown,
            _place: place,
        }
    }

    /// The next piece of the stream; `None` at its end. A heartbeat never overtakes an entry: it tells
    /// of an instant at which there was none beyond the last one sent.
    async fn next(&mut self) -> Option<Bytes> {
        loop {
            let now = self.server.now();
            if let Some(entries) = self.entries().await {
                return Some(entries);
            }
            if std::mem::take(&mut self.heartbeat_due) {
                let heartbeat = self.server.issuer.heartbeat(self.position, now);
                return Some(Bytes::from(FeedEvent::from(heartbeat).to_event().to_frame()));
            }
            tokio::select! {
                biased;
                () = self.shutdown.begun() => return None,
                _ = self.heartbeat.tick() => self.heartbeat_due = true,
                changed = self.newest.changed() => changed.ok()?,
            }
        }
    }

    /// The entries that follow what was sent, if there are any.
    async fn entries(&mut self) -> Option<Bytes> {
        if !self.position.is_before(*self.newest.borrow_and_update()) {
            return None;
        }
        if let Some(sent_at) = self.sent_at {
            tokio::time::sleep_until(sent_at + PACE).await;
        }
        let entries = self.server.issuer.read_log(&mut self.position, BATCH);
        if entries.is_empty() {
            return None;
        }
        self.sent_at = (entries.len() < BATCH).then(Instant::now);
        let frames = entries.into_iter().map(|entry| FeedEvent::from(entry).to_event().to_frame());
        Some(Bytes::from(frames.collect::<String>()))
    }
}

impl From<SnapshotError> for Problem {
    fn from(error: SnapshotError) -> Self {
        Self::internal(&error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_a_reader_left_off() {
        let cases = [
            ("from_now", "/s", None, Ok(None)),
            ("from_the_beginning", "/s?after=0", None, Ok(Some(0))),
            ("query", "/s?after=7", None, Ok(Some(7))),
            ("header", "/s", Some("7"), Ok(Some(7))),
            ("header_before_query", "/s?after=3", Some("7"), Ok(Some(7))),
            ("not_a_number", "/s?after=x", None, Err(())),
            ("signed", "/s?after=%2B7", None, Err(())),
            ("too_large", "/s", Some("18446744073709551616"), Err(())),
            ("twice", "/s?after=1&after=2", None, Err(())),
            ("misspelt", "/s?aftr=1", None, Err(())),
        ];
        for (name, uri, header, want) in cases {
            let mut headers = HeaderMap::new();
            headers.extend(header.map(|value| (LAST_EVENT_ID, value.parse().unwrap())));
            assert_eq!(resume_after(&uri.parse().unwrap(), &headers).map_err(drop), want, "{name}");
        }
    }
}
