//! `[client_certificates]`: whose word on clients' TLS certificates is taken.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use gatepass_server::ClientCertificates;
use serde::Deserialize;
use url::Url;

use super::parse_all;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawClientCertificates {
    /// The proxies whose `Client-Cert` (RFC 9440) is believed.
    proxies: Vec<String>,
    /// Who vouches for certificates, in PEM; without it, a client is known by its own certificate alone.
    ca_file: Option<PathBuf>,
    /// Where clients with certificates reach the endpoints, if not where all others do.
    url: Option<String>,
}

impl RawClientCertificates {
    pub(super) fn check(&self, folder: &Path) -> anyhow::Result<ClientCertificates> {
        if self.proxies.is_empty() {
            bail!("`client_certificates.proxies` names who ends TLS in front of this server");
        }
        let proxies = parse_all("client_certificates.proxies", &self.proxies)?;
        let file = self.ca_file.as_ref().map(|file| folder.join(file));
        let read = |file: &PathBuf| fs::read(file).with_context(|| format!("cannot read {}", file.display()));
        let authorities = file.as_ref().map(read).transpose()?;
        let url = self.url.as_deref().map(base_url).transpose()?;
        ClientCertificates::new(proxies, authorities.as_deref(), url).context("`client_certificates.ca_file`")
    }
}

fn base_url(text: &str) -> anyhow::Result<String> {
    let url = Url::parse(text).with_context(|| format!("`client_certificates.url`: {text:?}"))?;
    if url.scheme() != "https" || url.query().is_some() || url.fragment().is_some() || text.ends_with('/') {
        bail!("`client_certificates.url`: https, without query, fragment and slash at its end");
    }
    Ok(text.to_owned())
}
