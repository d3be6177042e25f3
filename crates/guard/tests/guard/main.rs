//! The guard against an issuer that speaks real HTTP. One binary for all of it.

// A test may stop; clippy only sees that in the functions marked `#[test]`, not in what they share.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod api;
mod blocking;
mod encrypted;
mod exchange;
mod issuer;
mod keys;
mod opaque;
mod revocation;
mod sender;
mod status_list;
mod tickets;
mod token_kinds;
mod tokens;
mod tonic;
