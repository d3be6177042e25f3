//! The life of a signing key: `published → signing → verifying → retired`, as plain functions.
//!
//! A key is published for longer than any verifier keeps a key set before it signs, and stays
//! published until the last token it signed is dead; so a rotation fails no request. There is
//! always one key published and waiting, so an emergency rotation does not need to wait either.

use std::time::Duration;

use gatepass_jose::{Alg, Timestamp};

/// A key and what has happened to it.
#[derive(Clone, PartialEq, Eq)]
pub struct KeyRecord {
    /// The key's name in tokens and key sets.
    pub kid: String,
    /// Its algorithm.
    pub alg: Alg,
    /// The private key, encrypted under a key that is not in the store.
    pub sealed: Vec<u8>,
    /// Since when it has been in the key set.
    pub published_at: Timestamp,
    /// From when it signs; `None` while it waits.
    pub signs_from: Option<Timestamp>,
    /// Until when it signed; `None` before that ended.
    pub signed_until: Option<Timestamp>,
    /// The longest terms that were in force while it was published.
    pub terms: KeyTerms,
}

impl AsRef<KeyRecord> for KeyRecord {
    fn as_ref(&self) -> &KeyRecord {
        self
    }
}

impl std::fmt::Debug for KeyRecord {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KeyRecord")
            .field("kid", &self.kid)
            .field("alg", &self.alg)
            .field("published_at", &self.published_at)
            .field("signs_from", &self.signs_from)
            .field("signed_until", &self.signed_until)
            .field("terms", &self.terms)
            .finish_non_exhaustive()
    }
}

/// Where a key is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum KeyState {
    /// In the key set, waiting for its turn.
    Published,
    /// Signs new tokens.
    Signing,
    /// Signs no more; tokens that it signed may live.
    Verifying,
}

/// What verifiers reckon with, of whatever algorithm a key is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KeyTerms {
    /// How long a key is published before it signs: longer than verifiers keep a key set.
    pub publish_ahead: Duration,
    /// How long a key is published after it signed: the longest life of a token, clock skew included.
    pub verify_for: Duration,
}

impl KeyTerms {
    /// The longer of two terms, one by one. Copies of a key set live on, and tokens too, when a configuration
    /// with shorter terms takes over.
    #[must_use]
    pub fn max(self, other: Self) -> Self {
        Self {
            publish_ahead: self.publish_ahead.max(other.publish_ahead),
            verify_for: self.verify_for.max(other.verify_for),
        }
    }
}

/// When keys of one algorithm change their state.
#[derive(Clone, Copy, Debug)]
pub struct KeyPolicy {
    /// How long a key signs.
    pub rotate_every: Duration,
    /// What verifiers reckon with: the longest terms of all keys that are published.
    pub terms: KeyTerms,
}

/// What is to be done, worked out by [`plan`], [`rotate`], [`withdraw`] or [`end`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// New keys to be made and published.
    pub publish: Vec<NewKey>,
    /// Keys with a new state.
    pub changed: Vec<KeyRecord>,
    /// Keys that leave the key set for good.
    pub retired: Vec<String>,
}

/// A key that is to be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NewKey {
    /// Since when it counts as published.
    pub published_at: Timestamp,
    /// From when it signs; `None` while it waits.
    pub signs_from: Option<Timestamp>,
}

impl NewKey {
    /// One that waits for its turn.
    const fn waiting(published_at: Timestamp) -> Self {
        Self { published_at, signs_from: None }
    }

    /// The first of its algorithm, which signs as soon as every verifier has seen it.
    fn first(now: Timestamp, policy: KeyPolicy) -> Self {
        Self { published_at: now, signs_from: Some(now.saturating_add(policy.terms.publish_ahead)) }
    }
}

impl Plan {
    /// Whether there is nothing to do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl KeyRecord {
    /// The key's state at `now`.
    #[must_use]
    pub fn state(&self, now: Timestamp) -> KeyState {
        match (self.signs_from, self.signed_until) {
            (_, Some(until)) if until <= now => KeyState::Verifying,
            (Some(from), _) if from <= now => KeyState::Signing,
            _ => KeyState::Published,
        }
    }

    /// When it hands over by schedule, or did.
    #[must_use]
    pub fn signs_until(&self, policy: KeyPolicy) -> Option<Timestamp> {
        let scheduled = || self.signs_from.map(|from| from.saturating_add(policy.rotate_every));
        self.signed_until.or_else(scheduled)
    }

    /// When it leaves the key set by schedule.
    #[must_use]
    pub fn retires_at(&self, policy: KeyPolicy) -> Option<Timestamp> {
        self.signs_until(policy).map(|until| self.dead_at(until))
    }

    /// When the last token is dead that it signed before `until`.
    fn dead_at(&self, until: Timestamp) -> Timestamp {
        until.saturating_add(self.terms.verify_for)
    }

    /// From when on every verifier has seen it.
    fn ripe_at(&self, policy: KeyPolicy) -> Timestamp {
        self.published_at.saturating_add(policy.terms.publish_ahead)
    }
}

/// The key of one algorithm that signs at `now`: of those whose turn has come, the one whose turn came last.
#[must_use]
pub fn signer<K: AsRef<KeyRecord>>(keys: impl IntoIterator<Item = K>, now: Timestamp) -> Option<K> {
    let signing = keys.into_iter().filter(|key| key.as_ref().state(now) == KeyState::Signing);
    signing.max_by_key(|key| key.as_ref().signs_from)
}

