//! What can be said of a key without its private half.

use gatepass_jose::{Alg, Jwk, JwkAlg, KeyUse, PublicParams, base64url};
use serde_json::{Value, json};

use super::public::half;
use crate::key_file::Key;

/// A key as people and machines are told of it.
pub(super) struct Facts {
    /// `kty`, with the curve or algorithm that belongs to the type.
    pub(super) kty: &'static str,
    pub(super) curve: Option<String>,
    /// Of the modulus, the field or the secret; ML-DSA counts none.
    pub(super) bits: Option<usize>,
    pub(super) alg: Option<JwkAlg>,
    pub(super) key_use: Option<KeyUse>,
    pub(super) kid: Option<String>,
    pub(super) thumbprint: String,
    pub(super) private: bool,
    pub(super) warnings: Vec<&'static str>,
}

impl Facts {
    pub(super) fn of(key: &Key) -> Self {
        let (alg, key_use) = match key {
            Key::Public(jwk) => (jwk.alg, jwk.key_use),
            Key::Private(jwk) => (jwk.alg, jwk.key_use),
        };
        let public = half(key);
        // The algorithm of an AKP key is part of the key.
        let alg = alg.or_else(|| match &public.as_ref()?.key {
            PublicParams::Akp { alg, .. } => Some((*alg).into()),
            _ => None,
        });
        let (kty, curve, bits) = match (&public, key) {
            (Some(jwk), _) => kind(jwk),
            (None, Key::Private(jwk)) => ("oct", None, jwk.secret().map(|secret| secret.expose().len() * 8)),
            (None, Key::Public(_)) => ("", None, None),
        };
        let mut facts = Self {
            kty,
            curve,
            bits,
            alg,
            key_use,
            kid: key.kid().map(str::to_owned),
            thumbprint: key.thumbprint(),
            private: key.is_private(),
            warnings: Vec::new(),
        };
        facts.warn();
        facts
    }

    fn warn(&mut self) {
        let mut warn = |unwise: bool, warning| {
            if unwise {
                self.warnings.push(warning);
            }
        };
        let several = matches!(self.kty, "RSA" | "oct") || self.curve.as_deref() == Some("Ed25519");
        warn(
            self.kid.is_none(),
            "it has no `kid`: a verifier with several keys cannot tell which one is meant",
        );
        warn(
            self.alg.is_none() && several,
            "it has no `alg`: several algorithms fit, and each reader has to choose",
        );
        warn(
            self.alg.is_none() && self.key_use.is_none(),
            "it says neither `alg` nor `use`: it may be used for anything",
        );
        warn(
            self.kty == "oct" && self.bits.is_some_and(|bits| bits < 256),
            "it has under 256 bits: too short for HS256",
        );
        warn(
            self.alg == Some(JwkAlg::Signature(Alg::EdDSA)),
            "`EdDSA` does not say which curve: RFC 9864 replaces it by `Ed25519`",
        );
    }

    pub(super) fn for_machines(&self) -> Value {
        json!({
            "kty": self.kty,
            "crv": self.curve,
            "bits": self.bits,
            "alg": self.alg,
            "use": self.key_use.map(KeyUse::name),
            "kid": self.kid,
            "thumbprint": self.thumbprint,
            "private": self.private,
            "warnings": self.warnings,
        })
    }
}

fn kind(jwk: &Jwk) -> (&'static str, Option<String>, Option<usize>) {
    match &jwk.key {
        PublicParams::Rsa { n, .. } => ("RSA", None, modulus_bits(n)),
        PublicParams::Ec { crv, .. } => ("EC", Some(crv.clone()), curve_bits(crv)),
        PublicParams::Okp { crv, .. } => ("OKP", Some(crv.clone()), curve_bits(crv)),
        PublicParams::Akp { .. } => ("AKP", None, None),
        _ => ("unknown", None, None),
    }
}

fn modulus_bits(n: &str) -> Option<usize> {
    let modulus = base64url::decode(n).ok()?;
    let first = modulus.first()?;
    Some(modulus.len() * 8 - first.leading_zeros() as usize)
}

fn curve_bits(crv: &str) -> Option<usize> {
    match crv {
        "P-256" => Some(256),
        "P-384" => Some(384),
        "P-521" => Some(521),
        "Ed25519" | "X25519" => Some(255),
        _ => None,
    }
}
