//! What a request brings to be let in with: a ticket, a browser's session, or a token of its own.

use gatepass_guard::{Admitted, GuardedRequest};
use http::{HeaderMap, Method};

use crate::admission::{self, Attempt, Candidate};
use crate::answer::AnswerFields;
use crate::bff::Bearing;
use crate::gateway::{Shared, State};
use crate::refusal::Refusal;
use crate::route::Route;
use crate::route::path::RequestPath;
use crate::ticket::{self, Presented};

/// What is looked at of a request.
pub(crate) enum Credentials {
    /// The ticket in its query.
    Ticket(Presented),
    /// The token of the session that its cookie names.
    Session(Box<Bearing>),
    /// Its `Authorization` field, if it has one.
    Own,
}

impl Credentials {
    /// Those of a request whose route is known, for a target with its query.
    pub(crate) async fn of_request(
        route: &Route,
        (method, target, headers): (&Method, &str, &HeaderMap),
        websocket: bool,
        shared: &Shared,
        state: &State,
        fields: &mut AnswerFields<'_>,
    ) -> Result<Self, Refusal> {
        let ticket = ticket::find(route, method, target, headers);
        if !matches!(ticket, Ok(None)) {
            fields.seal();
        }
        // A browser brings its cookie by itself: it is the ticket that was meant.
        if let Some(ticket) = ticket? {
            return Ok(Self::Ticket(ticket));
        }
        let session = Bearing::of_request(route, (method, headers), websocket, shared, state, fields).await?;
        Ok(session.map_or(Self::Own, |session| Self::Session(Box::new(session))))
    }

    /// Lets the request in, as [`admission::admit`] does with what it brings of its own. A session whose token is not
    /// good any more gets one more chance with the next.
    pub(crate) async fn admit<'s>(
        &mut self,
        route: &'s Route,
        (method, path): (&Method, &RequestPath<'_>),
        own: &Candidate<'_>,
        shared: &Shared,
        state: &'s State,
        fields: &mut AnswerFields<'s>,
    ) -> Result<Option<Admitted>, Refusal> {
        let session = match self {
            Self::Session(session) => session,
            Self::Ticket(ticket) => {
                let candidate = Candidate { ticket: Some(ticket), ..*own };
                return admission::admit(route, path, &candidate, shared, state, fields).await;
            }
            Self::Own => return admission::admit(route, path, own, shared, state, fields).await,
        };
        let mut attempt = Attempt::First;
        loop {
            let headers = &session.headers;
            let guarded = GuardedRequest::new(method, headers);
            let candidate = Candidate { headers, guarded: &guarded, takes_dpop: false, attempt, ..*own };
            let admitted = admission::admit(route, path, &candidate, shared, state, fields).await;
            let (Attempt::First, Err(Refusal::Denied(denied))) = (attempt, &admitted) else {
                return admitted;
            };
            let renewed = session.renew_after(denied, state).await;
            match admission::enforce(route, shared, renewed)? {
                Some(true) => attempt = Attempt::Again,
                Some(false) => return admitted,
                None => return Ok(None),
            }
        }
    }
}
