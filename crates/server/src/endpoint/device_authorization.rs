//! The device authorization endpoint
//! ([RFC 8628 section 3.1](https://www.rfc-editor.org/rfc/rfc8628#section-3.1)).

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use gatepass_issuer::device::{
    AskedByDevice, DEVICE_CODE_LIFETIME, DeviceAuthorizationError, POLLING_INTERVAL,
};
use http::HeaderMap;
use serde::Serialize;

use crate::body::FormBody;
use crate::client_authentication;
use crate::dpop::Proof;
use crate::oauth_error::OAuthError;
use crate::server::Server;

/// RFC 8628 section 3.2.
#[derive(Serialize)]
struct DeviceAnswer<'a> {
    device_code: &'a str,
    user_code: &'a str,
    verification_uri: &'a str,
    verification_uri_complete: String,
    expires_in: u64,
    interval: u64,
}

/// `POST /oauth/device_authorization`
pub(crate) async fn authorize(
    State(server): State<Arc<Server>>,
    headers: HeaderMap,
    proof: Proof,
    FormBody(form): FormBody,
) -> Result<Response, OAuthError> {
    let authentication = client_authentication::parse(&headers, &proof, &form)?;
    let asked = AskedByDevice {
        scope: form.find("scope"),
        authorization_details: form.find("authorization_details"),
        resources: form.resources(),
    };
    let given = server.issuer.authorize_device(&authentication, asked, server.now()).await?;
    let (page, user_code) = (verification_uri(&server), given.user_code.to_string());
    let answer = DeviceAnswer {
        device_code: given.device_code.expose(),
        user_code: &user_code,
        verification_uri: &page,
        verification_uri_complete: format!("{page}?user_code={user_code}"),
        expires_in: DEVICE_CODE_LIFETIME.as_secs(),
        interval: POLLING_INTERVAL.as_secs(),
    };
    Ok(axum::Json(answer).into_response())
}

/// The page where users type the code: people type this too.
fn verification_uri(server: &Server) -> String {
    format!("{}/device", server.issuer.name().as_str().trim_end_matches('/'))
}

impl From<DeviceAuthorizationError> for OAuthError {
    fn from(error: DeviceAuthorizationError) -> Self {
        match error {
            DeviceAuthorizationError::Client(error) => error.into(),
            DeviceAuthorizationError::Refused(refusal) => refusal.into(),
            DeviceAuthorizationError::Throttled { retry_after } => Self::throttled(retry_after),
            error => Self::internal(&error),
        }
    }
}
