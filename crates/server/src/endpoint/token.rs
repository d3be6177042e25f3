//! The token endpoint ([RFC 6749 section 3.2](https://www.rfc-editor.org/rfc/rfc6749#section-3.2)).

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use gatepass_issuer::TokenRequest;
use gatepass_token::{CodeVerifier, ScopeSet};
use http::HeaderMap;
use serde::Serialize;
use zeroize::Zeroizing;

use crate::body::FormBody;
use crate::client_authentication;
use crate::form::Form;
use crate::oauth_error::OAuthError;
use crate::server::Server;

/// RFC 6749 section 5.1.
#[derive(Serialize)]
struct TokenAnswer<'t> {
    access_token: &'t str,
    token_type: &'static str,
    expires_in: u64,
    #[serde(skip_serializing_if = "ScopeSet::is_empty")]
    scope: &'t ScopeSet,
    #[serde(skip_serializing_if = "Option::is_none")]
    refresh_token: Option<&'t str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    id_token: Option<&'t str>,
}

/// `POST /oauth/token`
pub(crate) async fn token(
    State(server): State<Arc<Server>>,
    headers: HeaderMap,
    FormBody(form): FormBody,
) -> Result<Response, OAuthError> {
    let authentication = client_authentication::parse(&headers, &form)?;
    let request = token_request(&form)?;
    let tokens = server.issuer.token(&authentication, request, server.now()).await?;
    let answer = TokenAnswer {
        access_token: &tokens.access_token,
        token_type: "Bearer",
        expires_in: tokens.expires_in.as_secs(),
        scope: &tokens.scope,
        refresh_token: tokens.refresh_token.as_ref().map(|token| token.expose()),
        id_token: tokens.id_token.as_deref(),
    };
    Ok(axum::Json(answer).into_response())
}

fn token_request(form: &Form) -> Result<TokenRequest, OAuthError> {
    let missing = |name: &str| OAuthError::invalid_request(format!("{name} is missing"));
    let grant_type = form.find("grant_type").ok_or_else(|| missing("grant_type"))?;
    let scope = form.find("scope").map(str::parse).transpose().map_err(OAuthError::invalid_scope)?;
    match grant_type {
        "authorization_code" => authorization_code(form),
        "client_credentials" => {
            Ok(TokenRequest::ClientCredentials { scope, resource: form.find("resource").map(str::to_owned) })
        }
        "refresh_token" => {
            let token = form.find("refresh_token").ok_or_else(|| missing("refresh_token"))?;
            Ok(TokenRequest::RefreshToken { token: token.to_owned(), scope })
        }
        _ => Err(OAuthError::unsupported_grant_type()),
    }
}

fn authorization_code(form: &Form) -> Result<TokenRequest, OAuthError> {
    let text = |name: &str| form.find(name).map(str::to_owned);
    let code = form.find("code").ok_or_else(|| OAuthError::invalid_request("code is missing"))?;
    let verifier = form.find("code_verifier").map(CodeVerifier::parse).transpose();
    Ok(TokenRequest::AuthorizationCode {
        code: Zeroizing::new(code.to_owned()),
        redirect_uri: text("redirect_uri"),
        verifier: verifier.map_err(|error| OAuthError::invalid_request(error.to_string()))?,
        resource: text("resource"),
    })
}
