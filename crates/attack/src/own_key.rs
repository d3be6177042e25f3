//! A key that nobody trusts: what an attacker generates and offers in the token itself.

use gatepass_jose::{Alg, SigningKey};
use rcgen::{CertificateParams, KeyPair};

use crate::object::{Object, quoted};
use crate::pem;
use crate::signer::{Signer, SignerError};

/// A fresh key pair of the kind that the service takes, with its JWK and, where one can be made, a
/// self-signed certificate.
#[derive(Debug)]
pub struct OwnKey {
    pub(crate) signer: Signer,
    /// The public JWK as JSON.
    pub(crate) jwk: String,
    /// Its thumbprint.
    pub(crate) kid: String,
    /// A self-signed certificate, in DER.
    pub(crate) certificate: Option<Vec<u8>>,
}

impl OwnKey {
    /// Generates a key for tokens of `alg`; for ES256 where `alg` takes a secret, has no public keys, or is
    /// unknown.
    ///
    /// # Errors
    /// [`SignerError`] when the system has no randomness to give.
    pub fn generate(alg: &str) -> Result<Self, SignerError> {
        let failed = || SignerError::Alg(alg.to_owned());
        let alg = alg.parse().ok().filter(|alg: &Alg| !alg.is_symmetric()).unwrap_or(Alg::ES256);
        let key = SigningKey::generate(alg, None).map_err(|_| failed())?;
        let der = key.to_private_bytes().map_err(|_| failed())?;
        let jwk = key.public_jwk().and_then(|jwk| serde_json::to_string(&jwk).ok()).ok_or_else(failed)?;
        Ok(Self {
            signer: Signer::from_pkcs8_der(alg.name(), &der)?,
            jwk,
            kid: key.kid().to_owned(),
            certificate: self_signed(&der),
        })
    }

    /// The algorithm of the key.
    pub(crate) fn alg(&self) -> &str {
        self.signer.alg()
    }

    /// A JWK Set with the key twice: under its own `kid` and under the one that a token names.
    pub(crate) fn jwk_set(&self, kid: Option<&str>) -> String {
        let named = kid.map(|kid| self.jwk_named(kid));
        let keys: Vec<String> = [Some(self.jwk.clone()), named].into_iter().flatten().collect();
        format!("{{\"keys\":[{}]}}", keys.join(","))
    }

    /// The JWK under another `kid`.
    pub(crate) fn jwk_named(&self, kid: &str) -> String {
        let jwk = Object::parse(self.jwk.as_bytes()).unwrap_or_default();
        jwk.with("kid", quoted(kid)).to_string()
    }

    /// The certificate in PEM.
    pub(crate) fn certificate_pem(&self) -> Option<String> {
        self.certificate.as_ref().map(|der| pem::encode("CERTIFICATE", der))
    }
}

/// A certificate for the key, by the key; `None` for a kind of key that has none yet.
fn self_signed(pkcs8: &[u8]) -> Option<Vec<u8>> {
    let key = KeyPair::try_from(pkcs8).ok()?;
    let params = CertificateParams::new(["gatepass-attack.invalid".to_owned()]).ok()?;
    Some(params.self_signed(&key).ok()?.der().to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_of_the_tokens_kind_is_made() {
        for (alg, own, has_certificate) in [
            ("ES256", "ES256", true),
            ("ES384", "ES384", true),
            ("RS256", "RS256", true),
            ("PS256", "PS256", true),
            ("EdDSA", "EdDSA", true),
            ("HS256", "ES256", true),
            ("ES256K", "ES256", true),
        ] {
            let key = OwnKey::generate(alg).unwrap();
            assert_eq!(key.alg(), own);
            assert_eq!(key.certificate.is_some(), has_certificate, "{alg}");
            assert!(!key.jwk.contains("\"d\""), "{alg}");
            assert!(key.jwk_set(Some("theirs")).contains("\"kid\":\"theirs\""), "{alg}");
        }
    }
}
