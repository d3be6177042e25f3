//! Shared signals: the streams of receivers
//! ([OpenID Shared Signals Framework 1.0 section 8](https://openid.net/specs/openid-sharedsignals-framework-1_0-final.html)).

mod configuration;
mod poll;

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use gatepass_issuer::id::{ClientId, StreamId};
use gatepass_issuer::signals::{
    Delivery, EventType, NewDelivery, Stream, StreamChange, StreamError, StreamStatus, VerificationError,
};
use gatepass_issuer::{SIGNALS_MANAGE, SIGNALS_READ};
use gatepass_jose::Audience;
use http::{HeaderMap, StatusCode, Uri};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Value, json};
use zeroize::Zeroizing;

pub(crate) use self::configuration::{Configuration, configuration};
pub(crate) use self::poll::poll;
use crate::bearer;
use crate::body::Json;
use crate::dpop::Proof;
use crate::form::Form;
use crate::problem::Problem;
use crate::server::Server;

/// The delivery methods' names.
const PUSH: &str = "urn:ietf:rfc:8935";
const POLL: &str = "urn:ietf:rfc:8936";

/// What a receiver says about its stream. Members that are the transmitter's may come back with a change, and must be what
/// they are then.
#[derive(Deserialize)]
pub(crate) struct StreamRequest {
    stream_id: Option<StreamId>,
    iss: Option<String>,
    aud: Option<Audience>,
    events_supported: Option<Vec<String>>,
    events_delivered: Option<Vec<String>>,
    delivery: Option<DeliveryRequest>,
    events_requested: Option<Vec<String>>,
    #[serde(default, deserialize_with = "given")]
    description: Option<Option<String>>,
}

#[derive(Deserialize)]
struct DeliveryRequest {
    method: String,
    endpoint_url: Option<String>,
    #[serde(default, deserialize_with = "secret")]
    authorization_header: Option<Zeroizing<String>>,
}

#[derive(Deserialize)]
pub(crate) struct StatusRequest {
    stream_id: StreamId,
    status: StreamStatus,
    reason: Option<String>,
}

#[derive(Deserialize)]
pub(crate) struct VerificationRequest {
    stream_id: StreamId,
    state: Option<String>,
}

#[derive(Serialize)]
struct StreamAnswer<'s> {
    stream_id: StreamId,
    iss: &'s str,
    aud: &'s ClientId,
    events_supported: [&'static str; 3],
    events_requested: &'s [String],
    events_delivered: Vec<&'static str>,
    delivery: Value,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'s str>,
}

/// `POST /ssf/stream`
pub(crate) async fn create(
    State(server): State<Arc<Server>>,
    headers: HeaderMap,
    proof: Proof,
    Json(request): Json<StreamRequest>,
) -> Result<Response, Problem> {
    let receiver = receiver(&server, &headers, &proof, true).await?;
    let delivery = request.delivery.map_or_else(poll_delivery, DeliveryRequest::check)?;
    let events = request.events_requested.unwrap_or_else(every_event);
    let description = request.description.flatten();
    let stream = server.issuer.create_stream(&receiver, delivery, events, description, server.now()).await?;
    Ok((StatusCode::CREATED, axum::Json(answer(&server, &stream))).into_response())
}

/// `GET /ssf/stream`, of one stream or of all that the receiver has.
pub(crate) async fn find(
    State(server): State<Arc<Server>>,
    headers: HeaderMap,
    proof: Proof,
    uri: Uri,
) -> Result<Response, Problem> {
    let receiver = receiver(&server, &headers, &proof, false).await?;
    let id = stream_id(&uri)?;
    match (server.issuer.find_stream(&receiver, id).await, id) {
        (Ok(stream), Some(_)) => Ok(axum::Json(answer(&server, &stream)).into_response()),
        (Ok(stream), None) => Ok(axum::Json([answer(&server, &stream)]).into_response()),
        (Err(StreamError::Unknown), None) => Ok(axum::Json([(); 0]).into_response()),
        (Err(error), _) => Err(error.into()),
    }
}

/// `PATCH /ssf/stream`: what is left out stays.
pub(crate) async fn change(
    State(server): State<Arc<Server>>,
    headers: HeaderMap,
    proof: Proof,
    Json(request): Json<StreamRequest>,
) -> Result<Response, Problem> {
    let change = |request: StreamRequest| {
        let delivery = request.delivery.map(DeliveryRequest::check).transpose()?;
        let StreamRequest { events_requested, description, .. } = request;
        Ok(StreamChange { delivery, events_requested, description, status: None })
    };
    changed(&server, &headers, &proof, request, change).await
}

