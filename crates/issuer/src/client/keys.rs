//! The public keys that a client registers to sign with.

use std::fmt;

use gatepass_jose::{Alg, Jwk, JwkSet, KeySet, VerifyingKey};
use serde::{Deserialize, Deserializer, Serialize, de};
use thiserror::Error;

/// More keys than a client needs that rotates its own.
const MAX_KEYS: usize = 16;

/// The public keys with which a client signs assertions and request objects: 1 to 16, each bound to one
/// algorithm, and no two that a header could not tell apart.
///
/// They are given by value. A `jwks_uri` would make this server fetch addresses that others choose.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct ClientKeys(JwkSet);

/// The keys cannot be a client's.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum InvalidClientKeys {
    /// There is none, or there are too many.
    #[error("a client has 1 to {MAX_KEYS} keys")]
    Count,
    /// The key could be used with several algorithms, or with none that is for signatures.
    #[error("the key {0} does not say which algorithm it is for (alg), or it is not one for signatures")]
    Alg(String),
    /// Two keys have the same name and algorithm.
    #[error("two of the keys have the same kid, or none, and the same algorithm")]
    Ambiguous,
}

impl ClientKeys {
    /// The algorithms that a client's keys can be for: all but those with secrets.
    pub fn algs() -> impl Iterator<Item = Alg> {
        Alg::all().filter(|alg| !alg.is_symmetric())
    }

    /// Checks a set. Nothing in it is passed over: a key that cannot be used was meant to be.
    ///
    /// # Errors
    /// [`InvalidClientKeys`].
    pub fn new(set: JwkSet) -> Result<Self, InvalidClientKeys> {
        if !(1..=MAX_KEYS).contains(&set.keys.len()) {
            return Err(InvalidClientKeys::Count);
        }
        let mut names = Vec::with_capacity(set.keys.len());
        for jwk in &set.keys {
            let mut fitting = Self::algs().filter(|alg| VerifyingKey::from_jwk(jwk, &[*alg]).is_ok());
            let (Some(alg), None) = (fitting.next(), fitting.next()) else {
                return Err(InvalidClientKeys::Alg(Shown(jwk.kid.as_deref()).to_string()));
            };
            names.push((jwk.kid.as_deref(), alg));
        }
        let is_repeated = |(at, name)| names.iter().skip(at + 1).any(|other| other == name);
        if names.iter().enumerate().any(is_repeated) {
            return Err(InvalidClientKeys::Ambiguous);
        }
        Ok(Self(set))
    }

    /// The keys, ready for use.
    pub(crate) fn verifying(&self) -> KeySet {
        KeySet::from_jwks(&self.0, &Self::algs().collect::<Vec<_>>())
    }
}

impl<'de> Deserialize<'de> for ClientKeys {
    /// Reads a JWK Set. A private key or a secret in it is refused, not passed over.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Document {
            keys: Vec<Jwk>,
        }

        let Document { keys } = Document::deserialize(deserializer)?;
        Self::new(JwkSet { keys }).map_err(de::Error::custom)
    }
}

/// What a key is called in a message.
struct Shown<'k>(Option<&'k str>);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(kid) => write!(f, "{:?}", kid.chars().take(64).collect::<String>()),
            None => f.write_str("without a name"),
        }
    }
}

#[cfg(test)]
mod tests {
    use gatepass_jose::{RsaSize, SigningKey};

    use super::*;

    fn jwk(alg: Alg, kid: &str) -> Jwk {
        SigningKey::generate(alg, Some(kid)).unwrap().public_jwk().unwrap()
    }

    #[test]
    fn which_keys_a_client_can_have() {
        let (ec, ed) = (jwk(Alg::ES256, "a"), jwk(Alg::EdDSA, "a"));
        let rsa = SigningKey::generate_rsa(Alg::PS256, Some("r"), RsaSize::Bits2048).unwrap();
        let rsa = rsa.public_jwk().unwrap();
        let unnamed = |jwk: &Jwk| Jwk { alg: None, ..jwk.clone() };
        let many =
            |count: usize| (0..count).map(|at| Jwk { kid: Some(format!("{at}")), ..ec.clone() }).collect();
        let cases: [(&str, Vec<Jwk>, Result<usize, InvalidClientKeys>); 10] = [
            ("one", vec![ec.clone()], Ok(1)),
            ("two_of_one_name_and_other_algorithms", vec![ec.clone(), ed.clone()], Ok(2)),
            ("a_curve_decides_its_algorithm", vec![unnamed(&ec)], Ok(1)),
            ("rsa_with_its_algorithm", vec![rsa.clone()], Ok(1)),
            ("rsa_without", vec![unnamed(&rsa)], Err(InvalidClientKeys::Alg("\"r\"".into()))),
            ("ed25519_without", vec![unnamed(&ed)], Err(InvalidClientKeys::Alg("\"a\"".into()))),
            ("the_same_twice", vec![ec.clone(), ec.clone()], Err(InvalidClientKeys::Ambiguous)),
            ("none", vec![], Err(InvalidClientKeys::Count)),
            ("sixteen", many(16), Ok(16)),
            ("seventeen", many(17), Err(InvalidClientKeys::Count)),
        ];
        for (name, keys, want) in cases {
            let made = ClientKeys::new(JwkSet { keys });
            assert_eq!(made.map(|keys| keys.verifying().keys().len()), want, "{name}");
        }
    }

    #[test]
    fn a_set_is_read_whole_or_not_at_all() {
        let good = serde_json::to_value(jwk(Alg::ES256, "a")).unwrap();
        let private = SigningKey::generate(Alg::ES256, Some("p")).unwrap();
        let private: serde_json::Value = serde_json::from_str(&private.to_jwk().unwrap().to_json()).unwrap();
        let secret = serde_json::json!({ "kty": "oct", "k": "c2VjcmV0", "alg": "HS256" });
        let odd = serde_json::json!({ "kty": "EC", "crv": "P-256", "x": "AA", "y": "AA" });
        let read = |keys: Vec<serde_json::Value>| {
            serde_json::from_value::<ClientKeys>(serde_json::json!({ "keys": keys }))
        };
        let keys = read(vec![good.clone()]).unwrap();
        let written = serde_json::to_string(&keys).unwrap();
        assert_eq!(serde_json::from_str::<ClientKeys>(&written).unwrap(), keys);
        for (name, bad) in [("private", private), ("secret", secret), ("unsound", odd)] {
            assert!(read(vec![good.clone(), bad]).is_err(), "{name}");
        }
    }
}
