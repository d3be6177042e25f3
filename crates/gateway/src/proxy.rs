//! The journey of one request: checked, matched, admitted, cleaned, passed on.

use std::sync::Arc;
use std::time::Duration;

use gatepass_guard::{Admitted, GuardedRequest};
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Uri, Version, header};
use hyper::body::Incoming;

use crate::admission::{self, Attempt, Candidate};
use crate::answer::AnswerFields;
use crate::bff;
use crate::body::{Ending, RequestBody, ResponseBody, may_pause};
use crate::client::{ClientConnection, InFlight};
use crate::credentials::Credentials;
use crate::gateway::{Shared, State};
use crate::header::hop_by_hop::{self, Nominated, Wishes};
use crate::header::reserved::ReservedHeaders;
use crate::header::{claim, forwarded, remove_fields};
use crate::record::Recording;
use crate::refusal::Refusal;
use crate::resource::{self, Resource};
use crate::route::path::{PathError, RequestPath};
use crate::route::{Route, TokenHandling};
use crate::upstream::{Answer, Upstream, UpstreamBody, tunnel};
use crate::watch::Watch;
use crate::{cors, forward_auth, message};

/// Answers one request of a client.
pub(crate) async fn serve(
    shared: Arc<Shared>,
    connection: Arc<ClientConnection>,
    request: Request<Incoming>,
) -> Response<ResponseBody> {
    let state = shared.state.load_full();
    let version = request.version();
    let mut recording = Recording::begin(&shared, &state, &connection, &request);
    let mut response = answer(&shared, &state, &connection, request, &mut recording).await;
    if response.status() == StatusCode::SWITCHING_PROTOCOLS
        && let Some(tunnel) = connection.take_tunnel()
    {
        let recording = recording.answer_and_tunnel(&mut response);
        connection.set_tunnel(Box::pin(async move {
            tunnel.await;
            drop(recording);
        }));
        return response;
    }
    let is_http_2 = version == Version::HTTP_2;
    let response = recording.answer(response);
    if is_http_2 {
        response.map(|body| body.overseen(&connection, state.config.timeouts.stall))
    } else {
        response
    }
}

async fn answer(
    shared: &Arc<Shared>,
    state: &Arc<State>,
    connection: &Arc<ClientConnection>,
    mut request: Request<Incoming>,
    recording: &mut Recording,
) -> Response<ResponseBody> {
    let in_flight = connection.begin();
    if let Some(below) = state.config.routes.forward_auth.below(request.uri().path()) {
        recording.serves_forward_auth();
        return forward_auth::serve(shared, state, connection, &request, below, recording, in_flight).await;
    }
    if let Some(resource) = find_resource(state, &request) {
        recording.serves_metadata();
        return resource.serve(request.method(), in_flight);
    }
    if let Some(bff) = &state.bff
        && let Some(endpoint) = bff.endpoint(request.uri().path())
    {
        recording.serves_sessions();
        // Not inline: other requests are not to be as large.
        return Box::pin(bff::serve(state, bff, endpoint, &request, recording, in_flight)).await;
    }
    if *request.method() == Method::OPTIONS
        && let Some(preflight) = cors::preflight(state, &request, recording)
    {
        return cors::answer(preflight, state, recording, in_flight);
    }
    let mut fields = AnswerFields::default();
    let wishes = hop_by_hop::wishes(request.headers());
    let switching = wishes.websocket.then(|| hyper::upgrade::on(&mut request));
    let passed = match prepare(shared, state, connection, &mut request, wishes, &mut fields, recording).await
    {
        Ok(Prepared { upstream, watch, body_may_last, long_bodies }) => {
            let body = |incoming| RequestBody::new(incoming, state, watch.as_ref(), body_may_last);
            let request = request.map(body);
            recording.uploads(request.body().progress());
            let asked = recording.stopwatch();
            let sent = upstream.send(request, wishes.websocket && upstream.can_switch()).await;
            recording.asked(upstream.name(), asked);
            let pause = (watch.is_none() && !long_bodies).then_some(state.config.timeouts.stall);
            sent.map(|answer| (answer, watch, pause)).map_err(Refusal::from)
        }
        Err(refusal) => {
            fields.offer_login(bff::offer_login(state, &fields, &refusal, &request));
            Err(refusal)
        }
    };
    let mut answer = match passed {
        Ok((Answer::Response(response), watch, pause)) => {
            shared.counters.count_passed();
            recording.passed();
            to_client(response, watch, pause, state, in_flight)
        }
        Ok((Answer::Switched(response, place), watch, _)) => {
            shared.counters.count_passed();
            recording.passed();
            let head = switched(&response, state, in_flight);
            if let Some(client) = switching {
                let idle = state.config.timeouts.tunnel;
                connection.set_tunnel(Box::pin(tunnel::carry(client, response, place, idle, watch)));
            }
            head
        }
        Err(refusal) => {
            recording.refused(&refusal);
            refusal.log();
            fields.refuse(&refusal, state).map(|text| ResponseBody::own(text, in_flight))
        }
    };
    fields.set(answer.headers_mut());
    answer
}

