//! What must hold of every input, however hostile: one module for each fuzz target, each with a function
//! `check` that panics where something does not hold.
//!
//! "No panic" is the least of it. What is accepted is compared with what was signed or encrypted, with an
//! independent and naive reading of the same text, or with itself once it was written and read again; and
//! no call may allocate out of proportion to its input ([`bounded`](bounds::bounded)).
//!
//! `check` says whether the input was accepted. The seeds in `seeds/TARGET` are named after it, and
//! `cargo test` replays them: a fuzzer whose good inputs are refused no longer sees what lies behind them.

pub mod base64url;
pub mod bounds;
pub mod dpop;
pub mod feed;
pub mod json;
pub mod jwe;
pub mod jwe_json;
pub mod jwk;
pub mod jws;
pub mod jws_json;
pub mod jwt;
pub mod keys;
pub mod lint;
pub mod naive;
pub mod openapi;
pub mod pem;
pub mod registered;
pub mod requests;
pub mod status_list;
pub mod ticket;
pub mod values;
