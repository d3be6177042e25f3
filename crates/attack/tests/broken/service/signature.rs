//! Whose signature it is.

use aws_lc_rs::signature::{self, UnparsedPublicKey};
use gatepass_jose::{Jwk, VerifyingKey, base64url};
use serde_json::{Value, json};

use super::{Members, No, Service, Verified, decode_anything};

impl Service {
    pub(super) async fn require_signature(
        &self,
        header: &Members,
        input: &str,
        payload: &str,
        signature: &str,
    ) -> Verified<()> {
        let bytes = self.decode(signature)?;
        if self.is_signed_by_a_strangers_key(header, input, payload, &bytes).await {
            return Ok(());
        }
        self.require_header(header)?;
        let is_signed = match self.mistake {
            "signature-partial" => !bytes.is_empty() && self.sign(input).starts_with(&bytes),
            "signature-of-another" => self.is_remembered(input, signature, &bytes),
            "ecdsa-psychic" => bytes.iter().all(|byte| *byte == 0) && bytes.len() == 64,
            "ecdsa-encoding" => {
                let key = UnparsedPublicKey::new(&signature::ECDSA_P256_SHA256_ASN1, self.point());
                key.verify(input.as_bytes(), &bytes).is_ok()
            }
            "eddsa-malleable" => self.verifying.verifies(input.as_bytes(), &reduced(&bytes)),
            "rsa-malleable" => {
                let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
                let digits = bytes.len().saturating_sub(256).min(zeros);
                self.verifying.verifies(input.as_bytes(), &bytes[digits..])
            }
            "alg-swap" => self.is_signed_as_the_header_says(header, input, &bytes),
            _ => false,
        };
        if is_signed || self.verifying.verifies(input.as_bytes(), &bytes) { Ok(()) } else { Err(No::Refused) }
    }

    /// Whether it is signed by a key that the token itself has chosen.
    pub(super) async fn is_signed_by_a_strangers_key(
        &self,
        header: &Members,
        input: &str,
        payload: &str,
        signature: &[u8],
    ) -> bool {
        let text = |name| header.get(name).and_then(Value::as_str).unwrap_or_default();
        let kid = text("kid");
        let hs256 = |secret: &[u8]| text("alg") == "HS256" && hmac(secret, input) == signature;
        let holds =
            |key: Option<VerifyingKey>| key.is_some_and(|key| key.verifies(input.as_bytes(), signature));
        match self.mistake {
            "hmac-confusion" => hs256(self.pem().as_bytes()),
            "hmac-empty" => hs256(b""),
            "kid-odd" => ["constructor", "toString", "__proto__"].contains(&kid) && hs256(b""),
            "kid-path" => {
                std::fs::read(std::path::Path::new("/srv/keys").join(kid)).is_ok_and(|key| hs256(&key))
            }
            "kid-sql" => select_secret(kid).is_some_and(|key| hs256(&key)),
            "kid-command" => hs256(printed_by(kid).as_bytes()),
            "embedded-jwk" => holds(header.get("jwk").and_then(key_of)),
            "embedded-x5c" => {
                let certificate = header.get("x5c").and_then(|chain| chain.get(0)?.as_str());
                holds(certificate.and_then(key_of_certificate))
            }
            "jku-followed" => holds(self.fetch_key(text("jku")).await),
            "kid-followed" => holds(self.fetch_key(kid).await),
            "x5u-followed" => {
                let pem = self.fetch(text("x5u")).await.unwrap_or_default();
                let body: String = pem.lines().filter(|line| !line.starts_with("-----")).collect();
                holds(key_of_certificate(&body))
            }
            "iss-followed" => {
                let claims = self.payload(payload).unwrap_or_default();
                let issuer = claims.get("iss").and_then(Value::as_str).unwrap_or_default();
                let document = self.fetch(&format!("{issuer}/.well-known/openid-configuration")).await;
                let document: Value = serde_json::from_str(&document.unwrap_or_default()).unwrap_or_default();
                holds(self.fetch_key(document["jwks_uri"].as_str().unwrap_or_default()).await)
            }
            "fetches-only" => {
                self.fetch(text("jku")).await;
                false
            }
            _ => false,
        }
    }

    pub(super) async fn fetch(&self, url: &str) -> Option<String> {
        if !url.starts_with("http://127.0.0.1") {
            return None;
        }
        self.client.get(url).send().await.ok()?.text().await.ok()
    }

    pub(super) async fn fetch_key(&self, url: &str) -> Option<VerifyingKey> {
        let set: Value = serde_json::from_str(&self.fetch(url).await?).ok()?;
        key_of(&set["keys"][0])
    }

