//! Users change their own password.

use std::net::IpAddr;

use gatepass_jose::Timestamp;
use thiserror::Error;

use crate::admin::{AdminError, ChangeUser, OwnChange};
use crate::id::{SessionId, UserId};
use crate::issuer::Issuer;
use crate::password::{InvalidPassword, Password};
use crate::session::Session;
use crate::sessions::{Login, LoginError};
use crate::sign_on::{LoginCookie, SignedOn};
use crate::store::StoreError;
use crate::user::User;

/// A user's change of their own password.
#[derive(Clone, Debug)]
pub struct OwnPasswordChange {
    /// Who is logged in.
    pub user: UserId,
    /// The session that they do it in, which stays.
    pub session: Option<SessionId>,
    /// What shows that it is them, and not somebody at their device.
    pub current: Password,
    /// What they want to log in with from now on.
    pub new: Password,
    /// Where they come from, for the throttle.
    pub address: Option<IpAddr>,
    /// What the browser keeps since its user's last login with it, if anything.
    pub known_device: Option<String>,
}

/// Why a password was not changed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum OwnPasswordError {
    /// The current password is not shown, as at a login: wrong, too many failures, too busy.
    #[error(transparent)]
    Login(#[from] LoginError),
    /// The new password is refused.
    #[error(transparent)]
    New(#[from] InvalidPassword),
    /// Our fault, or somebody else's change meanwhile.
    #[error(transparent)]
    Change(AdminError),
}

impl From<StoreError> for OwnPasswordError {
    fn from(error: StoreError) -> Self {
        Self::Login(error.into())
    }
}

impl From<AdminError> for OwnPasswordError {
    fn from(error: AdminError) -> Self {
        match error {
            AdminError::Password(why) => Self::New(why),
            AdminError::Overloaded(overloaded) => Self::Login(overloaded.into()),
            AdminError::Store(error) => error.into(),
            error => Self::Change(error),
        }
    }
}

impl Issuer {
    /// Changes a user's password for themselves. Every other session of theirs has ended when it returns, and every
    /// access token, that of their own session too: it is refreshed. Browsers that they have logged in with are not known any
    /// more.
    ///
    /// # Errors
    /// [`OwnPasswordError`]. Wrong current passwords count as failed logins do, in the same buckets.
    pub async fn change_own_password(
        &self,
        change: OwnPasswordChange,
        now: Timestamp,
    ) -> Result<User, OwnPasswordError> {
        let user = self.store.find_user(change.user).await?.ok_or(LoginError::Denied)?;
        let login = Login {
            username: user.username,
            password: change.current,
            scope: None,
            resource: None,
            device: String::new(),
            address: change.address,
            known_device: change.known_device,
        };
        let user = self.require_password(&login, now).await?;
        // The name may be somebody else's by now.
        if user.id != change.user {
            return Err(LoginError::Denied.into());
        }
        let own = OwnChange { session: change.session, password: user.password };
        let changed = ChangeUser { password: Some(change.new), own: Some(own), ..ChangeUser::default() };
        let user = match self.change_user(user.id, changed, now).await {
            // Another password meanwhile.
            Err(AdminError::Unknown) => return Err(LoginError::Denied.into()),
            changed => changed?,
        };
        tracing::info!(target: "gatepass::audit", event = "own-password-changed", sub = %user.id);
        Ok(user)
    }

    /// The same in the login that `cookie` is of, in whose place comes another: whoever has a copy of the cookie has nothing
    /// any more.
    ///
    /// # Errors
    /// [`OwnPasswordError`]. Where the change was made and then somebody else's came, [`LoginError::Denied`].
    pub async fn change_own_password_and_login(
        &self,
        change: OwnPasswordChange,
        cookie: &str,
        device: &str,
        now: Timestamp,
    ) -> Result<(SignedOn, LoginCookie), OwnPasswordError> {
        let user = self.change_own_password(change, now).await?;
        let entered = self.start_sign_on(user.id, None, device, Some(cookie), now).await;
        let (login, cookie) = entered.map_err(LoginError::from)?.ok_or(LoginError::Denied)?;
        self.require_still(&user.password, &login.user, login.session.id, now).await?;
        Ok((login, cookie))
    }

    /// The live session of the operator's own apps that a refresh token belongs to, whichever its generation.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn session_of(
        &self,
        refresh_token: &str,
        now: Timestamp,
    ) -> Result<Option<Session>, StoreError> {
        let session = self.find_session_of(refresh_token, now).await?;
        Ok(session.filter(|session| session.client.is_first_party()))
    }
}
