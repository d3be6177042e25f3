//! What operators, and clients about themselves, do.

use aws_lc_rs::constant_time::verify_slices_are_equal;
use gatepass_jose::Timestamp;
use gatepass_revocation::{Kind, Reason};

use super::{
    ClientMetadata, InitialAccessToken, NewInitialAccessToken, Registered, Registration, RegistrationError,
    RegistrationToken,
};
use crate::admin::{AdminError, ChangeClient, NewClient, NewCredential};
use crate::client::{ChangeResponses, Client, Credential};
use crate::id::ClientId;
use crate::issuer::Issuer;
use crate::secrets::{SecretError, random};
use crate::store::{Registering, RegistrationRotation, StoreError};

impl Issuer {
    /// Makes a token with which clients register themselves. It is given here and never again.
    ///
    /// # Errors
    /// [`AdminError::NotRegistrable`].
    pub async fn create_initial_access_token(
        &self,
        new: NewInitialAccessToken,
        now: Timestamp,
    ) -> Result<(InitialAccessToken, RegistrationToken), AdminError> {
        new.require_bounded()?;
        self.require_audiences(&new.policy.audience)?;
        self.require_details_types(&new.policy.authorization_details_types)?;
        let token = RegistrationToken::initial(&random()?);
        let row = InitialAccessToken {
            digest: self.secrets.registration_token_digest(token.expose()),
            id: format!("{:016x}", u64::from_be_bytes(random()?)),
            policy: new.policy,
            uses_left: new.uses,
            expires_at: now.saturating_add(new.lifetime),
            created_at: now,
        };
        self.store.keep_initial_access_token(&row).await?;
        tracing::info!(target: "gatepass::audit", event = "initial-access-token-made", id = row.id);
        Ok((row, token))
    }

    /// The initial access tokens that have not expired, at most 1,000.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn list_initial_access_tokens(
        &self,
        now: Timestamp,
    ) -> Result<Vec<InitialAccessToken>, StoreError> {
        let mut tokens = self.store.list_initial_access_tokens().await?;
        tokens.retain(|token| token.expires_at > now);
        Ok(tokens)
    }

    /// Removes an initial access token. Clients that have registered with it stay.
    ///
    /// # Errors
    /// [`AdminError::Unknown`].
    pub async fn remove_initial_access_token(&self, id: &str) -> Result<(), AdminError> {
        let known = self.store.remove_initial_access_token(id).await?;
        tracing::info!(target: "gatepass::audit", event = "initial-access-token-removed", id, known);
        known.then_some(()).ok_or(AdminError::Unknown)
    }

    /// Registers a client that comes with an initial access token, which is used once by it.
    ///
    /// # Errors
    /// [`RegistrationError`]; the token is not used then.
    pub async fn register_client(
        &self,
        token: &str,
        metadata: ClientMetadata,
        now: Timestamp,
    ) -> Result<Registered, RegistrationError> {
        let initial = self.secrets.registration_token_digest(token);
        let found = self.store.find_initial_access_token(initial).await?;
        let found = found.filter(|found| found.uses_left > 0 && now < found.expires_at);
        let found = found.ok_or(RegistrationError::Token)?;
        let new = found.policy.allow(metadata)?;
        self.require_public(&new)?;
        let (client, secret) = self.new_client(new, now)?;
        self.require_sector_document(&client, now).await?;
        self.require_published_keys(&client, now).await?;
        let token = RegistrationToken::management(&random()?);
        let registration = Registration {
            client: client.id.clone(),
            digest: self.secrets.registration_token_digest(token.expose()),
            policy: found.policy,
        };
        match self.store.register_client(initial, &client, &registration, now).await? {
            Registering::Done => {}
            Registering::UsedUp => return Err(RegistrationError::Token),
            Registering::Exists => return Err(SecretError::Random.into()),
        }
        tracing::info!(
            target: "gatepass::audit", event = "client-registered", client_id = %client.id, with = found.id
        );
        Ok(Registered { client, secret, token })
    }

    /// The client that manages its registration with this token, which goes on being good
    /// ([RFC 7592 section 3](https://www.rfc-editor.org/rfc/rfc7592#section-3) wants it told).
    ///
    /// # Errors
    /// [`RegistrationError::Token`]: for a client that does not exist too.
    pub async fn registered_client(
        &self,
        token: &str,
        id: &ClientId,
    ) -> Result<Registered, RegistrationError> {
        let (_, client) = self.require_registration(token, id).await?;
        Ok(Registered { client, secret: None, token: RegistrationToken::shown(token) })
    }

    /// Changes a client to what it says of itself now. What it leaves out is left out from now on. How it
    /// authenticates stays, and so does its secret: if it says `secret`, it is that one
    /// ([RFC 7592 section 2.2](https://www.rfc-editor.org/rfc/rfc7592#section-2.2)). The token that it came with is good for
    /// nothing afterwards.
    ///
    /// # Errors
    /// [`RegistrationError`]; the token stays good then.
    pub async fn change_registration(
        &self,
        token: &str,
        id: &ClientId,
        metadata: ClientMetadata,
        secret: Option<&str>,
        now: Timestamp,
    ) -> Result<Registered, RegistrationError> {
        let (registration, before) = self.require_registration(token, id).await?;
        if let Some(secret) = secret {
            self.require_own_secret(&before, secret)?;
        }
        let mut policy = registration.policy;
        // What an operator has given it comes back with what it has read, and stays where it says nothing of it.
        let mut given = before.extensions.authorization_details_types.clone();
        given.retain(|one| !policy.authorization_details_types.contains(one));
        policy.authorization_details_types.extend(given);
        let is_said = metadata.authorization_details_types.is_some();
        let new = policy.allow(metadata)?;
        self.require_public(&new)?;
        if !is_same_way(&before.credential, &new.credential) {
            let why = "token_endpoint_auth_method cannot be changed: register anew";
            return Err(RegistrationError::Metadata(why.into()));
        }
        let token = RegistrationToken::management(&random()?);
        let rotation = RegistrationRotation {
            old: registration.digest,
            new: self.secrets.registration_token_digest(token.expose()),
        };
        let types = is_said.then(|| new.extensions.authorization_details_types.clone());
        let change = ChangeClient { authorization_details_types: types, ..change_to(new) };
        let changed = self.change_client_and(id, change, Some(rotation), now).await;
        let (client, _) = match changed {
            Err(AdminError::Unknown) => return Err(RegistrationError::Token), // another change came between
            changed => changed?,
        };
        Ok(Registered { client, secret: None, token })
    }

    fn require_own_secret(&self, client: &Client, said: &str) -> Result<(), RegistrationError> {
        let is_its = match &client.credential {
            Credential::Secret(digest) => self.secrets.is_secret(said, *digest),
            Credential::SharedSecret(sealed) => {
                let secret = self.secrets.open_client_secret(&client.id, sealed)?;
                verify_slices_are_equal(secret.expose(), said.as_bytes()).is_ok()
            }
            Credential::None | Credential::Keys(_) | Credential::Certificate(_) => false,
        };
        let why = "client_secret is not the client's";
        is_its.then_some(()).ok_or(RegistrationError::Metadata(why.into()))
    }

    /// Removes a client: its registration, its sessions and tokens, and what users have allowed it.
    ///
    /// # Errors
    /// [`RegistrationError`].
    pub async fn remove_registration(
        &self,
        token: &str,
        id: &ClientId,
        now: Timestamp,
    ) -> Result<(), RegistrationError> {
        self.require_registration(token, id).await?;
        let sweep = self.feed.sweep(now).await;
        let revocation = self.swept(&sweep, Kind::Client, id.as_str(), Reason::CLIENT_REQUEST, now);
        self.store.remove_client(id, now, revocation).await?;
        self.feed.pump(&*self.store).await?;
        drop(sweep);
        tracing::info!(target: "gatepass::audit", event = "client-removed", client_id = %id);
        Ok(())
    }

    /// This server sends logout tokens where a client of its own registration says: never into the network that it is in.
    fn require_public(&self, new: &NewClient) -> Result<(), RegistrationError> {
        let Some(uri) = &new.sign_on.logout.backchannel else { return Ok(()) };
        if self.remote.as_ref().is_some_and(|remote| remote.may_ask(uri)) {
            return Ok(());
        }
        let why = "backchannel_logout_uri is not an https URL of a public address, or nothing is sent for clients here";
        Err(RegistrationError::Metadata(why.into()))
    }

    async fn require_registration(
        &self,
        token: &str,
        id: &ClientId,
    ) -> Result<(Registration, Client), RegistrationError> {
        let registration = self.store.find_registration(id).await?.ok_or(RegistrationError::Token)?;
        if !self.secrets.is_registration_token(token, registration.digest) {
            tracing::info!(target: "gatepass::audit", event = "registration-denied", client_id = %id);
            return Err(RegistrationError::Token);
        }
        let client = self.store.find_client(id).await?.filter(|client| !client.disabled);
        Ok((registration, client.ok_or(RegistrationError::Token)?))
    }
}

