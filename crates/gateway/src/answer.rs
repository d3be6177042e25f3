//! What an answer says for its route's sake, whoever gives it: the service behind, or the gateway that refuses.

use bytes::Bytes;
use gatepass_guard::{Admitted, Challenge};
use http::{HeaderMap, HeaderName, HeaderValue, Response, header};

use crate::bff::LoginOffer;
use crate::cors::{self, Cors};
use crate::gateway::State;
use crate::rate_limit::{Limiter, Standing};
use crate::refusal::Refusal;
use crate::route::Route;
use crate::ticket;

/// RFC 9449 section 8.2.
const DPOP_NONCE: HeaderName = HeaderName::from_static("dpop-nonce");

/// Fields to set on the answer to a request, as far as its route is known by then. Most routes have none.
#[derive(Debug, Default)]
pub(crate) struct AnswerFields<'s> {
    cors: Option<(&'s Cors, Option<HeaderValue>)>,
    limit: Option<(&'s Limiter, Standing)>,
    route: Option<&'s Route>,
    /// The nonce that the client's next DPoP proof should have, where it is another than the last one's.
    dpop_nonce: Option<HeaderValue>,
    /// Where the browser's user could log in so that the same is not refused.
    login: Option<LoginOffer>,
    /// The answer is one browser's alone.
    is_private: bool,
    /// Its request came with a ticket.
    sealed: bool,
}

impl<'s> AnswerFields<'s> {
    /// For a request of this route, with these fields.
    pub(crate) fn of_route(route: &'s Route, headers: &HeaderMap) -> Self {
        Self {
            cors: route.cors.as_ref().map(|cors| (cors, cors::origin(headers).cloned())),
            route: Some(route),
            ..Self::default()
        }
    }

    /// For the answer to a proxy that asks about a request of this route. What the route says of CORS is for the proxy to say.
    pub(crate) fn of_api(route: &'s Route) -> Self {
        Self { route: Some(route), ..Self::default() }
    }

    /// The request came with a ticket, good or not.
    pub(crate) fn seal(&mut self) {
        self.sealed = true;
    }

    /// How it stands with the limit of the route.
    pub(crate) fn set_limit(&mut self, limiter: &'s Limiter, standing: Standing) {
        self.limit = Some((limiter, standing));
    }

    /// Its token was let in, with a proof that may have had an older nonce than there is now.
    pub(crate) fn admitted(&mut self, token: &Admitted) {
        self.dpop_nonce = token.dpop_nonce().and_then(|nonce| HeaderValue::from_str(nonce).ok());
    }

    /// The request came with a session: a cache on the way, which sees no `Authorization`, is not to give the
    /// answer to others.
    pub(crate) fn of_session(&mut self) {
        self.is_private = true;
    }

    pub(crate) fn is_of_session(&self) -> bool {
        self.is_private
    }

    /// The route of the request, as far as it is known by then.
    pub(crate) fn route(&self) -> Option<&'s Route> {
        self.route
    }

    /// What the refusal says of a login that would help.
    pub(crate) fn offer_login(&mut self, offer: Option<LoginOffer>) {
        self.login = offer;
    }

    /// The answer of a refusal, without the fields that [`Self::set`] sets.
    pub(crate) fn refuse(&self, refusal: &Refusal, state: &State) -> Response<Bytes> {
        let response = refusal.to_response(&self.challenge(state));
        match &self.login {
            Some(offer) => offer.complete(response),
            None => response,
        }
    }

    /// What a refusal says of the schemes that are taken.
    fn challenge(&self, state: &State) -> Challenge {
        let challenge = state.challenge(self.route.map_or(0, |route| route.resource));
        let requires_dpop = self.route.is_some_and(|route| route.access.requires_dpop());
        if requires_dpop { challenge.without_bearer() } else { challenge }
    }

    /// Sets the fields.
    pub(crate) fn set(&self, headers: &mut HeaderMap) {
        if let Some((cors, origin)) = &self.cors {
            cors.set(origin.as_ref(), headers);
        }
        if let Some((limiter, standing)) = self.limit {
            limiter.tell(standing, headers);
        }
        // Also beside a service's own: clients take the nonce of whoever they call, and that is the gateway.
        headers.extend(self.dpop_nonce.iter().map(|nonce| (DPOP_NONCE, nonce.clone())));
        if self.is_private {
            headers.append(header::CACHE_CONTROL, HeaderValue::from_static("private"));
        }
        if self.sealed {
            ticket::seal(headers);
        }
    }
}
