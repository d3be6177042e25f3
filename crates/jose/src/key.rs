//! Keys, parsed once and bound to one algorithm.
//!
//! A secret, a private key and a public key are three types. Nothing turns a public key into a
//! [`SecretKey`], so the classic confusion (verifying an `HS256` token with the text of an RSA
//! public key as the secret) cannot be written down.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rand::{self, SystemRandom};
use aws_lc_rs::signature::{
    ED25519, EcdsaKeyPair, Ed25519KeyPair, KeyPair, ParsedPublicKey, RsaKeyPair, RsaPublicKeyComponents,
};
use aws_lc_rs::{hmac, rsa};
use thiserror::Error;
use zeroize::Zeroizing;

use crate::alg::Family;
use crate::jwk::{Jwk, JwkSet, KeyUse, PublicParams};
use crate::{Alg, base64url};

/// Why key material was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum KeyError {
    /// The secret is shorter than the hash's output. [RFC 7518 section 3.2](https://www.rfc-editor.org/rfc/rfc7518#section-3.2).
    #[error("an {alg} secret needs at least {min} bytes")]
    SecretTooShort {
        /// The algorithm asked for.
        alg: Alg,
        /// The least size in bytes.
        min: usize,
    },
    /// The key is of another type or curve than the algorithm's.
    #[error("the key does not fit {0}")]
    WrongType(Alg),
    /// The key does not parse, is not on its curve, or is too small or too large.
    #[error("the key is malformed, not on its curve, or of a refused size")]
    Malformed,
    /// A public key without `alg` of a type that several algorithms share.
    #[error("the key names no algorithm and its type does not decide one")]
    AmbiguousAlg,
    /// The operating system gave no randomness, or the library failed.
    #[error("the key could not be generated")]
    Generation,
}

/// The secret of an HMAC algorithm. Wiped when dropped; has no `Display` and shows nothing in `Debug`.
#[derive(Clone)]
pub struct SecretKey(Zeroizing<Vec<u8>>);

impl SecretKey {
    /// Takes the secret's raw bytes. Its length is checked where it meets an algorithm.
    #[must_use]
    pub fn new(bytes: impl Into<Vec<u8>>) -> Self {
        Self(Zeroizing::new(bytes.into()))
    }

    /// Reads the text of a secret, as a file shares it between who mints and who verifies: base64url
    /// without padding, white space around it ignored.
    ///
    /// # Errors
    /// [`KeyError::Malformed`] when it is not base64url.
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        base64url::decode(text.trim()).map(Self::new).map_err(|_| KeyError::Malformed)
    }

    /// A fresh secret of 64 bytes, enough for every algorithm.
    ///
    /// # Errors
    /// [`KeyError::Generation`] when the system has no randomness to give.
    pub fn generate() -> Result<Self, KeyError> {
        let mut bytes = Zeroizing::new(vec![0; 64]);
        rand::fill(&mut bytes).map_err(|_| KeyError::Generation)?;
        Ok(Self(bytes))
    }

    /// The raw bytes, for storing them encrypted.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretKey(..)")
    }
}

/// A key that signs, with its algorithm and its `kid`.
pub struct SigningKey {
    alg: Alg,
    kid: Arc<str>,
    inner: Private,
}

enum Private {
    Hmac(Box<hmac::Key>, SecretKey),
    Rsa(Box<RsaKeyPair>),
    Ecdsa(Box<EcdsaKeyPair>),
    Ed25519(Box<Ed25519KeyPair>),
}

