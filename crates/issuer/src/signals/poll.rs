//! Receivers that ask ([RFC 8936](https://www.rfc-editor.org/rfc/rfc8936)).

use std::collections::BTreeMap;

use gatepass_jose::Timestamp;
use serde::Deserialize;

use super::SecurityEventToken;
use super::deliver::SignalError;
use super::stream::{Stream, StreamStatus};
use crate::issuer::Issuer;

/// How many events an answer has at most, and where the receiver does not say.
const MAX_EVENTS: usize = 100;
/// How many events a receiver can speak of in one request.
const MAX_SPOKEN_OF: usize = 1000;

/// What a receiver asks for ([section 2.2](https://www.rfc-editor.org/rfc/rfc8936#section-2.2)).
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct PollRequest {
    /// How many events it wants; none: it only speaks of those before.
    pub max_events: Option<usize>,
    /// Whether it wants an answer at once, events or not.
    pub return_immediately: bool,
    /// What it has taken, by `jti`.
    pub ack: Vec<String>,
    /// What it could not take, by `jti`. It is not sent again.
    pub set_errs: BTreeMap<String, SetError>,
}

/// Why a receiver could not take an event.
#[derive(Debug, Deserialize)]
pub struct SetError {
    /// Its kind.
    #[serde(default)]
    pub err: String,
}

/// What a receiver gets.
#[derive(Clone, Debug, Default)]
pub struct Poll {
    /// The events.
    pub sets: Vec<SecurityEventToken>,
    /// Whether there are more.
    pub more: bool,
}

impl PollRequest {
    /// Whether it speaks of no more events than anybody was sent.
    #[must_use]
    pub fn is_bounded(&self) -> bool {
        self.ack.len() + self.set_errs.len() <= MAX_SPOKEN_OF
    }
}

impl Issuer {
    /// Notes what the stream's receiver has taken, and gives it what follows.
    ///
    /// # Errors
    /// [`SignalError`]; what was given before is given again then.
    pub async fn poll(
        &self,
        stream: &Stream,
        request: &PollRequest,
        now: Timestamp,
    ) -> Result<Poll, SignalError> {
        for (jti, error) in &request.set_errs {
            let (jti, err): (String, String) = (shown(jti), shown(&error.err));
            tracing::warn!(client_id = %stream.client, jti, err, "a receiver could not take an event");
        }
        self.note_taken(stream.id, request.ack.iter().chain(request.set_errs.keys()));
        let waiting = self.waiting(stream, MAX_EVENTS + 1, now).await?;
        if stream.config.status != StreamStatus::Enabled {
            return Ok(Poll::default());
        }
        let limit = request.max_events.unwrap_or(MAX_EVENTS).min(MAX_EVENTS);
        let more = waiting.len() > limit;
        Ok(Poll { sets: waiting.into_iter().take(limit).collect(), more })
    }
}

/// As much of a receiver's text as a line of the log can bear.
fn shown(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(64).collect()
}
