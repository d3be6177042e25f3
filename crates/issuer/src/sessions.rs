//! The session API's rules: log in, refresh, log out.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use gatepass_jose::{Rejection, Timestamp, Verified, base64url};
use gatepass_revocation::{Kind, Reason, Revoked};
use gatepass_token::{AccessClaims, AuthorizationDetails, ScopeSet};
use serde::Serialize;
use thiserror::Error;
use tracing::field::{DisplayValue, display};

use crate::authorize::RequestedClaims;
use crate::binding::{Binding, Possession};
use crate::client::{Client, USER_SCOPES};
use crate::config::{ADMIN_SCOPE, ISSUER_SCOPES, ResourceServer};
use crate::dpop::{DpopError, ShownProof, TokenType};
use crate::guessing::TooEarly;
use crate::id::{ClientId, SessionId, UserId};
use crate::issuer::Issuer;
use crate::known_device::DeviceCookie;
use crate::mint::{Grant, MintError, Target};
use crate::password::{Checked, Hasher, Overloaded, Password, PasswordHash};
use crate::refresh_token::{self, RefreshToken};
use crate::rotation::{AskedResource, Presented, Refusal};
use crate::secrets::{SecretError, random};
use crate::session::Session;
use crate::store::{ChangeError, EndSessions, Rotated, StoreError, UserChange};
use crate::user::{RoleName, User, Username};

/// The longest device name that is kept, in characters.
const MAX_DEVICE: usize = 128;

/// Somebody who wants to log in.
#[derive(Clone, Debug)]
pub struct Login {
    /// Whom they claim to be.
    pub username: Username,
    /// Their proof.
    pub password: Password,
    /// The scope to limit the session's tokens to; `None`: all that their roles allow.
    pub scope: Option<ScopeSet>,
    /// The audience of the session's tokens (RFC 8707); `None`: the default.
    pub resource: Option<String>,
    /// What their device calls itself.
    pub device: String,
    /// Where they come from, for the throttle.
    pub address: Option<IpAddr>,
    /// What the browser keeps since its user's last login with it ([`DeviceCookie`](crate::DeviceCookie)), if anything.
    pub known_device: Option<String>,
}

/// What a login or a refresh gives.
#[derive(Clone, Debug)]
pub struct Tokens {
    /// The signed access token.
    pub access_token: String,
    /// How it is sent.
    pub token_type: TokenType,
    /// How long it lives.
    pub expires_in: Duration,
    /// What it allows.
    pub scope: ScopeSet,
    /// What it allows beyond that.
    pub authorization_details: AuthorizationDetails,
    /// The refresh token that is current now.
    pub refresh_token: RefreshToken,
    /// How long that one can be used.
    pub refresh_expires_in: Duration,
    /// The session.
    pub session: SessionId,
    /// Its user.
    pub user: UserInfo,
}

/// What a user may know of themselves, and their app may show.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct UserInfo {
    /// The `sub`.
    pub id: UserId,
    /// The name they log in with.
    pub username: Username,
    /// Their roles.
    pub roles: Vec<RoleName>,
}

/// A refresh token and what came with it.
#[derive(Clone, Copy)]
pub(crate) struct ShownRefresh<'r> {
    pub(crate) token: &'r str,
    pub(crate) client: &'r ClientId,
    /// Whether its refresh tokens are bound to the key that it shows, because nothing else binds them.
    pub(crate) is_public: bool,
    /// What is asked for; `None`: all that the session has.
    pub(crate) scope: Option<&'r ScopeSet>,
    /// The authorization details that are asked for; `None`: all that the session has.
    pub(crate) authorization_details: Option<&'r AuthorizationDetails>,
    /// The audience that is asked for; `None`: the session's first.
    pub(crate) resource: Option<&'r str>,
    /// The client as it is registered now, which bounds what there is, whatever was granted; `None` for the
    /// operator's own apps.
    pub(crate) registered: Option<&'r Client>,
    /// The keys that were shown.
    pub(crate) binding: Binding,
}

