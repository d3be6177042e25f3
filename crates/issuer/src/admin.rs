//! What administrators do: users, clients, roles, revocations.

mod credential;
mod revocation;

use std::borrow::Cow;
use std::sync::atomic::Ordering;
use std::time::Duration;

use gatepass_jose::{Alg, Timestamp};
use gatepass_revocation::{InvalidId, Kind, Reason};
use gatepass_token::ScopeSet;
use thiserror::Error;

pub use self::credential::NewCredential;
pub use self::revocation::Revoked;
use crate::certificate::RegisteredCertificate;
use crate::client::{
    AcrValues, ChangeResponses, Client, ClientExtensions, ClientKeySource, ClientKeys, ClientLogout,
    ClientSecret, Credential, ExchangePolicy, GrantType, InvalidEncryption, NotificationUri,
};
use crate::client_key_sets::require_registered_algs;
use crate::email::Email;
use crate::feed::Sweep;
use crate::id::{ClientId, SessionId, UserId};
use crate::issuer::{Issuer, OpenError};
use crate::master_key::RotateMasterError;
use crate::password::{InvalidHash, InvalidPassword, KnownWords, Overloaded, Password, PasswordHash};
use crate::profile::ProfileMismatch;
use crate::redirect_uri::RedirectUri;
use crate::secrets::{SecretError, random};
use crate::store::{
    ChangeError, EndSessions, HolderRevocation, Page, RegistrationRotation, StoreError, UserChange,
};
use crate::subject::{SubjectType, require_sector};
use crate::user::{DisplayName, Role, RoleName, User, Username};

/// The most that one page holds.
const MAX_PAGE: u32 = 500;

