//! Token revocation ([RFC 7009](https://www.rfc-editor.org/rfc/rfc7009)).

use std::sync::Arc;

use axum::extract::State;
use http::{HeaderMap, StatusCode};

use crate::body::FormBody;
use crate::client_authentication;
use crate::dpop::Proof;
use crate::oauth_error::OAuthError;
use crate::server::Server;

/// `POST /oauth/revoke`. `token_type_hint` is passed over: the token itself shows what it is.
pub(crate) async fn revoke(
    State(server): State<Arc<Server>>,
    headers: HeaderMap,
    proof: Proof,
    FormBody(form): FormBody,
) -> Result<StatusCode, OAuthError> {
    let authentication = client_authentication::parse(&headers, &proof, &form)?;
    let client = server.issuer.authenticate_client(&authentication, server.now()).await?;
    let token = form.find("token").ok_or_else(|| OAuthError::invalid_request("token is missing"))?;
    server.issuer.revoke_token(&client, token, server.now()).await?;
    Ok(StatusCode::OK)
}
