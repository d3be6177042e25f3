//! Single sign-on: one login at the authorization server's own pages serves every application.
//!
//! A login is a session like any other, so that whatever lists or ends sessions concerns it too. What the
//! browser holds of it is the session's name with a MAC, under a key that is not in the store; it is made
//! anew at each login, so that nobody can plant one and wait for its user.

use std::fmt;

use aws_lc_rs::hmac;
use gatepass_jose::{Timestamp, base64url};
use zeroize::Zeroizing;

use crate::id::{ClientId, SessionId, UserId};
use crate::identity_provider::{Identity, ProviderId};
use crate::issuer::Issuer;
use crate::session::Session;
use crate::sessions::{InternalError, Login, LoginError};
use crate::store::StoreError;
use crate::user::User;
use gatepass_revocation::Reason;

/// Lets people and scanners of leaked secrets recognise one.
const PREFIX: &str = "gpl_";
const ID: usize = 16;

/// What the browser keeps of a login. Wiped when dropped, and shows nothing in `Debug`.
#[derive(Clone)]
pub struct LoginCookie(Zeroizing<String>);

impl LoginCookie {
    /// The text, for the cookie.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for LoginCookie {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LoginCookie(..)")
    }
}

/// Somebody who is logged in at the authorization server's pages.
#[derive(Clone, Debug)]
pub struct SignedOn {
    /// The login; it was started when the user showed who they are.
    pub session: Session,
    /// The user as they are now.
    pub user: User,
}

impl Issuer {
    /// Logs somebody in at the authorization server's own pages, in the place of the login that `previous`
    /// is the cookie of. Scope and resource of `login` mean nothing here.
    ///
    /// # Errors
    /// [`LoginError`], as [`Issuer::log_in`].
    pub async fn sign_on(
        &self,
        login: Login,
        previous: Option<&str>,
        now: Timestamp,
    ) -> Result<(SignedOn, LoginCookie), LoginError> {
        let user = self.require_password(&login, now).await?;
        let entered = self.start_sign_on(user.id, None, &login.device, previous, now).await?;
        let (login, cookie) = entered.ok_or(LoginError::Denied)?; // disabled since the password was read
        self.require_still(&user.password, &login.user, login.session.id, now).await?;
        Ok((login, cookie))
    }

    /// Starts the login of a user who has shown who they are, here or to a provider; `None` when they are disabled.
    pub(crate) async fn start_sign_on(
        &self,
        user: UserId,
        identity: Option<&Identity>,
        device: &str,
        previous: Option<&str>,
        now: Timestamp,
    ) -> Result<Option<(SignedOn, LoginCookie)>, InternalError> {
        let policy = self.config.login;
        let started =
            self.new_session(user, ClientId::sign_on(), device, policy.idle, policy.absolute, now)?;
        let session = match identity {
            Some(identity) => Session {
                provider: Some(identity.provider.clone()),
                auth_time: identity.auth_time.map(Into::into),
                ..started
            },
            None => started,
        };
        let previous = previous.and_then(|cookie| self.login_of_cookie(cookie));
        if let Some(previous) = previous
            && self.store.find_session(previous).await?.is_some_and(|other| other.user != user)
        {
            self.end_session(previous, Reason::LOGOUT, now).await?;
        }
        let Some(user) = self.store.start_login(&session, previous).await? else { return Ok(None) };
        tracing::info!(
            target: "gatepass::audit", event = "sign-on", sub = %user.id, sid = %session.id,
            provider = session.provider.as_ref().map(ProviderId::as_str)
        );
        let cookie = self.login_cookie(session.id);
        Ok(Some((SignedOn { session, user }, cookie)))
    }

    /// Who is logged in, by the cookie; its idle end moves on.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn signed_on(&self, cookie: &str, now: Timestamp) -> Result<Option<SignedOn>, StoreError> {
        let Some(id) = self.login_of_cookie(cookie) else { return Ok(None) };
        let found = self.store.find_session(id).await?;
        let Some(session) = found.filter(|session| session.is_login() && session.is_live(now)) else {
            return Ok(None);
        };
        let Some(user) = self.store.find_user(session.user).await?.filter(|user| !user.disabled) else {
            return Ok(None);
        };
        let idle_until = now.saturating_add(self.config.login.idle).min(session.expires_at);
        // Not each time: ten writes in the whole of its idle life are exact enough.
        if idle_until.since(session.idle_expires_at) > self.config.login.idle / 10 {
            self.store.extend_session(id, idle_until).await?;
        }
        Ok(Some(SignedOn { session, user }))
    }

    fn login_cookie(&self, id: SessionId) -> LoginCookie {
        let mut bytes = Zeroizing::new(id.as_bytes().to_vec());
        bytes.extend_from_slice(hmac::sign(&self.secrets.login_mac, id.as_bytes()).as_ref());
        LoginCookie(Zeroizing::new(format!("{PREFIX}{}", base64url::encode(&bytes))))
    }

    /// The login that a cookie names, if this issuer made it.
    pub(crate) fn login_of_cookie(&self, cookie: &str) -> Option<SessionId> {
        // 64 characters for 48 bytes: anything else is not worth decoding.
        let encoded = cookie.strip_prefix(PREFIX).filter(|encoded| encoded.len() == 64)?;
        let bytes = Zeroizing::new(base64url::decode(encoded).ok()?);
        let (id, tag) = bytes.split_at_checked(ID)?;
        hmac::verify(&self.secrets.login_mac, id, tag).ok()?;
        id.try_into().map(SessionId::from_bytes).ok()
    }
}
