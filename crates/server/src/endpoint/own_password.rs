//! `POST /session/password`: users of the operator's own apps change their password.

use std::borrow::Cow;
use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use gatepass_issuer::password::Password;
use gatepass_issuer::{LoginError, OwnPasswordChange, OwnPasswordError};
use http::header::SET_COOKIE;
use http::{HeaderMap, StatusCode};
use serde::Deserialize;

use super::session::{RefreshRequest, presented};
use crate::bearer;
use crate::body::Json;
use crate::client_address::ClientAddress;
use crate::dpop::Proof;
use crate::problem::Problem;
use crate::server::Server;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PasswordRequest {
    #[serde(deserialize_with = "super::password")]
    current_password: Password,
    #[serde(deserialize_with = "super::password")]
    new_password: Password,
    refresh_token: Option<String>,
}

/// The session is that of the refresh token or, where there is none that lives, of the access token. It stays, and its app
/// refreshes: every access token of before is refused.
pub(crate) async fn change(
    State(server): State<Arc<Server>>,
    ClientAddress(address): ClientAddress,
    headers: HeaderMap,
    proof: Proof,
    Json(request): Json<PasswordRequest>,
) -> Result<Response, Problem> {
    let now = server.now();
    let shown = presented(&server, &headers, RefreshRequest::of(request.refresh_token))?;
    let session = match &shown {
        Some((token, _)) => server.issuer.session_of(token, now).await?,
        None => None,
    };
    let (user, session) = match session {
        Some(session) => (session.user, Some(session.id)),
        None => {
            let caller = bearer::authenticate(&server.issuer, &headers, &proof, now).await?;
            // A client that acts for itself has no password.
            (caller.user().ok_or_else(Problem::not_found)?, caller.session())
        }
    };
    let change = OwnPasswordChange {
        user,
        session,
        current: request.current_password,
        new: request.new_password,
        address,
        known_device: server.page_cookies.device(&headers)?.map(Cow::into_owned),
    };
    let was_known = change.known_device.is_some();
    let user = server.issuer.change_own_password(change, now).await?;
    let mut response = StatusCode::NO_CONTENT.into_response();
    if was_known {
        // No browser is known any more, but for the one that this was done in.
        let device = server.issuer.known_device(&user, now).map_err(|error| Problem::internal(&error))?;
        response.headers_mut().append(SET_COOKIE, server.page_cookies.set_device(&device)?);
    }
    Ok(response)
}

impl From<OwnPasswordError> for Problem {
    fn from(error: OwnPasswordError) -> Self {
        match error {
            // Not 401: whoever asks is logged in, and a new token would not help.
            OwnPasswordError::Login(LoginError::Denied) => {
                Self::new(StatusCode::FORBIDDEN, "wrong-password", "the current password is wrong")
            }
            OwnPasswordError::Login(error) => error.into(),
            OwnPasswordError::New(why) => Self::invalid_value("new_password", why),
            OwnPasswordError::Change(error) => error.into(),
            error => Self::internal(&error),
        }
    }
}
