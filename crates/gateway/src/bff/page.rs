//! What a person sees whose login did not work out. It says nothing that another could use.

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};

/// `again` is the path where another login begins; it has no character that HTML reads otherwise.
pub(super) fn not_logged_in(status: StatusCode, again: &str) -> Response<Bytes> {
    let text = format!(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n<title>Not logged in</title>\n\
         <h1>You are not logged in</h1>\n<p>The login was not completed.\n\
         <p><a href=\"{again}\">Log in again</a>\n"
    );
    let mut response = Response::new(Bytes::from(text));
    *response.status_mut() = status;
    let fields = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'; base-uri 'none'; frame-ancestors 'none'"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    response.headers_mut().extend(fields.map(|(name, value)| (name, HeaderValue::from_static(value))));
    response
}
