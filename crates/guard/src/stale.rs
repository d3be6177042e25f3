use std::time::Duration;

use serde::{Serialize, Serializer};

/// What holds on one route while the guard cannot vouch for its view of the revocations: stricter or laxer
/// than what the issuer's configuration says for all.
///
/// ```
/// use std::time::Duration;
/// use gatepass_guard::{StaleAction, StalePolicy};
///
/// // Where money moves, five seconds are too old already.
/// let payments = StalePolicy { after: Duration::from_secs(5), then: StaleAction::Deny };
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct StalePolicy {
    /// How old the last proof of completeness may be.
    #[serde(serialize_with = "seconds")]
    pub after: Duration,
    /// What happens to tokens then, and before the first proof.
    pub then: StaleAction,
}

/// What happens to a token when the view of its issuer's revocations is stale.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum StaleAction {
    /// Go on with what is known: a token revoked in the meantime passes until it expires.
    Allow,
    /// Refuse it (503) until the view is up to date.
    Deny,
    /// Ask the issuer about it. Refused like [`StaleAction::Deny`] where the issuer's configuration does not
    /// say how to ask.
    Introspect,
}

pub(crate) fn seconds<S: Serializer>(duration: &Duration, to: S) -> Result<S::Ok, S::Error> {
    duration.as_secs_f64().serialize(to)
}
