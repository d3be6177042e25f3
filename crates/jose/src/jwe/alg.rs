//! The algorithms of JWE, one row each: how the key of the content is managed (`alg`), and how the
//! content is encrypted (`enc`).

use aws_lc_rs::kdf::SskdfDigestAlgorithmId;
use aws_lc_rs::key_wrap::{self, AesBlockCipher};
use aws_lc_rs::rsa::{self, OaepAlgorithm};
use aws_lc_rs::{aead, cipher, hmac, pbkdf2};
use thiserror::Error;

use crate::alg::named;

/// How a recipient comes by the content encryption key: the `alg` of a JWE
/// ([RFC 7518 section 4.1](https://www.rfc-editor.org/rfc/rfc7518#section-4.1), RFC 8037).
///
/// Left out: `RSA1_5`, whose padding has been an oracle since 1998, and `A192KW` with what is built on
/// it, for which the crypto library has no key wrap of that size.
///
/// ```
/// use gatepass_jose::KeyManagement;
/// assert_eq!("ECDH-ES+A256KW".parse(), Ok(KeyManagement::EcdhEsA256KW));
/// assert!("RSA1_5".parse::<KeyManagement>().is_err());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[allow(missing_docs)] // the names are the registry's own, without their hyphens
pub enum KeyManagement {
    /// `dir`: the shared secret is the content encryption key.
    Dir,
    A128KW,
    A256KW,
    A128GCMKW,
    A192GCMKW,
    A256GCMKW,
    /// `RSA-OAEP`: with SHA-1, which is sound inside OAEP and nowhere else.
    RsaOaep,
    /// `RSA-OAEP-256`.
    RsaOaep256,
    /// `RSA-OAEP-384`.
    RsaOaep384,
    /// `RSA-OAEP-512`.
    RsaOaep512,
    /// `ECDH-ES`: the agreed secret is the content encryption key.
    EcdhEs,
    /// `ECDH-ES+A128KW`.
    EcdhEsA128KW,
    /// `ECDH-ES+A256KW`.
    EcdhEsA256KW,
    /// `PBES2-HS256+A128KW`.
    Pbes2Hs256A128KW,
    /// `PBES2-HS512+A256KW`.
    Pbes2Hs512A256KW,
}

/// What is known of one way to manage the key.
pub(crate) struct KeyManagementRow {
    pub(crate) alg: KeyManagement,
    pub(crate) name: &'static str,
    pub(crate) method: Method,
}

