//! The keys that the issuer shares with resource servers, ready for use.

use std::sync::Arc;

use gatepass_jose::{Alg, Audience, KeySet, SigningKey, Verifier, VerifyingKey};
use gatepass_token::{access_verifier, shared_secret_kid};

use crate::config::{ResourceServers, SharedSecret, Signing};
use crate::issuer::{Issuer, OpenError};

/// The keys of all resource servers that share a secret. Replaced whole when one changes.
pub(crate) struct SharedKeys(Vec<Arc<SharedKey>>);

struct SharedKey {
    audience: String,
    signer: Arc<SigningKey>,
    /// Verifies what the secret has signed, and what the one before it has.
    verifier: Verifier,
    /// What the secret before it is called, where there is one.
    previous: Option<String>,
}

impl SharedKeys {
    pub(crate) fn new(issuer: &gatepass_jose::Issuer, servers: &ResourceServers) -> Result<Self, OpenError> {
        let keys = shared(servers).map(|(audience, secret)| SharedKey::new(issuer, audience, secret));
        Ok(Self(keys.map(|key| key.map(Arc::new)).collect::<Result<_, _>>()?))
    }

    /// The key under the secret that is shared with the resource server of that audience.
    pub(crate) fn signer(&self, audience: &str) -> Option<&Arc<SigningKey>> {
        self.0.iter().find(|key| key.audience == audience).map(|key| &key.signer)
    }

    /// Verifies tokens under shared secrets, for introspection alone: the resource server that
    /// shares the secret could have minted them. A token's `kid` names one key of all of them.
    pub(crate) fn verifiers(&self) -> impl Iterator<Item = &Verifier> {
        self.0.iter().map(|key| &key.verifier)
    }

    /// Whether one of the secrets is called so, or one before it.
    pub(crate) fn has(&self, kid: &str) -> bool {
        self.0.iter().any(|key| key.signer.kid() == kid || key.previous.as_deref() == Some(kid))
    }

    /// The same resource servers, with the secrets that `servers` has for them.
    fn with(&self, issuer: &gatepass_jose::Issuer, servers: &ResourceServers) -> Result<Self, OpenError> {
        let renewed =
            |key: &Arc<SharedKey>| match shared(servers).find(|(audience, _)| *audience == key.audience) {
                Some((audience, secret)) => SharedKey::new(issuer, audience, secret).map(Arc::new),
                None => Ok(Arc::clone(key)),
            };
        Ok(Self(self.0.iter().map(renewed).collect::<Result<_, _>>()?))
    }
}

impl SharedKey {
    fn new(issuer: &gatepass_jose::Issuer, audience: &str, secret: &SharedSecret) -> Result<Self, OpenError> {
        let kid = shared_secret_kid(&secret.current);
        let signer = SigningKey::from_secret(Alg::HS256, &kid, &secret.current)?;
        let mut keys = vec![VerifyingKey::from_secret(Alg::HS256, &kid, &secret.current)?];
        let previous = secret.previous.as_ref().map(|previous| (shared_secret_kid(previous), previous));
        let previous = previous.filter(|(name, _)| *name != kid);
        if let Some((name, previous)) = &previous {
            keys.push(VerifyingKey::from_secret(Alg::HS256, name, previous)?);
        }
        let verifier = access_verifier(issuer.clone(), Audience::new([audience])?, KeySet::new(keys));
        Ok(Self {
            audience: audience.to_owned(),
            signer: Arc::new(signer),
            verifier,
            previous: previous.map(|(name, _)| name),
        })
    }
}

impl Issuer {
    /// Takes over the secrets that are shared with resource servers as `servers` has them: from now on tokens are signed
    /// with the new ones, and those of the previous ones count too. Nothing else of `servers` does: a resource server that
    /// had no secret at the start gets none, and one that has none here keeps what it has.
    ///
    /// # Errors
    /// [`OpenError::Key`] for a secret that is too short; nothing has changed then.
    pub fn replace_shared_secrets(&self, servers: &ResourceServers) -> Result<(), OpenError> {
        let before = self.shared.load();
        let after = before.with(&self.config.issuer, servers)?;
        for (before, after) in before.0.iter().zip(&after.0) {
            let (kid, previous) = (after.signer.kid(), after.previous.as_deref());
            if (before.signer.kid(), before.previous.as_deref()) != (kid, previous) {
                let audience = &after.audience;
                tracing::info!(target: "gatepass::audit", event = "secret-replaced", audience, kid, previous);
            }
        }
        self.shared.store(Arc::new(after));
        Ok(())
    }
}

fn shared(servers: &ResourceServers) -> impl Iterator<Item = (&str, &SharedSecret)> {
    servers.iter().filter_map(|server| match &server.signing {
        Signing::Shared(secret) => Some((server.audience.as_str(), secret)),
        Signing::Published(_) => None,
    })
}
