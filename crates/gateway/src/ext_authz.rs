//! Envoy's `ext_authz` over gRPC: `envoy.service.auth.v3.Authorization/Check`, on a listener of its own.
//!
//! The same journey as at the [forward-auth endpoint](crate::forward_auth), with two differences: Envoy names
//! the request by its own account of it, so that no client can slip in another, and the answer says which
//! fields to take out, so that no copy of an identity field comes through in any spelling.
//!
//! What cannot be read as a question is answered, with a denial. A gRPC error would do no harm to an Envoy
//! that fails closed, but be taken for a yes by one with `failure_mode_allow`.

mod message;

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Version, header};
use http_body::Body;
use hyper::body::Incoming;
use prost::Message;

use self::message::{CheckRequest, CheckResponse, Field, HttpRequest};
use crate::answer::AnswerFields;
use crate::body::ResponseBody;
use crate::client::{ClientConnection, InFlight};
use crate::forward_auth::{self, Admission, Question};
use crate::gateway::{Shared, State};
use crate::header::forwarded;
use crate::record::Recording;
use crate::refusal::Refusal;

const CHECK: &str = "/envoy.service.auth.v3.Authorization/Check";

/// Of a question: twice what Envoy takes as a request's head, where nothing else is configured. Bodies are
/// not looked at, so there is no reason to have them sent along.
const MESSAGE_BYTES: usize = 128 * 1024;
/// Before a message: whether it is compressed, and how long it is.
const PREFIX_BYTES: usize = 5;

const GRPC: HeaderValue = HeaderValue::from_static("application/grpc");
const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");
const UNIMPLEMENTED: HeaderValue = HeaderValue::from_static("12");

/// Answers one call.
pub(crate) async fn serve(
    shared: Arc<Shared>,
    connection: Arc<ClientConnection>,
    request: Request<Incoming>,
) -> Response<ResponseBody> {
    let state = shared.state.load_full();
    let mut recording = Recording::begin(&shared, &state, &connection, &request);
    let response = answer(&shared, &state, &connection, request, &mut recording).await;
    recording.answer(response)
}

async fn answer(
    shared: &Shared,
    state: &State,
    connection: &Arc<ClientConnection>,
    request: Request<Incoming>,
    recording: &mut Recording,
) -> Response<ResponseBody> {
    let in_flight = connection.begin();
    if let Some(status) = not_grpc(&request) {
        let mut response = Response::new(ResponseBody::own("", in_flight));
        *response.status_mut() = status;
        return response;
    }
    if request.uri().path() != CHECK {
        let mut response = grpc(ResponseBody::own("", in_flight));
        response.headers_mut().insert(GRPC_STATUS, UNIMPLEMENTED);
        return response;
    }
    recording.serves_forward_auth();
    let mut fields = AnswerFields::default();
    let answer = match check(shared, state, connection, request.into_body(), &mut fields, recording).await {
        Ok(Allowed { set, remove }) => {
            shared.counters.count_verified();
            let mut told = HeaderMap::new();
            fields.set(&mut told);
            CheckResponse::ok(
                set.iter().map(Field::from).collect(),
                remove,
                told.iter().map(Field::from).collect(),
            )
        }
        Err(refusal) => {
            let mut response = forward_auth::refuse(&refusal, &fields, state, recording);
            fields.set(response.headers_mut());
            deny(&response, refusal.code())
        }
    };
    answered(&answer, in_flight)
}

/// What a caller is told that speaks something else.
fn not_grpc(request: &Request<Incoming>) -> Option<StatusCode> {
    if request.version() != Version::HTTP_2 {
        return Some(StatusCode::HTTP_VERSION_NOT_SUPPORTED);
    }
    if request.method() != Method::POST {
        return Some(StatusCode::METHOD_NOT_ALLOWED);
    }
    let media_type = request.headers().get(header::CONTENT_TYPE).map_or(&b""[..], HeaderValue::as_bytes);
    match media_type {
        b"application/grpc" | b"application/grpc+proto" => None,
        _ => Some(StatusCode::UNSUPPORTED_MEDIA_TYPE),
    }
}

/// What is to become of a request's fields on their way to the service.
struct Allowed {
    set: HeaderMap,
    remove: Vec<String>,
}

async fn check<'s>(
    shared: &Shared,
    state: &'s State,
    connection: &ClientConnection,
    body: Incoming,
    fields: &mut AnswerFields<'s>,
    recording: &mut Recording,
) -> Result<Allowed, Refusal> {
    let message = read_message(body, state.config.timeouts.header).await?;
    let asked = CheckRequest::decode(message)
        .map_err(|_| Refusal::AskedUnclearly("no CheckRequest"))?
        .into_http()
        .ok_or(Refusal::AskedUnclearly("not about an HTTP request"))?;
    let headers = client_fields(&asked, state.config.limits.headers)?;
    let host = HeaderValue::from_str(&asked.host).map_err(|_| Refusal::Host)?;
    let question = Question {
        headers: &headers,
        method: Some(&asked.method),
        target: Some(&asked.path),
        host: Some(host).filter(|host| !host.is_empty()),
    };
    let admission = forward_auth::verify(shared, state, connection, &question, fields, recording).await?;
    let remove = to_remove(state, &headers, &admission);
    Ok(Allowed { set: admission.identity, remove })
}

