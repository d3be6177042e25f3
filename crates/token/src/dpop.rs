//! DPoP proofs ([RFC 9449](https://www.rfc-editor.org/rfc/rfc9449)): a client shows, request by request, that
//! it holds the private key to which its tokens are bound.
//!
//! This is the one token whose header brings the key that verifies it (`jwk`). That is safe because the key
//! is not believed to be anybody's: what a proof yields is the key's thumbprint, and only a token that is
//! bound to the same thumbprint gives it a meaning.

mod nonce;
mod target;

use std::time::Duration;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest;
use gatepass_jose::{
    Alg, Jwk, NumericDate, Timestamp, Typ, VerifyingKey, base64url, not_null, parse_strict_json,
};
use serde::Deserialize;
use serde_json::{Map, Value};
use thiserror::Error;

pub use nonce::DpopNonces;
use target::Target;

/// The longest proof that is looked at, in bytes: room for the largest key and signature there are.
const MAX_PROOF: usize = 16 * 1024;
/// The longest `jti` that is let through to a replay cache, in bytes
/// ([RFC 9449 section 11.1](https://www.rfc-editor.org/rfc/rfc9449#section-11.1)).
const MAX_JTI: usize = 256;
/// A proof that may be shown for longer than this is no proof of anything current.
const MAX_WINDOW: Duration = Duration::from_secs(300);
const TYP: Typ = Typ::new("dpop+jwt");

/// The request that a proof came with: what the proof must have been made for.
#[derive(Clone, Copy, Debug)]
pub struct DpopRequest<'r> {
    /// The HTTP method, as it stands in the request.
    pub method: &'r str,
    /// The request's `http` or `https` URI. Its query and fragment mean nothing here, and its spelling is
    /// normalised ([RFC 3986 section 6.2](https://www.rfc-editor.org/rfc/rfc3986#section-6.2)).
    pub uri: &'r str,
    /// The access token that the request carries; `None` where it carries none, as at the token endpoint.
    pub access_token: Option<&'r str>,
    /// Whether the server told the client which `nonce` to use.
    pub nonce: DpopNonce<'r>,
}

/// What the proof's `nonce` must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DpopNonce<'n> {
    /// The server asks for none; one that is there means nothing.
    NotAsked,
    /// One of these: the server's current nonce, and those beside it that it takes.
    OneOf(&'n [&'n str]),
    /// One of these, which says when the proof was made by the server's clock, so that the client's does not matter:
    /// `iat` may be any ([RFC 9449 section 4.3](https://www.rfc-editor.org/rfc/rfc9449#section-4.3), item 11). Such a proof
    /// can be shown for longer than one with a good `iat`: for servers that all know which ones were used.
    InsteadOfIat {
        /// The nonces.
        nonces: &'n [&'n str],
        /// For how long from now on one of them is taken at most.
        taken_for: Duration,
    },
}

/// Verifies proofs. It keeps no memory of them: that each is used once is up to the caller's replay cache,
/// for which [`DpopProof`] has what is needed.
///
/// ```
/// use gatepass_jose::{Alg, Timestamp};
/// use gatepass_token::{DpopNonce, DpopRequest, DpopVerifier};
///
/// // RFC 9449, figure 2.
/// let proof = "eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6Ik\
///     VDIiwieCI6Imw4dEZyaHgtMzR0VjNoUklDUkRZOXpDa0RscEJoRjQyVVFVZldWQVdCR\
///     nMiLCJ5IjoiOVZFNGpmX09rX282NHpiVFRsY3VOSmFqSG10NnY5VERWclUwQ2R2R1JE\
///     QSIsImNydiI6IlAtMjU2In19.eyJqdGkiOiItQndDM0VTYzZhY2MybFRjIiwiaHRtIj\
///     oiUE9TVCIsImh0dSI6Imh0dHBzOi8vc2VydmVyLmV4YW1wbGUuY29tL3Rva2VuIiwia\
///     WF0IjoxNTYyMjYyNjE2fQ.2-GxA6T8lP4vfrg8v-FdWP0A0zdrj8igiMLvqRMUvwnQg\
///     4PtFLbdLXiOSsX0x7NVY-FNyJK70nfbV37xRZT3Lg";
/// let request = DpopRequest {
///     method: "POST",
///     uri: "https://server.example.com/token",
///     access_token: None,
///     nonce: DpopNonce::NotAsked,
/// };
/// let verifier = DpopVerifier::new([Alg::ES256, Alg::EdDSA]);
/// let proof = verifier.verify(proof, &request, Timestamp::from_secs(1_562_262_620))?;
/// assert_eq!(proof.jkt, "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I");
/// # Ok::<_, gatepass_token::DpopRejection>(())
/// ```
#[derive(Clone, Debug)]
pub struct DpopVerifier {
    algs: Vec<Alg>,
    window: Duration,
}

