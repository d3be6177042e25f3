mod configured_anew;
mod real_tokens;

use super::*;

const NOW: Timestamp = Timestamp::from_secs(1_763_780_000);
const MAX_AGE: Duration = Duration::from_secs(300);

fn policy() -> KeyPolicy {
    KeyPolicy {
        rotate_every: Duration::from_secs(30 * 24 * 3600),
        terms: KeyTerms { publish_ahead: MAX_AGE * 2, verify_for: Duration::from_secs(1200) },
    }
}

/// The keys of one algorithm, changed as an issuer changes them.
struct Keys {
    records: Vec<KeyRecord>,
    made: u32,
    /// Whether there were keys of another algorithm before.
    established: bool,
    configured: KeyPolicy,
}

impl Default for Keys {
    fn default() -> Self {
        Self { records: Vec::new(), made: 0, established: false, configured: policy() }
    }
}

impl Keys {
    fn new(now: Timestamp) -> Self {
        let mut keys = Self::default();
        keys.maintain(now);
        keys
    }

    fn apply(&mut self, plan: Plan) {
        for new in plan.publish {
            self.made += 1;
            let kid = format!("k{}", self.made);
            let record = KeyRecord {
                kid,
                alg: Alg::ES256,
                sealed: Vec::new(),
                published_at: new.published_at,
                signs_from: new.signs_from,
                signed_until: None,
                terms: self.configured.terms,
            };
            self.records.push(record);
        }
        for changed in plan.changed {
            let record = self.records.iter_mut().find(|key| key.kid == changed.kid).unwrap();
            *record = changed;
        }
        self.records.retain(|key| !plan.retired.contains(&key.kid));
    }

    fn maintain(&mut self, now: Timestamp) {
        for _ in 0..2 {
            let established = self.established || !self.records.is_empty();
            self.apply(plan(&self.records, established, now, self.policy()));
        }
    }

    fn rotate(&mut self, now: Timestamp) {
        self.apply(rotate(&self.records, now, self.policy()));
    }

    fn withdraw(&mut self, kid: &str, now: Timestamp) {
        self.apply(withdraw(&self.records, &[kid.to_owned()], now, self.policy()));
    }

    /// The policy as an issuer works with it: nobody reckons with less than was said while a key of now was published.
    fn policy(&self) -> KeyPolicy {
        let terms = self.records.iter().map(|key| key.terms).fold(self.configured.terms, KeyTerms::max);
        KeyPolicy { terms, ..self.configured }
    }

    fn signer(&self, now: Timestamp) -> String {
        signer(&self.records, now).unwrap().kid.clone()
    }

    fn set(&self) -> Vec<String> {
        self.records.iter().map(|key| key.kid.clone()).collect()
    }
}

fn after(now: Timestamp, secs: u64) -> Timestamp {
    now.saturating_add(Duration::from_secs(secs))
}

#[test]
fn a_fresh_issuer_signs_at_once_and_has_a_key_waiting() {
    let keys = Keys::new(NOW);
    assert_eq!(keys.records.len(), 2);
    assert_eq!(keys.records.iter().filter(|key| key.state(NOW) == KeyState::Signing).count(), 1);
    assert_eq!(keys.records.iter().filter(|key| key.state(NOW) == KeyState::Published).count(), 1);
}

#[test]
fn nothing_is_planned_where_nothing_is_due() {
    let keys = Keys::new(NOW);
    assert!(plan(&keys.records, true, after(NOW, 3600), policy()).is_empty());
}

#[test]
fn a_new_algorithm_signs_only_when_every_verifier_has_seen_its_key() {
    let mut keys = Keys { established: true, ..Keys::default() };
    keys.maintain(NOW);
    let first = keys.set();
    assert_eq!(first.len(), 1);
    for secs in [0, 1, 300, 599] {
        let now = after(NOW, secs);
        keys.maintain(now);
        keys.rotate(now);
        assert!(signer(&keys.records, now).is_none(), "after {secs} s a verifier may hold the set of before");
        assert_eq!(keys.set(), first, "and asking again makes no more keys");
    }
    let ripe = after(NOW, 600);
    keys.maintain(ripe);
    assert_eq!(keys.signer(ripe), first[0]);
    assert_eq!(keys.records.len(), 2, "and the next waits");
}

#[test]
fn a_first_key_that_is_withdrawn_before_it_signed_makes_the_next_wait_too() {
    let mut keys = Keys { established: true, ..Keys::default() };
    keys.maintain(NOW);
    let (now, kid) = (after(NOW, 500), keys.set()[0].clone());
    keys.withdraw(&kid, now);
    keys.maintain(now);
    assert!(signer(&keys.records, after(NOW, 1099)).is_none());
    assert_ne!(keys.signer(after(NOW, 1100)), kid);
}

