//! Tickets: tokens for one request, used once.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use gatepass_issuer::{BearerError, ConsumeError, NewTicket, TicketError};
use gatepass_token::ScopeSet;
use http::{HeaderMap, StatusCode};
use serde::{Deserialize, Serialize};

use crate::bearer::{self, BearerRefusal};
use crate::body::{FormBody, Json};
use crate::client_authentication;
use crate::dpop::Proof;
use crate::oauth_error::OAuthError;
use crate::problem::Problem;
use crate::server::Server;

/// How long a ticket lives unless somebody says: long enough for a page to open what it asked for.
const LIFETIME: u64 = 60;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TicketRequest {
    method: String,
    path: String,
    /// In seconds.
    ttl: Option<u64>,
    scope: Option<ScopeSet>,
}

#[derive(Serialize)]
struct TicketAnswer<'t> {
    ticket: &'t str,
    expires_in: u64,
}

/// `POST /tickets`
pub(crate) async fn mint(
    State(server): State<Arc<Server>>,
    headers: HeaderMap,
    proof: Proof,
    Json(request): Json<TicketRequest>,
) -> Result<Response, Problem> {
    let sent = bearer::sent_token(&headers, &proof)?;
    let new = NewTicket {
        method: request.method,
        target: request.path,
        lifetime: Duration::from_secs(request.ttl.unwrap_or(LIFETIME)),
        scope: request.scope,
    };
    let ticket = server.issuer.mint_ticket(sent.token, sent.shown, &new, server.now()).await?;
    let answer = TicketAnswer { ticket: &ticket.ticket, expires_in: ticket.expires_in.as_secs() };
    Ok(axum::Json(answer).into_response())
}

/// `POST /tickets/consume`: for a gateway. 204 says that the request may pass, and is said once for a ticket.
pub(crate) async fn consume(
    State(server): State<Arc<Server>>,
    headers: HeaderMap,
    proof: Proof,
    FormBody(form): FormBody,
) -> Result<Response, OAuthError> {
    let authentication = client_authentication::parse(&headers, &proof, &form)?;
    let ticket = form.find("ticket").ok_or_else(|| OAuthError::invalid_request("ticket is missing"))?;
    server.issuer.consume_ticket(&authentication, ticket, server.now()).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

impl From<TicketError> for Problem {
    fn from(error: TicketError) -> Self {
        match error {
            TicketError::Token(error) => refused(error).into(),
            TicketError::Request(why) => Self::invalid_request(why.to_string()),
            TicketError::Lifetime => Self::invalid_value("ttl", error),
            TicketError::Scope => Self::new(StatusCode::BAD_REQUEST, "invalid-scope", error.to_string()),
            TicketError::Target => Self::new(StatusCode::BAD_REQUEST, "invalid-target", error.to_string()),
            error => Self::internal(&error),
        }
    }
}

fn refused(error: BearerError) -> BearerRefusal {
    let refusal = BearerRefusal::Invalid(error);
    refusal.audit();
    refusal
}

impl From<ConsumeError> for OAuthError {
    /// A ticket that gives nothing is to its request what a used code is to the token endpoint.
    fn from(error: ConsumeError) -> Self {
        match error {
            ConsumeError::Client(error) => error.into(),
            ConsumeError::Store(error) => error.into(),
            error => Self::invalid_grant(error.to_string()),
        }
    }
}
