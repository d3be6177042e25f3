//! The endpoints, one file each. A handler reads its request, asks the issuer, writes the answer.

pub(crate) mod account;
pub(crate) mod admin;
pub(crate) mod authorize;
pub(crate) mod consent;
pub(crate) mod device;
pub(crate) mod device_authorization;
pub(crate) mod feed;
pub(crate) mod health;
pub(crate) mod identity;
pub(crate) mod introspect;
pub(crate) mod jwks;
pub(crate) mod linked_identity;
pub(crate) mod logout;
pub(crate) mod metadata;
pub(crate) mod own_password;
pub(crate) mod par;
pub(crate) mod provider;
pub(crate) mod registration;
pub(crate) mod revoke;
pub(crate) mod session;
pub(crate) mod sign_on;
pub(crate) mod ssf;
pub(crate) mod status_list;
pub(crate) mod ticket;
pub(crate) mod token;
pub(crate) mod userinfo;

use gatepass_issuer::password::Password;
use serde::{Deserialize, Deserializer};

/// Reads a password from JSON: a string that can be one. What it says goes nowhere else.
fn password<'de, D: Deserializer<'de>>(from: D) -> Result<Password, D::Error> {
    Password::new(String::deserialize(from)?).map_err(serde::de::Error::custom)
}
