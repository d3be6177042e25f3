//! In which form a client wants to be told things.

use gatepass_jose::Alg;
use serde::{Deserialize, Serialize};

/// In which form a client is told things, under the names of its registration; each member left out is plain JSON.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ResponseFormats {
    /// What signs the answers of the userinfo endpoint
    /// ([OpenID Connect Registration 1.0 section 2](https://openid.net/specs/openid-connect-registration-1_0.html#ClientMetadata)).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub userinfo_signed_response_alg: Option<Alg>,
    /// What signs the answers to introspections that are asked for as a JWT
    /// ([RFC 9701 section 6](https://www.rfc-editor.org/rfc/rfc9701#section-6)); `ES256` where nothing else is said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub introspection_signed_response_alg: Option<Alg>,
}

impl ResponseFormats {
    /// The algorithms that have to sign for it.
    pub fn signing_algs(&self) -> impl Iterator<Item = Alg> {
        [self.userinfo_signed_response_alg, self.introspection_signed_response_alg].into_iter().flatten()
    }
}

/// What is to change about them; `None` leaves it, `Some(None)` goes back to plain JSON.
#[derive(Clone, Debug, Default)]
#[allow(missing_docs)] // the names are those of `ResponseFormats`
pub struct ChangeResponses {
    pub userinfo_signed_response_alg: Option<Option<Alg>>,
    pub introspection_signed_response_alg: Option<Option<Alg>>,
}

impl ChangeResponses {
    /// The change that leaves nothing of what was.
    #[must_use]
    pub fn to(formats: ResponseFormats) -> Self {
        Self {
            userinfo_signed_response_alg: Some(formats.userinfo_signed_response_alg),
            introspection_signed_response_alg: Some(formats.introspection_signed_response_alg),
        }
    }

    pub(crate) fn of(self, before: ResponseFormats) -> ResponseFormats {
        ResponseFormats {
            userinfo_signed_response_alg: self
                .userinfo_signed_response_alg
                .unwrap_or(before.userinfo_signed_response_alg),
            introspection_signed_response_alg: self
                .introspection_signed_response_alg
                .unwrap_or(before.introspection_signed_response_alg),
        }
    }
}
