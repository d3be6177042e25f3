use std::fmt;
use std::sync::Arc;

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::error::Unspecified;
use aws_lc_rs::rsa::{
    OaepAlgorithm, OaepPrivateDecryptingKey, OaepPublicEncryptingKey, PrivateDecryptingKey,
};

use super::{Encrypting, EncryptionKey, JweKeyError, Purpose, Shared, decide};
use crate::base64url;
use crate::jwe::agreement::{AgreementKey, Point};
use crate::jwe::alg::{AesKeyWrap, ContentEncryption, KeyManagement, Method};
use crate::jwe::content::random;
use crate::jwk::{Curve, JwkAlg, KeyUse, Operation, PrivateJwk, PrivateJwkSet, PrivateParams};
use crate::key::{KeyError, KeyPair, RsaSize, SecretKey};

/// A key that decrypts: a private key, a shared secret or a password. Bound to one [`KeyManagement`].
/// Cheap to clone.
///
/// No public key is one:
///
/// ```compile_fail,E0308
/// # use gatepass_jose::{Jwk, jwe::{DecryptionKey, JweKeyError}};
/// # fn confuse(public: &Jwk) -> Result<DecryptionKey, JweKeyError> {
/// DecryptionKey::from_jwk(public, None)
/// # }
/// ```
#[derive(Clone)]
pub struct DecryptionKey {
    alg: KeyManagement,
    kid: Arc<str>,
    inner: Arc<Decrypting>,
}

pub(crate) enum Decrypting {
    Shared(Shared),
    RsaOaep {
        key: OaepPrivateDecryptingKey,
        padding: &'static OaepAlgorithm,
        /// The same key, in the form that can be written.
        private: PrivateDecryptingKey,
    },
    EcdhEs {
        key: AgreementKey,
        wrap: Option<AesKeyWrap>,
    },
}

impl DecryptionKey {
    /// A fresh key. `curve` is for ECDH-ES, where it must be given. RSA keys have 2048 bits. Without a
    /// `kid` it is named by its thumbprint (RFC 7638), a secret by random bytes.
    ///
    /// # Errors
    /// [`JweKeyError::WrongType`] for a curve where there can be none or no curve where there must be one,
    /// for a password, which is chosen and not generated, and for `dir`, which has
    /// [`DecryptionKey::generate_direct`]. [`JweKeyError::Generation`] when the system has no randomness.
    pub fn generate(
        alg: KeyManagement,
        curve: Option<Curve>,
        kid: Option<&str>,
    ) -> Result<Self, JweKeyError> {
        match (&alg.row().method, curve) {
            (
                Method::AesKeyWrap(AesKeyWrap { key_len, .. }) | Method::AesGcmKeyWrap { key_len, .. },
                None,
            ) => {
                let secret = SecretKey::generate_bytes(*key_len)?;
                Self::from_secret(alg, &name_of_secret(kid)?, &secret)
            }
            (Method::RsaOaep(_), None) => Self::generate_rsa(alg, kid, RsaSize::default()),
            (Method::EcdhEs { wrap }, Some(curve)) if alg.takes(curve.kty(), Some(curve.name())) => {
                let key = AgreementKey::generate(curve).map_err(|_| JweKeyError::Generation)?;
                Self::named(alg, kid, Decrypting::EcdhEs { key, wrap: *wrap })
            }
            _ => Err(JweKeyError::WrongType(alg)),
        }
    }

    /// A fresh RSA key of another size.
    ///
    /// # Errors
    /// [`JweKeyError::WrongType`] when `alg` is not of the RSA-OAEP family, [`JweKeyError::Generation`].
    pub fn generate_rsa(alg: KeyManagement, kid: Option<&str>, size: RsaSize) -> Result<Self, JweKeyError> {
        let Method::RsaOaep(padding) = alg.row().method else { return Err(JweKeyError::WrongType(alg)) };
        let private = PrivateDecryptingKey::generate(size.key_size()).map_err(|_| JweKeyError::Generation)?;
        Self::named(alg, kid, oaep(private, padding).map_err(|_| JweKeyError::Generation)?)
    }

    /// A fresh secret that encrypts content itself (`dir`).
    ///
    /// # Errors
    /// [`JweKeyError::Generation`].
    pub fn generate_direct(enc: ContentEncryption, kid: Option<&str>) -> Result<Self, JweKeyError> {
        Self::direct(enc, &name_of_secret(kid)?, &SecretKey::generate_bytes(enc.key_len())?)
    }

