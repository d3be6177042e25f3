//! JOSE formats: JWS, JWE, JWK and JWT ([RFC 7515](https://www.rfc-editor.org/rfc/rfc7515),
//! [7516](https://www.rfc-editor.org/rfc/rfc7516), [7517](https://www.rfc-editor.org/rfc/rfc7517),
//! [7518](https://www.rfc-editor.org/rfc/rfc7518), [7519](https://www.rfc-editor.org/rfc/rfc7519)).
//!
//! Bytes in, bytes out: there is no clock here, no network, no async and no logging. The present is
//! an argument, keys come from a [`KeySet`] that the caller made, and primitives come from one
//! crypto library.
//!
//! | to | begin with |
//! |---|---|
//! | verify a token | [`Verifier`] |
//! | sign a token | [`jwt::sign`] with a [`SigningKey`] |
//! | sign or verify other bytes | [`jws::Draft`], [`jws::Verifier`] |
//! | encrypt or decrypt | [`jwe`] |
//! | read, write and name keys | [`Jwk`], [`PrivateJwk`], [`JwkSet`] |
//! | read a token that nobody has verified | [`decode_unverified`] |
//!
//! # What the classic mistakes meet
//!
//! | mistake | why it cannot be made |
//! |---|---|
//! | `alg: none` | [`Alg`] has no such variant; a header's `alg` can only agree with that of a key of the set |
//! | RS/HS confusion | a [`VerifyingKey`] knows its one algorithm; a public key cannot become a [`SecretKey`] |
//! | no audience, issuer or type check | [`Verifier::new`] takes all three, and none can be empty |
//! | reading claims before verification | only a [`Verifier`] makes a [`Verified`]; the other way is called [`decode_unverified`] |
//! | keys from the token (`jwk`, `jku`, `x5u`, `x5c`) | the header type does not have these members |
//! | two parsers, two meanings | duplicate members are refused at any depth, base64url has one spelling |
//! | signatures of zeros, DER for ECDSA | the length is exact per algorithm, and the library refuses `r` or `s` of 0 |
//! | endless work | token, header, depth and member [`Limits`] come before any of it |
//!
//! What does not compile:
//!
//! ```compile_fail,E0599
//! let alg = gatepass_jose::Alg::None;
//! ```
//! ```compile_fail,E0308
//! # use gatepass_jose::{Alg, SigningKey, VerifyingKey};
//! let rsa = SigningKey::generate(Alg::RS256, None).unwrap();
//! // A public key is no HMAC secret.
//! let confused = VerifyingKey::from_secret(Alg::HS256, "k1", &rsa.public_jwk());
//! ```
//! ```compile_fail,E0308
//! # use gatepass_jose::{Alg, KeySet, SigningKey};
//! // A key that signs is no key that verifies.
//! let keys = KeySet::new(vec![SigningKey::generate(Alg::ES256, None).unwrap()]);
//! ```
//! ```compile_fail,E0599
//! # use gatepass_jose::decode_unverified;
//! // What nobody has verified has no claims that one could take for verified ones.
//! let claims = decode_unverified("e30.e30.").unwrap().into_claims();
//! ```
//! ```compile_fail,E0277
//! # use gatepass_jose::SecretKey;
//! // A secret cannot be printed.
//! println!("{}", SecretKey::new(*b"0123456789abcdef0123456789abcdef"));
//! ```
//!
//! # RFC 8725 and its revision
//!
//! Each recommendation of [RFC 8725](https://www.rfc-editor.org/rfc/rfc8725) section 3 and of
//! [its revision of 2026](https://datatracker.ietf.org/doc/draft-ietf-oauth-rfc8725bis/), which adds 3.13 to 3.15.
//!
//! | section | recommendation | where it is held |
//! |---|---|---|
//! | 3.1 | one key, one algorithm, checked when it is used; an allow-list | [`VerifyingKey`] and [`jwe::DecryptionKey`] are bound to one algorithm; `enc` is a list that [`jwe::Decrypter::new`] demands; the header can only agree |
//! | 3.2 | appropriate algorithms, no `none`, no RSA1_5 | the tables in `alg.rs` and `jwe/alg.rs` are all there is. ECDSA nonces come from the crypto library, which hedges them with its random generator instead of RFC 6979 |
//! | 3.3 | all operations of a nested token are validated; signed and encrypted are told apart | [`jwe::NestedVerifier`] does both or refuses; [`Verifier`] takes three parts, [`jwe::Decrypter`] five |
//! | 3.4 | cryptographic inputs are validated | points on their curve, small-order and wrong-curve keys, RSA bounds, exact signature lengths: `key.rs`, `jwk.rs`, `jwe/agreement.rs` |
//! | 3.5 | keys have enough entropy | an HMAC secret is at least as long as the hash ([`KeyError::SecretTooShort`]); a password opens only PBES2 |
//! | 3.6 | no compression | never written unless asked for, never read unless the [`jwe::Decrypter`] allows it |
//! | 3.7 | UTF-8 | [`JsonError::NotUtf8`] |
//! | 3.8 | the keys are the issuer's; the subject is checked | a [`Verifier`] has one issuer and that issuer's keys; what `sub` means is the caller's to know |
//! | 3.9 | audience | [`Verifier::new`] demands one, and a token without `aud` is refused |
//! | 3.10 | claims are not to be trusted; `kid`, `jku`, `x5u` | `kid` is compared with names in memory and leads nowhere; `jku`, `x5u`, `x5c` and `jwk` are not read |
//! | 3.11 | explicit typing | [`Verifier::new`] demands a [`Typ`] |
//! | 3.12 | rules that exclude each other | issuer, audience, type and keys together; a snapshot, a ticket and an access token differ in `typ` |
//! | 3.13 | an upper limit on hash iterations | a million for a whole message, or what [`jwe::Decrypter::with_max_iterations`] says |
//! | 3.14 | a JWT consists of base64url characters and dots | strict [`base64url`]: anything else is [`Malformed`] |
//! | 3.15 | an upper limit on decompression | the argument of [`jwe::Decrypter::with_decompression`] |
//!
//! # Speed
//!
//! What each trick brings, measured alone in one run (`cargo xtask bench tricks`): the same work with it and without it,
//! shares of a whole HS256 verification into borrowed claims, 1.19 µs, of which 0.51 are the HMAC's. With a public key the
//! arithmetic alone takes 16 µs (RS256) to 51 µs (ES256), and none of them brings more than 5 % of one or 2 % of the other.
//!
//! | trick | brings | share |
//! |---|---|---|
//! | claims are parsed straight into their struct, not into a tree first | 0.81 µs | 68 % |
//! | the search for duplicate members rides on the parse instead of being a pass of its own | 0.36 µs | 31 % |
//! | header bytes are recognised per key, once one token has been verified under them | 0.29 µs | 25 % |
//! | claims are slices of one buffer ([`Verifier::verify_in`]) | 0.19 µs | 16 % |
//! | base64url by SIMD instead of a table | 0.12 µs | 10 % |
//! | signing: the encoded header of a type is kept with the key | 0.05 µs | 4 % of signing |
//! | that buffer is used again | 0.02 µs | 2 %; it is there so that nothing is allocated |
//!
//! What the search for duplicates still costs is 0.08 µs, 6 %. A token that comes again can skip its signature altogether:
//! [`Verifier::remembering_signatures`].

mod alg;
pub mod base64url;
mod choice;
mod header;
mod json;
pub mod jwe;
mod jwk;
pub mod jws;
pub mod jwt;
mod key;
mod limits;
mod pem;
mod timestamp;

pub use alg::{Alg, UnknownAlg};
pub use header::{Malformed, Typ, Unverified, decode_unverified};
pub use json::{JsonError, not_null, parse as parse_strict_json, parse_within as parse_strict_json_within};
pub use jwe::{ContentEncryption, KeyManagement, UnknownJweAlg};
pub use jwk::{Curve, Jwk, JwkAlg, JwkError, JwkSet, KeyUse, PrivateJwk, PrivateJwkSet, PublicParams};
pub use jwt::{
    Audience, AudienceClaim, BorrowedAudience, Claims, Issuer, NamesNobody, Registered, RegisteredClaims,
    Rejection, Scratch, SignError, SignatureCounts, Verified, Verifier,
};
pub use key::{KeyError, KeySet, RsaNumber, RsaSize, SecretKey, SigningKey, VerifyingKey};
pub use limits::{Excerpt, Limits};
pub use pem::PemError;
pub use timestamp::{NumericDate, Timestamp};
