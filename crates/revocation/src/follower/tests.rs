use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::{Kind, Reason, TokenRef};

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

fn entry(seq: u64) -> Entry {
    Entry {
        seq,
        kind: Kind::Token,
        id: seq.to_string(),
        issued_before: at(0),
        forget_after: Timestamp::MAX,
        reason: Reason::ADMIN,
    }
}

fn snapshot(seq: u64) -> Snapshot {
    Snapshot::new("https://auth.example.com", seq, at(0), (1..=seq).map(entry).collect())
}

fn heartbeat(seq: u64, now: i64) -> Heartbeat {
    Heartbeat { seq, now: at(now), log: None }
}

fn begun(seq: u64) -> Follower {
    let mut follower = Follower::new(Arc::new(View::new()));
    follower.snapshot(&snapshot(seq), at(1_000));
    follower
}

fn knows(follower: &Follower, seq: u64) -> bool {
    let jti = &seq.to_string();
    let token = TokenRef { jti, sid: None, sub: "s", client_id: "c", kid: "k", minted_at: at(9_999) };
    follower.view().check(&token).is_err()
}

#[test]
fn nothing_is_known_before_the_first_snapshot() {
    let mut follower = Follower::new(Arc::new(View::new()));
    assert_eq!(follower.last_event_id(), None);
    assert_eq!(follower.heartbeat(&heartbeat(0, 0), at(0)), Action::Resync);
    assert_eq!(follower.entry(&entry(1)), Action::Resync);
    assert_eq!(follower.staleness(at(5)), None);
    assert!(knows(&follower, 1), "what is known to be revoked is refused all the same");
}

#[test]
fn a_snapshot_counts_from_when_it_was_asked_for() {
    let follower = begun(3);
    assert_eq!(follower.staleness(at(1_500)), Some(Duration::from_millis(500)));
    assert_eq!(follower.last_event_id(), Some(3));
    assert!(knows(&follower, 1) && knows(&follower, 3) && !knows(&follower, 4));
}

#[test]
fn entries_and_heartbeats_after_a_snapshot_of_seq_3() {
    enum Event {
        Entry(u64),
        Beat(u64),
    }
    use Event::{Beat, Entry};
    // The action after the last event, the last seq known to be complete, and whether that was proven now.
    let cases = [
        ("next_entry", vec![Entry(4)], Action::Continue, 4, false),
        ("next_entry_and_its_heartbeat", vec![Entry(4), Beat(4)], Action::Continue, 4, true),
        ("the_same_again", vec![Entry(3), Entry(4), Entry(4), Beat(4)], Action::Continue, 4, true),
        ("nothing_new", vec![Beat(3)], Action::Continue, 3, true),
        ("entry_left_out", vec![Entry(5)], Action::Resync, 3, false),
        ("entry_left_out_then_heartbeat", vec![Entry(5), Beat(5)], Action::Resync, 3, false),
        ("last_entry_lost", vec![Beat(4)], Action::Resync, 3, false),
        (
            "wrong_order_that_closes_the_gap",
            vec![Entry(5), Entry(4), Entry(5), Beat(5)],
            Action::Continue,
            5,
            true,
        ),
        ("heartbeat_overtaken_by_an_entry", vec![Entry(4), Beat(3)], Action::Continue, 4, false),
        ("heartbeat_overtaken_once", vec![Entry(4), Beat(3), Beat(4)], Action::Continue, 4, true),
        ("the_log_went_back", vec![Entry(4), Beat(2), Beat(2)], Action::Resync, 4, false),
    ];
    for (name, events, want, complete_to, proven) in cases {
        let mut follower = begun(3);
        let mut action = Action::Continue;
        for event in events {
            action = match event {
                Entry(seq) => follower.entry(&entry(seq)),
                Beat(seq) => follower.heartbeat(&heartbeat(seq, 5_000), at(5_000)),
            };
        }
        assert_eq!(action, want, "{name}");
        assert_eq!(follower.last_event_id(), Some(complete_to), "{name}");
        let proven_at = if proven { 5_000 } else { 1_000 };
        assert_eq!(follower.staleness(at(6_000)), Some(at(6_000).since(at(proven_at))), "{name}");
    }
}

