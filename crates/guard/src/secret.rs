use arc_swap::ArcSwap;
use std::sync::Arc;

use gatepass_jose::{Alg, Issuer, KeyError, KeySet, Rejection, SecretKey, Verifier, VerifyingKey};

use crate::believed::Believed;
use crate::clock::Now;
use crate::keys::Terms;

/// Verifies tokens under a secret that issuer and resource server share.
///
/// There is one secret, and it has no published name: it goes by the `kid` of the last good token.
pub(crate) struct SharedSecret {
    alg: Alg,
    secret: SecretKey,
    issuer: Issuer,
    terms: Terms,
    verifier: ArcSwap<Verifier>,
}

impl SharedSecret {
    pub(crate) fn new(alg: Alg, secret: SecretKey, issuer: Issuer, terms: Terms) -> Result<Self, KeyError> {
        let verifier = verifier(alg, "", &secret, &issuer, &terms)?;
        Ok(SharedSecret { alg, secret, issuer, terms, verifier: ArcSwap::from_pointee(verifier) })
    }

    pub(crate) fn verify(&self, token: &str, now: Now) -> Result<Believed, Rejection> {
        let kid = match Believed::verify(self.terms.profile, &self.verifier.load(), token, now) {
            Err(Rejection::UnknownKey { kid: Some(kid) }) => kid,
            answer => return answer,
        };
        let unknown = |_| Rejection::UnknownKey { kid: Some(kid.clone()) };
        let renamed = verifier(self.alg, &kid, &self.secret, &self.issuer, &self.terms).map_err(unknown)?;
        let believed = Believed::verify(self.terms.profile, &renamed, token, now)?;
        self.verifier.store(Arc::new(renamed));
        Ok(believed)
    }
}

fn verifier(
    alg: Alg,
    kid: &str,
    secret: &SecretKey,
    issuer: &Issuer,
    terms: &Terms,
) -> Result<Verifier, KeyError> {
    let key = VerifyingKey::from_secret(alg, kid, secret)?;
    let keys = KeySet::new(vec![key]);
    let verifier = terms.profile.verifier(issuer.clone(), terms.audience.clone(), keys);
    Ok(verifier.with_clock_skew(terms.clock_skew))
}
