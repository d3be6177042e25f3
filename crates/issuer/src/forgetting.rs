//! Forgetting what nobody needs any more.

use std::time::Duration;

use gatepass_jose::Timestamp;

use crate::issuer::Issuer;
use crate::store::StoreError;

/// How many rows one change removes, so that no request waits long behind it.
const AT_ONCE: u32 = 1000;
/// How many such changes there are in one go at most; the rest waits for the next.
const MOST_CHANGES: u32 = 50;
/// How long a late replay is known for one: an ended session and a used code are kept for as long.
const REPLAY_KNOWN_FOR: Duration = Duration::from_secs(24 * 3600);
/// A device that comes late is told so for as long, and a device code that comes again is known.
const DEVICE_KNOWN_FOR: Duration = Duration::from_secs(3600);

impl Issuer {
    /// Forgets sessions, codes, requests and what was used up, that nobody can use or replay any more.
    pub(crate) async fn forget(&self, now: Timestamp) -> Result<(), StoreError> {
        let store = &*self.store;
        store.forget_tickets(now).await?;
        store.forget_jtis(now).await?;
        store.forget_initial_access_tokens(now).await?;
        in_rounds(|| store.forget_pushed_requests(now, AT_ONCE)).await?;
        let late = now.saturating_sub(DEVICE_KNOWN_FOR);
        in_rounds(|| store.forget_device_authorizations(late, AT_ONCE)).await?;
        let yesterday = now.saturating_sub(REPLAY_KNOWN_FOR);
        in_rounds(|| store.forget_sessions(yesterday, AT_ONCE)).await?;
        in_rounds(|| store.forget_codes(yesterday, AT_ONCE)).await
    }
}

/// Forgets until there was less to be forgotten than one change removes.
async fn in_rounds<F>(forget: impl Fn() -> F) -> Result<(), StoreError>
where
    F: Future<Output = Result<u32, StoreError>>,
{
    for _ in 0..MOST_CHANGES {
        if forget().await? < AT_ONCE {
            break;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[tokio::test]
    async fn however_much_there_is_goes_in_changes_that_nobody_waits_long_for() {
        for (rows, left, changes) in
            [(0, 0, 1), (999, 0, 1), (1000, 0, 2), (3500, 0, 4), (60_000, 10_000, 50)]
        {
            let (kept, asked) = (Cell::new(rows), Cell::new(0));
            let forget = || {
                asked.set(asked.get() + 1);
                let removed = kept.get().min(AT_ONCE);
                kept.set(kept.get() - removed);
                std::future::ready(Ok(removed))
            };
            in_rounds(forget).await.unwrap();
            assert_eq!((kept.get(), asked.get()), (left, changes), "{rows}");
        }
    }
}
