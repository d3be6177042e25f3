//! The task that follows an issuer's revocation feed: it connects, a
//! [`Follower`](gatepass_revocation::Follower) decides.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::http::header::{ACCEPT, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use gatepass_jose::{Issuer, jws};
use gatepass_revocation::sse::{self, ParseError, Parser};
use gatepass_revocation::{
    Action, FeedEvent, Follower, Interruption, Kind, Places, Snapshot, SnapshotError, View,
};
use tokio::sync::watch;
use tokio::time::Instant;
use tracing::{info, warn};
use url::Url;

use crate::backoff::Backoff;
use crate::clock::Clock;
use crate::failures::Failures;
use crate::http::{FetchError, Http};
use crate::keys::KeyCache;
use crate::status::AskedFor;

/// A heartbeat comes every second. Without one for this long the stream is opened again.
const SILENCE: Duration = Duration::from_secs(3);
/// A snapshot may take long to arrive, but not pause for longer than this.
const SNAPSHOT_PAUSE: Duration = Duration::from_secs(10);
/// A million entries with ids of ordinary length.
const MAX_SNAPSHOT: usize = 256 * 1024 * 1024;
const FORGET_EVERY: Duration = Duration::from_secs(10);
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

pub(crate) struct FeedTask {
    pub(crate) issuer: Issuer,
    /// At least one.
    pub(crate) places: Vec<Place>,
    pub(crate) clock_skew: Duration,
    pub(crate) view: Arc<View>,
    pub(crate) keys: Arc<KeyCache>,
    pub(crate) http: Http,
    pub(crate) clock: Arc<Clock>,
    pub(crate) failures: Arc<Failures>,
    /// Whether the stream is open, and heard of lately.
    pub(crate) connected: Arc<AtomicBool>,
    /// Becomes `true` with the first snapshot.
    pub(crate) loaded: watch::Sender<bool>,
}

/// Where a feed is.
pub(crate) struct Place {
    pub(crate) snapshot: Url,
    pub(crate) stream: Url,
}

