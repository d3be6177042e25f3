//! A login that has begun at a provider: what the browser carries until it comes back.
//!
//! It is sealed in a cookie, so that nothing is kept here for visitors whom nobody knows yet, and bound to the secret of the
//! browser's forms, so that no other browser can end what this one began (login CSRF).

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use gatepass_jose::{Timestamp, base64url};
use gatepass_token::CodeVerifier;
use serde::{Deserialize, Serialize};
use thiserror::Error;
use url::Url;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use super::endpoints::unavailable;
use super::identity::Expected;
use super::{
    Identity, IdentityProvider, ProviderError, ProviderId, ProviderProtocol, ProviderResponseMode, excerpt,
};
use crate::authorize::LONGEST_AGE;
use crate::issuer::Issuer;
use crate::jti::JtiDigest;
use crate::secrets::random;
use crate::store::StoreError;

/// The longest request that is taken along, in bytes: sealed, it has to fit into a cookie.
pub const MAX_CARRIED: usize = 2400;
/// How long the user has at the provider.
pub(super) const LIFETIME: Duration = Duration::from_secs(600);
/// How far the clocks of a provider and this server may differ.
pub(super) const SKEW: Duration = Duration::from_secs(60);

/// What goes on after a login.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LoginPurpose {
    /// An application's authorization request.
    Application,
    /// The page where devices are allowed.
    Device,
}

/// What a login must say of when its user showed who they are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Freshness {
    /// Nothing.
    #[default]
    Any,
    /// When it was, however long ago.
    Told,
    /// That it was for this login.
    Anew,
}

/// A login to be begun.
#[derive(Clone, Copy, Debug)]
pub struct BeginLogin<'b> {
    /// What goes on afterwards.
    pub purpose: LoginPurpose,
    /// The request that goes on.
    pub request: &'b str,
    /// What it must say of when the user showed who they are.
    pub freshness: Freshness,
    /// The secret that the browser's forms are bound to.
    pub browser: &'b str,
}

/// A login that has begun. Shows nothing in `Debug`, and is wiped when dropped.
#[derive(Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
pub struct BegunLogin {
    #[zeroize(skip)]
    provider: ProviderId,
    state: String,
    nonce: String,
    code_verifier: String,
    #[zeroize(skip)]
    purpose: LoginPurpose,
    request: String,
    #[zeroize(skip)]
    freshness: Freshness,
    begun_at: i64,
}

/// What a provider says by way of the browser: [RFC 6749 section 4.1.2](https://www.rfc-editor.org/rfc/rfc6749#section-4.1.2),
/// RFC 9207.
#[derive(Clone, Copy, Default)]
pub struct AuthorizationAnswer<'a> {
    /// What this server said when the login began.
    pub state: Option<&'a str>,
    /// What to fetch tokens with.
    pub code: Option<&'a str>,
    /// Why there is none.
    pub error: Option<&'a str>,
    /// Whose answer it is.
    pub iss: Option<&'a str>,
}

/// Why an answer belongs to no login.
#[derive(Clone, Debug, Error)]
pub enum NotBegun {
    /// This browser has begun none with this provider within ten minutes, or it is another's answer.
    #[error("this browser began no such login")]
    Unknown,
    /// It came before.
    #[error("the answer was used before")]
    Replayed,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl BegunLogin {
    /// What goes on afterwards.
    #[must_use]
    pub fn purpose(&self) -> LoginPurpose {
        self.purpose
    }

    /// The request that goes on.
    #[must_use]
    pub fn request(&self) -> &str {
        &self.request
    }

    pub(super) fn state(&self) -> &str {
        &self.state
    }

    fn ends_at(&self) -> Timestamp {
        Timestamp::from_secs(self.begun_at).saturating_add(LIFETIME)
    }
}

impl fmt::Debug for BegunLogin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BegunLogin").field("provider", &self.provider).finish_non_exhaustive()
    }
}

impl fmt::Debug for AuthorizationAnswer<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AuthorizationAnswer(..)")
    }
}

impl Issuer {
    /// The providers that users can log in with.
    #[must_use]
    pub fn identity_providers(&self) -> &[Arc<IdentityProvider>] {
        &self.config.identity_providers
    }

    /// The provider of that id.
    #[must_use]
    pub fn identity_provider(&self, id: &ProviderId) -> Option<&IdentityProvider> {
        self.config.identity_providers.iter().find(|provider| provider.id == *id).map(|provider| &**provider)
    }

    /// Begins a login at a provider: where the browser is to go, and what it is to carry in a cookie.
    ///
    /// # Errors
    /// [`ProviderError`].
    pub async fn begin_at_provider(
        &self,
        id: &ProviderId,
        begin: BeginLogin<'_>,
        now: Timestamp,
    ) -> Result<(Url, String), ProviderError> {
        let provider = self.identity_provider(id).ok_or(ProviderError::Unknown)?;
        if begin.request.len() > MAX_CARRIED {
            return Err(ProviderError::TooLong);
        }
        if !provider.can_say(begin.freshness) {
            return Err(ProviderError::NotAgain);
        }
        let endpoints = provider.endpoints(now).await?;
        let text = || Ok::<_, ProviderError>(base64url::encode(&random::<32>()?));
        let login = BegunLogin {
            provider: id.clone(),
            state: text()?,
            nonce: text()?,
            code_verifier: text()?,
            purpose: begin.purpose,
            request: begin.request.to_owned(),
            freshness: begin.freshness,
            begun_at: now.as_secs(),
        };
        let url = self.authorization_url(provider, &endpoints.authorization, &login)?;
        let plain = Zeroizing::new(serde_json::to_vec(&login).map_err(unavailable)?);
        let sealed = self.secrets.provider_logins.seal(context(b"begun", begin.browser), &plain)?;
        Ok((url, base64url::encode(&sealed)))
    }

