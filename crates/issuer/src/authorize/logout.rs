//! A logout that an application asks for
//! ([OpenID Connect RP-Initiated Logout 1.0](https://openid.net/specs/openid-connect-rpinitiated-1_0.html)).

use std::collections::BTreeMap;

use gatepass_jose::Timestamp;
use gatepass_revocation::Reason;
use thiserror::Error;
use url::Url;

use crate::id::{ClientId, SessionId};
use crate::id_token::IdTokenHint;
use crate::issuer::Issuer;
use crate::redirect_uri::RegisteredRedirectUri;
use crate::session::Session;
use crate::sign_on::SignedOn;
use crate::store::StoreError;

/// At how many sessions' clients a browser is made to look.
const MAX_FRAMES: usize = 32;

/// What an application asks for, as it came.
#[derive(Clone, Copy, Debug, Default)]
#[allow(missing_docs)] // the names are the registry's own
pub struct LogoutRequest<'r> {
    pub id_token_hint: Option<&'r str>,
    pub client_id: Option<&'r str>,
    pub post_logout_redirect_uri: Option<&'r str>,
}

/// What comes of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LogoutStep {
    /// Nobody proved to be the application: the user is asked.
    Ask(Option<RegisteredRedirectUri>),
    /// It is done.
    Done(LoggedOut),
}

/// What is left to do after a logout.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoggedOut {
    /// Where the application wants the browser next.
    pub back: Option<RegisteredRedirectUri>,
    /// What the browser is to open in frames
    /// ([OpenID Connect Front-Channel Logout 1.0](https://openid.net/specs/openid-connect-frontchannel-1_0.html)), so that applications
    /// remove what they keep there.
    pub frames: Vec<Url>,
}

/// Why a logout is not carried out.
#[derive(Clone, Debug, Error)]
#[non_exhaustive]
pub enum LogoutError {
    /// The hint was made for another client.
    #[error("The application that sent you here says that it is two applications at once.")]
    WrongClient,
    /// The client has not registered that address, or there is no client.
    #[error("The application that sent you here wants you sent to an address that it has not registered.")]
    RedirectUri,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Issuer {
    /// Carries out a logout, or says that the user must be asked. With an ID token of the one who is logged
    /// in, or `confirmed` by them, the login ends, the application's own session, and every session that
    /// does not outlive its login.
    ///
    /// # Errors
    /// [`LogoutError`].
    pub async fn sign_off(
        &self,
        request: LogoutRequest<'_>,
        login: Option<&SignedOn>,
        confirmed: bool,
        now: Timestamp,
    ) -> Result<LogoutStep, LogoutError> {
        let (hint, is_unreadable) = match self.read_hint(request.id_token_hint) {
            IdTokenHint::Read(hint) => (Some(hint), false),
            IdTokenHint::Unreadable => (None, true),
            IdTokenHint::Absent => (None, false),
        };
        let named: Option<ClientId> = request.client_id.and_then(|id| id.parse().ok());
        let client = match (&hint, named) {
            (Some(hint), Some(named)) if hint.client != named => return Err(LogoutError::WrongClient),
            (Some(hint), _) => Some(hint.client.clone()),
            (None, named) => named,
        };
        let back = match &client {
            // Whose address it would be is not known: the user can log out, and stays here.
            None if is_unreadable => None,
            client => self.post_logout(client.as_ref(), request.post_logout_redirect_uri, now).await?,
        };
        let is_theirs = match (&hint, login) {
            (Some(hint), Some(login)) => self.names(hint, login.user.id, now).await?,
            // Anybody may have come by an old ID token; without a login there is nothing that it could end.
            (_, None) | (None, Some(_)) => false,
        };
        if login.is_some() && !is_theirs && !confirmed {
            return Ok(LogoutStep::Ask(back));
        }
        let own = hint.filter(|_| is_theirs).and_then(|hint| hint.session);
        let frames = self.frames(own, login).await?;
        if let Some(session) = own {
            self.end_session(session, Reason::LOGOUT, now).await?;
        }
        if let Some(login) = login {
            self.end_session(login.session.id, Reason::LOGOUT, now).await?;
        }
        Ok(LogoutStep::Done(LoggedOut { back, frames }))
    }

    /// The frames of the clients that have a session of this login, expired or not, and of `own`.
    async fn frames(&self, own: Option<SessionId>, login: Option<&SignedOn>) -> Result<Vec<Url>, StoreError> {
        let mut sessions = match login {
            Some(login) => self.store.list_sessions_of_login(login.user.id, login.session.id).await?,
            None => Vec::new(),
        };
        if let Some(own) = own.filter(|own| !sessions.iter().any(|session| session.id == *own))
            && let Some(own) = self.store.find_session(own).await?
        {
            sessions.insert(0, own);
        }
        let mut frames = Vec::new();
        for session in in_turns(&sessions) {
            if frames.len() == MAX_FRAMES {
                break;
            }
            let client = self.store.find_client(&session.client).await?.filter(|client| !client.disabled);
            let uri = client.and_then(|client| client.logout.frontchannel);
            let sid = session.id.to_string();
            let parameters = [("iss", self.config.issuer.as_str()), ("sid", sid.as_str())];
            frames.extend(uri.and_then(|uri| uri.with(&parameters)));
        }
        Ok(frames)
    }

    async fn post_logout(
        &self,
        client: Option<&ClientId>,
        requested: Option<&str>,
        now: Timestamp,
    ) -> Result<Option<RegisteredRedirectUri>, LogoutError> {
        let Some(requested) = requested else { return Ok(None) };
        let client = match client {
            Some(id) => self.client_of(id, now).await?,
            None => None,
        };
        let client = client.filter(|client| !client.disabled).ok_or(LogoutError::RedirectUri)?;
        let registered = client.post_logout_redirect_uris.iter().find_map(|uri| uri.matches(requested));
        registered.map(Some).ok_or(LogoutError::RedirectUri)
    }
}

/// The first session of each client, then the second of each, and so on: an application that gets a session every few
/// minutes leaves the others their frames.
fn in_turns(sessions: &[Session]) -> Vec<&Session> {
    let mut seen: BTreeMap<&ClientId, usize> = BTreeMap::new();
    let mut turns: Vec<(usize, &Session)> = Vec::with_capacity(sessions.len());
    for session in sessions {
        let turn = seen.entry(&session.client).or_default();
        turns.push((*turn, session));
        *turn += 1;
    }
    turns.sort_by_key(|(turn, _)| *turn); // stable: within a turn they stay as they were
    turns.into_iter().map(|(_, session)| session).collect()
}
