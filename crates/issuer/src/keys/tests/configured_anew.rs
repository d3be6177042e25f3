//! What becomes of keys when the next start finds another configuration.

use super::*;

const DAY: u64 = 24 * 3600;

impl Keys {
    /// The start after the operator has changed the file.
    fn configure(&mut self, configured: KeyPolicy, now: Timestamp) {
        self.configured = configured;
        for key in &mut self.records {
            key.terms = key.terms.max(configured.terms);
        }
        self.maintain(now);
    }
}

fn every(rotate_every: Duration) -> KeyPolicy {
    KeyPolicy { rotate_every, ..policy() }
}

fn days(count: u64) -> Duration {
    Duration::from_secs(count * DAY)
}

#[test]
fn a_shorter_schedule_rotates_what_is_due_and_a_longer_one_waits() {
    let cases = [
        ("shortened_to_more_than_the_keys_age", every(days(11)), after(NOW, 11 * DAY)),
        ("shortened_to_less", every(days(9)), after(NOW, 10 * DAY)),
        ("lengthened", every(days(90)), after(NOW, 90 * DAY)),
    ];
    for (name, changed, due) in cases {
        let mut keys = Keys::new(NOW);
        let (first, now) = (keys.signer(NOW), after(NOW, 10 * DAY));
        keys.configure(changed, now);
        if due > now {
            assert_eq!(next_rotation(&keys.records, now, keys.policy()), Some(due), "{name}");
            let just_before = due.saturating_sub(Duration::from_secs(1));
            keys.maintain(just_before);
            assert_eq!(keys.signer(just_before), first, "{name}");
        }
        keys.maintain(due);
        assert_ne!(keys.signer(due), first, "{name}");
        assert!(keys.set().contains(&first), "{name}: its tokens live");
    }
}

#[test]
fn the_next_rotation_is_the_one_that_comes() {
    let mut keys = Keys::new(NOW);
    let next = |keys: &Keys, now| next_rotation(&keys.records, now, keys.policy());
    assert_eq!(next(&keys, NOW), Some(after(NOW, 30 * DAY)));
    let overdue = after(NOW, 31 * DAY);
    assert_eq!(next(&keys, overdue), Some(overdue), "nobody looked after them, and somebody will now");
    keys.rotate(overdue);
    keys.maintain(overdue);
    assert_eq!(next(&keys, overdue), Some(after(overdue, 30 * DAY)));
    keys.rotate(overdue);
    assert_eq!(
        next(&keys, overdue),
        Some(after(overdue, 600)),
        "appointed for when every verifier has seen it"
    );
    let mut first = Keys { established: true, ..Keys::default() };
    assert_eq!(next(&first, NOW), None);
    first.maintain(NOW);
    assert_eq!(next(&first, NOW), Some(after(NOW, 600)));
}

#[test]
fn keys_of_an_algorithm_that_is_dropped_sign_nothing_more_and_leave_with_their_last_token() {
    let mut keys = Keys::new(NOW);
    keys.rotate(NOW);
    keys.maintain(NOW);
    keys.rotate(NOW); // and the one after that is appointed
    let (signed, now) = (2, after(NOW, 60));
    keys.apply(end(&keys.records, now));
    assert!(signer(&keys.records, now).is_none());
    assert_eq!(keys.records.len(), signed, "what never signed is not needed: {:?}", keys.records);
    assert!(end(&keys.records, now).is_empty(), "and that was all");
    let last = after(now, 1200);
    keys.apply(end(&keys.records, last));
    assert_eq!(keys.records.len(), 1, "the token that it signed last may live until now");
    keys.apply(end(&keys.records, after(last, 1)));
    assert!(keys.records.is_empty());
}

#[test]
fn an_algorithm_that_comes_back_waits_for_the_caches_as_a_new_one_does() {
    let mut keys = Keys::new(NOW);
    keys.apply(end(&keys.records, NOW));
    let (back, old) = (after(NOW, 60), keys.set());
    keys.maintain(back);
    assert!(signer(&keys.records, after(back, 599)).is_none());
    let ripe = after(back, 600);
    keys.maintain(ripe);
    assert!(!old.contains(&keys.signer(ripe)));
    assert!(old.iter().all(|kid| keys.set().contains(kid)), "tokens from before still verify");
}

/// Verifiers keep a key set for as long as it said when they fetched it, and tokens live for as long as they were
/// given, whatever the configuration says by now.
#[test]
fn no_change_of_the_configuration_fails_a_verification() {
    let mut keys = Keys::new(NOW);
    let (mut now, mut max_age, mut lifetime) = (NOW, MAX_AGE, Duration::from_secs(900));
    // A copy of the set, and until when it is good.
    let mut verifiers: Vec<(Vec<String>, Timestamp)> =
        (1..=20).map(|at| (keys.set(), after(NOW, at * 15))).collect();
    let mut tokens: Vec<(String, Timestamp)> = Vec::new();
    let mut signers = std::collections::BTreeSet::new();
    for step in 0..6000_u64 {
        now = after(now, 11 + step * 29 % 83);
        if step % 40 == 7 {
            max_age = Duration::from_secs([60, 3600, 300, 1800, 90][(step / 40 % 5) as usize]);
            lifetime = Duration::from_secs([7200, 300, 60, 900, 3600, 120, 60][(step / 40 % 7) as usize]);
            let verify_for = lifetime + Duration::from_secs(300);
            let terms = KeyTerms { publish_ahead: max_age * 2, verify_for };
            keys.configure(KeyPolicy { rotate_every: max_age * 4, terms }, now);
        }
        keys.maintain(now);
        if step % 3 == 0 {
            keys.rotate(now);
            keys.maintain(now);
        }
        for (cached, good_until) in verifiers.iter_mut().filter(|(_, good_until)| *good_until <= now) {
            (*cached, *good_until) = (keys.set(), now.saturating_add(max_age));
        }
        let signer = keys.signer(now);
        signers.insert(signer.clone());
        tokens.push((signer, now.saturating_add(lifetime)));
        tokens.retain(|(_, exp)| *exp > now);
        let alive: std::collections::BTreeSet<_> = tokens.iter().map(|(kid, _)| kid).collect();
        for (kid, (cached, _)) in
            alive.iter().flat_map(|kid| verifiers.iter().map(move |verifier| (kid, verifier)))
        {
            assert!(cached.contains(kid), "a token of {kid} is refused at step {step}");
        }
    }
    assert!(signers.len() > 30, "{} keys have signed", signers.len());
    assert!(keys.records.len() < 200, "dead keys retire");
}
