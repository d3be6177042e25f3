//! From somebody whom a provider knows to a user here: by a link, or by what the user agrees to.

use std::net::IpAddr;
use std::time::Duration;

use gatepass_jose::{Timestamp, base64url};
use gatepass_revocation::Reason;
use thiserror::Error;
use zeroize::Zeroizing;

use super::{AccountPolicy, ArrivedIdentity, Identity, LinkedIdentity, ProviderId};
use crate::email::{Email, EmailAddress};
use crate::id::UserId;
use crate::issuer::Issuer;
use crate::jti::JtiDigest;
use crate::mint::MintError;
use crate::password::{Password, PasswordHash};
use crate::secrets::{SecretError, random};
use crate::sessions::{InternalError, Login, LoginError, internal_from};
use crate::sign_on::{LoginCookie, SignedOn};
use crate::store::{ChangeError, StoreError};
use crate::user::{User, Username};

/// How young a login is that shows, in the place of a password, that an account is one's own.
const RECENT: Duration = Duration::from_secs(600);

/// What an identity leads to.
#[derive(Debug)]
pub enum FederatedLogin {
    /// Its user is logged in.
    In(Box<SignedOn>, LoginCookie),
    /// Nobody's yet. This user has the same verified address, and may link it.
    MayLink(Box<User>),
    /// Nobody's yet, and may become a user of this name.
    MayCreate(Username),
    /// Nobody here.
    Nobody(Nobody),
}

/// Why an identity leads to nobody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nobody {
    /// It is linked to no account, and none is made for it.
    NotLinked,
    /// The provider has verified no e-mail address of theirs.
    NoVerifiedEmail,
    /// The address is of a domain from which nobody becomes a user.
    Domain,
    /// Somebody has the name that they would have.
    NameTaken,
    /// Their account is disabled.
    Disabled,
}

/// How somebody shows that an account is theirs.
#[derive(Debug)]
pub enum AccountProof<'p> {
    /// By its password.
    Password {
        /// The password.
        password: Password,
        /// Where they come from, for the throttle.
        address: Option<IpAddr>,
        /// What the browser keeps since its user's last login with it, if anything.
        known_device: Option<String>,
    },
    /// They are logged in to it.
    Login(&'p SignedOn),
}

