//! All sessions: those in memory, and the store behind them.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use gatepass_guard::Timestamp;
use zeroize::Zeroizing;

use super::seal::{Sealer, SessionId};
use super::session::{Holder, Session, Tokens};
use super::store::{Row, SessionStoreError, Store};

/// So many sessions are in memory at most, at two or three kilobytes each; others are read when they are used.
const MOST_IN_MEMORY: usize = 16_384;
/// A user who begins another one loses the one that was not used for the longest time.
pub(super) const MOST_PER_SUBJECT: u32 = 100;

/// Why a session did not begin.
#[derive(Debug, thiserror::Error)]
pub(super) enum BeginError {
    #[error(transparent)]
    Store(#[from] SessionStoreError),
    #[error("the session could not be sealed")]
    Seal,
}

pub(super) struct Sessions {
    pub(super) store: Store,
    pub(super) idle: Duration,
    absolute: Duration,
    memory: Mutex<Memory>,
    /// How many sessions have been ended: who reads one meanwhile looks again.
    ended: AtomicU64,
}

/// Sessions by age: what was used since `young` was begun, and what was used in the time before. When `young` is
/// full, `old` is forgotten, so that what is used stays and no list has to be kept.
#[derive(Default)]
struct Memory {
    young: HashMap<SessionId, Arc<Session>>,
    old: HashMap<SessionId, Arc<Session>>,
}

impl Sessions {
    pub(super) fn new(store: Store, idle: Duration, absolute: Duration) -> Self {
        Self { store, idle, absolute, memory: Mutex::default(), ended: AtomicU64::new(0) }
    }

    /// Begins a session under a name that nobody had before. It is on disk when this returns.
    pub(super) async fn begin(
        &self,
        holder: Holder,
        tokens: Arc<Tokens>,
        sealer: &Sealer,
        now: Timestamp,
    ) -> Result<Zeroizing<String>, BeginError> {
        let (id, cookie) = sealer.new_session().ok_or(BeginError::Seal)?;
        let sealed = tokens.seal(id, &holder, sealer).map_err(|_| BeginError::Seal)?;
        let (subject, ends) = (sealer.subject(&holder.sub), now.saturating_add(self.absolute));
        let row = Row { subject, sealed, last_used: now.as_secs(), ends: ends.as_secs() };
        for surplus in self.store.begin(id, row, MOST_PER_SUBJECT).await? {
            self.forget(surplus);
        }
        self.remember(Arc::new(Session::new(id, holder, tokens, now.as_secs(), ends)));
        Ok(cookie)
    }

    /// The session of this name, if it has not ended. The store is asked for one that was not used for long.
    pub(super) async fn find(
        &self,
        id: SessionId,
        sealer: &Sealer,
        now: Timestamp,
    ) -> Result<Option<Arc<Session>>, SessionStoreError> {
        let found = match self.remembered(id) {
            Some(session) => Some(session),
            None => self.recall(id, sealer).await?,
        };
        Ok(found.filter(|session| !session.has_ended(self.idle, now)))
    }

    async fn recall(
        &self,
        id: SessionId,
        sealer: &Sealer,
    ) -> Result<Option<Arc<Session>>, SessionStoreError> {
        let ended = self.ended.load(Ordering::SeqCst);
        let Some(session) = self.read(id, sealer).await? else { return Ok(None) };
        let session = self.remember(Arc::new(session));
        // It may have been this one that ended after it was read.
        if self.ended.load(Ordering::SeqCst) != ended && self.store.find(id).await?.is_none() {
            self.forget(id);
            return Ok(None);
        }
        Ok(Some(session))
    }

    /// Reads a session anew. One that cannot be opened was sealed under another key: it is none.
    pub(super) async fn read(
        &self,
        id: SessionId,
        sealer: &Sealer,
    ) -> Result<Option<Session>, SessionStoreError> {
        let Some(row) = self.store.find(id).await? else { return Ok(None) };
        match Tokens::open(id, &row.sealed, sealer) {
            Ok((tokens, holder)) => {
                let ends = Timestamp::from_secs(row.ends);
                Ok(Some(Session::new(id, holder, Arc::new(tokens), row.last_used, ends)))
            }
            Err(error) => {
                tracing::warn!(%error, "a session in the store cannot be opened");
                Ok(None)
            }
        }
    }

