//! A finished request as a span, in the words of OpenTelemetry's semantic conventions for HTTP servers.

use http::{HeaderValue, Method};

use super::Record;
use crate::stats::route::Outcome;
use crate::trace::{Span, SpanValue};

impl Record {
    /// `None` for a request whose trace is not sampled.
    pub(super) fn span(&self) -> Option<Span> {
        let place = self.place.filter(|place| place.here.sampled)?;
        let method = known_method(&self.method);
        let route = self.route.as_deref();
        Some(Span {
            name: match (method, route) {
                (Some(method), Some(route)) => format!("{method} {route}"),
                (method, _) => method.unwrap_or("HTTP").to_owned(),
            },
            trace_id: place.here.trace_id,
            span_id: place.here.span_id,
            parent: place.parent,
            trace_state: self.trace_state.as_ref().and_then(|state| Some(state.to_str().ok()?.to_owned())),
            start: self.started,
            end: self.started + self.took,
            failed: matches!(self.outcome, Outcome::Failed | Outcome::Aborted)
                || self.status.is_none_or(|status| status.is_server_error()),
            attributes: self.attributes(method),
        })
    }

    fn attributes(&self, method: Option<&'static str>) -> Vec<(&'static str, SpanValue)> {
        let text = |text: &str| Some(SpanValue::Text(text.to_owned()));
        let number = |number: u64| Some(SpanValue::Number(i64::try_from(number).unwrap_or(i64::MAX)));
        let request_id = self.request_id.as_ref().map(HeaderValue::as_bytes);
        let request_id = request_id.and_then(|id| std::str::from_utf8(id).ok());
        let attributes = [
            ("http.request.method", text(method.unwrap_or("_OTHER"))),
            ("http.route", self.route.as_deref().and_then(text)),
            ("http.response.status_code", self.status.and_then(|status| number(status.as_u16().into()))),
            ("http.request.body.size", number(self.received)),
            ("http.response.body.size", number(self.sent)),
            ("url.scheme", text(if self.is_tls { "https" } else { "http" })),
            ("url.path", text(&self.path)),
            ("server.address", self.host.as_deref().and_then(text)),
            ("client.address", text(&self.client.to_string())),
            ("network.peer.address", text(&self.peer.to_string())),
            (
                "network.protocol.version",
                text(self.protocol().trim_start_matches("http/").trim_start_matches('h')),
            ),
            ("error.type", self.error_type().and_then(text)),
            ("gatepass.outcome", text(self.outcome.name())),
            ("gatepass.code", self.reason.and_then(|reason| text(reason.code))),
            ("gatepass.check", self.reason.and_then(|reason| text(reason.check))),
            ("gatepass.issuer", self.token.as_ref().and_then(|token| text(&super::shortened(&token.iss)))),
            ("gatepass.request_id", request_id.and_then(text)),
            ("gatepass.upstream", self.upstream.as_deref().and_then(text)),
        ];
        attributes.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
    }

    /// Refusals are no errors of this server.
    fn error_type(&self) -> Option<&str> {
        match self.outcome {
            Outcome::Failed => self.reason.map(|reason| reason.code),
            Outcome::Aborted => Some("aborted"),
            _ => self.status.as_ref().filter(|status| status.is_server_error()).map(|status| status.as_str()),
        }
    }
}

/// One of a bounded number: a client may invent any other.
fn known_method(method: &Method) -> Option<&'static str> {
    let known = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "CONNECT", "TRACE", "QUERY"];
    known.into_iter().find(|known| *known == method.as_str())
}
