//! Tokens that are encrypted to the service's public key: none of its business, but for three mistakes.

use gatepass_jose::jwe::{ContentEncryption, Decrypter, DecryptionKey, DecryptionKeys, KeyManagement};
use gatepass_jose::{PrivateJwk, parse_strict_json};
use serde_json::Value;

use super::{Members, No, Service, Verified};

impl Service {
    /// A JWE to the service's public key: none of its business, but for three mistakes.
    pub(super) fn decrypt(&self, header: &str, token: &str) -> Verified<()> {
        let members = self.header(header)?;
        if self.makes("jwe-iterations") && members.contains_key("p2c") {
            return Err(No::Crashed); // a watchdog ends what would take minutes
        }
        if !self.makes("jwe-to-public-key") && !self.makes("jwe-zip") {
            return Err(No::Refused);
        }
        let jwk: Members = serde_json::from_str(&self.key.to_jwk().unwrap().to_json()).unwrap();
        let bare: Members = jwk.into_iter().filter(|(name, _)| name != "alg" && name != "use").collect();
        let jwk = PrivateJwk::parse(Value::Object(bare).to_string().as_bytes()).unwrap();
        let key = DecryptionKey::from_jwk(&jwk, Some(KeyManagement::RsaOaep256)).unwrap();
        let content = [ContentEncryption::A256GCM];
        let decrypter = Decrypter::new(DecryptionKeys::new(vec![key]), &content);
        if self.makes("jwe-zip") {
            let inflated = decrypter.with_decompression(64 << 20).decrypt(token).map_err(|_| No::Refused)?;
            let fills_memory = inflated.plaintext().len() > 1 << 20;
            return Err(if fills_memory { No::Crashed } else { No::Refused });
        }
        let plaintext = decrypter.decrypt(token).map_err(|_| No::Refused)?;
        let claims = parse_strict_json(plaintext.plaintext()).map_err(|_| No::Refused)?;
        self.require_claims(&claims)
    }
}
