//! The journey of one request: checked, matched, admitted, cleaned, passed on.

use std::sync::Arc;

use gatepass_guard::{Admitted, Denied, GuardedRequest};
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, Uri, Version, header};
use hyper::body::Incoming;
use tracing::Level;

use crate::body::{Ending, RequestBody, ResponseBody};
use crate::client::{ClientConnection, InFlight};
use crate::gateway::{Shared, State};
use crate::header::hop_by_hop::{self, Nominated, Wishes};
use crate::header::reserved::ReservedHeaders;
use crate::header::{claim, forwarded, remove_fields};
use crate::refusal::Refusal;
use crate::route::path::RequestPath;
use crate::route::{Access, Route, TokenHandling};
use crate::upstream::{Answer, Upstream, UpstreamBody, tunnel};
use crate::watch::Watch;
use crate::{forward_auth, message};

/// Answers one request of a client.
pub(crate) async fn serve(
    shared: Arc<Shared>,
    connection: Arc<ClientConnection>,
    mut request: Request<Incoming>,
) -> Response<ResponseBody> {
    let in_flight = connection.begin();
    let state = shared.state.load_full();
    if request.uri().path() == state.config.routes.forward_auth.path {
        return forward_auth::serve(&shared, &state, &request, in_flight).await;
    }
    if let Some(resource) = &state.config.resource
        && request.uri().path() == resource.metadata_path()
    {
        return resource.serve(request.method(), in_flight);
    }
    let wishes = hop_by_hop::wishes(request.headers());
    let switching = wishes.websocket.then(|| hyper::upgrade::on(&mut request));
    let passed = match prepare(&shared, &state, &connection, &mut request, wishes).await {
        Ok((upstream, watch)) => {
            let request = request.map(|incoming| RequestBody::new(incoming, &state, watch.as_ref()));
            let sent = upstream.send(request, wishes.websocket && upstream.can_switch()).await;
            sent.map(|answer| (answer, watch)).map_err(Refusal::from)
        }
        Err(refusal) => Err(refusal),
    };
    match passed {
        Ok((Answer::Response(response), watch)) => {
            shared.counters.count_passed();
            to_client(response, watch, in_flight)
        }
        Ok((Answer::Switched(response, place), watch)) => {
            shared.counters.count_passed();
            let head = switched(&response, in_flight);
            if let Some(client) = switching {
                let idle = state.config.timeouts.tunnel;
                connection.set_tunnel(Box::pin(tunnel::carry(client, response, place, idle, watch)));
            }
            head
        }
        Err(refusal) => {
            shared.counters.count_refused(refusal.code());
            refusal.log();
            refusal.into_response(&state.challenge, in_flight)
        }
    }
}

/// Checks a request, and makes its head what the upstream is to see.
async fn prepare<'s>(
    shared: &Arc<Shared>,
    state: &'s State,
    connection: &ClientConnection,
    request: &mut Request<Incoming>,
    wishes: Wishes,
) -> Result<(&'s Upstream, Option<Watch>), Refusal> {
    let host = message::require_well_formed(request, &state.config.limits)?;
    let (route, upstream) = find_route(state, request, &host)?;
    let asked = || format!("{} {}", request.method(), request.uri().path());
    let url = external_url(state, request);
    let mut guarded =
        GuardedRequest::new(request.method(), request.headers()).with_certificate(connection.certificate());
    if let Some(url) = &url {
        guarded = guarded.with_url(url);
    }
    let token = admit_to(route, shared, state, request.headers(), &guarded, url.is_some(), asked).await?;
    let watch = token.as_ref().filter(|_| route.end_streams && route.enforce).and_then(|token| {
        let authorization = request.headers().get(header::AUTHORIZATION)?.clone();
        Some(Watch::new(Arc::clone(shared), authorization, token.clone()))
    });
    let from_proxy = state.trusts(connection.address);
    clean(request, route, &state.config.routes.reserved, from_proxy);
    let headers = request.headers_mut();
    forwarded::set(headers, &connection.address_value, &connection.scheme(), &host, from_proxy);
    headers.insert(header::HOST, host);
    if let Some(token) = &token {
        match claim::set(headers, &route.forward, token).map_err(Refusal::from) {
            Err(refusal) if !route.enforce => shared.counters.count_would_refuse(refusal.code()),
            outcome => outcome?,
        }
    }
    set_wishes(headers, Wishes { websocket: wishes.websocket && upstream.can_switch(), ..wishes });
    Ok((upstream, watch))
}

fn find_route<'s>(
    state: &'s State,
    request: &Request<Incoming>,
    host: &HeaderValue,
) -> Result<(&'s Route, &'s Upstream), Refusal> {
    // hyper takes a target without its leading slash for a query of `/`.
    let target = request.uri().path_and_query().map_or("", |target| target.as_str());
    let path = RequestPath::parse(if target.starts_with('/') { request.uri().path() } else { target })?;
    let index = state.config.routes.router.find(host.to_str().ok(), &path, request.method())?;
    state.route(index).ok_or(Refusal::NoRoute)
}

/// What a DPoP proof has to name, if one is to be expected.
fn external_url(state: &State, request: &Request<Incoming>) -> Option<String> {
    let resource = state.config.resource.as_ref()?;
    let scheme = request.headers().get(header::AUTHORIZATION)?.as_bytes().get(..4)?;
    scheme.eq_ignore_ascii_case(b"dpop").then(|| resource.url_of(request.uri().path()))
}

