//! The public keys of clients that publish them (`jwks_uri`,
//! [RFC 7591 section 2](https://www.rfc-editor.org/rfc/rfc7591#section-2)), fetched when they are needed.
//!
//! A client names the address, so who fetches is as careful as with everything that others name the address of
//! ([`KeySetSource`]); here is how often: a set is believed for an hour at most, and asked for again, for a key that is not in it,
//! once in ten seconds, whoever signs with names that do not exist. Clients that nobody has registered have a room of their own:
//! however many there are of them, they take no place from those who are.

use std::fmt;
use std::sync::Arc;

use gatepass_jose::jwe::EncryptionKey;
use gatepass_jose::{Alg, KeyManagement, KeySet, Timestamp};
use thiserror::Error;
use url::Url;

use crate::admin::AdminError;
use crate::client::{
    Client, ClientKeySource, ClientKeys, Credential, InvalidEncryption, NotificationUri, encryption_key,
};
use crate::client_assertion::SHARED_SECRET_ALG;
use crate::issuer::Issuer;
use crate::profile::Profile;
use crate::recent::Recent;
use crate::remote_document::Fetches;
use crate::trusted_issuer::{KeySetError, KeySetSource, PublishedKeys, PublishedSet};

/// The sets of clients, by their addresses.
pub(crate) struct ClientKeySets {
    source: Arc<dyn KeySetSource>,
    fetches: Arc<Fetches>,
    /// For what is not a client's yet: whoever registers takes no place from those who are.
    trials: Arc<Fetches>,
    algs: Vec<Alg>,
    kept: Recent<Place, Arc<PublishedKeys>>,
}

/// Where a set is, and whether it is at the host of its client's own document.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Place {
    uri: String,
    is_own: bool,
}

/// Why there are no keys of a client's. For the log.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(crate) enum NoClientKeys {
    #[error("the client has no keys")]
    None,
    #[error(transparent)]
    Published(#[from] KeySetError),
}

impl fmt::Debug for ClientKeySets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientKeySets").finish_non_exhaustive()
    }
}

impl ClientKeySets {
    /// Sets that `source` fetches, of keys that `profile` takes.
    pub(crate) fn new(source: Arc<dyn KeySetSource>, profile: Profile) -> Self {
        let algs = ClientKeys::algs().filter(|alg| profile.takes(*alg)).collect();
        let [fetches, trials] = [(); 2].map(|()| Arc::new(Fetches::new()));
        Self { source, fetches, trials, algs, kept: Recent::default() }
    }

    async fn find(
        &self,
        client: &Client,
        uri: &NotificationUri,
        has: impl Fn(&PublishedSet) -> bool,
        now: Timestamp,
    ) -> Result<PublishedSet, KeySetError> {
        self.at(client, uri, now)?.find(has, now).await
    }

    fn at(
        &self,
        client: &Client,
        uri: &NotificationUri,
        now: Timestamp,
    ) -> Result<Arc<PublishedKeys>, KeySetError> {
        let url = parsed(uri)?;
        let is_own = Url::parse(client.id.as_str()).is_ok_and(|document| document.origin() == url.origin());
        let place = Place { uri: uri.as_str().to_owned(), is_own };
        Ok(self.kept.find_or_keep(place, || Arc::new(self.published(url, &self.fetches, is_own)), now))
    }

    fn published(&self, url: Url, fetches: &Arc<Fetches>, is_own: bool) -> PublishedKeys {
        let (source, fetches) = (Arc::clone(&self.source), Arc::clone(fetches));
        PublishedKeys::of_client(url, self.algs.clone(), source, fetches, is_own)
    }

    /// The set that is published now, of which nothing is kept.
    async fn try_out(&self, uri: &NotificationUri, now: Timestamp) -> Result<PublishedSet, KeySetError> {
        self.published(parsed(uri)?, &self.trials, false).find(|_| true, now).await
    }
}

fn parsed(uri: &NotificationUri) -> Result<Url, KeySetError> {
    Url::parse(uri.as_str()).map_err(|error| KeySetError(error.to_string()))
}

