//! The revocation feed.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, BodyDataStream};
use futures_util::StreamExt;
use gatepass_jose::{Alg, Issuer, JwkSet, KeySet};
use gatepass_revocation::sse::Parser;
use gatepass_revocation::{Action, FeedEvent, Follower, Kind, Reason, Snapshot, View};
use gatepass_server::HttpConfig;
use http::StatusCode;

use crate::fixture::{Fixture, ISSUER};

/// Reads the events of a stream. Gives up after a few seconds of silence, which is no timing but the
/// difference between a failure and a hang.
struct Stream {
    body: BodyDataStream,
    parser: Parser,
    read: std::collections::VecDeque<FeedEvent>,
}

impl Stream {
    async fn open(fixture: &Fixture, path: &str, last_event_id: Option<&str>) -> Self {
        let mut call = fixture.get(path);
        if let Some(id) = last_event_id {
            call = call.header("last-event-id", id);
        }
        let response = call.open().await;
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        assert_eq!(response.headers()["cache-control"], "no-store");
        Self::of(response.into_body())
    }

    fn of(body: Body) -> Self {
        Self { body: body.into_data_stream(), parser: Parser::new(), read: Default::default() }
    }

    async fn next(&mut self) -> Option<FeedEvent> {
        loop {
            if let Some(event) = self.read.pop_front() {
                return Some(event);
            }
            let bytes = tokio::time::timeout(Duration::from_secs(10), self.body.next()).await;
            let bytes = bytes.expect("the stream went silent")?.unwrap();
            let events = self.parser.push(&bytes).unwrap();
            self.read.extend(events.iter().filter_map(|event| FeedEvent::parse(event).unwrap()));
        }
    }

    async fn next_entry(&mut self) -> gatepass_revocation::Entry {
        loop {
            match self.next().await {
                Some(FeedEvent::Entry(entry)) => return entry,
                Some(FeedEvent::Heartbeat(_)) => {}
                None => panic!("the stream ended"),
            }
        }
    }

    async fn next_heartbeat(&mut self) -> u64 {
        loop {
            match self.next().await {
                Some(FeedEvent::Heartbeat(heartbeat)) => return heartbeat.seq,
                Some(FeedEvent::Entry(_)) => {}
                None => panic!("the stream ended"),
            }
        }
    }
}

async fn revoke(fixture: &Fixture, id: &str) -> u64 {
    fixture.issuer.revoke(Kind::Token, id, Reason::ADMIN, fixture.now()).await.unwrap().seq
}

async fn snapshot(fixture: &Fixture) -> Snapshot {
    let answer = fixture.get("/revocations/snapshot").send().await.expect(StatusCode::OK);
    assert_eq!(answer.header("content-type"), "application/jwt");
    assert_eq!(answer.header("cache-control"), "no-store");
    let set = JwkSet::parse(&fixture.get("/.well-known/jwks.json").send().await.body).unwrap();
    let keys = KeySet::from_jwks(&set, &[Alg::ES256]);
    let token = std::str::from_utf8(&answer.body).unwrap();
    Snapshot::verify(token, &Issuer::new(ISSUER).unwrap(), &keys, fixture.now()).unwrap()
}

#[tokio::test]
async fn the_snapshot_holds_what_was_revoked_before_it_was_asked_for() {
    let fixture = Fixture::new().await;
    for at in 1..=3 {
        let seq = revoke(&fixture, &format!("t{at}")).await;
        let snapshot = snapshot(&fixture).await;
        assert_eq!(snapshot.seq, seq);
        assert_eq!(snapshot.now, fixture.now());
        assert_eq!(snapshot.entries.last().unwrap().id, format!("t{at}"));
    }
    let one = fixture.get("/revocations/snapshot").send().await.body;
    let same = fixture.get("/revocations/snapshot").send().await.body;
    assert_eq!(one, same, "nothing was revoked, so nothing was signed again");
    fixture.pass(Duration::from_secs(11));
    assert_ne!(fixture.get("/revocations/snapshot").send().await.body, one);
}

#[tokio::test]
async fn a_stream_begins_with_a_heartbeat_and_goes_on_from_now() {
    let fixture = Fixture::new().await;
    let before = revoke(&fixture, "before").await;
    let mut stream = Stream::open(&fixture, "/revocations/stream", None).await;
    match stream.next().await.unwrap() {
        FeedEvent::Heartbeat(heartbeat) => {
            assert_eq!((heartbeat.seq, heartbeat.now), (before, fixture.now()));
        }
        FeedEvent::Entry(entry) => panic!("{entry:?}"),
    }
    let seq = revoke(&fixture, "after").await;
    let entry = stream.next_entry().await;
    assert_eq!((entry.seq, entry.id.as_str(), entry.kind), (seq, "after", Kind::Token));
    assert_eq!(stream.next_heartbeat().await, seq);
    assert_eq!(stream.next_heartbeat().await, seq, "and another a second later");
}

