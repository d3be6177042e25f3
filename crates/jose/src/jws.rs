//! JSON Web Signatures over any payload: compact, flattened and general JSON, detached and unencoded
//! ([RFC 7515](https://www.rfc-editor.org/rfc/rfc7515), [RFC 7797](https://www.rfc-editor.org/rfc/rfc7797)).
//!
//! For tokens there is [`crate::jwt`], which asks for more: an issuer, an audience and a type. What is
//! verified here is that the holder of a key signed these bytes, and nothing else.
//!
//! ```
//! use gatepass_jose::{Alg, KeySet, SigningKey, jws};
//!
//! let key = SigningKey::generate(Alg::EdDSA, Some("k1"))?;
//! let verifier = jws::Verifier::new(KeySet::new(vec![key.verifying_key()?]));
//!
//! let signed = jws::Draft::new(b"any bytes").sign(&key)?;
//! assert_eq!(verifier.verify(&signed.compact()?)?.payload(), b"any bytes");
//! assert_eq!(verifier.verify_json(signed.general().as_bytes())?.payload(), b"any bytes");
//!
//! // Detached: the payload travels by another way.
//! let detached = signed.detached()?;
//! assert_eq!(verifier.verify_detached(&detached, b"any bytes")?.kid(), "k1");
//! assert!(verifier.verify_detached(&detached, b"other bytes").is_err());
//! # Ok::<_, Box<dyn std::error::Error>>(())
//! ```

mod header;
mod sign;
mod verify;

pub use self::sign::{Draft, FormError, Signed};
pub use self::verify::{Rejection, Verified, Verifier};

#[cfg(test)]
mod tests;
