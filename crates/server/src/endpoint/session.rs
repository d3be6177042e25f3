//! The session API, for the operator's own apps: log in, refresh, log out.

use std::borrow::Cow;
use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use gatepass_issuer::id::SessionId;
use gatepass_issuer::password::Password;
use gatepass_issuer::session::Session;
use gatepass_issuer::user::Username;
use gatepass_issuer::{DpopError, InternalError, Login, LoginError, RefreshError, Tokens, UserInfo};
use gatepass_revocation::Reason;
use gatepass_token::ScopeSet;
use http::header::{InvalidHeaderValue, SET_COOKIE, USER_AGENT, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderValue, StatusCode};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::bearer;
use crate::body::{Json, OptionalJson};
use crate::client_address::ClientAddress;
use crate::cookie::TwoCookies;
use crate::dpop::Proof;
use crate::problem::Problem;
use crate::server::Server;

/// What a 401 must offer (RFC 9110 section 15.5.2): the session API itself. A scheme that browsers do
/// not know, so that they leave it to the app instead of asking the user for a password themselves.
pub(super) const SESSION_CHALLENGE: HeaderValue = HeaderValue::from_static(r#"Session realm="gatepass""#);

/// How much of `User-Agent` is looked at for the name of the device, in bytes.
const MAX_DEVICE: usize = 512;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct LoginRequest {
    username: Username,
    #[serde(deserialize_with = "super::password")]
    password: Password,
    scope: Option<ScopeSet>,
    resource: Option<String>,
    #[serde(default)]
    refresh_token: Carrier,
}

/// How a refresh token travels.
#[derive(Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Carrier {
    /// For browsers: where scripts cannot read it.
    #[default]
    Cookie,
    /// For native apps, which have a keychain and no cookies.
    Body,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RefreshRequest {
    refresh_token: Option<String>,
}

impl RefreshRequest {
    pub(super) fn of(refresh_token: Option<String>) -> Self {
        Self { refresh_token }
    }
}

#[derive(Serialize)]
struct TokenAnswer<'t> {
    access_token: &'t str,
    token_type: &'static str,
    expires_in: u64,
    scope: &'t ScopeSet,
    session_id: SessionId,
    user: &'t UserInfo,
    #[serde(skip_serializing_if = "Option::is_none")]
    refresh_token: Option<&'t str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    refresh_expires_in: Option<u64>,
}

#[derive(Serialize)]
struct SessionList {
    sessions: Vec<SessionAnswer>,
}

/// A session as its user sees it; instants in seconds since the epoch.
#[derive(Serialize)]
struct SessionAnswer {
    session_id: SessionId,
    device: String,
    created_at: i64,
    last_used_at: i64,
    expires_at: i64,
    current: bool,
}

/// `POST /session/login`
pub(crate) async fn login(
    State(server): State<Arc<Server>>,
    ClientAddress(address): ClientAddress,
    headers: HeaderMap,
    proof: Proof,
    Json(request): Json<LoginRequest>,
) -> Result<Response, Problem> {
    let now = server.now();
    let login = Login {
        username: request.username,
        password: request.password,
        scope: request.scope,
        resource: request.resource,
        device: device(&headers),
        address,
        known_device: server.page_cookies.device(&headers)?.map(Cow::into_owned),
    };
    let (tokens, device) = server.issuer.log_in(login, proof.shown(), now).await?;
    let mut response = answer(&server, &tokens, request.refresh_token)?;
    if request.refresh_token == Carrier::Cookie {
        response.headers_mut().append(SET_COOKIE, server.page_cookies.set_device(&device)?);
    }
    Ok(response)
}

/// `POST /session/refresh`
pub(crate) async fn refresh(
    State(server): State<Arc<Server>>,
    headers: HeaderMap,
    proof: Proof,
    OptionalJson(request): OptionalJson<RefreshRequest>,
) -> Result<Response, Problem> {
    let now = server.now();
    let Some((token, carrier)) = presented(&server, &headers, request)? else {
        return Err(no_refresh_token());
    };
    match server.issuer.refresh(&token, proof.shown(), now).await {
        Ok(tokens) => answer(&server, &tokens, carrier),
        Err(error) => {
            let gives_nothing_any_more = matches!(error, RefreshError::Invalid | RefreshError::Reused);
            let refused = Problem::from(error);
            Err(match carrier {
                Carrier::Cookie if gives_nothing_any_more => {
                    refused.header(SET_COOKIE, server.cookie.clear()?)
                }
                _ => refused,
            })
        }
    }
}

