//! Registered clients in memory: almost every request asks for one, and hardly any changes one.
//!
//! What is here is what the file says. The writer forgets everything between the commit that changed a client and
//! the answer to whoever changed it; and what a reader has found is kept only if nothing was forgotten since it was
//! asked for, so that a row read before a change cannot come in after it.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use gatepass_issuer::client::Client;
use gatepass_issuer::id::ClientId;

/// How many are kept. An installation with more asks the file for some of them.
const MOST: usize = 1024;

#[derive(Default)]
pub(super) struct Clients(RwLock<Known>);

#[derive(Default)]
struct Known {
    changes: Changes,
    by_id: HashMap<ClientId, Arc<Client>>,
}

/// How often clients had changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Changes(u64);

impl Clients {
    /// The client, or with what its row must be [kept](Self::keep) once it has been read.
    pub(super) fn find(&self, id: &ClientId) -> Result<Arc<Client>, Changes> {
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
        known.by_id.get(id).cloned().ok_or(known.changes)
    }

    /// Keeps a client that was read after `changes`, if there has been none since.
    pub(super) fn keep(&self, client: Arc<Client>, changes: Changes) {
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if known.changes != changes {
            return;
        }
        if known.by_id.len() >= MOST {
            known.by_id.clear();
        }
        known.by_id.insert(client.id.clone(), client);
    }

    /// A client has changed, or many have.
    pub(super) fn forget(&self) {
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        known.changes = Changes(known.changes.0.wrapping_add(1));
        known.by_id.clear();
    }
}

#[cfg(test)]
mod tests {
    use gatepass_issuer::client::{ClientExtensions, ClientLogout, Credential};
    use gatepass_jose::Timestamp;

    use super::*;

    fn client(id: &str) -> Arc<Client> {
        Arc::new(Client {
            id: id.parse().unwrap(),
            name: String::new(),
            credential: Credential::None,
            grants: Vec::new(),
            scope: "".parse().unwrap(),
            audience: Vec::new(),
            redirect_uris: Vec::new(),
            post_logout_redirect_uris: Vec::new(),
            logout: ClientLogout::default(),
            trusted: false,
            require_pkce: true,
            require_pushed: false,
            exchange: None,
            extensions: ClientExtensions::default(),
            disabled: false,
            created_at: Timestamp::from_secs(0),
        })
    }

    #[test]
    fn a_row_that_was_read_before_a_change_does_not_come_in_after_it() {
        let clients = Clients::default();
        let shop = client("shop");
        let before = clients.find(&shop.id).unwrap_err();
        clients.forget();
        clients.keep(Arc::clone(&shop), before);
        let since = clients.find(&shop.id).unwrap_err();
        clients.keep(Arc::clone(&shop), since);
        assert_eq!(clients.find(&shop.id).unwrap(), shop);
        clients.forget();
        assert!(clients.find(&shop.id).is_err());
    }

    #[test]
    fn no_more_are_kept_than_there_is_room_for() {
        let clients = Clients::default();
        for n in 0..3 * MOST {
            clients.keep(client(&format!("c{n}")), Changes::default());
            assert!(clients.find(&format!("c{n}").parse().unwrap()).is_ok());
        }
        assert!(clients.0.read().unwrap().by_id.len() <= MOST);
    }
}