    fn authorization_url(
        &self,
        provider: &IdentityProvider,
        endpoint: &Url,
        login: &BegunLogin,
    ) -> Result<Url, ProviderError> {
        let verifier = CodeVerifier::parse(&login.code_verifier).map_err(unavailable)?;
        let mut url = endpoint.clone();
        let mut query = url.query_pairs_mut();
        query
            .append_pair("response_type", "code")
            .append_pair("client_id", &provider.client_id)
            .append_pair("redirect_uri", &self.provider_redirect_uri(&provider.id))
            .append_pair("scope", &provider.scope)
            .append_pair("state", &login.state)
            .append_pair("code_challenge", &verifier.challenge().to_string())
            .append_pair("code_challenge_method", "S256");
        if provider.response_mode == ProviderResponseMode::FormPost {
            query.append_pair("response_mode", "form_post");
        }
        if let ProviderProtocol::OpenIdConnect { .. } = provider.protocol {
            query.append_pair("nonce", &login.nonce);
            // With `max_age` the ID token says when the user last showed who they are (OpenID Connect Core 2).
            match login.freshness {
                Freshness::Any => {}
                Freshness::Told => drop(query.append_pair("max_age", &LONGEST_AGE.as_secs().to_string())),
                Freshness::Anew => drop(query.append_pair("prompt", "login").append_pair("max_age", "0")),
            }
        }
        drop(query);
        Ok(url)
    }

    /// Where a provider sends browsers back to; to be registered there.
    #[must_use]
    pub fn provider_redirect_uri(&self, id: &ProviderId) -> String {
        let base = self.config.issuer.as_str().trim_end_matches('/');
        format!("{base}/oauth/providers/{id}/callback")
    }

    /// The login that this browser began with this provider, by its cookie, if `answer` is to it. It is used up by that.
    ///
    /// # Errors
    /// [`NotBegun`].
    pub async fn end_at_provider(
        &self,
        id: &ProviderId,
        cookie: &str,
        browser: &str,
        answer: &AuthorizationAnswer<'_>,
        now: Timestamp,
    ) -> Result<BegunLogin, NotBegun> {
        let login = self.open_begun(cookie, browser).ok_or(NotBegun::Unknown)?;
        let state = answer.state.unwrap_or_default();
        let is_its = verify_slices_are_equal(state.as_bytes(), login.state.as_bytes()).is_ok();
        // What one provider was asked, another cannot answer (mix-up): each has a redirect URI of its own.
        if login.provider != *id || !is_its || now >= login.ends_at() {
            return Err(NotBegun::Unknown);
        }
        let jti = JtiDigest::of("login at a provider", id.as_str(), &login.state);
        match self.store.consume_jti(jti, login.ends_at()).await? {
            true => Ok(login),
            false => Err(NotBegun::Replayed),
        }
    }

    fn open_begun(&self, cookie: &str, browser: &str) -> Option<BegunLogin> {
        let sealed = base64url::decode(cookie).ok()?;
        let plain = self.secrets.provider_logins.open(context(b"begun", browser), &sealed).ok()?;
        serde_json::from_slice(&plain).ok()
    }

    /// Who has logged in at the provider, by its answer.
    ///
    /// # Errors
    /// [`ProviderError`].
    pub async fn identify(
        &self,
        login: &BegunLogin,
        answer: &AuthorizationAnswer<'_>,
        now: Timestamp,
    ) -> Result<Identity, ProviderError> {
        let provider = self.identity_provider(&login.provider).ok_or(ProviderError::Unknown)?;
        let endpoints = provider.endpoints(now).await?;
        // Before anything else is believed, errors too: RFC 9207 section 2.4.
        if let ProviderProtocol::OpenIdConnect { issuer, .. } = &provider.protocol {
            match answer.iss {
                Some(iss) if iss != issuer.as_str() => {
                    return Err(disbelieved("its answer is another issuer's"));
                }
                None if endpoints.answers_name_issuer => {
                    return Err(disbelieved("its answer does not name it"));
                }
                _ => {}
            }
        }
        if let Some(error) = answer.error {
            return Err(ProviderError::Refused(excerpt(error)));
        }
        let code = answer.code.ok_or_else(|| disbelieved("its answer has no code"))?;
        let _place = provider.places.try_acquire().map_err(|_| ProviderError::Busy)?;
        let redirect_uri = self.provider_redirect_uri(&provider.id);
        let tokens =
            provider.exchange_code(&endpoints, code, &login.code_verifier, &redirect_uri, now).await?;
        let expected = Expected {
            nonce: &login.nonce,
            freshness: login.freshness,
            begun_at: Timestamp::from_secs(login.begun_at),
        };
        provider.identity(&endpoints, &tokens, expected, now).await
    }
}

/// What something is sealed for, in which browser.
pub(super) fn context(what: &[u8], browser: &str) -> Vec<u8> {
    [what, b" ", browser.as_bytes()].concat()
}

pub(super) fn disbelieved(why: impl fmt::Display) -> ProviderError {
    ProviderError::Disbelieved(excerpt(&why.to_string()))
}
