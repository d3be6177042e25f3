//! Encryption for the store, and what it hangs on: roots that the master key wraps, so that the master key can
//! be another tomorrow.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, RandomizedNonceKey};
use gatepass_jose::Alg;
use zeroize::Zeroizing;

use super::{MasterKey, SecretError, expand, random};
use crate::client::SealedSecret;
use crate::id::{ClientId, StreamId};
use crate::keys::KeyRecord;

/// The context that the roots are sealed in.
const ROOTS: &[u8] = b"roots";

/// How many generations of sealing roots are kept: the present one, and the one before for what was sealed while
/// the master key changed.
const GENERATIONS: usize = 2;

type Root = Zeroizing<[u8; 32]>;

/// What every derived key comes from.
///
/// The root of the MACs stays: tags are in tokens and in the store, and cannot be made anew. The root of the seals
/// is another with every master key.
pub(crate) struct Roots {
    pub(super) macs: Root,
    /// The newest first; never empty.
    seals: Vec<Root>,
}

impl Roots {
    /// Fresh ones.
    pub(crate) fn generate() -> Result<Self, SecretError> {
        Ok(Self { macs: Zeroizing::new(random()?), seals: vec![Zeroizing::new(random()?)] })
    }

    /// Those of a store that keeps none: it was made when everything came from the master key itself.
    pub(super) fn of(master: &MasterKey) -> Self {
        Self { macs: master.0.clone(), seals: vec![master.0.clone()] }
    }

    /// The same for a new master key: nothing new is sealed under what the old one opened.
    pub(crate) fn renewed(&self) -> Result<Self, SecretError> {
        let seals = [Zeroizing::new(random()?)].into_iter().chain(self.seals.iter().cloned());
        Ok(Self { macs: self.macs.clone(), seals: seals.take(GENERATIONS).collect() })
    }

    /// As the store keeps them.
    pub(crate) fn seal(&self, master: &MasterKey) -> Result<Vec<u8>, SecretError> {
        let parts = [&self.macs].into_iter().chain(&self.seals);
        let plain = Zeroizing::new(parts.flat_map(|root| root.iter().copied()).collect::<Vec<u8>>());
        Self::wrapping(master)?.seal(ROOTS.to_vec(), &plain)
    }

    /// From what [`Roots::seal`] made under the same master key.
    pub(crate) fn open(master: &MasterKey, sealed: &[u8]) -> Result<Self, SecretError> {
        let plain = Self::wrapping(master)?.open(ROOTS.to_vec(), sealed)?;
        let (parts, []) = plain.as_chunks::<32>() else { return Err(SecretError::Sealed) };
        match parts.split_first() {
            Some((macs, seals)) if !seals.is_empty() => Ok(Self {
                macs: Zeroizing::new(*macs),
                seals: seals.iter().copied().map(Zeroizing::new).collect(),
            }),
            _ => Err(SecretError::Sealed),
        }
    }

    fn wrapping(master: &MasterKey) -> Result<Seal, SecretError> {
        Seal::new(expand(&master.0, b"roots at rest")?.as_slice())
    }
}

/// The keys that encrypt for the store, of every generation of roots.
pub(crate) struct Seals {
    /// The newest first.
    generations: Vec<Generation>,
}

/// A key for each kind of thing.
struct Generation {
    signing_keys: Seal,
    client_secrets: Seal,
    authorizations: Seal,
}

