//! Clients that nobody has registered: their `client_id` is the URL of a document that says what they are
//! ([draft-ietf-oauth-client-id-metadata-document](https://datatracker.ietf.org/doc/draft-ietf-oauth-client-id-metadata-document/)).
//!
//! Who fetches the document, and how it is kept from fetching what it should not, is behind
//! [`ClientDocumentSource`]. Here is what is made of it: never a client that has a secret, is trusted, or may do more
//! than the operator's policy; and how long it is believed.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use gatepass_jose::Timestamp;
use thiserror::Error;

use crate::admin::NewCredential;
use crate::client::{Client, Credential};
use crate::client_key_sets::ClientKeySets;
use crate::grant::TokenError;
use crate::id::ClientId;
use crate::issuer::Issuer;
use crate::recent::Recent;
use crate::registration::{ClientMetadata, RegistrationPolicy};
use crate::remote_document::{Asked, Fetches};
use crate::store::StoreError;
use crate::throttle::{Throttle, ThrottleLimit, ThrottlePolicy, Throttled};
use crate::trusted_issuer::KeySetSource;

/// The least and the most that a document is believed for, whatever its server says.
const LEAST_FRESH: Duration = Duration::from_secs(60);
const MOST_FRESH: Duration = Duration::from_secs(24 * 3600);

/// How often such clients may show assertions from one address. Each is a row in the store until nobody would take it any more, and
/// a request that it pushes is one more.
const ASSERTIONS: ThrottleLimit = ThrottleLimit { burst: 100, every: Duration::from_millis(100) };

/// Fetches the documents of clients.
#[async_trait]
pub trait ClientDocumentSource: Send + Sync + 'static {
    /// The document at the URL that is the client's identifier.
    ///
    /// # Errors
    /// [`DocumentError`].
    async fn fetch(&self, client: &ClientId) -> Result<ClientDocument, DocumentError>;
}

/// What a document says.
#[derive(Clone, Debug)]
pub struct ClientDocument {
    /// What the client says of itself. A scope in it means nothing.
    pub metadata: ClientMetadata,
    /// For how long its server lets it be kept.
    pub fresh_for: Duration,
}

/// Why there is no client at a URL. For the log: it says what another machine did.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct DocumentError(pub String);

/// How clients are served that nobody has registered.
pub struct ClientDocuments {
    policy: RegistrationPolicy,
    source: Arc<dyn ClientDocumentSource>,
    keys: Arc<dyn KeySetSource>,
    kept: Recent<ClientId, Kept>,
    fetches: Fetches,
    assertions: Throttle,
}

#[derive(Clone)]
struct Kept {
    client: Client,
    until: Timestamp,
}

impl fmt::Debug for ClientDocuments {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientDocuments").field("policy", &self.policy).finish_non_exhaustive()
    }
}

impl ClientDocuments {
    /// Serves clients whose documents `source` fetches, within `policy`. `keys` fetches the key sets that documents name
    /// (`jwks_uri`).
    #[must_use]
    pub fn new(
        policy: RegistrationPolicy,
        source: Arc<dyn ClientDocumentSource>,
        keys: Arc<dyn KeySetSource>,
    ) -> Self {
        let assertions = ThrottlePolicy { account: ASSERTIONS, ..ThrottlePolicy::default() };
        Self {
            policy,
            source,
            keys,
            kept: Recent::default(),
            fetches: Fetches::new(),
            assertions: Throttle::new(assertions),
        }
    }

    async fn client(&self, id: &ClientId, now: Timestamp) -> Result<Client, DocumentError> {
        let asked = match self.kept.find(id, now) {
            Some(kept) if now < kept.until => return Ok(kept.client),
            Some(_) => Asked::Known(id.as_str()),
            None => Asked::Host(id.host()),
        };
        let _place = self.fetches.begin(&asked, now)?;
        let document = self.source.fetch(id).await?;
        let client = self.made_of(id, document.metadata, now)?;
        let fresh_for = document.fresh_for.clamp(LEAST_FRESH, MOST_FRESH);
        let kept = Kept { client: client.clone(), until: now.saturating_add(fresh_for) };
        self.kept.keep(id.clone(), kept, now);
        Ok(client)
    }

    /// The client that a document describes, within the policy.
    fn made_of(
        &self,
        id: &ClientId,
        mut metadata: ClientMetadata,
        now: Timestamp,
    ) -> Result<Client, DocumentError> {
        // One document is for every server: what this one does not do, it may say.
        metadata.grants.retain(|grant| self.policy.grants.contains(grant));
        metadata.scope = None;
        metadata.require_pushed = false;
        let credential = match &metadata.credential {
            NewCredential::None => Credential::None,
            NewCredential::Keys(keys) => Credential::Keys(keys.clone()),
            NewCredential::Secret | NewCredential::SharedSecret | NewCredential::Certificate(_) => {
                return Err(refused(
                    "a client without registration has no secret, and no certificate that is known here",
                ));
            }
        };
        if metadata.redirect_uris.is_empty() {
            return Err(refused("it has no redirect_uris"));
        }
        let new = self.policy.allow(metadata).map_err(|error| DocumentError(error.to_string()))?;
        Ok(new.into_client(id.clone(), credential, now))
    }
}

impl Issuer {
    /// Serves clients that nobody has registered too.
    #[must_use]
    pub fn with_client_documents(mut self, documents: ClientDocuments) -> Self {
        let keys = Arc::clone(&documents.keys);
        self.document_key_sets = Some(ClientKeySets::new(keys, self.config.profile));
        self.documents = Some(documents);
        self
    }

    /// Counts an assertion of a client that nobody has registered, before anything is done for it.
    pub(crate) fn count_assertion(
        &self,
        id: &ClientId,
        address: Option<IpAddr>,
        now: Timestamp,
    ) -> Result<(), TokenError> {
        let (Some(documents), Some(address), true) = (&self.documents, address, id.is_url()) else {
            return Ok(());
        };
        let attempt = documents.assertions.attempt_from(address);
        documents.assertions.take(attempt, now).map_err(|Throttled { retry_after }| {
            tracing::info!(target: "gatepass::audit", event = "client-throttled", client_id = %id);
            TokenError::Throttled { retry_after }
        })
    }

    /// Whether clients are served that nobody has registered.
    #[must_use]
    pub fn has_client_documents(&self) -> bool {
        self.documents.is_some()
    }

    /// The client of that identifier: registered, or described by the document at the URL that it is. `None` where
    /// there is none, or its document cannot be had or believed now; the log says why.
    pub(crate) async fn client_of(
        &self,
        id: &ClientId,
        now: Timestamp,
    ) -> Result<Option<Client>, StoreError> {
        if !id.is_url() {
            return self.store.find_client(id).await;
        }
        let Some(documents) = &self.documents else { return Ok(None) };
        match documents.client(id, now).await {
            Ok(mut client) => {
                self.settle_id_token_alg(&mut client, now);
                Ok(Some(client))
            }
            Err(error) => {
                tracing::info!(
                    target: "gatepass::audit", event = "client-document-refused", client_id = %id, why = %error
                );
                Ok(None)
            }
        }
    }
}

pub(crate) fn refused(why: &str) -> DocumentError {
    DocumentError(why.to_owned())
}

#[cfg(test)]
mod tests;