/// A proof that held. Only [`DpopVerifier::verify`] makes one.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DpopProof {
    /// The thumbprint of the client's key, which the access token's `cnf.jkt` must equal
    /// ([RFC 9449 section 6.1](https://www.rfc-editor.org/rfc/rfc9449#section-6.1)).
    pub jkt: String,
    /// Names this proof among those of all clients for one URI.
    pub jti: String,
    /// When the client made it, by the client's clock.
    pub iat: Timestamp,
    /// From when on this proof would be refused as too old, for its `iat` or for its nonce, so that a replay cache may
    /// forget it.
    pub forget_after: Timestamp,
    /// The `nonce` in it: one of those asked for, or whatever it is where none was.
    pub nonce: Option<String>,
}

/// Why a proof was turned away: one variant per check of
/// [RFC 9449 section 4.3](https://www.rfc-editor.org/rfc/rfc9449#section-4.3), in the order of the checks. For the
/// log; the wire says `invalid_dpop_proof`, or `use_dpop_nonce` for [`DpopRejection::Nonce`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum DpopRejection {
    /// Not one compact JWS of bounded size with a strict JSON header and payload.
    #[error("the proof is not a compact JWS of at most 16 KiB with a JSON object for header and payload")]
    Malformed,
    /// `typ` is missing or names another kind of token.
    #[error("the proof is not of type {TYP}")]
    Typ,
    /// The header demands an extension (`crit`, `b64`).
    #[error("the proof's header demands an extension that is not understood")]
    Critical,
    /// `alg` is missing, symmetric, `none`, unknown or not one that the verifier takes.
    #[error("the proof's algorithm is not one that is taken here")]
    Alg,
    /// `jwk` is missing, holds a private key, does not fit `alg`, or is weak.
    #[error("the proof's `jwk` is not a good public key for its algorithm")]
    Key,
    /// The signature is not that key's over this text.
    #[error("the proof's signature does not verify")]
    Signature,
    /// `jti`, `htm`, `htu` or `iat` is missing, a claim has the wrong type, or `jti` is empty or too long.
    #[error("the proof lacks `jti`, `htm`, `htu` or `iat`, or one of its claims has the wrong form")]
    Claims,
    /// `htm` is not the request's method.
    #[error("the proof was made for another method")]
    Method,
    /// `htu` is not the request's URI.
    #[error("the proof was made for another URI")]
    Uri,
    /// `nonce` is missing or none that the server gave.
    #[error("the proof does not carry the nonce that the server asked for")]
    Nonce,
    /// `iat` is too far from now.
    #[error("the proof was made at {iat}, and it is {now}")]
    Stale {
        /// When the client says it made the proof.
        iat: Timestamp,
        /// The verifier's clock.
        now: Timestamp,
    },
    /// `exp` is not after now. A proof needs none; one that has it is good for no longer
    /// ([RFC 7519 section 4.1.4](https://www.rfc-editor.org/rfc/rfc7519#section-4.1.4)).
    #[error("the proof expired at {exp}, and it is {now}")]
    Expired {
        /// Until when the client wants it to be good.
        exp: Timestamp,
        /// The verifier's clock.
        now: Timestamp,
    },
    /// `nbf` is further ahead than clocks may differ
    /// ([RFC 7519 section 4.1.5](https://www.rfc-editor.org/rfc/rfc7519#section-4.1.5)).
    #[error("the proof is good from {nbf} on, and it is {now}")]
    NotYetValid {
        /// From when on the client wants it to be good.
        nbf: Timestamp,
        /// The verifier's clock.
        now: Timestamp,
    },
    /// `ath` is missing or not the digest of the request's access token.
    #[error("the proof was made for another access token")]
    AccessToken,
}

