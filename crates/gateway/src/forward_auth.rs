//! The forward-auth endpoint: a proxy that stands in front of the services itself (nginx with
//! `auth_request`, Traefik, Caddy, …) asks here whether to let a request through, and under which identity.
//!
//! The proxy sends the client's `Authorization` field along and names the request by `X-Forwarded-Method`,
//! `-Uri` and `-Host` (Traefik, Caddy), or by `X-Original-Method` and `X-Original-URI` (nginx). The same
//! routes and rules apply as if the request had come here. 200 lets it through, with the identity in the
//! fields that the route's `forward` names; 401 and 403 do not.
//!
//! Envoy's `ext_authz` over HTTP asks in another way: with the client's own method, host and target, the
//! target written behind the endpoint's path (`path_prefix`). Over gRPC it asks [`crate::ext_authz`].
//!
//! # Who may set these fields
//! Anybody may ask, for the answer opens nothing: it tells the asker about a token that it holds already.
//! What matters is that the *proxy* sets the fields itself on every question, so that its client's copies
//! never stand in for them:
//!
//! - Of the two families, one suffices. If a client slips the other one in, the two disagree, and the
//!   answer is 403.
//! - A URI without a method (a common nginx configuration) must meet the rule of every method of that path,
//!   so that a client's `POST` is never let through by the rule for `GET`. Methods that no route of the path
//!   names cannot be told apart then: send the method.
//! - A question that names its request by its own target is not asked twice: with one of these fields beside
//!   it, or an `X-Forwarded-Host` that is not its own host, 403.
//! - A method or a host without a URI would be a question half asked: 403.
//! - A token that is bound to a DPoP key is taken where the question tells method and URI. Its proof must name that
//!   method, and the URI at the origin of `public_url`, whatever host the question tells.
//! - No field at all: the token is verified, and no rule applied.
//! - A route that goes by header fields is found by those of the question: the proxy passes its client's on.
//! - A session's cookie, or a ticket in the query of the URI, is taken where the route takes it and the question tells
//!   method and URI. Whether the page that asks may use the session is judged by the `Origin` and `Sec-Fetch-*` fields that
//!   the proxy passes on. With `[bff]`, the answer's `Cookie` has the client's cookies without the
//!   session's.
//! - A preflight carries no credentials, and an answer of ours could not stand in for the service's: the proxy answers it,
//!   or lets it through without asking.
//! - The address that a limit counts by is the last of `X-Forwarded-For` that is none of `trusted_proxies`,
//!   which the proxy is one of. Else all of its clients are one.
//! - The proxy takes the identity from this answer and overwrites the client's fields with it, also where
//!   the answer has none (`auth_request_set` with `proxy_set_header`; Traefik's `authResponseHeaders` and
//!   Caddy's `copy_headers` do so).

use bytes::Bytes;
use gatepass_guard::{Admitted, GuardedRequest};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, header};
use hyper::body::Incoming;

use crate::admission::{self, Attempt, Candidate};
use crate::answer::AnswerFields;
use crate::bff;
use crate::body::ResponseBody;
use crate::client::{ClientConnection, InFlight};
use crate::credentials::Credentials;
use crate::gateway::{Shared, State};
use crate::header::claim;
use crate::message;
use crate::proxy::external_url;
use crate::record::Recording;
use crate::refusal::Refusal;
use crate::route::path::RequestPath;
use crate::route::{Demand, Route, TokenHandling};

const METHOD: [HeaderName; 2] =
    [HeaderName::from_static("x-forwarded-method"), HeaderName::from_static("x-original-method")];
const URI: [HeaderName; 2] =
    [HeaderName::from_static("x-forwarded-uri"), HeaderName::from_static("x-original-uri")];
const HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

/// What a proxy asks about.
#[derive(Debug)]
pub(crate) struct Question<'q> {
    /// The client's fields, as far as the proxy passes them on.
    pub(crate) headers: &'q HeaderMap,
    /// `None` where the proxy does not tell it.
    pub(crate) method: Option<&'q str>,
    /// The path, perhaps with a query. `None` where the proxy asks about the token alone.
    pub(crate) target: Option<&'q str>,
    pub(crate) host: Option<HeaderValue>,
}

/// What the service behind the proxy is to be told.
#[derive(Debug, Default)]
pub(crate) struct Admission {
    /// As header fields.
    pub(crate) identity: HeaderMap,
    /// The route keeps the token from the service.
    pub(crate) strips_token: bool,
    /// There are sessions, whose cookies are not the service's to see: the others are in `identity`.
    pub(crate) sets_cookies: bool,
}