#[tokio::test]
async fn a_stream_goes_on_where_its_reader_left_off() {
    let fixture = Fixture::new().await;
    let first = revoke(&fixture, "t0").await;
    for at in 1..1000 {
        revoke(&fixture, &format!("t{at}")).await;
    }
    let last = first + 999;
    let from = (first + 4).to_string();
    for (name, path, header) in [
        ("header", "/revocations/stream".to_owned(), Some(from.as_str())),
        ("query", format!("/revocations/stream?after={from}"), None),
        ("both", "/revocations/stream?after=0".to_owned(), Some(from.as_str())),
    ] {
        let mut stream = Stream::open(&fixture, &path, header).await;
        for seq in first + 5..=last {
            let entry = stream.next_entry().await;
            assert_eq!((entry.seq, entry.id), (seq, format!("t{}", seq - first)), "{name}");
        }
        assert_eq!(stream.next_heartbeat().await, last, "{name}");
    }
    let mut ahead = Stream::open(&fixture, "/revocations/stream", Some("999999")).await;
    assert_eq!(ahead.next_heartbeat().await, last, "a place of another log");
    let next = revoke(&fixture, "next").await;
    assert_eq!(ahead.next_entry().await.seq, next);
}

#[tokio::test]
async fn a_guard_follows_from_snapshot_to_stream_without_a_gap() {
    let fixture = Fixture::new().await;
    revoke(&fixture, "t0").await;
    let snapshot = snapshot(&fixture).await;
    let view = Arc::new(View::new());
    let mut follower = Follower::new(Arc::clone(&view));
    follower.snapshot(&snapshot, fixture.now());
    for at in 1..=20 {
        revoke(&fixture, &format!("t{at}")).await;
    }
    let id = follower.last_event_id().unwrap().to_string();
    let mut stream = Stream::open(&fixture, "/revocations/stream", Some(&id)).await;
    let mut heartbeats = 0;
    while heartbeats < 2 {
        let action = match stream.next().await.unwrap() {
            FeedEvent::Entry(entry) => follower.entry(&entry),
            FeedEvent::Heartbeat(heartbeat) => {
                heartbeats += 1;
                revoke(&fixture, &format!("more{heartbeats}")).await;
                follower.heartbeat(&heartbeat, fixture.now())
            }
        };
        assert_eq!(action, Action::Continue);
    }
    assert!(view.len() >= 21);
}

#[tokio::test]
async fn entries_that_were_forgotten_are_passed_over() {
    let fixture = Fixture::new().await;
    let old = revoke(&fixture, "old").await;
    fixture.pass(Duration::from_secs(7200));
    fixture.issuer.maintain(fixture.now()).await.unwrap();
    let mut stream = Stream::open(&fixture, "/revocations/stream?after=0", None).await;
    assert_eq!(stream.next_heartbeat().await, old);
    let new = revoke(&fixture, "new").await;
    assert_eq!(stream.next_entry().await.seq, new);
}

#[tokio::test]
async fn there_are_only_so_many_streams() {
    let http = HttpConfig { max_streams: 2, ..HttpConfig::default() };
    let fixture = Fixture::with(http, |_| {}).await;
    let first = Stream::open(&fixture, "/revocations/stream", None).await;
    let _second = Stream::open(&fixture, "/revocations/stream", None).await;
    let refused = fixture.get("/revocations/stream").send().await;
    assert_eq!(refused.problem(), (503, "overloaded".into()));
    assert_eq!(refused.header("retry-after"), "5");
    drop(first);
    let _third = Stream::open(&fixture, "/revocations/stream", None).await;
}

#[tokio::test]
async fn places_that_are_none() {
    let fixture = Fixture::new().await;
    let cases = [
        ("text", fixture.get("/revocations/stream").header("last-event-id", "x")),
        ("negative", fixture.get("/revocations/stream").header("last-event-id", "-1")),
        ("too_large", fixture.get("/revocations/stream?after=99999999999999999999")),
        ("twice", fixture.get("/revocations/stream?after=1&after=1")),
        ("misspelt", fixture.get("/revocations/stream?since=1")),
    ];
    for (name, call) in cases {
        assert_eq!(call.send().await.problem(), (400, "invalid-request".into()), "{name}");
    }
}
