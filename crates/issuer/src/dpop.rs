//! Proofs of possession shown to the authorization server
//! ([RFC 9449](https://www.rfc-editor.org/rfc/rfc9449)): a client shows that it holds a key, and what it is given
//! is good for whoever holds that key and for nobody else.
//!
//! A proof counts once. That is remembered where assertions are, so it holds across restarts too.

use std::fmt;
use std::str::FromStr;

use gatepass_jose::{Alg, KeyError, SecretKey, Timestamp, base64url};
use gatepass_token::{
    AccessClaims, Confirmation, DpopNonce, DpopNonces, DpopProof, DpopRejection, DpopRequest, DpopVerifier,
};
use thiserror::Error;

use crate::binding::{Binding, Possession};
use crate::issuer::Issuer;
use crate::jti::JtiDigest;
use crate::profile::Profile;
use crate::sessions::BearerError;
use crate::store::StoreError;

/// The thumbprint of the key that something is bound to: `jkt`
/// ([RFC 9449 section 6.1](https://www.rfc-editor.org/rfc/rfc9449#section-6.1)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Jkt(pub [u8; 32]);

/// The text is no thumbprint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("a key's thumbprint is the base64url text of a SHA-256 digest")]
pub struct InvalidJkt;

impl FromStr for Jkt {
    type Err = InvalidJkt;

    fn from_str(text: &str) -> Result<Self, InvalidJkt> {
        let bytes = base64url::decode(text).map_err(|_| InvalidJkt)?;
        bytes.try_into().map(Self).map_err(|_| InvalidJkt)
    }
}

impl fmt::Display for Jkt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&base64url::encode(&self.0))
    }
}

/// A proof as a request brought it, and the request that it must have been made for. Nobody has looked at it yet.
#[derive(Clone)]
pub struct ShownProof {
    /// The value of the `DPoP` header field.
    pub proof: String,
    /// The request's method.
    pub method: String,
    /// The URI under which clients reach what was asked.
    pub uri: String,
}

impl fmt::Debug for ShownProof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { method, uri, .. } = self;
        f.debug_struct("ShownProof").field("method", method).field("uri", uri).finish_non_exhaustive()
    }
}

/// How a token is sent ([RFC 6749 section 7.1](https://www.rfc-editor.org/rfc/rfc6749#section-7.1)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenType {
    /// By whoever holds it.
    Bearer,
    /// With a proof of the key that it is bound to.
    Dpop,
}

impl TokenType {
    /// That of a token with this confirmation.
    #[must_use]
    pub fn of(cnf: Option<&Confirmation>) -> Self {
        match cnf {
            Some(Confirmation { jkt: Some(_), .. }) => Self::Dpop,
            _ => Self::Bearer,
        }
    }

    /// Its registered name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Bearer => "Bearer",
            Self::Dpop => "DPoP",
        }
    }
}

/// Why a proof is not taken.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum DpopError {
    /// The client must show one and did not.
    #[error("a DPoP proof is missing")]
    Missing,
    /// It does not carry a nonce of this server's
    /// ([RFC 9449 section 8](https://www.rfc-editor.org/rfc/rfc9449#section-8)).
    #[error("the DPoP proof must carry the nonce that this server gives")]
    Nonce,
    /// It does not hold.
    #[error(transparent)]
    Rejected(DpopRejection),
    /// It was used before.
    #[error("the DPoP proof was used before")]
    Replayed,
    /// It is one of another key than the one it should be.
    #[error("the DPoP proof is of another key")]
    AnotherKey,
    /// Whether it was used before is not known, so it does not count.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// On what terms proofs are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DpopPolicy {
    /// Whether a proof must carry a nonce of this server's, so that it was made just now by this server's clock and
    /// not only by the client's. Without, a proof that was made ahead of its time can be used when that comes.
    pub require_nonce: bool,
}

impl Default for DpopPolicy {
    /// With nonces.
    fn default() -> Self {
        Self { require_nonce: true }
    }
}

/// What proofs are verified with.
pub(crate) struct Proofs {
    verifier: DpopVerifier,
    nonces: Option<DpopNonces>,
}

impl Proofs {
    /// The algorithms of proofs: those that guards take unless they are told otherwise.
    const ALGS: [Alg; 5] = [Alg::ES256, Alg::EdDSA, Alg::Ed25519, Alg::PS256, Alg::RS256];

    pub(crate) fn new(
        policy: DpopPolicy,
        profile: Profile,
        nonce_secret: &SecretKey,
    ) -> Result<Self, KeyError> {
        Ok(Self {
            verifier: DpopVerifier::new(Self::ALGS.into_iter().filter(|alg| profile.takes(*alg))),
            nonces: policy.require_nonce.then(|| DpopNonces::new(nonce_secret)).transpose()?,
        })
    }
}

