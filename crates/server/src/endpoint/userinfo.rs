//! The userinfo endpoint ([OpenID Connect Core 1.0 section 5.3](https://openid.net/specs/openid-connect-core-1_0.html#UserInfo)).

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use gatepass_issuer::UserInfoResponse;
use http::HeaderMap;
use http::header::CONTENT_TYPE;

use crate::bearer;
use crate::dpop::Proof;
use crate::oauth_error::OAuthError;
use crate::server::Server;

/// `GET` and `POST /oauth/userinfo`
pub(crate) async fn userinfo(
    State(server): State<Arc<Server>>,
    headers: HeaderMap,
    proof: Proof,
) -> Result<Response, OAuthError> {
    let sent = bearer::sent_token(&headers, &proof)?;
    match server.issuer.user_claims(sent.token, sent.shown, server.now()).await? {
        UserInfoResponse::Claims(claims) => Ok(axum::Json(claims).into_response()),
        UserInfoResponse::Jwt(jwt) => Ok(([(CONTENT_TYPE, "application/jwt")], jwt).into_response()),
    }
}
