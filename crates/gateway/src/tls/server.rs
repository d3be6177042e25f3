//! Towards the clients: a certificate, its key, and perhaps whom clients may show one from.

use std::path::PathBuf;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::server::WebPkiClientVerifier;

use super::{Followed, Pair, PairRead, TlsError, TlsFile, TlsFiles, read, roots};

/// The files that `[tls]` names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ServerFiles {
    /// Who the gateway is.
    pub(crate) pair: Pair,
    /// Whose client certificates are taken; without it none is asked for.
    pub(crate) client_ca: Option<PathBuf>,
}

impl Followed<ServerFiles> {
    /// What the next handshake is made with.
    pub(crate) fn server(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.current.load().config)
    }
}

impl TlsFiles for ServerFiles {
    type Read = (PairRead, Option<Vec<u8>>);
    type Config = Arc<ServerConfig>;

    fn read(&self) -> Result<Self::Read, TlsError> {
        let client_ca = self.client_ca.as_deref();
        Ok((self.pair.read()?, client_ca.map(|path| read(TlsFile::Ca, path)).transpose()?))
    }

    fn build(&self, (pair, client_ca): &Self::Read) -> Result<Self::Config, TlsError> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let (chain, key) = self.pair.parse(pair, &provider)?;
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(|error| self.pair.unusable(error.to_string()))?;
        let builder = match (&self.client_ca, client_ca) {
            (Some(path), Some(pem)) => {
                // A client may show a certificate; one that it shows must be good. Which requests need one is
                // for the tokens to say that are bound to one.
                let verifier =
                    WebPkiClientVerifier::builder_with_provider(Arc::new(roots(path, pem)?), provider)
                        .allow_unauthenticated()
                        .build()
                        .map_err(|error| TlsError::new(TlsFile::Ca, path, error.to_string()))?;
                builder.with_client_cert_verifier(verifier)
            }
            _ => builder.with_no_client_auth(),
        };
        let mut server =
            builder.with_single_cert(chain, key).map_err(|error| self.pair.unusable(error.to_string()))?;
        server.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        server.ticketer =
            aws_lc_rs::Ticketer::new().map_err(|error| self.pair.unusable(format!("no random: {error}")))?;
        Ok(Arc::new(server))
    }
}