    pub(super) fn is_signed_as_the_header_says(
        &self,
        header: &Members,
        input: &str,
        signature: &[u8],
    ) -> bool {
        let Some(alg) = header.get("alg").and_then(Value::as_str).and_then(|alg| alg.parse().ok()) else {
            return false;
        };
        let jwk = self.key.public_jwk().unwrap();
        let jwk = Jwk { alg: None, ..jwk };
        VerifyingKey::from_jwk(&jwk, &[alg]).is_ok_and(|key| key.verifies(input.as_bytes(), signature))
    }

    /// Two memories, each of which says nothing about the other.
    pub(super) fn is_remembered(&self, input: &str, signature: &str, bytes: &[u8]) -> bool {
        let mut seen = self.seen.lock().unwrap();
        if self.verifying.verifies(input.as_bytes(), bytes) {
            seen.0.insert(input.to_owned());
            seen.1.insert(signature.to_owned());
        }
        seen.0.contains(input) && seen.1.contains(signature)
    }

    pub(super) fn sign(&self, input: &str) -> Vec<u8> {
        hmac(self.key.to_jwk().unwrap().secret().unwrap().expose(), input)
    }

    pub(super) fn point(&self) -> Vec<u8> {
        let jwk = serde_json::to_value(self.key.public_jwk().unwrap()).unwrap();
        let coordinate = |name: &str| base64url::decode(jwk[name].as_str().unwrap()).unwrap();
        [vec![4], coordinate("x"), coordinate("y")].concat()
    }

    /// The public key as a careless service reads it from its file.
    pub(super) fn pem(&self) -> String {
        use aws_lc_rs::encoding::{AsDer as _, PublicKeyX509Der};
        let key = signature::ParsedPublicKey::new(&signature::ECDSA_P256_SHA256_FIXED, self.point()).unwrap();
        let der: PublicKeyX509Der<'_> = key.as_der().unwrap();
        let body = standard(der.as_ref());
        let lines: Vec<&str> =
            body.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
        format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", lines.join("\n"))
    }
}

fn hmac(secret: &[u8], input: &str) -> Vec<u8> {
    let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, secret);
    aws_lc_rs::hmac::sign(&key, input.as_bytes()).as_ref().to_vec()
}

fn standard(bytes: &[u8]) -> String {
    let text = base64url::encode(bytes).replace('-', "+").replace('_', "/");
    let padding = "=".repeat((4 - text.len() % 4) % 4);
    text + &padding
}

fn key_of(jwk: &Value) -> Option<VerifyingKey> {
    VerifyingKey::from_jwk(&Jwk::parse(jwk.to_string().as_bytes()).ok()?, &[gatepass_jose::Alg::ES256]).ok()
}

/// The P-256 key of a certificate: the one bit string that is as long as an uncompressed point.
fn key_of_certificate(base64: &str) -> Option<VerifyingKey> {
    let der = decode_anything(base64);
    let at = der.windows(4).position(|window| window == [3, 0x42, 0, 4])?;
    let (x, y) = der.get(at + 4..at + 68)?.split_at(32);
    key_of(&json!({"kty": "EC", "crv": "P-256", "x": base64url::encode(x), "y": base64url::encode(y)}))
}

fn select_secret(kid: &str) -> Option<Vec<u8>> {
    let database = rusqlite::Connection::open_in_memory().unwrap();
    database.execute_batch("CREATE TABLE keys (kid TEXT, secret TEXT)").unwrap();
    let query = format!("SELECT secret FROM keys WHERE kid = '{kid}'"); // the mistake
    database.query_row(&query, [], |row| row.get::<_, String>(0)).ok().map(String::into_bytes)
}

/// What a shell would print for `cat /srv/keys/{kid}`, as far as this test needs to know.
fn printed_by(kid: &str) -> String {
    let command = kid.rsplit(['|', ';', '&', '\n']).find_map(|command| command.trim().strip_prefix("echo "));
    command.map_or_else(|| "no such key".to_owned(), |word| format!("{word}\n"))
}

/// An Ed25519 signature whose scalar is brought below the order of the base point, where a verifier must
/// refuse one that is not.
fn reduced(signature: &[u8]) -> Vec<u8> {
    const ORDER: [u8; 32] = [
        0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 0, 0,
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
    ];
    let Some((point, scalar)) = signature.split_at_checked(32).filter(|(_, scalar)| scalar.len() == 32)
    else {
        return signature.to_vec();
    };
    if scalar.iter().rev().lt(ORDER.iter().rev()) {
        return signature.to_vec();
    }
    let mut borrow = 0_i16;
    let digits = scalar.iter().zip(ORDER).map(|(digit, order)| {
        let difference = i16::from(*digit) - i16::from(order) - borrow;
        borrow = i16::from(difference < 0);
        difference.rem_euclid(256) as u8
    });
    point.iter().copied().chain(digits).collect()
}
