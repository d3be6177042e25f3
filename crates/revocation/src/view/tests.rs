use std::collections::HashMap;
use std::sync::atomic::AtomicBool;

use proptest::prelude::*;

use super::*;

const fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

fn entry(kind: Kind, id: &str, issued_before: i64, forget_after: i64) -> Entry {
    Entry {
        seq: 1,
        kind,
        id: id.into(),
        issued_before: at(issued_before),
        forget_after: at(forget_after),
        reason: Reason::ADMIN,
    }
}

const TOKEN: TokenRef<'static> =
    TokenRef { jti: "t1", sid: Some("s1"), sub: "ann", client_id: "web", kid: "k1", minted_at: at(1_000) };

#[test]
fn one_entry_against_one_token_minted_at_1000() {
    let cases = [
        ("its_token", entry(Kind::Token, "t1", 0, 9_000), true),
        ("another_token", entry(Kind::Token, "t2", 9_000, 9_000), false),
        ("its_session", entry(Kind::Session, "s1", 0, 9_000), true),
        ("session_by_the_name_of_its_token", entry(Kind::Session, "t1", 9_000, 9_000), false),
        ("its_key_whenever_minted", entry(Kind::Key, "k1", 0, 9_000), true),
        ("its_subject_one_later", entry(Kind::Subject, "ann", 1_001, 9_000), true),
        ("its_subject_the_same_millisecond", entry(Kind::Subject, "ann", 1_000, 9_000), false),
        ("its_client_one_later", entry(Kind::Client, "web", 1_001, 9_000), true),
        ("its_client_the_same_millisecond", entry(Kind::Client, "web", 1_000, 9_000), false),
        ("all_one_later", entry(Kind::All, "", 1_001, 9_000), true),
        ("all_the_same_millisecond", entry(Kind::All, "", 1_000, 9_000), false),
        ("prefix_of_the_subject", entry(Kind::Subject, "an", 9_000, 9_000), false),
    ];
    for (name, entry, refused) in cases {
        let view = View::new();
        view.apply(&entry);
        let want = refused.then_some(Revoked { kind: entry.kind, reason: Reason::ADMIN });
        assert_eq!(view.check(&TOKEN).err(), want, "{name}");
        assert_eq!(view.len(), 1, "{name}");
    }
}

#[test]
fn a_token_without_a_session_is_not_revoked_by_one() {
    let view = View::new();
    view.apply(&entry(Kind::Session, "s1", 0, 9_000));
    assert!(view.check(&TokenRef { sid: None, ..TOKEN }).is_ok());
}

#[test]
fn an_actor_is_revoked_as_a_client_or_as_a_user() {
    let cases = [
        ("its_client", Kind::Client, "gateway", true),
        ("its_subject", Kind::Subject, "gateway", true),
        ("another_client", Kind::Client, "web", false),
        ("a_session_of_that_name", Kind::Session, "gateway", false),
    ];
    for (name, kind, id, refused) in cases {
        let view = View::new();
        view.apply(&entry(kind, id, 1001, 5000));
        let want = if refused { Err(kind) } else { Ok(()) };
        assert_eq!(view.check_actor("gateway", at(1000)).map_err(|revoked| revoked.kind), want, "{name}");
        assert_eq!(view.check_actor("gateway", at(1001)), Ok(()), "{name}: minted past its reach");
    }
}

#[test]
fn the_widest_revocation_is_the_one_named() {
    let view = View::new();
    let ids = ["t1", "s1", "ann", "web", "k1", ""];
    for (kind, id) in Kind::EVERY.into_iter().zip(ids) {
        view.apply(&entry(kind, id, 5_000, 9_000));
        assert_eq!(view.check(&TOKEN).map_err(|revoked| revoked.kind), Err(kind));
    }
    assert_eq!(view.len(), 6);
    assert_eq!(view.revoked_key("k1"), Some(Reason::ADMIN));
    assert_eq!(view.revoked_key("k2"), None);
}

#[test]
fn the_reason_is_that_of_the_later_revocation() {
    let view = View::new();
    let subject =
        |issued_before, reason| Entry { reason, ..entry(Kind::Subject, "ann", issued_before, 9_000) };
    let reason = || view.check(&TOKEN).unwrap_err().reason;
    view.apply(&subject(2_000, Reason::CLAIMS_CHANGED));
    assert_eq!(reason(), Reason::CLAIMS_CHANGED);
    view.apply(&subject(3_000, Reason::DISABLED));
    view.apply(&subject(2_500, Reason::CLAIMS_CHANGED));
    assert_eq!(reason(), Reason::DISABLED);
}

#[test]
fn reasons_past_the_limit_become_unspecified_and_their_entries_hold() {
    let view = View::new();
    for n in 0..300 {
        let reason = format!("reason {n}").parse().unwrap();
        view.apply(&Entry { reason, ..entry(Kind::Token, &n.to_string(), 0, 9_000) });
    }
    let reason = |jti| view.check(&TokenRef { jti, ..TOKEN }).unwrap_err().reason;
    assert_eq!(reason("254").as_str(), "reason 254");
    assert_eq!(reason("255"), Reason::UNSPECIFIED);
    assert_eq!(reason("299"), Reason::UNSPECIFIED);
}

