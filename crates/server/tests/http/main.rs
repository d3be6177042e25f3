//! The HTTP face on a real issuer over the embedded store. One binary: more would only link longer.

// A test may stop; clippy only sees that in the functions marked `#[test]`, not in what they share.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod admin;
mod assertions;
mod attacks;
mod audit;
mod browser;
mod certificates;
mod claims;
mod client_algs;
mod client_documents;
mod cors;
mod demands;
mod details;
mod device;
mod dpop;
mod encrypted;
mod exchange;
mod fapi;
mod feed;
mod fixture;
mod guessing;
mod hostile;
mod identity_providers;
mod issuer_with_path;
mod jwks_uri;
mod jwt_bearer;
mod key_schedules;
mod languages;
mod login;
mod login_form;
mod logout_notice;
mod metadata;
mod oauth;
mod openapi;
mod own_password;
mod pairwise;
mod par;
mod passwords;
mod redirects;
mod refused;
mod registration;
mod resources;
mod responses;
mod rotation;
mod routing;
mod serving;
mod session;
mod sign_on;
mod signed;
mod ssf;
mod status_list;
mod step_up;
mod tickets;
mod tls;
