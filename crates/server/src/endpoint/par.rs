//! The pushed authorization request endpoint
//! ([RFC 9126 section 2](https://www.rfc-editor.org/rfc/rfc9126#section-2)).

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use gatepass_issuer::authorize::{Arrival, AuthorizationParams, AuthorizeError, PageError};
use gatepass_issuer::{AuthenticatedClient, Jkt, PUSHED_REQUEST_LIFETIME, TokenError};
use http::{HeaderMap, StatusCode};
use serde::Serialize;
use url::form_urlencoded;

use super::authorize::{MAX_REQUEST, params};
use crate::body::FormBody;
use crate::client_authentication;
use crate::dpop::Proof;
use crate::form::Form;
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
///
/// Only a client that proves who it is can leave something here: for any other it would prove nothing, and fill
/// the store.
pub(crate) async fn push(
    State(server): State<Arc<Server>>,
    headers: HeaderMap,
    proof: Proof,
    FormBody(form): FormBody,
) -> Result<Response, OAuthError> {
    let now = server.now();
    let authentication = client_authentication::parse(&headers, &form)?;
    let (client, shown) = server.issuer.authenticate_with_proof(&authentication, proof.shown(), now).await?;
    let AuthenticatedClient::Confidential(client) = client else {
        return Err(OAuthError::invalid_client());
    };
    if form.find("request_uri").is_some() {
        return Err(OAuthError::invalid_request("request_uri cannot be pushed"));
    }
    let jkt = required_key(&form, shown)?;
    let query = query(client.id.as_str(), jkt.as_deref(), &form);
    if query.len() > MAX_REQUEST {
        return Err(OAuthError::invalid_request("the request is longer than 8 KiB"));
    }
    let params = AuthorizationParams {
        client_id: Some(client.id.as_str()),
        dpop_jkt: jkt.as_deref(),
        ..params(&form)
    };
    server.issuer.authorization_request(&params, Arrival::BeingPushed).await?;
    let request_uri = server.issuer.push_request(&client, query, now).await.map_err(TokenError::from)?;
    let answer = PushedAnswer { request_uri, expires_in: PUSHED_REQUEST_LIFETIME.as_secs() };
    Ok((StatusCode::CREATED, axum::Json(answer)).into_response())
}

/// The key that whoever redeems the code must show: the one that is shown here, or named
/// ([RFC 9449 section 10.1](https://www.rfc-editor.org/rfc/rfc9449#section-10.1)).
fn required_key(form: &Form, shown: Option<Jkt>) -> Result<Option<String>, OAuthError> {
    let named = form.find("dpop_jkt").map(str::to_owned);
    match (shown.map(|jkt| jkt.to_string()), named) {
        (Some(shown), Some(named)) if shown != named => {
            Err(OAuthError::invalid_dpop_proof("dpop_jkt is another key than that of the DPoP proof"))
        }
        (shown, named) => Ok(shown.or(named)),
    }
}

fn query(client_id: &str, jkt: Option<&str>, form: &Form) -> String {
    let pushed = form.pairs().filter(|(name, _)| !NOT_PUSHED.contains(name));
    let jkt = jkt.map(|jkt| ("dpop_jkt", jkt));
    form_urlencoded::Serializer::new(String::new())
        .append_pair("client_id", client_id)
        .extend_pairs(pushed)
        .extend_pairs(jkt)
        .finish()
}

impl From<AuthorizeError> for OAuthError {
    fn from(error: AuthorizeError) -> Self {
        match error {
            AuthorizeError::Refused { refusal, .. } => refusal.into(),
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
