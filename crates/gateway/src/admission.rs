//! Who is let in: the limit of a route, the token, its rule.

use std::net::IpAddr;

use gatepass_guard::{Admitted, Denied, GuardedRequest};
use http::{HeaderMap, header};
use tracing::Level;

use crate::answer::AnswerFields;
use crate::bff;
use crate::gateway::{Shared, State};
use crate::rate_limit::Per;
use crate::refusal::Refusal;
use crate::route::path::RequestPath;
use crate::route::{Access, Demand, Route};
use crate::ticket::Presented;

/// A request that wants to be let in, here or at the proxy that asks on its behalf.
pub(crate) struct Candidate<'r> {
    pub(crate) headers: &'r HeaderMap,
    pub(crate) guarded: &'r GuardedRequest<'r>,
    /// Shown instead of an `Authorization` field.
    pub(crate) ticket: Option<&'r Presented>,
    pub(crate) attempt: Attempt,
    /// Whether a DPoP proof could be checked.
    pub(crate) takes_dpop: bool,
    /// Where its connection comes from.
    pub(crate) peer: IpAddr,
    /// What is asked for, in the words of the audit log.
    pub(crate) asked: &'r (dyn Fn() -> String + Sync),
}

/// Which look at a request it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Attempt {
    /// There is no other.
    Only,
    /// With a session's token, which may be renewed: a denial that this may help is told even where the route does not
    /// enforce.
    First,
    /// With the token that the session has got since.
    Again,
}

/// Lets in whom the route lets in, with the token if there is one. Where the route does not enforce yet, what
/// would have been refused is counted and told to the log, and goes on as if no token were asked for.
pub(crate) async fn admit<'s>(
    route: &'s Route,
    path: &RequestPath<'_>,
    candidate: &Candidate<'_>,
    shared: &Shared,
    state: &'s State,
    fields: &mut AnswerFields<'s>,
) -> Result<Option<Admitted>, Refusal> {
    let guarded = candidate.guarded.with_on_stale(route.on_stale.as_deref());
    let candidate = &Candidate { guarded: &guarded, ..*candidate };
    let per = route.rate_limit.map(|(_, per)| per);
    // What an address may ask is counted before anything is done for it.
    if per == Some(Per::Address) && candidate.attempt != Attempt::Again {
        enforce(route, shared, count(route, None, candidate, state, fields))?;
    }
    let admitted = match &route.access {
        Access::Public => Ok(None),
        Access::Token(demand) => {
            let parameter = |name: &str| demand.parameter(name, path);
            verify(demand, parameter, candidate, state, route.enforce).await
        }
    };
    if let Err(denied) = &admitted
        && candidate.attempt == Attempt::First
        && bff::may_help(denied)
    {
        return Err(Refusal::Denied(denied.clone()));
    }
    let token = enforce(route, shared, admitted.map_err(Refusal::from))?.flatten();
    if let Some(token) = &token {
        fields.admitted(token);
    }
    if matches!(per, Some(Per::Subject | Per::Client)) {
        enforce(route, shared, count(route, token.as_ref(), candidate, state, fields))?;
    }
    match (token, candidate.ticket) {
        // The issuer is asked last of all: a ticket that opens nothing is not used up either.
        (Some(token), Some(ticket)) => {
            let consumed = state.guards.consume_ticket(&token, ticket).await;
            let consumed =
                consumed.inspect_err(|denied| audit(denied, candidate, Some(&token), route.enforce));
            let consumed = enforce(route, shared, consumed.map_err(Refusal::from))?;
            Ok(consumed.map(|()| token))
        }
        (token, _) => Ok(token),
    }
}

/// Verifies the token of a request and holds it against the demand. `None` if there is none, nor has to be. A ticket is
/// not used up yet.
pub(crate) async fn verify<'p>(
    demand: &Demand,
    parameter: impl Fn(&str) -> Option<&'p str>,
    candidate: &Candidate<'_>,
    state: &State,
    enforced: bool,
) -> Result<Option<Admitted>, Denied> {
    // Credentials of whatever kind are meant to be looked at: only who shows none at all goes without.
    let shows_none = candidate.ticket.is_none() && !candidate.headers.contains_key(header::AUTHORIZATION);
    if demand.optional && shows_none {
        return Ok(None);
    }
    let verified = match candidate.ticket {
        Some(ticket) => state.guards.verify_ticket(ticket).await,
        None => state.guards.verify(candidate.headers, candidate.guarded, candidate.takes_dpop).await,
    };
    let outcome = match &verified {
        Ok(token) => demand.rule.check_with(token, parameter),
        Err(denied) => Err(denied.clone()),
    };
    if let Err(denied) = outcome {
        audit(&denied, candidate, verified.as_ref().ok(), enforced);
        return Err(denied);
    }
    verified.map(Some)
}

fn audit(denied: &Denied, candidate: &Candidate<'_>, token: Option<&Admitted>, enforced: bool) {
    if is_audited(denied) {
        let not_enforced = if enforced { "" } else { " (not enforced)" };
        denied.audit(&format!("{}{not_enforced}", (candidate.asked)()), token);
    }
}

/// Counts the request with its route's limit.
fn count<'s>(
    route: &Route,
    token: Option<&Admitted>,
    candidate: &Candidate<'_>,
    state: &'s State,
    fields: &mut AnswerFields<'s>,
) -> Result<(), Refusal> {
    let Some(limiter) = route.rate_limit.and_then(|(index, _)| state.limiters.get(index)) else {
        return Ok(());
    };
    let (headers, peer) = (candidate.headers, candidate.peer);
    let address = state.config.forwarded.client(headers, peer, |address| state.trusts(address));
    let standing = limiter.take(token, address);
    fields.set_limit(limiter, standing);
    if standing.refused_for.is_some() { Err(Refusal::RateLimited) } else { Ok(()) }
}

/// `None` for what would have been refused.
pub(crate) fn enforce<T>(
    route: &Route,
    shared: &Shared,
    outcome: Result<T, Refusal>,
) -> Result<Option<T>, Refusal> {
    match outcome {
        Err(refusal) if !route.enforce => {
            shared.counters.refusals.count_would_refuse(&refusal);
            Ok(None)
        }
        outcome => outcome.map(Some),
    }
}

/// Saves putting an entry into words that nobody keeps: most refusals are of requests without a token.
fn is_audited(denied: &Denied) -> bool {
    match denied {
        Denied::Missing => tracing::enabled!(target: "gatepass::audit", Level::DEBUG),
        _ => tracing::enabled!(target: "gatepass::audit", Level::INFO),
    }
}
