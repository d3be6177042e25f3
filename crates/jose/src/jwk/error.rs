use thiserror::Error;

use crate::JsonError;
use crate::key::KeyError;

/// Why a JSON text is no usable key. The sentences name the member or the rule, never the value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum JwkError {
    /// Not strict JSON, not an object, or a member of the wrong type.
    #[error("the JWK is not valid: {0}")]
    Json(#[from] JsonError),
    /// A member that the key type requires is not there.
    #[error("the JWK lacks the member {0:?}, which its type requires")]
    Missing(&'static str),
    /// `kty` is not `RSA`, `EC`, `OKP`, `AKP` or `oct`.
    #[error("the JWK is of a type (\"kty\") that is not supported: RSA, EC, OKP, AKP and oct are")]
    UnknownType,
    /// `alg` is no algorithm of this library.
    #[error("the JWK names an algorithm (\"alg\") that is not supported")]
    UnknownAlg,
    /// `use` is neither `sig` nor `enc`.
    #[error("the member \"use\" of the JWK is neither \"sig\" nor \"enc\"")]
    UnknownUse,
    /// `alg` is for another type of key, or for another curve.
    #[error("the JWK names an algorithm (\"alg\") that a key of its type cannot be used with")]
    AlgDoesNotFit,
    /// A public key was wanted, and this is a private one or a secret.
    #[error("the JWK has {0:?}, so it is a private key or a secret where a public key is wanted")]
    NotPublic(&'static str),
    /// A private key was wanted, and this is a public one.
    #[error("the JWK is a public key where a private key or a secret is wanted")]
    NotPrivate,
    /// Two members say different things about what the key is for.
    /// [RFC 7517 section 4.3](https://www.rfc-editor.org/rfc/rfc7517#section-4.3).
    #[error("the JWK contradicts itself about its purpose: see {0:?} and {1:?}")]
    Contradiction(&'static str, &'static str),
    /// `key_ops` has a value twice. RFC 7517 section 4.3.
    #[error("the member \"key_ops\" of the JWK has a value twice")]
    RepeatedOperation,
    /// `key_ops` has no operation of a public key.
    #[error("the member \"key_ops\" of the JWK allows nothing that a public key can do")]
    NoPublicOperation,
    /// An RSA private key of `n`, `e` and `d` alone. They would suffice in principle, but nobody exports
    /// a key without its primes, and finding them again is arithmetic on a secret.
    #[error(
        "the RSA private key lacks {0:?}: without its primes (\"p\", \"q\", \"dp\", \"dq\", \"qi\") a key is not taken"
    )]
    MissingFactor(&'static str),
    /// An RSA key of more than two primes. RFC 7518 section 6.3.2.7.
    #[error("the RSA key has more than two primes (\"oth\"), which is not supported")]
    MultiPrime,
    /// Two different keys of a set have the same `kid`.
    #[error("two different keys of the set have the same \"kid\"")]
    RepeatedKid,
    /// What the members hold is no sound key.
    #[error("the JWK is not a usable key: {0}")]
    Key(#[from] KeyError),
}
