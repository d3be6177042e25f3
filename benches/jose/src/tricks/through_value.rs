//! The detour that a verification does not make: a tree of the JSON, and then the struct.

use gatepass_jose::{Claims, Registered};
use gatepass_token::AccessClaims;
use serde::de::{Deserialize, Deserializer, Error as _};
use serde_json::Value;

pub(super) struct ThroughValue(pub(super) AccessClaims);

impl<'de> Deserialize<'de> for ThroughValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let tree = Value::deserialize(deserializer)?;
        AccessClaims::deserialize(tree).map(Self).map_err(D::Error::custom)
    }
}

impl Claims for ThroughValue {
    fn registered(&self) -> Registered<'_> {
        self.0.registered()
    }
}
