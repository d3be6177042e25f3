//! What a device asks for, and what its user says to it.

use std::net::IpAddr;
use std::time::Duration;

use gatepass_jose::Timestamp;
use thiserror::Error;

use super::{
    Allowed, DeviceAnswer, DeviceAuthorization, DeviceCode, DeviceCodeDigest, DeviceState, UserCode,
};
use crate::authorize::{Refusal, requested_details, requested_scope};
use crate::client::{Client, GrantType};
use crate::client_authentication::{AuthenticatedClient, ClientAuthentication};
use crate::grant::TokenError;
use crate::issuer::Issuer;
use crate::resource::NamedResources;
use crate::secrets::{SecretError, random};
use crate::sessions::InternalError;
use crate::sign_on::SignedOn;
use crate::store::StoreError;
use crate::throttle::{Throttle, ThrottleLimit, ThrottlePolicy, Throttled};

/// How long a user has to allow it, and the device to fetch the answer: long enough to find a telephone and to log
/// in, and not long enough for a code that was read out to a stranger yesterday.
pub const DEVICE_CODE_LIFETIME: Duration = Duration::from_secs(600);

/// How often a device may ask.
pub const POLLING_INTERVAL: Duration = Duration::from_secs(5);

/// A user code that is another's is made anew; so many in a row never are.
const ATTEMPTS: usize = 4;

/// What devices and users may do, and how often.
#[derive(Debug)]
pub(crate) struct DeviceThrottles {
    /// Requests of devices, which cost a row each.
    requests: Throttle,
    /// User codes that name nothing, typed by a user and from an address.
    guesses: Throttle,
    /// Questions whether the user has answered, by device code.
    polls: Throttle,
}

impl DeviceThrottles {
    pub(crate) fn new(guesses: ThrottlePolicy) -> Self {
        // A second less than the device was told: its clock and the network's moods are not its fault.
        let poll = ThrottleLimit { burst: 1, every: POLLING_INTERVAL.saturating_sub(Duration::from_secs(1)) };
        Self {
            requests: Throttle::new(guesses.of_rows()),
            guesses: Throttle::new(guesses),
            polls: Throttle::new(ThrottlePolicy { account: poll, address: poll, ..guesses }),
        }
    }

    /// Whether the device has waited for as long as it was told.
    pub(crate) fn may_poll(&self, DeviceCodeDigest(digest): DeviceCodeDigest, now: Timestamp) -> bool {
        let attempt = self.polls.attempt(digest, None);
        let waited = self.polls.check(attempt, now).is_ok();
        self.polls.failed(attempt, now);
        waited
    }
}

/// What a device asks for, as it came.
#[derive(Clone, Copy, Debug, Default)]
pub struct AskedByDevice<'d> {
    /// `scope`.
    pub scope: Option<&'d str>,
    /// `authorization_details` (RFC 9396).
    pub authorization_details: Option<&'d str>,
    /// `resource` (RFC 8707).
    pub resources: NamedResources<'d>,
}

/// What the device gets ([RFC 8628 section 3.2](https://www.rfc-editor.org/rfc/rfc8628#section-3.2)).
#[derive(Clone, Debug)]
pub struct GivenToDevice {
    /// What it asks with.
    pub device_code: DeviceCode,
    /// What its user types.
    pub user_code: UserCode,
}