/// The primitive, with what the key must be.
pub(crate) enum Method {
    /// A secret of exactly the content encryption key's size (RFC 7518 section 4.5).
    Direct,
    /// A secret of exactly the cipher's key size (section 4.4).
    AesKeyWrap(AesKeyWrap),
    /// A secret of exactly the cipher's key size (section 4.7).
    AesGcmKeyWrap { cipher: &'static aead::Algorithm, key_len: usize },
    /// A modulus of 2048 to 8192 bits (section 4.3).
    RsaOaep(&'static OaepAlgorithm),
    /// A key on P-256, P-384, P-521 or X25519 (section 4.6, RFC 8037 section 3.2). Without `wrap` the
    /// agreed key is the content encryption key.
    EcdhEs { wrap: Option<AesKeyWrap> },
    /// A password (section 4.8); `iterations` is what is recommended for this hash today, well above the
    /// section's 1000.
    Pbes2 { prf: pbkdf2::Algorithm, wrap: AesKeyWrap, iterations: u32 },
}

/// AES Key Wrap with the one size of its key.
#[derive(Clone, Copy)]
pub(crate) struct AesKeyWrap {
    pub(crate) cipher: &'static AesBlockCipher,
    pub(crate) key_len: usize,
}

/// The hash of the Concat KDF: RFC 7518 section 4.6.2 knows this one alone.
pub(crate) const CONCAT_KDF_HASH: SskdfDigestAlgorithmId = SskdfDigestAlgorithmId::Sha256;

const A128: AesKeyWrap = AesKeyWrap { cipher: &key_wrap::AES_128, key_len: 16 };
const A256: AesKeyWrap = AesKeyWrap { cipher: &key_wrap::AES_256, key_len: 32 };

const fn km(alg: KeyManagement, name: &'static str, method: Method) -> KeyManagementRow {
    KeyManagementRow { alg, name, method }
}

const fn gcm_kw(cipher: &'static aead::Algorithm, key_len: usize) -> Method {
    Method::AesGcmKeyWrap { cipher, key_len }
}

static KEY_MANAGEMENT: [KeyManagementRow; 15] = [
    km(KeyManagement::Dir, "dir", Method::Direct),
    km(KeyManagement::A128KW, "A128KW", Method::AesKeyWrap(A128)),
    km(KeyManagement::A256KW, "A256KW", Method::AesKeyWrap(A256)),
    km(KeyManagement::A128GCMKW, "A128GCMKW", gcm_kw(&aead::AES_128_GCM, 16)),
    km(KeyManagement::A192GCMKW, "A192GCMKW", gcm_kw(&aead::AES_192_GCM, 24)),
    km(KeyManagement::A256GCMKW, "A256GCMKW", gcm_kw(&aead::AES_256_GCM, 32)),
    km(KeyManagement::RsaOaep, "RSA-OAEP", Method::RsaOaep(&rsa::OAEP_SHA1_MGF1SHA1)),
    km(KeyManagement::RsaOaep256, "RSA-OAEP-256", Method::RsaOaep(&rsa::OAEP_SHA256_MGF1SHA256)),
    km(KeyManagement::RsaOaep384, "RSA-OAEP-384", Method::RsaOaep(&rsa::OAEP_SHA384_MGF1SHA384)),
    km(KeyManagement::RsaOaep512, "RSA-OAEP-512", Method::RsaOaep(&rsa::OAEP_SHA512_MGF1SHA512)),
    km(KeyManagement::EcdhEs, "ECDH-ES", Method::EcdhEs { wrap: None }),
    km(KeyManagement::EcdhEsA128KW, "ECDH-ES+A128KW", Method::EcdhEs { wrap: Some(A128) }),
    km(KeyManagement::EcdhEsA256KW, "ECDH-ES+A256KW", Method::EcdhEs { wrap: Some(A256) }),
    km(
        KeyManagement::Pbes2Hs256A128KW,
        "PBES2-HS256+A128KW",
        Method::Pbes2 { prf: pbkdf2::PBKDF2_HMAC_SHA256, wrap: A128, iterations: 600_000 },
    ),
    km(
        KeyManagement::Pbes2Hs512A256KW,
        "PBES2-HS512+A256KW",
        Method::Pbes2 { prf: pbkdf2::PBKDF2_HMAC_SHA512, wrap: A256, iterations: 210_000 },
    ),
];

/// How the content is encrypted and authenticated: the `enc` of a JWE
/// ([RFC 7518 section 5.1](https://www.rfc-editor.org/rfc/rfc7518#section-5.1)).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[allow(missing_docs)] // the names are the registry's own, without their hyphens
pub enum ContentEncryption {
    A128GCM,
    A192GCM,
    A256GCM,
    /// `A128CBC-HS256`.
    A128CbcHs256,
    /// `A192CBC-HS384`.
    A192CbcHs384,
    /// `A256CBC-HS512`.
    A256CbcHs512,
}

/// What is known of one content encryption.
pub(crate) struct ContentEncryptionRow {
    pub(crate) enc: ContentEncryption,
    pub(crate) name: &'static str,
    /// The exact size of the content encryption key in bytes.
    pub(crate) key_len: usize,
    pub(crate) cipher: Cipher,
}

/// The primitive.
pub(crate) enum Cipher {
    /// An IV of 96 bits and a tag of 128, never others (RFC 7518 section 5.3).
    Gcm(&'static aead::Algorithm),
    /// The first half of the key is the MAC's, and the tag is half of the MAC (section 5.2.2.1).
    CbcHmac { aes: &'static cipher::Algorithm, hash: hmac::Algorithm },
}

const fn ce(
    enc: ContentEncryption,
    name: &'static str,
    key_len: usize,
    cipher: Cipher,
) -> ContentEncryptionRow {
    ContentEncryptionRow { enc, name, key_len, cipher }
}

const fn cbc(aes: &'static cipher::Algorithm, hash: hmac::Algorithm) -> Cipher {
    Cipher::CbcHmac { aes, hash }
}

static CONTENT_ENCRYPTION: [ContentEncryptionRow; 6] = [
    ce(ContentEncryption::A128GCM, "A128GCM", 16, Cipher::Gcm(&aead::AES_128_GCM)),
    ce(ContentEncryption::A192GCM, "A192GCM", 24, Cipher::Gcm(&aead::AES_192_GCM)),
    ce(ContentEncryption::A256GCM, "A256GCM", 32, Cipher::Gcm(&aead::AES_256_GCM)),
    ce(ContentEncryption::A128CbcHs256, "A128CBC-HS256", 32, cbc(&cipher::AES_128, hmac::HMAC_SHA256)),
    ce(ContentEncryption::A192CbcHs384, "A192CBC-HS384", 48, cbc(&cipher::AES_192, hmac::HMAC_SHA384)),
    ce(ContentEncryption::A256CbcHs512, "A256CBC-HS512", 64, cbc(&cipher::AES_256, hmac::HMAC_SHA512)),
];

impl KeyManagement {
    /// Every algorithm, in the order of the table.
    pub fn all() -> impl Iterator<Item = Self> {
        KEY_MANAGEMENT.iter().map(|row| row.alg)
    }

    /// The name in the `alg` member, as the IANA registry spells it.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.row().name
    }

    /// Whether both sides hold the same secret or password.
    #[must_use]
    pub fn is_symmetric(self) -> bool {
        !matches!(self.row().method, Method::RsaOaep(_) | Method::EcdhEs { .. })
    }

    /// Whether a key of this JWK type (`kty`) and curve can serve: `oct` for the symmetric ones, `RSA`
    /// for OAEP, `EC` or `OKP` with X25519 for ECDH-ES.
    pub(crate) fn takes(self, kty: &str, crv: Option<&str>) -> bool {
        match (&self.row().method, kty, crv) {
            (Method::RsaOaep(_), "RSA", None) => true,
            (Method::EcdhEs { .. }, "EC", Some("P-256" | "P-384" | "P-521")) => true,
            (Method::EcdhEs { .. }, "OKP", Some("X25519")) => true,
            (Method::RsaOaep(_) | Method::EcdhEs { .. }, ..) => false,
            (_, "oct", None) => true,
            _ => false,
        }
    }

    pub(crate) fn row(self) -> &'static KeyManagementRow {
        // The table is in the order of the enum, which a test holds.
        let [first, ..] = &KEY_MANAGEMENT;
        KEY_MANAGEMENT.get(self as usize).unwrap_or(first)
    }
}

impl ContentEncryption {
    /// Every algorithm, in the order of the table.
    pub fn all() -> impl Iterator<Item = Self> {
        CONTENT_ENCRYPTION.iter().map(|row| row.enc)
    }

    /// The name in the `enc` member, as the IANA registry spells it.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.row().name
    }

    /// The exact size of the content encryption key in bytes.
    #[must_use]
    pub fn key_len(self) -> usize {
        self.row().key_len
    }

    pub(crate) fn row(self) -> &'static ContentEncryptionRow {
        // As for `KeyManagement::row`.
        let [first, ..] = &CONTENT_ENCRYPTION;
        CONTENT_ENCRYPTION.get(self as usize).unwrap_or(first)
    }
}