impl SigningKey {
    /// A fresh key. Without a `kid` it is named by its thumbprint (RFC 7638), an HMAC secret by
    /// random bytes. RSA keys have 2048 bits.
    ///
    /// # Errors
    /// [`KeyError::Generation`] when the system has no randomness to give.
    ///
    /// ```
    /// use gatepass_jose::{Alg, SigningKey};
    /// let key = SigningKey::generate(Alg::ES256, None)?;
    /// assert_eq!(key.public_jwk().map(|jwk| jwk.thumbprint()).as_deref(), Some(key.kid()));
    /// # Ok::<_, gatepass_jose::KeyError>(())
    /// ```
    pub fn generate(alg: Alg, kid: Option<&str>) -> Result<Self, KeyError> {
        let inner = match &alg.row().family {
            Family::Hmac { .. } => {
                let secret = SecretKey::generate()?;
                return Self::from_secret(
                    alg,
                    &kid.map_or_else(random_kid, |kid| Ok(kid.to_owned()))?,
                    &secret,
                );
            }
            Family::Rsa { .. } => Private::Rsa(Box::new(
                RsaKeyPair::generate(rsa::KeySize::Rsa2048).map_err(|_| KeyError::Generation)?,
            )),
            Family::Ecdsa { sign, .. } => {
                Private::Ecdsa(Box::new(EcdsaKeyPair::generate(sign).map_err(|_| KeyError::Generation)?))
            }
            Family::Ed25519 => {
                Private::Ed25519(Box::new(Ed25519KeyPair::generate().map_err(|_| KeyError::Generation)?))
            }
        };
        let mut key = Self { alg, kid: Arc::from(kid.unwrap_or_default()), inner };
        if kid.is_none() {
            let thumbprint = key.public_jwk().ok_or(KeyError::Generation)?.thumbprint();
            key.kid = Arc::from(thumbprint);
        }
        Ok(key)
    }

    /// An HMAC key.
    ///
    /// # Errors
    /// [`KeyError::SecretTooShort`], or [`KeyError::WrongType`] when `alg` is not of the `HS` family.
    pub fn from_secret(alg: Alg, kid: &str, secret: &SecretKey) -> Result<Self, KeyError> {
        let key = hmac_key(alg, secret)?;
        Ok(Self { alg, kid: Arc::from(kid), inner: Private::Hmac(Box::new(key), secret.clone()) })
    }

    /// A private key from its PKCS#8 DER document.
    ///
    /// # Errors
    /// [`KeyError::Malformed`] when it does not parse or is of a refused size, [`KeyError::WrongType`]
    /// when `alg` takes a secret.
    pub fn from_pkcs8_der(alg: Alg, kid: &str, der: &[u8]) -> Result<Self, KeyError> {
        let malformed = |_| KeyError::Malformed;
        let inner = match &alg.row().family {
            Family::Hmac { .. } => return Err(KeyError::WrongType(alg)),
            Family::Rsa { .. } => Private::Rsa(Box::new(RsaKeyPair::from_pkcs8(der).map_err(malformed)?)),
            Family::Ecdsa { sign, .. } => {
                Private::Ecdsa(Box::new(EcdsaKeyPair::from_pkcs8(sign, der).map_err(malformed)?))
            }
            Family::Ed25519 => {
                Private::Ed25519(Box::new(Ed25519KeyPair::from_pkcs8(der).map_err(malformed)?))
            }
        };
        Ok(Self { alg, kid: Arc::from(kid), inner })
    }

    /// What [`SigningKey::to_private_bytes`] gave, read back.
    ///
    /// # Errors
    /// As [`SigningKey::from_pkcs8_der`] and [`SigningKey::from_secret`].
    pub fn from_private_bytes(alg: Alg, kid: &str, bytes: &[u8]) -> Result<Self, KeyError> {
        if alg.is_symmetric() {
            Self::from_secret(alg, kid, &SecretKey::new(bytes))
        } else {
            Self::from_pkcs8_der(alg, kid, bytes)
        }
    }

