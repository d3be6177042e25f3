//! Traces that go through the gateway: W3C Trace Context (<https://www.w3.org/TR/trace-context/>).
//!
//! With `[tracing]`, each request is a span of the trace that its caller names in `traceparent`, or of a new
//! one, and the upstream is named that span as its parent. What a span tells is put together here; who
//! exports it is the [`SpanSink`]'s affair. Without `[tracing]`, the fields pass like any others.

use std::time::SystemTime;

use gatepass_net::fresh;
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::header::sole_value;

pub(crate) const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
pub(crate) const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// `[tracing]`, checked.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct TracingSettings {
    /// Where spans are sent, as OTLP over HTTP.
    pub(crate) otlp: String,
    /// Of this share of the traces that begin here spans are made; from 0 to 1.
    pub(crate) sample: f64,
    /// Only `trusted_proxies` are believed which trace a request belongs to.
    pub(crate) from_trusted_proxies: bool,
}

/// Which span of which trace, as `traceparent` tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TraceParent {
    pub(crate) trace_id: u128,
    pub(crate) span_id: u64,
    /// The span is kept, so those below it should be, too.
    pub(crate) sampled: bool,
    /// Level 2 of the recommendation: the trace's id is random. Passed on as it came.
    random: bool,
}

/// A request's place in its trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    /// What the upstream is told.
    pub(crate) here: TraceParent,
    /// The caller's span, where the caller named one.
    pub(crate) parent: Option<u64>,
}

/// A finished request, as a span of its trace.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Span {
    /// Method and route.
    pub name: String,
    /// Never zero, as is the next.
    pub trace_id: u128,
    /// This span.
    pub span_id: u64,
    /// The caller's span, where the caller named one.
    pub parent: Option<u64>,
    /// The caller's `tracestate`, as it came.
    pub trace_state: Option<String>,
    /// When the request's head had been read.
    pub start: SystemTime,
    /// When the last of the response was sent, or its client was gone.
    pub end: SystemTime,
    /// The gateway or the upstream failed: a status from 500 on, or none.
    pub failed: bool,
    /// By the names of OpenTelemetry's semantic conventions, where they have one. There is no token, no
    /// query, no cookie and no other field of a request among them.
    pub attributes: Vec<(&'static str, SpanValue)>,
}

/// What an attribute of a [`Span`] says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SpanValue {
    /// Of bounded length.
    Text(String),
    /// A status, or a number of bytes.
    Number(i64),
}

/// Takes finished spans and exports them.
pub trait SpanSink: Send + Sync + 'static {
    /// Takes one. It is called where requests are served, so it must not block.
    fn take(&self, span: Span);
}

impl Place {
    /// Where a request with these fields belongs. `believed` says whether its sender may tell.
    ///
    /// A `traceparent` that is malformed, stands twice or is not to be believed counts for none: the request
    /// begins a trace.
    pub(crate) fn of(headers: &HeaderMap, settings: &TracingSettings, believed: bool) -> Self {
        let field = sole_value(headers, &TRACEPARENT).filter(|_| believed);
        match field.and_then(|field| TraceParent::parse(field.as_bytes())) {
            Some(parent) => {
                // Nothing is kept of a span that is not sampled, so the caller's stays the parent.
                let span_id = if parent.sampled { fresh() } else { parent.span_id };
                Self { here: TraceParent { span_id, ..parent }, parent: Some(parent.span_id) }
            }
            None => {
                let trace_id = u128::from(fresh()) << 64 | u128::from(fresh());
                let sampled = is_sampled(trace_id, settings.sample);
                let here = TraceParent { trace_id, span_id: fresh(), sampled, random: false };
                Self { here, parent: None }
            }
        }
    }

    /// Tells the upstream.
    pub(crate) fn write(&self, headers: &mut HeaderMap) {
        headers.insert(TRACEPARENT, self.here.to_value());
        if self.parent.is_none() {
            headers.remove(TRACESTATE); // of a trace that is not this one
        }
    }
}

/// The lower half of an id decides, as everybody's who samples by the trace's id.
fn is_sampled(trace_id: u128, share: f64) -> bool {
    // 53 bits are what a fraction can tell apart.
    let point = (trace_id as u64 >> 11) as f64 / (1_u64 << 53) as f64;
    point < share
}

impl TraceParent {
    /// `None` for what is to be ignored. Of a later version as much is read as this one knows.
    pub(crate) fn parse(field: &[u8]) -> Option<Self> {
        let (head, rest) = field.split_at_checked(55)?;
        let mut parts = head.split(|byte| *byte == b'-');
        let version: u8 = hex(parts.next()?, 2)?.try_into().ok()?;
        let trace_id = hex(parts.next()?, 32)?;
        let span_id: u64 = hex(parts.next()?, 16)?.try_into().ok()?;
        let flags: u8 = hex(parts.next()?, 2)?.try_into().ok()?;
        let whole = match version {
            0xff => false,
            0 => rest.is_empty(),
            _ => rest.is_empty() || rest.starts_with(b"-"),
        };
        let parent = Self { trace_id, span_id, sampled: flags & 1 != 0, random: flags & 2 != 0 };
        (whole && trace_id != 0 && span_id != 0).then_some(parent)
    }

