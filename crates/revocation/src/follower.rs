use std::cmp::Ordering;
use std::sync::Arc;
use std::time::Duration;

use gatepass_jose::Timestamp;

use crate::{Entry, Heartbeat, LogId, Snapshot, View};

/// What the driver of a [`Follower`] has to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Action {
    /// Read on.
    Continue,
    /// The view may lack an entry: fetch a snapshot, then open the stream after it.
    Resync,
    /// The stream runs late: open it again after [`Follower::last_event_id`].
    Reconnect,
}

/// Keeps a [`View`] in step with an issuer's feed, and knows when it is not.
///
/// A state machine without clock or connection: its driver tells it what arrived and when, and does the
/// [`Action`] it answers. Its one promise is that [`staleness`](Self::staleness) never flatters: it counts
/// from the last moment at which the view was proven complete, which only two things can do: a snapshot
/// (complete when it was asked for, whenever it came), and a heartbeat of the same log whose `seq` is that
/// of the last entry in an unbroken row.
///
/// The moments are those of the driver's own clock, which must not step back; the issuer's clock is never
/// compared with it. Only the pace of the two is: a heartbeat that comes later than its own time stamp and
/// those of earlier heartbeats explain was held up on the way, and counts from when it should have come. One
/// that comes earlier than they allow shows that the issuer's clock was set, and proves nothing.
///
/// ```
/// # use std::sync::Arc;
/// # use std::time::Duration;
/// # use gatepass_jose::Timestamp;
/// use gatepass_revocation::{Action, Follower, Heartbeat, Snapshot, View};
/// # let at = Timestamp::from_secs;
///
/// let mut follower = Follower::new(Arc::new(View::new()));
/// assert_eq!(follower.staleness(at(10)), None);
///
/// let snapshot = Snapshot::new("https://auth.example.com", 7, at(10), Vec::new());
/// follower.snapshot(&snapshot, at(10));
/// assert_eq!(follower.heartbeat(&Heartbeat { seq: 7, now: at(11), log: None }, at(11)), Action::Continue);
/// assert_eq!(follower.staleness(at(13)), Some(Duration::from_secs(2)));
///
/// // Entry 8 exists and was never seen here.
/// assert_eq!(follower.heartbeat(&Heartbeat { seq: 8, now: at(13), log: None }, at(13)), Action::Resync);
/// assert_eq!(follower.staleness(at(13)), Some(Duration::from_secs(2)));
/// ```
#[derive(Debug)]
pub struct Follower {
    view: Arc<View>,
    /// Every entry up to this one is in the view; nothing is known before the first snapshot.
    complete_to: Option<u64>,
    /// The log that the view holds, as its snapshot names it.
    log: Option<LogId>,
    /// The last heartbeat was older than the view.
    overtaken: bool,
    /// The least that our clock was ahead of a heartbeat's, on this stream, in milliseconds.
    least_offset: Option<i64>,
}

impl Follower {
    /// A heartbeat held up for longer than this asks for another stream.
    pub const MAX_LAG: Duration = Duration::from_secs(3);
    /// Clocks may drift apart by so much while a stream is open; what is more was a hand on one of them.
    const MAX_DRIFT: Duration = Duration::from_secs(1);

    /// A follower that knows nothing yet about what `view` should hold.
    #[must_use]
    pub fn new(view: Arc<View>) -> Self {
        Follower { view, complete_to: None, log: None, overtaken: false, least_offset: None }
    }

    /// The view that is kept in step.
    #[must_use]
    pub fn view(&self) -> &Arc<View> {
        &self.view
    }

    /// A verified snapshot arrived that was asked for at `requested_at`.
    pub fn snapshot(&mut self, snapshot: &Snapshot, requested_at: Timestamp) {
        self.view.load(snapshot);
        self.complete_to = Some(snapshot.seq);
        self.log = snapshot.log;
        self.overtaken = false;
        self.view.set_complete_at(requested_at);
    }

    /// An entry arrived on the stream. It takes effect whatever came before it.
    pub fn entry(&mut self, entry: &Entry) -> Action {
        self.view.apply(entry);
        match self.complete_to {
            Some(seq) if entry.seq <= seq => Action::Continue,
            Some(seq) if entry.seq - 1 == seq => {
                self.complete_to = Some(entry.seq);
                Action::Continue
            }
            _ => Action::Resync,
        }
    }

    /// A heartbeat arrived on the stream at `now`.
    pub fn heartbeat(&mut self, heartbeat: &Heartbeat, now: Timestamp) -> Action {
        let Some(complete_to) = self.complete_to else {
            return Action::Resync;
        };
        if heartbeat.log != self.log {
            // Its places count other entries, whatever their numbers.
            self.complete_to = None;
            return Action::Resync;
        }
        let Some(lag) = self.lag(heartbeat, now) else {
            return Action::Reconnect;
        };
        let overtaken = heartbeat.seq < complete_to;
        let again = std::mem::replace(&mut self.overtaken, overtaken);
        match heartbeat.seq.cmp(&complete_to) {
            Ordering::Greater => Action::Resync,
            // An entry may overtake a heartbeat inside the issuer. Twice in a row, the log itself went
            // back, as after a restored backup.
            Ordering::Less if again => Action::Resync,
            Ordering::Less => Action::Continue,
            Ordering::Equal => {
                self.view.set_complete_at(now.saturating_sub(lag));
                if lag > Self::MAX_LAG { Action::Reconnect } else { Action::Continue }
            }
        }
    }

    /// The wall clock, less the clock skew that is allowed for, says `wall`: to be told now and then, as it may be set
    /// back behind what the view has [forgotten](View::lacks_at).
    pub fn wall_clock(&mut self, wall: Timestamp) -> Action {
        if !self.view.lacks_at(wall) {
            return Action::Continue;
        }
        self.complete_to = None;
        Action::Resync
    }

    /// Something arrived on the stream that could not be read: it may have been an entry.
    pub fn unreadable(&mut self) -> Action {
        self.complete_to = None;
        Action::Resync
    }

    /// The stream ended. Nothing is lost yet; the view grows stale.
    pub fn disconnected(&mut self) {
        self.overtaken = false;
        self.least_offset = None;
    }

    /// Where to go on with the stream, for its `Last-Event-ID`; `None` if a snapshot is needed first.
    #[must_use]
    pub fn last_event_id(&self) -> Option<u64> {
        self.complete_to
    }

    /// How long ago the view was last proven complete; `None` if it never was.
    #[must_use]
    pub fn staleness(&self, now: Timestamp) -> Option<Duration> {
        self.view.staleness(now)
    }

    /// How much longer this heartbeat took than the quickest one of this stream; `None` where its time stamp
    /// cannot be compared with theirs.
    fn lag(&mut self, heartbeat: &Heartbeat, now: Timestamp) -> Option<Duration> {
        let offset = now.as_millis().saturating_sub(heartbeat.now.as_millis());
        let least = self.least_offset.unwrap_or(offset);
        let lag = Duration::from_millis(offset.abs_diff(least));
        if offset < least {
            self.least_offset = Some(offset);
            return (lag <= Self::MAX_DRIFT).then_some(Duration::ZERO);
        }
        self.least_offset = Some(least);
        Some(lag)
    }
}

#[cfg(test)]
mod tests;
