//! GP2xx: keys, as JWK, in sets of them, and in PEM.

mod der;
mod jwk;
mod pem;
mod rsa;

pub(crate) use jwk::{Setting, check as jwk, check_set as set};
pub(crate) use pem::check as pem;