#[test]
fn the_first_rotation_takes_effect_at_once_and_the_next_waits_for_the_caches() {
    let mut keys = Keys::new(NOW);
    let first = keys.signer(NOW);
    keys.rotate(NOW);
    keys.maintain(NOW);
    let second = keys.signer(NOW);
    assert_ne!(first, second);
    keys.rotate(NOW);
    keys.maintain(NOW);
    assert_eq!(keys.signer(NOW), second, "the third key was published a moment ago");
    let ripe = after(NOW, 600);
    keys.maintain(ripe);
    assert_ne!(keys.signer(ripe), second);
    assert_eq!(keys.signer(after(NOW, 599)), second);
}

#[test]
fn asking_for_a_rotation_many_times_appoints_one() {
    let mut keys = Keys::new(NOW);
    for _ in 0..50 {
        keys.rotate(NOW);
        keys.maintain(NOW);
    }
    assert!(keys.records.len() <= 3, "{:?}", keys.records);
}

#[test]
fn a_withdrawn_signer_is_replaced_at_once_by_a_key_that_every_verifier_has() {
    let mut keys = Keys::new(NOW);
    let (first, waiting) =
        (keys.signer(NOW), keys.records.iter().find(|key| key.signs_from.is_none()).unwrap().kid.clone());
    keys.withdraw(&first, NOW);
    assert_eq!(keys.signer(NOW), waiting);
    assert!(!keys.set().contains(&first));
    keys.maintain(NOW);
    assert_eq!(keys.records.len(), 2, "a new key waits");
}

#[test]
fn any_key_can_be_withdrawn_at_any_time_and_one_still_signs() {
    for appointed in [false, true] {
        for victim in 0..3 {
            let mut keys = Keys::new(NOW);
            keys.rotate(NOW);
            keys.maintain(NOW);
            if appointed {
                keys.rotate(NOW);
            }
            let kid = keys.records[victim].kid.clone();
            keys.withdraw(&kid, NOW);
            keys.maintain(NOW);
            for secs in [0, 1, 599, 600, 601, 5000] {
                let now = after(NOW, secs);
                keys.maintain(now);
                assert_ne!(keys.signer(now), kid, "appointed {appointed}, victim {victim}, after {secs} s");
            }
        }
    }
}

#[test]
fn an_emergency_leaves_nothing_that_has_signed_and_one_signs_at_once() {
    let mut keys = Keys::new(NOW);
    keys.rotate(NOW);
    keys.maintain(NOW);
    let signed = keys.records.iter().filter(|key| key.state(NOW) != KeyState::Published);
    let signed: Vec<String> = signed.map(|key| key.kid.clone()).collect();
    assert_eq!(signed.len(), 2);
    keys.apply(withdraw(&keys.records, &signed, NOW, policy()));
    keys.maintain(NOW);
    assert!(!signed.contains(&keys.signer(NOW)));
    assert!(keys.set().iter().all(|kid| !signed.contains(kid)), "{:?}", keys.records);
    // With the waiting key gone too, a new one does not wait.
    let all = keys.set();
    keys.apply(withdraw(&keys.records, &all, NOW, policy()));
    assert!(!all.contains(&keys.signer(NOW)));
}

/// A thousand rotations, by schedule and by hand, with verifiers that fetch the key set only when their copy is
/// as old as `max-age` allows, at all ages that it can have, and that keep every token until it expires.
#[test]
fn a_thousand_rotations_fail_no_verification() {
    let mut keys = Keys::new(NOW);
    let mut now = NOW;
    // A copy of the set, and how long after the others' this verifier fetches.
    let mut verifiers: Vec<(Vec<String>, Timestamp)> =
        (0..30).map(|phase| (keys.set(), NOW.saturating_sub(Duration::from_secs(phase * 10)))).collect();
    let mut tokens: Vec<(String, Timestamp)> = Vec::new();
    let mut signers = std::collections::BTreeSet::new();
    let mut step: u64 = 0;
    while signers.len() < 1000 {
        step += 1;
        now = after(now, 7 + step * 13 % 97);
        keys.maintain(now);
        if step.is_multiple_of(3) {
            keys.rotate(now);
            keys.maintain(now);
        }
        for (cached, fetched_at) in &mut verifiers {
            if now.since(*fetched_at) >= MAX_AGE {
                (*cached, *fetched_at) = (keys.set(), now);
            }
        }
        let signer = keys.signer(now);
        tokens.push((signer.clone(), after(now, 900)));
        signers.insert(signer);
        tokens.retain(|(_, exp)| *exp > now);
        let alive: std::collections::BTreeSet<_> = tokens.iter().map(|(kid, _)| kid).collect();
        for (kid, (cached, _)) in
            alive.iter().flat_map(|kid| verifiers.iter().map(move |verifier| (kid, verifier)))
        {
            assert!(
                cached.contains(kid),
                "a token of {kid} is refused at {now} after {} rotations",
                signers.len()
            );
        }
        assert!(keys.records.len() < 20, "dead keys retire");
    }
}
