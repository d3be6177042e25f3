//! `public_url`: what the gateway is to its clients.

use std::collections::BTreeSet;

use gatepass_guard::Dpop;
use url::Url;

use super::ConfigError;
use super::check::Source;
use super::raw::RawConfig;
use crate::resource::Resource;
use crate::route::path::RequestPath;

/// Checks `public_url`, once everything that the metadata tells has been checked.
pub(super) fn check(
    source: &Source<'_>,
    raw: &RawConfig,
    dpop: &Dpop,
) -> Result<Option<Resource>, ConfigError> {
    let Some(text) = &raw.public_url else { return Ok(None) };
    let wrong = |problem: &str| {
        source
            .error(text, format!("the public URL `{}` {problem}", text.get_ref()))
            .hint("write how clients begin the URLs of their requests: \"https://api.example.com\"")
    };
    let url = Url::parse(text.get_ref()).map_err(|_| wrong("is no URL"))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(wrong("is not reached over http or https"));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(wrong("has a query or a fragment"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(wrong("has credentials"));
    }
    if url.path() != "/" && (url.path().ends_with('/') || RequestPath::parse(url.path()).is_err()) {
        return Err(wrong("has a path that no request could have, or a slash at its end"));
    }
    let issuers: Vec<String> = raw
        .issuer
        .iter()
        .filter_map(|issuer| Some(issuer.get_ref().url.as_ref()?.get_ref().clone()))
        .collect();
    let required = raw.route.iter().filter_map(|route| route.get_ref().require.as_ref());
    let scopes: BTreeSet<String> = required
        .filter_map(|require| require.get_ref().scope.as_ref())
        .flat_map(|scope| scope.get_ref().iter().cloned())
        .collect();
    let asks_for_certificates = raw.tls.as_ref().is_some_and(|tls| tls.get_ref().client_ca.is_some());
    Ok(Some(Resource::new(&url, &issuers, &Vec::from_iter(scopes), asks_for_certificates, dpop)))
}
