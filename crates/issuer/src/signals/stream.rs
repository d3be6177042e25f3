//! Streams: who is told what, and how
//! ([SSF 1.0 section 8.1](https://openid.net/specs/openid-sharedsignals-framework-1_0-final.html)).

use gatepass_jose::{Timestamp, base64url};
use serde::{Deserialize, Serialize};
use thiserror::Error;
use zeroize::Zeroizing;

use super::event::EventType;
use crate::client::{NotificationUri, SealedSecret};
use crate::id::{ClientId, StreamId};
use crate::issuer::Issuer;
use crate::secrets::{SecretError, random};
use crate::store::StoreError;

/// How many verification events of a stream wait at most.
const MAX_VERIFICATIONS: usize = 8;
/// The longest `state` of a verification event, in bytes.
const MAX_STATE: usize = 1024;
/// The longest description, and reason of a status, in characters.
const MAX_TEXT: usize = 512;
/// The longest `authorization_header`, in bytes.
const MAX_AUTHORIZATION: usize = 4096;

/// A receiver's stream. A client has at most one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stream {
    /// Its `stream_id`.
    pub id: StreamId,
    /// The receiver.
    pub client: ClientId,
    /// What the receiver decides about it.
    pub config: StreamConfig,
    /// What is sent as `Authorization` with each push.
    pub authorization: Option<SealedSecret>,
    /// The place in the revocation log up to which the receiver has taken everything.
    pub taken_up_to: u64,
}

/// What a receiver decides about its stream.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StreamConfig {
    /// How events reach the receiver.
    pub delivery: Delivery,
    /// What it asked for, as it wrote it.
    pub events_requested: Vec<String>,
    /// What people call it.
    pub description: Option<String>,
    /// Whether events are sent.
    pub status: StreamStatus,
    /// Why the status is what it is.
    pub reason: Option<String>,
}

/// How events reach a receiver.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Delivery {
    /// They are sent to it ([RFC 8935](https://www.rfc-editor.org/rfc/rfc8935)).
    Push(NotificationUri),
    /// It asks for them ([RFC 8936](https://www.rfc-editor.org/rfc/rfc8936)).
    Poll,
}

/// A delivery that a receiver asks for, with what is to be sent as `Authorization`.
#[derive(Clone, Debug)]
pub struct NewDelivery {
    /// The way.
    pub delivery: Delivery,
    /// The header field's value, for a push.
    pub authorization: Option<Zeroizing<String>>,
}

/// Whether events are sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StreamStatus {
    /// They are.
    #[default]
    Enabled,
    /// They wait.
    Paused,
    /// They do not, and what happens meanwhile is not told later.
    Disabled,
}

/// What is to change; `None` leaves it.
#[derive(Clone, Debug, Default)]
pub struct StreamChange {
    /// Another delivery.
    pub delivery: Option<NewDelivery>,
    /// Other events.
    pub events_requested: Option<Vec<String>>,
    /// Another description, or none.
    pub description: Option<Option<String>>,
    /// Another status, with its reason.
    pub status: Option<(StreamStatus, Option<String>)>,
}

