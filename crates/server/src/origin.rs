//! Which sites may make a browser call the session endpoints, whose cookie goes along by itself.
//!
//! A browser says where a request comes from in `Sec-Fetch-Site`
//! ([Fetch Metadata](https://www.w3.org/TR/fetch-metadata/)) and `Origin`
//! ([RFC 6454 section 7](https://www.rfc-editor.org/rfc/rfc6454#section-7)); neither can be forged by
//! a page. Programs that are no browser send neither, and have no cookie that another could borrow.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE,
    ACCESS_CONTROL_REQUEST_METHOD, ORIGIN, VARY,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use thiserror::Error;
use url::Url;

use crate::problem::Problem;
use crate::server::Server;

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// A web origin: scheme, host and port, as browsers write it in the `Origin` header.
///
/// ```
/// use gatepass_server::Origin;
///
/// let app: Origin = "https://App.Example.com:443".parse()?;
/// assert_eq!(app.as_str(), "https://app.example.com");
/// assert!("https://app.example.com/login".parse::<Origin>().is_err());
/// # Ok::<(), gatepass_server::InvalidOrigin>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin(Box<str>);

/// The text is no origin of a web page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("an origin is http:// or https://, a host, and a port where it is not the usual one; no path")]
pub struct InvalidOrigin;

impl Origin {
    /// The origin as browsers write it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The origin of a URL; `None` for one that browsers would not open.
    pub(crate) fn of(url: &Url) -> Option<Self> {
        let is_web = matches!(url.scheme(), "http" | "https");
        is_web.then(|| Self(url.origin().ascii_serialization().into()))
    }
}

impl FromStr for Origin {
    type Err = InvalidOrigin;

    fn from_str(text: &str) -> Result<Self, InvalidOrigin> {
        let url = Url::parse(text).map_err(|_| InvalidOrigin)?;
        let bare = url.path() == "/" && url.query().is_none() && url.fragment().is_none();
        if !bare || !url.username().is_empty() || url.password().is_some() {
            return Err(InvalidOrigin);
        }
        Self::of(&url).ok_or(InvalidOrigin)
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The origins that may call the session endpoints.
#[derive(Debug)]
pub(crate) struct Origins {
    /// The issuer's own; `None` where its name is no URL.
    pub(crate) own: Option<Origin>,
    /// The operator's apps elsewhere.
    pub(crate) apps: Vec<Origin>,
}

/// What a request's headers say about the page that caused it.
#[derive(Debug, PartialEq, Eq)]
enum Site<'o> {
    /// The server's own, or none at all.
    Own,
    /// One of the operator's apps.
    App(&'o Origin),
    /// Somebody else's.
    Foreign,
}

impl Origins {
    /// Whether a page of this server itself caused the request, or no page at all.
    pub(crate) fn is_own_page(&self, headers: &HeaderMap) -> bool {
        self.site(headers) == Site::Own
    }

    fn site(&self, headers: &HeaderMap) -> Site<'_> {
        let (Ok(fetch_site), Ok(origin)) = (single(headers, &SEC_FETCH_SITE), single(headers, &ORIGIN))
        else {
            return Site::Foreign;
        };
        let is = |known: &&Origin| origin == Some(known.as_str());
        if let Some(app) = self.apps.iter().find(is) {
            return Site::App(app);
        }
        let foreign_origin = origin.is_some() && !self.own.as_ref().is_some_and(|own| is(&own));
        match fetch_site {
            // The browser itself compared; a proxy in front may serve us under another origin than
            // the one we know of.
            Some("same-origin") => Site::Own,
            Some("none") | None if !foreign_origin => Site::Own,
            _ => Site::Foreign,
        }
    }
}

/// The value of a header that may occur once; two, or bytes that are no text, are an attempt.
fn single<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Result<Option<&'h str>, ()> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => value.to_str().map(Some).map_err(|_| ()),
        (Some(_), Some(_)) => Err(()),
    }
}

/// Turns away what another site caused, and answers browsers that ask for an app's sake (CORS).
pub(crate) async fn require_own_site(
    State(server): State<Arc<Server>>,
    request: Request,
    next: Next,
) -> Response {
    match server.origins.site(request.headers()) {
        Site::Own => next.run(request).await,
        Site::App(app) => run_for(app, request, next).await,
        Site::Foreign => {
            let detail = "another site caused this request, and it is not one of the allowed apps";
            Problem::new(StatusCode::FORBIDDEN, "cross-site-request", detail)
                .header(VARY, VARY_ORIGIN)
                .into_response()
        }
    }
}

/// Lets pages of every site read the answers of endpoints where no cookie has a part: whoever asks there shows what they have
/// in the request itself, as any program could. An app of the operator's may ask with its cookies, which count for nothing.
pub(crate) async fn admit_pages(State(server): State<Arc<Server>>, request: Request, next: Next) -> Response {
    match server.origins.site(request.headers()) {
        Site::App(app) => run_for(app, request, next).await,
        Site::Own | Site::Foreign => open_to_pages(request, next).await,
    }
}