/// A request that may be passed on.
struct Prepared<'s> {
    upstream: &'s Upstream,
    watch: Option<Watch>,
    /// Its body comes as slowly as it likes: what it opens ends with its token, or the route says so.
    body_may_last: bool,
    /// The route says so.
    long_bodies: bool,
}

/// Checks a request, and makes its head what the upstream is to see. `fields` learns what its answer is to say
/// beside that, as soon as the route is known.
async fn prepare<'s>(
    shared: &Arc<Shared>,
    state: &'s State,
    connection: &ClientConnection,
    request: &mut Request<Incoming>,
    wishes: Wishes,
    fields: &mut AnswerFields<'s>,
    recording: &mut Recording,
) -> Result<Prepared<'s>, Refusal> {
    let host = message::require_well_formed(request, &state.config.limits)?;
    let path = request_path(request)?;
    let (route, upstream) = find_route(state, request, &host, &path, recording)?;
    *fields = AnswerFields::of_route(route, request.headers());
    let target = request.uri().path_and_query().map_or("", PathAndQuery::as_str);
    let of = (request.method(), target, request.headers());
    let mut credentials = Credentials::of_request(route, of, wishes.websocket, shared, state, fields).await?;
    let token = admit(route, &path, request, &mut credentials, connection, shared, state, fields).await?;
    if let Some(token) = &token {
        recording.admitted(token);
        if let Credentials::Session(session) = &credentials {
            request.headers_mut().insert(header::AUTHORIZATION, session.authorization().clone());
        }
    }
    let watch = token.as_ref().filter(|_| route.end_streams && route.enforce).map(|token| {
        let authorization = request.headers().get(header::AUTHORIZATION).cloned();
        Watch::new(Arc::clone(shared), authorization, token.clone(), route.on_stale.clone())
    });
    let exchanged = match &token {
        Some(token) => exchange(shared, state, route, token, request.headers()).await?,
        None => None,
    };
    if let Credentials::Ticket(ticket) = &credentials {
        ticket.remove_from(request)?;
    }
    let from_proxy = state.trusts(connection.address);
    clean(request, route, &state.config.routes.reserved, from_proxy);
    let headers = request.headers_mut();
    if let Some(bff) = &state.bff {
        bff.cookies.strip(headers);
    }
    state.config.forwarded.set(headers, connection.hop(&host), from_proxy);
    headers.insert(header::HOST, host);
    recording.write(headers);
    if let Some(token) = &token {
        let set = claim::set(headers, &route.forward, token).map_err(Refusal::from);
        admission::enforce(route, shared, set)?;
    }
    headers.extend(exchanged.map(|authorization| (header::AUTHORIZATION, authorization)));
    set_wishes(headers, Wishes { websocket: wishes.websocket && upstream.can_switch(), ..wishes });
    let long_bodies = route.long_bodies;
    Ok(Prepared { upstream, watch, body_may_last: token.is_some() || long_bodies, long_bodies })
}

