//! What waits in a stream, and receivers that it is pushed to ([RFC 8935](https://www.rfc-editor.org/rfc/rfc8935)).

use gatepass_jose::{SecretKey, Timestamp};
use thiserror::Error;

use super::SecurityEventToken;
use super::stream::{Delivery, Stream, StreamStatus};
use crate::backchannel_logout::pause_after;
use crate::client::NotificationUri;
use crate::id::{ClientId, StreamId};
use crate::issuer::Issuer;
use crate::mint::MintError;
use crate::secrets::SecretError;
use crate::store::StoreError;

/// How much of the log is looked through for one stream in one go.
const ENTRIES: u32 = 500;
/// How many events are pushed to one receiver in one go.
const PUSHED: usize = 20;
/// How many events that were taken out of turn are remembered for a stream; the rest is sent again.
const MAX_TAKEN: usize = 2000;

/// Events to be pushed to one receiver, in order.
#[derive(Clone, Debug)]
pub struct SignalBatch {
    /// The stream.
    pub stream: StreamId,
    /// The receiver.
    pub client: ClientId,
    /// Where they go.
    pub endpoint: NotificationUri,
    /// What goes with each as `Authorization`.
    pub authorization: Option<SecretKey>,
    /// The events.
    pub sets: Vec<SecurityEventToken>,
}

/// What came of pushing one event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// The receiver has it, or will never take it: it is not sent again.
    Settled,
    /// The receiver is not there. What follows waits too.
    Failed,
}

/// Why events could not be had.
#[derive(Clone, Debug, Error)]
#[non_exhaustive]
pub enum SignalError {
    /// One could not be made.
    #[error(transparent)]
    Mint(#[from] MintError),
    /// What is sealed does not open.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Issuer {
    /// What is to be pushed at `now`, for every receiver.
    ///
    /// # Errors
    /// [`SignalError`]; the next call tries again.
    pub async fn due_signals(&self, now: Timestamp) -> Result<Vec<SignalBatch>, SignalError> {
        let mut batches = Vec::new();
        for stream in self.store.list_streams().await? {
            let Delivery::Push(endpoint) = &stream.config.delivery else { continue };
            let waits = self.signals.lock().get(&stream.id).and_then(|underway| underway.due_at);
            if stream.config.status != StreamStatus::Enabled || waits.is_some_and(|due_at| due_at > now) {
                continue;
            }
            let sets = self.waiting(&stream, PUSHED, now).await?;
            if sets.is_empty() {
                continue;
            }
            let open = |sealed| self.secrets.open_stream_authorization(stream.id, sealed);
            let authorization = stream.authorization.as_ref().map(open).transpose()?;
            let endpoint = endpoint.clone();
            batches.push(SignalBatch {
                stream: stream.id,
                client: stream.client,
                endpoint,
                authorization,
                sets,
            });
        }
        Ok(batches)
    }

    /// Notes what came of pushing an event.
    pub fn settle_signal(&self, stream: StreamId, jti: &String, taken: Taken, now: Timestamp) {
        match taken {
            Taken::Settled => {
                self.note_taken(stream, [jti].into_iter());
                if let Some(underway) = self.signals.lock().get_mut(&stream) {
                    (underway.failures, underway.due_at) = (0, None);
                }
            }
            Taken::Failed => {
                let mut signals = self.signals.lock();
                let underway = signals.entry(stream).or_default();
                // It is never given up: what nobody takes is forgotten with the log.
                let pause = pause_after(underway.failures).unwrap_or(super::KEPT_FOR / 8);
                underway.due_at = Some(now.saturating_add(pause));
                underway.failures = underway.failures.saturating_add(1);
            }
        }
    }

    /// Notes that a receiver has taken events, whichever.
    pub(super) fn note_taken<'j>(&self, stream: StreamId, jtis: impl Iterator<Item = &'j String>) {
        let mut signals = self.signals.lock();
        let underway = signals.entry(stream).or_default();
        for jti in jtis {
            underway.verifications.retain(|(own, _)| own != jti);
            if underway.taken.len() < MAX_TAKEN {
                underway.taken.extend(place(stream, jti));
            }
        }
    }

    /// The first events that the receiver has not taken, at most `limit`; the stream moves on past those that it has.
    pub(super) async fn waiting(
        &self,
        stream: &Stream,
        limit: usize,
        now: Timestamp,
    ) -> Result<Vec<SecurityEventToken>, SignalError> {
        let mut sets = self.verifications(stream, now)?;
        let mut taken_up_to = stream.taken_up_to;
        let mut all_taken = true;
        let receiver = self.store.find_client(&stream.client).await?;
        for entry in self.store.revocations_after(stream.taken_up_to, ENTRIES).await? {
            for (number, event) in self.events(&entry, stream, receiver.as_ref()).await?.iter().enumerate() {
                if !self.is_taken(stream.id, (entry.seq, number)) {
                    all_taken = false;
                    sets.push(self.security_event_token(
                        stream,
                        jti(stream.id, entry.seq, number),
                        event,
                        now,
                    )?);
                }
            }
            if all_taken {
                taken_up_to = entry.seq;
            }
            if sets.len() >= limit {
                break;
            }
        }
        if taken_up_to > stream.taken_up_to {
            self.store.advance_stream(stream.id, taken_up_to).await?;
            if let Some(underway) = self.signals.lock().get_mut(&stream.id) {
                underway.taken.retain(|(seq, _)| *seq > taken_up_to);
                underway.taken_up_to = underway.taken_up_to.max(taken_up_to);
            }
        }
        sets.truncate(limit);
        Ok(sets)
    }

    fn verifications(&self, stream: &Stream, now: Timestamp) -> Result<Vec<SecurityEventToken>, MintError> {
        let waiting = self.signals.lock().get(&stream.id).map(|underway| underway.verifications.clone());
        let sign = |(jti, state): (String, Option<String>)| {
            self.security_event_token(stream, jti, &Self::verification(stream, state.as_deref()), now)
        };
        waiting.into_iter().flatten().map(sign).collect()
    }

    fn is_taken(&self, stream: StreamId, place: (u64, usize)) -> bool {
        self.signals
            .lock()
            .get(&stream)
            .is_some_and(|underway| place.0 <= underway.taken_up_to || underway.taken.contains(&place))
    }
}

/// The `jti` of an event: its stream, its entry of the log, and which of that entry's events it is.
fn jti(stream: StreamId, seq: u64, number: usize) -> String {
    format!("{stream}.{seq}.{number}")
}

/// What [`jti`] wrote for the same stream.
fn place(stream: StreamId, jti: &str) -> Option<(u64, usize)> {
    let (seq, number) = jti.strip_prefix(&stream.to_string())?.strip_prefix('.')?.split_once('.')?;
    Some((seq.parse().ok()?, number.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_jti_names_its_place_in_its_own_stream() {
        let [one, two] = [1, 2].map(|number| StreamId::new(Timestamp::EPOCH, [number; 10]));
        assert_eq!(place(one, &jti(one, 7, 1)), Some((7, 1)));
        assert_eq!(place(two, &jti(one, 7, 1)), None);
        for text in ["", ".", "7.1", &format!("{one}"), &format!("{one}.7"), &format!("{one}.-7.1")] {
            assert_eq!(place(one, text), None, "{text}");
        }
    }
}
