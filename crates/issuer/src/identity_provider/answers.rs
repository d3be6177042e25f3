//! Who has this server look at answers of providers, how many at once and how often in vain.
//!
//! Beginning a login costs nothing here, and gives whoever does it all that an answer needs but a code. With made-up codes they
//! could have this server ask a provider without end, and hold the places in which others' logins are finished.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use gatepass_jose::Timestamp;

use crate::issuer::Issuer;
use crate::password::Overloaded;
use crate::sessions::LoginError;
use crate::throttle::{Attempt, Throttle, ThrottlePolicy};

/// How many answers are looked at at once that come from one address; a provider has places for four times as many.
const FROM_ONE_ADDRESS: u32 = 8;

#[derive(Debug)]
pub(crate) struct Answers {
    /// Those that came to nothing, by address.
    failures: Throttle,
    at_once: Mutex<HashMap<Attempt, u32>>,
}

/// Leave to look at an answer. It holds a place of its address until it is dropped.
#[derive(Debug)]
pub struct AnswerPlace<'i> {
    answers: &'i Answers,
    from: Option<Attempt>,
}

impl Answers {
    /// As many failures are let through as wrong passwords from one address.
    pub(crate) fn new(guesses: ThrottlePolicy) -> Self {
        let failures = ThrottlePolicy { account: guesses.address, ..guesses };
        Self { failures: Throttle::new(failures), at_once: Mutex::default() }
    }

    fn place(&self, address: Option<IpAddr>, now: Timestamp) -> Result<AnswerPlace<'_>, LoginError> {
        let Some(address) = address else { return Ok(AnswerPlace { answers: self, from: None }) };
        let from = self.failures.attempt_from(address);
        self.failures
            .check(from, now)
            .map_err(|throttled| LoginError::Throttled { retry_after: throttled.retry_after })?;
        let mut at_once = self.at_once.lock().unwrap_or_else(PoisonError::into_inner);
        let held = at_once.entry(from).or_default();
        if *held >= FROM_ONE_ADDRESS {
            return Err(Overloaded { retry_after: Duration::from_secs(2) }.into());
        }
        *held += 1;
        Ok(AnswerPlace { answers: self, from: Some(from) })
    }
}

impl AnswerPlace<'_> {
    /// The answer came to nothing.
    pub fn failed(&self, now: Timestamp) {
        if let Some(from) = self.from {
            self.answers.failures.failed(from, now);
        }
    }
}

impl Drop for AnswerPlace<'_> {
    fn drop(&mut self) {
        let Some(from) = self.from else { return };
        let mut at_once = self.answers.at_once.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(held) = at_once.get_mut(&from) {
            *held -= 1;
            if *held == 0 {
                at_once.remove(&from);
            }
        }
    }
}

impl Issuer {
    /// Leave to look at an answer of a provider's that comes from `address`.
    ///
    /// # Errors
    /// [`LoginError::Throttled`] where too many from there came to nothing, [`LoginError::Overloaded`] where too many are
    /// being looked at.
    pub fn place_for_answer(
        &self,
        address: Option<IpAddr>,
        now: Timestamp,
    ) -> Result<AnswerPlace<'_>, LoginError> {
        self.answers.place(address, now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_secs(1_763_780_000);

    #[test]
    fn one_address_holds_few_places_and_fails_only_so_often() {
        let answers = Answers::new(ThrottlePolicy::default());
        let from = |host: &str| answers.place(Some(host.parse().unwrap()), NOW);
        let mut held: Vec<_> = (0..FROM_ONE_ADDRESS).map(|_| from("192.0.2.1").unwrap()).collect();
        assert!(matches!(from("192.0.2.1"), Err(LoginError::Overloaded(_))));
        assert!(from("192.0.2.2").is_ok() && answers.place(None, NOW).is_ok());
        held.pop();
        assert!(from("192.0.2.1").is_ok());
        drop(held);
        assert!(answers.at_once.lock().unwrap().is_empty(), "nothing is kept of those who have gone");

        for at in 0..40 {
            from("2001:db8::1").unwrap_or_else(|_| panic!("{at}")).failed(NOW);
        }
        assert!(matches!(from("2001:db8::ffff"), Err(LoginError::Throttled { .. })), "its network");
        assert!(from("192.0.2.1").is_ok());
        let later = NOW.saturating_add(Duration::from_secs(2));
        assert!(answers.place(Some("2001:db8::1".parse().unwrap()), later).is_ok());
    }
}
