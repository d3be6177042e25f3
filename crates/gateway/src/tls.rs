//! TLS towards the clients: a certificate, its key, and perhaps whom clients may show one from.
//!
//! The files are read with the configuration, so that bad ones are refused with it, and again whenever they
//! change, so that a renewed certificate needs no reload. What cannot be used then changes nothing.

use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use rustls::sign::CertifiedKey;
use rustls::{RootCertStore, ServerConfig};
use zeroize::Zeroizing;

/// What `[tls]` says, and what came of it when the files were last good.
pub(crate) struct Tls {
    files: TlsFiles,
    current: ArcSwap<Loaded>,
    /// The fingerprint of files that were refused, so that each bad version is reported once.
    refused: Mutex<Option<u64>>,
}

/// The files that `[tls]` names, all PEM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TlsFiles {
    /// The certificate of the gateway and those between it and its root, in this order.
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
    /// Whose client certificates are taken; without it none is asked for.
    pub(crate) client_ca: Option<PathBuf>,
}

/// A file of `[tls]` that cannot be used.
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
    ClientCa,
}

struct Loaded {
    /// A hash of the files.
    fingerprint: u64,
    server: Arc<ServerConfig>,
}

struct Read {
    certificate: Vec<u8>,
    key: Zeroizing<Vec<u8>>,
    client_ca: Option<Vec<u8>>,
}

impl Tls {
    pub(crate) fn load(files: TlsFiles) -> Result<Self, TlsError> {
        let read = files.read()?;
        let loaded = Loaded { fingerprint: read.fingerprint(), server: files.build(&read)? };
        Ok(Self { files, current: ArcSwap::from_pointee(loaded), refused: Mutex::new(None) })
    }

    /// What the next handshake is made with.
    pub(crate) fn server(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.current.load().server)
    }

    /// Whether the other stands for the same bytes, so that one of the two will do. Sessions are resumed
    /// only with the one that began them.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        self.files == other.files && self.current.load().fingerprint == other.current.load().fingerprint
    }

    /// Takes over files that have changed. Blocks while it reads them.
    ///
    /// A certificate and its key are seldom replaced in one moment: a pair that does not fit yet is one of
    /// those refused, and looked at again once the rest has come.
    pub(crate) fn refresh(&self) {
        let outcome = self.files.read().map_err(|error| (None, error)).and_then(|read| {
            let fingerprint = read.fingerprint();
            if fingerprint == self.current.load().fingerprint || self.was_refused(fingerprint) {
                return Ok(false);
            }
            let server = self.files.build(&read).map_err(|error| (Some(fingerprint), error))?;
            self.current.store(Arc::new(Loaded { fingerprint, server }));
            Ok(true)
        });
        match outcome {
            Ok(false) => {}
            Ok(true) => {
                tracing::info!(certificate = %self.files.certificate.display(), "certificate loaded again")
            }
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

impl TlsFiles {
    fn read(&self) -> Result<Read, TlsError> {
        let read = |file, path: &Path| {
            std::fs::read(path).map_err(|error| TlsError::new(file, path, format!("cannot be read: {error}")))
        };
        let client_ca = self.client_ca.as_deref();
        Ok(Read {
            certificate: read(TlsFile::Certificate, &self.certificate)?,
            key: read(TlsFile::Key, &self.key).map(Zeroizing::new)?,
            client_ca: client_ca.map(|path| read(TlsFile::ClientCa, path)).transpose()?,
        })
    }

    fn build(&self, read: &Read) -> Result<Arc<ServerConfig>, TlsError> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let of_certificate =
            |problem: String| TlsError::new(TlsFile::Certificate, &self.certificate, problem);
        let of_key = |problem: String| TlsError::new(TlsFile::Key, &self.key, problem);
        let chain = certificates(&read.certificate).map_err(of_certificate)?;
        let key = PrivateKeyDer::from_pem_slice(&read.key)
            .map_err(|error| of_key(format!("holds no private key: {error}")))?;
        CertifiedKey::from_der(chain.clone(), key.clone_key(), &provider).map_err(|error| match error {
            rustls::Error::InconsistentKeys(_) => of_key("is not the key of the certificate".to_owned()),
            error => of_certificate(format!("cannot be used with its key: {error}")),
        })?;
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(|error| of_certificate(error.to_string()))?;
        let builder = match (&self.client_ca, &read.client_ca) {
            (Some(path), Some(pem)) => builder.with_client_cert_verifier(
                client_verifier(pem, provider)
                    .map_err(|problem| TlsError::new(TlsFile::ClientCa, path, problem))?,
            ),
            _ => builder.with_no_client_auth(),
        };
        let mut server =
            builder.with_single_cert(chain, key).map_err(|error| of_certificate(error.to_string()))?;
        server.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        server.ticketer =
            aws_lc_rs::Ticketer::new().map_err(|error| of_certificate(format!("no random: {error}")))?;
        Ok(Arc::new(server))
    }
}

impl Read {
    fn fingerprint(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        (&self.certificate, self.key.as_slice(), &self.client_ca).hash(&mut hasher);
        hasher.finish()
    }
}

impl TlsError {
    fn new(file: TlsFile, path: &Path, problem: impl Into<String>) -> Self {
        Self { file, path: path.to_owned(), problem: problem.into() }
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.files.fmt(f)
    }
}

/// A client may show a certificate; one that it shows must be good. Which requests need one is for the
/// tokens to say that are bound to one.
fn client_verifier(pem: &[u8], provider: Arc<CryptoProvider>) -> Result<Arc<dyn ClientCertVerifier>, String> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(pem)? {
        roots.add(certificate).map_err(|error| format!("holds a certificate that is no root: {error}"))?;
    }
    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
        .allow_unauthenticated()
        .build()
        .map_err(|error| error.to_string())
}

fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    match all {
        Ok(all) if all.is_empty() => Err("holds no certificate".to_owned()),
        Ok(all) => Ok(all),
        Err(error) => Err(format!("is no PEM file of certificates: {error}")),
    }
}