/// A proof that holds. It still has to be used up.
#[derive(Clone, Debug)]
pub(crate) struct HeldProof {
    pub(crate) jkt: Jkt,
    proof: DpopProof,
}

impl Issuer {
    /// The algorithms of proofs, for the metadata member `dpop_signing_alg_values_supported`.
    #[must_use]
    pub fn dpop_algs(&self) -> &[Alg] {
        self.proofs.verifier.algs()
    }

    /// The nonce for proofs to carry from now on; `None` where none is asked for.
    #[must_use]
    pub fn dpop_nonce(&self, now: Timestamp) -> Option<String> {
        self.proofs.nonces.as_ref().map(|nonces| nonces.current(now))
    }

    /// Verifies a proof without using it up; `None` where none was shown.
    pub(crate) fn verify_proof(
        &self,
        shown: Option<&ShownProof>,
        access_token: Option<&str>,
        now: Timestamp,
    ) -> Result<Option<HeldProof>, DpopError> {
        let Some(shown) = shown else { return Ok(None) };
        let accepted = self.proofs.nonces.as_ref().map(|nonces| nonces.accepted(now));
        let accepted = accepted.as_ref().map(|accepted| accepted.each_ref().map(String::as_str));
        let taken_for = self.proofs.nonces.as_ref().map(DpopNonces::taken_for).unwrap_or_default();
        let request = DpopRequest {
            method: &shown.method,
            uri: &shown.uri,
            access_token,
            nonce: accepted
                .as_ref()
                .map_or(DpopNonce::NotAsked, |nonces| DpopNonce::InsteadOfIat { nonces, taken_for }),
        };
        let verified = self.proofs.verifier.verify(&shown.proof, &request, now);
        let proof = verified.map_err(|rejection| match rejection {
            DpopRejection::Nonce => DpopError::Nonce,
            rejection => DpopError::Rejected(rejection),
        })?;
        let jkt = proof.jkt.parse().map_err(|_| DpopError::Rejected(DpopRejection::Key))?;
        Ok(Some(HeldProof { jkt, proof }))
    }

    /// Uses a proof up and says whose key it was. Last of what needs no store, so that nobody fills it with proofs
    /// that would be refused anyway.
    pub(crate) async fn use_up(&self, held: Option<HeldProof>) -> Result<Option<Jkt>, DpopError> {
        let Some(HeldProof { jkt, proof }) = held else { return Ok(None) };
        let jti = JtiDigest::of("DPoP proof", &proof.jkt, &proof.jti);
        match self.store.consume_jti(jti, proof.forget_after).await? {
            true => Ok(Some(jkt)),
            false => Err(DpopError::Replayed),
        }
    }

    /// The proof that one of the operator's own apps shows, which is not used up yet.
    pub(crate) fn proof_of_own_app(
        &self,
        shown: Option<&ShownProof>,
        now: Timestamp,
    ) -> Result<Option<HeldProof>, DpopError> {
        match self.verify_proof(shown, None, now)? {
            None if self.config.profile == Profile::Fapi2 => Err(DpopError::Missing),
            held => Ok(held),
        }
    }

    /// Demands that whoever sends `token`, which says `claims`, holds the keys that it is bound to, if it is bound
    /// ([RFC 9449 section 7](https://www.rfc-editor.org/rfc/rfc9449#section-7),
    /// [RFC 8705 section 3](https://www.rfc-editor.org/rfc/rfc8705#section-3)).
    pub(crate) async fn require_possession(
        &self,
        claims: &AccessClaims,
        token: &str,
        shown: Possession<'_>,
        now: Timestamp,
    ) -> Result<(), BearerError> {
        let bound = Binding::of_token(claims).ok_or(BearerError::Bound)?;
        if bound.x5t.is_some() && bound.x5t != shown.x5t {
            return Err(BearerError::Bound);
        }
        let bound_to = match (bound.jkt, shown.dpop) {
            (None, None) => return Ok(()),
            // Sent so, a stolen token would pass wherever `Bearer` does.
            (Some(_), None) => return Err(BearerError::Bound),
            (None, Some(_)) => return Err(BearerError::NotBound),
            (Some(jkt), Some(_)) => jkt,
        };
        let held = self.verify_proof(shown.dpop, Some(token), now)?;
        if held.as_ref().is_none_or(|held| held.jkt != bound_to) {
            return Err(DpopError::AnotherKey.into());
        }
        self.use_up(held).await?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thumbprint_has_one_spelling() {
        let text = "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"; // RFC 9449, figure 8
        assert_eq!(text.parse::<Jkt>().unwrap().to_string(), text);
        let cases =
            ["", "AAAA", &text[1..], &format!("{text}="), &text.replace('-', "+"), &format!("{text}A")];
        for text in cases {
            assert_eq!(text.parse::<Jkt>(), Err(InvalidJkt), "{text}");
        }
    }
}
