//! How the answer travels to the client, and the answer signed
//! ([JARM](https://openid.net/specs/oauth-v2-jarm.html)).

use std::collections::BTreeMap;
use std::time::Duration;

use gatepass_jose::{NumericDate, Timestamp, Typ, jwt};
use serde::Serialize;

use super::Back;
use crate::id_token::ID_TOKEN_ALG;
use crate::issuer::Issuer;
use crate::mint::MintError;

/// The `typ` of an answer. It says of nobody that they are logged in (`sub`), so it does not pass for an ID token.
const TYP: Typ = Typ::new("JWT");
/// How long an answer is good: the most that JARM section 2.1 recommends. The code in it lives a minute.
const LIFETIME: Duration = Duration::from_secs(600);

/// How the answer travels to the client. In a fragment it does not: what stands there is seen by every script of the
/// page.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ResponseMode {
    /// In the redirect URI's query.
    #[default]
    Query,
    /// In a form that the browser sends
    /// ([OAuth 2.0 Form Post Response Mode](https://openid.net/specs/oauth-v2-form-post-response-mode-1_0.html)).
    FormPost,
    /// Signed, in the query.
    QueryJwt,
    /// Signed, in a form.
    FormPostJwt,
}

impl ResponseMode {
    /// The modes that are served, as the metadata name them.
    pub const NAMES: [&str; 5] = ["query", "form_post", "jwt", "query.jwt", "form_post.jwt"];

    pub(super) fn of(name: &str) -> Option<Self> {
        match name {
            "query" => Some(Self::Query),
            "form_post" => Some(Self::FormPost),
            // JARM section 2.3.4: the usual way for a code is the query.
            "jwt" | "query.jwt" => Some(Self::QueryJwt),
            "form_post.jwt" => Some(Self::FormPostJwt),
            _ => None,
        }
    }

    /// Whether the answer travels in a form.
    #[must_use]
    pub fn is_form(self) -> bool {
        matches!(self, Self::FormPost | Self::FormPostJwt)
    }

    /// Whether the answer is signed.
    #[must_use]
    pub fn is_signed(self) -> bool {
        matches!(self, Self::QueryJwt | Self::FormPostJwt)
    }
}

#[derive(Serialize)]
struct ResponseClaims<'r> {
    iss: &'r str,
    aud: &'r str,
    exp: NumericDate,
    #[serde(flatten)]
    params: BTreeMap<&'r str, &'r str>,
}

impl Issuer {
    /// The answer signed for the client alone: the parameter `response` in the place of all others.
    ///
    /// # Errors
    /// [`MintError`] when no key signs.
    pub fn sign_response(
        &self,
        back: &Back,
        params: &[(&str, &str)],
        now: Timestamp,
    ) -> Result<String, MintError> {
        let claims = ResponseClaims {
            iss: self.config.issuer.as_str(),
            aud: back.client.as_str(),
            exp: now.saturating_add(LIFETIME).into(),
            params: params.iter().copied().collect(),
        };
        let ring = self.ring.load();
        let signer = ring.signer(ID_TOKEN_ALG, now).ok_or(MintError::NoKey(ID_TOKEN_ALG))?;
        Ok(jwt::sign(&TYP, &claims, signer)?)
    }
}