/// What is kept sealed, with what it is bound to.
#[derive(Clone, Copy, Debug)]
pub enum Sealed<'s> {
    /// The private half of a signing key.
    SigningKey(&'s KeyRecord),
    /// A secret that a client signs with.
    ClientSecret(&'s ClientId, &'s SealedSecret),
    /// What is sent as `Authorization` to a receiver of signals.
    StreamAuthorization(StreamId, &'s SealedSecret),
}

/// Makes of everything sealed what is to stand in its place, for [`Store::reseal`](crate::store::Store::reseal).
#[derive(Clone)]
pub struct Reseal(Arc<ResealOne>);

type ResealOne = dyn Fn(Sealed<'_>) -> Result<Vec<u8>, SecretError> + Send + Sync;

impl Reseal {
    /// Asks `reseal` for each.
    pub fn new(reseal: impl Fn(Sealed<'_>) -> Result<Vec<u8>, SecretError> + Send + Sync + 'static) -> Self {
        Self(Arc::new(reseal))
    }

    /// What is to stand in the place of `sealed`.
    ///
    /// # Errors
    /// [`SecretError::Sealed`] when it does not open: then nothing is to be changed.
    pub fn reseal(&self, sealed: Sealed<'_>) -> Result<Vec<u8>, SecretError> {
        (self.0)(sealed)
    }
}

impl fmt::Debug for Reseal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Reseal(..)")
    }
}

impl Seals {
    pub(super) fn of(roots: &Roots) -> Result<Self, SecretError> {
        let seal = |root: &Root, purpose| Seal::new(expand(root, purpose)?.as_slice());
        let generation = |root| {
            Ok(Generation {
                signing_keys: seal(root, b"signing keys at rest")?,
                client_secrets: seal(root, b"client secrets at rest")?,
                authorizations: seal(root, b"stream authorizations at rest")?,
            })
        };
        Ok(Self { generations: roots.seals.iter().map(generation).collect::<Result<_, SecretError>>()? })
    }

    pub(super) fn seal_key(&self, kid: &str, alg: Alg, private: &[u8]) -> Result<Vec<u8>, SecretError> {
        self.newest()?.signing_keys.seal(key_context(kid, alg), private)
    }

    pub(super) fn open_key(
        &self,
        kid: &str,
        alg: Alg,
        sealed: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, SecretError> {
        self.open(|seals| seals.signing_keys.open(key_context(kid, alg), sealed))
    }

    pub(super) fn seal_secret(&self, client: &ClientId, secret: &[u8]) -> Result<SealedSecret, SecretError> {
        self.newest()?.client_secrets.seal(client.as_str().into(), secret).map(SealedSecret)
    }

    pub(super) fn open_secret(
        &self,
        client: &ClientId,
        sealed: &SealedSecret,
    ) -> Result<Zeroizing<Vec<u8>>, SecretError> {
        self.open(|seals| seals.client_secrets.open(client.as_str().into(), &sealed.0))
    }

    pub(super) fn seal_authorization(
        &self,
        stream: StreamId,
        value: &[u8],
    ) -> Result<SealedSecret, SecretError> {
        self.newest()?.authorizations.seal(stream.as_bytes().into(), value).map(SealedSecret)
    }

    pub(super) fn open_authorization(
        &self,
        stream: StreamId,
        sealed: &SealedSecret,
    ) -> Result<Zeroizing<Vec<u8>>, SecretError> {
        self.open(|seals| seals.authorizations.open(stream.as_bytes().into(), &sealed.0))
    }

    /// Opens something and seals it for `next`.
    pub(super) fn reseal(&self, sealed: Sealed<'_>, next: &Self) -> Result<Vec<u8>, SecretError> {
        match sealed {
            Sealed::SigningKey(KeyRecord { kid, alg, sealed, .. }) => {
                next.seal_key(kid, *alg, &self.open_key(kid, *alg, sealed)?)
            }
            Sealed::ClientSecret(client, sealed) => {
                Ok(next.seal_secret(client, &self.open_secret(client, sealed)?)?.0)
            }
            Sealed::StreamAuthorization(stream, sealed) => {
                Ok(next.seal_authorization(stream, &self.open_authorization(stream, sealed)?)?.0)
            }
        }
    }

    fn newest(&self) -> Result<&Generation, SecretError> {
        self.generations.first().ok_or(SecretError::Random)
    }

    fn open(
        &self,
        open: impl Fn(&Generation) -> Result<Zeroizing<Vec<u8>>, SecretError>,
    ) -> Result<Zeroizing<Vec<u8>>, SecretError> {
        self.generations.iter().find_map(|generation| open(generation).ok()).ok_or(SecretError::Sealed)
    }
}

/// A key that encrypts for the store, and binds what it encrypts to a context.
pub(crate) struct Seal(RandomizedNonceKey);

impl Seal {
    pub(super) fn new(key: &[u8]) -> Result<Self, SecretError> {
        RandomizedNonceKey::new(&AES_256_GCM, key).map(Self).map_err(|_| SecretError::Random)
    }

    pub(crate) fn seal(&self, context: Vec<u8>, secret: &[u8]) -> Result<Vec<u8>, SecretError> {
        let mut sealed = secret.to_vec();
        let nonce = self
            .0
            .seal_in_place_append_tag(Aad::from(context), &mut sealed)
            .map_err(|_| SecretError::Random)?;
        sealed.extend_from_slice(nonce.as_ref());
        Ok(sealed)
    }

    pub(crate) fn open(&self, context: Vec<u8>, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, SecretError> {
        let at = sealed.len().checked_sub(NONCE_LEN).ok_or(SecretError::Sealed)?;
        let (ciphertext, nonce) = sealed.split_at_checked(at).ok_or(SecretError::Sealed)?;
        let nonce: [u8; NONCE_LEN] = nonce.try_into().map_err(|_| SecretError::Sealed)?;
        let mut buffer = Zeroizing::new(ciphertext.to_vec());
        let len = self
            .0
            .open_in_place((&nonce).into(), Aad::from(context), &mut buffer)
            .map_err(|_| SecretError::Sealed)?
            .len();
        buffer.truncate(len);
        Ok(buffer)
    }
}

fn key_context(kid: &str, alg: Alg) -> Vec<u8> {
    format!("{alg} {kid}").into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(seals: &Seals, private: &[u8]) -> KeyRecord {
        KeyRecord {
            kid: "k1".into(),
            alg: Alg::ES256,
            sealed: seals.seal_key("k1", Alg::ES256, private).unwrap(),
            published_at: gatepass_jose::Timestamp::EPOCH,
            signs_from: None,
            signed_until: None,
            terms: crate::keys::KeyTerms::default(),
        }
    }

    #[test]
    fn roots_open_under_their_master_key_alone() {
        let (master, other) = (MasterKey::generate().unwrap(), MasterKey::generate().unwrap());
        let roots = Roots::generate().unwrap().renewed().unwrap();
        let sealed = roots.seal(&master).unwrap();
        let opened = Roots::open(&master, &sealed).unwrap();
        assert_eq!((opened.macs, opened.seals), (roots.macs, roots.seals));
        assert_eq!(Roots::open(&other, &sealed).err(), Some(SecretError::Sealed));
        for len in 0..sealed.len() {
            assert!(Roots::open(&master, &sealed[..len]).is_err(), "cut to {len}");
        }
    }

    #[test]
    fn what_was_sealed_before_or_during_a_change_opens_after_it_and_no_longer_than_to_the_next() {
        let mut roots = Roots::generate().unwrap();
        let first = Seals::of(&roots).unwrap();
        let key = key(&first, b"private");
        roots = roots.renewed().unwrap();
        let second = Seals::of(&roots).unwrap();
        let resealed = first.reseal(Sealed::SigningKey(&key), &second).unwrap();
        assert!(
            first.open_key("k1", Alg::ES256, &resealed).is_err(),
            "the old roots do not open what is new"
        );
        assert_eq!(second.open_key("k1", Alg::ES256, &resealed).unwrap().as_slice(), b"private");
        assert_eq!(
            second.open_key("k1", Alg::ES256, &key.sealed).unwrap().as_slice(),
            b"private",
            "a late write"
        );
        roots = roots.renewed().unwrap();
        let third = Seals::of(&roots).unwrap();
        assert!(third.open_key("k1", Alg::ES256, &key.sealed).is_err(), "it should have been sealed anew");
        assert!(third.open_key("k1", Alg::ES256, &resealed).is_ok());
    }

    #[test]
    fn tags_stay_what_they_are_when_the_master_key_changes() {
        let roots = Roots::generate().unwrap();
        assert_eq!(roots.renewed().unwrap().macs, roots.macs);
        assert_ne!(roots.renewed().unwrap().seals[0], roots.seals[0]);
    }
}
