//! A request that comes with a session's cookie: which token it bears.

use std::sync::Arc;

use gatepass_guard::Denied;
use http::{HeaderMap, HeaderValue, Method, header};

use super::cookie::TwoCookies;
use super::session::{Session, Tokens};
use super::{Bff, SessionError, now, renewal, site};
use crate::admission;
use crate::answer::AnswerFields;
use crate::gateway::{Shared, State};
use crate::guards::Guards;
use crate::refusal::Refusal;
use crate::route::Route;

/// The session of a request.
pub(crate) struct Bearing {
    bff: Arc<Bff>,
    session: Arc<Session>,
    tokens: Arc<Tokens>,
    /// The request's fields, with the session's token as `Authorization`.
    pub(crate) headers: HeaderMap,
}

impl Bff {
    /// The session that a request names and may use, with good tokens. `None` if it names none.
    async fn bearing(
        self: &Arc<Self>,
        headers: &HeaderMap,
        method: &Method,
        websocket: bool,
        guards: &Guards,
    ) -> Result<Option<Bearing>, SessionError> {
        let Some(cookie) = self.cookies.session(headers)? else { return Ok(None) };
        let has_token = headers.contains_key(header::AUTHORIZATION);
        let Some(session) = self.find(cookie).await? else {
            return if has_token { Ok(None) } else { Err(SessionError::Ended) };
        };
        if has_token {
            return Err(SessionError::TwoCredentials);
        }
        if !site::may_use_session(headers, method, websocket, &self.settings.origin) {
            return Err(SessionError::CrossSite);
        }
        let now = now();
        if session.touch(self.sessions.idle, now) {
            let (bff, id) = (Arc::clone(self), session.id);
            tokio::spawn(async move {
                if let Err(error) = bff.sessions.store.touch(id, now).await {
                    tracing::warn!(%error, "it cannot be noted that a session is used");
                }
            });
        }
        let tokens = self.current_tokens(&session, guards, now).await?;
        let mut headers = headers.clone();
        headers.insert(header::AUTHORIZATION, tokens.authorization.clone());
        Ok(Some(Bearing { bff: Arc::clone(self), session, tokens, headers }))
    }

    /// The session that a cookie names, if there is one.
    pub(super) async fn find(&self, cookie: &[u8]) -> Result<Option<Arc<Session>>, SessionError> {
        let Some(id) = self.sealer.session(cookie) else { return Ok(None) };
        self.sessions.find(id, &self.sealer, now()).await.map_err(renewal::unavailable)
    }
}

impl Bearing {
    /// The session that a request comes with, where its route takes sessions.
    pub(crate) async fn of_request(
        route: &Route,
        (method, headers): (&Method, &HeaderMap),
        websocket: bool,
        shared: &Shared,
        state: &State,
        fields: &mut AnswerFields<'_>,
    ) -> Result<Option<Self>, Refusal> {
        let Some(bff) = state.bff.as_ref().filter(|_| route.session) else { return Ok(None) };
        let bearing = bff.bearing(headers, method, websocket, &state.guards).await;
        if !matches!(bearing, Ok(None)) {
            fields.of_session();
        }
        // The cookie of a session that has ended stays where it is: a login may have put another one there meanwhile. Where
        // guests are let in, its user is one.
        if bearing.as_ref().err() == Some(&SessionError::Ended) && route.access.takes_guests() {
            return Ok(None);
        }
        admission::enforce(route, shared, bearing.map_err(Refusal::from)).map(Option::flatten)
    }

    pub(crate) fn authorization(&self) -> &HeaderValue {
        &self.tokens.authorization
    }

    /// Gets another token if that may help: the one before was revoked or has expired. The issuer then says whether
    /// the session goes on, with other claims perhaps.
    pub(crate) async fn renew_after(&mut self, denied: &Denied, state: &State) -> Result<bool, Refusal> {
        if !may_help(denied) {
            return Ok(false);
        }
        self.tokens = self.bff.renew(&self.session, Arc::clone(&self.tokens), &state.guards).await?;
        self.headers.insert(header::AUTHORIZATION, self.tokens.authorization.clone());
        Ok(true)
    }
}

/// Whether another token of the same session may be good where this one was not.
pub(crate) fn may_help(denied: &Denied) -> bool {
    matches!(denied.code(), "revoked" | "claims-changed" | "expired")
}

impl From<TwoCookies> for SessionError {
    fn from(_: TwoCookies) -> Self {
        Self::TwoCredentials
    }
}
