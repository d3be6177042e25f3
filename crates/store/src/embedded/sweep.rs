//! Forgetting sessions that ended, in steps that nobody waits behind.
//!
//! There is no index on when a session ends: it would have to move with every rotation. A reader looks
//! for what has ended, stretch by stretch in the order of the key, and the writer is asked only for a
//! stretch that has some.

use std::sync::{Mutex, PoisonError};

use gatepass_issuer::id::SessionId;
use gatepass_jose::Timestamp;

use super::failure::Failure;
use super::readers::Readers;
use super::session;
use super::writer::Writer;

/// How many sessions one step goes through: about a millisecond of a reader.
const STEP: u32 = 2000;

/// How many sessions one call goes through at most.
const PER_CALL: u32 = 20_000;

/// Where the last call stopped looking at sessions; kept in memory alone, since starting anew costs
/// one round.
#[derive(Default)]
pub(super) struct Sweep {
    at: Mutex<Option<SessionId>>,
}

impl Sweep {
    /// Removes at most `limit` sessions that ended before `before`.
    pub(super) async fn forget_sessions(
        &self,
        readers: &Readers,
        writer: &Writer,
        before: Timestamp,
        limit: u32,
    ) -> Result<u32, Failure> {
        let mut from = self.at();
        let mut from_the_start = from.is_none();
        let (mut looked_at, mut removed) = (0, 0);
        while removed < limit && looked_at < PER_CALL {
            let next = move |connection: &_| session::next_stretch(connection, from, STEP, before);
            let Some(stretch) = readers.run(next).await? else {
                from = None;
                if from_the_start {
                    break;
                }
                from_the_start = true;
                continue;
            };
            let to = stretch.to;
            looked_at += stretch.rows;
            let mut over = stretch.over;
            if !over.is_empty() {
                over.truncate(usize::try_from(limit - removed).unwrap_or(usize::MAX));
                removed += writer.run(move |group| session::forget(group, &over, before)).await?;
            }
            if removed < limit {
                from = Some(to); // else there may be more in this stretch
            }
        }
        *self.at.lock().unwrap_or_else(PoisonError::into_inner) = from;
        Ok(removed)
    }

    fn at(&self) -> Option<SessionId> {
        *self.at.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
