//! Which web pages of other origins may use a route: CORS, <https://fetch.spec.whatwg.org/#http-cors-protocol>.
//!
//! Of a route with `cors` the gateway alone decides. It answers preflights itself, before any token is asked
//! for, since browsers send none with them; and what the service behind says of CORS ends here.

use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, header};
use hyper::body::Incoming;

use crate::body::ResponseBody;
use crate::client::InFlight;
use crate::gateway::State;
use crate::header::{remove_fields, sole_value};
use crate::message;
use crate::proxy::request_path;
use crate::record::Recording;
use crate::refusal::Refusal;

/// What answers tell that browsers keep from scripts unless they are named.
pub(crate) const EXPOSED: [&str; 5] =
    ["www-authenticate", "dpop-nonce", "retry-after", "ratelimit", "ratelimit-policy"];

/// `cors` of a route, checked.
#[derive(Debug)]
pub(crate) struct Cors {
    pub(crate) origins: Origins,
    /// Whether cookies and client certificates may come along.
    pub(crate) credentials: bool,
    /// What a preflight is told; the method that it asks for where this is `None`.
    pub(crate) methods: Option<HeaderValue>,
    pub(crate) headers: HeaderValue,
    pub(crate) expose: HeaderValue,
    pub(crate) max_age: Option<HeaderValue>,
}

/// Whose pages.
#[derive(Debug)]
pub(crate) enum Origins {
    /// Everybody's, without credentials.
    Any,
    /// Those of these origins, as browsers write them.
    These(Vec<HeaderValue>),
}

impl Cors {
    /// What to answer in `Access-Control-Allow-Origin`. An origin is compared byte for byte; `null`, which any
    /// sandboxed page and any file can have, is nobody's.
    fn allow_origin(&self, origin: Option<&HeaderValue>) -> Option<HeaderValue> {
        let origin = origin.filter(|origin| *origin != "null")?;
        match &self.origins {
            Origins::Any => Some(HeaderValue::from_static("*")),
            Origins::These(these) => these.contains(origin).then(|| origin.clone()),
        }
    }

    /// Makes an answer readable, or not, for the page that has asked. `origin` is the request's.
    pub(crate) fn set(&self, origin: Option<&HeaderValue>, headers: &mut HeaderMap) {
        remove_fields(headers, |name| name.as_str().starts_with("access-control-"));
        vary_by_origin(headers);
        let Some(allowed) = self.allow_origin(origin) else { return };
        self.allow(allowed, headers);
        headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, self.expose.clone());
    }

    fn allow(&self, origin: HeaderValue, headers: &mut HeaderMap) {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        if self.credentials {
            let truth = HeaderValue::from_static("true");
            headers.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, truth);
        }
    }

    /// The answer to a preflight for this method.
    fn preflight(&self, allowed: HeaderValue, method: &HeaderValue) -> HeaderMap {
        let mut headers = HeaderMap::new();
        self.allow(allowed, &mut headers);
        let methods = self.methods.as_ref().unwrap_or(method);
        headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, methods.clone());
        headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, self.headers.clone());
        if let Some(max_age) = &self.max_age {
            headers.insert(header::ACCESS_CONTROL_MAX_AGE, max_age.clone());
        }
        headers
    }
}

/// The origin of the page that asks, if there is one and only one.
pub(crate) fn origin(headers: &HeaderMap) -> Option<&HeaderValue> {
    sole_value(headers, &header::ORIGIN)
}

/// What to answer to a preflight: a browser's question, with `OPTIONS`, whether a page may send a request.
/// `None` for any other request, and where no route of the request that is asked about has `cors`.
///
/// What a route asks of header fields is not known yet when its request is only asked about. Of several, one
/// that lets the page in is enough: the request itself meets the right one.
pub(crate) fn preflight(
    state: &State,
    request: &Request<Incoming>,
    recording: &mut Recording,
) -> Option<Result<HeaderMap, Refusal>> {
    let headers = request.headers();
    let origin = origin(headers)?;
    let asked = sole_value(headers, &header::ACCESS_CONTROL_REQUEST_METHOD)?;
    let method = Method::from_bytes(asked.as_bytes()).ok()?;
    let host = message::require_well_formed(request, &state.config.limits).ok()?;
    let path = request_path(request).ok()?;
    let endpoint = state.config.routes.router.find_endpoint(host.to_str().ok(), &path)?;
    let mut answer = None;
    for index in endpoint.routes_of(&method) {
        let Some(cors) = state.config.routes.routes.get(index).and_then(|route| route.cors.as_ref()) else {
            continue;
        };
        if let Some(stats) = state.route_stats.get(index) {
            recording.serves_route(stats);
        }
        if let Some(allowed) = cors.allow_origin(Some(origin)) {
            return Some(Ok(cors.preflight(allowed, asked)));
        }
        answer = Some(Err(Refusal::Origin));
    }
    answer
}

