//! Signing keys that have left the key set: their public halves, for ID tokens that come back as hints.
//!
//! A client shows an ID token for as long as its user is logged in (`id_token_hint`), expired or not; the key that signed it
//! leaves the key set when no token is alive that it signed. Hints are all that is verified with a key from here, and none
//! is here that was withdrawn: nobody knows what else it signed.

use gatepass_jose::{Alg, Jwk, KeyError, Timestamp, VerifyingKey};

use crate::issuer::{Issuer, OpenError};
use crate::keys::KeyRecord;

/// A key that signs no more and is published no more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RetiredKey {
    /// Its name in tokens.
    pub kid: String,
    /// Its algorithm.
    pub alg: Alg,
    /// Its public half.
    pub jwk: Jwk,
    /// When no login is alive of which it signed an ID token.
    pub forget_after: Timestamp,
}

/// Those of a moment, ready to verify with.
#[derive(Default)]
pub(crate) struct RetiredKeys(Vec<(RetiredKey, VerifyingKey)>);

impl RetiredKeys {
    pub(crate) fn load(keys: Vec<RetiredKey>) -> Result<Self, KeyError> {
        let parse = |key: RetiredKey| {
            let verifying = VerifyingKey::from_jwk(&key.jwk, &[key.alg])?;
            Ok((key, verifying))
        };
        keys.into_iter().map(parse).collect::<Result<_, _>>().map(Self)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &RetiredKey> {
        self.0.iter().map(|(key, _)| key)
    }

    /// Those without the ones that `is_known` names: what leaves the key set is here a moment before.
    pub(crate) fn verifying(&self, is_known: impl Fn(&str) -> bool) -> impl Iterator<Item = VerifyingKey> {
        self.0.iter().filter(move |(key, _)| !is_known(&key.kid)).map(|(_, key)| key.clone())
    }
}

impl Issuer {
    /// Keeps what is left of the keys that are about to leave the key set for good, and forgets what is `withdrawn` or has
    /// had its time. To be called while nobody else changes keys.
    pub(crate) async fn retire(
        &self,
        leaving: &[String],
        withdrawn: &[&str],
        now: Timestamp,
    ) -> Result<(), OpenError> {
        let is_due = self.retired_keys.load().iter().any(|key| now >= key.forget_after);
        if leaving.is_empty() && withdrawn.is_empty() && !is_due {
            return Ok(());
        }
        // What the store has, and not what is known here: a change may have become durable and seemed to fail.
        let (ring, before) = (self.ring.load(), self.store.list_retired_keys().await?);
        let retired = |record: &KeyRecord, jwk: Jwk| {
            // One that never signed is nobody's.
            let forget_after = record.signed_until?.saturating_add(self.config.login.absolute);
            Some(RetiredKey { kid: record.kid.clone(), alg: record.alg, jwk, forget_after })
        };
        // One may be here from before, if keeping what had changed failed afterwards.
        let is_new = |kid: &&String| !before.iter().any(|key| key.kid == **kid);
        let new = leaving.iter().filter(is_new).filter_map(|kid| {
            let (record, jwk) = ring.public_half(kid)?;
            retired(record, jwk)
        });
        let stays = |key: &RetiredKey| now < key.forget_after && !withdrawn.contains(&key.kid.as_str());
        let keys: Vec<RetiredKey> = before.iter().cloned().chain(new).filter(stays).collect();
        if before != keys {
            self.store.put_retired_keys(&keys).await?;
        }
        if !self.retired_keys.load().iter().eq(&keys) {
            self.retired_keys.store(RetiredKeys::load(keys)?.into());
        }
        Ok(())
    }
}