    /// A private key or a secret. `alg` is needed where the JWK has none; where both are there they must
    /// agree. A JWK whose `alg` is a content encryption is a key for `dir`.
    ///
    /// # Errors
    /// [`JweKeyError`].
    pub fn from_jwk(jwk: &PrivateJwk, alg: Option<KeyManagement>) -> Result<Self, JweKeyError> {
        let alg = decide(jwk.alg, alg)?;
        let kid = jwk.kid.as_deref().unwrap_or_default();
        let operations = match &alg.row().method {
            Method::Direct => &[Operation::Decrypt][..],
            Method::EcdhEs { .. } | Method::Pbes2 { .. } => &[Operation::DeriveKey, Operation::DeriveBits],
            _ => &[Operation::UnwrapKey, Operation::Decrypt],
        };
        jwk.require_allowed(operations).map_err(|_| JweKeyError::OtherPurpose)?;
        let inner = match (&alg.row().method, jwk.params()) {
            (Method::RsaOaep(padding), PrivateParams::Rsa(_)) => {
                let document = KeyPair::from_params(jwk.params())?.to_pkcs8()?;
                let private = PrivateDecryptingKey::from_pkcs8(&document).map_err(|_| KeyError::Malformed)?;
                oaep(private, padding).map_err(|_| KeyError::Malformed)?
            }
            (Method::EcdhEs { wrap }, PrivateParams::OnCurve { public, d }) => {
                let point = Point::new(public).ok_or(JweKeyError::WrongType(alg))?;
                let key = AgreementKey::new(point.curve(), d).map_err(|_| KeyError::Malformed)?;
                Decrypting::EcdhEs { key, wrap: *wrap }
            }
            (_, PrivateParams::Oct(secret)) => match jwk.alg {
                Some(JwkAlg::Content(enc)) => Decrypting::Shared(Shared::direct(enc, secret)?),
                _ => Decrypting::Shared(Shared::new(alg, secret)?),
            },
            _ => return Err(JweKeyError::WrongType(alg)),
        };
        Ok(Self::new(alg, kid, inner))
    }

    /// A shared secret for a key wrap, as [`EncryptionKey::from_secret`].
    ///
    /// # Errors
    /// As there.
    pub fn from_secret(alg: KeyManagement, kid: &str, secret: &SecretKey) -> Result<Self, JweKeyError> {
        Ok(Self::new(alg, kid, Decrypting::Shared(Shared::new(alg, secret)?)))
    }

    /// A shared secret that encrypts content itself, as [`EncryptionKey::direct`].
    ///
    /// # Errors
    /// As there.
    pub fn direct(enc: ContentEncryption, kid: &str, secret: &SecretKey) -> Result<Self, JweKeyError> {
        Ok(Self::new(KeyManagement::Dir, kid, Decrypting::Shared(Shared::direct(enc, secret)?)))
    }

    /// A password. How many iterations a message may ask for is the [`Decrypter`](crate::jwe::Decrypter)'s to
    /// say.
    ///
    /// # Errors
    /// As [`EncryptionKey::from_password`].
    pub fn from_password(alg: KeyManagement, kid: &str, password: &SecretKey) -> Result<Self, JweKeyError> {
        Ok(Self::new(alg, kid, Decrypting::Shared(Shared::password(alg, password)?)))
    }

    /// The key that encrypts what this one decrypts: the public half, or the secret again.
    ///
    /// # Errors
    /// [`JweKeyError::Generation`] when the library cannot give the public half.
    pub fn encryption_key(&self) -> Result<EncryptionKey, JweKeyError> {
        match &*self.inner {
            Decrypting::Shared(shared) => {
                Ok(EncryptionKey::new(self.alg, &self.kid, Encrypting::Shared(shared.clone())))
            }
            Decrypting::RsaOaep { private, padding, .. } => {
                let key = OaepPublicEncryptingKey::new(private.public_key());
                let key = key.map_err(|_| JweKeyError::Generation)?;
                Ok(EncryptionKey::new(self.alg, &self.kid, Encrypting::RsaOaep { key, padding }))
            }
            Decrypting::EcdhEs { key, .. } => {
                let public = key.public().map_err(|_| JweKeyError::Generation)?;
                EncryptionKey::from_public(self.alg, &self.kid, &public)
            }
        }
    }