/// Reads the one message of a call, within the time that a head may take.
async fn read_message(body: Incoming, limit: Duration) -> Result<Bytes, Refusal> {
    let late = |_| Refusal::AskedUnclearly("a question that does not end in time");
    let mut sent = tokio::time::timeout(limit, collect(body)).await.map_err(late)??;
    let length = sent.get(1..PREFIX_BYTES).and_then(|length| <[u8; 4]>::try_from(length).ok());
    match (sent.first(), length.map(u32::from_be_bytes)) {
        (Some(0), Some(length))
            if usize::try_from(length).is_ok_and(|length| length == sent.len() - PREFIX_BYTES) =>
        {
            sent.advance(PREFIX_BYTES);
            Ok(sent.freeze())
        }
        (Some(0) | None, _) => Err(Refusal::AskedUnclearly("not one whole message")),
        (Some(_), _) => Err(Refusal::AskedUnclearly("a message that is compressed")),
    }
}

async fn collect(mut body: Incoming) -> Result<BytesMut, Refusal> {
    let mut sent = BytesMut::new();
    while let Some(frame) = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
        let frame = frame.map_err(|_| Refusal::AskedUnclearly("a question that breaks off"))?;
        let Ok(data) = frame.into_data() else { continue };
        if sent.len() + data.len() > PREFIX_BYTES + MESSAGE_BYTES {
            return Err(Refusal::AskedUnclearly("a message that is too long"));
        }
        sent.extend_from_slice(&data);
    }
    Ok(sent)
}

/// The client's fields, without what HTTP/2 has in their place for method, target and host.
fn client_fields(asked: &HttpRequest, limit: usize) -> Result<HeaderMap, Refusal> {
    let mut headers = HeaderMap::new();
    for field in asked.fields().filter(|field| !field.key.starts_with(':')) {
        let no_field = || Refusal::AskedUnclearly("what is no header field");
        if headers.len() >= limit {
            return Err(Refusal::TooManyHeaders { limit });
        }
        let name = HeaderName::from_bytes(field.key.as_bytes()).map_err(|_| no_field())?;
        let mut value = HeaderValue::from_maybe_shared(field.bytes()).map_err(|_| no_field())?;
        value.set_sensitive(name == header::AUTHORIZATION);
        headers.try_append(name, value).map_err(|_| no_field())?;
    }
    Ok(headers)
}

/// What must not reach the service: every identity field that is not set by this answer, in its own spelling
/// and in those that this client chose, what overrides a request line, and the token where the route keeps it.
fn to_remove(state: &State, headers: &HeaderMap, admission: &Admission) -> Vec<String> {
    let reserved = &state.config.routes.reserved;
    let chosen = headers.keys().filter(|name| reserved.contains(name) || forwarded::is_hearsay(name, true));
    let token = admission.strips_token.then_some(header::AUTHORIZATION.as_str());
    let cookie = admission.sets_cookies.then_some(header::COOKIE.as_str());
    let mut names: Vec<String> = reserved
        .names()
        .chain(chosen.map(HeaderName::as_str))
        .chain(token)
        .chain(cookie)
        .filter(|name| !admission.identity.contains_key(*name))
        .map(str::to_owned)
        .collect();
    names.sort_unstable();
    names.dedup();
    names
}

fn deny(refusal: &Response<Bytes>, code: &str) -> CheckResponse {
    let fields = refusal.headers().iter().filter(|(name, _)| *name != header::CONNECTION);
    let body = String::from_utf8_lossy(refusal.body()).into_owned();
    CheckResponse::denied(refusal.status(), code, fields.map(Field::from).collect(), body)
}

fn answered(answer: &CheckResponse, in_flight: InFlight) -> Response<ResponseBody> {
    let length = answer.encoded_len();
    let mut message = BytesMut::with_capacity(PREFIX_BYTES + length);
    message.put_u8(0);
    message.put_u32(u32::try_from(length).unwrap_or(u32::MAX));
    message.extend_from_slice(&answer.encode_to_vec());
    let trailers = HeaderMap::from_iter([(GRPC_STATUS, HeaderValue::from_static("0"))]);
    grpc(ResponseBody::with_trailers(message, trailers, in_flight))
}

fn grpc(body: ResponseBody) -> Response<ResponseBody> {
    let mut response = Response::new(body);
    response.headers_mut().insert(header::CONTENT_TYPE, GRPC);
    response
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::any;

    use super::*;

    proptest::proptest! {
        #[test]
        fn no_bytes_make_it_stumble(
            bytes in vec(any::<u8>(), 0..300),
            key in "[a-z :_-]{0,8}",
            value in vec(any::<u8>(), 0..20),
        ) {
            let _ = CheckRequest::decode(&*bytes);
            // The same bytes where Envoy has a map's entry, behind one that is whole.
            let entry = [length_delimited(1, key.as_bytes()), length_delimited(2, &value)].concat();
            let http = [length_delimited(3, &entry), length_delimited(3, &bytes)].concat();
            let message = length_delimited(1, &length_delimited(4, &length_delimited(2, &http)));
            if let Some(http) = CheckRequest::decode(&*message).ok().and_then(CheckRequest::into_http) {
                assert_eq!(http.fields().count(), 2);
                if let Ok(fields) = client_fields(&http, 100) {
                    assert!(fields.len() <= 2);
                }
            }
        }
    }

    fn length_delimited(tag: u8, bytes: &[u8]) -> Vec<u8> {
        let mut field = vec![tag << 3 | 2];
        prost::encoding::encode_varint(bytes.len() as u64, &mut field);
        field.extend_from_slice(bytes);
        field
    }
}