/// Why an identity was not linked, or no user made for it.
#[derive(Clone, Debug, Error)]
#[non_exhaustive]
pub enum AccountError {
    /// The account was not shown to be theirs.
    #[error(transparent)]
    Login(#[from] LoginError),
    /// The account or the identity is not free any more, or was never.
    #[error("the account or the identity is linked already, or not to be had")]
    Gone,
    /// This page was answered before.
    #[error("this was answered before")]
    UsedUp,
    /// Our fault.
    #[error(transparent)]
    Internal(#[from] InternalError),
}

internal_from!(AccountError);

impl Issuer {
    /// Logs in whoever an identity is linked to, in the place of the login that `previous` is the cookie of; or says what
    /// may be made of it.
    ///
    /// # Errors
    /// [`InternalError`].
    pub async fn sign_on_with(
        &self,
        identity: &Identity,
        device: &str,
        previous: Option<&str>,
        now: Timestamp,
    ) -> Result<FederatedLogin, InternalError> {
        let Some(user) = self.store.find_linked_user(&identity.provider, &identity.subject).await? else {
            return Ok(self.offer(identity).await?);
        };
        let entered = self.enter(identity, user.id, device, previous, now).await?;
        Ok(match entered {
            Some((login, cookie)) => FederatedLogin::In(Box::new(login), cookie),
            None => FederatedLogin::Nobody(Nobody::Disabled),
        })
    }

    /// The user to whom an identity that is nobody's may be linked: who has the same verified address.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn account_to_link(&self, identity: &Identity) -> Result<Option<User>, StoreError> {
        match self.offer(identity).await? {
            FederatedLogin::MayLink(user) => Ok(Some(*user)),
            _ => Ok(None),
        }
    }

    /// What may be made of an identity that is nobody's.
    async fn offer(&self, identity: &Identity) -> Result<FederatedLogin, StoreError> {
        let nobody = |why| {
            tracing::info!(
                target: "gatepass::audit", event = "federated-login-denied", provider = %identity.provider, ?why
            );
            Ok(FederatedLogin::Nobody(why))
        };
        let policy = self.identity_provider(&identity.provider).map(|provider| &provider.accounts);
        let Some(email) = &identity.verified_email else {
            return nobody(match policy {
                Some(AccountPolicy::Create { .. }) => Nobody::NoVerifiedEmail,
                _ => Nobody::NotLinked,
            });
        };
        match self.store.find_user_by_email(email).await? {
            Some(user) if user.disabled => return nobody(Nobody::Disabled),
            Some(user) if self.is_linked(user.id, &identity.provider).await? => {
                return nobody(Nobody::NotLinked);
            }
            Some(user) => return Ok(FederatedLogin::MayLink(Box::new(user))),
            None => {}
        }
        let Some(AccountPolicy::Create { email_domains, .. }) = policy else {
            return nobody(Nobody::NotLinked);
        };
        if !email_domains.is_empty() && !email_domains.iter().any(|domain| email.is_at(domain)) {
            return nobody(Nobody::Domain);
        }
        match email.as_str().parse::<Username>() {
            Ok(name) if self.store.find_user_by_name(&name).await?.is_none() => {
                Ok(FederatedLogin::MayCreate(name))
            }
            _ => nobody(Nobody::NameTaken),
        }
    }

    async fn is_linked(&self, user: UserId, provider: &ProviderId) -> Result<bool, StoreError> {
        Ok(self.store.list_identities(user).await?.iter().any(|link| link.provider == *provider))
    }

    /// Links an identity to the account that has the same verified address, whose user has agreed to it and shows that it is
    /// theirs, and logs them in.
    ///
    /// # Errors
    /// [`AccountError`].
    pub async fn link_arrived(
        &self,
        arrived: &ArrivedIdentity,
        proof: AccountProof<'_>,
        device: &str,
        previous: Option<&str>,
        now: Timestamp,
    ) -> Result<(SignedOn, LoginCookie), AccountError> {
        let FederatedLogin::MayLink(user) = self.offer(&arrived.identity).await? else {
            return Err(AccountError::Gone);
        };
        match proof {
            AccountProof::Login(login) if login.proves(&user, now) => {}
            AccountProof::Login(_) => return Err(LoginError::Denied.into()),
            AccountProof::Password { password, address, known_device } => {
                let (username, device) = (user.username.clone(), device.to_owned());
                let login =
                    Login { username, password, scope: None, resource: None, device, address, known_device };
                self.require_password(&login, now).await?;
            }
        }
        self.use_up_identity(arrived).await?;
        self.keep_link(arrived, user.id, now).await?;
        let entered = self.enter(&arrived.identity, user.id, device, previous, now).await?;
        entered.ok_or(AccountError::Gone)
    }

    /// Makes a user of an identity, who has agreed to it, and logs them in. Their name is their address, so that nobody
    /// chooses one that somebody else is known by.
    ///
    /// # Errors
    /// [`AccountError`].
    pub async fn create_arrived(
        &self,
        arrived: &ArrivedIdentity,
        device: &str,
        previous: Option<&str>,
        now: Timestamp,
    ) -> Result<(SignedOn, LoginCookie), AccountError> {
        let FederatedLogin::MayCreate(username) = self.offer(&arrived.identity).await? else {
            return Err(AccountError::Gone);
        };
        let provider = self.identity_provider(&arrived.identity.provider);
        let (Some(AccountPolicy::Create { roles, .. }), Some(address)) =
            (provider.map(|provider| &provider.accounts), &arrived.identity.verified_email)
        else {
            return Err(AccountError::Gone);
        };
        let mut user = User {
            id: UserId::new(now, random()?),
            username,
            name: None,
            password: self.nobodys_password().await?,
            email: Some(verified(address)),
            roles: roles.clone(),
            disabled: false,
            created_at: now,
        };
        user.roles.sort_unstable();
        self.use_up_identity(arrived).await?;
        match self.store.create_linked_user(&user, &link(arrived, user.id, now)).await {
            Ok(()) => {}
            Err(ChangeError::Store(error)) => return Err(error.into()),
            Err(ChangeError::Exists | ChangeError::Unknown) => return Err(AccountError::Gone),
        }
        tracing::info!(
            target: "gatepass::audit", event = "user-created", sub = %user.id, provider = %arrived.identity.provider
        );
        let entered = self.enter(&arrived.identity, user.id, device, previous, now).await?;
        entered.ok_or(AccountError::Gone)
    }

    /// The hash of a password that nobody knows: whoever tries one pays what it costs for every other user.
    async fn nobodys_password(&self) -> Result<PasswordHash, AccountError> {
        let text = Zeroizing::new(base64url::encode(&random::<32>()?));
        let password = Password::new(text.as_str()).map_err(|_| AccountError::Gone)?;
        let hash =
            self.passwords.run(move |hasher| hasher.hash(&password)).await.map_err(LoginError::from)?;
        Ok(hash.ok_or(SecretError::Random)?)
    }

    async fn use_up_identity(&self, arrived: &ArrivedIdentity) -> Result<(), AccountError> {
        let jti = JtiDigest::of("identity of a provider", arrived.identity.provider.as_str(), &arrived.id);
        match self.store.consume_jti(jti, arrived.ends_at()).await? {
            true => Ok(()),
            false => Err(AccountError::UsedUp),
        }
    }

    async fn keep_link(
        &self,
        arrived: &ArrivedIdentity,
        user: UserId,
        now: Timestamp,
    ) -> Result<(), AccountError> {
        match self.store.link_identity(&link(arrived, user, now)).await {
            Ok(()) => {
                tracing::info!(
                    target: "gatepass::audit", event = "identity-linked", sub = %user,
                    provider = %arrived.identity.provider, by = "user"
                );
                Ok(())
            }
            Err(ChangeError::Store(error)) => Err(error.into()),
            Err(ChangeError::Exists | ChangeError::Unknown) => Err(AccountError::Gone),
        }
    }

    /// Logs a user in by a link; `None` when they are disabled, or the link is gone.
    async fn enter(
        &self,
        identity: &Identity,
        user: UserId,
        device: &str,
        previous: Option<&str>,
        now: Timestamp,
    ) -> Result<Option<(SignedOn, LoginCookie)>, InternalError> {
        let entered = self.start_sign_on(user, Some(identity), device, previous, now).await?;
        let Some((login, cookie)) = entered else { return Ok(None) };
        // Whoever took the link back meanwhile has ended the sessions that there were by then, and not this one.
        let linked = self.store.find_linked_user(&identity.provider, &identity.subject).await?;
        if linked.is_none_or(|linked| linked.id != user) {
            self.end_session(login.session.id, Reason::LOGOUT, now).await?;
            return Ok(None);
        }
        Ok(Some((login, cookie)))
    }
}

impl SignedOn {
    /// Whether this login shows, in the place of a password, that the account of `user` is one's own.
    #[must_use]
    pub fn proves(&self, user: &User, now: Timestamp) -> bool {
        self.user.id == user.id && self.session.auth_time.is_some_and(|at| now.since(at) <= RECENT)
    }
}

fn verified(address: &EmailAddress) -> Email {
    Email { address: address.clone(), verified: true }
}

fn link(arrived: &ArrivedIdentity, user: UserId, now: Timestamp) -> LinkedIdentity {
    let Identity { provider, subject, .. } = &arrived.identity;
    LinkedIdentity { provider: provider.clone(), subject: subject.clone(), user, linked_at: now }
}
