//! Who somebody is, as a provider says it.

use std::fmt;

use gatepass_jose::{Jwk, KeySet, NumericDate, Timestamp, base64url, decode_unverified};
use gatepass_token::{ExpectedIdToken, IdToken, verify_id_token};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use zeroize::Zeroizing;

use super::begun::{LIFETIME, SKEW, context, disbelieved};
use super::endpoints::{Endpoints, Tokens, unavailable};
use super::{
    BegunLogin, Freshness, IdentityProvider, LoginPurpose, ProviderError, ProviderId, ProviderProtocol,
};
use crate::email::EmailAddress;
use crate::issuer::Issuer;
use crate::secrets::SecretError;
use crate::trusted_issuer::PublishedSet;

/// The longest name of a user at a provider, in bytes. That of an ID token has at most 255.
const MAX_SUBJECT: usize = 255;
/// Of what a provider calls a user this much is shown, in characters.
const MAX_NAME: usize = 128;

/// Where in the answer of a userinfo endpoint it stands who somebody is: JSON Pointers
/// ([RFC 6901](https://www.rfc-editor.org/rfc/rfc6901)).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserInfoMembers {
    /// The provider's own name of the user, that stays and is never given to another: text, or a number.
    pub subject: String,
    /// The e-mail address.
    pub email: Option<String>,
    /// `true` where the provider has verified the address. Without it, no address of the provider's is.
    pub email_verified: Option<String>,
    /// What people call the user.
    pub name: Option<String>,
}

/// Somebody, as a provider knows them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// The provider.
    pub provider: ProviderId,
    /// What it calls them, which stays.
    pub subject: String,
    /// What people call them there, to be shown.
    pub name: Option<String>,
    /// An address that the provider has verified.
    pub verified_email: Option<EmailAddress>,
    /// When they showed the provider who they are, if it says so.
    pub auth_time: Option<NumericDate>,
}

/// An identity that waits for what its user says, with what goes on afterwards.
#[derive(Clone, Serialize, Deserialize)]
pub struct ArrivedIdentity {
    /// Who it is.
    pub identity: Identity,
    /// What goes on.
    pub purpose: LoginPurpose,
    /// The request that goes on.
    pub request: String,
    /// Tells it from every other.
    pub(super) id: String,
    ends_at: i64,
}

/// One of a user's addresses, where a provider lists them.
#[derive(Deserialize)]
struct ListedEmail {
    email: String,
    primary: bool,
    verified: bool,
}

/// What an identity has to fit.
#[derive(Clone, Copy)]
pub(super) struct Expected<'e> {
    pub(super) nonce: &'e str,
    pub(super) freshness: Freshness,
    /// When the login began.
    pub(super) begun_at: Timestamp,
}

impl IdentityProvider {
    /// Who it is that these tokens are of.
    pub(super) async fn identity(
        &self,
        endpoints: &Endpoints,
        tokens: &Tokens,
        expected: Expected<'_>,
        now: Timestamp,
    ) -> Result<Identity, ProviderError> {
        let (members, emails) = match &self.protocol {
            ProviderProtocol::OpenIdConnect { .. } => {
                let token = self.id_token(endpoints, tokens, expected, now).await?;
                let auth_time = token.auth_time.map(NumericDate::from);
                let identity = self.identity_of_token(endpoints, tokens, token).await?;
                return Ok(Identity { auth_time, ..identity });
            }
            ProviderProtocol::OAuth { members, emails_endpoint, .. } => (members, emails_endpoint),
        };
        let url = endpoints.userinfo.as_ref().ok_or_else(|| unavailable("it has no userinfo endpoint"))?;
        let said = Value::Object(self.about_user(url, &tokens.access).await?);
        let subject = said.pointer(&members.subject).and_then(subject_of);
        let subject = subject.ok_or_else(|| disbelieved("its userinfo endpoint names no subject"))?;
        let at = |pointer: &Option<String>| pointer.as_ref().and_then(|pointer| said.pointer(pointer));
        let text = |value: Option<&Value>| value.and_then(Value::as_str).map(str::to_owned);
        let name = text(at(&members.name));
        if let Some(url) = emails {
            let listed: Vec<ListedEmail> = self.about_user(url, &tokens.access).await?;
            let primary = listed.into_iter().find(|listed| listed.primary && listed.verified);
            return Ok(self.known(subject, name, primary.map(|listed| listed.email), true));
        }
        let is_verified = at(&members.email_verified) == Some(&Value::Bool(true));
        Ok(self.known(subject, name, text(at(&members.email)), is_verified))
    }