/// Answers a proxy's question. `below` is what its path has below the endpoint's.
pub(crate) async fn serve(
    shared: &Shared,
    state: &State,
    connection: &ClientConnection,
    request: &Request<Incoming>,
    below: &str,
    recording: &mut Recording,
    in_flight: InFlight,
) -> Response<ResponseBody> {
    let mut fields = AnswerFields::default();
    let admission = match Question::read(request, below) {
        Ok(question) => verify(shared, state, connection, &question, &mut fields, recording).await,
        Err(refusal) => Err(refusal),
    };
    let mut response = match admission {
        Ok(Admission { identity, .. }) => {
            shared.counters.count_verified();
            let mut response = Response::new(ResponseBody::own("", in_flight));
            *response.headers_mut() = identity;
            response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
            response
        }
        Err(refusal) => {
            refuse(&refusal, &fields, state, recording).map(|text| ResponseBody::own(text, in_flight))
        }
    };
    fields.set(response.headers_mut());
    response
}

/// The refusal as the proxy's client is to see it.
pub(crate) fn refuse(
    refusal: &Refusal,
    fields: &AnswerFields<'_>,
    state: &State,
    recording: &mut Recording,
) -> Response<Bytes> {
    recording.refused(refusal);
    refusal.log();
    let mut response = fields.refuse(refusal, state);
    // nginx makes 500 of anything but 200, 401 and 403; others pass a 404 on as if the service had said so.
    if response.status().is_client_error() && response.status() != StatusCode::UNAUTHORIZED {
        *response.status_mut() = StatusCode::FORBIDDEN;
    }
    response
}

/// Whether the request that is asked about is let through.
pub(crate) async fn verify<'s>(
    shared: &Shared,
    state: &'s State,
    connection: &ClientConnection,
    question: &Question<'_>,
    fields: &mut AnswerFields<'s>,
    recording: &mut Recording,
) -> Result<Admission, Refusal> {
    let admission = admit(shared, state, connection, question, fields, recording).await;
    if let Err(refusal) = &admission {
        fields.offer_login(bff::offer_login_by_proxy(state, fields, refusal, question.headers));
    }
    admission
}

async fn admit<'s>(
    shared: &Shared,
    state: &'s State,
    connection: &ClientConnection,
    question: &Question<'_>,
    fields: &mut AnswerFields<'s>,
    recording: &mut Recording,
) -> Result<Admission, Refusal> {
    let headers = question.headers;
    message::require_one_credential(headers)?;
    // The connection is the proxy's: nothing is known here of the client's certificate. A DPoP proof is made for one
    // method and one URL, so it can be checked where the question tells both.
    let told = question.told_method()?.zip(question.target);
    let routes = find_routes(state, question)?;
    // All of them are at one path of one host, and so of one API.
    let first = routes.first().copied();
    *fields = first.map(AnswerFields::of_api).unwrap_or_default();
    let url = told.as_ref().zip(first);
    let url = url.and_then(|((_, target), route)| external_url(state, route, headers, path_of(target)));
    let method = told.as_ref().map_or(Method::GET, |(method, _)| method.clone());
    let mut guarded = GuardedRequest::new(&method, headers);
    if let Some(url) = &url {
        guarded = guarded.with_url(url);
    }
    let asked = || question.shown();
    let candidate = Candidate {
        headers,
        guarded: &guarded,
        ticket: None,
        attempt: Attempt::Only,
        takes_dpop: url.is_some(),
        peer: connection.address,
        asked: &asked,
    };
    let mut admission = Admission::default();
    match (question.method, question.target) {
        (None, None) => {
            let any = Demand::default();
            let token = admission::verify(&any, |_| None, &candidate, state, true).await?;
            if let Some(token) = token {
                recording.admitted(&token);
                claim::set(&mut admission.identity, &state.config.routes.forward_auth.forward, &token)?;
            }
        }
        (Some(_), None) => return Err(Refusal::AskedUnclearly("a method without a URI")),
        (_, Some(target)) => {
            let path = RequestPath::parse(path_of(target))?;
            for route in routes {
                admission.strips_token |= route.token != TokenHandling::Keep;
                let token = match &told {
                    Some((method, target)) => {
                        let told = Told { route, path: &path, method, target };
                        admit_told(&told, &candidate, shared, state, fields).await?
                    }
                    None => admission::admit(route, &path, &candidate, shared, state, fields).await?,
                };
                if let Some(token) = token {
                    recording.admitted(&token);
                    let set =
                        claim::set(&mut admission.identity, &route.forward, &token).map_err(Refusal::from);
                    admission::enforce(route, shared, set)?;
                }
            }
            if let Some(bff) = &state.bff {
                admission.sets_cookies = true;
                let cookies = bff.cookies.others(headers).map(|cookies| (header::COOKIE, cookies));
                admission.identity.extend(cookies);
            }
        }
    }
    Ok(admission)
}