/// What a rotation gives.
pub(crate) struct Refreshed {
    pub(crate) tokens: Tokens,
    pub(crate) session: Session,
    pub(crate) user: User,
}

/// On what terms a session gives tokens.
pub(crate) struct Terms<'t> {
    /// Where they are good.
    pub(crate) target: Target<'t>,
    /// What limits their scope beside what was granted.
    pub(crate) scope: &'t [&'t ScopeSet],
    /// The authorization details that are asked for; `None`: all that were granted.
    pub(crate) authorization_details: Option<&'t AuthorizationDetails>,
    /// The types of authorization details that there are at most.
    pub(crate) types: &'t [String],
    /// The keys that they are bound to.
    pub(crate) binding: Binding,
}

/// Why a login failed.
#[derive(Clone, Debug, Error)]
#[non_exhaustive]
pub enum LoginError {
    /// Unknown user, wrong password or disabled user: nobody outside learns which.
    #[error("the user name or the password is wrong")]
    Denied,
    /// Too many failures for this account or address.
    #[error("too many failed logins")]
    Throttled {
        /// When it is worth trying again.
        retry_after: Duration,
    },
    /// Too many passwords are waiting to be checked.
    #[error(transparent)]
    Overloaded(#[from] Overloaded),
    /// No resource server of that name.
    #[error("the resource is not known here")]
    UnknownResource,
    /// The proof of possession is not taken.
    #[error(transparent)]
    Dpop(DpopError),
    /// Our fault.
    #[error(transparent)]
    Internal(#[from] InternalError),
}

/// Why a refresh failed.
#[derive(Clone, Debug, Error)]
#[non_exhaustive]
pub enum RefreshError {
    /// Not a refresh token of this issuer, or one that gives nothing any more.
    #[error("the refresh token is not valid")]
    Invalid,
    /// An old generation: the session is over, everywhere.
    #[error("the refresh token was used before: the session has ended")]
    Reused,
    /// The scope asked for is more than the session has.
    #[error("the scope exceeds what was granted")]
    Scope,
    /// The authorization details asked for are not among those of the session.
    #[error("the authorization details exceed what was granted")]
    AuthorizationDetails,
    /// The resource asked for is none of the session's.
    #[error("the resource is none that the tokens were granted for")]
    Resource,
    /// The proof of possession is not taken.
    #[error(transparent)]
    Dpop(DpopError),
    /// Our fault.
    #[error(transparent)]
    Internal(#[from] InternalError),
}

/// Something that is not the caller's fault.
#[derive(Clone, Debug, Error)]
#[non_exhaustive]
pub enum InternalError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// No token could be minted.
    #[error(transparent)]
    Mint(#[from] MintError),
    /// There is no randomness.
    #[error(transparent)]
    Secret(#[from] SecretError),
}

macro_rules! internal_from {
    ($($error:ty),*) => {
        $(
            impl From<StoreError> for $error {
                fn from(error: StoreError) -> Self {
                    InternalError::from(error).into()
                }
            }
            impl From<MintError> for $error {
                fn from(error: MintError) -> Self {
                    InternalError::from(error).into()
                }
            }
            impl From<SecretError> for $error {
                fn from(error: SecretError) -> Self {
                    InternalError::from(error).into()
                }
            }
        )*
    };
}
pub(crate) use internal_from;

internal_from!(LoginError, RefreshError);

/// Who tried to log in, as the log may say it. What was typed as a name can be a password in the wrong field: of a name
/// that is nobody's it tells as much as it takes to see that it comes again.
#[derive(Clone, Copy)]
enum TypedName {
    Of(UserId),
    OfNobody([u8; 8]),
}

impl TypedName {
    fn sub(self) -> Option<DisplayValue<UserId>> {
        match self {
            Self::Of(user) => Some(display(user)),
            Self::OfNobody(_) => None,
        }
    }

    fn digest(self) -> Option<String> {
        match self {
            Self::Of(_) => None,
            Self::OfNobody(digest) => Some(base64url::encode(&digest)),
        }
    }
}

macro_rules! from_dpop {
    ($($error:ty),*) => {
        $(
            impl From<DpopError> for $error {
                fn from(error: DpopError) -> Self {
                    match error {
                        DpopError::Store(error) => error.into(),
                        error => Self::Dpop(error),
                    }
                }
            }
        )*
    };
}
pub(crate) use from_dpop;

from_dpop!(LoginError, RefreshError);

/// Why an access token does not open the issuer's own endpoints.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum BearerError {
    /// It does not verify.
    #[error(transparent)]
    Rejected(#[from] Rejection),
    /// It was taken back.
    #[error("the token was revoked: {}", .0.reason)]
    Revoked(Revoked),
    /// It is for a resource server, not for the issuer.
    #[error("the token is not meant for this issuer's own endpoints")]
    Audience,
    /// It is bound to a key, and was sent without a proof that its sender holds it.
    #[error("the token is bound to its sender's key")]
    Bound,
    /// It was sent with a proof and is bound to no key.
    #[error("the token is bound to no key, and was sent as if it were")]
    NotBound,
    /// The proof is not taken.
    #[error(transparent)]
    Dpop(#[from] DpopError),
}

/// Whose access token was presented to one of the issuer's own endpoints.
#[derive(Clone, Debug)]
pub struct Caller {
    /// The verified claims.
    pub claims: AccessClaims,
}

impl Caller {
    /// The user, unless a client acts for itself.
    #[must_use]
    pub fn user(&self) -> Option<UserId> {
        self.claims.sub.parse().ok()
    }

    /// The session that the token belongs to.
    #[must_use]
    pub fn session(&self) -> Option<SessionId> {
        self.claims.sid.as_deref()?.parse().ok()
    }

    /// Whether the token opens the admin API.
    #[must_use]
    pub fn is_admin(&self) -> bool {
        self.claims.scope.contains(ADMIN_SCOPE)
    }
}

impl Issuer {
    /// Logs somebody in and starts a session, which is durable before the tokens are given. All of them are bound
    /// to the key of `proof`, where there is one. With them comes what the browser is to keep, if it was one.
    ///
    /// # Errors
    /// [`LoginError`]. A wrong password and an unknown user get the same error after the same work.
    pub async fn log_in(
        &self,
        login: Login,
        proof: Option<&ShownProof>,
        now: Timestamp,
    ) -> Result<(Tokens, DeviceCookie), LoginError> {
        if login.resource.as_deref().is_some_and(|resource| self.target(Some(resource)).is_none()) {
            return Err(LoginError::UnknownResource);
        }
        let held = self.proof_of_own_app(proof, now)?;
        let user = self.require_password(&login, now).await?;
        let binding = Binding::dpop(self.use_up(held).await?);
        let minted_at = self.feed.minting_instant(now);
        let policy = self.config.refresh;
        let started = self.new_session(
            user.id,
            ClientId::first_party(),
            &login.device,
            policy.idle,
            policy.absolute,
            now,
        )?;
        let bound = binding.is_some();
        let session = Session { scope: login.scope, resource: login.resource, bound, binding, ..started };
        let shown = user.password;
        let Some(user) = self.store.start_session(&session).await? else {
            return Err(LoginError::Denied); // disabled since the password was read
        };
        self.require_still(&shown, &user, session.id, now).await?;
        tracing::info!(target: "gatepass::audit", event = "login", sub = %user.id, sid = %session.id);
        let target = self.session_target(&session, None, None).ok_or(LoginError::UnknownResource)?;
        let terms = Terms { target, scope: &[], authorization_details: None, types: &[], binding };
        let device = self.known_device(&user, now)?;
        Ok((self.tokens(&session, &user, &terms, minted_at, now)?, device))
    }

    /// Ends a login with a password that was changed while it was looked at: the change has ended every session that
    /// there was, and this one would have come after it.
    pub(crate) async fn require_still(
        &self,
        shown: &PasswordHash,
        user: &User,
        session: SessionId,
        now: Timestamp,
    ) -> Result<(), LoginError> {
        if user.password == *shown {
            return Ok(());
        }
        tracing::info!(target: "gatepass::audit", event = "login-denied", sub = %user.id, why = "password changed");
        self.end_session(session, Reason::PASSWORD_CHANGED, now).await?;
        Err(LoginError::Denied)
    }

    /// The user whose name and password these are, with what is kept of that password.
    pub(crate) async fn require_password(&self, login: &Login, now: Timestamp) -> Result<User, LoginError> {
        let user = self.store.find_user_by_name(&login.username).await?;
        let typed = self.typed_name(&login.username, user.as_ref());
        let user = self.check_password(login, user, typed, now).await?;
        user.ok_or_else(|| {
            let (sub, name) = (typed.sub(), typed.digest());
            tracing::info!(target: "gatepass::audit", event = "login-denied", sub, name);
            LoginError::Denied
        })
    }

    /// A session that begins now.
    pub(crate) fn new_session(
        &self,
        user: UserId,
        client: ClientId,
        device: &str,
        idle: Duration,
        absolute: Duration,
        now: Timestamp,
    ) -> Result<Session, SecretError> {
        Ok(Session {
            id: SessionId::new(now, random()?),
            user,
            client,
            login: None,
            scope: None,
            authorization_details: AuthorizationDetails::default(),
            resource: None,
            more_resources: Vec::new(),
            device: device.chars().filter(|c| !c.is_control()).take(MAX_DEVICE).collect(),
            created_at: now,
            auth_time: Some(now),
            generation: 1,
            rotated_at: None,
            idle_expires_at: now.saturating_add(idle.min(absolute)),
            expires_at: now.saturating_add(absolute),
            revoked_at: None,
            bound: false,
            binding: Binding::default(),
            pairwise_subject: None,
            claims: RequestedClaims::default(),
            provider: None,
        })
    }

    fn typed_name(&self, name: &Username, user: Option<&User>) -> TypedName {
        let digest = self.secrets.typed_name_digest(name); // for everybody, so that it takes the same time
        user.map_or(TypedName::OfNobody(digest), |user| TypedName::Of(user.id))
    }

    /// The user, if the password is theirs and they may log in.
    async fn check_password(
        &self,
        login: &Login,
        user: Option<User>,
        typed: TypedName,
        now: Timestamp,
    ) -> Result<Option<User>, LoginError> {
        let guessing = Arc::clone(&self.guessing);
        // Nobody has a known device; to find that out costs what it costs for somebody.
        let nobody = PasswordHash::from_phc("");
        let kept = user.as_ref().map_or(&nobody, |user| &user.password);
        let device = login.known_device.as_deref();
        let device = device.and_then(|cookie| self.device_of_cookie(cookie, &login.username, kept, now));
        let guess = Arc::new(guessing.of_password(
            &login.username.folded(),
            login.password.expose(),
            login.address,
            device,
        ));
        let asked = Arc::clone(&guess);
        let password = login.password.clone();
        let username = login.username.clone();
        let decoys = self.decoys.load_full();
        let decoy_key = self.secrets.decoy_mac.clone();
        // It is asked here and again on the hashing thread: a burst that waits in the
        // queue would otherwise have been let in before the first of it had failed.
        guessing.check(&guess, now).map_err(|early| too_early(typed, early))?;
        let checked = self
            .passwords
            .run(move |hasher| {
                guessing.check(&asked, now)?;
                let checked = match &user {
                    Some(user) => hasher.verify(&password, &user.password),
                    None => {
                        hasher.verify_nobody(&password, decoys.pick(&decoy_key, &username));
                        Checked::Wrong
                    }
                };
                let user = user.filter(|user| checked != Checked::Wrong && !user.disabled);
                match user {
                    Some(_) => guessing.succeeded(&asked),
                    None => guessing.failed(&asked, now),
                }
                Ok((user, checked))
            })
            .await?;
        let (user, checked) = checked.map_err(|early| too_early(typed, early))?;
        match (user, checked) {
            (Some(user), Checked::Upgraded(new)) => Ok(self.upgrade_password(login, user, new).await?),
            (user, _) => Ok(user),
        }
    }

    /// Keeps a better hash of the same password. Where that fails, the next login tries again; where somebody else was
    /// faster, with an upgrade or a change, what is kept now decides. `None`: it is another password.
    async fn upgrade_password(
        &self,
        login: &Login,
        user: User,
        new: PasswordHash,
    ) -> Result<Option<User>, LoginError> {
        match self.store.upgrade_password(user.id, &user.password, &new).await {
            Ok(true) => {
                tracing::info!(target: "gatepass::audit", event = "password-upgraded", sub = %user.id);
                Ok(Some(User { password: new, ..user }))
            }
            Ok(false) => {
                let now_kept = self.store.find_user(user.id).await?.filter(|user| !user.disabled);
                let Some(user) = now_kept else { return Ok(None) };
                let password = login.password.clone();
                let run = move |hasher: &mut Hasher| match hasher.verify(&password, &user.password) {
                    Checked::Wrong => None,
                    _ => Some(user),
                };
                Ok(self.passwords.run(run).await?)
            }
            Err(error) => {
                tracing::warn!(%error, sub = %user.id, "the password's new hash was not kept");
                Ok(Some(user))
            }
        }
    }

    /// Rotates a session of the operator's own apps by its refresh token. The answer is given only when the rotation
    /// is durable; asked again within the leeway it is the same.
    ///
    /// # Errors
    /// [`RefreshError`]. [`RefreshError::Reused`] has ended the session.
    pub async fn refresh(
        &self,
        token: &str,
        proof: Option<&ShownProof>,
        now: Timestamp,
    ) -> Result<Tokens, RefreshError> {
        let held = self.proof_of_own_app(proof, now)?;
        self.require_genuine(token)?;
        let binding = Binding::dpop(self.use_up(held).await?);
        let client = &ClientId::first_party();
        let shown = ShownRefresh {
            token,
            client,
            is_public: true,
            scope: None,
            authorization_details: None,
            resource: None,
            registered: None,
            binding,
        };
        Ok(self.refresh_within(shown, now).await?.tokens)
    }

    /// That a refresh token is one of this issuer's, whatever became of its session. To be asked before anything is
    /// written for its sake: anybody can send a text.
    pub(crate) fn require_genuine(&self, token: &str) -> Result<(), RefreshError> {
        let genuine = refresh_token::verify(&self.secrets.refresh_mac, token);
        genuine.map(drop).map_err(|_| RefreshError::Invalid)
    }

    /// Rotates a session by its refresh token.
    pub(crate) async fn refresh_within(
        &self,
        shown: ShownRefresh<'_>,
        now: Timestamp,
    ) -> Result<Refreshed, RefreshError> {
        let ShownRefresh { token, client, scope, registered, binding, .. } = shown;
        let genuine =
            refresh_token::verify(&self.secrets.refresh_mac, token).map_err(|_| RefreshError::Invalid)?;
        let sid = genuine.family.to_string();
        let minted_at = self.feed.minting_instant(now);
        let presented = Presented {
            generation: genuine.generation,
            client: client.clone(),
            scope: scope.cloned(),
            authorization_details: shown.authorization_details.cloned(),
            resource: shown.resource.map(|asked| self.asked_resource(asked)),
            binding: if shown.is_public { binding } else { Binding::default() },
            renewal: self.config.profile.renewal(shown.is_public, binding),
            now,
            policy: self.config.refresh,
        };
        let on_replay = self.revocation(Kind::Session, &sid, Reason::REUSE, now);
        match self.store.rotate_session(genuine.family, &presented, on_replay).await? {
            Rotated::Rotated(_, user) | Rotated::Repeated(_, user) if user.disabled => {
                Err(RefreshError::Invalid)
            }
            Rotated::Rotated(session, user) | Rotated::Repeated(session, user) => {
                let target = self.session_target(&session, registered, shown.resource);
                let target = target.ok_or(RefreshError::Invalid)?;
                // A client whose users are called otherwise by now has to log them in anew.
                if session.subject() != self.subject(registered, user.id) {
                    return Err(RefreshError::Invalid);
                }
                let most = registered.map(Client::most_of_a_user);
                let limits: Vec<&ScopeSet> = scope.into_iter().chain(&most).collect();
                let types = registered.map(|client| client.extensions.authorization_details_types.as_slice());
                let ShownRefresh { authorization_details, .. } = shown;
                let types = types.unwrap_or_default();
                let terms = Terms { target, scope: &limits, authorization_details, types, binding };
                let tokens = self.tokens(&session, &user, &terms, minted_at, now)?;
                Ok(Refreshed { tokens, session, user })
            }
            Rotated::Refused(Refusal::Scope) => Err(RefreshError::Scope),
            Rotated::Refused(Refusal::AuthorizationDetails) => Err(RefreshError::AuthorizationDetails),
            Rotated::Refused(Refusal::Resource) => Err(RefreshError::Resource),
            Rotated::Refused(refusal) => {
                tracing::info!(target: "gatepass::audit", event = "refresh-refused", %sid, ?refusal);
                if refusal == Refusal::Ahead {
                    tracing::error!(%sid, "a refresh token is newer than the store: was a backup restored?");
                }
                Err(RefreshError::Invalid)
            }
            Rotated::Revoked(session) => {
                self.feed.pump(&*self.store).await?;
                tracing::warn!(
                    target: "gatepass::audit", event = "refresh-token-reuse", %sid, sub = %session.user,
                    presented = genuine.generation, current = session.generation
                );
                Err(RefreshError::Reused)
            }
        }
    }

    /// Ends the session that a refresh token belongs to, whichever its generation. `false` when it is
    /// not a token of this issuer, or the session has ended before.
    ///
    /// # Errors
    /// [`StoreError`]; the session may be alive then.
    pub async fn log_out(&self, refresh_token: &str, now: Timestamp) -> Result<bool, StoreError> {
        match refresh_token::verify(&self.secrets.refresh_mac, refresh_token) {
            Ok(genuine) => self.end_session(genuine.family, Reason::LOGOUT, now).await,
            Err(_) => Ok(false),
        }
    }

    /// The user whose live session a refresh token belongs to.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn user_of(&self, refresh_token: &str, now: Timestamp) -> Result<Option<UserId>, StoreError> {
        Ok(self.find_session_of(refresh_token, now).await?.map(|session| session.user))
    }

    /// The live session that a refresh token belongs to, whichever its generation.
    pub(crate) async fn find_session_of(
        &self,
        refresh_token: &str,
        now: Timestamp,
    ) -> Result<Option<Session>, StoreError> {
        let Ok(genuine) = refresh_token::verify(&self.secrets.refresh_mac, refresh_token) else {
            return Ok(None);
        };
        let session = self.store.find_session(genuine.family).await?;
        Ok(session.filter(|session| session.is_live(now)))
    }

    /// The user on whose behalf an access token was shown, by whichever name it calls them; `None` for a client that acts for
    /// itself.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn user_behind(&self, caller: &Caller) -> Result<Option<UserId>, StoreError> {
        match (caller.user(), caller.session()) {
            (None, Some(session)) => {
                let session = self.store.find_session(session).await?;
                // Only a session whose own name for the user is the token's speaks for it.
                Ok(session
                    .filter(|session| session.subject() == caller.claims.sub)
                    .map(|session| session.user))
            }
            (user, _) => Ok(user),
        }
    }

    /// Ends all sessions of a user, and their access tokens.
    ///
    /// # Errors
    /// [`StoreError`]; the sessions may be alive then.
    pub async fn log_out_everywhere(&self, user: UserId, now: Timestamp) -> Result<(), StoreError> {
        let sweep = self.feed.sweep(now).await;
        let revocation = self.swept(&sweep, Kind::Subject, &user.to_string(), Reason::LOGOUT, now);
        let ended = EndSessions { at: now, except: None };
        match self.store.change_user(user, UserChange::default(), Some(ended), vec![revocation]).await {
            Ok(_) | Err(ChangeError::Unknown | ChangeError::Exists) => {}
            Err(ChangeError::Store(error)) => return Err(error),
        }
        tracing::info!(target: "gatepass::audit", event = "logout-everywhere", sub = %user);
        self.feed.pump(&*self.store).await?;
        drop(sweep);
        Ok(())
    }

    /// Ends one session, and its access tokens. `false` when there is none, or it has ended before.
    ///
    /// # Errors
    /// [`StoreError`]; the session may be alive then.
    pub async fn end_session(
        &self,
        session: SessionId,
        reason: Reason,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let revocation = self.revocation(Kind::Session, &session.to_string(), reason, now);
        let ended = self.store.revoke_session(session, now, revocation).await?;
        if ended {
            self.feed.pump(&*self.store).await?;
            tracing::info!(target: "gatepass::audit", event = "session-ended", sid = %session);
        }
        Ok(ended)
    }

    /// The live sessions of a user, oldest first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn list_sessions(&self, user: UserId, now: Timestamp) -> Result<Vec<Session>, StoreError> {
        self.store.list_sessions(user, now).await
    }

    /// Ends one of the user's own sessions. `false` when it is not theirs, or none.
    ///
    /// # Errors
    /// [`StoreError`]; the session may be alive then.
    pub async fn end_own_session(
        &self,
        user: UserId,
        session: SessionId,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        match self.store.find_session(session).await? {
            Some(found) if found.user == user => self.end_session(session, Reason::LOGOUT, now).await,
            _ => Ok(false),
        }
    }

    /// Verifies an access token for the issuer's own endpoints: minted here, under a published key,
    /// meant for the issuer, not revoked, and sent by whoever holds the key that it is bound to. `proof` is `None` for
    /// a token that was sent as `Bearer`.
    ///
    /// # Errors
    /// [`BearerError`].
    pub async fn authenticate(
        &self,
        token: &str,
        shown: Possession<'_>,
        now: Timestamp,
    ) -> Result<Caller, BearerError> {
        let verified = self.verify_own(token, now)?;
        if !verified.aud.contains(self.config.issuer.as_str()) {
            return Err(BearerError::Audience);
        }
        self.require_possession(&verified, token, shown, now).await?;
        Ok(Caller { claims: verified.into_claims() })
    }

    /// Verifies an access token that only this issuer can have minted, for whomever, and that is not revoked.
    pub(crate) fn verify_own(
        &self,
        token: &str,
        now: Timestamp,
    ) -> Result<Verified<AccessClaims>, BearerError> {
        // Not under a shared secret: the resource server could have minted it itself.
        let token = self.signed_token(token);
        let verified = self.ring.load().verifier().verify::<AccessClaims>(&token, now)?;
        self.feed.check(&verified, verified.kid()).map_err(BearerError::Revoked)?;
        Ok(verified)
    }

    pub(crate) fn tokens(
        &self,
        session: &Session,
        user: &User,
        terms: &Terms<'_>,
        minted_at: Timestamp,
        now: Timestamp,
    ) -> Result<Tokens, InternalError> {
        let mut scope = self.scope_of(&user.roles, terms.target);
        for limit in session.scope.iter().chain(terms.scope.iter().copied()) {
            scope = scope.intersection(limit);
        }
        if session.login.is_some() {
            scope = scope.union(&identity_scope(session.scope.iter().chain(terms.scope.iter().copied())));
        }
        let grant = Grant {
            subject: session.subject(),
            client: &session.client,
            scope,
            authorization_details: terms
                .authorization_details
                .unwrap_or(&session.authorization_details)
                .of(terms.types),
            roles: user.roles.iter().map(ToString::to_string).collect(),
            session: Some(session.id),
            login: session.login_claims(),
            target: terms.target,
            minted_at,
            not_after: session.expires_at,
            actor: None,
            binding: terms.binding,
        };
        let minted = self.mint(grant, now)?;
        Ok(Tokens {
            access_token: minted.token,
            token_type: minted.token_type,
            expires_in: minted.expires_in,
            scope: minted.scope,
            authorization_details: minted.authorization_details,
            refresh_token: refresh_token::mint(&self.secrets.refresh_mac, session.id, session.generation),
            refresh_expires_in: session.idle_expires_at.since(now),
            session: session.id,
            user: UserInfo { id: user.id, username: user.username.clone(), roles: user.roles.clone() },
        })
    }

    /// Where a token of a session is good that is `asked` for one of its resources, or else for its first; `None` where that
    /// is not for `client` any more. The session of an app of the operator's (`None`) goes over to the default where its
    /// resource server left the configuration.
    pub(crate) fn session_target(
        &self,
        session: &Session,
        client: Option<&Client>,
        asked: Option<&str>,
    ) -> Option<Target<'_>> {
        let other = asked.and_then(|asked| session.more_resources.iter().find(|more| *more == asked));
        let resource = other.or(session.resource.as_ref()).map(String::as_str);
        match client {
            None => self.target(resource).or_else(|| self.target(None)),
            Some(client) => self.target(resource).filter(|_| self.may_have(client, resource)),
        }
    }

    fn asked_resource(&self, asked: &str) -> AskedResource {
        let default = self.config.resource_servers.iter().next().map(|server| server.audience.clone());
        AskedResource { asked: asked.to_owned(), default }
    }

    /// Whether `client` may have tokens for a resource server, as it is registered now. The issuer itself is none of
    /// them: what is good there hangs on scopes.
    pub(crate) fn may_have(&self, client: &Client, resource: Option<&str>) -> bool {
        let default = self.config.resource_servers.iter().next().map(|server| server.audience.as_str());
        match (resource, client.audience.as_slice()) {
            (None, _) => false,
            (Some(issuer), _) if issuer == self.config.issuer.as_str() => true,
            (Some(resource), []) => default == Some(resource),
            (Some(resource), audience) => audience.iter().any(|own| own == resource),
        }
    }

    /// Where the tokens of a session for `resource` are good; `None` for a resource that is not known.
    pub(crate) fn target(&self, resource: Option<&str>) -> Option<Target<'_>> {
        let servers = &self.config.resource_servers;
        match resource {
            None => servers.iter().next().map(Target::WithIssuer),
            Some(resource) if resource == self.config.issuer.as_str() => Some(Target::Issuer),
            Some(resource) => servers.find(resource).map(Target::Only),
        }
    }

