//! What an answer says for its route's sake, whoever gives it: the service behind, or the gateway that refuses.

use gatepass_guard::Challenge;
use http::{HeaderMap, HeaderValue};

use crate::cors::{self, Cors};
use crate::gateway::State;
use crate::rate_limit::{Limiter, Standing};
use crate::route::Route;
use crate::ticket;

/// Fields to set on the answer to a request, as far as its route is known by then. Most routes have none.
#[derive(Debug, Default)]
pub(crate) struct AnswerFields<'s> {
    cors: Option<(&'s Cors, Option<HeaderValue>)>,
    limit: Option<(&'s Limiter, Standing)>,
    requires_dpop: bool,
    /// Its request came with a ticket.
    sealed: bool,
}

impl<'s> AnswerFields<'s> {
    /// For a request of this route, with these fields.
    pub(crate) fn of_route(route: &'s Route, headers: &HeaderMap) -> Self {
        Self {
            cors: route.cors.as_ref().map(|cors| (cors, cors::origin(headers).cloned())),
            limit: None,
            requires_dpop: route.access.requires_dpop(),
            sealed: false,
        }
    }

    /// The request came with a ticket, good or not.
    pub(crate) fn seal(&mut self) {
        self.sealed = true;
    }

    /// How it stands with the limit of the route.
    pub(crate) fn set_limit(&mut self, limiter: &'s Limiter, standing: Standing) {
        self.limit = Some((limiter, standing));
    }

    /// What a refusal says of the schemes that are taken.
    pub(crate) fn challenge(&self, state: &State) -> Challenge {
        let challenge = state.challenge.clone();
        if self.requires_dpop { challenge.without_bearer() } else { challenge }
    }

    /// Sets the fields.
    pub(crate) fn set(&self, headers: &mut HeaderMap) {
        if let Some((cors, origin)) = &self.cors {
            cors.set(origin.as_ref(), headers);
        }
        if let Some((limiter, standing)) = self.limit {
            limiter.tell(standing, headers);
        }
        if self.sealed {
            ticket::seal(headers);
        }
    }
}