    /// The private key as PKCS#8 DER, or the raw secret of an `HS` key. Whoever holds these bytes
    /// can mint tokens: encrypt them before they leave memory.
    ///
    /// # Errors
    /// [`KeyError::Malformed`] when the library cannot write the key.
    pub fn to_private_bytes(&self) -> Result<Zeroizing<Vec<u8>>, KeyError> {
        let malformed = |_| KeyError::Malformed;
        let bytes = match &self.inner {
            Private::Hmac(_, secret) => secret.expose().to_vec(),
            Private::Rsa(pair) => {
                let der: Pkcs8V1Der<'_> = pair.as_der().map_err(malformed)?;
                der.as_ref().to_vec()
            }
            Private::Ecdsa(pair) => pair.to_pkcs8v1().map_err(malformed)?.as_ref().to_vec(),
            Private::Ed25519(pair) => pair.to_pkcs8v1().map_err(malformed)?.as_ref().to_vec(),
        };
        Ok(Zeroizing::new(bytes))
    }

    /// The one algorithm of the key.
    #[must_use]
    pub fn alg(&self) -> Alg {
        self.alg
    }

    /// The key's name.
    #[must_use]
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// The public half as a JWK with `kid`, `alg` and `use`; `None` for a secret, which has none.
    #[must_use]
    pub fn public_jwk(&self) -> Option<Jwk> {
        let encode = base64url::encode;
        let key = match &self.inner {
            Private::Hmac(..) => return None,
            Private::Rsa(pair) => {
                let public = pair.public_key();
                PublicParams::Rsa {
                    n: encode(public.modulus().big_endian_without_leading_zero()),
                    e: encode(public.exponent().big_endian_without_leading_zero()),
                }
            }
            Private::Ecdsa(pair) => {
                let Family::Ecdsa { curve, coordinate, .. } = self.alg.row().family else { return None };
                // An uncompressed point: 0x04, then x and y of one coordinate's size each (SEC 1).
                let (_, point) = pair.public_key().as_ref().split_first()?;
                let (x, y) = point.split_at_checked(coordinate)?;
                PublicParams::Ec { crv: curve.to_owned(), x: encode(x), y: encode(y) }
            }
            Private::Ed25519(pair) => {
                PublicParams::Okp { crv: "Ed25519".to_owned(), x: encode(pair.public_key().as_ref()) }
            }
        };
        Some(Jwk { key, kid: Some(self.kid.to_string()), alg: Some(self.alg), key_use: Some(KeyUse::Sig) })
    }

    /// The key that verifies what this one signs.
    ///
    /// # Errors
    /// [`KeyError::Malformed`] when the library refuses the public half; a generated key never is.
    pub fn verifying_key(&self) -> Result<VerifyingKey, KeyError> {
        match (&self.inner, self.public_jwk()) {
            (Private::Hmac(_, secret), _) => VerifyingKey::from_secret(self.alg, &self.kid, secret),
            (_, Some(jwk)) => VerifyingKey::from_jwk(&jwk, &[self.alg]),
            (_, None) => Err(KeyError::Malformed),
        }
    }

    /// Signs `message`. The signature has the form of RFC 7518: fixed-length `r ‖ s` for ECDSA.
    pub(crate) fn sign(&self, message: &[u8], signature: &mut Vec<u8>) -> Result<(), SigningFailed> {
        signature.clear();
        let random = SystemRandom::new();
        match &self.inner {
            Private::Hmac(key, _) => signature.extend_from_slice(hmac::sign(key, message).as_ref()),
            Private::Rsa(pair) => {
                let Family::Rsa { sign, .. } = self.alg.row().family else { return Err(SigningFailed) };
                signature.resize(pair.public_modulus_len(), 0);
                pair.sign(sign, &random, message, signature).map_err(|_| SigningFailed)?;
            }
            Private::Ecdsa(pair) => {
                signature.extend_from_slice(pair.sign(&random, message).map_err(|_| SigningFailed)?.as_ref());
            }
            Private::Ed25519(pair) => {
                signature.extend_from_slice(pair.try_sign(message).map_err(|_| SigningFailed)?.as_ref());
            }
        }
        Ok(())
    }
}