/// The claims of a proof ([RFC 9449 section 4.2](https://www.rfc-editor.org/rfc/rfc9449#section-4.2)), and those of any JWT
/// that say when it is good.
#[derive(Deserialize)]
struct ProofClaims {
    jti: String,
    htm: String,
    htu: String,
    iat: NumericDate,
    #[serde(default, deserialize_with = "not_null")]
    exp: Option<NumericDate>,
    #[serde(default, deserialize_with = "not_null")]
    nbf: Option<NumericDate>,
    ath: Option<String>,
    nonce: Option<String>,
}

impl DpopVerifier {
    /// A verifier that takes proofs of these algorithms, made at most a minute before or after now.
    /// Symmetric algorithms are left out: they prove nothing to a server that knows no secret.
    #[must_use]
    pub fn new(algs: impl IntoIterator<Item = Alg>) -> Self {
        let algs = algs.into_iter().filter(|alg| !alg.is_symmetric()).collect();
        Self { algs, window: Duration::from_secs(60) }
    }

    /// Sets how far `iat` may lie from now, in either direction, and `nbf` after it; five minutes at most.
    #[must_use]
    pub fn with_window(mut self, window: Duration) -> Self {
        self.window = window.min(MAX_WINDOW);
        self
    }

    /// The algorithms, for the metadata member `dpop_signing_alg_values_supported`.
    #[must_use]
    pub fn algs(&self) -> &[Alg] {
        &self.algs
    }

    /// How far `iat` may lie from now.
    #[must_use]
    pub fn window(&self) -> Duration {
        self.window
    }

    /// Verifies the value of a request's one `DPoP` header field.
    ///
    /// What is left to the caller: that there was one such field and no more, that `jti` is new, and, at a
    /// resource server, that the access token is bound to [`DpopProof::jkt`].
    ///
    /// # Errors
    /// [`DpopRejection`], with the first check that failed.
    pub fn verify(
        &self,
        proof: &str,
        request: &DpopRequest<'_>,
        now: Timestamp,
    ) -> Result<DpopProof, DpopRejection> {
        let parts = Parts::split(proof)?;
        let header = object(parts.header)?;
        let key = self.key(&header)?;
        let signature = base64url::decode(parts.signature).map_err(|_| DpopRejection::Malformed)?;
        if !key.verifying.verifies(parts.signing_input.as_bytes(), &signature) {
            return Err(DpopRejection::Signature);
        }
        let claims = Value::Object(object(parts.payload)?);
        let claims: ProofClaims = serde_json::from_value(claims).map_err(|_| DpopRejection::Claims)?;
        if claims.jti.is_empty() || claims.jti.len() > MAX_JTI {
            return Err(DpopRejection::Claims);
        }
        let forget_after = self.require_request(&claims, request, now)?;
        Ok(DpopProof {
            jkt: key.thumbprint,
            jti: claims.jti,
            iat: claims.iat.0,
            forget_after,
            nonce: claims.nonce,
        })
    }

