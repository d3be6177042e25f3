use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use gatepass_jose::Timestamp;
use gatepass_token::AccessClaims;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::Denied;
use crate::believed::Believed;
use crate::sender::Sender;

/// A token that a guard vouches for: verified, current, not revoked. Only a guard can make one.
///
/// It dereferences to the token's [`AccessClaims`]; claims of your own are read with
/// [`claim`](Self::claim) or [`custom`](Self::custom). Cheap to clone.
#[derive(Clone)]
pub struct Admitted {
    believed: Arc<Believed>,
    sender: Sender,
    at: Timestamp,
}

impl Admitted {
    pub(crate) fn new(believed: Arc<Believed>, sender: Sender, at: Timestamp) -> Self {
        Self { believed, sender, at }
    }

    pub(crate) fn believed(&self) -> &Believed {
        &self.believed
    }

    /// The claims of an access token (RFC 9068). Of one of another kind ([`TokenKind`](crate::TokenKind)) `jti` may be empty.
    #[must_use]
    pub fn claims(&self) -> &AccessClaims {
        self.believed.claims()
    }

    /// The key that signed the token; `None` for an opaque one.
    #[must_use]
    pub fn kid(&self) -> Option<&str> {
        self.believed.kid()
    }

    /// When the guard looked at it: the `now` of every check that was made, and of those that a
    /// [`Rule`](crate::Rule) makes after them.
    #[must_use]
    pub fn admitted_at(&self) -> Timestamp {
        self.at
    }

    /// Whether the token is bound to a DPoP key and the sender proved with this request to hold it.
    #[must_use]
    pub fn is_dpop_bound(&self) -> bool {
        self.sender.dpop
    }

    /// Whether the token is bound to a TLS certificate and the connection was opened with it.
    #[must_use]
    pub fn is_certificate_bound(&self) -> bool {
        self.sender.certificate
    }

    /// The nonce that the client should go over to, for the `DPoP-Nonce` field of the answer
    /// ([RFC 9449 section 8.2](https://www.rfc-editor.org/rfc/rfc9449#section-8.2)): there is one if its proof
    /// has an older one. A [`GuardLayer`](crate::GuardLayer) sets the field by itself.
    #[must_use]
    pub fn dpop_nonce(&self) -> Option<&str> {
        self.sender.next_nonce.as_deref()
    }

    /// The verified payload, as it was signed; of an opaque token, what its issuer says of it as a JSON object.
    #[must_use]
    pub fn payload(&self) -> &[u8] {
        &self.believed.payload
    }

    /// A claim by its name, whichever it is.
    #[must_use]
    pub fn claim(&self, name: &str) -> Option<&Value> {
        self.believed.claim(name)
    }

    /// All claims as a type of your own.
    ///
    /// # Errors
    /// [`Denied::CustomClaims`] if the payload does not fit `C`.
    pub fn custom<C: DeserializeOwned>(&self) -> Result<C, Denied> {
        serde_json::from_slice(&self.believed.payload)
            .map_err(|error| Denied::CustomClaims(error.to_string()))
    }
}

impl Deref for Admitted {
    type Target = AccessClaims;

    fn deref(&self) -> &AccessClaims {
        self.claims()
    }
}

impl fmt::Debug for Admitted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Admitted").field(self.claims()).finish()
    }
}
