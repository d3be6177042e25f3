//! How strongly, and how long ago, the user behind a token logged in: step-up authentication, RFC 9470.

use std::time::Duration;

use gatepass_jose::Timestamp;
use serde_json::Value;

use crate::{Admitted, Denied};

/// What a rule demands of the user's login
/// ([RFC 9470 section 3](https://www.rfc-editor.org/rfc/rfc9470#section-3)), and what a client is told to ask
/// the authorization server for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UserAuthentication {
    /// Any of these authentication contexts (`acr`); none is demanded if it is `None`.
    pub(crate) acr_values: Option<Vec<String>>,
    /// How long ago it may have been (`auth_time`).
    pub(crate) max_age: Option<Duration>,
}

/// How the user's login is not what a rule demands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WeakAuthentication {
    /// The claim `acr` is absent, or none of those that are demanded.
    #[error("the user logged in with another authentication context than is required")]
    Context,
    /// The claim `auth_time` is absent, or no time.
    #[error("the token does not tell when the user logged in")]
    NoTime,
    /// The login is older than `max_age`.
    #[error("the user logged in longer ago than is allowed")]
    TooLongAgo,
    /// The claim `auth_time` lies ahead by more than clocks differ: with it, a login would never grow old.
    #[error("the token says that the user will log in at a time that has not come yet")]
    InTheFuture,
}

impl UserAuthentication {
    /// By how much the issuer's clock may differ from this one's. A login may come from so far ahead; and an issuer that
    /// is asked for a login of [`max_age`](Self::max_age) less this gives none that is too old here.
    pub const CLOCK_SKEW: Duration = Duration::from_secs(60);

    /// The authentication contexts of which one is demanded, the preferred one first.
    #[must_use]
    pub fn acr_values(&self) -> &[String] {
        self.acr_values.as_deref().unwrap_or_default()
    }

    /// How long ago the login may have been.
    #[must_use]
    pub fn max_age(&self) -> Option<Duration> {
        self.max_age
    }

    /// Holds a token's `acr` and `auth_time` against the demands, as of when the token was admitted.
    pub(crate) fn check(&self, token: &Admitted) -> Result<(), Denied> {
        self.problem(token).map_or(Ok(()), |problem| {
            Err(Denied::InsufficientUserAuthentication { problem, required: self.clone() })
        })
    }

    fn problem(&self, token: &Admitted) -> Option<WeakAuthentication> {
        if let Some(accepted) = &self.acr_values {
            let acr = token.claim("acr").and_then(Value::as_str);
            if !acr.is_some_and(|acr| accepted.iter().any(|accepted| accepted == acr)) {
                return Some(WeakAuthentication::Context);
            }
        }
        let max_age = self.max_age?;
        let Some(auth_time) = token.claim("auth_time").and_then(numeric_date) else {
            return Some(WeakAuthentication::NoTime);
        };
        let now = token.admitted_at();
        if auth_time > now.saturating_add(Self::CLOCK_SKEW) {
            Some(WeakAuthentication::InTheFuture)
        } else if now.since(auth_time) > max_age {
            Some(WeakAuthentication::TooLongAgo)
        } else {
            None
        }
    }
}

impl WeakAuthentication {
    pub(crate) fn check(self) -> &'static str {
        match self {
            WeakAuthentication::Context => "acr",
            WeakAuthentication::NoTime => "auth-time-missing",
            WeakAuthentication::TooLongAgo => "max-age",
            WeakAuthentication::InTheFuture => "auth-time-ahead",
        }
    }
}

/// RFC 7519 section 2: seconds, perhaps with a fraction, which is cut off so that a login looks no younger.
fn numeric_date(claim: &Value) -> Option<Timestamp> {
    if let Some(seconds) = claim.as_i64() {
        return Some(Timestamp::from_secs(seconds));
    }
    // Numbers past the range of an instant end at its bounds: too long ago, or ahead.
    #[allow(clippy::cast_possible_truncation)]
    let seconds = claim.as_f64()?.floor() as i64;
    Some(Timestamp::from_secs(seconds))
}
