//! JOSE formats: JWS, JWK and JWT ([RFC 7515](https://www.rfc-editor.org/rfc/rfc7515),
//! [7517](https://www.rfc-editor.org/rfc/rfc7517), [7519](https://www.rfc-editor.org/rfc/rfc7519)).
//!
//! Bytes in, bytes out: there is no clock here, no network, no async and no logging. The present is
//! an argument, keys come from a [`KeySet`] that the caller made, and primitives come from one
//! crypto library.
//!
//! What the classic mistakes meet:
//!
//! | mistake | why it cannot be made |
//! |---|---|
//! | `alg: none` | [`Alg`] has no such variant, and a header's `alg` never chooses anything |
//! | RS/HS confusion | a [`VerifyingKey`] knows its one algorithm; a public key cannot become a [`SecretKey`] |
//! | no audience, issuer or type check | [`Verifier::new`] takes all three, and none can be empty |
//! | reading claims before verification | only a [`Verifier`] makes a [`Verified`]; the other way is called [`decode_unverified`] |
//! | keys from the token (`jwk`, `jku`, `x5u`, `x5c`) | the header type does not have these members |
//! | two parsers, two meanings | duplicate members are refused at any depth, base64url has one spelling |
//! | signatures of zeros, DER for ECDSA | the length is exact per algorithm, and the library refuses `r` or `s` of 0 |
//! | endless work | token, header, depth and member limits come before any of it |

mod alg;
pub mod base64url;
mod header;
mod json;
mod jwk;
pub mod jwt;
mod key;
mod timestamp;

pub use alg::{Alg, UnknownAlg};
pub use header::{Malformed, Typ, Unverified, decode_unverified};
pub use json::{JsonError, parse as parse_strict_json};
pub use jwk::{Jwk, JwkSet, KeyUse, PublicParams};
pub use jwt::{
    Audience, Claims, Issuer, NamesNobody, Registered, RegisteredClaims, Rejection, Scratch, SignError,
    Verified, Verifier,
};
pub use key::{KeyError, KeySet, SecretKey, SigningKey, VerifyingKey};
pub use timestamp::{NumericDate, Timestamp};