/// Why an administrator's request was not carried out.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum AdminError {
    /// Something of that name is there already.
    #[error("it exists already")]
    Exists,
    /// There is nothing of that name.
    #[error("it does not exist")]
    Unknown,
    /// The new password is refused.
    #[error(transparent)]
    Password(#[from] InvalidPassword),
    /// The password hash of another system is refused.
    #[error(transparent)]
    PasswordHash(#[from] InvalidHash),
    /// That audience is not configured.
    #[error("the audience {0:?} is not one of the configured resource servers")]
    UnknownAudience(String),
    /// A client was to exchange tokens of or for an audience that is not configured, or for the issuer itself.
    #[error("the audience {audience:?} is not one of the configured resource servers")]
    UnknownExchangeAudience {
        /// Whether it was to get tokens for it, or to exchange tokens of it.
        wants: bool,
        /// The audience.
        audience: String,
    },
    /// A client was to get another secret that has none.
    #[error("the client has no secret: it does not prove who it is by one")]
    NoSecret,
    /// The name does not fit the kind of revocation.
    #[error(transparent)]
    RevocationId(#[from] InvalidId),
    /// That identifier is taken by the issuer itself.
    #[error("the identifier is reserved")]
    Reserved,
    /// A client that is to log users in has nowhere to send them back to.
    #[error("the grant authorization_code needs at least one redirect URI")]
    NoRedirectUri,
    /// A public client was to be exempt from PKCE.
    #[error("only a client that authenticates can do without PKCE")]
    NeedsPkce,
    /// A client's page was to be shown in a frame that is at none of its redirect URIs' origins.
    #[error("a frontchannel_logout_uri has the origin of one of the client's redirect URIs")]
    ForeignFrame,
    /// The client does not fit the profile.
    #[error(transparent)]
    Profile(#[from] ProfileMismatch),
    /// That type is not configured.
    #[error("authorization details of type {0:?} are none of the configured ones")]
    UnknownDetailsType(String),
    /// A subject was to be revoked that is one of several names of a user.
    #[error("that is what one client calls a user; revoke the session, or the user by its own identifier")]
    PairwiseSubject,
    /// It is not certain whose users' pairwise subjects the client may learn.
    #[error("{0}")]
    Sector(String),
    /// Somebody else changed the client while this change was looked at.
    #[error("the client was changed meanwhile; try again")]
    ChangedMeanwhile,
    /// The keys that the client publishes cannot be had, or will not do.
    #[error("{0}")]
    KeySet(String),
    /// Something was to be signed for a client with an algorithm that this server has no key for.
    #[error("this server does not sign with {alg}")]
    UnservedAlg {
        /// The member that asks for it.
        member: &'static str,
        /// The algorithm.
        alg: Alg,
    },
    /// Keys were to be rotated of an algorithm that none are published for.
    #[error("no key is published for {0}")]
    UnpublishedAlg(Alg),
    /// Something was to be signed for a client, and the key is on its way: not everybody who verifies has seen it yet.
    #[error("the key for {alg} was published a moment ago and signs in {} s; try again then", wait.as_secs() + 1)]
    AlgNotYet {
        /// The member that asks for it.
        member: &'static str,
        /// The algorithm.
        alg: Alg,
        /// Until its key signs.
        wait: Duration,
    },
    /// What the client is told cannot be encrypted for it as it wants.
    #[error(transparent)]
    Encryption(#[from] InvalidEncryption),
    /// A client was to sign its requests that has no keys.
    #[error("only a client that has registered keys to sign with can sign its authorization requests")]
    CannotSign,
    /// A client was to authenticate with keys of which none is for signatures, or was to lose them all.
    #[error("private_key_jwt needs a public key of the client's to sign with, in its jwks")]
    NoSigningKey,
    /// A client that authenticates without a certificate has none.
    #[error("the client does not authenticate with a certificate")]
    NotByCertificate,
    /// A token was to be made with which nobody may register.
    #[error("{1}")]
    NotRegistrable(&'static str, &'static str),
    /// Too many passwords are waiting to be hashed.
    #[error(transparent)]
    Overloaded(#[from] Overloaded),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// There is no randomness, or a key could not be changed.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// The keys could not be changed.
    #[error(transparent)]
    Keys(#[from] OpenError),
    /// The master key could not be rotated.
    #[error(transparent)]
    MasterKey(#[from] RotateMasterError),
}

impl From<ChangeError> for AdminError {
    fn from(error: ChangeError) -> Self {
        match error {
            ChangeError::Exists => Self::Exists,
            ChangeError::Unknown => Self::Unknown,
            ChangeError::Store(error) => Self::Store(error),
        }
    }
}

/// A user to be created.
#[derive(Clone, Debug)]
pub struct NewUser {
    /// Their login name.
    pub username: Username,
    /// What people call them.
    pub name: Option<DisplayName>,
    /// How they show who they are.
    pub password: FirstPassword,
    /// Their e-mail address.
    pub email: Option<Email>,
    /// Their roles. A role need not be defined to be held; it allows nothing then.
    pub roles: Vec<RoleName>,
    /// Whether they are kept out.
    pub disabled: bool,
}

/// What a new user logs in with.
#[derive(Clone, Debug)]
pub enum FirstPassword {
    /// A password, of which what is asked of new ones is asked.
    New(Password),
    /// What another system kept of the user's password, as [`PasswordHash::import`] takes it.
    Imported(PasswordHash),
}

/// What is to change about a user; `None` leaves it.
#[derive(Clone, Debug, Default)]
pub struct ChangeUser {
    /// All their roles from now on. Guards refuse the old tokens with `claims-changed`.
    pub roles: Option<Vec<RoleName>>,
    /// Disabling ends every session and token.
    pub disabled: Option<bool>,
    /// A new password ends every session and token but the session in `own`.
    pub password: Option<Password>,
    /// Another e-mail address, or none.
    pub email: Option<Option<Email>>,
    /// Another name for people to call them by, or none.
    pub name: Option<Option<DisplayName>>,
    /// It is the user who changes it.
    pub own: Option<OwnChange>,
}

/// A user's change of their own row.
#[derive(Clone, Debug)]
pub struct OwnChange {
    /// The session in which they do it, which stays.
    pub session: Option<SessionId>,
    /// What was kept of the password that they have shown. If something else is kept by now, nothing changes: whoever knows an
    /// old password undoes no reset.
    pub password: PasswordHash,
}

/// A client to be registered.
#[derive(Clone, Debug)]
pub struct NewClient {
    /// Its `client_id`; `None`: a random one.
    pub id: Option<ClientId>,
    /// What people call it.
    pub name: String,
    /// How it is to prove who it is.
    pub credential: NewCredential,
    /// The grants it may use.
    pub grants: Vec<GrantType>,
    /// The most it may ask for.
    pub scope: ScopeSet,
    /// The audiences it may ask for; empty: the default resource server.
    pub audience: Vec<String>,
    /// How it logs users in.
    pub sign_on: SignOnClient,
    /// What tokens it may exchange for which.
    pub exchange: Option<ExchangePolicy>,
    /// What it registers beyond that.
    pub extensions: ClientExtensions,
}

impl NewClient {
    /// The client, under its name and with what it proves it by.
    pub(crate) fn into_client(self, id: ClientId, credential: Credential, now: Timestamp) -> Client {
        let Self { sign_on, .. } = self;
        Client {
            id,
            name: self.name,
            credential,
            grants: self.grants,
            scope: self.scope,
            audience: self.audience,
            redirect_uris: sign_on.redirect_uris,
            post_logout_redirect_uris: sign_on.post_logout_redirect_uris,
            logout: sign_on.logout,
            trusted: sign_on.trusted,
            require_pkce: sign_on.require_pkce,
            require_pushed: sign_on.require_pushed,
            exchange: self.exchange,
            extensions: self.extensions,
            disabled: false,
            created_at: now,
        }
    }
}

/// How a client logs users in; the default is not at all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignOnClient {
    /// Where browsers may be sent back to with a code.
    pub redirect_uris: Vec<RedirectUri>,
    /// Where browsers may be sent to after a logout.
    pub post_logout_redirect_uris: Vec<RedirectUri>,
    /// Where it hears of logouts.
    pub logout: ClientLogout,
    /// Whether its users are not asked for consent.
    pub trusted: bool,
    /// Whether it must show a code challenge.
    pub require_pkce: bool,
    /// Whether it must push its authorization requests.
    pub require_pushed: bool,
}

impl Default for SignOnClient {
    fn default() -> Self {
        Self {
            redirect_uris: Vec::new(),
            post_logout_redirect_uris: Vec::new(),
            logout: ClientLogout::default(),
            trusted: false,
            require_pkce: true,
            require_pushed: false,
        }
    }
}

/// What is to change about a client; `None` leaves it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ChangeClient {
    /// Another name.
    pub name: Option<String>,
    /// Other grants.
    pub grants: Option<Vec<GrantType>>,
    /// Another most; a smaller one takes the client's tokens back.
    pub scope: Option<ScopeSet>,
    /// Other audiences; fewer take the client's tokens back.
    pub audience: Option<Vec<String>>,
    /// Other redirect URIs, all of them.
    pub redirect_uris: Option<Vec<RedirectUri>>,
    /// Other places to go after a logout, all of them.
    pub post_logout_redirect_uris: Option<Vec<RedirectUri>>,
    /// Another place to get logout tokens, or none.
    pub backchannel_logout_uri: Option<Option<NotificationUri>>,
    /// Another page for the frame of the logout page, or none.
    pub frontchannel_logout_uri: Option<Option<NotificationUri>>,
    /// Whether its users are not asked for consent.
    pub trusted: Option<bool>,
    /// Whether it must show a code challenge.
    pub require_pkce: Option<bool>,
    /// Whether it must push its authorization requests.
    pub require_pushed: Option<bool>,
    /// Another policy for token exchange; one that differs takes the client's tokens back.
    pub exchange: Option<ExchangePolicy>,
    /// Whether it gets no access token that is not bound to a key. A client that is held to it from now on loses
    /// those that it has.
    pub dpop_bound_access_tokens: Option<bool>,
    /// Whether its access tokens are bound to its certificate. From false to true takes its access tokens back.
    pub tls_client_certificate_bound_access_tokens: Option<bool>,
    /// Whether it must sign its authorization requests.
    pub require_signed_request_object: Option<bool>,
    /// Other types of authorization details, all of them; fewer take the client's tokens back.
    pub authorization_details_types: Option<Vec<String>>,
    /// How its users are called. Another way takes its tokens back.
    pub subject_type: Option<SubjectType>,
    /// Where the redirect URIs of its sector are listed, or nowhere.
    pub sector_identifier_uri: Option<Option<NotificationUri>>,
    /// How long ago its users may have logged in where a request does not say, in seconds, or any time.
    pub default_max_age: Option<Option<u32>>,
    /// Whether its ID tokens always say when their user logged in.
    pub require_auth_time: Option<bool>,
    /// How else it would like its users to log in where a request does not say.
    pub default_acr_values: Option<AcrValues>,
    /// The only algorithm of its assertions, or any that one of its keys is for.
    pub token_endpoint_auth_signing_alg: Option<Option<Alg>>,
    /// Whether its assertions may be for an endpoint in place of the issuer.
    pub endpoint_audience: Option<bool>,
    /// The only algorithm of its request objects, or any that one of its keys is for.
    pub request_object_signing_alg: Option<Option<Alg>>,
    /// In which form it is told things.
    pub responses: ChangeResponses,
    /// Disabling takes the client's tokens back and ends the sessions that it started.
    pub disabled: Option<bool>,
    /// Other keys, all of them, or none; the old ones are good for nothing at once.
    pub keys: Option<Option<ClientKeySource>>,
    /// Another certificate, where it authenticates with one.
    pub certificate: Option<RegisteredCertificate>,
    /// Whether to give it a new secret; the old one is good for nothing at once.
    pub new_secret: bool,
}

impl Issuer {
    /// Creates a user.
    ///
    /// # Errors
    /// [`AdminError`]: the name or the verified address is taken, or the password is refused.
    pub async fn create_user(&self, new: NewUser, now: Timestamp) -> Result<User, AdminError> {
        let imported = matches!(new.password, FirstPassword::Imported(_));
        let password = match new.password {
            FirstPassword::New(password) => self.hash_new(password, &new.username).await?,
            FirstPassword::Imported(hash) => hash,
        };
        let user = User {
            id: UserId::new(now, random()?),
            username: new.username,
            name: new.name,
            password,
            email: new.email,
            roles: sorted(new.roles),
            disabled: new.disabled,
            created_at: now,
        };
        self.store.create_user(&user).await?;
        if imported {
            self.decoys_due.store(0, Ordering::Relaxed);
        }
        tracing::info!(target: "gatepass::audit", event = "user-created", sub = %user.id, imported);
        Ok(user)
    }

    /// The user of that id.
    ///
    /// # Errors
    /// [`AdminError::Unknown`].
    pub async fn find_user(&self, id: UserId) -> Result<User, AdminError> {
        self.store.find_user(id).await?.ok_or(AdminError::Unknown)
    }

    /// The user of that name.
    ///
    /// # Errors
    /// [`AdminError::Unknown`].
    pub async fn find_user_by_name(&self, name: &Username) -> Result<User, AdminError> {
        self.store.find_user_by_name(name).await?.ok_or(AdminError::Unknown)
    }

    /// A page of users in the order of their creation, at most 500.
    ///
    /// # Errors
    /// [`AdminError`].
    pub async fn list_users(&self, page: Page<UserId>) -> Result<Vec<User>, AdminError> {
        Ok(self.store.list_users(bounded(page)).await?)
    }

    /// Changes a user. When it returns, the change is durable and on its way to every guard.
    ///
    /// # Errors
    /// [`AdminError`]: there is no such user, another has the new address verified, or the new password is refused.
    pub async fn change_user(
        &self,
        id: UserId,
        change: ChangeUser,
        now: Timestamp,
    ) -> Result<User, AdminError> {
        let before = self.find_user(id).await?;
        let roles = change.roles.map(sorted).filter(|roles| *roles != before.roles);
        let password = match change.password {
            Some(password) => Some(self.hash_new(password, &before.username).await?),
            None => None,
        };
        let reason = match (change.disabled, &password, &roles) {
            (Some(true), ..) => Some(Reason::DISABLED),
            (_, Some(_), _) => Some(Reason::PASSWORD_CHANGED),
            (.., Some(_)) => Some(Reason::CLAIMS_CHANGED),
            _ => None,
        };
        let end_sessions = match (change.disabled, &password) {
            (Some(true), _) => Some(EndSessions { at: now, except: None }),
            (_, Some(_)) => {
                let except = change.own.as_ref().and_then(|own| own.session);
                Some(EndSessions { at: now, except })
            }
            _ => None,
        };
        let sweep = self.feed.sweep(now).await;
        let revocation =
            reason.clone().map(|reason| self.swept(&sweep, Kind::Subject, &id.to_string(), reason, now));
        let expected_password = change.own.map(|own| own.password);
        let ChangeUser { disabled, email, name, .. } = change;
        let change = UserChange { roles, disabled, password, expected_password, email, name };
        let user = self.store.change_user(id, change, end_sessions, revocation.into_iter().collect()).await?;
        self.feed.pump(&*self.store).await?;
        drop(sweep);
        tracing::info!(target: "gatepass::audit", event = "user-changed", sub = %id, ?reason);
        Ok(user)
    }

    /// Registers a client. Its secret is given here and never again.
    ///
    /// # Errors
    /// [`AdminError`]: the identifier is taken, or an audience is not configured.
    pub async fn create_client(
        &self,
        new: NewClient,
        now: Timestamp,
    ) -> Result<(Client, Option<ClientSecret>), AdminError> {
        let (client, secret) = self.new_client(new, now)?;
        self.require_sector_document(&client, now).await?;
        self.require_published_keys(&client, now).await?;
        self.store.create_client(&client).await?;
        tracing::info!(target: "gatepass::audit", event = "client-created", client_id = %client.id);
        Ok((client, secret))
    }

    /// A client that is not kept yet, if it can be one, and its secret.
    pub(crate) fn new_client(
        &self,
        new: NewClient,
        now: Timestamp,
    ) -> Result<(Client, Option<ClientSecret>), AdminError> {
        self.require_audiences(&new.audience)?;
        self.require_exchangeable(new.exchange.as_ref())?;
        let id = match &new.id {
            Some(id) if id.is_reserved() || id.is_url() => return Err(AdminError::Reserved),
            Some(id) => id.clone(),
            None => random_client_id()?,
        };
        let (credential, secret) = self.make_credential(&id, new.credential.clone())?;
        let mut client = new.into_client(id, credential, now);
        self.settle_id_token_alg(&mut client, now);
        self.require_served(&client, now)?;
        require_sign_on(&client)?;
        self.held(client.clone())?;
        Ok((client, secret))
    }

    /// What the client registers of extensions is what this server is configured for.
    fn require_served(&self, client: &Client, now: Timestamp) -> Result<(), AdminError> {
        let ClientExtensions { authorization_details_types, responses, .. } = &client.extensions;
        self.require_details_types(authorization_details_types)?;
        let signing = self.config.response_signing_algs();
        if let Some((member, alg)) = responses.signing_algs().find(|(_, alg)| !signing.contains(alg)) {
            return Err(AdminError::UnservedAlg { member, alg });
        }
        let ring = self.ring.load();
        let mut asked = responses.signing_algs();
        if let Some((member, alg)) = asked.find(|(_, alg)| ring.signer(*alg, now).is_none()) {
            let appointed = ring.records().filter(|key| key.alg == alg).filter_map(|key| key.signs_from);
            let next = appointed.filter(|from| *from > now).min(); // one that signed before may be there still
            let wait = next.map_or(self.config.key_terms().publish_ahead, |from| from.since(now));
            return Err(AdminError::AlgNotYet { member, alg, wait });
        }
        responses.require_encryptable(client.keys())?;
        match client.keys() {
            // What is published is looked at when it has been fetched.
            Some(ClientKeySource::Published { .. }) => Ok(()),
            keys => {
                let given = keys.and_then(ClientKeySource::given);
                let given = given.map(|keys| keys.verifying(&client.signing_algs(self.config.profile)));
                require_registered_algs(client, &given.unwrap_or_default())
            }
        }
    }

    /// Demands that authorization details of these types are configured.
    pub(crate) fn require_details_types(&self, types: &[String]) -> Result<(), AdminError> {
        let known = &self.config.authorization_details_types;
        match types.iter().find(|name| !known.contains(name)) {
            Some(unknown) => Err(AdminError::UnknownDetailsType(unknown.clone())),
            None => Ok(()),
        }
    }

    /// The client of that id.
    ///
    /// # Errors
    /// [`AdminError::Unknown`].
    pub async fn find_client(&self, id: &ClientId) -> Result<Client, AdminError> {
        self.store.find_client(id).await?.ok_or(AdminError::Unknown)
    }

    /// A page of clients in the order of their ids, at most 500.
    ///
    /// # Errors
    /// [`AdminError`].
    pub async fn list_clients(&self, page: Page<ClientId>) -> Result<Vec<Client>, AdminError> {
        Ok(self.store.list_clients(bounded(page)).await?)
    }

    /// Changes a client. Where it loses something, its tokens are taken back.
    ///
    /// # Errors
    /// [`AdminError`]: there is no such client, or an audience is not configured.
    pub async fn change_client(
        &self,
        id: &ClientId,
        change: ChangeClient,
        now: Timestamp,
    ) -> Result<(Client, Option<ClientSecret>), AdminError> {
        self.change_client_and(id, change, None, now).await
    }

    /// The same, and with it the token of the client's registration: both or neither. [`AdminError::Unknown`] where that
    /// was rotated meanwhile.
    pub(crate) async fn change_client_and(
        &self,
        id: &ClientId,
        change: ChangeClient,
        rotation: Option<RegistrationRotation>,
        now: Timestamp,
    ) -> Result<(Client, Option<ClientSecret>), AdminError> {
        let before = self.find_client(id).await?;
        let mut client = before.clone();
        if let Some(audience) = change.audience {
            self.require_audiences(&audience)?;
            client.audience = audience;
        }
        if let Some(exchange) = change.exchange {
            self.require_exchangeable(Some(&exchange))?;
            client.exchange = Some(exchange);
        }
        client.name = change.name.unwrap_or(client.name);
        client.grants = change.grants.unwrap_or(client.grants);
        client.scope = change.scope.unwrap_or(client.scope);
        client.redirect_uris = change.redirect_uris.unwrap_or(client.redirect_uris);
        client.post_logout_redirect_uris =
            change.post_logout_redirect_uris.unwrap_or(client.post_logout_redirect_uris);
        client.logout.backchannel = change.backchannel_logout_uri.unwrap_or(client.logout.backchannel);
        client.logout.frontchannel = change.frontchannel_logout_uri.unwrap_or(client.logout.frontchannel);
        client.trusted = change.trusted.unwrap_or(client.trusted);
        client.require_pkce = change.require_pkce.unwrap_or(client.require_pkce);
        client.require_pushed = change.require_pushed.unwrap_or(client.require_pushed);
        let extensions = &mut client.extensions;
        extensions.dpop_bound_access_tokens =
            change.dpop_bound_access_tokens.unwrap_or(extensions.dpop_bound_access_tokens);
        let certified = &mut extensions.tls_client_certificate_bound_access_tokens;
        *certified = change.tls_client_certificate_bound_access_tokens.unwrap_or(*certified);
        extensions.require_signed_request_object =
            change.require_signed_request_object.unwrap_or(extensions.require_signed_request_object);
        if let Some(types) = change.authorization_details_types {
            extensions.authorization_details_types = types;
        }
        extensions.subject_type = change.subject_type.unwrap_or(extensions.subject_type);
        if let Some(uri) = change.sector_identifier_uri {
            extensions.sector_identifier_uri = uri;
        }
        extensions.default_max_age = change.default_max_age.unwrap_or(extensions.default_max_age);
        extensions.require_auth_time = change.require_auth_time.unwrap_or(extensions.require_auth_time);
        if let Some(values) = change.default_acr_values {
            extensions.default_acr_values = values;
        }
        let settles_id_token_alg =
            change.responses.id_token_signed_response_alg == Some(None) || !before.logs_users_in();
        if let Some(alg) = change.token_endpoint_auth_signing_alg {
            extensions.token_endpoint_auth_signing_alg = alg;
        }
        extensions.endpoint_audience = change.endpoint_audience.unwrap_or(extensions.endpoint_audience);
        if let Some(alg) = change.request_object_signing_alg {
            extensions.request_object_signing_alg = alg;
        }
        extensions.responses = change.responses.of(std::mem::take(&mut extensions.responses));
        if settles_id_token_alg {
            self.settle_id_token_alg(&mut client, now);
        }
        let secret =
            self.change_credential(&mut client, change.keys, change.certificate, change.new_secret)?;
        // What is served no more keeps nobody from changing the rest of such a client, or from disabling it.
        if before.extensions != client.extensions || before.keys() != client.keys() {
            self.require_served(&client, now)?;
        }
        require_sign_on(&client)?;
        let is_moved = before.redirect_uris != client.redirect_uris
            || before.extensions.sector_identifier_uri != client.extensions.sector_identifier_uri;
        let is_keyed = before.keys() != client.keys()
            || before.extensions.responses != client.extensions.responses
            || !before.extensions.registered_algs().eq(client.extensions.registered_algs())
            || before.extensions.require_signed_request_object
                != client.extensions.require_signed_request_object;
        if is_keyed {
            self.require_published_keys(&client, now).await?;
        }
        if is_moved {
            self.require_sector_document(&client, now).await?;
        }
        if is_moved || is_keyed {
            // Whoever the client named took their time to answer. What was changed meanwhile is not to be undone.
            if self.find_client(id).await? != before {
                return Err(AdminError::ChangedMeanwhile);
            }
        }
        client.disabled = change.disabled.unwrap_or(client.disabled);
        if !client.disabled {
            self.held(client.clone())?;
        }

        let loses = !before.scope.is_subset(&client.scope)
            || before.audience != client.audience
            || before.exchange.is_some() && before.exchange != client.exchange
            || before.extensions.authorization_details_types != client.extensions.authorization_details_types
            // Nobody could take back by the user's name what says another.
            || named_by(&before) != named_by(&client)
            || client.extensions.dpop_bound_access_tokens && !before.extensions.dpop_bound_access_tokens
            || client.extensions.tls_client_certificate_bound_access_tokens
                && !before.extensions.tls_client_certificate_bound_access_tokens;
        let reason = match client.disabled && !before.disabled {
            true => Some(Reason::DISABLED),
            false => loses.then_some(Reason::CLAIMS_CHANGED),
        };
        let sweep = self.feed.sweep(now).await;
        let revocation =
            reason.clone().map(|reason| self.swept(&sweep, Kind::Client, id.as_str(), reason, now));
        let revocations = revocation.into_iter().collect();
        match rotation {
            None => self.store.replace_client(&client, revocations).await?,
            Some(rotation) => {
                let changed = self.store.change_registration(&client, revocations, rotation).await?;
                changed.then_some(()).ok_or(AdminError::Unknown)?;
            }
        }
        self.feed.pump(&*self.store).await?;
        drop(sweep);
        tracing::info!(target: "gatepass::audit", event = "client-changed", client_id = %id, ?reason);
        Ok((client, secret))
    }

    /// All roles, by name.
    #[must_use]
    pub fn list_roles(&self) -> Vec<Role> {
        let known = self.roles.load();
        let mut roles: Vec<Role> =
            known.iter().map(|(name, scope)| Role { name: name.clone(), scope: scope.clone() }).collect();
        roles.sort_by(|a, b| a.name.cmp(&b.name));
        roles
    }

    /// Defines a role, or changes what it allows. Its holders' tokens are refused with
    /// `claims-changed`, so that their next refresh carries what it allows now.
    ///
    /// # Errors
    /// [`AdminError`].
    pub async fn put_role(&self, role: Role, now: Timestamp) -> Result<(), AdminError> {
        let sweep = self.feed.sweep(now).await;
        self.store.put_role(&role, self.holder_revocation(&sweep, now)).await?;
        self.load_roles().await?;
        self.feed.pump(&*self.store).await?;
        drop(sweep);
        tracing::info!(target: "gatepass::audit", event = "role-changed", role = %role.name);
        Ok(())
    }

    /// Removes a role, from its holders too.
    ///
    /// # Errors
    /// [`AdminError::Unknown`].
    pub async fn remove_role(&self, name: &RoleName, now: Timestamp) -> Result<(), AdminError> {
        let sweep = self.feed.sweep(now).await;
        self.store.remove_role(name, self.holder_revocation(&sweep, now)).await?;
        self.load_roles().await?;
        self.feed.pump(&*self.store).await?;
        drop(sweep);
        tracing::info!(target: "gatepass::audit", event = "role-removed", role = %name);
        Ok(())
    }

    /// Hashes a password that `username` is to have from now on, if it is one that is not guessed at once.
    async fn hash_new(&self, password: Password, username: &Username) -> Result<PasswordHash, AdminError> {
        password.require_length(self.config.passwords)?;
        let known = KnownWords::of(&[username.as_str(), self.config.issuer.as_str(), "gatepass"]);
        let hash = self.passwords.run(move |hasher| {
            password.require_unguessable(&known)?;
            Ok::<_, InvalidPassword>(hasher.hash(&password))
        });
        Ok(hash.await??.ok_or(SecretError::Random)?)
    }

    pub(crate) fn require_audiences(&self, audiences: &[String]) -> Result<(), AdminError> {
        let unknown = self.unknown_among(audiences);
        unknown.map_or(Ok(()), |audience| Err(AdminError::UnknownAudience(audience.clone())))
    }

    fn unknown_among<'a>(&self, audiences: &'a [String]) -> Option<&'a String> {
        audiences.iter().find(|audience| self.target(Some(audience)).is_none())
    }

    /// What is exchanged for is a resource server's, and what is exchanged may be sent to the issuer too.
    fn require_exchangeable(&self, policy: Option<&ExchangePolicy>) -> Result<(), AdminError> {
        let Some(policy) = policy else { return Ok(()) };
        let unknown = |wants| {
            move |audience: &String| AdminError::UnknownExchangeAudience { wants, audience: audience.clone() }
        };
        let issuer = policy.audience.iter().find(|audience| **audience == *self.config.issuer.as_str());
        let unwanted = issuer.or_else(|| self.unknown_among(&policy.audience)).map(unknown(true));
        let untaken = || self.unknown_among(&policy.from).map(unknown(false));
        unwanted.or_else(untaken).map_or(Ok(()), Err)
    }

    fn holder_revocation(&self, sweep: &Sweep<'_>, now: Timestamp) -> HolderRevocation {
        HolderRevocation {
            issued_before: sweep.issued_before,
            forget_after: self.dead_by(now),
            reason: Reason::CLAIMS_CHANGED,
        }
    }
}

/// By what a client's users are called; `None`: by their own identifiers.
fn named_by(client: &Client) -> Option<Cow<'_, str>> {
    (client.extensions.subject_type == SubjectType::Pairwise).then(|| client.sector())
}

/// A public client without a code challenge would let anybody use a code who sees one.
fn require_sign_on(client: &Client) -> Result<(), AdminError> {
    let logs_in = client.may_use(GrantType::AuthorizationCode);
    // What is published is looked at when it has been fetched.
    let can_sign = |keys: &ClientKeySource| keys.given().is_none_or(ClientKeys::can_sign);
    let has_keys = client.keys().is_some_and(can_sign);
    match client {
        // Lists of thousands would be kept, and read with every request.
        Client { grants, .. } if has_twice(grants) => {
            Err(AdminError::NotRegistrable("grant_types", "a grant stands there twice"))
        }
        Client { credential: Credential::Keys(_), .. } if !has_keys => Err(AdminError::NoSigningKey),
        _ if logs_in && client.redirect_uris.is_empty() => Err(AdminError::NoRedirectUri),
        Client { logout: ClientLogout { frontchannel: Some(uri), .. }, redirect_uris, .. }
            if !uri.is_beside(redirect_uris) =>
        {
            Err(AdminError::ForeignFrame)
        }
        Client { credential: Credential::None, require_pkce: false, .. } => Err(AdminError::NeedsPkce),
        _ if client.extensions.require_signed_request_object && !has_keys => Err(AdminError::CannotSign),
        _ => require_sector(client),
    }
}

fn has_twice(grants: &[GrantType]) -> bool {
    let mut seen = Vec::new();
    grants.iter().any(|grant| {
        let twice = seen.contains(grant);
        seen.push(*grant);
        twice
    })
}

fn sorted(mut roles: Vec<RoleName>) -> Vec<RoleName> {
    roles.sort();
    roles.dedup();
    roles
}

fn bounded<T>(page: Page<T>) -> Page<T> {
    Page { limit: page.limit.clamp(1, MAX_PAGE), ..page }
}

/// 16 hexadecimal characters: short enough to read out, and never a user's identifier.
fn random_client_id() -> Result<ClientId, SecretError> {
    let id = format!("{:016x}", u64::from_be_bytes(random()?));
    id.parse().map_err(|_| SecretError::Random)
}
