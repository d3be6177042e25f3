//! `[[trusted_issuer]]`: issuers elsewhere whose assertions are taken.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, bail};
use gatepass_issuer::client::ClientKeys;
use gatepass_issuer::{ADMIN_SCOPE, PublishedKeys, SubjectMapping, TrustedIssuer, TrustedKeys};
use gatepass_jose::Alg;
use gatepass_server::{Fetch, Origin};
use gatepass_token::ScopeSet;
use serde::Deserialize;
use url::Url;

use super::parse_all;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawTrustedIssuer {
    issuer: String,
    /// A JWK Set of its public keys.
    jwks_file: Option<PathBuf>,
    /// Where it publishes them; in place of `jwks_file`.
    jwks_uri: Option<String>,
    /// Whether that may be at a private address and speak plain http.
    #[serde(default)]
    private: bool,
    /// The algorithms of the keys at `jwks_uri`.
    algs: Option<Vec<Alg>>,
    /// The clients that may show its assertions.
    clients: Vec<String>,
    /// What `aud` may be, in place of this issuer's names.
    #[serde(default)]
    audience: Vec<String>,
    /// Claims that each assertion must have, with these texts.
    #[serde(default)]
    claims: BTreeMap<String, String>,
    /// The claim that holds the name of a user here; in place of `subjects`.
    user_claim: Option<String>,
    /// The subjects that act as the client that shows the assertion.
    subjects: Option<Vec<String>>,
    /// The most that an assertion gives.
    scope: Option<Vec<String>>,
}

impl RawTrustedIssuer {
    pub(super) fn check(&self, folder: &Path) -> anyhow::Result<TrustedIssuer> {
        self.checked(folder).with_context(|| format!("`trusted_issuer` {}", self.issuer))
    }

    fn checked(&self, folder: &Path) -> anyhow::Result<TrustedIssuer> {
        if self.issuer.is_empty() || self.clients.is_empty() {
            bail!("it needs a name, `issuer`, and `clients` that may show its assertions");
        }
        let subject = match (&self.user_claim, &self.subjects) {
            (Some(claim), None) => SubjectMapping::User { claim: claim.clone() },
            (None, Some(subjects)) => SubjectMapping::Client { subjects: subjects.clone() },
            _ => bail!("it needs either a `user_claim` or `subjects`"),
        };
        let scope = self.scope.as_ref().map(|scopes| scopes.join(" ").parse::<ScopeSet>()).transpose()?;
        if matches!(subject, SubjectMapping::User { .. })
            && scope.as_ref().is_none_or(|all| all.contains(ADMIN_SCOPE))
        {
            bail!(
                "with a `user_claim` it needs a `scope` without {ADMIN_SCOPE}: who speaks for every user would administer"
            );
        }
        Ok(TrustedIssuer {
            issuer: self.issuer.clone(),
            keys: self.keys(folder)?,
            clients: parse_all("clients", &self.clients)?,
            audience: self.audience.clone(),
            claims: self.claims.clone(),
            subject,
            scope,
        })
    }

    fn keys(&self, folder: &Path) -> anyhow::Result<TrustedKeys> {
        match (&self.jwks_file, &self.jwks_uri) {
            (Some(file), None) => given(&folder.join(file)).map(TrustedKeys::Given),
            (None, Some(uri)) => {
                let algs = self.algs.clone().unwrap_or_else(|| ClientKeys::algs().collect());
                if algs.is_empty() || algs.iter().any(|alg| alg.is_symmetric()) {
                    bail!("`algs` are algorithms of public keys");
                }
                let uri = Url::parse(uri).context("`jwks_uri`")?;
                let origin = uri.origin().ascii_serialization().parse::<Origin>().context("`jwks_uri`")?;
                let source = Fetch::new(if self.private { vec![origin] } else { Vec::new() });
                Ok(TrustedKeys::Published(Arc::new(PublishedKeys::new(uri, algs, Arc::new(source)))))
            }
            _ => bail!("it needs either a `jwks_file` or a `jwks_uri`"),
        }
    }
}

fn given(file: &Path) -> anyhow::Result<ClientKeys> {
    let text = fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    serde_json::from_str(&text).with_context(|| format!("{} is refused", file.display()))
}
