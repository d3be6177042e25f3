//! A name for each request, in the log and in the answer, by which the two find each other.

use axum::extract::Request;
use axum::middleware::Next;
use axum::response::Response;
use gatepass_net::{is_request_id, request_id as new_request_id};
use http::{HeaderName, HeaderValue};

const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The name of a request, among its extensions.
#[derive(Clone, Debug)]
pub(crate) struct RequestId(pub(crate) HeaderValue);

/// Names the request: as whoever is in front named it, if that is a name, else with 16 characters
/// that nobody can guess.
pub(crate) async fn name(mut request: Request, next: Next) -> Response {
    let given = request.headers().get(X_REQUEST_ID).filter(|id| is_request_id(id)).cloned();
    let id = given.unwrap_or_else(new_request_id);
    request.extensions_mut().insert(RequestId(id.clone()));
    let mut response = next.run(request).await;
    response.headers_mut().insert(X_REQUEST_ID, id);
    response
}
