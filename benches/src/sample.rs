//! The keys and tokens that are measured, and the raw primitive over the same bytes.

use std::time::{Duration, SystemTime};

use anyhow::{Context as _, Result, bail, ensure};
use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::PublicKeyComponents;
use aws_lc_rs::signature::{
    self, EcdsaKeyPair, Ed25519KeyPair, ParsedPublicKey, PqdsaKeyPair, RsaKeyPair, RsaSignatureEncoding,
};
use gatepass_jose::{
    Alg, Audience, Issuer, KeySet, PublicParams, SecretKey, SigningKey, Timestamp, Typ, Verifier, base64url,
    jwt,
};
use gatepass_token::{AccessClaims, AuthorizationDetails, TokenId, access_verifier};

/// The algorithms of the tables.
pub const ALGS: [Alg; 6] = [Alg::HS256, Alg::RS256, Alg::PS256, Alg::ES256, Alg::EdDSA, Alg::MlDsa44];

/// As many different tokens as are verified in turn, so that no branch of a parser is learnt by heart.
const TOKENS: usize = 16;

/// How long a token is good for: longer than anybody measures.
const LIFETIME: Duration = Duration::from_secs(24 * 60 * 60);

pub const ISSUER: &str = "https://auth.north.example.com/tenant-4711";
pub const AUDIENCE: &str = "https://api.north.example.com/orders";
pub const KID: &str = "2026-11-a";

/// One algorithm with a key, tokens of it, and everything that verifies them.
pub struct Sample {
    pub alg: Alg,
    /// The present: the real one, because some peers cannot be told another.
    pub now: Timestamp,
    pub signer: SigningKey,
    pub verifier: Verifier,
    pub claims: Vec<AccessClaims>,
    pub tokens: Vec<String>,
    /// The same tokens in the form that the raw primitive takes.
    pub raw: Vec<RawToken>,
    pub raw_verifier: RawVerifier,
    pub raw_signer: RawSigner,
}

/// A signing input and its decoded signature.
pub struct RawToken {
    pub signing_input: Vec<u8>,
    pub signature: Vec<u8>,
}

/// The crypto library's own parsed key.
pub enum RawVerifier {
    Hmac(Box<hmac::Key>),
    Parsed(ParsedPublicKey),
}

/// The crypto library's own private key.
pub enum RawSigner {
    Hmac(Box<hmac::Key>),
    Rsa(RsaKeyPair, &'static RsaSignatureEncoding, SystemRandom),
    Ecdsa(EcdsaKeyPair, SystemRandom),
    Ed25519(Ed25519KeyPair),
    MlDsa(PqdsaKeyPair),
}

impl Sample {
    /// A fresh key of `alg` and tokens that verify now.
    pub fn new(alg: Alg) -> Result<Self> {
        let signer = if alg.is_symmetric() {
            SigningKey::from_secret(alg, KID, &SecretKey::new([7; 32]))?
        } else {
            SigningKey::generate(alg, Some(KID))?
        };
        let now = now();
        let claims: Vec<_> = (0..TOKENS).map(|number| claims(number, now)).collect::<Result<_>>()?;
        let sign = |claims| jwt::sign(&Typ::ACCESS_TOKEN, claims, &signer);
        let tokens: Vec<_> = claims.iter().map(sign).collect::<Result<_, _>>()?;
        let raw = tokens.iter().map(|token| RawToken::new(token)).collect::<Result<_>>()?;
        let keys = KeySet::new(vec![signer.verifying_key()?]);
        let verifier = access_verifier(Issuer::new(ISSUER)?, Audience::new([AUDIENCE])?, keys);
        let raw_verifier = RawVerifier::new(&signer)?;
        let raw_signer = RawSigner::new(&signer)?;
        let sample = Self { alg, now, signer, verifier, claims, tokens, raw, raw_verifier, raw_signer };
        sample.require_good()?;
        Ok(sample)
    }

    /// The length of a payload in bytes.
    pub fn payload_len(&self) -> usize {
        self.claims.first().and_then(|claims| serde_json::to_vec(claims).ok()).map_or(0, |json| json.len())
    }

    /// A token of this text and nothing else, signed by the raw primitive: what no library would make.
    pub fn forge(&self, header: &str, payload: &str) -> Result<String> {
        let [header, payload] = [header, payload].map(|json| base64url::encode(json.as_bytes()));
        let mut signature = Vec::new();
        let signing_input = format!("{header}.{payload}");
        ensure!(self.raw_signer.signs(signing_input.as_bytes(), &mut signature), "cannot sign");
        Ok(format!("{signing_input}.{}", base64url::encode(&signature)))
    }