/// `POST /session/logout`: ends the session of the refresh token or, where there is none to end, that
/// of the access token.
pub(crate) async fn logout(
    State(server): State<Arc<Server>>,
    headers: HeaderMap,
    proof: Proof,
    OptionalJson(request): OptionalJson<RefreshRequest>,
) -> Result<Response, Problem> {
    let now = server.now();
    let presented = presented(&server, &headers, request)?;
    let ended = match &presented {
        Some((token, _)) => server.issuer.log_out(token, now).await?,
        None => false,
    };
    if !ended {
        match bearer::authenticate(&server.issuer, &headers, &proof, now).await {
            Ok(caller) => {
                if let Some(session) = caller.session() {
                    server.issuer.end_session(session, Reason::LOGOUT, now).await?;
                }
            }
            Err(refusal) => require_nothing_left(refusal, presented.is_some())?,
        }
    }
    logged_out(&server)
}

/// `POST /session/logout-all`: ends every session of the user whose refresh or access token it is.
pub(crate) async fn logout_all(
    State(server): State<Arc<Server>>,
    headers: HeaderMap,
    proof: Proof,
    OptionalJson(request): OptionalJson<RefreshRequest>,
) -> Result<Response, Problem> {
    let now = server.now();
    let presented = presented(&server, &headers, request)?;
    let mut user = match &presented {
        Some((token, _)) => server.issuer.user_of(token, now).await?,
        None => None,
    };
    if user.is_none() {
        match bearer::authenticate(&server.issuer, &headers, &proof, now).await {
            Ok(caller) => user = server.issuer.user_behind(&caller).await?,
            Err(refusal) => require_nothing_left(refusal, presented.is_some())?,
        }
    }
    if let Some(user) = user {
        server.issuer.log_out_everywhere(user, now).await?;
    }
    logged_out(&server)
}

/// `GET /session/list`
pub(crate) async fn list(
    State(server): State<Arc<Server>>,
    headers: HeaderMap,
    proof: Proof,
) -> Result<Response, Problem> {
    let now = server.now();
    let caller = bearer::authenticate(&server.issuer, &headers, &proof, now).await?;
    let current = caller.session();
    let sessions = match server.issuer.user_behind(&caller).await? {
        Some(user) => server.issuer.list_sessions(user, now).await?,
        None => Vec::new(), // a client that acts for itself
    };
    let sessions = sessions.into_iter().map(|session| SessionAnswer::of(session, current)).collect();
    Ok(axum::Json(SessionList { sessions }).into_response())
}

/// `DELETE /session/{sid}`: one's own, and no sign of whether another's exists.
pub(crate) async fn end(
    State(server): State<Arc<Server>>,
    Path(session): Path<String>,
    headers: HeaderMap,
    proof: Proof,
) -> Result<StatusCode, Problem> {
    let now = server.now();
    let caller = bearer::authenticate(&server.issuer, &headers, &proof, now).await?;
    let user = server.issuer.user_behind(&caller).await?;
    let (Some(user), Ok(session)) = (user, session.parse::<SessionId>()) else {
        return Err(Problem::not_found());
    };
    match server.issuer.end_own_session(user, session, now).await? {
        true => Ok(StatusCode::NO_CONTENT),
        false => Err(Problem::not_found()),
    }
}

/// The refresh token of a request and the way it came. One of two would be a guess.
pub(super) fn presented(
    server: &Server,
    headers: &HeaderMap,
    request: RefreshRequest,
) -> Result<Option<(Zeroizing<String>, Carrier)>, Problem> {
    let cookie = server.cookie.find(headers)?.map(Cow::into_owned);
    match (cookie, request.refresh_token) {
        (Some(_), Some(_)) => {
            Err(Problem::invalid_request("there is a refresh token in the cookie and one in the body"))
        }
        (Some(token), None) => Ok(Some((Zeroizing::new(token), Carrier::Cookie))),
        (None, Some(token)) => Ok(Some((Zeroizing::new(token), Carrier::Body))),
        (None, None) => Ok(None),
    }
}

fn answer(server: &Server, tokens: &Tokens, carrier: Carrier) -> Result<Response, Problem> {
    let in_body = carrier == Carrier::Body;
    let answer = axum::Json(TokenAnswer {
        access_token: &tokens.access_token,
        token_type: tokens.token_type.name(),
        expires_in: tokens.expires_in.as_secs(),
        scope: &tokens.scope,
        session_id: tokens.session,
        user: &tokens.user,
        refresh_token: in_body.then(|| tokens.refresh_token.expose()),
        refresh_expires_in: in_body.then_some(tokens.refresh_expires_in.as_secs()),
    });
    if in_body {
        return Ok(answer.into_response());
    }
    let cookie = server.cookie.set(&tokens.refresh_token, tokens.refresh_expires_in)?;
    Ok(([(SET_COOKIE, cookie)], answer).into_response())
}

