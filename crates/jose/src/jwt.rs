//! JSON Web Tokens: signing claims, and believing them
//! ([RFC 7519](https://www.rfc-editor.org/rfc/rfc7519), checked as RFC 8725 asks).

mod claims;
mod rejection;
mod seen;
mod verifier;

use serde::Serialize;
use serde::de::IgnoredAny;
use thiserror::Error;

use crate::header::{HeaderOut, Typ};
use crate::key::SigningKey;
use crate::limits::Limits;
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

/// What is written here is not hostile: only what could be read in two ways is looked for.
const WRITTEN: Limits = Limits { depth: usize::MAX, members: usize::MAX, ..Limits::DEFAULT };

/// What a payload usually takes: enough that it need not grow while it is written.
const USUAL_PAYLOAD: usize = 512;

/// Signs `claims` as a compact JWS whose header holds `alg`, `typ` and `kid`, all three from `typ`
/// and `key`, never from the caller's data.
///
/// # Errors
/// [`SignError`].
pub fn sign<C: Serialize>(typ: &Typ, claims: &C, key: &SigningKey) -> Result<String, SignError> {
    let header = HeaderOut { alg: key.alg(), typ: typ.name(), kid: key.kid() };
    let mut json = Vec::with_capacity(USUAL_PAYLOAD);
    serde_json::to_writer(&mut json, &header).map_err(|_| SignError::Claims)?;
    let mut token = String::with_capacity(2 * USUAL_PAYLOAD);
    base64url::encode_append(&json, &mut token);
    token.push('.');
    json.clear();
    serde_json::to_writer(&mut json, claims).map_err(|_| SignError::Claims)?;
    if json.first() != Some(&b'{') {
        return Err(SignError::Claims);
    }
    json::parse_within::<IgnoredAny>(&json, &WRITTEN).map_err(|_| SignError::DuplicateClaim)?;
    base64url::encode_append(&json, &mut token);
    json.clear();
    key.sign(token.as_bytes(), &mut json).map_err(|_| SignError::Signature)?;
    token.push('.');
    base64url::encode_append(&json, &mut token);
    Ok(token)
}

#[cfg(test)]
mod tests;
