//! Tickets: a token in the query, for one request, used once.
//!
//! An address is kept in places where a header field is not. So a ticket is taken out of it before the request
//! goes on; neither the service behind nor a log sees it, and the response tells the browser to keep the address
//! from other sites and itself from caches.

use gatepass_guard::{BadAuthorization, Denied, take_ticket};
use http::{HeaderMap, HeaderValue, Method, Request, Uri, header};

use crate::refusal::Refusal;
use crate::route::Route;
use crate::route::path::PathError;

/// A ticket that came with a request. Nothing of it is verified.
pub(crate) struct Presented {
    pub(crate) ticket: String,
    pub(crate) method: Method,
    /// What the request's target is without it.
    pub(crate) target: String,
}

/// The ticket of a request on a route that takes tickets. Of two credentials, one would be verified and the other
/// perhaps believed: neither is.
pub(crate) fn find(
    route: &Route,
    method: &Method,
    target: &str,
    headers: &HeaderMap,
) -> Result<Option<Presented>, Denied> {
    if !route.tickets {
        return Ok(None);
    }
    let several = Denied::BadRequest(BadAuthorization::Ticket);
    match take_ticket(target) {
        Ok(None) => Ok(None),
        Ok(Some((ticket, target))) if !headers.contains_key(header::AUTHORIZATION) => {
            Ok(Some(Presented { ticket: ticket.to_owned(), method: method.clone(), target }))
        }
        Ok(Some(_)) | Err(_) => Err(several),
    }
}

impl Presented {
    /// Takes the ticket out of its request.
    pub(crate) fn remove_from<B>(&self, request: &mut Request<B>) -> Result<(), Refusal> {
        // It was a target before, and only loses a part of its query.
        let mut parts = request.uri().clone().into_parts();
        parts.path_and_query = Some(self.target.parse().map_err(|_| PathError::NotPrintable)?);
        *request.uri_mut() = Uri::from_parts(parts).map_err(|_| PathError::NotPrintable)?;
        Ok(())
    }
}

/// Keeps the address that the ticket came in, and what it opened, from going further.
pub(crate) fn seal(headers: &mut HeaderMap) {
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
}
