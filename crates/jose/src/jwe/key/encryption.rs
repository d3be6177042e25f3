use std::fmt;
use std::sync::Arc;

use aws_lc_rs::error::Unspecified;
use aws_lc_rs::rsa::{OaepAlgorithm, OaepPublicEncryptingKey, PublicEncryptingKey};
use aws_lc_rs::signature::RsaPublicKeyComponents;

use super::{JweKeyError, Shared, decide};
use crate::jwe::agreement::{Parties, Point};
use crate::jwe::alg::{AesKeyWrap, ContentEncryption, KeyManagement, Method};
use crate::jwk::{Curve, Jwk, KeyUse, PublicKey};
use crate::key::{KeyError, SecretKey};

/// A key that encrypts for one recipient: a public key, a shared secret or a password. Bound to one
/// [`KeyManagement`]. Cheap to clone.
#[derive(Clone)]
pub struct EncryptionKey {
    alg: KeyManagement,
    kid: Arc<str>,
    parties: Parties,
    inner: Arc<Encrypting>,
}

pub(crate) enum Encrypting {
    Shared(Shared),
    RsaOaep { key: OaepPublicEncryptingKey, padding: &'static OaepAlgorithm },
    EcdhEs { point: Point, wrap: Option<AesKeyWrap> },
}

impl EncryptionKey {
    /// A public key. `alg` is needed where the JWK has none; where both are there they must agree.
    ///
    /// # Errors
    /// [`JweKeyError`].
    ///
    /// ```
    /// use gatepass_jose::Jwk;
    /// use gatepass_jose::jwe::{EncryptionKey, KeyManagement};
    /// let jwk = Jwk::parse(br#"{"kty":"OKP","crv":"X25519","kid":"bob",
    ///     "x":"3p7bfXt9wbTTW2HC7OQ1Nz-DQ8hbeGdNrfx-FG-IK08"}"#)?;
    /// let key = EncryptionKey::from_jwk(&jwk, Some(KeyManagement::EcdhEsA256KW))?;
    /// assert_eq!(key.kid(), "bob");
    /// assert!(EncryptionKey::from_jwk(&jwk, Some(KeyManagement::RsaOaep256)).is_err());
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    pub fn from_jwk(jwk: &Jwk, alg: Option<KeyManagement>) -> Result<Self, JweKeyError> {
        let alg = decide(jwk.alg, alg)?;
        if jwk.key_use == Some(KeyUse::Sig) {
            return Err(JweKeyError::OtherPurpose);
        }
        Self::from_public(alg, jwk.kid.as_deref().unwrap_or_default(), &jwk.key.decode()?)
    }

    pub(super) fn from_public(
        alg: KeyManagement,
        kid: &str,
        public: &PublicKey,
    ) -> Result<Self, JweKeyError> {
        let inner = match (&alg.row().method, public) {
            (Method::RsaOaep(padding), PublicKey::Rsa { n, e }) => {
                let key = oaep_public_key(n, e).map_err(|_| KeyError::Malformed)?;
                Encrypting::RsaOaep { key, padding }
            }
            (Method::EcdhEs { wrap }, PublicKey::Ec { .. } | PublicKey::Okp { curve: Curve::X25519, .. }) => {
                let point = Point::new(public).ok_or(KeyError::NotOnCurve)?;
                Encrypting::EcdhEs { point, wrap: *wrap }
            }
            _ => return Err(JweKeyError::WrongType(alg)),
        };
        Ok(Self::new(alg, kid, inner))
    }

    /// A shared secret for a key wrap, or for `dir` where its size leaves no doubt about the content
    /// encryption (see [`EncryptionKey::direct`]).
    ///
    /// # Errors
    /// [`JweKeyError::SecretSize`], [`JweKeyError::AmbiguousAlg`], or [`JweKeyError::WrongType`] when
    /// `alg` takes a public key.
    pub fn from_secret(alg: KeyManagement, kid: &str, secret: &SecretKey) -> Result<Self, JweKeyError> {
        Ok(Self::new(alg, kid, Encrypting::Shared(Shared::new(alg, secret)?)))
    }

