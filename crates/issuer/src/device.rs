//! Device authorization ([RFC 8628](https://www.rfc-editor.org/rfc/rfc8628)): a device that cannot show a login page
//! asks for tokens, and its user allows it at another one.
//!
//! The device holds a code that nobody can guess and asks with it until there is an answer. The user types another
//! code, which is short, and which therefore opens nothing by itself: it names a request to somebody who is logged
//! in, and wrong guesses are throttled.

mod authorization;
mod user_code;

use std::fmt;

use gatepass_jose::{Timestamp, base64url};
use gatepass_token::{AuthorizationDetails, ScopeSet};
use thiserror::Error;
use zeroize::Zeroizing;

pub(crate) use self::authorization::DeviceThrottles;
pub use self::authorization::{
    AskedByDevice, DEVICE_CODE_LIFETIME, DeviceAuthorizationError, GivenToDevice, POLLING_INTERVAL,
    UserCodeError,
};
pub use self::user_code::{InvalidUserCode, UserCode};
use crate::authorize::RequestedClaims;
use crate::code::{Granted, PresentedCode};
use crate::id::{ClientId, SessionId, UserId};
use crate::session::Session;

/// Lets people and scanners of leaked secrets recognise one.
const PREFIX: &str = "gpd_";

/// A device code: 32 random bytes. Wiped when dropped, and shows nothing in `Debug`.
#[derive(Clone)]
pub struct DeviceCode(Zeroizing<String>);

impl DeviceCode {
    pub(crate) fn from_random(bytes: &[u8; 32]) -> Self {
        Self(Zeroizing::new(format!("{PREFIX}{}", base64url::encode(bytes))))
    }

    /// The text, for the device that asked.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for DeviceCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DeviceCode(..)")
    }
}

/// The keyed hash of a [`DeviceCode`], as the store keeps it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct DeviceCodeDigest(pub [u8; 32]);

impl fmt::Debug for DeviceCodeDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DeviceCodeDigest(..)")
    }
}

/// The keyed hash of a [`UserCode`], as the store keeps it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct UserCodeDigest(pub [u8; 32]);

impl fmt::Debug for UserCodeDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("UserCodeDigest(..)")
    }
}

/// What a device has asked for: its row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceAuthorization {
    /// How the device finds it.
    pub digest: DeviceCodeDigest,
    /// How the user finds it.
    pub user_code: UserCodeDigest,
    /// The client that asked.
    pub client: ClientId,
    /// What it asks for, within its registration.
    pub scope: ScopeSet,
    /// What it asks for beyond that.
    pub authorization_details: AuthorizationDetails,
    /// The audience of the tokens.
    pub resource: String,
    /// Until when it can be answered, and the answer fetched.
    pub expires_at: Timestamp,
    /// What became of it.
    pub state: DeviceState,
}

impl DeviceAuthorization {
    /// Whether it still waits for its user's answer at `now`.
    #[must_use]
    pub fn is_pending(&self, now: Timestamp) -> bool {
        self.state == DeviceState::Pending && now < self.expires_at
    }
}

/// What became of a device's request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeviceState {
    /// Its user has said nothing yet.
    Pending,
    /// Its user said no.
    Denied,
    /// Its user said yes.
    Allowed(Allowed),
    /// It has given a session, or none because the user was gone.
    Used(Option<SessionId>),
}

/// Who has allowed a device what it asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Allowed {
    /// The user.
    pub user: UserId,
    /// The login under which they did.
    pub login: SessionId,
}

/// What a user says to a device's request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeviceAnswer {
    /// Yes.
    Allow(Allowed),
    /// No.
    Deny,
}

/// What is to happen to the row of a device code that is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeviceDecision {
    /// It is used up; start this session.
    Give(Box<Session>),
    /// Nothing.
    Refuse(DeviceRefusal),
    /// It was used before: end the session that it gave, if any.
    Replay(Option<SessionId>),
}

/// Why a device code that exists gives nothing, or nothing yet
/// ([RFC 8628 section 3.5](https://www.rfc-editor.org/rfc/rfc8628#section-3.5)).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum DeviceRefusal {
    /// The user has not answered.
    #[error("the user has not answered yet")]
    Pending,
    /// The device asks more often than it was told to.
    #[error("the user has not answered yet, and the device asks too often")]
    TooFast,
    /// The user said no.
    #[error("the user did not allow it")]
    Denied,
    /// Nobody answered in time, or nobody fetched the answer.
    #[error("the device code has expired")]
    Expired,
    /// Another client's.
    #[error("the device code was given to another client")]
    WrongClient,
    /// The user has logged out since, or is gone.
    #[error("the login under which it was allowed has ended")]
    LoginEnded,
}

/// Decides what it means that `presented` came with the device code of `asked`, which was allowed under `login`.
#[must_use]
pub fn decide(
    asked: &DeviceAuthorization,
    login: Option<&Session>,
    presented: &PresentedCode,
) -> DeviceDecision {
    if asked.client != presented.client {
        return DeviceDecision::Refuse(DeviceRefusal::WrongClient);
    }
    match &asked.state {
        DeviceState::Used(session) => DeviceDecision::Replay(*session),
        _ if presented.now >= asked.expires_at => DeviceDecision::Refuse(DeviceRefusal::Expired),
        DeviceState::Pending => DeviceDecision::Refuse(DeviceRefusal::Pending),
        DeviceState::Denied => DeviceDecision::Refuse(DeviceRefusal::Denied),
        DeviceState::Allowed(allowed) => {
            let login = login.filter(|login| login.user == allowed.user && login.is_live(presented.now));
            let Some(login) = login else { return DeviceDecision::Refuse(DeviceRefusal::LoginEnded) };
            let claims = RequestedClaims::default(); // devices ask for none
            let granted = Granted {
                client: &asked.client,
                scope: &asked.scope,
                authorization_details: &asked.authorization_details,
                claims: &claims,
                resource: &asked.resource,
            };
            DeviceDecision::Give(Box::new(presented.session(granted, login)))
        }
    }
}

#[cfg(test)]
mod tests;
