//! The token handler: a browser holds an opaque cookie, the gateway holds the tokens that belong to it (RFC 10017).
//!
//! Here the gateway is a confidential client of the issuer's. It logs users in with the authorization code flow and
//! PKCE, keeps access and refresh tokens sealed in a store of its own, and gives a request that comes with the cookie
//! the session's access token as its `Authorization`. From there on the request goes the way of every other.

mod bearing;
mod cookie;
mod demands;
mod endpoint;
mod login;
mod logins;
mod page;
mod renewal;
mod return_to;
mod seal;
mod session;
mod sessions;
mod site;
mod store;
mod turned_away;

use std::path::PathBuf;
use std::sync::Weak;
use std::time::Duration;

use gatepass_guard::{OpenIdClient, OpenIdIssuer, Timestamp};
use http::StatusCode;

pub(crate) use self::bearing::{Bearing, may_help};
pub(crate) use self::cookie::Cookies;
pub(crate) use self::demands::{MAX_ACR_VALUES, is_acr};
pub(crate) use self::endpoint::serve;
pub(crate) use self::return_to::{is_plain_path, own_path};
pub use self::seal::KeyFileError;
use self::seal::Sealer;
use self::sessions::Sessions;
pub use self::store::SessionStoreError;
pub(crate) use self::turned_away::{LoginOffer, offer_login, offer_login_by_proxy};
use crate::clock;
use crate::guards::Guards;

/// How often sessions that have ended by themselves are taken out of the store.
const SWEEP: Duration = Duration::from_secs(600);

/// `[bff]`, checked.
#[derive(Debug)]
pub(crate) struct BffSettings {
    pub(crate) issuer: String,
    pub(crate) client: OpenIdClient,
    pub(crate) scope: String,
    /// What the issuer is to ask its user for, whatever it knows already.
    pub(crate) prompt: Option<String>,
    /// For which resource server, where the issuer has several (RFC 8707).
    pub(crate) resource: Option<String>,
    /// Below this path are the endpoints.
    pub(crate) prefix: String,
    pub(crate) cookie: String,
    pub(crate) after_login: String,
    pub(crate) after_logout: String,
    /// Without a request a session ends after so long.
    pub(crate) idle: Duration,
    /// It ends after so long whatever happens.
    pub(crate) absolute: Duration,
    pub(crate) store: PathBuf,
    pub(crate) key_file: PathBuf,
    /// Scheme, host and port of `public_url`: the only origin whose pages may use sessions.
    pub(crate) origin: String,
    /// A hash of all that was configured, secrets included: the same twice if nothing has changed.
    pub(crate) fingerprint: u64,
}

/// Sessions of browsers, and how they are begun and ended.
pub(crate) struct Bff {
    pub(crate) settings: BffSettings,
    pub(crate) cookies: Cookies,
    sealer: Sealer,
    sessions: Sessions,
}

/// Why sessions cannot be kept.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BffStartError {
    /// The file with the key that they are sealed with.
    #[error(transparent)]
    Key(#[from] KeyFileError),
    /// The file that they are kept in.
    #[error(transparent)]
    Store(#[from] SessionStoreError),
}

/// Why a request with a session, or one for the endpoints of sessions, goes no further.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SessionError {
    #[error("the session has ended; log in again")]
    Ended,
    #[error("the request has a session's cookie and an Authorization field, or the cookie twice")]
    TwoCredentials,
    #[error("a page of another site caused this request, or it does not say which did")]
    CrossSite,
    #[error("the session's token cannot be renewed now; try again")]
    Unavailable,
    #[error("this is no path of this site to return to")]
    ReturnTo,
    #[error("this is no login that can be asked for")]
    Demands,
    #[error("the login was not completed")]
    LoginFailed,
    #[error("nobody can be logged in now; try again")]
    LoginUnavailable,
}

impl SessionError {
    pub(crate) fn status(&self) -> StatusCode {
        match self {
            Self::Ended => StatusCode::UNAUTHORIZED,
            Self::TwoCredentials | Self::ReturnTo | Self::Demands | Self::LoginFailed => {
                StatusCode::BAD_REQUEST
            }
            Self::CrossSite => StatusCode::FORBIDDEN,
            Self::Unavailable | Self::LoginUnavailable => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    pub(crate) fn code(&self) -> &'static str {
        match self {
            Self::Ended => "session-ended",
            Self::TwoCredentials => "two-credentials",
            Self::CrossSite => "cross-site-request",
            Self::Unavailable => "session-unavailable",
            Self::ReturnTo => "bad-return-to",
            Self::Demands => "bad-login-demands",
            Self::LoginFailed => "login-failed",
            Self::LoginUnavailable => "login-unavailable",
        }
    }
}

impl Bff {
    /// Opens the store, and makes it and the key at the first start. Blocks for as long as the disk takes.
    pub(crate) fn start(settings: BffSettings) -> Result<Self, BffStartError> {
        let key = seal::key_file(&settings.key_file, settings.store.exists())?;
        let sealer = Sealer::new(&key)?;
        let store = store::Store::open(&settings.store)?;
        Ok(Self {
            cookies: Cookies::new(&settings.cookie),
            sessions: Sessions::new(store, settings.idle, settings.absolute),
            sealer,
            settings,
        })
    }

    /// The issuer as the guards of the present configuration know it.
    fn issuer(&self, guards: &Guards) -> Result<OpenIdIssuer, SessionError> {
        guards.openid(&self.settings.issuer).ok_or(SessionError::Unavailable)
    }

    fn url_of(&self, path: &str) -> String {
        format!("{}{path}", self.settings.origin)
    }

    fn redirect_uri(&self) -> String {
        self.url_of(&format!("{}/callback", self.settings.prefix))
    }
}

impl std::fmt::Debug for Bff {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Bff").field("settings", &self.settings).finish_non_exhaustive()
    }
}

/// Takes out what has ended, for as long as the gateway is there.
pub(crate) async fn sweep(bff: Weak<Bff>) {
    let mut ticks = tokio::time::interval(SWEEP);
    loop {
        ticks.tick().await;
        let Some(bff) = bff.upgrade() else { return };
        match bff.sessions.sweep(now()).await {
            Ok(0) => {}
            Ok(ended) => tracing::debug!(ended, "sessions ended by themselves"),
            Err(error) => tracing::warn!(%error, "sessions that have ended cannot be taken out"),
        }
    }
}

fn now() -> Timestamp {
    clock::now().into()
}
