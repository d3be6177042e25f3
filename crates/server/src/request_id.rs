//! A name for each request, in the log and in the answer, by which the two find each other.

use axum::extract::Request;
use gatepass_net::{is_request_id, request_id as new_request_id};
use http::{HeaderName, HeaderValue};

pub(crate) const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The name of a request, among its extensions.
#[derive(Clone, Debug)]
pub(crate) struct RequestId(pub(crate) HeaderValue);

/// Names the request: as whoever is in front named it, if that is a name, else with 16 characters
/// that nobody can guess.
pub(crate) fn name(request: &mut Request) -> RequestId {
    let given = request.headers().get(X_REQUEST_ID).filter(|id| is_request_id(id)).cloned();
    let id = RequestId(given.unwrap_or_else(new_request_id));
    request.extensions_mut().insert(id.clone());
    id
}
