//! The public keys that a client registers: to sign with, and to be encrypted for.

use std::fmt;

use gatepass_jose::jwe::EncryptionKey;
use gatepass_jose::{Alg, Jwk, JwkSet, KeyManagement, KeySet, PublicParams, VerifyingKey};
use serde::{Deserialize, Deserializer, Serialize, de};
use thiserror::Error;

use super::logout::NotificationUri;
use super::responses::ENCRYPTION_ALGS;

/// More keys than a client needs that rotates its own.
const MAX_KEYS: usize = 16;

/// The public keys of a client: 1 to 16, no two that a header could not tell apart.
///
/// Each is for one thing. A key for signatures, of assertions and request objects, is bound to one algorithm: its `alg`, or
/// else one that the client has registered to sign with, or else the usual one of its type (RS256, EdDSA, or that of
/// its curve). A key that is encrypted for says so, by `use`, `key_ops` or `alg`, or is of a type that nothing can be
/// signed with. Which of a client's keys is which is never told by what somebody wants to do with it.
///
/// They are given by value; see [`ClientKeySource`] for those that are not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct ClientKeys(JwkSet);

/// Where the public keys of a client are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum ClientKeySource {
    /// Given by value: whoever changes them says so.
    Given(ClientKeys),
    /// Published by the client, which changes them as it likes.
    Published {
        /// Where.
        jwks_uri: NotificationUri,
    },
}

impl ClientKeySource {
    /// What a registration says, of which one member at most is there.
    ///
    /// # Errors
    /// [`TwoKeySources`] ([RFC 7591 section 2](https://www.rfc-editor.org/rfc/rfc7591#section-2)).
    pub fn of(
        jwks: Option<ClientKeys>,
        jwks_uri: Option<NotificationUri>,
    ) -> Result<Option<Self>, TwoKeySources> {
        match (jwks, jwks_uri) {
            (Some(_), Some(_)) => Err(TwoKeySources),
            (Some(keys), None) => Ok(Some(Self::Given(keys))),
            (None, uri) => Ok(uri.map(|jwks_uri| Self::Published { jwks_uri })),
        }
    }

    /// The keys, where they are given.
    #[must_use]
    pub fn given(&self) -> Option<&ClientKeys> {
        match self {
            Self::Given(keys) => Some(keys),
            Self::Published { .. } => None,
        }
    }

    /// Where they are published, where they are not given.
    #[must_use]
    pub fn jwks_uri(&self) -> Option<&NotificationUri> {
        match self {
            Self::Given(_) => None,
            Self::Published { jwks_uri } => Some(jwks_uri),
        }
    }
}

impl From<ClientKeys> for ClientKeySource {
    fn from(keys: ClientKeys) -> Self {
        Self::Given(keys)
    }
}

/// A client says twice where its keys are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("jwks and jwks_uri do not go together")]
pub struct TwoKeySources;

/// The keys cannot be a client's.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum InvalidClientKeys {
    /// There is none, or there are too many.
    #[error("a client has 1 to {MAX_KEYS} keys")]
    Count,
    /// The key can be used with no algorithm that is served.
    #[error("the key {0} is for no algorithm that is served")]
    Alg(String),
    /// Two keys have the same name and could be for the same.
    #[error("two of the keys have the same kid, or none, and could be for the same")]
    Ambiguous,
}

impl ClientKeys {
    /// The algorithms that a client can sign with: all but those with secrets.
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
        let mut named: Vec<(Option<&str>, Vec<&str>)> = Vec::with_capacity(set.keys.len());
        for jwk in &set.keys {
            let kid = jwk.kid.as_deref();
            let mut purposes: Vec<&str> = signing_algs(jwk).map(Alg::name).collect();
            if purposes.is_empty() && encryption_algs(jwk).next().is_some() {
                purposes.push(key_type(jwk));
            }
            if purposes.is_empty() {
                return Err(InvalidClientKeys::Alg(Shown(kid).to_string()));
            }
            let shares = |other: &Vec<&str>| other.iter().any(|one| purposes.contains(one));
            if named.iter().any(|(name, others)| *name == kid && shares(others)) {
                return Err(InvalidClientKeys::Ambiguous);
            }
            named.push((kid, purposes));
        }
        Ok(Self(set))
    }

    /// The keys for signatures, ready for use. One that does not say its algorithm is bound to the first of `algs` that it
    /// is good for; one that is good for none of them is left out.
    pub(crate) fn verifying(&self, algs: &[Alg]) -> KeySet {
        KeySet::from_jwks(&self.0, algs)
    }

    /// Whether the client can sign with one of them.
    #[must_use]
    pub fn can_sign(&self) -> bool {
        self.0.keys.iter().any(|jwk| signing_algs(jwk).next().is_some())
    }

    /// The first key that can be encrypted for with `alg`.
    pub(crate) fn encryption(&self, alg: KeyManagement) -> Option<EncryptionKey> {
        encryption_key(&self.0, alg)
    }
}