/// Lets in whom the route lets in. Where its rule is not enforced yet, what would have been refused is
/// counted and told to the log, and goes on as if no token were asked for.
pub(crate) async fn admit_to(
    route: &Route,
    shared: &Shared,
    state: &State,
    headers: &HeaderMap,
    request: &GuardedRequest<'_>,
    takes_dpop: bool,
    asked: impl Fn() -> String,
) -> Result<Option<Admitted>, Denied> {
    if route.enforce {
        return admit(state, &route.access, headers, request, takes_dpop, asked).await;
    }
    let asked = || format!("{} (not enforced)", asked());
    admit(state, &route.access, headers, request, takes_dpop, asked).await.or_else(|denied| {
        shared.counters.count_would_refuse(denied.code());
        Ok(None)
    })
}

/// Lets in whom the rule lets in. `None` for a public route, where no token is looked at.
pub(crate) async fn admit(
    state: &State,
    access: &Access,
    headers: &HeaderMap,
    request: &GuardedRequest<'_>,
    takes_dpop: bool,
    asked: impl Fn() -> String,
) -> Result<Option<Admitted>, Denied> {
    let Access::Token(rule) = access else { return Ok(None) };
    let verified = state.guards.verify(headers, request, takes_dpop).await;
    let outcome = match &verified {
        Ok(token) => rule.check(token),
        Err(denied) => Err(denied.clone()),
    };
    if let Err(denied) = outcome {
        if is_audited(&denied) {
            denied.audit(&asked(), verified.as_ref().ok());
        }
        return Err(denied);
    }
    verified.map(Some)
}

/// Saves putting an entry into words that nobody keeps: most refusals are of requests without a token.
fn is_audited(denied: &Denied) -> bool {
    match denied {
        Denied::Missing => tracing::enabled!(target: "gatepass::audit", Level::DEBUG),
        _ => tracing::enabled!(target: "gatepass::audit", Level::INFO),
    }
}

/// Takes everything out of a request's head that is the client's word for who it is or for which request
/// this is, and everything that ends at the gateway.
fn clean(
    request: &mut Request<Incoming>,
    route: &Route,
    reserved: &ReservedHeaders,
    from_trusted_proxy: bool,
) {
    let of_http_2 = request.version() == Version::HTTP_2;
    *request.version_mut() = Version::HTTP_11;
    // Only HTTP/2 and the absolute form have more than a path; that of all others goes on as it was read.
    if request.uri().authority().is_some() {
        *request.uri_mut() = request.uri().path_and_query().cloned().map(Uri::from).unwrap_or_default();
    }
    let headers = request.headers_mut();
    let nominated = Nominated::by(headers);
    let strip = route.token == TokenHandling::Strip;
    remove_fields(headers, |name| {
        hop_by_hop::ends_here(name, &nominated)
            || reserved.contains(name)
            || forwarded::is_hearsay(name, from_trusted_proxy)
            || (strip && *name == header::AUTHORIZATION)
            || *name == header::EXPECT
    });
    if of_http_2 {
        join_cookies(headers);
    }
}

/// RFC 9113 section 8.2.3: HTTP/2 lets a client split the field, HTTP/1.1 does not.
fn join_cookies(headers: &mut HeaderMap) {
    let mut cookies = headers.get_all(header::COOKIE).iter();
    let (Some(first), Some(second)) = (cookies.next(), cookies.next()) else { return };
    let mut joined = first.as_bytes().to_vec();
    for cookie in [second].into_iter().chain(cookies) {
        joined.extend_from_slice(b"; ");
        joined.extend_from_slice(cookie.as_bytes());
    }
    if let Ok(joined) = HeaderValue::try_from(joined) {
        headers.insert(header::COOKIE, joined);
    }
}

/// What the client asked of its connection, the gateway asks of its own.
fn set_wishes(headers: &mut HeaderMap, wishes: Wishes) {
    if wishes.trailers {
        headers.insert(header::TE, HeaderValue::from_static("trailers"));
    }
    if wishes.websocket {
        headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
        headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    }
}

fn to_client(
    mut response: Response<UpstreamBody>,
    watch: Option<Watch>,
    in_flight: InFlight,
) -> Response<ResponseBody> {
    let nominated = Nominated::by(response.headers());
    remove_fields(response.headers_mut(), |name| hop_by_hop::ends_here(name, &nominated));
    *response.version_mut() = Version::HTTP_11;
    let ending = watch.map(|watch| Ending::new(watch, response.headers()));
    response.map(|body| ResponseBody::upstream(body, ending, in_flight))
}

/// Tells the client that its connection is a tunnel from here on.
fn switched(upstream: &Response<Incoming>, in_flight: InFlight) -> Response<ResponseBody> {
    let mut response = Response::new(ResponseBody::own("", in_flight));
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    *response.headers_mut() = upstream.headers().clone();
    let nominated = Nominated::by(response.headers());
    remove_fields(response.headers_mut(), |name| hop_by_hop::ends_here(name, &nominated));
    set_wishes(response.headers_mut(), Wishes { websocket: true, trailers: false });
    response
}