    /// A shared secret that encrypts content itself (`dir`).
    ///
    /// Every message uses this same key. With GCM its initialization vectors are random, so change the
    /// key before 2³² messages (NIST SP 800-38D section 8.3); with a key wrap each message has a key of
    /// its own and there is nothing to count.
    ///
    /// # Errors
    /// [`JweKeyError::SecretSize`].
    pub fn direct(enc: ContentEncryption, kid: &str, secret: &SecretKey) -> Result<Self, JweKeyError> {
        Ok(Self::new(KeyManagement::Dir, kid, Encrypting::Shared(Shared::direct(enc, secret)?)))
    }

    /// A password. Whoever sees a message can try passwords on it at leisure, so only a good one
    /// protects anything ([RFC 7518 section 8.8](https://www.rfc-editor.org/rfc/rfc7518#section-8.8)); the
    /// iterations, 600,000 with SHA-256 and 210,000 with SHA-512, make each try dearer.
    ///
    /// # Errors
    /// [`JweKeyError::EmptyPassword`], or [`JweKeyError::WrongType`] when `alg` is not of the PBES2 family.
    pub fn from_password(alg: KeyManagement, kid: &str, password: &SecretKey) -> Result<Self, JweKeyError> {
        Ok(Self::new(alg, kid, Encrypting::Shared(Shared::password(alg, password)?)))
    }

    /// Sets another number of iterations for a password, for a recipient who does not take as many.
    ///
    /// # Errors
    /// [`JweKeyError::TooFewIterations`], or [`JweKeyError::WrongType`] when the key is no password.
    pub fn with_iterations(self, iterations: u32) -> Result<Self, JweKeyError> {
        let Encrypting::Shared(shared) = &*self.inner else { return Err(JweKeyError::WrongType(self.alg)) };
        let inner = Arc::new(Encrypting::Shared(shared.with_iterations(self.alg, iterations)?));
        Ok(Self { inner, ..self })
    }

    /// Names the two parties of a key agreement (`apu`, `apv`), which both go into the derived key
    /// ([RFC 7518 section 4.6.1](https://www.rfc-editor.org/rfc/rfc7518#section-4.6.1)). They are readable
    /// in the header, and nobody checks them beyond that.
    ///
    /// # Errors
    /// [`JweKeyError::WrongType`] when the key is not for an agreement.
    pub fn with_parties(mut self, apu: &[u8], apv: &[u8]) -> Result<Self, JweKeyError> {
        if !matches!(*self.inner, Encrypting::EcdhEs { .. }) {
            return Err(JweKeyError::WrongType(self.alg));
        }
        self.parties = Parties { apu: apu.to_vec(), apv: apv.to_vec() };
        Ok(self)
    }

    /// The one algorithm of the key.
    #[must_use]
    pub fn alg(&self) -> KeyManagement {
        self.alg
    }

    /// The key's name; empty when it has none, and then no header names it.
    #[must_use]
    pub fn kid(&self) -> &str {
        &self.kid
    }

    pub(super) fn new(alg: KeyManagement, kid: &str, inner: Encrypting) -> Self {
        Self { alg, kid: Arc::from(kid), parties: Parties::default(), inner: Arc::new(inner) }
    }

    pub(crate) fn inner(&self) -> &Encrypting {
        &self.inner
    }

    pub(crate) fn parties(&self) -> &Parties {
        &self.parties
    }
}

fn oaep_public_key(n: &[u8], e: &[u8]) -> Result<OaepPublicEncryptingKey, Unspecified> {
    let key: PublicEncryptingKey = RsaPublicKeyComponents { n, e }.try_into()?;
    OaepPublicEncryptingKey::new(key)
}

impl fmt::Debug for EncryptionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EncryptionKey")
            .field("alg", &self.alg)
            .field("kid", &self.kid)
            .finish_non_exhaustive()
    }
}