/// The crypto library failed to sign.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SigningFailed;

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey").field("alg", &self.alg).field("kid", &self.kid).finish_non_exhaustive()
    }
}

fn random_kid() -> Result<String, KeyError> {
    let mut bytes = [0; 16];
    rand::fill(&mut bytes).map_err(|_| KeyError::Generation)?;
    Ok(base64url::encode(&bytes))
}

fn hmac_key(alg: Alg, secret: &SecretKey) -> Result<hmac::Key, KeyError> {
    let Family::Hmac { hash, min_secret } = alg.row().family else { return Err(KeyError::WrongType(alg)) };
    if secret.expose().len() < min_secret {
        return Err(KeyError::SecretTooShort { alg, min: min_secret });
    }
    Ok(hmac::Key::new(hash, secret.expose()))
}

/// A key that verifies, with its algorithm and its `kid`. Cheap to clone.
#[derive(Clone)]
pub struct VerifyingKey {
    alg: Alg,
    kid: Arc<str>,
    inner: Arc<Public>,
}

enum Public {
    Hmac(Box<hmac::Key>),
    Parsed { key: ParsedPublicKey, signature_len: usize },
}

impl VerifyingKey {
    /// Parses a public key. A JWK that names no `alg` gets the only one its type allows; for RSA,
    /// where several do, the first of `allowed` that is of the RSA family.
    ///
    /// # Errors
    /// [`KeyError::WrongType`] when `alg` and the key's type or curve disagree or `alg` is not
    /// `allowed`, [`KeyError::Malformed`] for a point off its curve or a modulus of a refused size,
    /// [`KeyError::AmbiguousAlg`] when nothing decides the algorithm.
    pub fn from_jwk(jwk: &Jwk, allowed: &[Alg]) -> Result<Self, KeyError> {
        let fits = |alg: &Alg| match (&alg.row().family, &jwk.key) {
            (Family::Rsa { .. }, PublicParams::Rsa { .. }) => true,
            (Family::Ecdsa { curve, .. }, PublicParams::Ec { crv, .. }) => curve == crv,
            (Family::Ed25519, PublicParams::Okp { crv, .. }) => crv == "Ed25519",
            _ => false,
        };
        let alg = match jwk.alg {
            Some(alg) if allowed.contains(&alg) && fits(&alg) => alg,
            Some(alg) => return Err(KeyError::WrongType(alg)),
            None => allowed.iter().copied().find(fits).ok_or(KeyError::AmbiguousAlg)?,
        };
        let kid = Arc::from(jwk.kid.as_deref().unwrap_or_default());
        Ok(Self { alg, kid, inner: Arc::new(parse_public(alg, &jwk.key)?) })
    }

    /// An HMAC key.
    ///
    /// # Errors
    /// As [`SigningKey::from_secret`].
    pub fn from_secret(alg: Alg, kid: &str, secret: &SecretKey) -> Result<Self, KeyError> {
        Ok(Self { alg, kid: Arc::from(kid), inner: Arc::new(Public::Hmac(Box::new(hmac_key(alg, secret)?))) })
    }

    /// The one algorithm of the key.
    #[must_use]
    pub fn alg(&self) -> Alg {
        self.alg
    }

    /// The key's name; empty when its JWK had none.
    #[must_use]
    pub fn kid(&self) -> &str {
        &self.kid
    }

    pub(crate) fn shared_kid(&self) -> &Arc<str> {
        &self.kid
    }

    /// Whether `signature` is this key's over `message`. Constant time for secrets; a signature of
    /// another length than the algorithm's is refused before any arithmetic.
    #[must_use]
    pub fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        match &*self.inner {
            Public::Hmac(key) => hmac::verify(key, message, signature).is_ok(),
            Public::Parsed { key, signature_len } => {
                signature.len() == *signature_len && key.verify_sig(message, signature).is_ok()
            }
        }
    }
}

