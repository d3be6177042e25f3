//! The contract, driven over HTTP against the real binary. One binary for all of it: a module per part of the contract.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests, and the helpers beside them"
)]

mod admin;
mod agents;
mod apache;
mod attack;
mod backchannel_logout;
mod browser;
mod browser_session;
mod certificates;
mod cli;
mod client_update;
mod clients;
mod consents;
mod crash;
mod dpop;
mod exchange;
mod faults;
mod first_steps;
mod flood;
mod formats;
mod gateway;
mod hostile;
mod jwk;
mod jwt_bearer;
mod keys;
mod lint;
mod log_in;
mod master_key;
mod oauth;
mod offline;
mod openidconnect;
mod operations;
mod other_issuers;
mod pairwise;
mod pkcs11;
mod proxies;
mod refresh;
mod revocation;
mod rotation;
mod serve;
mod serve_tls;
mod shared_secrets;
mod signals;
mod status_list;
mod step_up;
mod story;
mod throttle;
mod tickets;
mod token;
mod wire;
