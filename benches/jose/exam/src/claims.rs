//! The payload as a struct, in the form that most libraries document: owned strings and plain numbers.

use serde::{Deserialize, Serialize};

/// All claims in one struct.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccessClaims {
    pub iss: String,
    pub sub: String,
    pub aud: String,
    pub exp: u64,
    pub iat: u64,
    pub nbf: u64,
    pub jti: String,
    pub client_id: String,
    pub scope: String,
    pub sid: String,
    pub roles: Vec<String>,
}

/// The claims that are not in the registry of RFC 7519, for libraries that have a struct of their own
/// for the others.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PrivateClaims {
    pub client_id: String,
    pub scope: String,
    pub sid: String,
    pub roles: Vec<String>,
}

impl AccessClaims {
    /// The part that the registry does not name.
    pub fn private(&self) -> PrivateClaims {
        PrivateClaims {
            client_id: self.client_id.clone(),
            scope: self.scope.clone(),
            sid: self.sid.clone(),
            roles: self.roles.clone(),
        }
    }
}