fn parse_public(alg: Alg, params: &PublicParams) -> Result<Public, KeyError> {
    let bytes = |text: &String| base64url::decode(text).map_err(|_| KeyError::Malformed);
    let malformed = |_| KeyError::Malformed;
    match (&alg.row().family, params) {
        (Family::Rsa { verify, .. }, PublicParams::Rsa { n, e }) => {
            let (n, e) = (bytes(n)?, bytes(e)?);
            // RFC 7518 section 3.3 asks for 2048 bits; past 8192 a key only serves to slow the verifier down.
            let bits = n.len() * 8 - n.first().map_or(0, |byte| byte.leading_zeros() as usize);
            if !(2048..=8192).contains(&bits) || e.len() > 4 {
                return Err(KeyError::Malformed);
            }
            let signature_len = n.len();
            let key = RsaPublicKeyComponents { n, e }.to_parsed_public_key(verify).map_err(malformed)?;
            Ok(Public::Parsed { key, signature_len })
        }
        (Family::Ecdsa { coordinate, verify, .. }, PublicParams::Ec { x, y, .. }) => {
            let (x, y) = (bytes(x)?, bytes(y)?);
            // RFC 7518 section 6.2.1.2: the full size of a coordinate, leading zeros included.
            if x.len() != *coordinate || y.len() != *coordinate {
                return Err(KeyError::Malformed);
            }
            let point = [&[0x04], &x[..], &y[..]].concat();
            let key = ParsedPublicKey::new(*verify, point).map_err(malformed)?;
            Ok(Public::Parsed { key, signature_len: 2 * coordinate })
        }
        (Family::Ed25519, PublicParams::Okp { x, .. }) => {
            let key = ParsedPublicKey::new(&ED25519, bytes(x)?).map_err(malformed)?;
            Ok(Public::Parsed { key, signature_len: 64 })
        }
        _ => Err(KeyError::WrongType(alg)),
    }
}

impl fmt::Debug for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VerifyingKey").field("alg", &self.alg).field("kid", &self.kid).finish_non_exhaustive()
    }
}

/// The keys a verifier trusts, ready for use.
#[derive(Clone, Debug, Default)]
pub struct KeySet {
    keys: Vec<VerifyingKey>,
}

impl KeySet {
    /// A set of keys. Where two have the same `kid`, the first is the one that is found.
    #[must_use]
    pub fn new(keys: Vec<VerifyingKey>) -> Self {
        Self { keys }
    }

    /// The keys of `set` whose algorithm is one of `allowed`; the others are left out, so that one
    /// odd key in a published set does not take the good ones with it.
    #[must_use]
    pub fn from_jwks(set: &JwkSet, allowed: &[Alg]) -> Self {
        Self { keys: set.keys.iter().filter_map(|jwk| VerifyingKey::from_jwk(jwk, allowed).ok()).collect() }
    }

    /// The key of that name.
    #[must_use]
    pub fn find(&self, kid: &str) -> Option<&VerifyingKey> {
        self.keys.iter().find(|key| key.kid() == kid)
    }

    /// All keys.
    #[must_use]
    pub fn keys(&self) -> &[VerifyingKey] {
        &self.keys
    }

