use thiserror::Error;

use super::MIN_ITERATIONS;
use crate::json::JsonError;
use crate::jwe::alg::KeyManagement;
use crate::jwe::serialization::MAX_RECIPIENTS;
use crate::limits::{Excerpt, or_nothing};

/// Why a JWE was not decrypted.
///
/// What everybody can see of a message has its own variant. Whatever only a key can tell (a wrong key, a
/// changed encrypted key, ciphertext or tag, bad padding) is the one [`DecryptError::Decryption`], after
/// the same steps: anything finer would be an oracle
/// ([RFC 7516 section 11.5](https://www.rfc-editor.org/rfc/rfc7516#section-11.5)).
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum DecryptError {
    /// Longer than [`Limits::token_bytes`](crate::Limits::token_bytes); nothing of it was looked at.
    #[error("the message is longer than {limit} bytes")]
    TooLong {
        /// The limit.
        limit: usize,
    },
    /// Not five parts between dots.
    #[error("a compact JWE has five parts between four dots")]
    Parts,
    /// A part is not base64url, in its canonical spelling.
    #[error("a part is not base64url without padding")]
    Base64Url,
    /// Not a strict JSON object with the members of a JSON serialization.
    #[error("the JSON serialization is not valid: {0}")]
    Json(JsonError),
    /// The members of the general and of the flattened serialization are mixed, one that must not be
    /// empty is, or there is no recipient. [RFC 7516 section 7.2](https://www.rfc-editor.org/rfc/rfc7516#section-7.2).
    #[error("the members of the JSON serialization contradict each other")]
    Serialization,
    /// More recipients than are looked at.
    #[error("the message has more than {MAX_RECIPIENTS} recipients")]
    TooManyRecipients,
    /// The protected header is longer than [`Limits::header_bytes`](crate::Limits::header_bytes).
    #[error("the header is longer than {limit} bytes")]
    HeaderTooLong {
        /// The limit.
        limit: usize,
    },
    /// The protected header is not a strict JSON object.
    #[error("the header is not valid: {0}")]
    Header(JsonError),
    /// Two of the headers have a parameter in common. [RFC 7516 section 4](https://www.rfc-editor.org/rfc/rfc7516#section-4).
    #[error("a parameter stands in two headers of one recipient")]
    RepeatedParameter,
    /// The header asks for an extension (`crit`, `b64`). None is implemented for JWE, and what is not
    /// understood is refused. [RFC 7516 section 4.1.13](https://www.rfc-editor.org/rfc/rfc7516#section-4.1.13).
    #[error("the header demands an extension that is not understood")]
    Critical,
    /// A header parameter is missing where it is required, of the wrong type or size, not the same for
    /// all recipients, or not protected where it must be.
    #[error("the header parameter {0:?} is missing or not valid")]
    Parameter(&'static str),
    /// `enc` is not one that the decrypter, or the key, is for.
    #[error("the content encryption {found} is not one that is accepted here")]
    ContentEncryption {
        /// What the header says.
        found: Excerpt,
    },
    /// The content is compressed, and the decrypter was not built to decompress.
    #[error("the content is compressed, which is not accepted here")]
    Compressed,
    /// No key has this `kid`, and there is not exactly one key of the algorithm that could be meant for
    /// lack of another name.
    #[error("no decryption key is the one that the message names, which is {}", or_nothing(kid.as_ref()))]
    UnknownKey {
        /// What the header says, if it says anything.
        kid: Option<Excerpt>,
    },
    /// The header names another algorithm than the key's. [RFC 8725 section 3.1](https://www.rfc-editor.org/rfc/rfc8725#section-3.1).
    #[error("the header names the algorithm {found}, and the key is for {key}")]
    AlgMismatch {
        /// The key's own algorithm.
        key: KeyManagement,
        /// What the header says.
        found: Excerpt,
    },
    /// There is an encrypted key where the algorithm has none (`dir`, `ECDH-ES`).
    #[error("there is an encrypted key, and the algorithm has none")]
    EncryptedKey,
    /// `epk` is no point of the key's curve, or of small order.
    #[error("the ephemeral key is not a point on the curve of the decryption key")]
    EphemeralKey,
    /// `p2c` is under [`MIN_ITERATIONS`], or there is more to do than the decrypter allows for one message.
    #[error("the iteration count is not between {MIN_ITERATIONS} and what is left of {most}")]
    Iterations {
        /// The decrypter's bound.
        most: u32,
    },
    /// The content does not decrypt: a wrong key, or something was changed on the way.
    #[error("the message does not decrypt")]
    Decryption,
    /// The content, authentic as it is, decompresses to more than the decrypter takes.
    #[error("the content decompresses to more than {limit} bytes")]
    DecompressedTooLong {
        /// The limit.
        limit: usize,
    },
    /// The content, authentic as it is, is not DEFLATE.
    #[error("the content is not valid DEFLATE")]
    Decompression,
    /// The operating system gave no randomness.
    #[error("there is no randomness")]
    Randomness,
}

impl DecryptError {
    /// A short stable name of the check that failed, for logs and metrics.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::TooLong { .. } => "too-long",
            Self::Parts | Self::Base64Url | Self::Json(_) | Self::Serialization | Self::Header(_) => {
                "malformed"
            }
            Self::TooManyRecipients => "too-many-recipients",
            Self::HeaderTooLong { .. } => "header-too-long",
            Self::RepeatedParameter | Self::Parameter(_) => "bad-parameter",
            Self::Critical => "critical",
            Self::ContentEncryption { .. } => "content-encryption",
            Self::Compressed => "compressed",
            Self::UnknownKey { .. } => "unknown-key",
            Self::AlgMismatch { .. } => "alg-mismatch",
            Self::EncryptedKey => "encrypted-key",
            Self::EphemeralKey => "ephemeral-key",
            Self::Iterations { .. } => "iterations",
            Self::Decryption => "decryption",
            Self::DecompressedTooLong { .. } => "decompressed-too-long",
            Self::Decompression => "decompression",
            Self::Randomness => "randomness",
        }
    }
}