/// Why the feed has to be taken up anew.
#[derive(Debug, thiserror::Error)]
enum Interrupted {
    #[error(transparent)]
    Fetch(#[from] FetchError),
    #[error(transparent)]
    Snapshot(#[from] SnapshotError),
    #[error("the snapshot is no text")]
    SnapshotNotText,
    #[error("the snapshot could not be loaded")]
    SnapshotLost,
    #[error(transparent)]
    Stream(#[from] ParseError),
    #[error("{0} is no event stream")]
    NoStream(Url),
    #[error("the stream ended")]
    Ended,
    #[error("no heartbeat came for {} s", SILENCE.as_secs())]
    Silent,
    #[error("an entry is missing")]
    Gap,
    #[error("the clock was set back, and revocations were forgotten by what it said before")]
    SetBack,
    #[error("it names more revocations than there is room for, {}", View::CAPACITY)]
    Overfull,
    #[error("the stream runs late")]
    Late,
    #[error("the snapshot ends at entry {seq}, and entry {known} was seen elsewhere")]
    Behind { seq: u64, known: u64 },
}

impl Interrupted {
    fn kind(&self) -> Interruption {
        match self {
            Interrupted::Gap | Interrupted::SetBack | Interrupted::Overfull => Interruption::Incomplete,
            Interrupted::Behind { .. } => Interruption::Behind,
            _ => Interruption::Broken,
        }
    }
}

impl FeedTask {
    pub(crate) async fn run(self) {
        let mut follower = Follower::new(Arc::clone(&self.view));
        let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(5));
        let mut places = Places::new(self.places.len());
        while let Some(place) = self.places.get(places.place()) {
            let interrupted = match self.follow(&mut follower, place, &places, &mut backoff).await {
                Ok(never) => match never {},
                Err(interrupted) => interrupted,
            };
            self.report(&interrupted);
            places.interrupted(interrupted.kind(), follower.last_event_id());
            follower.disconnected();
            tokio::time::sleep(backoff.wait()).await;
        }
    }

    fn report(&self, interrupted: &Interrupted) {
        self.failures.note(AskedFor::Feed, interrupted);
        if self.connected.swap(false, Ordering::AcqRel) {
            info!(issuer = %self.issuer, reason = %interrupted, "the revocation feed is interrupted");
        } else {
            warn!(issuer = %self.issuer, reason = %interrupted, "the revocation feed cannot be followed");
        }
    }

    /// Follows the feed until something comes in between: from a new snapshot, or from where it was left.
    async fn follow(
        &self,
        follower: &mut Follower,
        place: &Place,
        places: &Places,
        backoff: &mut Backoff,
    ) -> Result<std::convert::Infallible, Interrupted> {
        if places.from_snapshot() {
            self.load_snapshot(follower, place, places).await?;
        }
        let url = &place.stream;
        let mut stream = self.http.open(url, self.stream_headers(follower), SILENCE).await?;
        if !is_event_stream(stream.headers()) {
            return Err(Interrupted::NoStream(url.clone()));
        }
        self.connected.store(true, Ordering::Release);
        let mut parser = Parser::new();
        let mut heartbeat = Instant::now();
        let mut forgotten = Instant::now();
        loop {
            let patience = SILENCE.saturating_sub(heartbeat.elapsed());
            let chunk = match stream.chunk(patience).await {
                Err(FetchError::Quiet { .. }) => return Err(Interrupted::Silent),
                chunk => chunk?.ok_or(Interrupted::Ended)?,
            };
            // First, so that a heartbeat does not shorten the pauses of a feed that cannot be followed.
            let wall = self.clock.now().wall.saturating_sub(self.clock_skew);
            if follower.wall_clock(wall) != Action::Continue {
                let is_overfull = self.view.is_overfull();
                return Err(if is_overfull { Interrupted::Overfull } else { Interrupted::SetBack });
            }
            for event in parser.push(&chunk)? {
                if self.take(follower, &event)? {
                    heartbeat = Instant::now();
                    backoff.reset();
                }
            }
            if forgotten.elapsed() >= FORGET_EVERY {
                forgotten = Instant::now();
                self.view.forget(wall);
            }
        }
    }

    /// Hands an event to the follower; `true` for a heartbeat.
    fn take(&self, follower: &mut Follower, event: &sse::Event) -> Result<bool, Interrupted> {
        let (action, is_heartbeat) = match FeedEvent::parse(event) {
            Ok(Some(FeedEvent::Entry(entry))) => {
                let action = follower.entry(&entry);
                if entry.kind == Kind::Key {
                    self.keys.withdraw_revoked();
                }
                (action, false)
            }
            Ok(Some(FeedEvent::Heartbeat(heartbeat))) => {
                (follower.heartbeat(&heartbeat, self.clock.now().steady), true)
            }
            // A later issuer may send more than this version understands.
            Ok(None) => (Action::Continue, false),
            Err(error) => {
                warn!(issuer = %self.issuer, %error, "a snapshot has to make up for an unreadable event");
                (follower.unreadable(), false)
            }
        };
        match action {
            Action::Continue => Ok(is_heartbeat),
            Action::Resync => Err(Interrupted::Gap),
            Action::Reconnect => Err(Interrupted::Late),
        }
    }

    async fn load_snapshot(
        &self,
        follower: &mut Follower,
        place: &Place,
        places: &Places,
    ) -> Result<(), Interrupted> {
        // Without keys there is nothing to verify a snapshot with; an error means that the guard is gone.
        let _ = self.keys.watch().wait_for(|fetched| *fetched).await;
        let requested_at = self.clock.now();
        let body = self.http.download(&place.snapshot, MAX_SNAPSHOT, SNAPSHOT_PAUSE).await?;
        let token = String::from_utf8(body).map_err(|_| Interrupted::SnapshotNotText)?;
        let keys = self.keys.for_snapshots();
        let issuer = self.issuer.clone();
        // A large snapshot takes a second to verify and load: not on a thread that serves requests.
        let mut loading = std::mem::replace(follower, Follower::new(Arc::clone(&self.view)));
        let (known, places) = (self.view.seq(), places.clone());
        let load = move || {
            let verified = Snapshot::verify(token.trim_ascii_end(), &issuer, &keys, requested_at.wall);
            let loaded = verified.map_err(Interrupted::from).and_then(|snapshot| {
                if places.is_behind(snapshot.seq, known) {
                    return Err(Interrupted::Behind { seq: snapshot.seq, known });
                }
                loading.snapshot(&snapshot, requested_at.steady);
                Ok(())
            });
            (loading, loaded)
        };
        let (loading, loaded) =
            tokio::task::spawn_blocking(load).await.map_err(|_| Interrupted::SnapshotLost)?;
        *follower = loading;
        let is_of_new_key = |error: &Interrupted| {
            matches!(error, Interrupted::Snapshot(SnapshotError::Rejected(jws::Rejection::UnknownKey)))
        };
        if loaded.as_ref().is_err_and(is_of_new_key) {
            self.keys.refetch_for_unknown_key().await;
        }
        loaded?;
        self.keys.withdraw_revoked();
        info!(issuer = %self.issuer, seq = self.view.seq(), entries = self.view.len(), "the revocations are loaded");
        self.loaded.send_if_modified(|loaded| !std::mem::replace(loaded, true));
        Ok(())
    }

    fn stream_headers(&self, follower: &Follower) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_static(sse::CONTENT_TYPE));
        if let Some(seq) = follower.last_event_id() {
            headers.insert(LAST_EVENT_ID, HeaderValue::from(seq));
        }
        headers
    }
}

fn is_event_stream(headers: &HeaderMap) -> bool {
    let media_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = media_type.split(';').next().unwrap_or_default();
    essence.trim().eq_ignore_ascii_case(sse::CONTENT_TYPE)
}
