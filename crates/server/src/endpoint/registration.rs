//! Dynamic client registration ([RFC 7591](https://www.rfc-editor.org/rfc/rfc7591)) and its management
//! ([RFC 7592](https://www.rfc-editor.org/rfc/rfc7592)).

mod metadata;

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use gatepass_issuer::id::ClientId;
use gatepass_issuer::registration::{Registered, RegistrationError};
use http::{HeaderMap, StatusCode};

use self::metadata::{Metadata, MetadataAnswer};
use crate::bearer;
use crate::body::Json;
use crate::oauth_error::OAuthError;
use crate::problem::Problem;
use crate::server::Server;

/// `POST /oauth/register`
pub(crate) async fn register(
    State(server): State<Arc<Server>>,
    headers: HeaderMap,
    body: Result<Json<Metadata>, Problem>,
) -> Result<Response, OAuthError> {
    let token = bearer::token(&headers)?;
    let metadata = read(body)?.check()?;
    let registered = server.issuer.register_client(token, metadata, server.now()).await?;
    Ok((StatusCode::CREATED, answer(&server, registered)).into_response())
}

/// `GET /oauth/register/{client_id}`
pub(crate) async fn find(
    State(server): State<Arc<Server>>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, OAuthError> {
    let token = bearer::token(&headers)?;
    let registered = server.issuer.registered_client(token, &client_id(&id)?).await?;
    Ok(answer(&server, registered).into_response())
}

/// `PUT /oauth/register/{client_id}`
pub(crate) async fn change(
    State(server): State<Arc<Server>>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Result<Json<Metadata>, Problem>,
) -> Result<Response, OAuthError> {
    let token = bearer::token(&headers)?;
    let id = client_id(&id)?;
    // Whoever may not change it is not told what is wrong with the change.
    server.issuer.registered_client(token, &id).await?;
    let mut metadata = read(body)?;
    metadata.require_about(&id)?;
    let secret = metadata.take_secret();
    let (secret, metadata) = (secret.as_ref().map(|secret| secret.as_str()), metadata.check()?);
    let changed = server.issuer.change_registration(token, &id, metadata, secret, server.now()).await?;
    Ok(answer(&server, changed).into_response())
}

/// `DELETE /oauth/register/{client_id}`
pub(crate) async fn remove(
    State(server): State<Arc<Server>>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<StatusCode, OAuthError> {
    let token = bearer::token(&headers)?;
    server.issuer.remove_registration(token, &client_id(&id)?, server.now()).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn read(body: Result<Json<Metadata>, Problem>) -> Result<Metadata, OAuthError> {
    match body {
        Ok(Json(metadata)) => Ok(metadata),
        Err(problem) => Err(OAuthError::invalid_client_metadata(problem.status(), problem.into_detail())),
    }
}

/// What cannot be a client's identifier is an unknown client's.
fn client_id(text: &str) -> Result<ClientId, OAuthError> {
    text.parse().map_err(|_| RegistrationError::Token.into())
}

fn answer(server: &Server, registered: Registered) -> axum::Json<MetadataAnswer> {
    let issuer = server.issuer.name().as_str().trim_end_matches('/');
    let uri = format!("{issuer}/oauth/register/{}", registered.client.id);
    axum::Json(MetadataAnswer::new(registered, uri))
}

impl From<RegistrationError> for OAuthError {
    fn from(error: RegistrationError) -> Self {
        let bad_request = StatusCode::BAD_REQUEST;
        match error {
            RegistrationError::Token => Self::invalid_token(error.to_string()),
            RegistrationError::RedirectUri(why) => Self::invalid_redirect_uri(why),
            RegistrationError::Metadata(why) => Self::invalid_client_metadata(bad_request, why),
            RegistrationError::Internal(error) => gatepass_issuer::TokenError::from(error).into(),
            error => Self::internal(&error),
        }
    }
}
