//! JSON Web Encryption ([RFC 7516](https://www.rfc-editor.org/rfc/rfc7516)): keeping content from all but
//! its recipients.
//!
//! An [`Encrypter`] and an [`EncryptionKey`] make messages, a [`Decrypter`] with its [`DecryptionKeys`]
//! reads them, in all three serializations. A [`NestedVerifier`] reads a JWT that was signed and then
//! encrypted, which is the one that says *who* wrote it: everybody can encrypt with a public key.
//!
//! What a hostile message meets:
//!
//! | what it tries | where it ends |
//! |---|---|
//! | choosing the algorithm | a key is bound to one [`KeyManagement`], the decrypter to its list of [`ContentEncryption`]s; `alg` and `enc` may only agree |
//! | choosing the key (`jwk`, `jku`, `x5u`, `x5c`) | nothing looks at them; `kid` finds a key that was there before |
//! | `RSA1_5`, a padding oracle | not there |
//! | learning from how decryption fails | [`DecryptError::Decryption`] for everything that only a key can tell, and a random key goes on where none was unwrapped ([RFC 7516 section 11.5](https://www.rfc-editor.org/rfc/rfc7516#section-11.5)) |
//! | padding without a MAC | the MAC is compared in constant time before anything is decrypted |
//! | short tags, odd initialization vectors | exact sizes ([RFC 7518 section 5](https://www.rfc-editor.org/rfc/rfc7518#section-5)) |
//! | points off the curve, of another one, of small order | refused before a key is derived ([RFC 8725 section 3.4](https://www.rfc-editor.org/rfc/rfc8725#section-3.4)) |
//! | a huge `p2c` | at most [`DEFAULT_MAX_ITERATIONS`] for a whole message, or what [`Decrypter::with_max_iterations`] says |
//! | a small `p2c`, a short salt | at least [`MIN_ITERATIONS`] and 8 bytes |
//! | a decompression bomb | `zip` is refused; [`Decrypter::with_decompression`] takes it up to a size |
//! | thousands of recipients | 16 at most, a private key is worked with for 4 of them |
//! | long, deep or ambiguous JSON | [`Limits`](crate::Limits), no member twice at any depth, no parameter in two headers |
//! | `crit`, `b64` | refused: no extension is implemented |
//! | an encrypted key with `dir` or `ECDH-ES` | refused |
//! | text that is not what it is taken for | a nested token must say `cty: JWT`, be signed inside, and not be encrypted again |
//!
//! Left out, because the crypto library has no AES Key Wrap of that size: `A192KW`, `ECDH-ES+A192KW` and
//! `PBES2-HS384+A192KW`; and X448, which it has not at all.

mod agreement;
pub(crate) mod alg;
mod compression;
mod content;
mod decrypt;
mod encrypt;
mod header;
mod key;
mod management;
mod nested;
pub mod primitives;
mod serialization;

pub use alg::{ContentEncryption, KeyManagement, UnknownJweAlg};
pub use decrypt::{DEFAULT_MAX_ITERATIONS, DecryptError, Decrypted, Decrypter, MIN_ITERATIONS};
pub use encrypt::{EncryptError, Encrypter, JsonEncrypter};
pub use key::{DecryptionKey, DecryptionKeys, EncryptionKey, JweKeyError};
pub use nested::{NestError, NestedRejection, NestedVerifier, sign_then_encrypt};

#[cfg(test)]
mod tests;
