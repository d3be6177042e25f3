//! The private members of a key, decoded.

use zeroize::Zeroizing;

use crate::base64url;
use crate::jwk::members::Members;
use crate::jwk::{JwkError, KeyType, PublicKey, PublicParams};
use crate::key::{KeyError, KeyPair, SecretKey, rsa};

/// The size of an ML-DSA seed in bytes (RFC 9964, FIPS 204 section 5.1).
const AKP_SEED: usize = 32;

/// The private members of a key, decoded, with the public ones.
pub(crate) enum PrivateParams {
    Rsa(RsaParams),
    /// `d` of an `EC` or `OKP` key.
    OnCurve {
        public: PublicKey,
        d: Zeroizing<Vec<u8>>,
    },
    /// The seed of an `AKP` key.
    Akp {
        public: PublicKey,
        seed: Zeroizing<Vec<u8>>,
    },
    Oct(SecretKey),
}

/// An RSA private key with what the Chinese remainder theorem makes of it (RFC 7518 section 6.3.2).
pub(crate) struct RsaParams {
    pub(crate) public: PublicKey,
    pub(crate) d: Zeroizing<Vec<u8>>,
    pub(crate) p: Zeroizing<Vec<u8>>,
    pub(crate) q: Zeroizing<Vec<u8>>,
    pub(crate) dp: Zeroizing<Vec<u8>>,
    pub(crate) dq: Zeroizing<Vec<u8>>,
    pub(crate) qi: Zeroizing<Vec<u8>>,
}

impl PrivateParams {
    /// Reads the members that the type requires, and refuses halves of two different keys.
    pub(super) fn read(members: &Members) -> Result<Self, JwkError> {
        if members.text("kty")? == "oct" {
            return Ok(Self::Oct(read_secret(members)?));
        }
        let params = PublicParams::read(members)?;
        if members.private_member().is_none() {
            return Err(JwkError::NotPrivate);
        }
        let public = params.decode()?;
        let params = match public {
            PublicKey::Rsa { .. } => Self::Rsa(RsaParams::read(public, members)?),
            PublicKey::Ec { curve, .. } | PublicKey::Okp { curve, .. } => {
                Self::OnCurve { public, d: sized(members, "d", curve.row().size)? }
            }
            PublicKey::Akp { .. } => Self::Akp { public, seed: sized(members, "priv", AKP_SEED)? },
        };
        KeyPair::from_params(&params)?; // the halves belong together
        Ok(params)
    }

    /// The public half; `None` for a secret.
    pub(super) fn public(&self) -> Option<&PublicKey> {
        match self {
            Self::Rsa(rsa) => Some(&rsa.public),
            Self::OnCurve { public, .. } | Self::Akp { public, .. } => Some(public),
            Self::Oct(_) => None,
        }
    }

    pub(super) fn key_type(&self) -> KeyType {
        match self.public() {
            Some(PublicKey::Rsa { .. }) => KeyType::Rsa,
            Some(PublicKey::Ec { curve, .. } | PublicKey::Okp { curve, .. }) => KeyType::OnCurve(*curve),
            Some(PublicKey::Akp { alg, .. }) => KeyType::Akp(*alg),
            None => KeyType::Oct,
        }
    }

    /// The private members, in base64url.
    pub(super) fn members(&self) -> Vec<(&'static str, Zeroizing<String>)> {
        let text = |bytes: &[u8]| Zeroizing::new(base64url::encode(bytes));
        match self {
            Self::Rsa(rsa) => rsa.named().map(|(name, bytes)| (name, text(bytes))).to_vec(),
            Self::OnCurve { d, .. } => vec![("d", text(d))],
            Self::Akp { seed, .. } => vec![("priv", text(seed))],
            Self::Oct(secret) => vec![("k", text(secret.expose()))],
        }
    }
}

fn read_secret(members: &Members) -> Result<SecretKey, JwkError> {
    let secret = SecretKey::new(std::mem::take(&mut *members.bytes("k")?));
    if secret.expose().is_empty() { Err(KeyError::EmptySecret.into()) } else { Ok(secret) }
}

fn sized(members: &Members, name: &'static str, size: usize) -> Result<Zeroizing<Vec<u8>>, JwkError> {
    let bytes = members.bytes(name)?;
    if bytes.len() == size {
        Ok(bytes)
    } else {
        Err(KeyError::WrongLength { member: name, bytes: size }.into())
    }
}

impl RsaParams {
    fn read(public: PublicKey, members: &Members) -> Result<Self, JwkError> {
        if members.has_oth {
            return Err(JwkError::MultiPrime);
        }
        let number = |name| {
            let bytes = members.bytes(name)?;
            rsa::require_minimal(name, &bytes)?;
            Ok::<_, JwkError>(bytes)
        };
        let factor = |name| match members.find(name) {
            Some(_) => number(name),
            None => Err(JwkError::MissingFactor(name)),
        };
        let d = number("d")?;
        let (p, q) = (factor("p")?, factor("q")?);
        Ok(Self { public, d, p, q, dp: factor("dp")?, dq: factor("dq")?, qi: factor("qi")? })
    }

    fn named(&self) -> [(&'static str, &[u8]); 6] {
        [("d", &self.d), ("p", &self.p), ("q", &self.q), ("dp", &self.dp), ("dq", &self.dq), ("qi", &self.qi)]
    }
}
