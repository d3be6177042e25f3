//! The keys and tokens that are measured, and the raw primitive over the same bytes.

use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::PublicKeyComponents;
use aws_lc_rs::signature::{self, EcdsaKeyPair, Ed25519KeyPair, ParsedPublicKey, RsaKeyPair};
use aws_lc_rs::{hmac, signature::RsaSignatureEncoding};
use gatepass_jose::{
    Alg, Audience, Issuer, KeySet, PublicParams, SecretKey, SigningKey, Timestamp, Typ, Verifier, base64url,
    jwt,
};
use gatepass_token::{AccessClaims, TokenId, access_verifier};

/// The algorithms of the tables.
pub const ALGS: [Alg; 5] = [Alg::HS256, Alg::RS256, Alg::PS256, Alg::ES256, Alg::EdDSA];

/// The present of every sample.
pub const NOW: Timestamp = Timestamp::from_millis(1_763_780_000_250);

/// As many different tokens as are verified in turn, so that no branch of a parser is learnt by heart.
const TOKENS: usize = 16;

const ISSUER: &str = "https://auth.north.example.com/tenant-4711";
const AUDIENCE: &str = "https://api.north.example.com/orders";

/// One algorithm with a key, tokens of it, and everything that verifies them.
pub struct Sample {
    pub alg: Alg,
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
}

impl Sample {
    /// A fresh key of `alg` and tokens that verify at [`NOW`].
    pub fn new(alg: Alg) -> Result<Self> {
        let signer = if alg.is_symmetric() {
            SigningKey::from_secret(alg, "2026-11-a", &SecretKey::new([7; 32]))?
        } else {
            SigningKey::generate(alg, Some("2026-11-a"))?
        };
        let claims: Vec<_> = (0..TOKENS).map(claims).collect::<Result<_>>()?;
        let sign = |claims| jwt::sign(&Typ::ACCESS_TOKEN, claims, &signer);
        let tokens: Vec<_> = claims.iter().map(sign).collect::<Result<_, _>>()?;
        let raw = tokens.iter().map(|token| RawToken::new(token)).collect::<Result<_>>()?;
        let keys = KeySet::new(vec![signer.verifying_key()?]);
        let verifier = access_verifier(Issuer::new(ISSUER)?, Audience::new([AUDIENCE])?, keys);
        let raw_verifier = RawVerifier::new(&signer)?;
        let raw_signer = RawSigner::new(&signer)?;
        let sample = Self { alg, signer, verifier, claims, tokens, raw, raw_verifier, raw_signer };
        sample.require_good()?;
        Ok(sample)
    }

    /// The length of a payload in bytes.
    pub fn payload_len(&self) -> usize {
        self.claims.first().and_then(|claims| serde_json::to_vec(claims).ok()).map_or(0, |json| json.len())
    }

    fn require_good(&self) -> Result<()> {
        ensure!((350..=450).contains(&self.payload_len()), "a payload of {} bytes", self.payload_len());
        for (token, raw) in self.tokens.iter().zip(&self.raw) {
            self.verifier.verify::<AccessClaims>(token, NOW)?;
            ensure!(self.raw_verifier.verifies(raw), "{}: the raw primitive refuses the token", self.alg);
        }
        Ok(())
    }
}

fn claims(number: usize) -> Result<AccessClaims> {
    let number = u8::try_from(number)?;
    let lived = Duration::from_secs(u64::from(number) * 7);
    Ok(AccessClaims {
        iss: ISSUER.into(),
        sub: base64url::encode(&[number.wrapping_mul(37); 16]),
        aud: Audience::new([AUDIENCE])?,
        exp: NOW.saturating_add(Duration::from_secs(900) - lived).into(),
        iat: NOW.saturating_sub(lived).into(),
        nbf: Some(NOW.saturating_sub(lived).into()),
        jti: TokenId::new(NOW.saturating_sub(lived), [number.wrapping_mul(59); 10]).to_string(),
        client_id: "web-frontend-north".into(),
        scope: "orders:read orders:write".parse()?,
        sid: Some(base64url::encode(&[number.wrapping_mul(83); 16])),
        roles: vec!["clerk".into(), "warehouse-manager-north".into()],
        cnf: None,
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
            other => bail!("{other} is not measured"),
        })
    }

    /// Signs into `buffer`, whose first byte is returned so that nothing is optimised away.
    pub fn sign(&self, signing_input: &[u8], buffer: &mut [u8; 256]) -> Option<u8> {
        match self {
            Self::Hmac(key) => hmac::sign(key, signing_input).as_ref().first().copied(),
            Self::Rsa(pair, encoding, random) => {
                pair.sign(*encoding, random, signing_input, buffer).ok()?;
                buffer.first().copied()
            }
            Self::Ecdsa(pair, random) => pair.sign(random, signing_input).ok()?.as_ref().first().copied(),
            Self::Ed25519(pair) => pair.try_sign(signing_input).ok()?.as_ref().first().copied(),
        }
    }
}