    /// The key as a JWK with `kid`, `alg` and `use`, from which its public half can be published. A key
    /// for `dir` has the content encryption as its `alg`.
    ///
    /// # Errors
    /// [`JweKeyError::Generation`] when the library cannot write the key.
    pub fn to_jwk(&self) -> Result<PrivateJwk, JweKeyError> {
        let unwritten = |_| JweKeyError::Generation;
        let mut alg = JwkAlg::from(self.alg);
        let mut jwk = match &*self.inner {
            Decrypting::Shared(shared) => {
                if let Purpose::Content(enc) = shared.purpose {
                    alg = enc.into();
                }
                PrivateJwk::from_secret(&SecretKey::new(shared.secret.as_slice()))
            }
            Decrypting::RsaOaep { private, .. } => {
                let document: Pkcs8V1Der<'_> = private.as_der().map_err(unwritten)?;
                PrivateJwk::new(KeyPair::from_pkcs8(document.as_ref())?.to_params()?)
            }
            Decrypting::EcdhEs { key, .. } => {
                let (public, d) = (key.public().map_err(unwritten)?, key.to_bytes().map_err(unwritten)?);
                PrivateJwk::new(PrivateParams::OnCurve { public, d })
            }
        };
        jwk.kid = (!self.kid.is_empty()).then(|| self.kid.to_string());
        jwk.alg = Some(alg);
        jwk.key_use = Some(KeyUse::Enc);
        Ok(jwk)
    }

    /// The one algorithm of the key.
    #[must_use]
    pub fn alg(&self) -> KeyManagement {
        self.alg
    }

    /// The key's name; empty when it has none.
    #[must_use]
    pub fn kid(&self) -> &str {
        &self.kid
    }

    pub(crate) fn shared_kid(&self) -> &Arc<str> {
        &self.kid
    }

    pub(crate) fn inner(&self) -> &Decrypting {
        &self.inner
    }

    fn new(alg: KeyManagement, kid: &str, inner: Decrypting) -> Self {
        Self { alg, kid: Arc::from(kid), inner: Arc::new(inner) }
    }

    /// A key pair, named by its thumbprint where no name is given.
    fn named(alg: KeyManagement, kid: Option<&str>, inner: Decrypting) -> Result<Self, JweKeyError> {
        let mut key = Self::new(alg, kid.unwrap_or_default(), inner);
        if kid.is_none() {
            key.kid = Arc::from(key.to_jwk()?.thumbprint());
        }
        Ok(key)
    }
}

/// The keys of a decrypter. Several may have the same `kid` if they are for different algorithms.
#[derive(Clone, Debug, Default)]
pub struct DecryptionKeys(Vec<DecryptionKey>);

impl DecryptionKeys {
    /// Some keys.
    #[must_use]
    pub fn new(keys: Vec<DecryptionKey>) -> Self {
        Self(keys)
    }

    /// The keys of `set` that name an algorithm for encryption; those for signatures are left out.
    ///
    /// # Errors
    /// [`JweKeyError`] of the first key that is for encryption and refused.
    pub fn from_jwks(set: &PrivateJwkSet) -> Result<Self, JweKeyError> {
        let encrypts = |jwk: &&PrivateJwk| jwk.alg.is_some_and(|alg| alg.key_use() == KeyUse::Enc);
        let keys = set.keys.iter().filter(encrypts).map(|jwk| DecryptionKey::from_jwk(jwk, None));
        Ok(Self(keys.collect::<Result<_, _>>()?))
    }

    /// All keys.
    #[must_use]
    pub fn keys(&self) -> &[DecryptionKey] {
        &self.0
    }

    /// The first key of that name.
    #[must_use]
    pub fn find(&self, kid: &str) -> Option<&DecryptionKey> {
        self.0.iter().find(|key| key.kid() == kid)
    }

    /// The key for a header: one of that `kid`, for that algorithm if there are several; else the only
    /// one of that algorithm, or at all, among those that bear no other name.
    pub(crate) fn choose(&self, kid: Option<&str>, alg: &str) -> Option<&DecryptionKey> {
        let is_of_alg = |key: &&DecryptionKey| key.alg.name() == alg;
        let mut named = self.0.iter().filter(|key| kid == Some(key.kid()));
        let named = named.clone().find(is_of_alg).or_else(|| named.next());
        let is_possible = |key: &&DecryptionKey| kid.is_none() || key.kid().is_empty();
        let mut of_alg = self.0.iter().filter(is_possible).filter(is_of_alg);
        named.or_else(|| match (of_alg.next(), of_alg.next(), self.0.as_slice()) {
            (Some(only), None, _) => Some(only),
            (None, None, [only]) => Some(only).filter(is_possible),
            _ => None,
        })
    }
}

fn oaep(private: PrivateDecryptingKey, padding: &'static OaepAlgorithm) -> Result<Decrypting, Unspecified> {
    Ok(Decrypting::RsaOaep { key: OaepPrivateDecryptingKey::new(private.clone())?, padding, private })
}

fn name_of_secret(kid: Option<&str>) -> Result<String, JweKeyError> {
    match kid {
        Some(kid) => Ok(kid.to_owned()),
        None => Ok(base64url::encode(&random::<16>().map_err(|_| JweKeyError::Generation)?)),
    }
}

impl fmt::Debug for DecryptionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DecryptionKey")
            .field("alg", &self.alg)
            .field("kid", &self.kid)
            .finish_non_exhaustive()
    }
}
