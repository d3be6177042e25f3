use thiserror::Error;

use crate::Alg;

/// Why key material was refused. The sentences name the member or the rule, never the value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum KeyError {
    /// The secret is shorter than the hash's output. [RFC 7518 section 3.2](https://www.rfc-editor.org/rfc/rfc7518#section-3.2).
    #[error("an {alg} secret needs at least {min} bytes")]
    SecretTooShort {
        /// The algorithm asked for.
        alg: Alg,
        /// The least size in bytes.
        min: usize,
    },
    /// A secret of no bytes.
    #[error("the secret is empty")]
    EmptySecret,
    /// The key is of another type or curve than the algorithm's, or is for another algorithm.
    #[error("the key does not fit {0}")]
    WrongType(Alg),
    /// `use`, `key_ops` or `alg` rules the operation out; it is named as in `key_ops`.
    #[error("the key's \"use\", \"key_ops\" or \"alg\" does not allow the operation {0:?}")]
    NotAllowed(&'static str),
    /// A member is not base64url in its canonical spelling.
    #[error("the member {0:?} of the key is not base64url without padding")]
    NotBase64Url(&'static str),
    /// A member is not of the one length that the key's type gives it.
    /// [RFC 7518 section 6.2](https://www.rfc-editor.org/rfc/rfc7518#section-6.2), RFC 8037, RFC 9964.
    #[error("the member {member:?} of the key must be {bytes} bytes long, leading zeros included")]
    WrongLength {
        /// The member of the JWK.
        member: &'static str,
        /// The length it must have.
        bytes: usize,
    },
    /// A number begins with a zero byte. [RFC 7518 section 2](https://www.rfc-editor.org/rfc/rfc7518#section-2).
    #[error("the member {0:?} of the RSA key must be written in the fewest bytes, so without leading zeros")]
    LeadingZero(&'static str),
    /// The RSA modulus has under 2048 bits (RFC 7518 section 3.3), or so many that it only serves to
    /// slow the verifier down.
    #[error("the RSA modulus has {bits} bits; 2048 to 8192 are taken")]
    ModulusSize {
        /// The size found.
        bits: usize,
    },
    /// The RSA modulus is even or the exponent is 1, even, or longer than 32 bits.
    #[error("the RSA exponent must be odd, at least 3 and at most 32 bits long, and the modulus odd")]
    Exponent,
    /// The RSA modulus was made by the flawed generator of CVE-2017-15361, and can be factored.
    #[error(
        "the RSA modulus has the fingerprint of CVE-2017-15361 (ROCA), so it can be factored: make a new key"
    )]
    Roca,
    /// The curve is none of the key's type, or none of this library.
    #[error("the key is on a curve that its type does not have or that is not supported")]
    UnknownCurve,
    /// The public point is not on the curve.
    #[error("the public point is not on the key's curve")]
    NotOnCurve,
    /// The public point of an Ed25519 or X25519 key has an order of 8 or less.
    /// [RFC 7748 section 7](https://www.rfc-editor.org/rfc/rfc7748#section-7).
    #[error("the public point is of small order, so anybody can sign for the key or agree on its secret")]
    SmallOrder,
    /// An `EC` key in a DER document whose point is compressed.
    #[error("the public point is not in uncompressed form; write the key again without compression")]
    NotUncompressed,
    /// The private members do not belong to the public ones, or not to each other.
    #[error("the private half of the key does not belong to its public half")]
    HalvesDiffer,
    /// An ML-DSA private key in its expanded form alone, from which the seed cannot be had.
    #[error("the ML-DSA key comes without its seed, which is the only form that is taken")]
    NoSeed,
    /// A secret where a key pair is wanted.
    #[error("the key is a secret, which has no public half")]
    NoKeyPair,
    /// A document with a key of a type that is not supported.
    #[error(
        "the document holds a key of a type that is not supported: RSA, EC, Ed25519, X25519 and ML-DSA are"
    )]
    UnsupportedType,
    /// The document does not parse as a key.
    #[error("the key is malformed")]
    Malformed,
    /// A key without `alg` of a type that several algorithms share.
    #[error("the key names no algorithm and its type does not decide one")]
    AmbiguousAlg,
    /// The operating system gave no randomness, or the library failed.
    #[error("the key could not be generated")]
    Generation,
}
