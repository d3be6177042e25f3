//! The issuer: what it is made of, how it starts, and what it does by itself.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use gatepass_jose::{Alg, KeyError, NamesNobody, SignError, Timestamp};
use gatepass_revocation::{Entry, Heartbeat, Kind, LogId, Reason};
use gatepass_token::ScopeSet;
use thiserror::Error;
use tokio::sync::{Mutex, watch};

use crate::client_document::ClientDocuments;
use crate::client_key_sets::ClientKeySets;
use crate::config::{CLOCK_ALLOWANCE, Config};
use crate::device::DeviceThrottles;
use crate::dpop::Proofs;
use crate::feed::{Feed, LogPosition, REVOCATION_REACH, Sweep};
use crate::guessing::Guessing;
use crate::identity_provider::Answers;
use crate::keys::KeyRecord;
use crate::master_key::MasterKeyKeeper;
use crate::password::{Decoys, HashPool, SAMPLE};
use crate::remote_document::RemoteDocuments;
use crate::retired_key::RetiredKeys;
use crate::ring::{KeyRing, Published};
use crate::secrets::{MasterKey, Reseal, Roots, SecretError, Secrets, random};
use crate::shared_keys::SharedKeys;
use crate::signals::{KEPT_FOR, Signals};
use crate::status_list::StatusLists;
use crate::store::{NewRevocation, Store, StoreError};
use crate::throttle::Throttle;
use crate::user::RoleName;

/// The authorization server's rules, over a store.
pub struct Issuer {
    pub(crate) config: Config,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) secrets: Secrets,
    pub(crate) ring: ArcSwap<KeyRing>,
    pub(crate) shared: ArcSwap<SharedKeys>,
    /// What verifies hints beside the ring.
    pub(crate) retired_keys: ArcSwap<RetiredKeys>,
    /// Where the master key is kept, if this process may change it there.
    pub(crate) keeper: Option<Arc<dyn MasterKeyKeeper>>,
    /// Held while keys change, so that two rotations do not plan from one state.
    pub(crate) keys_changing: Mutex<()>,
    pub(crate) feed: Feed,
    pub(crate) signals: Signals,
    /// Where tokens get places in status lists, if they do.
    pub(crate) statuses: Option<StatusLists>,
    pub(crate) roles: ArcSwap<HashMap<RoleName, ScopeSet>>,
    pub(crate) proofs: Proofs,
    pub(crate) guessing: Arc<Guessing>,
    pub(crate) devices: DeviceThrottles,
    pub(crate) pushes: Throttle,
    pub(crate) answers: Answers,
    /// Clients that nobody has registered; `None`: there are none.
    pub(crate) documents: Option<ClientDocuments>,
    /// Where those publish their keys.
    pub(crate) document_key_sets: Option<ClientKeySets>,
    /// What clients refer to by URL; `None`: nothing.
    pub(crate) remote: Option<RemoteDocuments>,
    /// Where clients publish their keys; `None`: nowhere that is looked at.
    pub(crate) client_key_sets: Option<ClientKeySets>,
    pub(crate) passwords: HashPool,
    /// What an unknown user's login costs.
    pub(crate) decoys: ArcSwap<Decoys>,
    /// When users' hashes are looked at anew, in milliseconds; 0 for now.
    pub(crate) decoys_due: AtomicI64,
}

