//! What is common to the JWTs that a client signs: how long one is good, and what it is called.

use std::time::Duration;

use gatepass_jose::{NumericDate, Timestamp, not_null};
use serde::Deserialize;
use thiserror::Error;

/// The longest that one may be good for from now on; it is remembered as long. Libraries give theirs a minute to an
/// hour.
const MAX_LIFETIME: Duration = Duration::from_secs(3600);
/// How far the clocks of a client and this server may differ.
const SKEW: Duration = Duration::from_secs(60);
/// The longest `jti`, in bytes.
const MAX_JTI: usize = 256;

/// From when until when a JWT is good.
#[derive(Clone, Copy, Debug, Deserialize)]
pub(crate) struct Window {
    exp: NumericDate,
    #[serde(default, deserialize_with = "not_null")]
    iat: Option<NumericDate>,
    #[serde(default, deserialize_with = "not_null")]
    nbf: Option<NumericDate>,
}

/// Why a JWT is not good now, or cannot be told from others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub(crate) enum WindowRejection {
    #[error("it has expired")]
    Expired,
    #[error("it is good for more than {} minutes", MAX_LIFETIME.as_secs() / 60)]
    TooLong,
    #[error("it is from the future")]
    NotYetValid,
    #[error("`jti` is empty or too long")]
    Jti,
}

impl Window {
    /// When nobody would take it any more, if it is good now.
    pub(crate) fn require_current(self, now: Timestamp) -> Result<Timestamp, WindowRejection> {
        let exp = self.exp.0;
        if exp.saturating_add(SKEW) <= now {
            return Err(WindowRejection::Expired);
        }
        if now.saturating_add(MAX_LIFETIME + SKEW) < exp {
            return Err(WindowRejection::TooLong);
        }
        let begins = [self.iat, self.nbf].into_iter().flatten();
        if begins.map(|date| date.0).any(|begin| now.saturating_add(SKEW) < begin) {
            return Err(WindowRejection::NotYetValid);
        }
        Ok(exp.saturating_add(SKEW))
    }
}

pub(crate) fn require_jti(jti: &str) -> Result<(), WindowRejection> {
    if jti.is_empty() || jti.len() > MAX_JTI { Err(WindowRejection::Jti) } else { Ok(()) }
}
