//! The nonces that a server asks for in proofs.

use std::fmt;
use std::time::Duration;

use aws_lc_rs::hmac;
use gatepass_jose::{Alg, KeyError, SecretKey, Timestamp, base64url};

/// The shortest secret, in bytes: as long as the hash.
const MIN_SECRET: usize = 32;
const PERIOD: Duration = Duration::from_secs(120);
const LEAST_PERIOD: Duration = Duration::from_secs(10);

/// Makes the nonces that a server hands out and knows them again
/// ([RFC 9449 section 8](https://www.rfc-editor.org/rfc/rfc9449#section-8)), without keeping any: the nonce of
/// a period is a MAC of the period's number.
///
/// All clients of a period get the same one. It proves that a proof was made lately, not that it is used
/// once: that is for the replay cache. Servers that share the secret take each other's nonces, also where
/// their clocks differ by up to a period.
///
/// ```
/// use gatepass_jose::{SecretKey, Timestamp};
/// use gatepass_token::DpopNonces;
///
/// let nonces = DpopNonces::new(&SecretKey::generate()?)?;
/// let now = Timestamp::from_secs(1_763_780_000);
/// assert!(nonces.accepted(now).contains(&nonces.current(now)));
/// # Ok::<_, gatepass_jose::KeyError>(())
/// ```
#[derive(Clone)]
pub struct DpopNonces {
    key: hmac::Key,
    period: Duration,
}

impl DpopNonces {
    /// Nonces under a secret of at least 32 bytes, a new one every two minutes.
    ///
    /// # Errors
    /// [`KeyError::SecretTooShort`].
    pub fn new(secret: &SecretKey) -> Result<Self, KeyError> {
        if secret.expose().len() < MIN_SECRET {
            return Err(KeyError::SecretTooShort { alg: Alg::HS256, min: MIN_SECRET });
        }
        Ok(Self { key: hmac::Key::new(hmac::HMAC_SHA256, secret.expose()), period: PERIOD })
    }

    /// Sets how long a nonce is the current one; ten seconds at least. It is taken for as long again.
    #[must_use]
    pub fn with_period(mut self, period: Duration) -> Self {
        self.period = period.max(LEAST_PERIOD);
        self
    }

    /// The nonce for clients to use now.
    #[must_use]
    pub fn current(&self, now: Timestamp) -> String {
        self.of_period(self.period_at(now))
    }

    /// The nonces that are taken now: the current one first, then its predecessor, which a client may just
    /// have been given, then its successor, which a server may have handed out whose clock is ahead.
    #[must_use]
    pub fn accepted(&self, now: Timestamp) -> [String; 3] {
        let period = self.period_at(now);
        [period, period.saturating_sub(1), period.saturating_add(1)].map(|period| self.of_period(period))
    }

    /// For how long from now on one of [`Self::accepted`] is taken at most, and so a proof with it could be shown again.
    #[must_use]
    pub fn taken_for(&self) -> Duration {
        self.period.saturating_mul(3)
    }

    fn period_at(&self, now: Timestamp) -> i64 {
        let seconds = i64::try_from(self.period.as_secs()).unwrap_or(i64::MAX);
        now.as_secs().div_euclid(seconds)
    }

    fn of_period(&self, period: i64) -> String {
        let mut mac = hmac::Context::with_key(&self.key);
        mac.update(b"DPoP nonce ");
        mac.update(&self.period.as_secs().to_be_bytes());
        mac.update(&period.to_be_bytes());
        let tag = mac.sign();
        // Half of the MAC is beyond guessing.
        base64url::encode(tag.as_ref().get(..16).unwrap_or(tag.as_ref()))
    }
}

impl fmt::Debug for DpopNonces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DpopNonces").field("period", &self.period).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nonces(secret: u8) -> DpopNonces {
        DpopNonces::new(&SecretKey::new([secret; 32])).unwrap()
    }

    #[test]
    fn a_nonce_is_taken_in_its_period_and_those_beside_it() {
        // The end of a period.
        let now = Timestamp::from_secs(1_763_780_039);
        let nonce = nonces(1).current(now);
        assert_eq!(nonce.len(), 22);
        let cases = [
            ("at_once", 0, true),
            ("in_the_next_period", 1, true),
            ("at_the_end_of_the_next_period", 120, true),
            ("after_it", 121, false),
            ("at_the_start_of_its_period", -119, true),
            ("by_a_clock_that_is_behind", -239, true),
            ("by_one_that_is_further_behind", -240, false),
        ];
        for (name, seconds, want) in cases {
            let then = Timestamp::from_secs(now.as_secs() + seconds);
            assert_eq!(nonces(1).accepted(then).contains(&nonce), want, "{name}");
        }
        // It was taken first at the start of the period before its own.
        let first = Timestamp::from_secs(now.as_secs() - 239);
        let last = first.saturating_add(nonces(1).taken_for());
        assert!(!nonces(1).accepted(last).contains(&nonce));
    }

    #[test]
    fn nonces_differ_by_period_length_and_secret() {
        let now = Timestamp::from_secs(1_763_780_000);
        let nonce = nonces(1).current(now);
        let longer = nonces(1).with_period(Duration::from_secs(240));
        assert_ne!(nonces(2).current(now), nonce);
        assert_ne!(longer.current(now), nonce);
        assert_eq!(nonces(1).accepted(now)[0], nonce);
        // A period of nothing would divide by it.
        assert_eq!(nonces(1).with_period(Duration::ZERO).period, LEAST_PERIOD);
        for end in [i64::MIN, i64::MAX] {
            assert_eq!(nonces(1).accepted(Timestamp::from_millis(end)).len(), 3);
        }
    }

    #[test]
    fn a_short_secret_is_refused() {
        let short = DpopNonces::new(&SecretKey::new([1; 31]));
        assert!(matches!(short, Err(KeyError::SecretTooShort { min: 32, .. })));
    }
}
