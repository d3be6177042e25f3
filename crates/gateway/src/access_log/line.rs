//! One line.

use gatepass_guard::Admitted;
use http::HeaderValue;
use jiff::Timestamp;
use serde::Serialize;

use crate::record::Record;

/// Of an identifier in a token this much is told.
const MAX_NAME: usize = 256;

/// The members of a line, in their order. What is not known of a request is left out.
#[derive(Serialize)]
struct Line<'r> {
    /// When the request's head had been read (RFC 3339).
    time: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<&'r str>,
    client: String,
    /// Where it is not the client.
    #[serde(skip_serializing_if = "Option::is_none")]
    peer: Option<String>,
    protocol: &'static str,
    tls: bool,
    method: &'r str,
    #[serde(skip_serializing_if = "Option::is_none")]
    host: Option<&'r str>,
    path: &'r str,
    #[serde(skip_serializing_if = "Option::is_none")]
    route: Option<&'r str>,
    outcome: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    check: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    issuer: Option<&'r str>,
    #[serde(flatten)]
    identity: Option<Identity<'r>>,
    bytes_in: u64,
    bytes_out: u64,
    /// The whole response went to the client's connection.
    complete: bool,
    /// To the end of the response.
    duration_ms: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    upstream: Option<&'r str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    upstream_ms: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    trace_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    span_id: Option<String>,
}

/// Who asked, by the token.
#[derive(Serialize)]
struct Identity<'r> {
    sub: &'r str,
    client_id: &'r str,
    #[serde(skip_serializing_if = "Option::is_none")]
    sid: Option<&'r str>,
    #[serde(skip_serializing_if = "str::is_empty")]
    jti: &'r str,
}

/// Adds the line of a request, which JSON keeps to one. `false`, and nothing added, if that cannot be.
pub(super) fn append(record: &Record, identity: bool, buffer: &mut Vec<u8>) -> bool {
    let length = buffer.len();
    let written = serde_json::to_writer(&mut *buffer, &line(record, identity)).is_ok();
    if written {
        buffer.push(b'\n');
    } else {
        buffer.truncate(length);
    }
    written
}

fn line(record: &Record, identity: bool) -> Line<'_> {
    let token = record.token.as_ref();
    let started = Timestamp::try_from(record.started).unwrap_or(Timestamp::UNIX_EPOCH);
    let here = record.place.map(|place| place.here);
    Line {
        time: format!("{started:.3}"),
        request_id: record
            .request_id
            .as_ref()
            .map(HeaderValue::as_bytes)
            .and_then(|id| std::str::from_utf8(id).ok()),
        client: record.client.to_string(),
        peer: (record.peer != record.client).then(|| record.peer.to_string()),
        protocol: record.protocol(),
        tls: record.is_tls,
        method: short(record.method.as_str()),
        host: record.host.as_deref(),
        path: &record.path,
        route: record.route.as_deref(),
        outcome: record.outcome.name(),
        status: record.status.map(|status| status.as_u16()),
        code: record.reason.map(|reason| reason.code),
        check: record.reason.map(|reason| reason.check),
        issuer: token.map(|token| short(&token.iss)),
        identity: token.filter(|_| identity).map(identity_of),
        bytes_in: record.received,
        bytes_out: record.sent,
        complete: record.is_complete,
        duration_ms: record.took.as_secs_f64() * 1e3,
        upstream: record.upstream.as_deref(),
        upstream_ms: record.upstream_took.map(|took| took.as_secs_f64() * 1e3),
        trace_id: here.map(|here| format!("{:032x}", here.trace_id)),
        span_id: here.filter(|here| here.sampled).map(|here| format!("{:016x}", here.span_id)),
    }
}

fn identity_of(token: &Admitted) -> Identity<'_> {
    Identity {
        sub: short(&token.sub),
        client_id: short(&token.client_id),
        sid: token.sid.as_deref().map(short),
        jti: short(&token.jti),
    }
}

fn short(text: &str) -> &str {
    text.get(..text.floor_char_boundary(MAX_NAME)).unwrap_or_default()
}
