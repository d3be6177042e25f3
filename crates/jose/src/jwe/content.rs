//! Encrypting and authenticating the content
//! ([RFC 7518 section 5](https://www.rfc-editor.org/rfc/rfc7518#section-5)).

use aws_lc_rs::aead::{self, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::cipher::{
    self, DecryptionContext, EncryptionContext, PaddedBlockDecryptingKey, PaddedBlockEncryptingKey,
    UnboundCipherKey,
};
use aws_lc_rs::error::Unspecified;
use aws_lc_rs::iv::FixedLength;
use aws_lc_rs::{constant_time, hmac, rand};
use zeroize::Zeroizing;

use super::alg::{Cipher, ContentEncryption};

/// A content encryption key, or one that wraps it.
pub(crate) type SecretBytes = Zeroizing<Vec<u8>>;

/// What encrypting the content gives, each part under its name in RFC 7516 section 2.
pub(crate) struct Sealed {
    pub(crate) iv: Vec<u8>,
    pub(crate) ciphertext: Vec<u8>,
    pub(crate) tag: Vec<u8>,
}

/// The 96 bits of a GCM initialization vector, in bytes.
pub(crate) const GCM_IV: usize = 12;
/// The 128 bits of a GCM tag, in bytes.
pub(crate) const GCM_TAG: usize = 16;
/// A block of AES, which is the initialization vector of CBC, in bytes.
const BLOCK: usize = 16;

/// Random bytes, for a key.
pub(crate) fn random_secret(len: usize) -> Result<SecretBytes, Unspecified> {
    let mut bytes = Zeroizing::new(vec![0; len]);
    rand::fill(&mut bytes)?;
    Ok(bytes)
}

/// Random bytes that everybody may see.
pub(crate) fn random<const N: usize>() -> Result<[u8; N], Unspecified> {
    let mut bytes = [0; N];
    rand::fill(&mut bytes)?;
    Ok(bytes)
}

impl ContentEncryption {
    /// The exact size of the initialization vector in bytes.
    pub(crate) fn iv_len(self) -> usize {
        match self.row().cipher {
            Cipher::Gcm(_) => GCM_IV,
            Cipher::CbcHmac { .. } => BLOCK,
        }
    }

    /// The exact size of the authentication tag in bytes.
    pub(crate) fn tag_len(self) -> usize {
        match self.row().cipher {
            Cipher::Gcm(_) => GCM_TAG,
            // RFC 7518 section 5.2.2.1: the MAC is cut to half, which is half of the key's size.
            Cipher::CbcHmac { .. } => self.key_len() / 2,
        }
    }

    /// Encrypts `plaintext` under a fresh initialization vector and authenticates `aad` with it.
    pub(crate) fn seal(self, cek: &[u8], aad: &[u8], plaintext: &[u8]) -> Result<Sealed, Unspecified> {
        match &self.row().cipher {
            Cipher::Gcm(algorithm) => seal_gcm(algorithm, cek, aad, plaintext),
            Cipher::CbcHmac { aes, hash } => {
                let (mac_key, enc_key) = cek.split_at_checked(self.key_len() / 2).ok_or(Unspecified)?;
                let iv = random::<BLOCK>()?;
                let key = PaddedBlockEncryptingKey::cbc_pkcs7(UnboundCipherKey::new(aes, enc_key)?)?;
                // Room for the padding, so that no copy of the plaintext is left behind by growing.
                let mut ciphertext = Vec::with_capacity(plaintext.len() + BLOCK);
                ciphertext.extend_from_slice(plaintext);
                key.less_safe_encrypt(&mut ciphertext, EncryptionContext::Iv128(FixedLength::from(iv)))?;
                let mac = mac(*hash, mac_key, aad, &iv, &ciphertext);
                let tag = mac.as_ref().get(..self.tag_len()).ok_or(Unspecified)?.to_vec();
                Ok(Sealed { iv: iv.to_vec(), ciphertext, tag })
            }
        }
    }

    /// Checks the tag over `aad` and all else, and only then decrypts. One error for everything, because
    /// each difference that can be observed is an oracle; a key, an initialization vector or a tag of
    /// another size than the exact one is refused by what takes it.
    pub(crate) fn open(
        self,
        cek: &[u8],
        aad: &[u8],
        iv: &[u8],
        ciphertext: &[u8],
        tag: &[u8],
    ) -> Result<SecretBytes, Unspecified> {
        match &self.row().cipher {
            Cipher::Gcm(algorithm) => open_gcm(algorithm, cek, aad, iv, ciphertext, tag),
            Cipher::CbcHmac { aes, hash } => {
                let (mac_key, enc_key) = cek.split_at_checked(self.key_len() / 2).ok_or(Unspecified)?;
                let mac = mac(*hash, mac_key, aad, iv, ciphertext);
                let expected = mac.as_ref().get(..self.tag_len()).ok_or(Unspecified)?;
                constant_time::verify_slices_are_equal(expected, tag)?;
                open_cbc(aes, enc_key, iv, ciphertext)
            }
        }
    }
}

/// AES-GCM under a fresh initialization vector (RFC 7518 section 5.3).
pub(crate) fn seal_gcm(
    algorithm: &'static aead::Algorithm,
    key: &[u8],
    aad: &[u8],
    plaintext: &[u8],
) -> Result<Sealed, Unspecified> {
    let iv = random::<GCM_IV>()?;
    let key = LessSafeKey::new(UnboundKey::new(algorithm, key)?);
    let mut ciphertext = plaintext.to_vec();
    let tag =
        key.seal_in_place_separate_tag(Nonce::assume_unique_for_key(iv), Aad::from(aad), &mut ciphertext)?;
    Ok(Sealed { iv: iv.to_vec(), ciphertext, tag: tag.as_ref().to_vec() })
}

/// AES-GCM with an initialization vector of 96 bits and a tag of 128, and no others.
pub(crate) fn open_gcm(
    algorithm: &'static aead::Algorithm,
    key: &[u8],
    aad: &[u8],
    iv: &[u8],
    ciphertext: &[u8],
    tag: &[u8],
) -> Result<SecretBytes, Unspecified> {
    if tag.len() != GCM_TAG {
        return Err(Unspecified);
    }
    let key = LessSafeKey::new(UnboundKey::new(algorithm, key)?);
    let nonce = Nonce::try_assume_unique_for_key(iv)?;
    let mut plaintext = Zeroizing::new(vec![0; ciphertext.len()]);
    key.open_separate_gather(nonce, Aad::from(aad), ciphertext, tag, &mut plaintext)?;
    Ok(plaintext)
}

fn open_cbc(
    aes: &'static cipher::Algorithm,
    key: &[u8],
    iv: &[u8],
    ciphertext: &[u8],
) -> Result<SecretBytes, Unspecified> {
    let key = PaddedBlockDecryptingKey::cbc_pkcs7(UnboundCipherKey::new(aes, key)?)?;
    let context = DecryptionContext::Iv128(FixedLength::try_from(iv)?);
    let mut plaintext = Zeroizing::new(ciphertext.to_vec());
    let len = key.decrypt(&mut plaintext, context)?.len();
    plaintext.truncate(len);
    Ok(plaintext)
}

/// The whole MAC of RFC 7518 section 5.2.2.1, before it is cut.
fn mac(hash: hmac::Algorithm, key: &[u8], aad: &[u8], iv: &[u8], ciphertext: &[u8]) -> hmac::Tag {
    let aad_bits = (aad.len() as u64).saturating_mul(8);
    let mut context = hmac::Context::with_key(&hmac::Key::new(hash, key));
    for part in [aad, iv, ciphertext, &aad_bits.to_be_bytes()] {
        context.update(part);
    }
    context.sign()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_encryption_opens_what_it_sealed_and_nothing_else() {
        for enc in ContentEncryption::all() {
            for len in [0, 1, 15, 16, 17, 1000] {
                let cek = random_secret(enc.key_len()).unwrap();
                let plaintext = vec![0xa5; len];
                let sealed = enc.seal(&cek, b"aad", &plaintext).unwrap();
                let Sealed { iv, ciphertext, tag } = &sealed;
                assert_eq!((iv.len(), tag.len()), (enc.iv_len(), enc.tag_len()), "{enc}");
                let opened = enc.open(&cek, b"aad", iv, ciphertext, tag).unwrap();
                assert_eq!(*opened, plaintext, "{enc} {len}");

                let flipped = |bytes: &[u8]| bytes.iter().map(|byte| byte ^ 1).collect::<Vec<u8>>();
                let longer = |bytes: &[u8]| [bytes, &[0]].concat();
                let cases = [
                    ("other_key", enc.open(&flipped(&cek), b"aad", iv, ciphertext, tag)),
                    ("longer_key", enc.open(&longer(&cek), b"aad", iv, ciphertext, tag)),
                    ("other_aad", enc.open(&cek, b"aae", iv, ciphertext, tag)),
                    ("other_iv", enc.open(&cek, b"aad", &flipped(iv), ciphertext, tag)),
                    ("short_iv", enc.open(&cek, b"aad", &iv[1..], ciphertext, tag)),
                    ("longer_iv", enc.open(&cek, b"aad", &longer(iv), ciphertext, tag)),
                    ("longer_ciphertext", enc.open(&cek, b"aad", iv, &longer(ciphertext), tag)),
                    ("other_tag", enc.open(&cek, b"aad", iv, ciphertext, &flipped(tag))),
                    ("no_tag", enc.open(&cek, b"aad", iv, ciphertext, b"")),
                    ("short_tag", enc.open(&cek, b"aad", iv, ciphertext, &tag[..tag.len() - 1])),
                    ("longer_tag", enc.open(&cek, b"aad", iv, ciphertext, &longer(tag))),
                ];
                for (name, opened) in cases {
                    assert!(opened.is_err(), "{enc} {len} {name}");
                }
            }
        }
    }

    #[test]
    fn the_key_has_one_size() {
        for enc in ContentEncryption::all() {
            for len in [0, 1, enc.key_len() - 1, enc.key_len() + 1] {
                assert!(enc.seal(&vec![7; len], b"", b"x").is_err(), "{enc} {len}");
            }
        }
    }

    #[test]
    fn bad_padding_under_a_good_tag_is_one_more_refusal() {
        let enc = ContentEncryption::A128CbcHs256;
        let Cipher::CbcHmac { aes, hash } = &enc.row().cipher else { unreachable!() };
        let cek = random_secret(32).unwrap();
        // A block of zeros has no valid padding; it is encrypted without any.
        let key = cipher::EncryptingKey::cbc(UnboundCipherKey::new(aes, &cek[16..]).unwrap()).unwrap();
        let mut ciphertext = vec![0; BLOCK];
        let iv = [9; BLOCK];
        key.less_safe_encrypt(&mut ciphertext, EncryptionContext::Iv128(FixedLength::from(iv))).unwrap();
        let tag = mac(*hash, &cek[..16], b"", &iv, &ciphertext);
        assert!(enc.open(&cek, b"", &iv, &ciphertext, &tag.as_ref()[..16]).is_err());
        let tag = mac(*hash, &cek[..16], b"", &iv, b"");
        assert!(enc.open(&cek, b"", &iv, b"", &tag.as_ref()[..16]).is_err(), "no block at all");
    }
}
