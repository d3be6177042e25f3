//! Registered clients in memory: almost every request asks for one, and hardly any changes one.
//!
//! What is here is what the file says. The writer forgets everything between the commit that changed a client and
//! the answer to whoever changed it; and what a reader has found is kept only if nothing was forgotten since it was
//! asked for, so that a row read before a change cannot come in after it.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use gatepass_issuer::client::Client;
use gatepass_issuer::id::ClientId;
use gatepass_issuer::registration::Registration;

/// How many are kept. An installation with more asks the file for some of them.
const MOST: usize = 1024;

#[derive(Default)]
pub(super) struct Clients {
    pub(super) rows: Kept<Client>,
    /// Of clients that have registered themselves, and that others have not. They change with their client.
    pub(super) registrations: Kept<Option<Registration>>,
}

impl Clients {
    /// A client has changed, or many have.
    pub(super) fn forget(&self) {
        self.rows.forget();
        self.registrations.forget();
    }
}

/// What there is of each client.
pub(super) struct Kept<T>(RwLock<Known<T>>);

struct Known<T> {
    changes: Changes,
    by_id: HashMap<ClientId, Arc<T>>,
}

/// How often clients had changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Changes(u64);

impl<T> Default for Kept<T> {
    fn default() -> Self {
        Self(RwLock::new(Known { changes: Changes::default(), by_id: HashMap::new() }))
    }
}

impl<T> Kept<T> {
    /// What is known of the client, or with what it must be [kept](Self::keep) once it has been read.
    pub(super) fn find(&self, id: &ClientId) -> Result<Arc<T>, Changes> {
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
        known.by_id.get(id).cloned().ok_or(known.changes)
    }

    /// Keeps what was read after `changes`, if there has been none since.
    pub(super) fn keep(&self, id: ClientId, read: Arc<T>, changes: Changes) {
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if known.changes != changes {
            return;
        }
        if known.by_id.len() >= MOST {
            known.by_id.clear();
        }
        known.by_id.insert(id, read);
    }

    fn forget(&self) {
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        known.changes = Changes(known.changes.0.wrapping_add(1));
        known.by_id.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(text: &str) -> ClientId {
        text.parse().unwrap()
    }

    #[test]
    fn a_row_that_was_read_before_a_change_does_not_come_in_after_it() {
        let (clients, shop) = (Clients::default(), id("shop"));
        let kept = &clients.registrations;
        let before = kept.find(&shop).unwrap_err();
        clients.forget();
        kept.keep(shop.clone(), Arc::new(None), before);
        let since = kept.find(&shop).unwrap_err();
        kept.keep(shop.clone(), Arc::new(None), since);
        assert_eq!(*kept.find(&shop).unwrap(), None);
        clients.forget();
        assert!(kept.find(&shop).is_err());
    }

    #[test]
    fn no_more_are_kept_than_there_is_room_for() {
        let kept = Kept::default();
        for n in 0..3 * MOST {
            kept.keep(id(&format!("c{n}")), Arc::new(n), Changes::default());
            assert_eq!(*kept.find(&id(&format!("c{n}"))).unwrap(), n);
        }
        assert!(kept.0.read().unwrap().by_id.len() <= MOST);
    }
}