    async fn id_token(
        &self,
        endpoints: &Endpoints,
        tokens: &Tokens,
        expected: Expected<'_>,
        now: Timestamp,
    ) -> Result<IdToken, ProviderError> {
        let ProviderProtocol::OpenIdConnect { issuer, id_token_signed_response_alg } = &self.protocol else {
            return Err(disbelieved("it makes no ID tokens"));
        };
        let signing = endpoints.id_tokens.as_ref().ok_or_else(|| unavailable("it publishes no keys"))?;
        let id_token = tokens.id.as_ref().ok_or_else(|| disbelieved("it gave no ID token"))?;
        let header = decode_unverified(id_token).map_err(disbelieved)?;
        let kid = header.unverified_kid();
        let is_it = |jwk: &Jwk| kid.is_none_or(|kid| jwk.kid.as_deref() == Some(kid));
        let has = |set: &PublishedSet| set.jwks.keys.iter().any(is_it);
        let set = signing.keys.find(has, now).await.map_err(unavailable)?;
        let wanted = ExpectedIdToken {
            issuer,
            algs: id_token_signed_response_alg.as_ref().map_or(&signing.algs, std::slice::from_ref),
            client_id: &self.client_id,
            trusted_audiences: &[],
            nonce: expected.nonce,
            access_token: &tokens.access,
        };
        let keys = |alg| KeySet::from_jwks(&set.jwks, &[alg]);
        let token = verify_id_token(id_token, &wanted, keys, SKEW, now).map_err(disbelieved)?;
        // By this server's clock: nobody logs in later than now, nor who was asked anew before they were.
        let since = expected.begun_at;
        let auth_time = match (expected.freshness, token.auth_time) {
            (Freshness::Anew, Some(at)) if at.saturating_add(SKEW) >= since => Some(at.max(since).min(now)),
            (Freshness::Anew, _) | (Freshness::Told, None) => return Err(ProviderError::NotAgain),
            (Freshness::Any | Freshness::Told, at) => at.map(|at| at.min(now)),
        };
        Ok(IdToken { auth_time, ..token })
    }

    /// What the ID token leaves out, the userinfo endpoint may say, of the same user
    /// ([OpenID Connect Core 1.0 section 5.3.2](https://openid.net/specs/openid-connect-core-1_0.html#UserInfoResponse)).
    async fn identity_of_token(
        &self,
        endpoints: &Endpoints,
        tokens: &Tokens,
        token: IdToken,
    ) -> Result<Identity, ProviderError> {
        let Some(url) = endpoints.userinfo.as_ref().filter(|_| token.email.is_none()) else {
            return Ok(self.known(token.sub, token.name, token.email, token.email_verified));
        };
        let said: Map<String, Value> = self.about_user(url, &tokens.access).await?;
        if said.get("sub").and_then(Value::as_str) != Some(&token.sub) {
            return Err(disbelieved("its userinfo endpoint speaks of another user than its ID token"));
        }
        let text = |name: &str| said.get(name).and_then(Value::as_str).map(str::to_owned);
        let is_verified = is_true(&said, "email_verified");
        let name = token.name.or_else(|| text("name")).or_else(|| text("preferred_username"));
        Ok(self.known(token.sub, name, text("email"), is_verified))
    }

