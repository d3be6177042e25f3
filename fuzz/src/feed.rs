//! The revocation feed: where a stream is cut means nothing, and what is read is written back the same.

use gatepass_jose::parse_strict_json;
use gatepass_revocation::sse::{Event, Parser};
use gatepass_revocation::{Entry, FeedEvent, Heartbeat, Snapshot};

use crate::bounds::bounded;

/// Takes `data` for a stream, and for one entry of the log.
pub fn check(data: &[u8]) -> bool {
    let whole = bounded(data.len(), || Parser::new().push(data)).expect("it is shorter than any limit");
    for size in [1, 2, 7] {
        let mut parser = Parser::new();
        let push = |piece: &[u8]| parser.push(piece).expect("it is shorter than any limit");
        let cut: Vec<Event> = data.chunks(size).flat_map(push).collect();
        assert_eq!(cut, whole, "in pieces of {size}");
    }
    for event in &whole {
        let again = Parser::new().push(event.to_frame().as_bytes()).expect("it was short enough");
        // A name is written without the zero bytes that a reader has to let pass.
        assert_eq!(again, [Event { event: event.event.replace('\0', ""), ..event.clone() }]);
        if let Ok(Some(message)) = FeedEvent::parse(event) {
            let again = FeedEvent::parse(&message.to_event());
            assert_eq!(again.expect("what was written is read"), Some(message));
        }
    }
    let accepted = [check_entry(data), check_heartbeat(data), check_snapshot(data)];
    !whole.is_empty() || accepted.contains(&true)
}

fn check_entry(json: &[u8]) -> bool {
    let Ok(entry) = bounded(json.len(), || serde_json::from_slice::<Entry>(json)) else { return false };
    assert_eq!(Entry::require_id(entry.kind, &entry.id), Ok(()));
    let written = serde_json::to_vec(&entry).expect("it can be written");
    assert_eq!(serde_json::from_slice::<Entry>(&written).expect("what was written is read"), entry);
    true
}

fn check_heartbeat(json: &[u8]) -> bool {
    let Ok(heartbeat) = serde_json::from_slice::<Heartbeat>(json) else { return false };
    let written = serde_json::to_vec(&heartbeat).expect("it can be written");
    assert_eq!(serde_json::from_slice::<Heartbeat>(&written).expect("what was written is read"), heartbeat);
    true
}

fn check_snapshot(json: &[u8]) -> bool {
    let Ok(snapshot) = bounded(json.len(), || parse_strict_json::<Snapshot>(json)) else { return false };
    let written = serde_json::to_vec(&snapshot).expect("it can be written");
    let again: Snapshot = parse_strict_json(&written).expect("what was written is read");
    assert_eq!((again.seq, again.entries), (snapshot.seq, snapshot.entries));
    true
}
