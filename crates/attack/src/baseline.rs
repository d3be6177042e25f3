//! What has to hold before a refusal means anything: the good token is accepted, and what is certainly bad
//! is not.

use std::collections::BTreeSet;

use serde::Serialize;
use thiserror::Error;

use crate::attempt::Attempt;
use crate::judge::Judge;
use crate::request::AcceptedStatus;
use crate::sender::{Reply, Sender};
use crate::token::Token;

/// How the service answers tokens of which it is known whether they are good.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Baseline {
    /// The status of the answer to the good token.
    pub accepted: u16,
    /// The status of the answers to bad ones, each named by what was sent.
    pub refused: Vec<(&'static str, u16)>,
}

/// Why there is nothing to compare with.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum BaselineError {
    /// No answer to the good token.
    #[error("the service does not answer: {0}")]
    NoAnswer(&'static str),
    /// The good token is refused, so everything would be.
    #[error("the good token is not accepted: the service answers {status}")]
    GoodRefused {
        /// The status of the answer.
        status: u16,
    },
    /// The good token is accepted once.
    #[error("the good token is accepted once and then not any more: the service answers {status}")]
    OnlyOnce {
        /// The status of the second answer.
        status: u16,
    },
    /// The service lets everybody in.
    #[error("no token is needed here: the service answers {status} without any")]
    Public {
        /// The status of the answer.
        status: u16,
    },
    /// The service accepts what nobody signed.
    #[error("the service does not verify tokens: it answers {status} to {what}")]
    DoesNotVerify {
        /// What was sent.
        what: &'static str,
        /// The status of the answer.
        status: u16,
    },
    /// The service breaks where it should refuse, so that nothing can be told from its answers.
    #[error("the service breaks on bad tokens, so that a refusal cannot be told from a crash: {what}: {how}")]
    Breaks {
        /// What was sent.
        what: &'static str,
        /// The status, or that there was none.
        how: String,
    },
}

impl BaselineError {
    /// Whether this is a verdict about the service, and a bad one, not only a reason to stop.
    #[must_use]
    pub fn is_finding(&self) -> bool {
        matches!(self, Self::DoesNotVerify { .. })
    }
}

/// Tokens that no verifier could take, from none to nearly good.
fn bad_attempts(token: &Token) -> Vec<(&'static str, Attempt)> {
    let mut flipped = token.signature.clone();
    if let Some(byte) = flipped.first_mut() {
        *byte ^= 1;
    }
    let changed = token.with_payload(&token.payload.and("gatepass_attack", "1"));
    vec![
        ("no token", Attempt::carrying("", Vec::new())),
        ("garbage", Attempt::token("", "gatepass")),
        ("garbage in three parts", Attempt::token("", "Z2F0ZXBhc3M.Z2F0ZXBhc3M.Z2F0ZXBhc3M")),
        (
            "a token with one bit of its signature flipped",
            Attempt::token("", token.draft.with_signature(&flipped)),
        ),
        ("a token with a claim added to it", Attempt::token("", changed.with_signature(&token.signature))),
    ]
}

/// Asks for all of it, and gives what to compare with.
pub(crate) async fn establish(
    sender: &Sender<'_>,
    token: &Token,
    accepted: &AcceptedStatus,
    slow: std::time::Duration,
) -> Result<(Baseline, Judge), BaselineError> {
    let attempt = Attempt::token("", token.text());
    let good = answered(sender.send(&attempt).await)?;
    if !accepted.contains(good) {
        return Err(BaselineError::GoodRefused { status: good });
    }
    let again = answered(sender.send(&attempt).await)?;
    if !accepted.contains(again) {
        return Err(BaselineError::OnlyOnce { status: again });
    }
    let mut judge = Judge { accepted: accepted.clone(), good, refusals: BTreeSet::new(), slow };
    let mut refused = Vec::new();
    for (what, attempt) in bad_attempts(token) {
        let status = match sender.send(&attempt).await {
            Reply::Answered { status, .. } => status,
            other => return Err(BaselineError::Breaks { what, how: said(&other).to_owned() }),
        };
        if judge.is_accepted(status) {
            let nothing_sent = attempt.carried.is_empty();
            return Err(if nothing_sent {
                BaselineError::Public { status }
            } else {
                BaselineError::DoesNotVerify { what, status }
            });
        }
        if status >= 500 {
            return Err(BaselineError::Breaks { what, how: format!("answered {status}") });
        }
        judge.refusals.insert(status);
        refused.push((what, status));
    }
    judge.refusals.remove(&429);
    Ok((Baseline { accepted: good, refused }, judge))
}

fn answered(reply: Reply) -> Result<u16, BaselineError> {
    match reply {
        Reply::Answered { status, .. } => Ok(status),
        other => Err(BaselineError::NoAnswer(said(&other))),
    }
}

fn said(reply: &Reply) -> &'static str {
    match reply {
        Reply::Answered { .. } => "it answered",
        Reply::Closed => "the connection was closed without an answer",
        Reply::TimedOut => "no answer in time",
        Reply::Unreachable => "no connection can be made",
        Reply::NotSent(why) => why,
    }
}
