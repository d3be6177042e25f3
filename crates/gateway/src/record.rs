//! What is told of a request: counted at the head of its answer, written as a line and as a span at its end.
//!
//! A [`Recording`] goes with the request from its head to the last byte of its response or tunnel, and tells
//! when it is dropped, however that comes about. Without an access log and without tracing it is a few words
//! on the stack; what a line or a span needs is only collected for whoever wants one.

mod span;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use gatepass_guard::{Admitted, Denied};
use gatepass_net::{is_request_id, request_id};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Version};
use hyper::body::Incoming;

use crate::access_log::AccessLog;
use crate::body::{ResponseBody, UploadProgress};
use crate::client::ClientConnection;
use crate::clock;
use crate::gateway::{Shared, State};
use crate::header::{reads_like, remove_fields, sole_value};
use crate::refusal::Refusal;
use crate::stats::refusals::Reason;
use crate::stats::route::{Outcome, RouteStats};
use crate::trace::{self, Place};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Of a text that a client chose this much is told.
const MAX_TEXT: usize = 1024;

/// A request that is being served.
pub(crate) struct Recording {
    shared: Arc<Shared>,
    begun: Instant,
    served: Served,
    outcome: Outcome,
    is_answered: bool,
    is_tunnel: bool,
    place: Option<Place>,
    /// Bytes of the response's body that have been handed to the client's connection.
    sent: u64,
    is_complete: bool,
    is_ended: bool,
    record: Option<Box<Record>>,
}

/// What a request asked for.
enum Served {
    Nothing,
    ForwardAuth,
    Metadata,
    Sessions,
    Route(Arc<RouteStats>),
}

/// All that a line and a span are made of. Nothing in it opens anything: there is no token, no query and no
/// field of the request but its host and its name.
pub(crate) struct Record {
    /// Where the line goes.
    log: Option<Arc<AccessLog>>,
    pub(crate) started: SystemTime,
    /// Where there is a log.
    pub(crate) request_id: Option<HeaderValue>,
    /// Who asked, as far as trusted proxies tell.
    pub(crate) client: IpAddr,
    /// Who connected.
    pub(crate) peer: IpAddr,
    pub(crate) version: Version,
    pub(crate) is_tls: bool,
    pub(crate) method: Method,
    pub(crate) host: Option<String>,
    pub(crate) path: String,
    pub(crate) route: Option<String>,
    pub(crate) outcome: Outcome,
    pub(crate) status: Option<StatusCode>,
    /// Of the refusal, or of what ended the response.
    pub(crate) reason: Option<Reason>,
    pub(crate) token: Option<Admitted>,
    pub(crate) upstream: Option<String>,
    /// From asking it to the head of its answer.
    pub(crate) upstream_took: Option<Duration>,
    upload: Option<UploadProgress>,
    pub(crate) received: u64,
    pub(crate) sent: u64,
    pub(crate) is_complete: bool,
    pub(crate) took: Duration,
    pub(crate) place: Option<Place>,
    trace_state: Option<HeaderValue>,
}

impl Recording {
    /// For a request whose head has been read.
    pub(crate) fn begin(
        shared: &Arc<Shared>,
        state: &State,
        connection: &ClientConnection,
        request: &Request<Incoming>,
    ) -> Self {
        shared.counters.in_flight.enter();
        let place = state.config.tracing.as_ref().map(|settings| {
            let believed = !settings.from_trusted_proxies || state.trusts(connection.address);
            Place::of(request.headers(), settings, believed)
        });
        let is_exported = place.is_some_and(|place| place.here.sampled) && shared.spans.get().is_some();
        let is_told = is_exported || state.access_log.is_some();
        Self {
            shared: Arc::clone(shared),
            begun: Instant::now(),
            served: Served::Nothing,
            outcome: Outcome::Answered,
            is_answered: false,
            is_tunnel: false,
            place,
            sent: 0,
            is_complete: *request.method() == Method::HEAD,
            is_ended: false,
            record: is_told.then(|| Box::new(Record::begin(state, connection, request, place))),
        }
    }

    pub(crate) fn serves_route(&mut self, route: &Arc<RouteStats>) {
        self.served = Served::Route(Arc::clone(route));
    }

    pub(crate) fn serves_forward_auth(&mut self) {
        self.served = Served::ForwardAuth;
    }

    pub(crate) fn serves_metadata(&mut self) {
        self.served = Served::Metadata;
    }

    pub(crate) fn serves_sessions(&mut self) {
        self.served = Served::Sessions;
    }

    pub(crate) fn admitted(&mut self, token: &Admitted) {
        if let Some(record) = &mut self.record {
            record.token = Some(token.clone());
        }
    }

    /// Tells the upstream which request this is, and of which trace.
    pub(crate) fn write(&self, headers: &mut HeaderMap) {
        if let Some(id) = self.request_id() {
            remove_fields(headers, |name| reads_like(name.as_str().as_bytes(), REQUEST_ID.as_str()));
            headers.insert(REQUEST_ID, id.clone());
        }
        if let Some(place) = &self.place {
            place.write(headers);
        }
    }

    pub(crate) fn uploads(&mut self, progress: Option<UploadProgress>) {
        if let Some(record) = &mut self.record {
            record.upload = progress;
        }
    }

    /// Now, for whom it will be told how long the upstream took.
    pub(crate) fn stopwatch(&self) -> Option<Instant> {
        self.record.is_some().then(Instant::now)
    }