#[test]
fn what_was_forgotten_leaves_nothing_behind_for_the_next_of_its_name() {
    for (kind, id) in [(Kind::All, ""), (Kind::Subject, "ann")] {
        let view = View::new();
        view.apply(&entry(kind, id, 5_000, 90_000));
        view.forget(at(92_000));
        assert!(view.check(&TOKEN).is_ok() && view.is_empty(), "{kind}");
        view.apply(&entry(kind, id, 2_000, 20_000));
        assert!(view.check(&TOKEN).is_err(), "{kind}");
        view.forget(at(22_000));
        assert!(view.is_empty(), "{kind}: forgotten by its own time, not by that of the one before");
    }
}

#[test]
fn a_clock_that_jumps_ahead_and_back_leaves_the_view_incomplete_until_a_snapshot() {
    for kind in [Kind::Session, Kind::All] {
        let view = View::new();
        let revoked = entry(kind, if kind == Kind::All { "" } else { "s1" }, 5_000, 90_000);
        view.apply(&revoked);
        view.forget(at(50_000));
        assert!(!view.lacks_at(at(0)), "{kind}: it is still there");
        view.forget(at(9_000_000));
        assert!(view.check(&TOKEN).is_ok());
        for (now, ahead) in [(9_000_000, false), (91_000, false), (89_000, true), (10_000, true)] {
            assert_eq!(view.lacks_at(at(now)), ahead, "{kind} at {now}");
        }
        view.load(&Snapshot::new("i", 1, at(10_000), vec![revoked]));
        assert!(!view.lacks_at(at(10_000)) && view.check(&TOKEN).is_err(), "{kind}");
    }
}

#[test]
fn entries_without_end_take_no_memory_without_end_and_leave_the_view_incomplete() {
    let session = |n: usize| entry(Kind::Session, &format!("s{n}"), 5_000, i64::MAX);
    let refuses =
        |view: &View, n: usize| view.check(&TokenRef { sid: Some(&format!("s{n}")), ..TOKEN }).is_err();
    let by_stream = View::bounded(1_000);
    for n in 0..900 {
        by_stream.apply(&session(n));
    }
    assert!(!by_stream.is_overfull() && !by_stream.lacks_at(at(1_000)));
    for n in 0..20_000 {
        by_stream.apply(&session(n));
    }
    let by_snapshot = View::bounded(1_000);
    let snapshot = Snapshot::new("i", 1, at(0), (0..20_000).map(session).collect());
    by_snapshot.load(&snapshot);
    for view in [&by_stream, &by_snapshot] {
        assert!((900..2_000).contains(&view.len()), "{}", view.len());
        assert!(view.memory() < 200_000, "{}", view.memory());
        assert!(view.is_overfull() && view.lacks_at(at(1_000)) && view.lacks_at(at(1 << 40)));
    }
    assert!((0..900).all(|n| refuses(&by_stream, n)), "what was kept is kept");
    by_stream.load(&Snapshot::new("i", 1, at(0), (0..900).map(session).collect()));
    assert!(!by_stream.is_overfull(), "a snapshot that fits in");
}

#[test]
fn seq_follows_the_log_back_only_with_a_snapshot() {
    let view = View::new();
    for (seq, want) in [(3, 3), (2, 3), (7, 7)] {
        view.apply(&Entry { seq, ..entry(Kind::Token, "t", 0, 9_000) });
        assert_eq!(view.seq(), want);
    }
    view.load(&Snapshot::new("i", 5, at(0), vec![]));
    assert_eq!(view.seq(), 5);
    assert_eq!(view.len(), 1, "a snapshot takes nothing back");
}

#[test]
fn memory_is_at_most_42_bytes_an_entry_and_is_given_back() {
    let view = View::new();
    assert_eq!(view.memory(), 0);
    let mut worst = 0;
    for n in 1..=200_000_u64 {
        view.apply(&entry(Kind::Session, &format!("session-{n}"), 0, 9_000 + i64::from(n > 1_000)));
        if n > 100_000 && n % 1_000 == 0 {
            worst = worst.max(view.memory() / n as usize);
        }
    }
    assert!((30..=42).contains(&worst), "{worst} bytes per entry");
    assert_eq!(view.len(), 200_000);

    view.forget(at(10_000));
    assert_eq!(view.len(), 199_000);
    view.forget(at(12_000));
    assert_eq!((view.len(), view.memory()), (0, 0));
}

#[test]
fn a_snapshot_takes_no_more_memory_than_its_entries() {
    let view = View::new();
    let session = |n: u64| Entry { seq: n, ..entry(Kind::Session, &n.to_string(), 0, 9_000) };
    view.load(&Snapshot::new("i", 100_000, at(0), (1..=100_000).map(session).collect()));
    assert_eq!((view.len(), view.seq()), (100_000, 100_000));
    assert!(view.memory() <= 4_500_000, "{} bytes", view.memory());
}

/// The view as a map: what the real one has to be equal to.
#[derive(Default)]
struct Model(HashMap<(Kind, String), (Timestamp, Timestamp)>);