    /// The key in the header, once everything else in the header is right.
    fn key(&self, header: &Map<String, Value>) -> Result<ProofKey, DpopRejection> {
        let text = |name| header.get(name).and_then(Value::as_str);
        if !text("typ").is_some_and(|typ| TYP.matches(typ)) {
            return Err(DpopRejection::Typ);
        }
        if header.contains_key("crit") || header.contains_key("b64") {
            return Err(DpopRejection::Critical);
        }
        let alg = text("alg").and_then(|alg| alg.parse().ok()).filter(|alg| self.algs.contains(alg));
        let alg = alg.ok_or(DpopRejection::Alg)?;
        let jwk = header.get("jwk").ok_or(DpopRejection::Key)?.to_string();
        let jwk = Jwk::parse(jwk.as_bytes()).map_err(|_| DpopRejection::Key)?;
        let verifying = VerifyingKey::from_jwk(&jwk, &[alg]).map_err(|_| DpopRejection::Key)?;
        Ok(ProofKey { verifying, thumbprint: jwk.thumbprint() })
    }

    /// Demands that the proof was made for this request, just now. From when on it would be refused as too old.
    fn require_request(
        &self,
        claims: &ProofClaims,
        request: &DpopRequest<'_>,
        now: Timestamp,
    ) -> Result<Timestamp, DpopRejection> {
        if claims.htm != request.method {
            return Err(DpopRejection::Method);
        }
        let asked = Target::parse(request.uri).ok_or(DpopRejection::Uri)?;
        if Target::parse(&claims.htu) != Some(asked) {
            return Err(DpopRejection::Uri);
        }
        if let DpopNonce::OneOf(nonces) | DpopNonce::InsteadOfIat { nonces, .. } = request.nonce {
            let nonce = claims.nonce.as_deref().ok_or(DpopRejection::Nonce)?;
            if !nonces.contains(&nonce) {
                return Err(DpopRejection::Nonce);
            }
        }
        let iat = claims.iat.0;
        let forget_after = match request.nonce {
            DpopNonce::InsteadOfIat { taken_for, .. } => now.saturating_add(taken_for),
            DpopNonce::NotAsked | DpopNonce::OneOf(_) => {
                if iat.saturating_add(self.window) <= now || now.saturating_add(self.window) < iat {
                    return Err(DpopRejection::Stale { iat, now });
                }
                iat.saturating_add(self.window)
            }
        };
        // `exp` by the letter: a client whose clock may be off leaves it out, and has the window for that.
        if let Some(NumericDate(exp)) = claims.exp.filter(|exp| exp.0 <= now) {
            return Err(DpopRejection::Expired { exp, now });
        }
        if let Some(NumericDate(nbf)) = claims.nbf.filter(|nbf| now.saturating_add(self.window) < nbf.0) {
            return Err(DpopRejection::NotYetValid { nbf, now });
        }
        if let Some(token) = request.access_token {
            let ath = base64url::encode(digest::digest(&digest::SHA256, token.as_bytes()).as_ref());
            let claimed = claims.ath.as_deref().unwrap_or_default();
            verify_slices_are_equal(ath.as_bytes(), claimed.as_bytes())
                .map_err(|_| DpopRejection::AccessToken)?;
        }
        Ok(forget_after)
    }
}

/// The key that a header brought, and its name.
struct ProofKey {
    verifying: VerifyingKey,
    thumbprint: String,
}

/// The three parts of a proof, still encoded.
struct Parts<'p> {
    header: &'p str,
    payload: &'p str,
    signature: &'p str,
    signing_input: &'p str,
}

impl<'p> Parts<'p> {
    fn split(proof: &'p str) -> Result<Self, DpopRejection> {
        let split = |text: &'p str| text.rsplit_once('.').ok_or(DpopRejection::Malformed);
        if proof.len() > MAX_PROOF {
            return Err(DpopRejection::Malformed);
        }
        let (signing_input, signature) = split(proof)?;
        let (header, payload) = split(signing_input)?;
        // A further dot would stand in `header`, where base64url does not let it pass.
        Ok(Self { header, payload, signature, signing_input })
    }
}

/// A part that must be a strict JSON object.
fn object(part: &str) -> Result<Map<String, Value>, DpopRejection> {
    let bytes = base64url::decode(part).map_err(|_| DpopRejection::Malformed)?;
    parse_strict_json(&bytes).map_err(|_| DpopRejection::Malformed)
}

#[cfg(test)]
mod tests;
