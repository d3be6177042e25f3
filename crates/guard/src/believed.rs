use std::sync::OnceLock;

use gatepass_jose::{Rejection, Scratch, Verified, Verifier};
use gatepass_token::AccessClaims;
use serde_json::{Map, Value};

use crate::clock::Now;

/// What a token says whose verifier vouched for it. Whoever brings the token again shares it.
pub(crate) struct Believed {
    pub(crate) claims: Verified<AccessClaims>,
    /// The bytes that the claims were read from.
    pub(crate) payload: Vec<u8>,
    /// All claims, parsed when the first is asked for by name.
    members: OnceLock<Map<String, Value>>,
}

impl Believed {
    pub(crate) fn verify(verifier: &Verifier, token: &str, now: Now) -> Result<Self, Rejection> {
        let mut scratch = Scratch::default();
        let claims = verifier.verify_in(token, now.wall, &mut scratch)?;
        Ok(Self { claims, payload: scratch.into_payload(), members: OnceLock::new() })
    }

    /// A claim by its name, whichever it is.
    pub(crate) fn claim(&self, name: &str) -> Option<&Value> {
        // It parsed as claims before, so it parses as an object.
        let parse = || serde_json::from_slice(&self.payload).unwrap_or_default();
        self.members.get_or_init(parse).get(name)
    }
}
