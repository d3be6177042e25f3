//! What every request must be like before it is matched, whatever its route.

use gatepass_guard::{BadAuthorization, Denied};
use http::{HeaderMap, HeaderValue, Method, Request, Version, header};
use http_body::Body;
use hyper::body::Incoming;

use crate::config::Limits;
use crate::header::sole_value;
use crate::refusal::Refusal;

/// Refuses what is malformed, ambiguous or beyond the limits. Returns the host that the request is for.
pub(crate) fn require_well_formed(
    request: &Request<Incoming>,
    limits: &Limits,
) -> Result<HeaderValue, Refusal> {
    let headers = request.headers();
    if matches!(*request.method(), Method::CONNECT | Method::TRACE) {
        return Err(Refusal::Method);
    }
    if headers.len() > limits.headers {
        return Err(Refusal::TooManyHeaders { limit: limits.headers });
    }
    let target = request.uri().path_and_query().map_or("", |target| target.as_str());
    if target.len() > limits.target_bytes {
        return Err(Refusal::TargetTooLong { limit: limits.target_bytes });
    }
    require_one_credential(headers)?;
    require_one_coding(headers, request.version())?;
    require_one_expectation(headers)?;
    match limits.body_bytes {
        Some(limit) if request.body().size_hint().lower() > limit => Err(Refusal::BodyTooLarge { limit }),
        _ => host(request),
    }
}

/// Of two, one would be verified and the other perhaps believed.
pub(crate) fn require_one_credential(headers: &HeaderMap) -> Result<(), Refusal> {
    match headers.get_all(header::AUTHORIZATION).iter().nth(1) {
        Some(_) => Err(Denied::BadRequest(BadAuthorization::Repeated).into()),
        None => Ok(()),
    }
}

fn require_one_coding(headers: &HeaderMap, version: Version) -> Result<(), Refusal> {
    if !headers.contains_key(header::TRANSFER_ENCODING) {
        return Ok(());
    }
    match sole_value(headers, &header::TRANSFER_ENCODING) {
        Some(coding) if version == Version::HTTP_11 && coding.as_bytes().eq_ignore_ascii_case(b"chunked") => {
            Ok(())
        }
        _ => Err(Refusal::TransferCoding),
    }
}

/// The expectation itself is met by reading the body, which begins once the request is admitted. RFC 9110
/// section 10.1.1.
fn require_one_expectation(headers: &HeaderMap) -> Result<(), Refusal> {
    match headers.get(header::EXPECT) {
        Some(expectation) if !expectation.as_bytes().eq_ignore_ascii_case(b"100-continue") => {
            Err(Refusal::Expectation)
        }
        _ => Ok(()),
    }
}

/// RFC 9112 section 3.2, and for HTTP/2 RFC 9113 section 8.3.1: where the target names an authority too, it
/// must be the same.
pub(crate) fn host(request: &Request<Incoming>) -> Result<HeaderValue, Refusal> {
    let headers = request.headers();
    let field = sole_value(headers, &header::HOST);
    if field.is_none() && headers.contains_key(header::HOST) {
        return Err(Refusal::Host);
    }
    let host = match (request.uri().authority(), field) {
        (None, Some(field)) => field.clone(),
        (Some(authority), Some(field))
            if authority.as_str().as_bytes().eq_ignore_ascii_case(field.as_bytes()) =>
        {
            field.clone()
        }
        (Some(authority), None) if request.version() == Version::HTTP_2 => {
            HeaderValue::from_str(authority.as_str()).map_err(|_| Refusal::Host)?
        }
        _ => return Err(Refusal::Host),
    };
    let plain = |byte: &u8| {
        byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~' | b':' | b'[' | b']')
    };
    if host.is_empty() || !host.as_bytes().iter().all(plain) {
        return Err(Refusal::Host);
    }
    Ok(host)
}