    /// Whether there is no key at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_algorithm_signs_verifies_and_survives_storage() {
        for alg in Alg::all() {
            let key = SigningKey::generate(alg, None).unwrap();
            let stored = key.to_private_bytes().unwrap();
            let key = SigningKey::from_private_bytes(alg, key.kid(), &stored).unwrap();
            let mut signature = Vec::new();
            key.sign(b"message", &mut signature).unwrap();
            let public = key.verifying_key().unwrap();
            assert!(public.verifies(b"message", &signature), "{alg}");
            assert!(!public.verifies(b"massage", &signature), "{alg}");
            for len in 0..signature.len() {
                assert!(!public.verifies(b"message", &signature[..len]), "{alg} cut to {len}");
            }
            signature.push(0);
            assert!(!public.verifies(b"message", &signature), "{alg} extended");
        }
    }

    #[test]
    fn a_psychic_signature_of_zeros_is_refused() {
        for alg in [Alg::ES256, Alg::ES384, Alg::ES512] {
            let public = SigningKey::generate(alg, None).unwrap().verifying_key().unwrap();
            for len in [64, 96, 132] {
                assert!(!public.verifies(b"message", &vec![0; len]), "{alg} {len}");
            }
        }
    }

    #[test]
    fn secrets_shorter_than_the_hash_are_refused() {
        for (alg, min) in [(Alg::HS256, 32), (Alg::HS384, 48), (Alg::HS512, 64)] {
            let short = SecretKey::new(vec![7; min - 1]);
            assert_eq!(
                VerifyingKey::from_secret(alg, "k", &short).err(),
                Some(KeyError::SecretTooShort { alg, min })
            );
            assert!(VerifyingKey::from_secret(alg, "k", &SecretKey::new(vec![7; min])).is_ok());
        }
        let secret = SecretKey::new(vec![7; 64]);
        assert_eq!(
            VerifyingKey::from_secret(Alg::RS256, "k", &secret).err(),
            Some(KeyError::WrongType(Alg::RS256))
        );
    }

    #[test]
    fn refused_public_keys() {
        let ec = |crv: &str, x: &str, y: &str| PublicParams::Ec { crv: crv.into(), x: x.into(), y: y.into() };
        let x = "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU";
        let y = "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0";
        let cases = [
            ("good_point", ec("P-256", x, y), Ok(())),
            ("other_curve", ec("P-384", x, y), Err(KeyError::AmbiguousAlg)),
            ("off_the_curve", ec("P-256", x, x), Err(KeyError::Malformed)),
            ("short_coordinate", ec("P-256", &x[..40], y), Err(KeyError::Malformed)),
            ("not_base64url", ec("P-256", "=", y), Err(KeyError::Malformed)),
            ("point_at_infinity", ec("P-256", "", ""), Err(KeyError::Malformed)),
            (
                "small_modulus",
                PublicParams::Rsa { n: base64url::encode(&[0xff; 128]), e: "AQAB".into() },
                Err(KeyError::Malformed),
            ),
            (
                "huge_modulus",
                PublicParams::Rsa { n: base64url::encode(&[0xff; 1025]), e: "AQAB".into() },
                Err(KeyError::Malformed),
            ),
            (
                "empty_modulus",
                PublicParams::Rsa { n: String::new(), e: "AQAB".into() },
                Err(KeyError::Malformed),
            ),
            (
                "long_exponent",
                PublicParams::Rsa { n: base64url::encode(&[0xff; 256]), e: "AQABAQAB".into() },
                Err(KeyError::Malformed),
            ),
            ("x25519", PublicParams::Okp { crv: "X25519".into(), x: x.into() }, Err(KeyError::AmbiguousAlg)),
        ];
        for (name, key, want) in cases {
            let jwk = Jwk { key, kid: None, alg: None, key_use: None };
            let allowed = [Alg::ES256, Alg::RS256, Alg::EdDSA];
            assert_eq!(VerifyingKey::from_jwk(&jwk, &allowed).map(|_| ()), want, "{name}");
        }
    }

    #[test]
    fn debug_output_shows_no_secret() {
        let key =
            SigningKey::from_secret(Alg::HS256, "k1", &SecretKey::new(*b"0123456789abcdef0123456789abcdef"))
                .unwrap();
        let shown =
            format!("{key:?} {:?} {:?}", SecretKey::new(*b"0123456789"), key.verifying_key().unwrap());
        assert!(!shown.contains("0123") && !shown.contains("48, 49"), "{shown}");
    }
}