/// Lets pages of every site read the answer, who can send nothing that a browser keeps.
pub(crate) async fn open_to_pages(request: Request, next: Next) -> Response {
    let mut response = run(request, next, "Authorization, Content-Type, DPoP, *").await;
    response.headers_mut().insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    response.headers_mut().insert(ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
    response
}

/// Runs a request that a page of `app` makes, and lets the page read the answer (CORS).
async fn run_for(app: &Origin, request: Request, next: Next) -> Response {
    let mut response = run(request, next, "Authorization, Content-Type, DPoP").await;
    allow(app, response.headers_mut());
    response
}

/// Answers a browser that asks what a page may send, or else the request.
async fn run(request: Request, next: Next, fields: &'static str) -> Response {
    let is_preflight =
        request.method() == Method::OPTIONS && request.headers().contains_key(ACCESS_CONTROL_REQUEST_METHOD);
    match is_preflight {
        true => preflight(fields),
        false => next.run(request).await,
    }
}

const VARY_ORIGIN: HeaderValue = HeaderValue::from_static("Origin, Sec-Fetch-Site");
const EXPOSED: HeaderValue =
    HeaderValue::from_static("DPoP-Nonce, Retry-After, WWW-Authenticate, X-Request-Id");

fn preflight(fields: &'static str) -> Response {
    let headers = [
        (ACCESS_CONTROL_ALLOW_METHODS, "GET, POST, PUT, DELETE"),
        (ACCESS_CONTROL_ALLOW_HEADERS, fields),
        (ACCESS_CONTROL_MAX_AGE, "600"),
    ];
    (StatusCode::NO_CONTENT, headers).into_response()
}

fn allow(app: &Origin, headers: &mut HeaderMap) {
    // An origin is printable ASCII; without the header, the browser keeps the answer from the app.
    if let Ok(origin) = HeaderValue::from_str(app.as_str()) {
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    }
    headers.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
    headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
    headers.append(VARY, VARY_ORIGIN);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_an_origin() {
        let cases = [
            ("https", "https://app.example.com", Some("https://app.example.com")),
            ("with_slash", "https://app.example.com/", Some("https://app.example.com")),
            ("with_port", "http://localhost:5173", Some("http://localhost:5173")),
            ("usual_port", "http://localhost:80", Some("http://localhost")),
            ("upper_case", "HTTPS://APP.example.com", Some("https://app.example.com")),
            ("path", "https://app.example.com/x", None),
            ("query", "https://app.example.com?x", None),
            ("user", "https://u@app.example.com", None),
            ("another_scheme", "ftp://app.example.com", None),
            ("null", "null", None),
            ("star", "*", None),
            ("host_alone", "app.example.com", None),
        ];
        for (name, text, want) in cases {
            assert_eq!(text.parse::<Origin>().ok().as_ref().map(Origin::as_str), want, "{name}");
        }
    }

    #[test]
    fn whose_site_caused_a_request() {
        let origin = |text: &str| text.parse::<Origin>().unwrap();
        let origins = Origins {
            own: Some(origin("https://auth.example.com")),
            apps: vec![origin("https://app.example.com")],
        };
        let own = "https://auth.example.com";
        let app = "https://app.example.com";
        let evil = "https://evil.example";
        let cases: [(&str, &[&str], &[&str], &str); 16] = [
            ("no_browser", &[], &[], "own"),
            ("own_page", &["same-origin"], &[own], "own"),
            ("own_page_get", &["same-origin"], &[], "own"),
            ("behind_a_proxy_of_another_name", &["same-origin"], &["https://proxy.example"], "own"),
            ("typed_by_the_user", &["none"], &[], "own"),
            ("old_browser_own_page", &[], &[own], "own"),
            ("app", &["same-site"], &[app], "app"),
            ("app_on_another_site", &["cross-site"], &[app], "app"),
            ("old_browser_app", &[], &[app], "app"),
            ("another_site", &["cross-site"], &[evil], "foreign"),
            ("another_site_without_origin", &["cross-site"], &[], "foreign"),
            ("a_neighbour_that_is_no_app", &["same-site"], &["https://blog.example.com"], "foreign"),
            ("old_browser_another_site", &[], &[evil], "foreign"),
            ("sandboxed_page", &[], &["null"], "foreign"),
            ("typed_but_with_an_origin", &["none"], &[evil], "foreign"),
            ("two_origins", &["same-origin"], &[own, own], "foreign"),
        ];
        for (name, fetch_site, origin, want) in cases {
            let mut headers = HeaderMap::new();
            headers.extend(fetch_site.iter().map(|value| (SEC_FETCH_SITE, value.parse().unwrap())));
            for value in origin {
                headers.append(ORIGIN, value.parse().unwrap());
            }
            let site = match origins.site(&headers) {
                Site::Own => "own",
                Site::App(_) => "app",
                Site::Foreign => "foreign",
            };
            assert_eq!(site, want, "{name}");
        }
    }
}
