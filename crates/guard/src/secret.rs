use std::sync::Arc;

use arc_swap::ArcSwapOption;
use gatepass_jose::{
    Alg, Issuer, KeyError, KeySet, Rejection, SecretKey, Verifier, VerifyingKey, decode_unverified,
};
use gatepass_token::shared_secret_kid;

use crate::believed::Believed;
use crate::clock::Now;
use crate::keys::Terms;

/// Verifies tokens under a secret that issuer and resource server share, or under the one before it. No token is tried
/// under more than these two.
pub(crate) struct SharedSecret {
    current: Secret,
    previous: Option<Secret>,
}

/// One secret. Tokens may call it anything: it is tried under the `kid` of the last good token that had one.
struct Secret {
    /// What it is revoked by.
    name: Arc<str>,
    alg: Alg,
    secret: SecretKey,
    issuer: Issuer,
    terms: Terms,
    named: ArcSwapOption<Verifier>,
    /// For tokens without a `kid`, until there is one with.
    unnamed: Verifier,
}

impl SharedSecret {
    pub(crate) fn new(
        alg: Alg,
        secret: &SecretKey,
        previous: Option<&SecretKey>,
        issuer: &Issuer,
        terms: &Terms,
    ) -> Result<Self, KeyError> {
        let ready = |secret: &SecretKey| Secret::new(alg, secret.clone(), issuer.clone(), terms.clone());
        Ok(Self { current: ready(secret)?, previous: previous.map(ready).transpose()? })
    }

    pub(crate) fn verify(&self, token: &str, now: Now) -> Result<Believed, Rejection> {
        match (self.current.verify(token, now), &self.previous) {
            (Err(Rejection::Signature), Some(previous)) => previous.verify(token, now),
            (answer, _) => answer,
        }
    }

    /// How many secrets verify tokens.
    pub(crate) fn len(&self) -> usize {
        1 + usize::from(self.previous.is_some())
    }
}

impl Secret {
    fn new(alg: Alg, secret: SecretKey, issuer: Issuer, terms: Terms) -> Result<Self, KeyError> {
        let unnamed = verifier(alg, "", &secret, &issuer, &terms)?;
        let name = shared_secret_kid(&secret).into();
        Ok(Self { name, alg, secret, issuer, terms, named: ArcSwapOption::empty(), unnamed })
    }

    fn verify(&self, token: &str, now: Now) -> Result<Believed, Rejection> {
        let with = |verifier: &Verifier| {
            let believed = Believed::verify(self.terms.profile, verifier, token, now)?;
            Ok(believed.under(Arc::clone(&self.name)))
        };
        let kid = match self.named.load().as_deref().map(with) {
            Some(Err(Rejection::UnknownKey { kid: Some(kid) })) => kid,
            Some(answer) => return answer,
            None => match kid(token) {
                Some(kid) => kid,
                None => return with(&self.unnamed),
            },
        };
        let unknown = |_| Rejection::UnknownKey { kid: Some(kid.clone()) };
        let renamed = verifier(self.alg, &kid, &self.secret, &self.issuer, &self.terms).map_err(unknown)?;
        let believed = with(&renamed)?;
        self.named.store(Some(Arc::new(renamed)));
        Ok(believed)
    }
}

/// What the token calls its key, if anything.
fn kid(token: &str) -> Option<String> {
    let token = decode_unverified(token).ok()?;
    token.unverified_kid().filter(|kid| !kid.is_empty()).map(str::to_owned)
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