/// `PUT /ssf/stream`: what is left out is as if the stream were new.
pub(crate) async fn replace(
    State(server): State<Arc<Server>>,
    headers: HeaderMap,
    proof: Proof,
    Json(request): Json<StreamRequest>,
) -> Result<Response, Problem> {
    let change = |request: StreamRequest| {
        Ok(StreamChange {
            delivery: Some(request.delivery.map_or_else(poll_delivery, DeliveryRequest::check)?),
            events_requested: Some(request.events_requested.unwrap_or_else(every_event)),
            description: Some(request.description.flatten()),
            status: None,
        })
    };
    changed(&server, &headers, &proof, request, change).await
}

async fn changed(
    server: &Server,
    headers: &HeaderMap,
    proof: &Proof,
    request: StreamRequest,
    change: impl FnOnce(StreamRequest) -> Result<StreamChange, Problem>,
) -> Result<Response, Problem> {
    let receiver = receiver(server, headers, proof, true).await?;
    let id = request.stream_id.ok_or_else(|| Problem::invalid_value("stream_id", "it is missing"))?;
    request.require_true(server, &server.issuer.find_stream(&receiver, Some(id)).await?)?;
    let stream = server.issuer.change_stream(&receiver, id, change(request)?).await?;
    Ok(axum::Json(answer(server, &stream)).into_response())
}

