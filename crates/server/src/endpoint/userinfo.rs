//! The userinfo endpoint ([OpenID Connect Core 1.0 section 5.3](https://openid.net/specs/openid-connect-core-1_0.html#UserInfo)).

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use gatepass_issuer::{Possession, UserInfoResponse};
use http::HeaderMap;
use http::header::CONTENT_TYPE;

use crate::authorization::Authorization;
use crate::bearer::{self, SentToken};
use crate::body::OptionalForm;
use crate::dpop::Proof;
use crate::oauth_error::OAuthError;
use crate::server::Server;

/// `GET /oauth/userinfo`
pub(crate) async fn userinfo(
    State(server): State<Arc<Server>>,
    headers: HeaderMap,
    proof: Proof,
) -> Result<Response, OAuthError> {
    tell(&server, bearer::sent_token(&headers, &proof)?).await
}

/// `POST /oauth/userinfo`: the token in the header, or in a form
/// ([RFC 6750 section 2.2](https://www.rfc-editor.org/rfc/rfc6750#section-2.2)), and not in both.
pub(crate) async fn posted(
    State(server): State<Arc<Server>>,
    headers: HeaderMap,
    proof: Proof,
    OptionalForm(form): OptionalForm,
) -> Result<Response, OAuthError> {
    let sent = match (Authorization::of(&headers), form.find("access_token")) {
        (Authorization::Absent, Some(token)) => {
            SentToken { token, shown: Possession { dpop: None, x5t: proof.x5t() } }
        }
        (_, Some(_)) => {
            return Err(OAuthError::invalid_request("the access token is sent in more than one way"));
        }
        (_, None) => bearer::sent_token(&headers, &proof)?,
    };
    tell(&server, sent).await
}

async fn tell(server: &Server, sent: SentToken<'_>) -> Result<Response, OAuthError> {
    match server.issuer.user_claims(sent.token, sent.shown, server.now()).await? {
        UserInfoResponse::Claims(claims) => Ok(axum::Json(claims).into_response()),
        UserInfoResponse::Jwt(jwt) => Ok(([(CONTENT_TYPE, "application/jwt")], jwt).into_response()),
    }
}
