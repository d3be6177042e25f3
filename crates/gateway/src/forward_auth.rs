//! The forward-auth endpoint: a proxy that stands in front of the services itself (nginx with
//! `auth_request`, Traefik, Caddy, …) asks here whether to let a request through, and under which identity.
//!
//! The proxy sends the client's `Authorization` field along and names the request by `X-Forwarded-Method`,
//! `-Uri` and `-Host` (Traefik, Caddy), or by `X-Original-Method` and `X-Original-URI` (nginx). The same
//! routes and rules apply as if the request had come here. 200 lets it through, with the identity in the
//! fields that the route's `forward` names; 401 and 403 do not.
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
//! - A method or a host without a URI would be a question half asked: 403.
//! - No field at all: the token is verified, and no rule applied.
//! - A route that goes by header fields is found by those of the question: the proxy passes its client's on.
//! - The address that a limit counts by is the last of `X-Forwarded-For` that is none of `trusted_proxies`,
//!   which the proxy is one of. Else all of its clients are one.
//! - The proxy takes the identity from this answer and overwrites the client's fields with it, also where
//!   the answer has none (`auth_request_set` with `proxy_set_header`; Traefik's `authResponseHeaders` and
//!   Caddy's `copy_headers` do so).

use gatepass_guard::{Challenge, GuardedRequest};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, header};
use hyper::body::Incoming;

use crate::admission::{self, Candidate};
use crate::answer::AnswerFields;
use crate::body::ResponseBody;
use crate::client::{ClientConnection, InFlight};
use crate::gateway::{Shared, State};
use crate::header::claim;
use crate::message;
use crate::record::Recording;
use crate::refusal::Refusal;
use crate::route::Demand;
use crate::route::path::RequestPath;

const METHOD: [HeaderName; 2] =
    [HeaderName::from_static("x-forwarded-method"), HeaderName::from_static("x-original-method")];
const URI: [HeaderName; 2] =
    [HeaderName::from_static("x-forwarded-uri"), HeaderName::from_static("x-original-uri")];
const HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

/// Answers a proxy's question.
pub(crate) async fn serve(
    shared: &Shared,
    state: &State,
    connection: &ClientConnection,
    question: &Request<Incoming>,
    recording: &mut Recording,
    in_flight: InFlight,
) -> Response<ResponseBody> {
    let mut fields = AnswerFields::default();
    let mut response = match verify(shared, state, connection, question, &mut fields, recording).await {
        Ok(identity) => {
            shared.counters.count_verified();
            let mut response = Response::new(ResponseBody::own("", in_flight));
            *response.headers_mut() = identity;
            response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
            response
        }
        Err(refusal) => {
            shared.counters.count_refused(refusal.code());
            recording.refused(&refusal);
            refusal.log();
            let mut response = refusal.into_response(&Challenge::default(), in_flight);
            // nginx makes 500 of anything but 200, 401 and 403; others pass a 404 on as if the service had
            // said so.
            if response.status().is_client_error() && response.status() != StatusCode::UNAUTHORIZED {
                *response.status_mut() = StatusCode::FORBIDDEN;
            }
            response
        }
    };
    fields.set(response.headers_mut());
    response
}

/// The identity to forward, as header fields.
async fn verify<'s>(
    shared: &Shared,
    state: &'s State,
    connection: &ClientConnection,
    question: &Request<Incoming>,
    fields: &mut AnswerFields<'s>,
    recording: &mut Recording,
) -> Result<HeaderMap, Refusal> {
    let headers = question.headers();
    message::require_one_credential(headers)?;
    // The connection is the proxy's: nothing is known here of the client's certificate.
    let guarded = GuardedRequest::new(question.method(), headers);
    let asked = || asked(headers);
    let candidate =
        Candidate { headers, guarded: &guarded, takes_dpop: false, peer: connection.address, asked: &asked };
    let mut identity = HeaderMap::new();
    let (method, uri) = (told(headers, &METHOD)?, told(headers, &URI)?);
    match (method, uri) {
        (None, None) => {
            let any = Demand::default();
            let token = admission::verify(&any, |_| None, &candidate, state, true).await?;
            if let Some(token) = token {
                recording.admitted(&token);
                claim::set(&mut identity, &state.config.routes.forward_auth.forward, &token)?;
            }
        }
        (Some(_), None) => return Err(Refusal::AskedUnclearly("a method without a URI")),
        (method, Some(uri)) => {
            let path = RequestPath::parse(uri.split_once('?').map_or(uri, |(path, _)| path))?;
            for index in find_routes(state, question, method, &path)? {
                let (route, _) = state.route(index).ok_or(Refusal::NoRoute)?;
                let token = admission::admit(route, &path, &candidate, shared, state, fields).await?;
                if let Some(token) = token {
                    recording.admitted(&token);
                    claim::set(&mut identity, &route.forward, &token)?;
                }
            }
        }
    }
    Ok(identity)
}

/// The routes whose rules the request has to meet that is asked about: the one of its method, or all of its
/// path if its method is not told.
fn find_routes(
    state: &State,
    question: &Request<Incoming>,
    method: Option<&str>,
    path: &RequestPath<'_>,
) -> Result<Vec<usize>, Refusal> {
    let own_host = message::host(question)?;
    let host = sole(question.headers(), &HOST)?.or(own_host.to_str().ok());
    let router = &state.config.routes.router;
    match method {
        None => {
            let endpoint = router.find_endpoint(host, path).ok_or(Refusal::NoRoute)?;
            Ok(endpoint.routes_with(question.headers())?)
        }
        Some(method) => {
            let no_method = |_| Refusal::AskedUnclearly("no such method");
            let method = Method::from_bytes(method.as_bytes()).map_err(no_method)?;
            Ok(vec![router.find(host, path, &method, question.headers())?])
        }
    }
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

/// For the log.
fn asked(headers: &HeaderMap) -> String {
    let text = |pair| told(headers, pair).ok().flatten().unwrap_or("-");
    format!("forward-auth {} {}", text(&METHOD), text(&URI))
}
