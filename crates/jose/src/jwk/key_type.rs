use super::{Curve, JwkAlg};
use crate::Alg;

/// What decides which algorithms a key can be used with: its type, with the curve or the algorithm
/// that belongs to the key itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum KeyType {
    Rsa,
    /// `EC` or `OKP`, whichever the curve is of.
    OnCurve(Curve),
    Akp(Alg),
    Oct,
}

impl KeyType {
    /// Whether a key of this type can be used with `alg`.
    pub(crate) fn fits(self, alg: JwkAlg) -> bool {
        match alg {
            JwkAlg::Signature(alg) => alg.fits(self),
            JwkAlg::KeyManagement(alg) => alg.takes(self.kty(), self.curve().map(Curve::name)),
            JwkAlg::Content(_) => self == Self::Oct,
        }
    }

    /// The signature algorithm of such a key where the type decides it. Of the two names for Ed25519 it
    /// is `EdDSA`, which more verifiers know.
    pub(crate) fn only_alg(self) -> Option<Alg> {
        match self {
            Self::Rsa | Self::Oct => None,
            _ => Alg::all().find(|alg| alg.fits(self)),
        }
    }

    /// The value of `kty`.
    pub(crate) fn kty(self) -> &'static str {
        match self {
            Self::Rsa => "RSA",
            Self::OnCurve(curve) => curve.kty(),
            Self::Akp(_) => "AKP",
            Self::Oct => "oct",
        }
    }

    fn curve(self) -> Option<Curve> {
        match self {
            Self::OnCurve(curve) => Some(curve),
            _ => None,
        }
    }
}