/// Demands that a client can sign with what it says that it signs with, by `keys`, which are its own.
pub(crate) fn require_registered_algs(client: &Client, keys: &KeySet) -> Result<(), AdminError> {
    let has_key = |alg| keys.keys().iter().any(|key| key.alg() == alg);
    let extensions = &client.extensions;
    if let Some(alg) = extensions.token_endpoint_auth_signing_alg {
        let is_its = match &client.credential {
            Credential::Keys(_) => has_key(alg),
            Credential::SharedSecret(_) => alg == SHARED_SECRET_ALG,
            Credential::None | Credential::Secret(_) | Credential::Certificate(_) => false,
        };
        if !is_its {
            let why = "the client signs no assertions with that token_endpoint_auth_signing_alg: it has no such key, or authenticates otherwise";
            return Err(AdminError::NotRegistrable("token_endpoint_auth_signing_alg", why));
        }
    }
    match extensions.request_object_signing_alg {
        Some(alg) if !has_key(alg) => {
            let why = "the client has no key for that request_object_signing_alg";
            Err(AdminError::NotRegistrable("request_object_signing_alg", why))
        }
        _ => Ok(()),
    }
}

impl Issuer {
    /// Lets registered clients publish their keys at a `jwks_uri`, which `source` fetches.
    #[must_use]
    pub fn with_client_key_sets(mut self, source: Arc<dyn KeySetSource>) -> Self {
        self.client_key_sets = Some(ClientKeySets::new(source, self.config.profile));
        self
    }

    /// The keys to verify what a client has signed with the key `kid`.
    pub(crate) async fn client_verifying(
        &self,
        client: &Client,
        kid: Option<&str>,
        now: Timestamp,
    ) -> Result<KeySet, NoClientKeys> {
        match client.keys().ok_or(NoClientKeys::None)? {
            ClientKeySource::Given(keys) => Ok(keys.verifying(&client.signing_algs(self.config.profile))),
            ClientKeySource::Published { jwks_uri } => {
                let set = self.key_sets(client)?.find(client, jwks_uri, |set| set.verifies(kid), now).await?;
                Ok(self.own_keys(client, &set))
            }
        }
    }

    /// The keys of a client's published set that sign, as it has registered what it signs with.
    fn own_keys(&self, client: &Client, set: &PublishedSet) -> KeySet {
        let profile = self.config.profile;
        match client.extensions.registered_algs().next() {
            None => (*set.verifying).clone(),
            Some(_) => {
                let algs = client.signing_algs(profile).into_iter().filter(|alg| profile.takes(*alg));
                KeySet::from_jwks(&set.jwks, &algs.collect::<Vec<_>>())
            }
        }
    }

    /// The client's key to be encrypted for with `alg`; `None` where it has none now.
    pub(crate) async fn client_encryption(
        &self,
        client: &Client,
        alg: KeyManagement,
        now: Timestamp,
    ) -> Option<EncryptionKey> {
        match client.keys()? {
            ClientKeySource::Given(keys) => keys.encryption(alg),
            ClientKeySource::Published { jwks_uri } => {
                let has = |set: &PublishedSet| encryption_key(&set.jwks, alg).is_some();
                let set = async { self.key_sets(client)?.find(client, jwks_uri, has, now).await };
                let set = set.await.inspect_err(|error| {
                    tracing::info!(client_id = %client.id, %error, "a client's keys cannot be had");
                });
                encryption_key(&set.ok()?.jwks, alg)
            }
        }
    }

    fn key_sets(&self, client: &Client) -> Result<&ClientKeySets, KeySetError> {
        let sets = match client.id.is_url() {
            true => self.document_key_sets.as_ref(),
            false => self.client_key_sets.as_ref(),
        };
        sets.ok_or_else(|| KeySetError("this server fetches nothing".to_owned()))
    }

    /// Demands that a client which publishes its keys does so now, with what it is registered for.
    pub(crate) async fn require_published_keys(
        &self,
        client: &Client,
        now: Timestamp,
    ) -> Result<(), AdminError> {
        let Some(ClientKeySource::Published { jwks_uri }) = client.keys() else { return Ok(()) };
        let refused = |why: &str| AdminError::KeySet(format!("jwks_uri: {why}"));
        let signs = matches!(client.credential, Credential::Keys(_))
            || client.extensions.require_signed_request_object;
        let algs: Vec<KeyManagement> = client.extensions.responses.encryption_algs().collect();
        let missing =
            |set: &PublishedSet| algs.iter().copied().find(|alg| encryption_key(&set.jwks, *alg).is_none());
        let published = async { self.key_sets(client)?.try_out(jwks_uri, now).await };
        let set = published.await.map_err(|error| {
            // Why is the operator's to know: it tells of the network that this server is in.
            tracing::info!(client_id = %client.id, %error, "a jwks_uri cannot be fetched");
            refused("no key set that can be used is found there")
        })?;
        if signs && set.verifying.is_empty() {
            return Err(refused("it has no key to sign with"));
        }
        require_registered_algs(client, &self.own_keys(client, &set))?;
        match missing(&set) {
            Some(alg) => Err(InvalidEncryption::NoKey(alg).into()),
            None => Ok(()),
        }
    }
}