    fn to_value(self) -> HeaderValue {
        let Self { trace_id, span_id, sampled, random } = self;
        let flags = u8::from(sampled) | u8::from(random) << 1;
        // Digits and hyphens.
        HeaderValue::try_from(format!("00-{trace_id:032x}-{span_id:016x}-{flags:02x}"))
            .unwrap_or(HeaderValue::from_static(""))
    }
}

/// So many digits, in lower case.
fn hex(digits: &[u8], count: usize) -> Option<u128> {
    let of_hex = |byte: &u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    if digits.len() != count || !digits.iter().all(of_hex) {
        return None;
    }
    u128::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const GOOD: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    fn settings(sample: f64) -> TracingSettings {
        TracingSettings { otlp: String::new(), sample, from_trusted_proxies: false }
    }

    fn fields(fields: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(*name, value.parse().unwrap());
        }
        headers
    }

    #[test]
    fn what_is_a_traceparent() {
        let good = TraceParent::parse(GOOD.as_bytes()).unwrap();
        assert_eq!(good.trace_id, 0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736);
        assert_eq!((good.span_id, good.sampled), (0x00f0_67aa_0ba9_02b7, true));
        assert_eq!(good.to_value(), GOOD);
        let cases = [
            ("not_sampled", GOOD.replace("-01", "-00"), true),
            ("random", GOOD.replace("-01", "-03"), true),
            ("a_later_version", GOOD.replacen("00", "cc", 1), true),
            ("a_later_version_with_more", format!("{}-more", GOOD.replacen("00", "cc", 1)), true),
            ("a_later_version_with_longer_flags", format!("{}1", GOOD.replacen("00", "cc", 1)), false),
            ("more_in_this_version", format!("{GOOD}-more"), false),
            ("version_ff", GOOD.replacen("00", "ff", 1), false),
            ("upper_case", GOOD.to_uppercase(), false),
            ("no_trace", format!("00-{}-00f067aa0ba902b7-01", "0".repeat(32)), false),
            ("no_span", format!("00-4bf92f3577b34da6a3ce929d0e0e4736-{}-01", "0".repeat(16)), false),
            ("short", GOOD[..54].to_owned(), false),
            ("empty", String::new(), false),
            ("no_hyphens", GOOD.replace('-', "0"), false),
            ("moved_hyphen", GOOD.replace("e4736-00f", "e47360-0f"), false),
            ("plus_sign", GOOD.replace("-4b", "-+b"), false),
        ];
        for (name, text, is_one) in cases {
            assert_eq!(TraceParent::parse(text.as_bytes()).is_some(), is_one, "{name}: {text}");
        }
    }

    #[test]
    fn a_request_joins_its_callers_trace_or_begins_one() {
        let headers = fields(&[("traceparent", GOOD), ("tracestate", "a=1")]);
        let place = Place::of(&headers, &settings(0.0), true);
        assert_eq!(place.here.trace_id, 0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736);
        assert_eq!(place.parent, Some(0x00f0_67aa_0ba9_02b7));
        assert!(place.here.sampled && Some(place.here.span_id) != place.parent);
        let mut told = headers.clone();
        place.write(&mut told);
        assert_eq!(told["traceparent"], place.here.to_value());
        assert_eq!(told["tracestate"], "a=1");

        let not_sampled = fields(&[("traceparent", &GOOD.replace("-01", "-00"))]);
        let mut told = not_sampled.clone();
        Place::of(&not_sampled, &settings(1.0), true).write(&mut told);
        assert_eq!(told, not_sampled, "the caller's word on that counts");

        let strangers = [
            ("not_believed", headers, false),
            ("malformed", fields(&[("traceparent", "x"), ("tracestate", "a=1")]), true),
            ("twice", fields(&[("traceparent", GOOD), ("traceparent", GOOD), ("tracestate", "a=1")]), true),
            ("none", fields(&[]), true),
        ];
        for (name, mut headers, believed) in strangers {
            let place = Place::of(&headers, &settings(1.0), believed);
            assert_eq!((place.parent, place.here.sampled), (None, true), "{name}");
            place.write(&mut headers);
            assert_eq!(headers.get_all("traceparent").iter().count(), 1, "{name}");
            assert_eq!(headers.get("tracestate"), None, "{name}");
        }
    }

    #[test]
    fn a_share_is_sampled() {
        let sampled = |share| {
            let begun = (0..1000).map(|_| Place::of(&fields(&[]), &settings(share), true));
            begun.filter(|place| place.here.sampled).count()
        };
        assert_eq!((sampled(0.0), sampled(1.0)), (0, 1000));
        assert!((300..700).contains(&sampled(0.5)));
    }

    proptest! {
        #[test]
        fn no_field_upsets_it(field: Vec<u8>) {
            let _ = TraceParent::parse(&field);
        }
    }
}
