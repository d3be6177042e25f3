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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base64url;
    use crate::jwe::DecryptionKey;
    use crate::jwk::Curve;

    #[test]
    fn a_key_is_unwrapped_as_in_rfc_7516_appendix_a_3() {
        let kek = base64url::decode("GawgguFyGrWKav7AX4VKUg").unwrap();
        let wrapped = base64url::decode("6KB707dM9YTIgHtLvtgWQ8mKwboJW3of9locizkDTHzBC2IlrT1oOQ").unwrap();
        let key = unwrap_key(KeyManagement::A128KW, &kek, &wrapped).unwrap();
        assert_eq!(key[..8], [4, 211, 31, 197, 84, 157, 252, 254]);
        assert_eq!(key.len(), 32);
        for alg in [KeyManagement::A256KW, KeyManagement::A128GCMKW, KeyManagement::Dir] {
            assert!(unwrap_key(alg, &kek, &wrapped).is_err(), "{alg}");
        }
        assert!(unwrap_key(KeyManagement::A128KW, &kek, &wrapped[1..]).is_err());
    }

    #[test]
    fn content_is_decrypted_with_its_whole_key() {
        let enc = ContentEncryption::A128CbcHs256;
        let sealed = enc.seal(&[7; 32], b"aad", b"text").unwrap();
        let open =
            |cek: &[u8]| decrypt_content(enc, cek, &sealed.iv, b"aad", &sealed.ciphertext, &sealed.tag);
        assert_eq!(open(&[7; 32]).unwrap().as_slice(), b"text");
        assert!(open(&[8; 32]).is_err());
    }

    #[test]
    fn two_keys_agree_on_one_curve() {
        let key = |curve| {
            let key = DecryptionKey::generate(KeyManagement::EcdhEs, Some(curve), None).unwrap();
            key.to_jwk().unwrap()
        };
        let (alice, bob) = (key(Curve::P256), key(Curve::P256));
        let z = agree(&alice, &bob.public().unwrap()).unwrap();
        assert_eq!(z, agree(&bob, &alice.public().unwrap()).unwrap());
        assert_ne!(z, agree(&bob, &bob.public().unwrap()).unwrap());
        assert!(agree(&alice, &key(Curve::X25519).public().unwrap()).is_err());
        let secret = PrivateJwk::from_secret(&crate::SecretKey::new([7; 32]));
        assert!(agree(&secret, &bob.public().unwrap()).is_err());
    }
}
