//! PEM files: what is in them, and what came of them when they were last good.

use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use rustls::RootCertStore;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use zeroize::Zeroizing;

/// How often files are worth a look ([`Followed::refresh`]).
pub const CHECK: Duration = Duration::from_secs(2);

/// PEM files, and what connections are made with since they were last good.
pub struct Followed<F: TlsFiles> {
    files: F,
    current: ArcSwap<Loaded<F::Config>>,
    /// The fingerprint of files that were refused, so that each bad version is reported once.
    refused: Mutex<Option<u64>>,
}

/// PEM files that belong together.
pub trait TlsFiles: fmt::Debug + PartialEq {
    /// What is in them.
    type Read: Hash;
    /// What connections are made with.
    type Config;

    /// Reads them. Blocks.
    ///
    /// # Errors
    /// Names the file that cannot be read.
    fn read(&self) -> Result<Self::Read, TlsError>;

    /// Makes of them what connections are made with.
    ///
    /// # Errors
    /// Names the file that cannot be used.
    fn build(&self, read: &Self::Read) -> Result<Self::Config, TlsError>;
}

/// A file that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{} {problem}", path.display())]
pub struct TlsError {
    /// Which one it is.
    pub file: TlsFile,
    path: PathBuf,
    problem: String,
}

/// By the key that names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TlsFile {
    /// A certificate and those between it and its root.
    Certificate,
    /// The certificate's private key.
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
    /// Reads the files for the first time. Blocks.
    ///
    /// # Errors
    /// [`TlsError`].
    pub fn load(files: F) -> Result<Self, TlsError> {
        let read = files.read()?;
        let loaded = Loaded { fingerprint: fingerprint(&read), config: files.build(&read)? };
        Ok(Self { files, current: ArcSwap::from_pointee(loaded), refused: Mutex::new(None) })
    }

    /// Takes over files that have changed. Blocks while it reads them.
    ///
    /// A certificate and its key are seldom replaced in one moment: a pair that does not fit yet is one of
    /// those refused, and looked at again once the rest has come.
    pub fn refresh(&self) {
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

    /// Where all of it comes from.
    pub fn files(&self) -> &F {
        &self.files
    }

    /// What connections are made with now.
    pub fn with<T>(&self, of: impl FnOnce(&F::Config) -> T) -> T {
        of(&self.current.load().config)
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
    /// The file at `path` has a problem: "cannot be read", as the end of a sentence.
    pub fn new(file: TlsFile, path: &Path, problem: impl Into<String>) -> Self {
        Self { file, path: path.to_owned(), problem: problem.into() }
    }
}

/// A certificate with those between it and its root, in this order, and its private key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pair {
    /// The certificates, in PEM.
    pub certificate: PathBuf,
    /// The key, in PEM.
    pub key: PathBuf,
}

/// What a [`Pair`]'s files held.
pub struct PairRead {
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
    /// Reads both files. Blocks.
    ///
    /// # Errors
    /// Names the file that cannot be read.
    pub fn read(&self) -> Result<PairRead, TlsError> {
        Ok(PairRead {
            certificate: read(TlsFile::Certificate, &self.certificate)?,
            key: read(TlsFile::Key, &self.key).map(Zeroizing::new)?,
        })
    }

    /// What is in the files, if the one is the other's.
    ///
    /// # Errors
    /// Names the file that is no PEM, or does not fit.
    pub fn parse(&self, read: &PairRead, provider: &CryptoProvider) -> Result<ChainAndKey, TlsError> {
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

    /// The certificate has a problem.
    #[must_use]
    pub fn unusable(&self, problem: impl Into<String>) -> TlsError {
        TlsError::new(TlsFile::Certificate, &self.certificate, problem)
    }
}

/// Reads one file. Blocks.
///
/// # Errors
/// It cannot be read.
pub fn read(file: TlsFile, path: &Path) -> Result<Vec<u8>, TlsError> {
    std::fs::read(path).map_err(|error| TlsError::new(file, path, format!("cannot be read: {error}")))
}

/// The certificates that vouch for others.
///
/// # Errors
/// There is none, or one that is no root.
pub fn roots(path: &Path, pem: &[u8]) -> Result<RootCertStore, TlsError> {
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
