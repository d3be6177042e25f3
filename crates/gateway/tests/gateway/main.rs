//! The gateway over real sockets. One binary, so that it links once.

// Tests stop where they stumble, and so do the helpers they share.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod harness;

mod admin;
mod bff;
mod body;
mod checks;
mod connection;
mod cors;
mod demand;
mod exchange;
mod ext_authz;
mod forward_auth;
mod header;
mod http2;
mod issuer;
mod matching;
mod operations;
mod rate_limit;
mod reload;
mod resource;
mod revocation;
mod rule;
mod smuggling;
mod streams;
mod tls;
mod token_kinds;
mod upgrade;
mod upstream;
mod upstream_tls;