impl Model {
    fn apply(&mut self, entry: &Entry) {
        let issued_before = if entry.kind.is_final() { Timestamp::MAX } else { entry.issued_before };
        let known =
            self.0.entry((entry.kind, entry.id.clone())).or_insert((issued_before, entry.forget_after));
        *known = (known.0.max(issued_before), known.1.max(entry.forget_after));
    }

    fn refuses(&self, token: &TokenRef<'_>) -> bool {
        let names = [
            (Kind::Token, token.jti),
            (Kind::Session, token.sid.unwrap_or("")),
            (Kind::Subject, token.sub),
            (Kind::Client, token.client_id),
            (Kind::Key, token.kid),
            (Kind::All, ""),
        ];
        names.into_iter().any(|(kind, id)| {
            self.0.get(&(kind, id.to_owned())).is_some_and(|known| token.minted_at < known.0)
        })
    }
}

#[derive(Clone, Debug)]
enum Step {
    Apply(Vec<Entry>),
    Load(Vec<Entry>),
    Forget(i64),
    Check([u16; 5], i64),
}

fn id(n: u16) -> String {
    format!("id-{n}")
}

/// Whole seconds, because the view rounds; ids out of few, so that they meet.
fn any_entry() -> impl Strategy<Value = Entry> {
    (0usize..6, 0u16..400, 0i64..50, 0i64..50).prop_map(|(kind, n, issued_before, forget_after)| {
        let kind = Kind::EVERY[kind];
        // `all` would refuse everything for most of the run.
        let (id, issued_before) =
            if kind == Kind::All { (String::new(), issued_before / 10) } else { (id(n), issued_before) };
        entry(kind, &id, issued_before * 1_000, forget_after * 1_000)
    })
}

fn step() -> impl Strategy<Value = Step> {
    let entries = || proptest::collection::vec(any_entry(), 0..200);
    prop_oneof![
        3 => entries().prop_map(Step::Apply),
        1 => entries().prop_map(Step::Load),
        2 => (0i64..60).prop_map(|secs| Step::Forget(secs * 1_000)),
        12 => (any::<[u16; 5]>(), 0i64..50).prop_map(|(ids, secs)| Step::Check(ids.map(|n| n % 400), secs * 1_000)),
    ]
}

proptest! {
    #[test]
    fn the_view_answers_like_a_map(steps in proptest::collection::vec(step(), 0..40)) {
        let view = View::new();
        let mut model = Model::default();
        for step in steps {
            match step {
                Step::Apply(entries) => for entry in &entries {
                    view.apply(entry);
                    model.apply(entry);
                },
                Step::Load(entries) => {
                    entries.iter().for_each(|entry| model.apply(entry));
                    view.load(&Snapshot::new("i", 1, at(0), entries));
                }
                Step::Forget(now) => {
                    view.forget(at(now));
                    model.0.retain(|_, known| known.1 >= at(now));
                }
                Step::Check(ids, minted_at) => {
                    let [jti, sid, sub, client_id, kid] = ids.map(id);
                    let token = TokenRef {
                        jti: &jti, sid: Some(&sid), sub: &sub, client_id: &client_id, kid: &kid, minted_at: at(minted_at),
                    };
                    prop_assert_eq!(view.check(&token).is_err(), model.refuses(&token));
                }
            }
            prop_assert_eq!(view.len(), model.0.len());
        }
    }
}

/// One writer fills, forgets and resizes while readers check: what was revoked before a check began is
/// refused, and what never was is not, at every moment.
#[test]
fn readers_see_every_revocation_while_tables_grow_and_shrink() {
    const TOKENS: u64 = 60_000;
    let view = View::new();
    let revoked_up_to = AtomicU64::new(0);
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for reader in 0..3_u64 {
            let (view, revoked_up_to, done) = (&view, &revoked_up_to, &done);
            scope.spawn(move || {
                let mut random = reader + 1;
                let mut last = false;
                while !last {
                    last = done.load(Ordering::Acquire);
                    random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                    let limit = revoked_up_to.load(Ordering::Acquire);
                    let n = (random >> 33) % (limit + 1);
                    let dead = format!("t{n}");
                    if n > 0 {
                        let revoked = view.check(&TokenRef { jti: &dead, ..TOKEN });
                        assert!(
                            revoked.is_err_and(|revoked| revoked.reason == Reason::ADMIN),
                            "{dead} of {limit}"
                        );
                    }
                    let alive = format!("alive-{n}");
                    assert_eq!(view.check(&TokenRef { jti: &alive, ..TOKEN }), Ok(()));
                }
            });
        }
        for n in 1..=TOKENS {
            view.apply(&entry(Kind::Token, &format!("t{n}"), 0, 1_000_000));
            revoked_up_to.store(n, Ordering::Release);
            // Short-lived entries come and go in the same tables.
            view.apply(&entry(Kind::Token, &format!("brief-{n}"), 0, 1_000));
            if n % 5_000 == 0 {
                view.forget(at(10_000));
            }
        }
        done.store(true, Ordering::Release);
    });
    assert_eq!(view.len(), TOKENS as usize);
}
