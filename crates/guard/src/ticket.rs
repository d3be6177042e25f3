//! Tickets: tokens for one request, which their issuer lets be used once.

use axum::http::StatusCode;
use gatepass_jose::parse_strict_json;
use gatepass_token::TicketRequest;
use serde::Deserialize;
use std::time::Duration;
use tokio::sync::Semaphore;
use url::Url;
use url::form_urlencoded::Serializer;

use crate::config::Client;
use crate::denied::{Denied, TicketProblem};
use crate::http::Http;

/// The longest answer that is read.
const MAX_ANSWER: usize = 16 * 1024;
/// Requests to the issuer at a time; further ones wait, but not for long.
const MAX_REQUESTS: usize = 64;
const MAX_WAIT: Duration = Duration::from_secs(5);

/// Has one issuer's tickets used up.
pub(crate) struct TicketOffice {
    client: Client,
    endpoint: Url,
    http: Http,
    requests: Semaphore,
}

/// RFC 6749 section 5.2.
#[derive(Deserialize)]
struct Refusal {
    error: String,
}

impl TicketOffice {
    pub(crate) fn new(client: Client, endpoint: Url, http: Http) -> Self {
        TicketOffice { client, endpoint, http, requests: Semaphore::new(MAX_REQUESTS) }
    }

    /// Uses a ticket up. What the issuer does not confirm does not count, whatever the reason.
    pub(crate) async fn consume(&self, ticket: &str) -> Result<(), Denied> {
        let unavailable = |why: String| Denied::TicketNotConsumed(why);
        let permit = tokio::time::timeout(MAX_WAIT, self.requests.acquire()).await;
        let _permit = permit.map_err(|_| unavailable("too many tickets are waiting".to_owned()))?;
        let form = Serializer::new(String::new()).append_pair("ticket", ticket).finish();
        let client = (self.client.id.as_str(), &self.client.secret);
        let answer = self.http.ask(&self.endpoint, client, form, MAX_ANSWER).await;
        let (status, body) = answer.map_err(|error| unavailable(error.to_string()))?;
        let refusal = parse_strict_json::<Refusal>(&body).map(|refusal| refusal.error);
        match (status, refusal.as_deref()) {
            (StatusCode::NO_CONTENT, _) => Ok(()),
            (StatusCode::BAD_REQUEST, Ok("invalid_grant")) => Err(TicketProblem::Refused.into()),
            _ => Err(unavailable(format!("the issuer answered with status {status}"))),
        }
    }
}

/// Whether a ticket, by its verified payload, is for the request with this method and target.
pub(crate) fn require_for(payload: &[u8], method: &str, target: &str) -> Result<(), Denied> {
    let request = request(payload)?;
    if request.is_for(method, target) { Ok(()) } else { Err(TicketProblem::AnotherRequest.into()) }
}

/// What a ticket says beside the claims of an access token.
pub(crate) fn request(payload: &[u8]) -> Result<TicketRequest, Denied> {
    parse_strict_json(payload).map_err(|_| TicketProblem::AnotherRequest.into())
}
