//! Whether the sender of a token is the one it is bound to: DPoP
//! ([RFC 9449 section 7](https://www.rfc-editor.org/rfc/rfc9449#section-7)) and TLS client certificates
//! ([RFC 8705 section 3](https://www.rfc-editor.org/rfc/rfc8705#section-3)).

mod replay;

use std::sync::Arc;

use axum::http::{HeaderMap, HeaderName};
use gatepass_jose::KeyError;
use gatepass_token::{
    AccessClaims, Confirmation, DpopNonce, DpopNonces, DpopProof, DpopRejection, DpopRequest, DpopVerifier,
};

use crate::authorization::{Credentials, Scheme};
use crate::clock::Now;
use crate::config::Dpop;
use crate::denied::{Denied, DpopProblem, Unproven};
use crate::request::{ClientCertificate, GuardedRequest};
use replay::{NotRemembered, Replays, Used};

const DPOP: HeaderName = HeaderName::from_static("dpop");

/// What is demanded of whoever sends one issuer's tokens.
pub(crate) struct SenderCheck {
    required: bool,
    verifier: DpopVerifier,
    nonces: Option<DpopNonces>,
    replays: Arc<Replays>,
}

/// How a sender showed that a token is its own.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sender {
    /// By a proof.
    pub(crate) dpop: bool,
    /// By the certificate of the connection.
    pub(crate) certificate: bool,
    /// The nonce that the client should go over to.
    pub(crate) next_nonce: Option<Box<str>>,
}

impl SenderCheck {
    /// `old`: what was demanded until now. Proofs that were used then are used.
    pub(crate) fn new(config: &Dpop, old: Option<&Self>) -> Result<Self, KeyError> {
        let nonces = |secret| Ok::<_, KeyError>(DpopNonces::new(secret)?.with_period(config.nonce_period));
        let verifier = DpopVerifier::new(config.algs.iter().copied()).with_window(config.window);
        Ok(SenderCheck {
            required: config.required,
            nonces: config.nonce_secret.as_ref().map(nonces).transpose()?,
            replays: Replays::after(old.map(|old| &old.replays), config.replay_capacity, verifier.window()),
            verifier,
        })
    }

    pub(crate) fn algs(&self) -> &[gatepass_jose::Alg] {
        self.verifier.algs()
    }

    pub(crate) fn is_required(&self) -> bool {
        self.required
    }

    /// Demands of the sender what `claims`, which are verified, say that it must show.
    pub(crate) fn require(
        &self,
        claims: &AccessClaims,
        credentials: &Credentials<'_>,
        request: &GuardedRequest<'_>,
        now: Now,
    ) -> Result<Sender, Denied> {
        let jkt = claims.cnf.as_ref().and_then(|cnf| cnf.jkt.as_deref());
        if claims.cnf.as_ref().is_some_and(Confirmation::is_unknown) {
            return Err(Unproven::UnknownConfirmation.into());
        }
        let certificate = require_certificate(claims.cnf.as_ref(), request.certificate)?;
        match (jkt, credentials.scheme) {
            (None, Scheme::Dpop) => Err(Unproven::NotBound.into()),
            (None, Scheme::Bearer) if self.required => Err(Unproven::DpopRequired.into()),
            (None, Scheme::Bearer) => Ok(Sender { certificate, ..Sender::default() }),
            // RFC 9449 section 7.2: else a stolen token would pass wherever `Bearer` does.
            (Some(_), Scheme::Bearer) => Err(Unproven::WithoutProof.into()),
            (Some(jkt), Scheme::Dpop) => {
                let next_nonce = self.require_proof(jkt, credentials.token, request, now)?;
                Ok(Sender { dpop: true, certificate, next_nonce })
            }
        }
    }

    /// Demands a proof of the key `jkt` that was never used before. Answers with the nonce to go over to,
    /// where the proof has an older one.
    fn require_proof(
        &self,
        jkt: &str,
        token: &str,
        request: &GuardedRequest<'_>,
        now: Now,
    ) -> Result<Option<Box<str>>, Denied> {
        let proof = sole_proof(request.headers)?;
        let uri = request.url.ok_or(Denied::NoExternalUrl)?;
        let accepted = self.nonces.as_ref().map(|nonces| nonces.accepted(now.wall));
        let texts = accepted.as_ref().map(|accepted| accepted.each_ref().map(String::as_str));
        let target = DpopRequest {
            method: request.method.as_str(),
            uri,
            access_token: Some(token),
            nonce: texts.as_ref().map_or(DpopNonce::NotAsked, |texts| DpopNonce::OneOf(texts)),
        };
        let proof = self.verifier.verify(proof, &target, now.wall).map_err(|rejection| {
            match (rejection, &accepted) {
                (DpopRejection::Nonce, Some([current, ..])) => {
                    Denied::UseDpopNonce { nonce: current.clone() }
                }
                _ => DpopProblem::Rejected(rejection).into(),
            }
        })?;
        if proof.jkt != jkt {
            return Err(Unproven::AnotherKey.into());
        }
        self.require_new(&proof, now)?;
        let current = accepted.map(|[current, ..]| current);
        Ok(current.filter(|current| proof.nonce.as_deref() != Some(current)).map(String::into_boxed_str))
    }

    /// Last of all checks: a request that fails for another reason does not use its proof up, and nobody
    /// fills the memory without a good token and its key.
    fn require_new(&self, proof: &DpopProof, now: Now) -> Result<(), Denied> {
        let used = Used { jkt: &proof.jkt, jti: &proof.jti, forget_after: proof.forget_after };
        self.replays.remember(used, now.wall).map_err(|error| match error {
            NotRemembered::Replayed => DpopProblem::Replayed.into(),
            NotRemembered::Full => Denied::TooManyProofs,
        })
    }
}

/// RFC 9449 section 4.3: there is not more than one `DPoP` field.
fn sole_proof(headers: &HeaderMap) -> Result<&str, DpopProblem> {
    let mut fields = headers.get_all(DPOP).iter();
    let field = fields.next().ok_or(DpopProblem::Missing)?;
    if fields.next().is_some() {
        return Err(DpopProblem::Repeated);
    }
    field.to_str().map_err(|_| DpopProblem::Rejected(DpopRejection::Malformed))
}

/// `true` if the token is bound to a certificate, and it is this one.
fn require_certificate(
    cnf: Option<&Confirmation>,
    shown: Option<&ClientCertificate>,
) -> Result<bool, Unproven> {
    let Some(bound) = cnf.and_then(|cnf| cnf.x5t_s256.as_deref()) else { return Ok(false) };
    match shown {
        None => Err(Unproven::NoCertificate),
        Some(shown) if shown.x5t_s256() == bound => Ok(true),
        Some(_) => Err(Unproven::AnotherCertificate),
    }
}