    /// All that holders of `roles` may do where the token is good.
    pub(crate) fn scope_of(&self, roles: &[RoleName], target: Target<'_>) -> ScopeSet {
        let known = self.roles.load();
        let all = roles
            .iter()
            .filter_map(|role| known.get(role))
            .fold(ScopeSet::default(), |all, scope| all.union(scope));
        limit_to(&all, target)
    }
}

/// The scopes about the user that all `limits` have: no role gives them, the user does.
fn identity_scope<'s>(limits: impl Iterator<Item = &'s ScopeSet>) -> ScopeSet {
    let all = USER_SCOPES.iter().filter_map(|scope| scope.parse().ok()).collect();
    limits.fold(all, |scope: ScopeSet, limit| scope.intersection(limit))
}

/// The part of `scope` that means something at `target`.
pub(crate) fn limit_to(scope: &ScopeSet, target: Target<'_>) -> ScopeSet {
    let exists_at = |server: &ResourceServer, scope: &str| {
        server.scope.as_ref().is_none_or(|known| known.contains(scope))
    };
    let means_something = |scope: &str| match (target, scope) {
        (target, scope) if ISSUER_SCOPES.contains(&scope) => !matches!(target, Target::Only(_)),
        (Target::Issuer, _) => false,
        (Target::WithIssuer(server) | Target::Only(server), scope) => exists_at(server, scope),
    };
    scope.iter().filter(|scope| means_something(scope)).filter_map(|scope| scope.parse().ok()).collect()
}

fn too_early(typed: TypedName, TooEarly { by, retry_after }: TooEarly) -> LoginError {
    let (sub, name) = (typed.sub(), typed.digest());
    tracing::info!(target: "gatepass::audit", event = "login-throttled", sub, name, by);
    LoginError::Throttled { retry_after }
}