fn logged_out(server: &Server) -> Result<Response, Problem> {
    Ok((StatusCode::NO_CONTENT, [(SET_COOKIE, server.cookie.clear()?)]).into_response())
}

/// Whoever presents nothing, a dead refresh token, or the token of an ended session has nothing to log
/// out from. An access token alone that does not hold must not be told that its session ended.
fn require_nothing_left(refusal: bearer::BearerRefusal, had_refresh_token: bool) -> Result<(), Problem> {
    let nothing_presented = matches!(refusal, bearer::BearerRefusal::Missing);
    match nothing_presented || had_refresh_token || refusal.session_has_ended() {
        true => Ok(()),
        false => Err(refusal.into()),
    }
}

pub(super) fn device(headers: &HeaderMap) -> String {
    let user_agent = headers.get(USER_AGENT).map(HeaderValue::as_bytes).unwrap_or_default();
    String::from_utf8_lossy(user_agent.get(..MAX_DEVICE).unwrap_or(user_agent)).into_owned()
}

fn no_refresh_token() -> Problem {
    let detail = "there is no refresh token, neither in the cookie nor in the body";
    Problem::new(StatusCode::UNAUTHORIZED, "no-refresh-token", detail)
        .header(WWW_AUTHENTICATE, SESSION_CHALLENGE)
}

impl SessionAnswer {
    fn of(session: Session, current: Option<SessionId>) -> Self {
        Self {
            session_id: session.id,
            created_at: session.created_at.as_secs(),
            last_used_at: session.last_used_at().as_secs(),
            expires_at: session.idle_expires_at.min(session.expires_at).as_secs(),
            current: current == Some(session.id),
            device: session.device,
        }
    }
}

impl From<LoginError> for Problem {
    fn from(error: LoginError) -> Self {
        let detail = error.to_string();
        match error {
            LoginError::Denied => Self::new(StatusCode::UNAUTHORIZED, "invalid-credentials", detail)
                .header(WWW_AUTHENTICATE, SESSION_CHALLENGE),
            LoginError::Throttled { retry_after } => {
                Self::new(StatusCode::TOO_MANY_REQUESTS, "throttled", detail).retry_after(retry_after)
            }
            LoginError::Overloaded(overloaded) => Self::overloaded(overloaded.retry_after),
            LoginError::UnknownResource => Self::new(StatusCode::BAD_REQUEST, "invalid-target", detail),
            LoginError::Dpop(error) => error.into(),
            LoginError::Internal(error) => error.into(),
            error => Self::internal(&error),
        }
    }
}

impl From<RefreshError> for Problem {
    fn from(error: RefreshError) -> Self {
        let detail = error.to_string();
        let refused = |code| {
            Self::new(StatusCode::UNAUTHORIZED, code, detail.clone())
                .header(WWW_AUTHENTICATE, SESSION_CHALLENGE)
        };
        match error {
            RefreshError::Invalid => refused("invalid-refresh-token"),
            RefreshError::Reused => refused("refresh-token-reused"),
            RefreshError::Scope | RefreshError::AuthorizationDetails | RefreshError::Resource => {
                Self::new(StatusCode::BAD_REQUEST, "invalid-scope", detail)
            }
            RefreshError::Dpop(error) => error.into(),
            RefreshError::Internal(error) => error.into(),
            error => Self::internal(&error),
        }
    }
}

impl From<DpopError> for Problem {
    fn from(error: DpopError) -> Self {
        let code = match &error {
            DpopError::Nonce => "use-dpop-nonce",
            _ => "invalid-dpop-proof",
        };
        Self::new(StatusCode::BAD_REQUEST, code, error.to_string())
    }
}

impl From<InternalError> for Problem {
    fn from(error: InternalError) -> Self {
        match error {
            InternalError::Store(error) => error.into(),
            error => Self::internal(&error),
        }
    }
}

impl From<TwoCookies> for Problem {
    fn from(two: TwoCookies) -> Self {
        Self::invalid_request(two.to_string())
    }
}

impl From<InvalidHeaderValue> for Problem {
    fn from(error: InvalidHeaderValue) -> Self {
        Self::internal(&error)
    }
}
