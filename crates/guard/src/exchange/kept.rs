//! What an issuer gave for tokens, for as long as it can be used.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use gatepass_jose::Timestamp;

use super::{Exchange, ExchangeError, ExchangedToken};

/// The most tokens for which something is kept, at about a kilobyte each.
const MAX_TOKENS: usize = 4096;
/// How often what is dead is dropped.
const SWEEP: Duration = Duration::from_secs(30);
/// For how long a failure is the answer, so that a burst of requests asks the issuer once.
const FAILURE_LIFETIME: Duration = Duration::from_secs(1);
/// What is left of a token's life, as a part of it, when the next one is asked for.
const RENEWED_WITH: u32 = 5;

/// By the SHA-256 digest of the token that was presented: nothing here could be presented again.
#[derive(Default)]
pub(super) struct KeptTokens(Mutex<Tokens>);

#[derive(Default)]
struct Tokens {
    by_digest: HashMap<[u8; 32], Vec<(Exchange, Arc<Slot>)>>,
    swept_at: Option<Timestamp>,
}

/// The place of one token for one service.
#[derive(Default)]
pub(super) struct Slot {
    state: Mutex<State>,
    /// Held by whoever asks the issuer.
    pub(super) asking: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct State {
    kept: Option<Kept>,
    failed: Option<(Timestamp, ExchangeError)>,
}

struct Kept {
    token: ExchangedToken,
    due: Timestamp,
    expires: Timestamp,
}

/// What a slot has for a request.
pub(super) enum Known {
    /// What it gets.
    Answer(Result<ExchangedToken, ExchangeError>),
    /// A token that is good, and should be replaced soon.
    Due(ExchangedToken),
    Nothing,
}

impl KeptTokens {
    /// The place for what `token` is exchanged for. All instants are those of the steady clock.
    pub(super) fn slot(&self, token: &str, wanted: &Exchange, now: Timestamp) -> Arc<Slot> {
        let mut tokens = self.tokens();
        let digest = sha256(token);
        let found = tokens.by_digest.get(&digest).and_then(|slots| {
            slots.iter().find(|(known, _)| known == wanted).map(|(_, slot)| Arc::clone(slot))
        });
        found.unwrap_or_else(|| {
            tokens.make_room(now);
            let slot = Arc::new(Slot::default());
            let slots = tokens.by_digest.entry(digest).or_default();
            slots.push((wanted.clone(), Arc::clone(&slot)));
            slot
        })
    }

    pub(super) fn forget(&self, token: &str) {
        self.tokens().by_digest.remove(&sha256(token));
    }

    fn tokens(&self) -> MutexGuard<'_, Tokens> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Tokens {
    /// Drops what is dead, now and then. Where all places are taken one more goes, whichever: whoever needs
    /// it again has to ask again.
    fn make_room(&mut self, now: Timestamp) {
        if self.swept_at.is_none_or(|at| now.since(at) >= SWEEP) {
            self.by_digest.retain(|_, slots| slots.iter().any(|(_, slot)| slot.is_in_use(now)));
            self.swept_at = Some(now);
        }
        if self.by_digest.len() >= MAX_TOKENS
            && let Some(some) = self.by_digest.keys().next().copied()
        {
            self.by_digest.remove(&some);
        }
    }
}

impl Slot {
    pub(super) fn known(&self, now: Timestamp) -> Known {
        let state = self.state();
        let kept = state.kept.as_ref().filter(|kept| now < kept.expires);
        match (kept, &state.failed) {
            (Some(kept), None) if now >= kept.due => Known::Due(kept.token.clone()),
            (Some(kept), _) => Known::Answer(Ok(kept.token.clone())),
            (None, Some((until, error))) if now < *until => Known::Answer(Err(error.clone())),
            (None, _) => Known::Nothing,
        }
    }

    /// Keeps a token for `lifetime` from `asked` on.
    pub(super) fn keep(&self, token: ExchangedToken, lifetime: Duration, asked: Timestamp) {
        let expires = asked.saturating_add(lifetime);
        let due = asked.saturating_add(lifetime - lifetime / RENEWED_WITH);
        *self.state() = State { kept: Some(Kept { token, due, expires }), failed: None };
    }

    /// Takes note of a failure, and gives what there is instead: the last token, unless the issuer has said
    /// that there is to be none.
    pub(super) fn fail(&self, error: ExchangeError, now: Timestamp) -> Result<ExchangedToken, ExchangeError> {
        let mut state = self.state();
        let until = now.saturating_add(FAILURE_LIFETIME);
        let kept = state.kept.take().filter(|kept| now < kept.expires);
        match (error, kept) {
            (ExchangeError::Unavailable(_), Some(kept)) => {
                let token = kept.token.clone();
                state.kept = Some(Kept { due: until, ..kept });
                Ok(token)
            }
            (error, _) => {
                state.failed = Some((until, error.clone()));
                Err(error)
            }
        }
    }

