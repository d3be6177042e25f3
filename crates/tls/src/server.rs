//! Towards the clients: a certificate, its key, and perhaps whose certificates they may show.

use std::path::PathBuf;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::CertificateDer;
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};

use crate::AnyCertificate;
use crate::files::{Followed, Pair, PairRead, TlsError, TlsFile, TlsFiles, read, roots};

/// The files that a listener needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerFiles {
    /// Who the server is.
    pub pair: Pair,
    /// Whether clients are asked for a certificate. None has to show one: which requests need one is for others to say.
    pub asked: Asked,
}

/// Whose certificates clients are asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asked {
    /// Nobody's.
    Nobodys,
    /// Those that an authority in this file vouches for; a client that shows another is turned away.
    VouchedFor(PathBuf),
    /// Anybody's, see [`AnyCertificate`].
    Anybodys,
}

/// What a listener speaks TLS with.
pub type ServerTls = Followed<ServerFiles>;

/// What handshakes are made with.
pub struct Served {
    config: Arc<ServerConfig>,
    leaf: CertificateDer<'static>,
}

impl Followed<ServerFiles> {
    /// What the next handshake is made with.
    #[must_use]
    pub fn server(&self) -> Arc<ServerConfig> {
        self.with(|served| Arc::clone(&served.config))
    }

    /// Whether clients are asked for certificates.
    #[must_use]
    pub fn asks(&self) -> bool {
        self.files().asked != Asked::Nobodys
    }

    /// The certificate that the next client sees.
    #[must_use]
    pub fn certificate(&self) -> CertificateDer<'static> {
        self.with(|served| served.leaf.clone())
    }
}

impl TlsFiles for ServerFiles {
    type Read = (PairRead, Option<Vec<u8>>);
    type Config = Served;

    fn read(&self) -> Result<Self::Read, TlsError> {
        let authorities = match &self.asked {
            Asked::VouchedFor(path) => Some(read(TlsFile::Ca, path)?),
            Asked::Nobodys | Asked::Anybodys => None,
        };
        Ok((self.pair.read()?, authorities))
    }

    fn build(&self, (pair, authorities): &Self::Read) -> Result<Self::Config, TlsError> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let (chain, key) = self.pair.parse(pair, &provider)?;
        let leaf = chain.first().cloned().ok_or_else(|| self.pair.unusable("holds no certificate"))?;
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(|error| self.pair.unusable(error.to_string()))?;
        let builder = match (&self.asked, authorities) {
            (Asked::VouchedFor(path), Some(pem)) => {
                let verifier =
                    WebPkiClientVerifier::builder_with_provider(Arc::new(roots(path, pem)?), provider)
                        .allow_unauthenticated()
                        .build()
                        .map_err(|error| TlsError::new(TlsFile::Ca, path, error.to_string()))?;
                builder.with_client_cert_verifier(verifier)
            }
            (Asked::Anybodys, _) => {
                builder.with_client_cert_verifier(Arc::new(AnyCertificate::new(provider)))
            }
            _ => builder.with_no_client_auth(),
        };
        let mut server =
            builder.with_single_cert(chain, key).map_err(|error| self.pair.unusable(error.to_string()))?;
        server.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        if self.asked != Asked::Nobodys {
            // A session that is taken up again would carry the certificate along, as long as a stranger likes it to be and past
            // its own end, and prove the key by an older handshake.
            server.send_tls13_tickets = 0;
            server.session_storage = Arc::new(NoServerSessionStorage {});
        } else {
            server.ticketer = aws_lc_rs::Ticketer::new()
                .map_err(|error| self.pair.unusable(format!("no random: {error}")))?;
        }
        Ok(Served { config: Arc::new(server), leaf })
    }
}