/// The first key of a client's set that can be encrypted for with `alg`. One that signs is none.
pub(crate) fn encryption_key(set: &JwkSet, alg: KeyManagement) -> Option<EncryptionKey> {
    let mut keys = set.keys.iter().filter(|jwk| signing_algs(jwk).next().is_none());
    keys.find_map(|jwk| EncryptionKey::from_jwk(jwk, Some(alg)).ok())
}

/// The algorithms that something could be signed with by the owner of the key.
fn signing_algs(jwk: &Jwk) -> impl Iterator<Item = Alg> {
    ClientKeys::algs().filter(|alg| VerifyingKey::from_jwk(jwk, &[*alg]).is_ok())
}

/// The algorithms that it can be encrypted for with.
fn encryption_algs(jwk: &Jwk) -> impl Iterator<Item = KeyManagement> {
    ENCRYPTION_ALGS.into_iter().filter(|alg| EncryptionKey::from_jwk(jwk, Some(*alg)).is_ok())
}

/// What kind of key it is: two of different kinds can be told apart by what is encrypted for them.
fn key_type(jwk: &Jwk) -> &str {
    match &jwk.key {
        PublicParams::Ec { crv, .. } | PublicParams::Okp { crv, .. } => crv,
        _ => "RSA",
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
    use gatepass_jose::jwe::DecryptionKey;
    use gatepass_jose::{Curve, RsaSize, SigningKey};

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
        let unknown = Jwk { alg: serde_json::from_str("\"RSA-OAEP-512\"").unwrap(), ..rsa.clone() };
        let cases: [(&str, Vec<Jwk>, Result<usize, InvalidClientKeys>); 14] = [
            ("one", vec![ec.clone()], Ok(1)),
            ("two_of_one_name_and_other_algorithms", vec![ec.clone(), ed.clone()], Ok(2)),
            ("a_curve_decides_its_algorithm", vec![unnamed(&ec)], Ok(1)),
            ("rsa_with_its_algorithm", vec![rsa.clone()], Ok(1)),
            ("rsa_without", vec![unnamed(&rsa)], Ok(1)),
            ("ed25519_without", vec![unnamed(&ed)], Ok(1)),
            ("rsa_for_what_is_not_served", vec![unknown], Err(InvalidClientKeys::Alg("\"r\"".into()))),
            ("rsa_with_and_without", vec![rsa.clone(), unnamed(&rsa)], Err(InvalidClientKeys::Ambiguous)),
            ("ec_and_rsa_without", vec![ec.clone(), Jwk { kid: ec.kid.clone(), ..unnamed(&rsa) }], Ok(2)),
            ("ed25519_twice_without", vec![unnamed(&ed), ed.clone()], Err(InvalidClientKeys::Ambiguous)),
            ("the_same_twice", vec![ec.clone(), ec.clone()], Err(InvalidClientKeys::Ambiguous)),
            ("none", vec![], Err(InvalidClientKeys::Count)),
            ("sixteen", many(16), Ok(16)),
            ("seventeen", many(17), Err(InvalidClientKeys::Count)),
        ];
        for (name, keys, want) in cases {
            let made = ClientKeys::new(JwkSet { keys });
            assert_eq!(made.map(|keys| verifying(&keys).keys().len()), want, "{name}");
        }
    }

    fn verifying(keys: &ClientKeys) -> KeySet {
        keys.verifying(&ClientKeys::algs().collect::<Vec<_>>())
    }

    #[test]
    fn a_key_that_does_not_say_its_algorithm_is_bound_to_one() {
        let rsa = SigningKey::generate_rsa(Alg::PS256, Some("r"), RsaSize::Bits2048).unwrap();
        let bare = |jwk: Jwk| Jwk { alg: None, key_use: None, ..jwk };
        let keys = [rsa.public_jwk().unwrap(), jwk(Alg::EdDSA, "e"), jwk(Alg::ES384, "c")].map(bare).to_vec();
        let keys = ClientKeys::new(JwkSet { keys }).unwrap();
        let cases: [(&[Alg], [Alg; 3]); 4] = [
            (&[], [Alg::RS256, Alg::EdDSA, Alg::ES384]),
            (&[Alg::PS256], [Alg::PS256, Alg::EdDSA, Alg::ES384]),
            (&[Alg::Ed25519, Alg::RS512], [Alg::RS512, Alg::Ed25519, Alg::ES384]),
            (&[Alg::ES256], [Alg::RS256, Alg::EdDSA, Alg::ES384]),
        ];
        for (registered, want) in cases {
            let algs: Vec<Alg> = registered.iter().copied().chain(ClientKeys::algs()).collect();
            let found: Vec<Alg> = keys.verifying(&algs).keys().iter().map(|key| key.alg()).collect();
            assert_eq!(found, want, "{registered:?}");
        }
    }

    fn for_encryption(alg: KeyManagement, curve: Option<Curve>, kid: &str) -> Jwk {
        DecryptionKey::generate(alg, curve, Some(kid)).unwrap().to_jwk().unwrap().public().unwrap()
    }

    #[test]
    fn a_key_is_for_signatures_or_to_be_encrypted_for() {
        use KeyManagement::{EcdhEs, EcdhEsA256KW, RsaOaep, RsaOaep256};
        let ec = for_encryption(EcdhEs, Some(Curve::P256), "e");
        let x25519 = for_encryption(EcdhEs, Some(Curve::X25519), "x");
        let rsa = for_encryption(RsaOaep256, None, "r");
        let without_alg = |jwk: &Jwk| Jwk { alg: None, ..jwk.clone() };
        let silent = |jwk: &Jwk| Jwk { alg: None, key_use: None, ..jwk.clone() };
        let sig = jwk(Alg::ES256, "s");
        let rsa_oaep_512 = for_encryption(KeyManagement::RsaOaep512, None, "o");
        // the key, by which of these it can be encrypted for, and whether it can be signed with; `None`: refused
        let algs = [RsaOaep256, RsaOaep, EcdhEs, EcdhEsA256KW];
        let cases = [
            ("by_alg", ec.clone(), Some(([false, false, true, false], false))),
            ("by_use", without_alg(&ec), Some(([false, false, true, true], false))),
            ("rsa_by_alg", rsa.clone(), Some(([true, false, false, false], false))),
            ("rsa_by_use", without_alg(&rsa), Some(([true, true, false, false], false))),
            ("x25519_signs_nothing", silent(&x25519), Some(([false, false, true, true], false))),
            ("p256_that_says_nothing_signs", silent(&ec), Some(([false; 4], true))),
            ("for_signatures", sig.clone(), Some(([false; 4], true))),
            ("for_signatures_without_alg", without_alg(&sig), Some(([false; 4], true))),
            ("rsa_that_says_nothing_signs", silent(&rsa), Some(([false; 4], true))),
            ("an_algorithm_that_is_not_served", rsa_oaep_512, None),
        ];
        for (name, jwk, want) in cases {
            let made = ClientKeys::new(JwkSet { keys: vec![jwk] });
            let found =
                made.ok().map(|keys| (algs.map(|alg| keys.encryption(alg).is_some()), keys.can_sign()));
            assert_eq!(found, want, "{name}");
        }
        // Beside each other each keeps to its own.
        let both = ClientKeys::new(JwkSet { keys: vec![sig, ec.clone(), x25519] }).unwrap();
        assert_eq!(both.encryption(EcdhEs).unwrap().kid(), "e");
        assert_eq!(verifying(&both).keys().len(), 1);
        let twice = JwkSet { keys: vec![ec.clone(), for_encryption(EcdhEs, Some(Curve::P256), "e")] };
        assert_eq!(ClientKeys::new(twice), Err(InvalidClientKeys::Ambiguous));
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