    /// An upstream was asked, at the moment that the stopwatch was started.
    pub(crate) fn asked(&mut self, upstream: &str, started: Option<Instant>) {
        if let (Some(record), Some(started)) = (&mut self.record, started) {
            record.upstream = Some(upstream.to_owned());
            record.upstream_took = Some(started.elapsed());
        }
    }

    pub(crate) fn passed(&mut self) {
        self.outcome = Outcome::Passed;
    }

    /// Counts a refusal.
    pub(crate) fn refused(&mut self, refusal: &Refusal) {
        let reason = Reason::from(refusal);
        self.shared.counters.refusals.count_refused(reason);
        let failed = refusal.status().is_server_error();
        self.outcome = if failed { Outcome::Failed } else { Outcome::Refused };
        if let Some(record) = &mut self.record {
            record.reason = Some(reason);
        }
    }

    /// Counts the answer, and has it carry this on to its end.
    pub(crate) fn answer(mut self, mut response: Response<ResponseBody>) -> Response<ResponseBody> {
        self.note_answer(&mut response);
        response.body_mut().record(self);
        response
    }

    /// Counts a switch to another protocol; what is returned is to be kept until the tunnel ends.
    pub(crate) fn answer_and_tunnel(mut self, response: &mut Response<ResponseBody>) -> Self {
        self.note_answer(response);
        self.shared.counters.tunnels.enter();
        (self.is_tunnel, self.is_complete) = (true, true);
        self
    }

    fn note_answer(&mut self, response: &mut Response<ResponseBody>) {
        self.is_answered = true;
        self.stats().count(self.outcome, response.status(), self.begun.elapsed());
        if let Some(id) = self.request_id() {
            response.headers_mut().insert(REQUEST_ID, id.clone());
        }
        if let Some(record) = &mut self.record {
            record.status = Some(response.status());
        }
    }

    /// So much of the response's body went on its way.
    pub(crate) fn sent(&mut self, bytes: usize) {
        self.sent += bytes as u64;
    }

    /// The whole response went on its way.
    pub(crate) fn complete(&mut self) {
        self.is_complete = true;
    }

    /// The response ends before its time, for the token's sake.
    pub(crate) fn ended(&mut self, denied: &Denied) {
        self.is_ended = true;
        if let Some(record) = &mut self.record {
            record.reason = Some(denied.into());
        }
    }

    fn request_id(&self) -> Option<&HeaderValue> {
        self.record.as_ref()?.request_id.as_ref()
    }

    fn stats(&self) -> &RouteStats {
        let own = &self.shared.counters.own;
        match &self.served {
            Served::Nothing => &own.none,
            Served::ForwardAuth => &own.forward_auth,
            Served::Metadata => &own.metadata,
            Served::Sessions => &own.sessions,
            Served::Route(route) => route,
        }
    }
}

impl Drop for Recording {
    fn drop(&mut self) {
        self.shared.counters.in_flight.leave();
        if self.is_tunnel {
            self.shared.counters.tunnels.leave();
        }
        if !self.is_answered {
            self.outcome = Outcome::Aborted;
            self.stats().count_aborted();
        }
        let Some(mut record) = self.record.take() else { return };
        record.outcome = self.outcome;
        record.took = self.begun.elapsed();
        record.sent = self.sent;
        record.is_complete = self.is_complete && self.is_answered && !self.is_ended;
        record.received = record.upload.take().map_or(0, |upload| upload.received());
        record.route = match &self.served {
            Served::Nothing => None,
            _ => Some(self.stats().label.route.clone()),
        };
        if let (Some(sink), Some(span)) = (self.shared.spans.get(), record.span()) {
            sink.take(span);
        }
        if let Some(log) = record.log.take() {
            log.write(record);
        }
    }
}

impl std::fmt::Debug for Recording {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Recording").field("outcome", &self.outcome).finish_non_exhaustive()
    }
}

impl Record {
    fn begin(
        state: &State,
        connection: &ClientConnection,
        request: &Request<Incoming>,
        place: Option<Place>,
    ) -> Self {
        let (headers, peer) = (request.headers(), connection.address.to_canonical());
        let is_trusted = state.trusts(peer);
        let request_id = || {
            let given = sole_value(headers, &REQUEST_ID).filter(|id| is_trusted && is_request_id(id));
            given.cloned().unwrap_or_else(request_id)
        };
        let authority = request.uri().authority().map(|authority| authority.as_str());
        let host = authority.or_else(|| headers.get(http::header::HOST)?.to_str().ok());
        Self {
            started: clock::now(),
            request_id: state.access_log.as_ref().map(|_| request_id()),
            log: state.access_log.clone(),
            client: state.config.forwarded.client(headers, peer, |address| state.trusts(address)),
            peer,
            version: request.version(),
            is_tls: connection.is_tls(),
            method: request.method().clone(),
            host: host.map(shortened),
            path: shortened(request.uri().path()),
            route: None,
            outcome: Outcome::Aborted,
            status: None,
            reason: None,
            token: None,
            upstream: None,
            upstream_took: None,
            upload: None,
            received: 0,
            sent: 0,
            is_complete: false,
            took: Duration::ZERO,
            trace_state: place.and_then(|place| {
                place.parent.and_then(|_| sole_value(headers, &trace::TRACESTATE).cloned())
            }),
            place,
        }
    }

    /// As ALPN names it.
    pub(crate) fn protocol(&self) -> &'static str {
        match self.version {
            Version::HTTP_10 => "http/1.0",
            Version::HTTP_2 => "h2",
            _ => "http/1.1",
        }
    }
}

/// The beginning of a text that a client chose.
fn shortened(text: &str) -> String {
    text.get(..text.floor_char_boundary(MAX_TEXT)).unwrap_or_default().to_owned()
}