/// No algorithm of this library has that name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("not a supported JWE algorithm")]
pub struct UnknownJweAlg;

named!(KeyManagement, UnknownJweAlg, UnknownJweAlg);
named!(ContentEncryption, UnknownJweAlg, UnknownJweAlg);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_algorithm_stands_in_its_own_row() {
        for row in &KEY_MANAGEMENT {
            assert_eq!(row.alg.row().name, row.name);
            assert_eq!(row.name.parse(), Ok(row.alg));
            assert_eq!(serde_json::to_value(row.alg).unwrap(), row.name);
            assert_eq!(serde_json::from_value::<KeyManagement>(row.name.into()).unwrap(), row.alg);
        }
        for row in &CONTENT_ENCRYPTION {
            assert_eq!(row.enc.row().name, row.name);
            assert_eq!(row.name.parse(), Ok(row.enc));
            assert_eq!(serde_json::to_value(row.enc).unwrap(), row.name);
            assert_eq!(serde_json::from_value::<ContentEncryption>(row.name.into()).unwrap(), row.enc);
        }
    }

    #[test]
    fn what_is_left_out_has_no_name_here() {
        let names = [
            "RSA1_5",
            "A192KW",
            "ECDH-ES+A192KW",
            "PBES2-HS384+A192KW",
            "none",
            "DIR",
            "",
            "A128KW ",
            "HS256",
        ];
        for name in names {
            assert_eq!(name.parse::<KeyManagement>(), Err(UnknownJweAlg), "{name:?}");
        }
        for name in ["none", "a128gcm", "", "A128CBC", "A128CBC-HS512", "A128KW"] {
            assert_eq!(name.parse::<ContentEncryption>(), Err(UnknownJweAlg), "{name:?}");
        }
    }

    #[test]
    fn a_key_type_serves_its_own_algorithms() {
        let cases = [
            (KeyManagement::Dir, "oct", None, true),
            (KeyManagement::Pbes2Hs256A128KW, "oct", None, true),
            (KeyManagement::A128KW, "RSA", None, false),
            (KeyManagement::RsaOaep, "RSA", None, true),
            (KeyManagement::RsaOaep256, "oct", None, false),
            (KeyManagement::EcdhEs, "EC", Some("P-521"), true),
            (KeyManagement::EcdhEs, "EC", Some("secp256k1"), false),
            (KeyManagement::EcdhEs, "EC", Some("X25519"), false),
            (KeyManagement::EcdhEs, "OKP", Some("X25519"), true),
            (KeyManagement::EcdhEs, "OKP", Some("Ed25519"), false),
            (KeyManagement::EcdhEsA256KW, "RSA", None, false),
        ];
        for (alg, kty, crv, want) in cases {
            assert_eq!(alg.takes(kty, crv), want, "{alg} {kty} {crv:?}");
        }
    }
}
