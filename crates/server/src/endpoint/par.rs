//! The pushed authorization request endpoint
//! ([RFC 9126 section 2](https://www.rfc-editor.org/rfc/rfc9126#section-2)).

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use gatepass_issuer::authorize::{
    Arrival, AuthorizationParams, AuthorizationRequest, AuthorizeError, PageError,
};
use gatepass_issuer::client::Client;
use gatepass_issuer::{Jkt, PUSHED_REQUEST_LIFETIME, TokenError};
use http::{HeaderMap, StatusCode};
use serde::Serialize;
use url::form_urlencoded;

use super::authorize::{MAX_REQUEST, params};
use crate::body::FormBody;
use crate::client_authentication;
use crate::dpop::Proof;
use crate::oauth_error::OAuthError;
use crate::server::Server;

/// What is about this very request and not about the one that is pushed, or is written anew.
const NOT_PUSHED: [&str; 5] =
    ["client_id", "client_secret", "client_assertion", "client_assertion_type", "dpop_jkt"];

/// RFC 9126 section 2.2.
#[derive(Serialize)]
struct PushedAnswer {
    request_uri: String,
    expires_in: u64,
}

/// `POST /oauth/par`: checks the request as the authorization endpoint would, and keeps it.
pub(crate) async fn push(
    State(server): State<Arc<Server>>,
    headers: HeaderMap,
    proof: Proof,
    FormBody(form): FormBody,
) -> Result<Response, OAuthError> {
    let now = server.now();
    let authentication = client_authentication::parse(&headers, &proof, &form)?;
    let (client, shown) = server.issuer.authenticate_push(&authentication, proof.shown(), now).await?;
    let Some(registered) = client.registered() else { return Err(OAuthError::invalid_client()) };
    if form.find("request_uri").is_some() {
        return Err(OAuthError::invalid_request("request_uri cannot be pushed"));
    }
    let params = AuthorizationParams { client_id: Some(registered.id.as_str()), ..params(&form) };
    let request = server.issuer.authorization_request(&params, Arrival::BeingPushed, now).await?;
    let jkt = required_key(&request, shown)?;
    let query = match &request.object {
        Some(object) => query(registered, jkt, object.pairs()),
        None => query(registered, jkt, form.pairs()),
    };
    if query.len() > MAX_REQUEST {
        return Err(OAuthError::invalid_request("the request is longer than 8 KiB"));
    }
    let request_uri = server.issuer.push_request(&request, query, now).await.map_err(TokenError::from)?;
    let request_uri = request_uri
        .ok_or_else(|| OAuthError::invalid_request_object("the request object was used before"))?;
    let answer = PushedAnswer { request_uri, expires_in: PUSHED_REQUEST_LIFETIME.as_secs() };
    Ok((StatusCode::CREATED, axum::Json(answer)).into_response())
}

/// The key that whoever redeems the code must show: the one that is shown here, or named
/// ([RFC 9449 section 10.1](https://www.rfc-editor.org/rfc/rfc9449#section-10.1)).
fn required_key(request: &AuthorizationRequest, shown: Option<Jkt>) -> Result<Option<Jkt>, OAuthError> {
    match (shown, request.jkt) {
        (Some(shown), Some(named)) if shown != named => {
            Err(OAuthError::invalid_dpop_proof("dpop_jkt is another key than that of the DPoP proof"))
        }
        (shown, named) => Ok(shown.or(named)),
    }
}

fn query<'p>(client: &Client, jkt: Option<Jkt>, pairs: impl Iterator<Item = (&'p str, &'p str)>) -> String {
    let jkt = jkt.map(|jkt| ("dpop_jkt", jkt.to_string()));
    form_urlencoded::Serializer::new(String::new())
        .append_pair("client_id", client.id.as_str())
        .extend_pairs(pairs.filter(|(name, _)| !NOT_PUSHED.contains(name)))
        .extend_pairs(jkt)
        .finish()
}

impl From<AuthorizeError> for OAuthError {
    fn from(error: AuthorizeError) -> Self {
        match error {
            AuthorizeError::Refused { refusal, .. } => refusal.into(),
            AuthorizeError::RequestObject(why) => Self::invalid_request_object(why.to_string()),
            AuthorizeError::Page(PageError::NoRedirectUri) => {
                Self::invalid_request("redirect_uri is missing")
            }
            AuthorizeError::Page(PageError::RedirectUri) => {
                Self::invalid_request("redirect_uri is not one that the client has registered")
            }
            AuthorizeError::Page(error) => Self::invalid_request(error.to_string()),
            AuthorizeError::Store(error) => error.into(),
            error => Self::internal(&error),
        }
    }
}