/// What is told of a request whose route is known.
struct Told<'s, 'q> {
    route: &'s Route,
    path: &'q RequestPath<'q>,
    method: &'q Method,
    target: &'q str,
}

/// Lets a request in by its ticket, its session or its token. Without method and target nobody could say what a ticket
/// is good for, nor whether a page of another site has the browser change something.
async fn admit_told<'s>(
    told: &Told<'s, '_>,
    candidate: &Candidate<'_>,
    shared: &Shared,
    state: &'s State,
    fields: &mut AnswerFields<'s>,
) -> Result<Option<Admitted>, Refusal> {
    let Told { route, path, method, target } = *told;
    let headers = candidate.headers;
    // A proxy keeps `Upgrade` for itself, and passes this on.
    let websocket = headers.contains_key(header::SEC_WEBSOCKET_KEY);
    let of = (method, target, headers);
    let mut credentials = Credentials::of_request(route, of, websocket, shared, state, fields).await?;
    credentials.admit(route, (method, path), candidate, shared, state, fields).await
}

/// The routes whose rules the request has to meet that is asked about: the one of its method, or all of its
/// path if its method is not told. None for a question about the token alone.
fn find_routes<'s>(state: &'s State, question: &Question<'_>) -> Result<Vec<&'s Route>, Refusal> {
    let Some(target) = question.target else { return Ok(Vec::new()) };
    let path = RequestPath::parse(path_of(target))?;
    let host = question.host.as_ref().and_then(|host| host.to_str().ok());
    let router = &state.config.routes.router;
    let indices = match question.told_method()? {
        None => {
            let endpoint = router.find_endpoint(host, &path).ok_or(Refusal::NoRoute)?;
            endpoint.routes_with(question.headers)?
        }
        Some(method) => vec![router.find(host, &path, &method, question.headers)?],
    };
    let route = |index| state.route(index).map(|(route, _)| route).ok_or(Refusal::NoRoute);
    indices.into_iter().map(route).collect()
}

impl<'q> Question<'q> {
    fn read(request: &'q Request<Incoming>, below: &'q str) -> Result<Self, Refusal> {
        let headers = request.headers();
        let (method, target) = (told(headers, &METHOD)?, told(headers, &URI)?);
        let told_host = sole(headers, &HOST)?.and_then(|host| HeaderValue::from_str(host).ok());
        if below.is_empty() {
            let host = match (target, told_host) {
                (None, _) => None,
                (Some(_), Some(told)) => Some(told),
                (Some(_), None) => Some(message::host(request)?),
            };
            return Ok(Self { headers, method, target, host });
        }
        let host = message::host(request)?;
        if method.or(target).is_some()
            || told_host.is_some_and(|told| !told.as_bytes().eq_ignore_ascii_case(host.as_bytes()))
        {
            return Err(Refusal::AskedUnclearly(
                "a field names another request than the question's own target",
            ));
        }
        Ok(Self { headers, method: Some(request.method().as_str()), target: Some(below), host: Some(host) })
    }

    fn told_method(&self) -> Result<Option<Method>, Refusal> {
        let parsed = |method: &str| Method::from_bytes(method.as_bytes());
        self.method.map(parsed).transpose().map_err(|_| Refusal::AskedUnclearly("no such method"))
    }

    /// For the log, so without the query: it may hold what nobody else is to know.
    fn shown(&self) -> String {
        format!("forward-auth {} {}", self.method.unwrap_or("-"), self.target.map_or("-", path_of))
    }
}

fn path_of(target: &str) -> &str {
    target.split_once('?').map_or(target, |(path, _)| path)
}

/// What a pair of fields tells, in whichever it is told.
fn told<'h>(headers: &'h HeaderMap, pair: &[HeaderName; 2]) -> Result<Option<&'h str>, Refusal> {
    let [forwarded, original] = pair;
    match (sole(headers, forwarded)?, sole(headers, original)?) {
        (Some(forwarded), Some(original)) if forwarded != original => {
            Err(Refusal::AskedUnclearly("the X-Forwarded and the X-Original fields disagree"))
        }
        (forwarded, original) => Ok(forwarded.or(original)),
    }
}

fn sole<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Result<Option<&'h str>, Refusal> {
    let mut values = headers.get_all(name).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(Refusal::AskedUnclearly("a field stands twice"));
    }
    value.to_str().map(Some).map_err(|_| Refusal::AskedUnclearly("a field is not text"))
}
