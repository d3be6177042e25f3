use serde::Serialize;

use crate::sse::Event;
use crate::{Entry, Heartbeat};

/// One message of the revocation feed, as the stream carries it.
///
/// The issuer sends every entry of the log in order, with its `seq` as the event's `id`, so that a guard
/// that lost its connection goes on where it was (`Last-Event-ID`), and a heartbeat every second.
///
/// ```
/// use gatepass_jose::Timestamp;
/// use gatepass_revocation::{FeedEvent, Heartbeat};
///
/// let heartbeat = Heartbeat { seq: 7, now: Timestamp::from_millis(1_763_780_000_123), log: None };
/// let event = FeedEvent::from(heartbeat).to_event();
/// assert_eq!(event.to_frame(), "event: heartbeat\ndata: {\"seq\":7,\"now\":1763780000123}\n\n");
/// assert_eq!(FeedEvent::parse(&event)?, Some(FeedEvent::Heartbeat(heartbeat)));
/// # Ok::<(), gatepass_revocation::FeedError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FeedEvent {
    /// Something was revoked; the event is named `revocation`.
    Entry(Entry),
    /// The feed is alive; the event is named `heartbeat`.
    Heartbeat(Heartbeat),
}

/// An event of the feed whose data are not what its name promises.
#[derive(Debug, thiserror::Error)]
#[error("the event `{event}` of the feed cannot be read: {source}")]
pub struct FeedError {
    event: &'static str,
    source: serde_json::Error,
}

const REVOCATION: &str = "revocation";
const HEARTBEAT: &str = "heartbeat";

impl FeedEvent {
    /// Reads an event of the stream. `None` for one of another name, which a later issuer may send and a
    /// guard skips.
    ///
    /// # Errors
    /// [`FeedError`] if the data are not the JSON that the name promises. It may have been an entry, so
    /// the reader has to tell [`Follower::unreadable`](crate::Follower::unreadable).
    pub fn parse(event: &Event) -> Result<Option<Self>, FeedError> {
        match event.event.as_str() {
            REVOCATION => serde_json::from_str(&event.data)
                .map(|entry| Some(FeedEvent::Entry(entry)))
                .map_err(|source| FeedError { event: REVOCATION, source }),
            HEARTBEAT => serde_json::from_str(&event.data)
                .map(|heartbeat| Some(FeedEvent::Heartbeat(heartbeat)))
                .map_err(|source| FeedError { event: HEARTBEAT, source }),
            _ => Ok(None),
        }
    }

    /// The event that carries this message.
    #[must_use]
    pub fn to_event(&self) -> Event {
        match self {
            FeedEvent::Entry(entry) => {
                Event { id: Some(entry.seq.to_string()), event: REVOCATION.to_owned(), data: to_json(entry) }
            }
            FeedEvent::Heartbeat(heartbeat) => {
                Event { id: None, event: HEARTBEAT.to_owned(), data: to_json(heartbeat) }
            }
        }
    }
}

impl From<Entry> for FeedEvent {
    fn from(entry: Entry) -> Self {
        FeedEvent::Entry(entry)
    }
}

impl From<Heartbeat> for FeedEvent {
    fn from(heartbeat: Heartbeat) -> Self {
        FeedEvent::Heartbeat(heartbeat)
    }
}

/// Strings and integers only: there is nothing in either that JSON could refuse.
fn to_json(message: &impl Serialize) -> String {
    serde_json::to_string(message).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use gatepass_jose::Timestamp;

    use super::*;
    use crate::sse::Parser;
    use crate::{Kind, LogId, Reason};

    #[test]
    fn what_is_sent_is_what_is_read() {
        let messages = [
            FeedEvent::Entry(Entry {
                seq: 8,
                kind: Kind::Subject,
                id: "line\r\nbreak: \u{1F511}\n\ndata: x".into(),
                issued_before: Timestamp::from_millis(1),
                forget_after: Timestamp::from_millis(2),
                reason: Reason::CLAIMS_CHANGED,
            }),
            FeedEvent::Heartbeat(Heartbeat {
                seq: 8,
                now: Timestamp::from_millis(3),
                log: Some(LogId::new([3; 16])),
            }),
        ];
        let wire: String = messages.iter().map(|message| message.to_event().to_frame()).collect();
        let events = Parser::new().push(wire.as_bytes()).unwrap();
        let read: Vec<_> = events.iter().map(|event| FeedEvent::parse(event).unwrap().unwrap()).collect();
        assert_eq!(read, messages);
        assert_eq!(events[1].id.as_deref(), Some("8"), "a heartbeat leaves the id of the entry in force");
    }

    #[test]
    fn only_known_events_have_to_be_readable() {
        let event = |event: &str, data: &str| Event { id: None, event: event.into(), data: data.into() };
        assert!(FeedEvent::parse(&event("revocation", "{}")).is_err());
        assert!(FeedEvent::parse(&event("heartbeat", "{\"seq\":\"7\"}")).is_err());
        assert!(FeedEvent::parse(&event("heartbeat", "")).is_err());
        assert_eq!(FeedEvent::parse(&event("weather", "{}")).unwrap(), None);
        assert_eq!(FeedEvent::parse(&event("", "{}")).unwrap(), None);
    }
}