/// `DELETE /ssf/stream`
pub(crate) async fn remove(
    State(server): State<Arc<Server>>,
    headers: HeaderMap,
    proof: Proof,
    uri: Uri,
) -> Result<StatusCode, Problem> {
    let receiver = receiver(&server, &headers, &proof, true).await?;
    let id = stream_id(&uri)?.ok_or_else(|| Problem::invalid_value("stream_id", "it is missing"))?;
    server.issuer.remove_stream(&receiver, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// `GET /ssf/status`
pub(crate) async fn status(
    State(server): State<Arc<Server>>,
    headers: HeaderMap,
    proof: Proof,
    uri: Uri,
) -> Result<Response, Problem> {
    let receiver = receiver(&server, &headers, &proof, false).await?;
    let stream = server.issuer.find_stream(&receiver, stream_id(&uri)?).await?;
    Ok(axum::Json(status_answer(&stream)).into_response())
}

/// `POST /ssf/status`
pub(crate) async fn change_status(
    State(server): State<Arc<Server>>,
    headers: HeaderMap,
    proof: Proof,
    Json(request): Json<StatusRequest>,
) -> Result<Response, Problem> {
    let receiver = receiver(&server, &headers, &proof, true).await?;
    let change = StreamChange { status: Some((request.status, request.reason)), ..StreamChange::default() };
    let stream = server.issuer.change_stream(&receiver, request.stream_id, change).await?;
    Ok(axum::Json(status_answer(&stream)).into_response())
}

/// `POST /ssf/verify`
pub(crate) async fn verify(
    State(server): State<Arc<Server>>,
    headers: HeaderMap,
    proof: Proof,
    Json(request): Json<VerificationRequest>,
) -> Result<StatusCode, Problem> {
    let receiver = receiver(&server, &headers, &proof, true).await?;
    server.issuer.verify_stream(&receiver, request.stream_id, request.state).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The client that the access token speaks for: itself and no user, with the scope for this.
async fn receiver(
    server: &Server,
    headers: &HeaderMap,
    proof: &Proof,
    manages: bool,
) -> Result<ClientId, Problem> {
    let caller = bearer::authenticate(&server.issuer, headers, proof, server.now()).await?;
    let may = |scope| caller.claims.scope.contains(scope);
    let is_client = caller.claims.sub == caller.claims.client_id;
    match caller.claims.client_id.parse() {
        Ok(client) if is_client && (may(SIGNALS_MANAGE) || !manages && may(SIGNALS_READ)) => Ok(client),
        _ => Err(bearer::BearerRefusal::InsufficientScope.into()),
    }
}

fn stream_id(uri: &Uri) -> Result<Option<StreamId>, Problem> {
    let query = Form::parse(uri.query().unwrap_or_default().as_bytes())?;
    query.require_only(&["stream_id"])?;
    query.find("stream_id").map(str::parse).transpose().map_err(|_| Problem::not_found())
}

impl StreamRequest {
    /// Demands that what is not the receiver's to change is what it is
    /// ([sections 8.1.1.3 and 8.1.1.4](https://openid.net/specs/openid-sharedsignals-framework-1_0-final.html#section-8.1.1.3)).
    fn require_true(&self, server: &Server, stream: &Stream) -> Result<(), Problem> {
        let known = answer(server, stream);
        let differ = |said: &Option<Vec<String>>, known: &[&str]| {
            let are = |said: &Vec<String>| {
                said.len() == known.len() && known.iter().all(|known| said.iter().any(|said| said == known))
            };
            said.as_ref().is_some_and(|said| !are(said))
        };
        let is_elsewhere = |delivery: &DeliveryRequest| {
            let url = delivery.endpoint_url.as_ref();
            delivery.method == POLL && url.is_some_and(|url| *url != poll_url(server))
        };
        let wrong = [
            ("iss", self.iss.as_ref().is_some_and(|iss| iss != known.iss)),
            ("aud", self.aud.as_ref().is_some_and(|aud| !aud.iter().eq([known.aud.as_str()]))),
            ("events_supported", differ(&self.events_supported, &known.events_supported)),
            ("events_delivered", differ(&self.events_delivered, &known.events_delivered)),
            ("delivery.endpoint_url", self.delivery.as_ref().is_some_and(is_elsewhere)),
        ];
        match wrong.into_iter().find(|(_, is_wrong)| *is_wrong) {
            Some((member, _)) => {
                Err(Problem::invalid_value(member, "it is this server's to say, which says another"))
            }
            None => Ok(()),
        }
    }
}

impl DeliveryRequest {
    fn check(self) -> Result<NewDelivery, Problem> {
        let delivery = match (self.method.as_str(), self.endpoint_url) {
            (PUSH, Some(url)) => {
                let url =
                    url.parse().map_err(|error| Problem::invalid_value("delivery.endpoint_url", error))?;
                Delivery::Push(url)
            }
            (PUSH, None) => return Err(Problem::invalid_value("delivery.endpoint_url", "it is missing")),
            (POLL, _) => Delivery::Poll,
            _ => {
                return Err(Problem::invalid_value(
                    "delivery.method",
                    format_args!("it is {PUSH} or {POLL}"),
                ));
            }
        };
        Ok(NewDelivery { delivery, authorization: self.authorization_header })
    }
}

fn poll_delivery() -> Result<NewDelivery, Problem> {
    Ok(NewDelivery { delivery: Delivery::Poll, authorization: None })
}

fn poll_url(server: &Server) -> String {
    format!("{}/ssf/poll", server.issuer.name().as_str().trim_end_matches('/'))
}

fn every_event() -> Vec<String> {
    EventType::SUPPORTED.iter().map(|event| event.uri().to_owned()).collect()
}

fn answer<'s>(server: &'s Server, stream: &'s Stream) -> StreamAnswer<'s> {
    let delivery = match &stream.config.delivery {
        Delivery::Push(url) => json!({ "method": PUSH, "endpoint_url": url }),
        Delivery::Poll => json!({ "method": POLL, "endpoint_url": poll_url(server) }),
    };
    StreamAnswer {
        stream_id: stream.id,
        iss: server.issuer.name().as_str(),
        aud: &stream.client,
        events_supported: EventType::SUPPORTED.map(EventType::uri),
        events_requested: &stream.config.events_requested,
        events_delivered: stream.events_delivered().map(EventType::uri).collect(),
        delivery,
        description: stream.config.description.as_deref(),
    }
}

fn status_answer(stream: &Stream) -> Value {
    let mut answer = json!({ "stream_id": stream.id, "status": stream.config.status });
    if let (Some(reason), Some(answer)) = (&stream.config.reason, answer.as_object_mut()) {
        answer.insert("reason".to_owned(), json!(reason));
    }
    answer
}

/// A member that is there, null or not.
fn given<'de, D: Deserializer<'de>, T: Deserialize<'de>>(from: D) -> Result<Option<T>, D::Error> {
    T::deserialize(from).map(Some)
}

fn secret<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Zeroizing<String>>, D::Error> {
    Ok(Option::<String>::deserialize(from)?.map(Zeroizing::new))
}

impl From<StreamError> for Problem {
    fn from(error: StreamError) -> Self {
        match error {
            StreamError::Exists => Self::new(StatusCode::CONFLICT, "exists", error.to_string()),
            StreamError::Unknown => Self::not_found(),
            StreamError::Invalid(_) => Self::invalid_request(error.to_string()),
            StreamError::Store(error) => error.into(),
            error => Self::internal(&error),
        }
    }
}

impl From<VerificationError> for Problem {
    fn from(error: VerificationError) -> Self {
        match error {
            VerificationError::Stream(error) => error.into(),
            error => Self::new(StatusCode::TOO_MANY_REQUESTS, "throttled", error.to_string()),
        }
    }
}
