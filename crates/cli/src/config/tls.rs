//! `[tls]`: the certificate that clients of the server see.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::bail;
use gatepass_jose::Issuer;
use gatepass_tls::Pair;
use serde::Deserialize;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawTls {
    /// The certificate, then those between it and its root, in PEM.
    certificate_file: PathBuf,
    /// Its private key, in PEM.
    key_file: PathBuf,
}

/// How the server speaks TLS, if it does. The files are read when it listens: whoever only asks what is in the store needs
/// no key.
#[derive(Debug)]
pub(crate) struct TlsConfig {
    pub(crate) pair: Pair,
    /// Where clients are asked for certificates.
    pub(crate) client_certificates: Option<SocketAddr>,
}

impl RawTls {
    pub(super) fn check(self, folder: &Path, issuer: &Issuer) -> anyhow::Result<TlsConfig> {
        if !issuer.as_str().starts_with("https://") {
            bail!("`issuer` is an https URL where the server speaks TLS: it is where clients reach it");
        }
        let [certificate, key] = [self.certificate_file, self.key_file].map(|file| folder.join(file));
        Ok(TlsConfig { pair: Pair { certificate, key }, client_certificates: None })
    }
}