/// When the next key of one algorithm takes its turn: as it was appointed, or by schedule. `None` where there is
/// none, which [`plan`] mends.
#[must_use]
pub fn next_rotation(keys: &[KeyRecord], now: Timestamp, policy: KeyPolicy) -> Option<Timestamp> {
    let next = standby(keys, now)?;
    let scheduled =
        || signer(keys, now)?.signs_until(policy).map(|due| due.max(next.ripe_at(policy)).max(now));
    next.signs_from.or_else(scheduled)
}

/// The key that waits for its turn, or has it appointed.
fn standby(keys: &[KeyRecord], now: Timestamp) -> Option<&KeyRecord> {
    keys.iter().filter(|key| key.state(now) == KeyState::Published).min_by_key(|key| key.published_at)
}

/// What is due at `now` for the keys of one algorithm, of an issuer that had a key of any algorithm
/// before (`established`) or has none yet.
///
/// The first keys of all count as published long ago: no verifier can hold a key set from before there
/// was one. The first key of an algorithm that was configured later is unknown to whoever holds the set
/// of before, so it waits like every other.
#[must_use]
pub fn plan(keys: &[KeyRecord], established: bool, now: Timestamp, policy: KeyPolicy) -> Plan {
    let mut plan = Plan { retired: retired(keys, now), ..Plan::default() };
    match (signer(keys, now), standby(keys, now)) {
        (None, None) if !established => plan.publish = vec![NewKey::waiting(Timestamp::EPOCH); 2],
        (None, None) => plan.publish = vec![NewKey::first(now, policy)],
        (Some(_), None) => plan.publish = vec![NewKey::waiting(now)],
        (None, Some(next)) if next.signs_from.is_some() => {} // the first of its algorithm
        (None, Some(next)) => plan.changed = hand_over(None, next, now),
        (Some(current), Some(next)) => {
            let old = current.signs_from.is_some_and(|from| now.since(from) >= policy.rotate_every);
            if old && next.signs_from.is_none() && next.ripe_at(policy) <= now {
                plan.changed = hand_over(Some(current), next, now);
            }
        }
    }
    plan
}

/// What a rotation asked for by hand does: the waiting key takes over as soon as every verifier has
/// seen it, which is at once unless the last rotation was a moment ago.
#[must_use]
pub fn rotate(keys: &[KeyRecord], now: Timestamp, policy: KeyPolicy) -> Plan {
    match standby(keys, now) {
        Some(next) if next.signs_from.is_none() => Plan {
            changed: hand_over(signer(keys, now), next, now.max(next.ripe_at(policy))),
            ..Plan::default()
        },
        _ => Plan::default(), // its turn is appointed already
    }
}

/// The emergency exit: `kids` leave the key set now, and if the one that signed is among them, the waiting
/// key signs now, seen by every verifier or not. Verifiers fetch the set again for a key that they
/// do not know.
#[must_use]
pub fn withdraw(keys: &[KeyRecord], kids: &[String], now: Timestamp, policy: KeyPolicy) -> Plan {
    let left: Vec<KeyRecord> = keys.iter().filter(|key| !kids.contains(&key.kid)).cloned().collect();
    let mut plan = Plan { retired: kids.to_vec(), ..Plan::default() };
    let signed = signer(keys, now).is_some();
    match (signer(&left, now), standby(&left, now)) {
        // Whoever it was to hand over to may be gone: then it signs on until there is another.
        (Some(current), next) if next.is_none_or(|next| next.signs_from.is_none()) => {
            let ends = current.signed_until.is_some();
            plan.changed.extend(ends.then(|| KeyRecord { signed_until: None, ..current.clone() }));
        }
        (Some(_), _) => {}
        (None, Some(next)) if signed => plan.changed = hand_over(None, next, now),
        (None, None) if signed => plan.publish = vec![NewKey { published_at: now, signs_from: Some(now) }],
        // Nothing of this algorithm has signed yet, and nothing waits for it.
        (None, Some(_)) => {}
        (None, None) => plan.publish = vec![NewKey::first(now, policy)],
    }
    plan
}

/// What becomes of the keys of an algorithm that is configured no more: none signs from `now` on, those that wait
/// leave the key set, and those that signed stay in it until the last of their tokens is dead.
#[must_use]
pub fn end(keys: &[KeyRecord], now: Timestamp) -> Plan {
    let waiting = keys.iter().filter(|key| key.state(now) == KeyState::Published);
    let signing = keys.iter().filter(|key| key.state(now) == KeyState::Signing);
    Plan {
        publish: Vec::new(),
        changed: signing.map(|key| KeyRecord { signed_until: Some(now), ..key.clone() }).collect(),
        retired: retired(keys, now).into_iter().chain(waiting.map(|key| key.kid.clone())).collect(),
    }
}

fn retired(keys: &[KeyRecord], now: Timestamp) -> Vec<String> {
    let dead = |key: &&KeyRecord| key.signed_until.is_some_and(|until| key.dead_at(until) < now);
    keys.iter().filter(dead).map(|key| key.kid.clone()).collect()
}

fn hand_over(from: Option<&KeyRecord>, to: &KeyRecord, at: Timestamp) -> Vec<KeyRecord> {
    let ends = from.map(|key| KeyRecord { signed_until: Some(at), ..key.clone() });
    let starts = KeyRecord { signs_from: Some(at), ..to.clone() };
    ends.into_iter().chain([starts]).collect()
}

#[cfg(test)]
mod tests;
