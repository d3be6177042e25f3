//! `[client_certificates]`: whose word on clients' TLS certificates is taken.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use gatepass_jose::Issuer;
use gatepass_server::ClientCertificates;
use serde::Deserialize;
use url::Url;

use super::{TlsConfig, parse_all};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawClientCertificates {
    /// Where this server asks clients for certificates itself: not where browsers come, which would ask their users.
    listen: Option<SocketAddr>,
    /// The proxies whose `Client-Cert` (RFC 9440) is believed.
    #[serde(default)]
    proxies: Vec<String>,
    /// Who vouches for certificates, in PEM; without it, a client is known by its own certificate alone.
    ca_file: Option<PathBuf>,
    /// Where clients with certificates reach the endpoints, if not where all others do.
    url: Option<String>,
}

impl RawClientCertificates {
    pub(super) fn check(
        &self,
        folder: &Path,
        issuer: &Issuer,
        main: SocketAddr,
        tls: Option<&mut TlsConfig>,
    ) -> anyhow::Result<ClientCertificates> {
        match (self.listen, tls) {
            (Some(listen), _) if listen == main => {
                bail!("`client_certificates.listen` is another address than `listen`, where browsers come")
            }
            (Some(_), None) => {
                bail!("`client_certificates.listen` needs `[tls]`, whose certificate is shown there")
            }
            (Some(listen), Some(tls)) => tls.client_certificates = Some(listen),
            (None, _) if self.proxies.is_empty() => bail!(
                "`client_certificates`: `listen` is where this server asks for certificates, or `proxies` names who ends TLS in front of it"
            ),
            (None, _) => {}
        }
        let proxies = parse_all("client_certificates.proxies", &self.proxies)?;
        let file = self.ca_file.as_ref().map(|file| folder.join(file));
        let read = |file: &PathBuf| fs::read(file).with_context(|| format!("cannot read {}", file.display()));
        let authorities = file.as_ref().map(read).transpose()?;
        let url = match (self.url.as_deref(), self.listen) {
            (Some(url), _) => Some(base_url(url)?),
            (None, Some(listen)) => Some(at_port(issuer, listen.port())?),
            (None, None) => None,
        };
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

/// The issuer's URL with another port: where clients find a listener that the configuration gives no URL.
fn at_port(issuer: &Issuer, port: u16) -> anyhow::Result<String> {
    let mut url = Url::parse(issuer.as_str())?;
    if url.set_port(Some(port)).is_err() {
        bail!("`client_certificates.url` is needed: the issuer has no host to reach that port at");
    }
    Ok(url.as_str().trim_end_matches('/').to_owned())
}
