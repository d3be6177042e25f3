//! The messages of `envoy.service.auth.v3`, as far as they matter here. What is left out is passed over when
//! it is read, as protobuf has it.

use std::fmt;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, StatusCode};
use prost::{Message, Oneof};

/// `envoy.service.auth.v3.CheckRequest`
#[derive(Clone, PartialEq, Message)]
pub(super) struct CheckRequest {
    #[prost(message, optional, tag = "1")]
    attributes: Option<AttributeContext>,
}

/// `envoy.service.auth.v3.AttributeContext`
#[derive(Clone, PartialEq, Message)]
struct AttributeContext {
    #[prost(message, optional, tag = "4")]
    request: Option<AttributeRequest>,
}

/// `envoy.service.auth.v3.AttributeContext.Request`
#[derive(Clone, PartialEq, Message)]
struct AttributeRequest {
    #[prost(message, optional, tag = "2")]
    http: Option<HttpRequest>,
}

/// `envoy.service.auth.v3.AttributeContext.HttpRequest`
#[derive(Clone, PartialEq, Message)]
pub(super) struct HttpRequest {
    #[prost(string, tag = "2")]
    pub(super) method: String,
    /// A map on the wire is a list of such; read as a list, a name that stands twice is seen twice.
    #[prost(message, repeated, tag = "3")]
    headers: Vec<Field>,
    /// With its query.
    #[prost(string, tag = "4")]
    pub(super) path: String,
    #[prost(string, tag = "5")]
    pub(super) host: String,
    /// In the place of `headers` with `encode_raw_headers`.
    #[prost(message, optional, tag = "13")]
    header_map: Option<FieldList>,
}

/// `envoy.config.core.v3.HeaderMap`
#[derive(Clone, PartialEq, Message)]
struct FieldList {
    #[prost(message, repeated, tag = "1")]
    headers: Vec<Field>,
}

/// `envoy.config.core.v3.HeaderValue`, and an entry of `map<string, string>`, which has the same shape.
#[derive(Clone, PartialEq, Message)]
#[prost(skip_debug)]
pub(super) struct Field {
    #[prost(string, tag = "1")]
    pub(super) key: String,
    #[prost(bytes = "bytes", tag = "2")]
    value: Bytes,
    /// In the place of `value` with `encode_raw_headers`.
    #[prost(bytes = "bytes", tag = "3")]
    raw_value: Bytes,
}

/// `envoy.config.core.v3.HeaderValueOption`
#[derive(Clone, PartialEq, Message)]
struct FieldOption {
    #[prost(message, optional, tag = "1")]
    header: Option<Field>,
    #[prost(int32, tag = "3")]
    append_action: i32,
}

/// `OVERWRITE_IF_EXISTS_OR_ADD`: of a client's own there is nothing left.
const OVERWRITE: i32 = 2;

/// `envoy.service.auth.v3.CheckResponse`
#[derive(Clone, PartialEq, Message)]
pub(super) struct CheckResponse {
    #[prost(message, optional, tag = "1")]
    status: Option<Status>,
    #[prost(oneof = "HttpResponse", tags = "2, 3")]
    http_response: Option<HttpResponse>,
}

#[derive(Clone, PartialEq, Oneof)]
enum HttpResponse {
    #[prost(message, tag = "2")]
    Denied(DeniedHttpResponse),
    #[prost(message, tag = "3")]
    Ok(OkHttpResponse),
}

/// `google.rpc.Status`
#[derive(Clone, PartialEq, Message)]
struct Status {
    #[prost(int32, tag = "1")]
    code: i32,
    #[prost(string, tag = "2")]
    message: String,
}

/// `envoy.service.auth.v3.OkHttpResponse`
#[derive(Clone, PartialEq, Message)]
struct OkHttpResponse {
    #[prost(message, repeated, tag = "2")]
    headers: Vec<FieldOption>,
    #[prost(string, repeated, tag = "5")]
    headers_to_remove: Vec<String>,
    #[prost(message, repeated, tag = "6")]
    response_headers_to_add: Vec<FieldOption>,
}

/// `envoy.service.auth.v3.DeniedHttpResponse`
#[derive(Clone, PartialEq, Message)]
struct DeniedHttpResponse {
    #[prost(message, optional, tag = "1")]
    status: Option<HttpStatus>,
    #[prost(message, repeated, tag = "2")]
    headers: Vec<FieldOption>,
    #[prost(string, tag = "3")]
    body: String,
}

/// `envoy.type.v3.HttpStatus`
#[derive(Clone, PartialEq, Message)]
struct HttpStatus {
    #[prost(int32, tag = "1")]
    code: i32,
}

impl CheckRequest {
    pub(super) fn into_http(self) -> Option<HttpRequest> {
        self.attributes?.request?.http
    }
}

impl HttpRequest {
    /// Both lists, though Envoy sends one: what stands in either has been sent.
    pub(super) fn fields(&self) -> impl Iterator<Item = &Field> {
        self.headers.iter().chain(self.header_map.iter().flat_map(|list| &list.headers))
    }
}

impl Field {
    pub(super) fn bytes(&self) -> Bytes {
        if self.raw_value.is_empty() { self.value.clone() } else { self.raw_value.clone() }
    }
}

impl fmt::Debug for Field {
    /// The value may be a token.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Field").field(&self.key).finish_non_exhaustive()
    }
}

impl From<(&HeaderName, &HeaderValue)> for Field {
    fn from((name, value): (&HeaderName, &HeaderValue)) -> Self {
        let value = Bytes::copy_from_slice(value.as_bytes());
        Self { key: name.as_str().to_owned(), value, raw_value: Bytes::new() }
    }
}

impl From<Field> for FieldOption {
    fn from(field: Field) -> Self {
        Self { header: Some(field), append_action: OVERWRITE }
    }
}

impl CheckResponse {
    /// The request goes on, with these fields set and those removed; its client is told some more.
    pub(super) fn ok(set: Vec<Field>, remove: Vec<String>, told: Vec<Field>) -> Self {
        let ok = OkHttpResponse {
            headers: set.into_iter().map(FieldOption::from).collect(),
            headers_to_remove: remove,
            response_headers_to_add: told.into_iter().map(FieldOption::from).collect(),
        };
        Self {
            status: Some(Status { code: 0, message: String::new() }),
            http_response: Some(HttpResponse::Ok(ok)),
        }
    }

    /// The client gets this answer.
    pub(super) fn denied(status: StatusCode, reason: &str, fields: Vec<Field>, body: String) -> Self {
        // UNAUTHENTICATED, UNAVAILABLE, PERMISSION_DENIED: Envoy asks only whether it is OK.
        let code = match status {
            StatusCode::UNAUTHORIZED => 16,
            status if status.is_server_error() => 14,
            _ => 7,
        };
        let status = HttpStatus { code: i32::from(status.as_u16()) };
        let headers = fields.into_iter().map(FieldOption::from).collect();
        Self {
            status: Some(Status { code, message: reason.to_owned() }),
            http_response: Some(HttpResponse::Denied(DeniedHttpResponse {
                status: Some(status),
                headers,
                body,
            })),
        }
    }
}
