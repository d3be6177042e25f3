//! Single steps of a decryption, on raw keys: **for testing this library against vectors**, and for
//! nothing else.
//!
//! Each is safe memory-wise and none is safe as a protocol. The whole of RFC 7516 is in [`Encrypter`] and
//! [`Decrypter`], which choose initialization vectors, bind keys to algorithms and tell an attacker
//! nothing by the way they fail; a caller of this module has to see to all of that alone.
//!
//! [`Encrypter`]: super::Encrypter
//! [`Decrypter`]: super::Decrypter

use thiserror::Error;
use zeroize::Zeroizing;

use super::agreement::{AgreementKey, Point};
use super::alg::{ContentEncryption, KeyManagement, Method};
use crate::jwk::{Jwk, PrivateJwk, PrivateParams};

/// A step failed: a key or another input has the wrong size, a tag or a check value does not fit, or a
/// point is not on the curve. Which of them is not said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the step failed")]
pub struct StepFailed;

/// Decrypts content with the whole content encryption key
/// ([RFC 7518 section 5](https://www.rfc-editor.org/rfc/rfc7518#section-5)).
///
/// # Errors
/// [`StepFailed`].
///
/// ```
/// use gatepass_jose::jwe::{ContentEncryption, primitives};
/// let tag = [0x53, 0x0f, 0x8a, 0xfb, 0xc7, 0x45, 0x36, 0xb9, 0xa9, 0x63, 0xb4, 0xf1, 0xc4, 0xcb, 0x73, 0x8b];
/// let plaintext = primitives::decrypt_content(ContentEncryption::A256GCM, &[0; 32], &[0; 12], b"", b"", &tag)?;
/// assert!(plaintext.is_empty());
/// # Ok::<_, primitives::StepFailed>(())
/// ```
pub fn decrypt_content(
    enc: ContentEncryption,
    cek: &[u8],
    iv: &[u8],
    aad: &[u8],
    ciphertext: &[u8],
    tag: &[u8],
) -> Result<Zeroizing<Vec<u8>>, StepFailed> {
    enc.open(cek, aad, iv, ciphertext, tag).map_err(|_| StepFailed)
}

/// Unwraps a key with AES Key Wrap (RFC 3394), for `A128KW` and `A256KW`.
///
/// # Errors
/// [`StepFailed`], also for every other `alg`.
pub fn unwrap_key(alg: KeyManagement, kek: &[u8], wrapped: &[u8]) -> Result<Zeroizing<Vec<u8>>, StepFailed> {
    let Method::AesKeyWrap(wrap) = alg.row().method else { return Err(StepFailed) };
    wrap.unwrap(kek, wrapped).map_err(|_| StepFailed)
}

/// The shared secret Z that ECDH-ES starts from
/// ([RFC 7518 section 4.6](https://www.rfc-editor.org/rfc/rfc7518#section-4.6)), before any key is
/// derived from it.
///
/// # Errors
/// [`StepFailed`] when the two are not on one and the same curve of a key agreement, when the public key
/// is not on it at all, and when it is of small order.
pub fn agree(private: &PrivateJwk, public: &Jwk) -> Result<Zeroizing<Vec<u8>>, StepFailed> {
    let PrivateParams::OnCurve { public: own, d } = private.params() else { return Err(StepFailed) };
    let own = Point::new(own).ok_or(StepFailed)?;
    let public = public.key.decode().ok().as_ref().and_then(Point::new).ok_or(StepFailed)?;
    if own.curve() != public.curve() {
        return Err(StepFailed);
    }
    let key = AgreementKey::new(own.curve(), d).map_err(|_| StepFailed)?;
    key.agree(&public).map_err(|_| StepFailed)
}