/// Lets a request in with what it brings.
#[allow(clippy::too_many_arguments)] // all that there is to know of a request
async fn admit<'s>(
    route: &'s Route,
    path: &RequestPath<'_>,
    request: &Request<Incoming>,
    credentials: &mut Credentials,
    connection: &ClientConnection,
    shared: &Shared,
    state: &'s State,
    fields: &mut AnswerFields<'s>,
) -> Result<Option<Admitted>, Refusal> {
    let (method, headers) = (request.method(), request.headers());
    let asked = || format!("{method} {}", request.uri().path());
    let url = external_url(state, route, headers, request.uri().path());
    let mut guarded = GuardedRequest::new(method, headers).with_certificate(connection.certificate());
    if let Some(url) = &url {
        guarded = guarded.with_url(url);
    }
    let own = Candidate {
        headers,
        guarded: &guarded,
        ticket: None,
        attempt: Attempt::Only,
        takes_dpop: url.is_some(),
        peer: connection.address,
        asked: &asked,
    };
    credentials.admit(route, (method, path), &own, shared, state, fields).await
}

/// The credentials for the service behind, where the route has the client's token exchanged.
async fn exchange(
    shared: &Shared,
    state: &State,
    route: &Route,
    token: &Admitted,
    headers: &HeaderMap,
) -> Result<Option<HeaderValue>, Refusal> {
    let TokenHandling::Exchange(wanted) = &route.token else { return Ok(None) };
    match state.guards.exchange(token, headers, wanted).await.map_err(Refusal::from) {
        Ok(exchanged) => Ok(Some(exchanged.authorization().clone())),
        Err(refusal) if !route.enforce => {
            shared.counters.refusals.count_would_refuse(&refusal);
            Ok(None)
        }
        Err(refusal) => Err(refusal),
    }
}

/// The path of a request's target, which is not always the one that hyper gives.
pub(crate) fn request_path(request: &Request<Incoming>) -> Result<RequestPath<'_>, PathError> {
    // hyper takes a target without its leading slash for a query of `/`.
    let target = request.uri().path_and_query().map_or("", |target| target.as_str());
    RequestPath::parse(if target.starts_with('/') { request.uri().path() } else { target })
}

fn find_route<'s>(
    state: &'s State,
    request: &Request<Incoming>,
    host: &HeaderValue,
    path: &RequestPath<'_>,
    recording: &mut Recording,
) -> Result<(&'s Route, &'s Upstream), Refusal> {
    let router = &state.config.routes.router;
    let index = router.find(host.to_str().ok(), path, request.method(), request.headers())?;
    if let Some(stats) = state.route_stats.get(index) {
        recording.serves_route(stats);
    }
    state.route(index).ok_or(Refusal::NoRoute)
}

/// The resource whose metadata a request asks for.
fn find_resource<'s>(state: &'s State, request: &Request<Incoming>) -> Option<&'s Resource> {
    let host = message::host(request).ok();
    let host = host.as_ref().and_then(|host| host.to_str().ok());
    resource::asked_for(&state.config.resources, host, request.uri().path())
}

/// What a DPoP proof has to name, if one is to be expected.
pub(crate) fn external_url(state: &State, route: &Route, headers: &HeaderMap, path: &str) -> Option<String> {
    let resource = state.config.resources.get(route.resource)?;
    let scheme = headers.get(header::AUTHORIZATION)?.as_bytes().get(..4)?;
    scheme.eq_ignore_ascii_case(b"dpop").then(|| resource.url_of(path))
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
    let strip = route.token != TokenHandling::Keep;
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
    pause: Option<Duration>,
    state: &State,
    in_flight: InFlight,
) -> Response<ResponseBody> {
    clean_answer(response.headers_mut(), state);
    *response.version_mut() = Version::HTTP_11;
    let ending = watch.map(|watch| Ending::new(watch, response.headers()));
    let pause = pause.filter(|_| !may_pause(response.headers()));
    response.map(|body| ResponseBody::upstream(body, ending, pause, in_flight))
}

/// Leaves of a server's fields what is for the client and the server's to say.
fn clean_answer(headers: &mut HeaderMap, state: &State) {
    let nominated = Nominated::by(headers);
    remove_fields(headers, |name| hop_by_hop::ends_here(name, &nominated));
    if let Some(bff) = &state.bff {
        bff.cookies.refuse_foreign(headers);
    }
}

/// Tells the client that its connection is a tunnel from here on.
fn switched(upstream: &Response<Incoming>, state: &State, in_flight: InFlight) -> Response<ResponseBody> {
    let mut response = Response::new(ResponseBody::own("", in_flight));
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    *response.headers_mut() = upstream.headers().clone();
    clean_answer(response.headers_mut(), state);
    set_wishes(response.headers_mut(), Wishes { websocket: true, trailers: false });
    response
}