    /// Whether there is something in it, or somebody is about to put something there.
    fn is_in_use(&self, now: Timestamp) -> bool {
        !matches!(self.known(now), Known::Nothing) || self.asking.try_lock().is_err()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn sha256(token: &str) -> [u8; 32] {
    let mut bytes = [0; 32];
    for (to, from) in bytes.iter_mut().zip(digest(&SHA256, token.as_bytes()).as_ref()) {
        *to = *from;
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::super::exchanged;
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_secs(1_763_780_000 + seconds)
    }

    fn orders() -> Exchange {
        Exchange { audience: "https://orders.internal".into(), scope: None }
    }

    fn shown(known: Known) -> String {
        let token = |token: ExchangedToken| token.authorization().to_str().unwrap().to_owned();
        match known {
            Known::Answer(answer) => answer.map_or_else(|error| error.to_string(), token),
            Known::Due(due) => format!("due {}", token(due)),
            Known::Nothing => "nothing".into(),
        }
    }

    #[test]
    fn a_token_is_given_out_until_it_dies_and_renewed_before() {
        let slot = Slot::default();
        slot.keep(exchanged("t").unwrap(), Duration::from_secs(100), at(0));
        for (second, want) in
            [(0, "Bearer t"), (79, "Bearer t"), (80, "due Bearer t"), (99, "due Bearer t"), (100, "nothing")]
        {
            assert_eq!(shown(slot.known(at(second))), want, "after {second} s");
        }
    }

    #[test]
    fn a_token_without_a_lifetime_is_not_kept() {
        let slot = Slot::default();
        slot.keep(exchanged("t").unwrap(), Duration::ZERO, at(0));
        assert_eq!(shown(slot.known(at(0))), "nothing");
    }

    #[test]
    fn an_issuer_that_is_away_costs_nothing_while_the_last_token_lives() {
        let slot = Slot::default();
        let away = || ExchangeError::Unavailable("away".into());
        slot.keep(exchanged("t").unwrap(), Duration::from_secs(100), at(0));
        assert!(slot.fail(away(), at(80)).is_ok());
        assert_eq!(shown(slot.known(at(80))), "Bearer t", "it is not asked again at once");
        assert_eq!(shown(slot.known(at(81))), "due Bearer t");
        assert!(slot.fail(away(), at(100)).is_err());
        assert_eq!(shown(slot.known(at(100))), away().to_string());
        assert_eq!(shown(slot.known(at(101))), "nothing");
    }

    #[test]
    fn a_refusal_ends_what_was_given_before() {
        let slot = Slot::default();
        let refused = ExchangeError::Refused("no".into());
        slot.keep(exchanged("t").unwrap(), Duration::from_secs(100), at(0));
        assert_eq!(slot.fail(refused.clone(), at(80)).err(), Some(refused.clone()));
        assert_eq!(shown(slot.known(at(80))), refused.to_string());
        assert_eq!(shown(slot.known(at(81))), "nothing");
    }

    #[test]
    fn places_are_by_token_service_and_scope_and_go_with_the_token() {
        let kept = KeptTokens::default();
        let slot = |token, wanted: &Exchange| kept.slot(token, wanted, at(0));
        let narrower = Exchange { scope: Some("orders:read".parse().unwrap()), ..orders() };
        let first = slot("a", &orders());
        assert!(Arc::ptr_eq(&first, &slot("a", &orders())));
        assert!(!Arc::ptr_eq(&first, &slot("b", &orders())));
        assert!(!Arc::ptr_eq(&first, &slot("a", &narrower)));
        kept.forget("a");
        assert!(!Arc::ptr_eq(&first, &slot("a", &orders())));
    }

    #[test]
    fn no_more_is_kept_than_there_are_places() {
        let kept = KeptTokens::default();
        for number in 0..MAX_TOKENS + 10 {
            let slot = kept.slot(&number.to_string(), &orders(), at(0));
            slot.keep(exchanged("t").unwrap(), Duration::from_secs(100), at(0));
        }
        assert_eq!(kept.tokens().by_digest.len(), MAX_TOKENS);
        drop(kept.slot("late", &orders(), at(101)));
        assert_eq!(kept.tokens().by_digest.len(), 1, "what is dead is dropped");
    }
}
