//! JSON Web Tokens: signing claims, and believing them
//! ([RFC 7519](https://www.rfc-editor.org/rfc/rfc7519), checked as RFC 8725 asks).

mod claims;
mod rejection;
mod seen;
mod verifier;

use serde::Serialize;
use thiserror::Error;

use crate::header::Typ;
use crate::key::SigningKey;
use crate::{base64url, json};

pub use self::claims::{
    Audience, AudienceClaim, BorrowedAudience, Claims, Issuer, NamesNobody, Registered, RegisteredClaims,
};
pub use self::rejection::Rejection;
pub use self::seen::SignatureCounts;
pub use self::verifier::{Scratch, Verified, Verifier, unverified_issuer};

/// Claims could not be signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SignError {
    /// The claims do not serialize to a JSON object.
    #[error("the claims do not serialize to a JSON object")]
    Claims,
    /// The claims serialize to an object that names a member twice, as `#[serde(flatten)]` can make one.
    /// Every verifier would read it in its own way.
    #[error("the claims name a member twice")]
    DuplicateClaim,
    /// The crypto library failed.
    #[error("the signature could not be made")]
    Signature,
}

/// What a payload usually takes: enough that it need not grow while it is written.
const USUAL_PAYLOAD: usize = 512;

/// Signs `claims` as a compact JWS whose header holds `alg`, `typ` and `kid`, all three from `typ`
/// and `key`, never from the caller's data.
///
/// # Errors
/// [`SignError`].
pub fn sign<C: Serialize>(typ: &Typ, claims: &C, key: &SigningKey) -> Result<String, SignError> {
    let header = key.header(typ);
    let payload = json::write_object(claims, Vec::with_capacity(USUAL_PAYLOAD))?;
    let [payload_len, signature_len] = [payload.len(), key.signature_len()].map(base64url::encoded_len);
    let mut token = String::with_capacity(header.len() + 1 + payload_len + 1 + signature_len);
    token.push_str(&header);
    token.push('.');
    base64url::encode_append(&payload, &mut token);
    let mut signature = payload;
    key.sign(token.as_bytes(), &mut signature).map_err(|_| SignError::Signature)?;
    token.push('.');
    base64url::encode_append(&signature, &mut token);
    Ok(token)
}

impl From<json::Unwritten> for SignError {
    fn from(unwritten: json::Unwritten) -> Self {
        match unwritten {
            json::Unwritten::NoObject => Self::Claims,
            json::Unwritten::DuplicateMember => Self::DuplicateClaim,
        }
    }
}

#[cfg(test)]
mod tests;
