//! The HTTP face on a real issuer over the embedded store. One binary: more would only link longer.

mod admin;
mod cors;
mod feed;
mod fixture;
mod hostile;
mod metadata;
mod oauth;
mod routing;
mod serving;
mod session;