/// Why an issuer does not start, or cannot change its keys.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The keys in the store do not open, or there is no randomness.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// A key is refused.
    #[error("a signing key is refused: {0}")]
    Key(#[from] KeyError),
    /// The configuration names nobody.
    #[error(transparent)]
    Config(#[from] NamesNobody),
    /// The threads for password hashing could not be started.
    #[error("password hashing could not be started: {0}")]
    Hashing(#[from] std::io::Error),
}

impl Issuer {
    /// Starts an issuer on a store: loads keys, roles and the revocation log, and makes the first
    /// keys where there are none.
    ///
    /// # Errors
    /// [`OpenError`]; in particular [`SecretError::Sealed`] when the master key is not the one that
    /// the store's keys were sealed under.
    pub async fn open(
        config: Config,
        master: &MasterKey,
        store: Arc<dyn Store>,
        now: Timestamp,
    ) -> Result<Self, OpenError> {
        let (secrets, keys) = open_secrets(master, &*store).await?;
        let ring = KeyRing::load(keys, &secrets, &config)?;
        let shared = SharedKeys::new(&config.issuer, &config.resource_servers)?;
        let statuses = match config.status_list_ttl {
            Some(_) => Some(StatusLists::load(&*store, now).await?),
            None => None,
        };
        let issuer = Self {
            feed: Feed::load(&*store, LogId::new(random()?)).await?,
            roles: ArcSwap::default(),
            proofs: Proofs::new(config.dpop, config.profile, &secrets.dpop_nonces)?,
            signals: Signals::default(),
            statuses,
            guessing: Arc::new(Guessing::new(config.throttle)),
            devices: DeviceThrottles::new(config.throttle),
            pushes: Throttle::new(config.throttle.of_rows()),
            answers: Answers::new(config.throttle),
            documents: None,
            document_key_sets: None,
            remote: None,
            client_key_sets: None,
            passwords: HashPool::start(config.hashing)?,
            decoys: ArcSwap::default(),
            decoys_due: AtomicI64::new(0),
            ring: ArcSwap::from_pointee(ring),
            shared: ArcSwap::from_pointee(shared),
            retired_keys: ArcSwap::from_pointee(RetiredKeys::load(store.list_retired_keys().await?)?),
            keeper: None,
            keys_changing: Mutex::default(),
            config,
            store,
            secrets,
        };
        issuer.load_roles().await?;
        issuer.sample_decoys(now).await?;
        issuer.keep_terms().await?;
        issuer.maintain_keys(now).await?;
        Ok(issuer)
    }

    /// Lets [`Issuer::rotate_master_key`] change the master key where `keeper` keeps it.
    #[must_use]
    pub fn with_master_key_keeper(mut self, keeper: Arc<dyn MasterKeyKeeper>) -> Self {
        self.keeper = Some(keeper);
        self
    }

    /// The value of `iss`.
    #[must_use]
    pub fn name(&self) -> &gatepass_jose::Issuer {
        &self.config.issuer
    }

    /// The configuration it was started with.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// How many password hashes were computed since the start: what logins cost this machine. A login under a name that
    /// nobody has costs as many as one with a wrong password, so that its time tells nothing.
    #[must_use]
    pub fn password_hashes_computed(&self) -> u64 {
        self.passwords.computed()
    }

    /// What is to be done now and then: key rotation, and forgetting what nobody needs. Call it
    /// every few seconds.
    ///
    /// # Errors
    /// [`OpenError`] when the store fails; the next call tries again.
    pub async fn maintain(&self, now: Timestamp) -> Result<(), OpenError> {
        // Keys that cannot be looked after just now keep nothing else from being done.
        let keys = self.maintain_keys(now).await;
        self.maintain_statuses(now).await?;
        // Whoever changed something may have gone away between its durability and these.
        self.load_roles().await?;
        self.sample_decoys(now).await?;
        self.feed.pump(&*self.store).await?;
        self.feed.forget(now);
        // Receivers of signals may be away for longer than a token lives.
        let heard_until = match self.store.list_streams().await?.is_empty() {
            true => now,
            false => now.saturating_sub(KEPT_FOR),
        };
        self.store.forget_revocations(heard_until).await?;
        self.forget(now).await?;
        keys
    }

    /// The JWK Set as it is published now.
    #[must_use]
    pub fn published_keys(&self) -> Published {
        self.ring.load().published.clone()
    }

    /// Looks anew at how users' passwords are kept: each hour, and after an import.
    async fn sample_decoys(&self, now: Timestamp) -> Result<(), StoreError> {
        let due = self.decoys_due.load(Ordering::Relaxed);
        if due > now.as_millis() {
            return Ok(());
        }
        let sample = self.store.sample_passwords(SAMPLE).await?;
        self.decoys.store(Arc::new(Decoys::of(sample)));
        let next = now.saturating_add(Duration::from_secs(3600)).as_millis();
        // Unless there was an import meanwhile.
        let _ = self.decoys_due.compare_exchange(due, next, Ordering::Relaxed, Ordering::Relaxed);
        Ok(())
    }

    pub(crate) async fn load_roles(&self) -> Result<(), StoreError> {
        let roles = self.store.list_roles().await?;
        self.roles.store(Arc::new(roles.into_iter().map(|role| (role.name, role.scope)).collect()));
        Ok(())
    }

    /// A revocation of one token, session or key, whenever it was minted.
    pub(crate) fn revocation(&self, kind: Kind, id: &str, reason: Reason, now: Timestamp) -> NewRevocation {
        NewRevocation {
            kind,
            id: id.to_owned(),
            issued_before: now.saturating_add(REVOCATION_REACH),
            forget_after: self.dead_by(now),
            reason,
        }
    }

    /// A revocation of whatever was minted for a subject, a client or everybody before `sweep`'s reach.
    pub(crate) fn swept(
        &self,
        sweep: &Sweep<'_>,
        kind: Kind,
        id: &str,
        reason: Reason,
        now: Timestamp,
    ) -> NewRevocation {
        NewRevocation { issued_before: sweep.issued_before, ..self.revocation(kind, id, reason, now) }
    }

    /// When the last token minted by now is dead for every guard.
    pub(crate) fn dead_by(&self, now: Timestamp) -> Timestamp {
        now.saturating_add(self.config.access_token_lifetime + REVOCATION_REACH + CLOCK_ALLOWANCE)
    }

    /// The place of the newest revocation, and word of every later one.
    #[must_use]
    pub fn watch_revocations(&self) -> watch::Receiver<u64> {
        self.feed.subscribe()
    }

    /// The place of a reader of the log that left off after the entry of this number, or that begins now.
    #[must_use]
    pub fn log_position(&self, after: Option<u64>) -> LogPosition {
        self.feed.position(after)
    }

    /// The next revocations for a reader that are not forgotten, in order, at most `limit`: whoever reads
    /// the log for a client must not hold a copy of all of it per client. None where it has all there are.
    #[must_use]
    pub fn read_log(&self, position: &mut LogPosition, limit: usize) -> Vec<Entry> {
        self.feed.read(position, limit)
    }

    /// A sign of life for a reader that [`read_log`](Self::read_log) had nothing more for, at `now` or later.
    #[must_use]
    pub fn heartbeat(&self, position: LogPosition, now: Timestamp) -> Heartbeat {
        self.feed.heartbeat(position, now)
    }

    /// All revocations that are not forgotten, signed for guards to start from.
    ///
    /// # Errors
    /// [`SnapshotError`] when no key signs.
    pub fn snapshot(&self, now: Timestamp) -> Result<String, SnapshotError> {
        let snapshot = self.feed.snapshot(self.config.issuer.as_str(), now);
        let ring = self.ring.load();
        let key = ring.signer(Alg::ES256, now).ok_or(SnapshotError::NoKey)?;
        Ok(snapshot.sign(key)?)
    }
}

/// The secrets that `master` opens, and the keys that open with them. A store without keys gets roots of its own.
async fn open_secrets(master: &MasterKey, store: &dyn Store) -> Result<(Secrets, Vec<KeyRecord>), OpenError> {
    let keys = store.list_keys().await?;
    let sealed = store.find_roots().await?;
    if sealed.is_some() || !keys.is_empty() {
        return Ok((Secrets::from_store(master, sealed.as_deref())?, keys));
    }
    let roots = Roots::generate()?;
    let nothing = Reseal::new(|_| Err(SecretError::Sealed));
    store.reseal(&roots.seal(master)?, nothing).await?;
    Ok((Secrets::derive(roots)?, keys))
}

/// A snapshot could not be signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SnapshotError {
    /// No key signs now.
    #[error("no signing key for ES256")]
    NoKey,
    /// Signing failed.
    #[error(transparent)]
    Sign(#[from] SignError),
}