    fn require_good(&self) -> Result<()> {
        ensure!((350..=450).contains(&self.payload_len()), "a payload of {} bytes", self.payload_len());
        for (token, raw) in self.tokens.iter().zip(&self.raw) {
            self.verifier.verify::<AccessClaims>(token, self.now)?;
            ensure!(self.raw_verifier.verifies(raw), "{}: the raw primitive refuses the token", self.alg);
        }
        Ok(())
    }
}

#[expect(clippy::disallowed_methods, reason = "the edge: everything below is told the time")]
fn now() -> Timestamp {
    SystemTime::now().into()
}

fn claims(number: usize, now: Timestamp) -> Result<AccessClaims> {
    let number = u8::try_from(number)?;
    let lived = Duration::from_secs(u64::from(number) * 7);
    Ok(AccessClaims {
        iss: ISSUER.into(),
        sub: base64url::encode(&[number.wrapping_mul(37); 16]),
        aud: Audience::new([AUDIENCE])?,
        exp: now.saturating_add(LIFETIME - lived).into(),
        iat: now.saturating_sub(lived).into(),
        nbf: Some(now.saturating_sub(lived).into()),
        jti: TokenId::new(now.saturating_sub(lived), [number.wrapping_mul(59); 10]).to_string(),
        client_id: "web-frontend-north".into(),
        scope: "orders:read orders:write".parse()?,
        authorization_details: AuthorizationDetails::default(),
        sid: Some(base64url::encode(&[number.wrapping_mul(83); 16])),
        roles: vec!["clerk".into(), "warehouse-manager-north".into()],
        acr: None,
        auth_time: None,
        cnf: None,
        act: None,
    })
}

impl RawToken {
    fn new(token: &str) -> Result<Self> {
        let (signing_input, signature) = token.rsplit_once('.').context("a token without dots")?;
        Ok(Self { signing_input: signing_input.into(), signature: base64url::decode(signature)? })
    }
}

impl RawVerifier {
    fn new(signer: &SigningKey) -> Result<Self> {
        let Some(jwk) = signer.public_jwk() else {
            return Ok(Self::Hmac(Box::new(hmac::Key::new(hmac::HMAC_SHA256, &signer.to_private_bytes()?))));
        };
        let key = match (&jwk.key, signer.alg()) {
            (PublicParams::Rsa { n, e }, alg) => {
                let verify = match alg {
                    Alg::PS256 => &signature::RSA_PSS_2048_8192_SHA256,
                    _ => &signature::RSA_PKCS1_2048_8192_SHA256,
                };
                let (n, e) = (base64url::decode(n)?, base64url::decode(e)?);
                PublicKeyComponents { n, e }.to_parsed_public_key(verify)?
            }
            (PublicParams::Ec { x, y, .. }, _) => {
                let point = [&[4][..], &base64url::decode(x)?, &base64url::decode(y)?].concat();
                ParsedPublicKey::new(&signature::ECDSA_P256_SHA256_FIXED, point)?
            }
            (PublicParams::Okp { x, .. }, _) => {
                ParsedPublicKey::new(&signature::ED25519, base64url::decode(x)?)?
            }
            (PublicParams::Akp { public, .. }, _) => {
                ParsedPublicKey::new(&signature::ML_DSA_44, base64url::decode(public)?)?
            }
            (_, other) => bail!("{other} is not measured"),
        };
        Ok(Self::Parsed(key))
    }

    pub fn verifies(&self, token: &RawToken) -> bool {
        match self {
            Self::Hmac(key) => hmac::verify(key, &token.signing_input, &token.signature).is_ok(),
            Self::Parsed(key) => key.verify_sig(&token.signing_input, &token.signature).is_ok(),
        }
    }
}

impl RawSigner {
    fn new(signer: &SigningKey) -> Result<Self> {
        let bytes = signer.to_private_bytes()?;
        let random = SystemRandom::new();
        Ok(match signer.alg() {
            Alg::HS256 => Self::Hmac(Box::new(hmac::Key::new(hmac::HMAC_SHA256, &bytes))),
            Alg::RS256 => Self::Rsa(RsaKeyPair::from_pkcs8(&bytes)?, &signature::RSA_PKCS1_SHA256, random),
            Alg::PS256 => Self::Rsa(RsaKeyPair::from_pkcs8(&bytes)?, &signature::RSA_PSS_SHA256, random),
            Alg::ES256 => Self::Ecdsa(
                EcdsaKeyPair::from_pkcs8(&signature::ECDSA_P256_SHA256_FIXED_SIGNING, &bytes)?,
                random,
            ),
            Alg::EdDSA => Self::Ed25519(Ed25519KeyPair::from_pkcs8(&bytes)?),
            Alg::MlDsa44 => Self::MlDsa(PqdsaKeyPair::from_pkcs8(&signature::ML_DSA_44_SIGNING, &bytes)?),
            other => bail!("{other} is not measured"),
        })
    }

    /// Signs into a buffer, which is grown once and used again.
    pub fn signs(&self, signing_input: &[u8], signature: &mut Vec<u8>) -> bool {
        match self {
            Self::Hmac(key) => keep(hmac::sign(key, signing_input).as_ref(), signature),
            Self::Rsa(pair, encoding, random) => {
                signature.resize(pair.public_modulus_len(), 0);
                pair.sign(*encoding, random, signing_input, signature).is_ok()
            }
            Self::Ecdsa(pair, random) => {
                pair.sign(random, signing_input).is_ok_and(|made| keep(made.as_ref(), signature))
            }
            Self::Ed25519(pair) => {
                pair.try_sign(signing_input).is_ok_and(|made| keep(made.as_ref(), signature))
            }
            Self::MlDsa(pair) => {
                signature.resize(pair.algorithm().signature_len(), 0);
                pair.sign(signing_input, signature).is_ok()
            }
        }
    }
}

fn keep(made: &[u8], signature: &mut Vec<u8>) -> bool {
    signature.clear();
    signature.extend_from_slice(made);
    true
}