/// Why a stream is not made or changed.
#[derive(Clone, Debug, Error)]
#[non_exhaustive]
pub enum StreamError {
    /// The client has one.
    #[error("there is a stream already; a receiver has one")]
    Exists,
    /// The client has none.
    #[error("there is no such stream")]
    Unknown,
    /// A member is too long, or could not be sent.
    #[error("{0} is too long, or has characters that it cannot have")]
    Invalid(&'static str),
    /// The secret could not be kept.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why no verification event is sent.
#[derive(Clone, Debug, Error)]
#[non_exhaustive]
pub enum VerificationError {
    /// The stream is another, or none.
    #[error(transparent)]
    Stream(#[from] StreamError),
    /// Enough of them wait already.
    #[error("verification events wait already")]
    TooMany,
}

impl Stream {
    /// Those of the events that the receiver asked for which there are.
    pub fn events_delivered(&self) -> impl Iterator<Item = EventType> {
        let asked = |event: &EventType| self.config.events_requested.iter().any(|asked| asked == event.uri());
        EventType::SUPPORTED.into_iter().filter(asked)
    }
}

impl Issuer {
    /// Makes a stream for a client, which begins with what happens from now on.
    ///
    /// # Errors
    /// [`StreamError`]: it has one already, or a member is refused.
    pub async fn create_stream(
        &self,
        client: &ClientId,
        delivery: NewDelivery,
        events_requested: Vec<String>,
        description: Option<String>,
        now: Timestamp,
    ) -> Result<Stream, StreamError> {
        if self.store.find_stream(client).await?.is_some() {
            return Err(StreamError::Exists);
        }
        let id = StreamId::new(now, random()?);
        let authorization = self.seal_authorization(id, delivery.authorization)?;
        let config = StreamConfig {
            delivery: delivery.delivery,
            events_requested,
            description,
            status: StreamStatus::Enabled,
            reason: None,
        };
        require(&config)?;
        let taken_up_to = self.store.last_revocation().await?;
        let stream = Stream { id, client: client.clone(), config, authorization, taken_up_to };
        self.store.put_stream(&stream).await?;
        tracing::info!(target: "gatepass::audit", event = "stream-created", client_id = %client, stream = %id);
        Ok(stream)
    }

    /// The client's stream.
    ///
    /// # Errors
    /// [`StreamError::Unknown`] when there is none, or another than `id`.
    pub async fn find_stream(&self, client: &ClientId, id: Option<StreamId>) -> Result<Stream, StreamError> {
        let found = self.store.find_stream(client).await?;
        found.filter(|stream| id.is_none_or(|id| stream.id == id)).ok_or(StreamError::Unknown)
    }

    /// Changes a stream.
    ///
    /// # Errors
    /// [`StreamError`].
    pub async fn change_stream(
        &self,
        client: &ClientId,
        id: StreamId,
        change: StreamChange,
    ) -> Result<Stream, StreamError> {
        let mut stream = self.find_stream(client, Some(id)).await?;
        if let Some(NewDelivery { delivery, authorization }) = change.delivery {
            stream.authorization = self.seal_authorization(id, authorization)?;
            stream.config.delivery = delivery;
        }
        let config = &mut stream.config;
        config.events_requested = change.events_requested.unwrap_or_else(|| config.events_requested.clone());
        config.description = change.description.unwrap_or_else(|| config.description.clone());
        if let Some((status, reason)) = change.status {
            if config.status == StreamStatus::Disabled && status != StreamStatus::Disabled {
                stream.taken_up_to = self.store.last_revocation().await?;
            }
            (config.status, config.reason) = (status, reason);
        }
        require(config)?;
        self.store.put_stream(&stream).await?;
        self.signals.lock().remove(&id);
        tracing::info!(target: "gatepass::audit", event = "stream-changed", client_id = %client, stream = %id);
        Ok(stream)
    }

    /// Removes a stream, with what waits in it.
    ///
    /// # Errors
    /// [`StreamError`].
    pub async fn remove_stream(&self, client: &ClientId, id: StreamId) -> Result<(), StreamError> {
        let stream = self.find_stream(client, Some(id)).await?;
        self.store.remove_stream(stream.id).await?;
        self.signals.lock().remove(&id);
        tracing::info!(target: "gatepass::audit", event = "stream-removed", client_id = %client, stream = %id);
        Ok(())
    }

    /// Sends a verification event down a stream, with the receiver's own `state`
    /// ([SSF 1.0 section 8.1.4](https://openid.net/specs/openid-sharedsignals-framework-1_0-final.html)).
    ///
    /// # Errors
    /// [`VerificationError`].
    pub async fn verify_stream(
        &self,
        client: &ClientId,
        id: StreamId,
        state: Option<String>,
    ) -> Result<(), VerificationError> {
        self.find_stream(client, Some(id)).await?;
        if state.as_ref().is_some_and(|state| state.len() > MAX_STATE) {
            return Err(StreamError::Invalid("state").into());
        }
        let random: [u8; 16] = random().map_err(StreamError::from)?;
        let mut signals = self.signals.lock();
        let underway = signals.entry(id).or_default();
        if underway.verifications.len() >= MAX_VERIFICATIONS {
            return Err(VerificationError::TooMany);
        }
        underway.verifications.push_back((base64url::encode(&random), state));
        underway.due_at = None;
        drop(signals);
        self.feed.nudge();
        Ok(())
    }

    fn seal_authorization(
        &self,
        stream: StreamId,
        authorization: Option<Zeroizing<String>>,
    ) -> Result<Option<SealedSecret>, StreamError> {
        let Some(value) = authorization else { return Ok(None) };
        // What a header field can hold: anything else could add a field or end the request's head.
        if value.len() > MAX_AUTHORIZATION
            || !value.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic())
        {
            return Err(StreamError::Invalid("authorization_header"));
        }
        Ok(Some(self.secrets.seal_stream_authorization(stream, &value)?))
    }
}

fn require(config: &StreamConfig) -> Result<(), StreamError> {
    let is_short = |text: &Option<String>| text.as_ref().is_none_or(|text| text.chars().count() <= MAX_TEXT);
    match config {
        _ if !is_short(&config.description) => Err(StreamError::Invalid("description")),
        _ if !is_short(&config.reason) => Err(StreamError::Invalid("reason")),
        _ if config.events_requested.len() > 32
            || config.events_requested.iter().any(|uri| uri.len() > 256) =>
        {
            Err(StreamError::Invalid("events_requested"))
        }
        _ => Ok(()),
    }
}
