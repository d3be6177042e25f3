//! Towards the servers: who vouches for them, and perhaps a certificate to show them.
//!
//! A server's certificate is verified always, for its name and up to a root. There is no switch for less:
//! what a test needs is a root of its own, which `ca` names.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::crypto::aws_lc_rs;
use rustls::{ClientConfig, RootCertStore};

use gatepass_tls::{Pair, PairRead, TlsError, TlsFile, TlsFiles, read, roots};

use crate::config::Protocol;

/// The files that the `tls` of an upstream names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct UpstreamFiles {
    /// Who vouches for the servers; without it, whom this machine trusts.
    pub(crate) ca: Option<PathBuf>,
    /// Who the gateway is to servers that ask.
    pub(crate) pair: Option<Pair>,
}

/// The protocols that are offered in a handshake (ALPN, RFC 7301).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Offer {
    Http1,
    Http2,
    /// The server chooses.
    Either,
}

impl Offer {
    pub(crate) fn of(protocol: Protocol) -> Self {
        match protocol {
            Protocol::Http1 => Self::Http1,
            Protocol::Http2 => Self::Http2,
            Protocol::Auto => Self::Either,
        }
    }
}

/// The same terms, for each of what can be offered.
pub(crate) struct Configs {
    http1: Arc<ClientConfig>,
    http2: Arc<ClientConfig>,
    either: Arc<ClientConfig>,
}

impl Configs {
    /// What the next handshake is made with.
    pub(crate) fn client(&self, offer: Offer) -> Arc<ClientConfig> {
        Arc::clone(match offer {
            Offer::Http1 => &self.http1,
            Offer::Http2 => &self.http2,
            Offer::Either => &self.either,
        })
    }
}

impl TlsFiles for UpstreamFiles {
    type Read = (Option<PairRead>, Option<Vec<u8>>);
    type Config = Configs;

    fn read(&self) -> Result<Self::Read, TlsError> {
        let pair = self.pair.as_ref().map(Pair::read).transpose()?;
        Ok((pair, self.ca.as_deref().map(|path| read(TlsFile::Ca, path)).transpose()?))
    }

    fn build(&self, (pair, ca): &Self::Read) -> Result<Self::Config, TlsError> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let roots = match (&self.ca, ca) {
            (Some(path), Some(pem)) => roots(path, pem)?,
            _ => roots_of_this_machine()?,
        };
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(|error| of_this_machine(error.to_string()))?
            .with_root_certificates(roots);
        let client = match (&self.pair, pair) {
            (Some(files), Some(pair)) => {
                let (chain, key) = files.parse(pair, &provider)?;
                builder
                    .with_client_auth_cert(chain, key)
                    .map_err(|error| files.unusable(error.to_string()))?
            }
            _ => builder.with_no_client_auth(),
        };
        let offering = |names: &[&str]| {
            let mut client = client.clone();
            client.alpn_protocols = names.iter().map(|name| name.as_bytes().to_vec()).collect();
            Arc::new(client)
        };
        Ok(Configs {
            http1: offering(&["http/1.1"]),
            http2: offering(&["h2"]),
            either: offering(&["h2", "http/1.1"]),
        })
    }
}

/// Read once: they seldom change, and a restart takes them over.
fn roots_of_this_machine() -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    let (added, _unusable) = roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if added == 0 {
        return Err(of_this_machine(
            "holds no root certificate; name a file of your own with `ca`".to_owned(),
        ));
    }
    Ok(roots)
}

fn of_this_machine(problem: String) -> TlsError {
    TlsError::new(TlsFile::Ca, Path::new("the trust store of this machine"), problem)
}
