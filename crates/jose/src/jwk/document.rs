//! The other forms of a key: DER documents, and PEM around them.

use zeroize::Zeroizing;

use super::{Jwk, PrivateJwk, PrivateParams, PublicKey};
use crate::key::{KeyError, KeyPair, der};
use crate::pem::{self, Label, PemError};

const PUBLIC: &str = "a public key (PUBLIC KEY or RSA PUBLIC KEY)";
const PRIVATE: &str = "a private key (PRIVATE KEY, RSA PRIVATE KEY or EC PRIVATE KEY)";

impl Jwk {
    /// The key of a `SubjectPublicKeyInfo` ([RFC 5280 section 4.1](https://www.rfc-editor.org/rfc/rfc5280#section-4.1)),
    /// without `kid`, `alg` and `use`, of which such a document says nothing.
    ///
    /// # Errors
    /// [`KeyError`] when it does not parse or the key is not sound.
    pub fn from_spki_der(document: &[u8]) -> Result<Self, KeyError> {
        der::subject_public_key(document)?.try_into()
    }

    /// The key of a PKCS#1 `RSAPublicKey` ([RFC 8017 appendix A.1.1](https://www.rfc-editor.org/rfc/rfc8017#appendix-A.1.1)).
    ///
    /// # Errors
    /// As [`Jwk::from_spki_der`].
    pub fn from_pkcs1_der(document: &[u8]) -> Result<Self, KeyError> {
        der::rsa_public_key(document)?.try_into()
    }

    /// The key of a PEM text: `PUBLIC KEY` (as [`Jwk::from_spki_der`]) or `RSA PUBLIC KEY` (as
    /// [`Jwk::from_pkcs1_der`]).
    ///
    /// # Errors
    /// [`PemError`] when the text does not hold exactly one such block, or no sound key in it.
    ///
    /// ```
    /// use gatepass_jose::{Alg, Jwk, VerifyingKey};
    /// let mut jwk = Jwk::from_pem("
    /// -----BEGIN PUBLIC KEY-----
    /// MCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=
    /// -----END PUBLIC KEY-----
    /// ")?;
    /// jwk.kid = Some("2026-11-a".to_owned());
    /// let key = VerifyingKey::from_jwk(&jwk, &[Alg::EdDSA])?;
    /// assert_eq!(key.kid(), "2026-11-a");
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    pub fn from_pem(text: &str) -> Result<Self, PemError> {
        let (label, document) = pem::decode(text, PUBLIC)?;
        match label {
            Label::Spki => Ok(Self::from_spki_der(&document)?),
            Label::Pkcs1Public => Ok(Self::from_pkcs1_der(&document)?),
            _ => Err(PemError::WrongLabel { wanted: PUBLIC }),
        }
    }

    /// The key as a `SubjectPublicKeyInfo`. `kid`, `alg` and `use` have no place there.
    ///
    /// # Errors
    /// [`KeyError`] for a key that is not sound, which no parsed one is.
    pub fn to_spki_der(&self) -> Result<Vec<u8>, KeyError> {
        self.key.decode()?.to_spki_der()
    }

    /// As [`Jwk::to_spki_der`], as a `PUBLIC KEY` in PEM.
    ///
    /// # Errors
    /// As [`Jwk::to_spki_der`].
    pub fn to_spki_pem(&self) -> Result<String, KeyError> {
        let mut text = pem::encode(Label::Spki, &self.to_spki_der()?)?;
        Ok(std::mem::take(&mut *text))
    }
}

impl TryFrom<PublicKey> for Jwk {
    type Error = KeyError;

    fn try_from(key: PublicKey) -> Result<Self, KeyError> {
        let key = key.encode();
        key.decode()?.require_on_curve()?;
        Ok(Self { key, kid: None, alg: None, key_use: None })
    }
}

impl PrivateJwk {
    /// The key of an unencrypted PKCS#8 document ([RFC 5958](https://www.rfc-editor.org/rfc/rfc5958)),
    /// without `kid`, `alg` and `use`, of which such a document says nothing.
    ///
    /// # Errors
    /// [`KeyError`] when it does not parse or the key is not sound.
    pub fn from_pkcs8_der(document: &[u8]) -> Result<Self, KeyError> {
        KeyPair::from_pkcs8(document)?.to_params().map(Self::new)
    }

    /// The key of a PKCS#1 `RSAPrivateKey` ([RFC 8017 appendix A.1.2](https://www.rfc-editor.org/rfc/rfc8017#appendix-A.1.2)).
    ///
    /// # Errors
    /// As [`PrivateJwk::from_pkcs8_der`].
    pub fn from_pkcs1_der(document: &[u8]) -> Result<Self, KeyError> {
        KeyPair::from_pkcs1(document)?.to_params().map(Self::new)
    }

    /// The key of a SEC 1 `ECPrivateKey` ([RFC 5915](https://www.rfc-editor.org/rfc/rfc5915)) that names its curve.
    ///
    /// # Errors
    /// As [`PrivateJwk::from_pkcs8_der`].
    pub fn from_sec1_der(document: &[u8]) -> Result<Self, KeyError> {
        KeyPair::from_sec1(document)?.to_params().map(Self::new)
    }

    /// The key of a PEM text: `PRIVATE KEY` (as [`PrivateJwk::from_pkcs8_der`]), `RSA PRIVATE KEY` (as
    /// [`PrivateJwk::from_pkcs1_der`]) or `EC PRIVATE KEY` (as [`PrivateJwk::from_sec1_der`]). None of
    /// them may be encrypted.
    ///
    /// # Errors
    /// [`PemError`] when the text does not hold exactly one such block, or no sound key in it.
    ///
    /// ```
    /// use gatepass_jose::{Alg, PemError, PrivateJwk, SigningKey};
    /// // Generate, export, and read the file again.
    /// let text = SigningKey::generate(Alg::ES256, None)?.to_jwk()?.to_pkcs8_pem()?;
    /// let jwk = PrivateJwk::from_pem(&text)?;
    /// let key = SigningKey::from_jwk(&jwk, None)?;
    /// assert_eq!(key.alg(), Alg::ES256);
    ///
    /// assert_eq!(PrivateJwk::from_pem("{}").unwrap_err(), PemError::NoBlock);
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    pub fn from_pem(text: &str) -> Result<Self, PemError> {
        let (label, document) = pem::decode(text, PRIVATE)?;
        match label {
            Label::Pkcs8 => Ok(Self::from_pkcs8_der(&document)?),
            Label::Pkcs1Private => Ok(Self::from_pkcs1_der(&document)?),
            Label::Sec1 => Ok(Self::from_sec1_der(&document)?),
            Label::Spki | Label::Pkcs1Public => Err(PemError::WrongLabel { wanted: PRIVATE }),
        }
    }

    /// The key as unencrypted PKCS#8. Whoever holds these bytes holds the key.
    ///
    /// # Errors
    /// [`KeyError::NoKeyPair`] for a secret, which has no such form.
    pub fn to_pkcs8_der(&self) -> Result<Zeroizing<Vec<u8>>, KeyError> {
        match self.params() {
            PrivateParams::Oct(_) => Err(KeyError::NoKeyPair),
            params => KeyPair::from_params(params)?.to_pkcs8(),
        }
    }

    /// As [`PrivateJwk::to_pkcs8_der`], as a `PRIVATE KEY` in PEM.
    ///
    /// # Errors
    /// As [`PrivateJwk::to_pkcs8_der`].
    pub fn to_pkcs8_pem(&self) -> Result<Zeroizing<String>, KeyError> {
        pem::encode(Label::Pkcs8, &self.to_pkcs8_der()?)
    }
}
