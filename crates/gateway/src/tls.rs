//! TLS on both sides: who the gateway is to its clients and to the servers, and whom it takes them for.
//!
//! The files are read with the configuration, so that bad ones are refused with it, and again whenever they
//! change, so that a renewed certificate needs no reload. What cannot be used then changes nothing.

mod client;
mod server;

use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use rustls::RootCertStore;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use zeroize::Zeroizing;

pub(crate) use self::client::{Offer, UpstreamFiles};
pub(crate) use self::server::ServerFiles;

/// What `[tls]` says, and what came of it when the files were last good.
pub(crate) type Tls = Followed<ServerFiles>;

/// What the `tls` of an upstream says, and what came of it when the files were last good.
pub(crate) type UpstreamTls = Followed<UpstreamFiles>;

/// PEM files, and what connections are made with since they were last good.
pub(crate) struct Followed<F: TlsFiles> {
    files: F,
    current: ArcSwap<Loaded<F::Config>>,
    /// The fingerprint of files that were refused, so that each bad version is reported once.
    refused: Mutex<Option<u64>>,
}

/// PEM files that belong together.
pub(crate) trait TlsFiles: fmt::Debug + PartialEq {
    /// What is in them.
    type Read: Hash;
    /// What connections are made with.
    type Config;

    /// Blocks.
    fn read(&self) -> Result<Self::Read, TlsError>;
    fn build(&self, read: &Self::Read) -> Result<Self::Config, TlsError>;
}

/// A file that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{} {problem}", path.display())]
pub(crate) struct TlsError {
    pub(crate) file: TlsFile,
    path: PathBuf,
    problem: String,
}

/// By the key that names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TlsFile {
    Certificate,
    Key,
    /// Those that vouch for the other side.
    Ca,
}

struct Loaded<C> {
    /// A hash of the files.
    fingerprint: u64,
    config: C,
}

impl<F: TlsFiles> Followed<F> {
    pub(crate) fn load(files: F) -> Result<Self, TlsError> {
        let read = files.read()?;
        let loaded = Loaded { fingerprint: fingerprint(&read), config: files.build(&read)? };
        Ok(Self { files, current: ArcSwap::from_pointee(loaded), refused: Mutex::new(None) })
    }

    /// Takes over files that have changed. Blocks while it reads them.
    ///
    /// A certificate and its key are seldom replaced in one moment: a pair that does not fit yet is one of
    /// those refused, and looked at again once the rest has come.
    pub(crate) fn refresh(&self) {
        let outcome = self.files.read().map_err(|error| (None, error)).and_then(|read| {
            let fingerprint = fingerprint(&read);
            if fingerprint == self.current.load().fingerprint || self.was_refused(fingerprint) {
                return Ok(false);
            }
            let config = self.files.build(&read).map_err(|error| (Some(fingerprint), error))?;
            self.current.store(Arc::new(Loaded { fingerprint, config }));
            Ok(true)
        });
        match outcome {
            Ok(false) => {}
            Ok(true) => tracing::info!(files = ?self.files, "certificate loaded again"),
            Err((fingerprint, error)) => {
                *self.refused.lock().unwrap_or_else(PoisonError::into_inner) = fingerprint;
                tracing::error!(%error, "new certificate refused, the one before goes on");
            }
        }
    }

    fn was_refused(&self, fingerprint: u64) -> bool {
        *self.refused.lock().unwrap_or_else(PoisonError::into_inner) == Some(fingerprint)
    }
}

/// Equal if they stand for the same bytes, so that one of the two will do. Sessions are resumed only with
/// the one that began them.
impl<F: TlsFiles> PartialEq for Followed<F> {
    fn eq(&self, other: &Self) -> bool {
        self.files == other.files && self.current.load().fingerprint == other.current.load().fingerprint
    }
}

impl<F: TlsFiles> Eq for Followed<F> {}

impl<F: TlsFiles> fmt::Debug for Followed<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.files.fmt(f)
    }
}

fn fingerprint(read: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    read.hash(&mut hasher);
    hasher.finish()
}

impl TlsError {
    fn new(file: TlsFile, path: &Path, problem: impl Into<String>) -> Self {
        Self { file, path: path.to_owned(), problem: problem.into() }
    }
}

/// A certificate with those between it and its root, in this order, and its private key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pair {
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
}

pub(crate) struct PairRead {
    certificate: Vec<u8>,
    key: Zeroizing<Vec<u8>>,
}

impl Hash for PairRead {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (&self.certificate, self.key.as_slice()).hash(state);
    }
}

type ChainAndKey = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

impl Pair {
    fn read(&self) -> Result<PairRead, TlsError> {
        Ok(PairRead {
            certificate: read(TlsFile::Certificate, &self.certificate)?,
            key: read(TlsFile::Key, &self.key).map(Zeroizing::new)?,
        })
    }

    /// What is in the files, if the one is the other's.
    fn parse(&self, read: &PairRead, provider: &CryptoProvider) -> Result<ChainAndKey, TlsError> {
        let of_key = |problem: String| TlsError::new(TlsFile::Key, &self.key, problem);
        let chain = certificates(&read.certificate).map_err(|problem| self.unusable(problem))?;
        let key = PrivateKeyDer::from_pem_slice(&read.key)
            .map_err(|error| of_key(format!("holds no private key: {error}")))?;
        CertifiedKey::from_der(chain.clone(), key.clone_key(), provider).map_err(|error| match error {
            rustls::Error::InconsistentKeys(_) => of_key("is not the key of the certificate".to_owned()),
            error => self.unusable(format!("cannot be used with its key: {error}")),
        })?;
        Ok((chain, key))
    }

    fn unusable(&self, problem: String) -> TlsError {
        TlsError::new(TlsFile::Certificate, &self.certificate, problem)
    }
}

fn read(file: TlsFile, path: &Path) -> Result<Vec<u8>, TlsError> {
    std::fs::read(path).map_err(|error| TlsError::new(file, path, format!("cannot be read: {error}")))
}

/// The certificates that vouch for others.
fn roots(path: &Path, pem: &[u8]) -> Result<RootCertStore, TlsError> {
    let of_ca = |problem| TlsError::new(TlsFile::Ca, path, problem);
    let mut roots = RootCertStore::empty();
    for certificate in certificates(pem).map_err(of_ca)? {
        roots
            .add(certificate)
            .map_err(|error| of_ca(format!("holds a certificate that is no root: {error}")))?;
    }
    Ok(roots)
}

fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    match all {
        Ok(all) if all.is_empty() => Err("holds no certificate".to_owned()),
        Ok(all) => Ok(all),
        Err(error) => Err(format!("is no PEM file of certificates: {error}")),
    }
}