/// Why a device gets no code.
#[derive(Clone, Debug, Error)]
#[non_exhaustive]
pub enum DeviceAuthorizationError {
    /// The client, or what it asks for.
    #[error(transparent)]
    Client(#[from] TokenError),
    /// What it asks for cannot be had.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// Too many requests from where this one comes.
    #[error("too many requests; try again later")]
    Throttled {
        /// When it is worth trying again.
        retry_after: Duration,
    },
}

/// Why a user code leads nowhere.
#[derive(Clone, Debug, Error)]
#[non_exhaustive]
pub enum UserCodeError {
    /// No device waits for an answer under that code.
    #[error("no device waits for this code")]
    Unknown,
    /// Too many wrong codes of this user, or from this address.
    #[error("too many wrong codes")]
    Throttled {
        /// When it is worth trying again.
        retry_after: Duration,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Issuer {
    /// Serves a request to the device authorization endpoint
    /// ([RFC 8628 section 3.1](https://www.rfc-editor.org/rfc/rfc8628#section-3.1)).
    ///
    /// # Errors
    /// [`DeviceAuthorizationError`].
    pub async fn authorize_device(
        &self,
        authentication: &ClientAuthentication,
        asked: AskedByDevice<'_>,
        now: Timestamp,
    ) -> Result<GivenToDevice, DeviceAuthorizationError> {
        let authenticated = self.authenticate_client(authentication, now).await?;
        let client = match &authenticated {
            AuthenticatedClient::Confidential(client) | AuthenticatedClient::Public(client) => client,
            AuthenticatedClient::FirstParty => return Err(TokenError::InvalidClient.into()),
        };
        if !client.may_use(GrantType::DeviceCode) {
            return Err(TokenError::UnauthorizedClient.into());
        }
        authenticated
            .take_row(&self.devices.requests, authentication.address, now)
            .map_err(|Throttled { retry_after }| DeviceAuthorizationError::Throttled { retry_after })?;
        let scope = requested_scope(client, asked.scope)?;
        let authorization_details = requested_details(client, asked.authorization_details)?;
        let resources = self.granted_resources(client, &scope, &asked.resources);
        let resources = resources.ok_or(TokenError::InvalidTarget)?;
        let device_code = DeviceCode::from_random(&random().map_err(TokenError::from)?);
        for _ in 0..ATTEMPTS {
            let user_code = UserCode::generate().map_err(TokenError::from)?;
            let row = DeviceAuthorization {
                digest: self.secrets.device_code_digest(device_code.expose()),
                user_code: self.secrets.user_code_digest(&user_code),
                client: client.id.clone(),
                scope: scope.clone(),
                authorization_details: authorization_details.clone(),
                resources: resources.clone(),
                expires_at: now.saturating_add(DEVICE_CODE_LIFETIME),
                state: DeviceState::Pending,
            };
            if self.store.keep_device_authorization(&row).await.map_err(TokenError::from)? {
                tracing::info!(target: "gatepass::audit", event = "device-asks", client_id = %client.id);
                return Ok(GivenToDevice { device_code, user_code });
            }
        }
        Err(TokenError::from(InternalError::from(SecretError::Random)).into())
    }

    /// What waits for an answer under the code that somebody types who is logged in, and which client asks. A code
    /// that names nothing counts as a guess.
    ///
    /// # Errors
    /// [`UserCodeError`].
    pub async fn find_by_user_code(
        &self,
        user_code: &UserCode,
        login: &SignedOn,
        address: Option<IpAddr>,
        now: Timestamp,
    ) -> Result<(DeviceAuthorization, Client), UserCodeError> {
        let guesses = &self.devices.guesses;
        let attempt = guesses.attempt(login.user.id, address);
        guesses
            .check(attempt, now)
            .map_err(|Throttled { retry_after }| UserCodeError::Throttled { retry_after })?;
        let digest = self.secrets.user_code_digest(user_code);
        let found = self.store.find_device_authorization_by_user_code(digest).await?;
        if let Some(asked) = found.filter(|asked| asked.is_pending(now)) {
            let client = self.client_of(&asked.client, now).await?;
            if let Some(client) = client.filter(|client| !client.disabled) {
                return Ok((asked, client));
            }
        }
        guesses.failed(attempt, now);
        tracing::info!(target: "gatepass::audit", event = "user-code-unknown", sub = %login.user.id);
        Err(UserCodeError::Unknown)
    }

    /// Allows or denies a device what it asks for. What is allowed is remembered as a consent, so that it is listed
    /// and can be taken back. `false` when it was answered before, or nobody waits any more.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn answer_device(
        &self,
        asked: &DeviceAuthorization,
        login: &SignedOn,
        allow: bool,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let answer = match allow {
            true => DeviceAnswer::Allow(Allowed { user: login.user.id, login: login.session.id }),
            false => DeviceAnswer::Deny,
        };
        let answered = self.store.answer_device_authorization(asked.user_code, &answer, now).await?;
        if answered && allow {
            let (user, client) = (login.user.id, &asked.client);
            self.remember_consent(user, client, &asked.scope, &asked.resources, now).await?;
        }
        tracing::info!(
            target: "gatepass::audit", event = "device-answered", sub = %login.user.id,
            client_id = %asked.client, allow, answered
        );
        Ok(answered)
    }
}