fn is_same_way(before: &Credential, new: &NewCredential) -> bool {
    matches!(
        (before, new),
        (Credential::None, NewCredential::None)
            | (Credential::Secret(_), NewCredential::Secret)
            | (Credential::SharedSecret(_), NewCredential::SharedSecret)
            | (Credential::Keys(_), NewCredential::Keys(_))
            | (Credential::Certificate(_), NewCredential::Certificate(_))
    )
}

fn change_to(new: NewClient) -> ChangeClient {
    ChangeClient {
        name: Some(new.name),
        grants: Some(new.grants),
        scope: Some(new.scope),
        redirect_uris: Some(new.sign_on.redirect_uris),
        post_logout_redirect_uris: Some(new.sign_on.post_logout_redirect_uris),
        require_pushed: Some(new.sign_on.require_pushed),
        dpop_bound_access_tokens: Some(new.extensions.dpop_bound_access_tokens),
        require_signed_request_object: Some(new.extensions.require_signed_request_object),
        backchannel_logout_uri: Some(new.sign_on.logout.backchannel),
        frontchannel_logout_uri: Some(new.sign_on.logout.frontchannel),
        subject_type: Some(new.extensions.subject_type),
        sector_identifier_uri: Some(new.extensions.sector_identifier_uri),
        default_max_age: Some(new.extensions.default_max_age),
        require_auth_time: Some(new.extensions.require_auth_time),
        default_acr_values: Some(new.extensions.default_acr_values),
        token_endpoint_auth_signing_alg: Some(new.extensions.token_endpoint_auth_signing_alg),
        request_object_signing_alg: Some(new.extensions.request_object_signing_alg),
        responses: ChangeResponses::to(new.extensions.responses),
        keys: Some(match new.credential {
            NewCredential::Keys(keys) => Some(keys),
            _ => new.extensions.keys,
        }),
        ..ChangeClient::default()
    }
}