    /// Ends a session, for whoever holds its turn. It is gone from the disk when this returns.
    pub(super) async fn end(&self, session: &Session) -> Result<(), SessionStoreError> {
        self.store.end(session.id).await?;
        session.ended.store(true, Ordering::Release);
        self.forget(session.id);
        Ok(())
    }

    /// Takes out what has ended by itself.
    pub(super) async fn sweep(&self, now: Timestamp) -> Result<usize, SessionStoreError> {
        {
            let mut memory = self.lock();
            memory.young.retain(|_, session| !session.has_ended(self.idle, now));
            memory.old.retain(|_, session| !session.has_ended(self.idle, now));
        }
        self.store.sweep(self.idle, now).await
    }

    fn remembered(&self, id: SessionId) -> Option<Arc<Session>> {
        let mut memory = self.lock();
        if let Some(session) = memory.young.get(&id) {
            return Some(Arc::clone(session));
        }
        let session = memory.old.remove(&id)?;
        memory.insert(&session);
        Some(session)
    }

    /// Of two that were read at once, the first is everybody's.
    fn remember(&self, session: Arc<Session>) -> Arc<Session> {
        let mut memory = self.lock();
        let known = memory.young.get(&session.id).or_else(|| memory.old.get(&session.id));
        if let Some(known) = known {
            return Arc::clone(known);
        }
        memory.insert(&session);
        session
    }

    /// For one that is not in the store any more.
    fn forget(&self, id: SessionId) {
        self.ended.fetch_add(1, Ordering::SeqCst);
        let mut memory = self.lock();
        for session in [memory.young.remove(&id), memory.old.remove(&id)].into_iter().flatten() {
            session.ended.store(true, Ordering::Release);
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Memory {
    fn insert(&mut self, session: &Arc<Session>) {
        if self.young.len() >= MOST_IN_MEMORY / 2 {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(session.id, Arc::clone(session));
    }
}

#[cfg(test)]
mod tests {
    use super::super::session::tests::{answer, sealer};
    use super::*;

    #[tokio::test]
    async fn what_is_used_stays_in_memory_and_all_else_in_the_store() {
        let folder = tempfile::tempdir().unwrap();
        let sealer = sealer(folder.path());
        let store = Store::open(&folder.path().join("s")).unwrap();
        let sessions = Sessions::new(store, Duration::from_secs(100), Duration::from_secs(1_000));
        let now = Timestamp::from_secs(10_000);
        let holder = Holder { sub: "u1".into(), name: None };
        let tokens = Tokens::new(answer("a", None), "", now).unwrap();
        let cookie = sessions.begin(holder.clone(), Arc::new(tokens), &sealer, now).await.unwrap();
        let id = sealer.session(cookie.as_bytes()).unwrap();
        let first = sessions.find(id, &sealer, now).await.unwrap().unwrap();

        let other = |n: usize| {
            let mut id = [0; 32];
            id[..8].copy_from_slice(&n.to_be_bytes());
            let tokens = Tokens::new(answer("a", None), "", now).unwrap();
            Arc::new(Session::new(SessionId(id), holder.clone(), Arc::new(tokens), 10_000, now))
        };
        for n in 0..MOST_IN_MEMORY {
            sessions.remember(other(n));
            if n % 1_000 == 0 {
                assert!(Arc::ptr_eq(&first, &sessions.remembered(id).unwrap()), "it was used {n} ago");
            }
        }
        for n in 0..MOST_IN_MEMORY {
            sessions.remember(other(MOST_IN_MEMORY + n));
        }
        {
            let memory = sessions.lock();
            assert!(memory.young.len() + memory.old.len() <= MOST_IN_MEMORY);
        }
        assert!(sessions.remembered(id).is_none());
        let again = sessions.find(id, &sealer, now).await.unwrap().unwrap();
        assert!(!Arc::ptr_eq(&first, &again) && again.holder == first.holder);

        sessions.end(&again).await.unwrap();
        assert!(sessions.find(id, &sealer, now).await.unwrap().is_none());
    }
}
