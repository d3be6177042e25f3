//! How the answer travels to the client, and the answer signed
//! ([JARM](https://openid.net/specs/oauth-v2-jarm.html)).

use std::collections::BTreeMap;
use std::time::Duration;

use gatepass_jose::{NumericDate, Timestamp, Typ};
use serde::Serialize;

use super::Back;
use crate::client::Told;
use crate::issuer::Issuer;
use crate::response::ResponseError;

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
    /// The answer signed for the client alone, and encrypted where it wants that: the parameter `response` in the place
    /// of all others. `None` where there is no such client any more.
    ///
    /// # Errors
    /// [`ResponseError`].
    pub async fn sign_response(
        &self,
        back: &Back,
        params: &[(&str, &str)],
        now: Timestamp,
    ) -> Result<Option<String>, ResponseError> {
        let Some(client) = self.client_of(&back.client, now).await? else { return Ok(None) };
        let writer = self.response_writer(&client, Told::Authorization, now).await?;
        let claims = ResponseClaims {
            iss: self.config.issuer.as_str(),
            aud: back.client.as_str(),
            exp: now.saturating_add(LIFETIME).into(),
            params: params.iter().copied().collect(),
        };
        Ok(Some(writer.write(&TYP, &claims)?))
    }
}