#[test]
fn an_unreadable_event_asks_for_a_snapshot_until_there_is_one() {
    let mut follower = begun(3);
    assert_eq!(follower.unreadable(), Action::Resync);
    assert_eq!(follower.heartbeat(&heartbeat(3, 2_000), at(2_000)), Action::Resync);
    assert_eq!(follower.staleness(at(2_000)), Some(Duration::from_secs(1)));
    follower.snapshot(&snapshot(4), at(3_000));
    assert_eq!(follower.heartbeat(&heartbeat(4, 4_000), at(4_000)), Action::Continue);
    assert_eq!(follower.staleness(at(4_000)), Some(Duration::ZERO));
}

#[test]
fn a_wall_clock_set_back_behind_what_was_forgotten_asks_for_a_snapshot() {
    let mut follower = begun(3);
    assert_eq!(follower.wall_clock(at(0)), Action::Continue, "nothing was forgotten");
    let forget_after = at(5_000_000);
    assert_eq!(follower.entry(&Entry { forget_after, ..entry(4) }), Action::Continue);
    follower.view().forget(forget_after.saturating_add(Duration::from_secs(3_600)));
    assert_eq!(follower.wall_clock(forget_after.saturating_add(Duration::from_secs(1))), Action::Continue);
    assert_eq!(follower.wall_clock(forget_after.saturating_sub(Duration::from_secs(1))), Action::Resync);
    assert_eq!(follower.last_event_id(), None, "no other stream would bring it back");
    follower.snapshot(&snapshot(4), at(3_000));
    assert_eq!(follower.wall_clock(at(0)), Action::Continue);
}

#[test]
fn a_snapshot_of_a_log_that_went_back_is_followed_and_forgets_nothing() {
    let mut follower = begun(9);
    follower.snapshot(&snapshot(4), at(2_000));
    assert_eq!(follower.last_event_id(), Some(4));
    assert_eq!(follower.entry(&entry(5)), Action::Continue);
    assert!(knows(&follower, 9));
}

#[test]
fn a_late_heartbeat_counts_from_when_it_should_have_come() {
    // Issuer's time, ours, and the staleness that follows.
    let cases = [
        ("on_time", [(100, 1_100), (1_100, 2_100)], 0),
        ("issuer_clock_far_ahead", [(900_000, 1_100), (901_000, 2_100)], 0),
        ("issuer_clock_far_behind", [(-900_000, 1_100), (-899_000, 2_100)], 0),
        ("held_up", [(100, 1_100), (1_100, 4_600)], 2_500),
        ("held_up_and_delivered_in_one_go", [(100, 4_600), (1_100, 4_600)], 0),
        ("first_one_held_up", [(100, 1_600), (1_100, 2_100)], 0),
        ("issuer_clock_drifts_ahead", [(100, 1_100), (2_100, 2_100)], 0),
    ];
    for (name, beats, staleness) in cases {
        let mut follower = begun(3);
        for (theirs, ours) in beats {
            assert_eq!(follower.heartbeat(&heartbeat(3, theirs), at(ours)), Action::Continue, "{name}");
        }
        let now = at(beats[1].1);
        assert_eq!(follower.staleness(now), Some(Duration::from_millis(staleness)), "{name}");
    }
}

#[test]
fn a_heartbeat_of_an_issuer_whose_clock_was_set_proves_nothing() {
    let mut follower = begun(3);
    assert_eq!(follower.heartbeat(&heartbeat(3, 0), at(1_000)), Action::Continue);
    // It was held up for two seconds, which the step of ten hides.
    assert_eq!(follower.heartbeat(&heartbeat(3, 11_000), at(4_000)), Action::Reconnect);
    assert_eq!(follower.staleness(at(4_000)), Some(Duration::from_secs(3)));
}