/// Answers a preflight.
pub(crate) fn answer(
    preflight: Result<HeaderMap, Refusal>,
    state: &State,
    recording: &mut Recording,
    in_flight: InFlight,
) -> Response<ResponseBody> {
    let mut response = match preflight {
        Ok(headers) => {
            let mut response = Response::new(ResponseBody::own("", in_flight));
            *response.status_mut() = StatusCode::NO_CONTENT;
            *response.headers_mut() = headers;
            response
        }
        Err(refusal) => {
            recording.refused(&refusal);
            refusal.log();
            refusal.into_response(&state.challenge, in_flight)
        }
    };
    let questions = "Origin, Access-Control-Request-Method, Access-Control-Request-Headers";
    response.headers_mut().insert(header::VARY, HeaderValue::from_static(questions));
    response
}

/// So that no cache gives one page the answer for another's.
fn vary_by_origin(headers: &mut HeaderMap) {
    let names = |value: &HeaderValue| {
        let mut names = value.as_bytes().split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
        names.any(|name| name == b"*" || name.eq_ignore_ascii_case(b"origin"))
    };
    if !headers.get_all(header::VARY).iter().any(names) {
        headers.append(header::VARY, HeaderValue::from_static("Origin"));
    }
}

/// A list of names as one field.
pub(crate) fn list<'n>(names: impl IntoIterator<Item = &'n HeaderName>) -> HeaderValue {
    let names: Vec<&str> = names.into_iter().map(HeaderName::as_str).collect();
    // Names of fields are made of what a field may hold.
    HeaderValue::try_from(names.join(", ")).unwrap_or_else(|_| HeaderValue::from_static(""))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cors(origins: Origins, credentials: bool) -> Cors {
        let (headers, expose) = (HeaderValue::from_static("authorization"), HeaderValue::from_static("etag"));
        Cors { origins, credentials, methods: None, headers, expose, max_age: None }
    }

    #[test]
    fn whose_pages_may_read_an_answer() {
        let app = || Origins::These(vec![HeaderValue::from_static("https://app.example.com")]);
        let cases = [
            ("listed", app(), Some("https://app.example.com"), Some("https://app.example.com")),
            ("another", app(), Some("https://evil.example.com"), None),
            ("a_longer_one", app(), Some("https://app.example.com.evil.example"), None),
            ("another_port", app(), Some("https://app.example.com:8443"), None),
            ("another_scheme", app(), Some("http://app.example.com"), None),
            ("capitals", app(), Some("https://APP.example.com"), None),
            ("nobodys", app(), Some("null"), None),
            ("none", app(), None, None),
            ("anybody", Origins::Any, Some("https://evil.example.com"), Some("*")),
            ("anybody_but_nobody", Origins::Any, Some("null"), None),
        ];
        for (name, origins, origin, want) in cases {
            let origin = origin.map(HeaderValue::from_static);
            let mut headers = HeaderMap::new();
            for (field, value) in [
                ("access-control-allow-origin", "*"),
                ("access-control-allow-credentials", "true"),
                ("access-control-expose-headers", "x-secret"),
                ("x-kept", "1"),
            ] {
                headers.insert(field, HeaderValue::from_static(value));
            }
            cors(origins, false).set(origin.as_ref(), &mut headers);
            let field = |name: &str| headers.get(name).map(|value| value.to_str().unwrap());
            assert_eq!(field("access-control-allow-origin"), want, "{name}");
            assert_eq!(
                field("access-control-allow-credentials"),
                None,
                "{name}: the service behind has no say"
            );
            assert_eq!(field("access-control-expose-headers"), want.map(|_| "etag"), "{name}");
            assert_eq!((field("vary"), field("x-kept")), (Some("Origin"), Some("1")), "{name}");
        }
    }

    #[test]
    fn what_varies_by_origin_says_so_once() {
        for (before, after) in [
            (vec![], vec!["Origin"]),
            (vec!["Accept-Encoding"], vec!["Accept-Encoding", "Origin"]),
            (vec!["accept, ORIGIN"], vec!["accept, ORIGIN"]),
            (vec!["accept", "origin"], vec!["accept", "origin"]),
            (vec!["*"], vec!["*"]),
            (vec!["Origin-Agent"], vec!["Origin-Agent", "Origin"]),
        ] {
            let mut headers = HeaderMap::new();
            for value in &before {
                headers.append(header::VARY, HeaderValue::from_static(value));
            }
            vary_by_origin(&mut headers);
            assert_eq!(headers.get_all(header::VARY).iter().collect::<Vec<_>>(), after, "{before:?}");
        }
    }
}