    fn known(
        &self,
        subject: String,
        name: Option<String>,
        email: Option<String>,
        is_verified: bool,
    ) -> Identity {
        let shown =
            |name: String| name.chars().filter(|c| !c.is_control()).take(MAX_NAME).collect::<String>();
        Identity {
            provider: self.id.clone(),
            subject,
            name: name.map(shown).filter(|name| !name.trim().is_empty()),
            verified_email: email.filter(|_| is_verified).and_then(|email| email.parse().ok()),
            auth_time: None,
        }
    }
}

impl Identity {
    /// What to show of it: its name and its address, as far as there are some.
    #[must_use]
    pub fn shown(&self) -> String {
        match (&self.name, &self.verified_email) {
            (Some(name), Some(email)) if name != email.as_str() => format!("{name} ({email})"),
            (Some(name), _) => name.clone(),
            (None, Some(email)) => email.to_string(),
            (None, None) => self.subject.chars().filter(|c| !c.is_control()).take(MAX_NAME).collect(),
        }
    }
}

impl fmt::Debug for ArrivedIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ArrivedIdentity").field("identity", &self.identity).finish_non_exhaustive()
    }
}

impl Issuer {
    /// Seals an identity for a form: in this browser, and for ten minutes, it can be gone on with.
    ///
    /// # Errors
    /// [`SecretError`].
    pub fn seal_identity(
        &self,
        identity: &Identity,
        login: &BegunLogin,
        browser: &str,
        now: Timestamp,
    ) -> Result<String, SecretError> {
        let arrived = ArrivedIdentity {
            identity: identity.clone(),
            purpose: login.purpose(),
            request: login.request().to_owned(),
            id: login.state().to_owned(),
            ends_at: now.saturating_add(LIFETIME).as_secs(),
        };
        // Text, numbers and maps of them: there is nothing that JSON could refuse.
        let plain = Zeroizing::new(serde_json::to_vec(&arrived).unwrap_or_default());
        let sealed = self.secrets.provider_logins.seal(context(b"identity", browser), &plain)?;
        Ok(base64url::encode(&sealed))
    }

    /// What [`Issuer::seal_identity`] sealed for this browser.
    #[must_use]
    pub fn open_identity(&self, sealed: &str, browser: &str, now: Timestamp) -> Option<ArrivedIdentity> {
        let sealed = base64url::decode(sealed).ok()?;
        let plain = self.secrets.provider_logins.open(context(b"identity", browser), &sealed).ok()?;
        let arrived: ArrivedIdentity = serde_json::from_slice(&plain).ok()?;
        (now < Timestamp::from_secs(arrived.ends_at)).then_some(arrived)
    }
}

impl ArrivedIdentity {
    pub(super) fn ends_at(&self) -> Timestamp {
        Timestamp::from_secs(self.ends_at)
    }
}

/// A name that can be told from every other: text, or a whole number.
fn subject_of(value: &Value) -> Option<String> {
    let subject = match value {
        Value::String(text) => text.clone(),
        Value::Number(number) if number.is_i64() || number.is_u64() => number.to_string(),
        _ => return None,
    };
    (1..=MAX_SUBJECT).contains(&subject.len()).then_some(subject)
}

fn is_true(said: &Map<String, Value>, name: &str) -> bool {
    matches!(said.get(name), Some(Value::Bool(true)))
        || said.get(name).and_then(Value::as_str) == Some("true")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn which_values_name_a_user() {
        let cases = [
            (json!("u1"), Some("u1")),
            (json!(4711), Some("4711")),
            (json!(18_446_744_073_709_551_615_u64), Some("18446744073709551615")),
            (json!(""), None),
            (json!("x".repeat(256)), None),
            (json!(1.5), None),
            (json!(1e300), None),
            (json!(true), None),
            (json!(null), None),
            (json!(["u1"]), None),
            (json!({ "id": 1 }), None),
        ];
        for (value, want) in cases {
            assert_eq!(subject_of(&value).as_deref(), want, "{value}");
        }
    }
}