#[test]
fn places_of_another_log_are_not_compared() {
    let [ours, theirs] = [1, 2].map(|byte| LogId::new([byte; 16]));
    let beat = |log, now| Heartbeat { log, ..heartbeat(3, now) };
    let cases = [
        ("the_same", Some(ours), Some(ours), Action::Continue),
        ("never_named", None, None, Action::Continue),
        ("another", Some(ours), Some(theirs), Action::Resync),
        ("named_no_more", Some(ours), None, Action::Resync),
        ("named_now", None, Some(ours), Action::Resync),
    ];
    for (name, of_snapshot, of_heartbeat, want) in cases {
        let mut follower = Follower::new(Arc::new(View::new()));
        follower.snapshot(&Snapshot { log: of_snapshot, ..snapshot(3) }, at(1_000));
        assert_eq!(follower.heartbeat(&beat(of_heartbeat, 2_000), at(2_000)), want, "{name}");
        let is_followed = want == Action::Continue;
        assert_eq!(follower.last_event_id().is_some(), is_followed, "{name}");
        let staleness = Duration::from_secs(if is_followed { 0 } else { 1 });
        assert_eq!(follower.staleness(at(2_000)), Some(staleness), "{name}");
        assert!(knows(&follower, 3), "{name}: what is revoked stays so");
        follower.snapshot(&Snapshot { log: of_heartbeat, ..snapshot(3) }, at(2_000));
        assert_eq!(follower.heartbeat(&beat(of_heartbeat, 3_000), at(3_000)), Action::Continue, "{name}");
    }
}

#[test]
fn a_stream_that_runs_late_is_opened_again_and_measured_anew() {
    let mut follower = begun(3);
    assert_eq!(follower.heartbeat(&heartbeat(3, 0), at(1_000)), Action::Continue);
    assert_eq!(follower.heartbeat(&heartbeat(3, 1_000), at(5_001)), Action::Reconnect);
    assert_eq!(follower.staleness(at(5_001)), Some(Duration::from_millis(3_001)));
    follower.disconnected();
    assert_eq!(follower.heartbeat(&heartbeat(3, 1_100), at(5_101)), Action::Continue);
    assert_eq!(follower.staleness(at(5_101)), Some(Duration::ZERO));
}

/// What a hostile network and an issuer do, in any order.
#[derive(Clone, Debug)]
enum Step {
    Revoke,
    Deliver(usize),
    Drop(usize),
    Heartbeat,
    Snapshot,
    Reconnect,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => Just(Step::Revoke),
        6 => (0usize..4).prop_map(Step::Deliver),
        1 => (0usize..4).prop_map(Step::Drop),
        4 => Just(Step::Heartbeat),
        1 => Just(Step::Snapshot),
        1 => Just(Step::Reconnect),
    ]
}

proptest! {
    /// Entries get lost, doubled and out of order. Whenever the follower says that it is up to date, the
    /// view holds every entry of the log up to the heartbeat that said so.
    #[test]
    fn freshness_is_never_claimed_while_an_entry_is_missing(
        steps in proptest::collection::vec(step(), 0..200),
    ) {
        let mut follower = Follower::new(Arc::new(View::new()));
        let mut log = 0_u64;
        let mut in_flight: Vec<u64> = Vec::new();
        let mut missing: BTreeSet<u64> = BTreeSet::new();
        let mut now = 0;
        for step in steps {
            now += 1_000;
            let before = follower.staleness(at(now));
            match step {
                Step::Revoke => {
                    log += 1;
                    in_flight.push(log);
                    missing.insert(log);
                }
                Step::Deliver(nth) => if let Some(&seq) = in_flight.get(nth) {
                    let _ = follower.entry(&entry(seq));
                    missing.remove(&seq);
                }
                Step::Drop(nth) => if nth < in_flight.len() {
                    in_flight.remove(nth);
                }
                Step::Heartbeat => {
                    let _ = follower.heartbeat(&heartbeat(log, now), at(now));
                }
                Step::Snapshot => {
                    follower.snapshot(&snapshot(log), at(now));
                    missing.clear();
                }
                Step::Reconnect => {
                    follower.disconnected();
                    in_flight = (follower.last_event_id().unwrap_or(0) + 1..=log).collect();
                }
            }
            let staleness = follower.staleness(at(now));
            if staleness == Some(Duration::ZERO) {
                prop_assert!(missing.is_empty(), "fresh without {missing:?}");
                prop_assert!((1..=log).all(|seq| knows(&follower, seq)));
            } else {
                prop_assert_eq!(staleness, before, "only proof makes a view fresher");
            }
        }
    }
}
