//! Client authentication ([RFC 6749 section 2.3](https://www.rfc-editor.org/rfc/rfc6749#section-2.3)).

use std::fmt;
use std::net::IpAddr;

use gatepass_jose::Timestamp;
use zeroize::Zeroizing;

use crate::binding::Binding;
use crate::certificate::{ShownCertificate, X5t};
use crate::client::{Client, Credential, SecretDigest};
use crate::client_assertion::{self, AssertionRejection};
use crate::grant::TokenError;
use crate::guessing::TooEarly;
use crate::id::ClientId;
use crate::issuer::Issuer;
use crate::profile::Profile;
use crate::throttle::{Throttle, Throttled};

/// Who asks: how the request identified the client.
#[derive(Clone, Debug)]
pub struct ClientAuthentication {
    /// The `client_id`; `None` when the request named none.
    pub id: Option<ClientId>,
    /// What is to prove that it is this client.
    pub proof: Option<ClientProof>,
    /// The certificate of its TLS connection, where it has shown one.
    pub certificate: Option<ShownCertificate>,
    /// Where it comes from, for the throttles.
    pub address: Option<IpAddr>,
}

impl ClientAuthentication {
    pub(crate) fn x5t(&self) -> Option<X5t> {
        self.certificate.as_ref().map(|certificate| certificate.x5t)
    }
}

/// What a client presents. Nobody has looked at it yet.
#[derive(Clone, Debug)]
pub enum ClientProof {
    /// A secret, by whichever of the two ways it came.
    Secret(Zeroizing<String>),
    /// An assertion ([RFC 7521 section 4.2](https://www.rfc-editor.org/rfc/rfc7521#section-4.2)).
    Assertion(Zeroizing<String>),
}

/// An authenticated client, or the public client of the operator's own apps.
#[derive(Clone, Debug)]
pub enum AuthenticatedClient {
    /// A registered client that proved who it is.
    Confidential(Box<Client>),
    /// A registered client that cannot.
    Public(Box<Client>),
    /// [`ClientId::first_party`].
    FirstParty,
}

impl AuthenticatedClient {
    /// The client's identifier.
    #[must_use]
    pub fn id(&self) -> ClientId {
        match self {
            Self::Confidential(client) | Self::Public(client) => client.id.clone(),
            Self::FirstParty => ClientId::first_party(),
        }
    }

    /// Whether all that it is given must be bound to a key of its.
    pub(crate) fn must_bind(&self, profile: Profile) -> bool {
        match self {
            Self::Confidential(client) | Self::Public(client) => client.extensions.dpop_bound_access_tokens,
            Self::FirstParty => profile == Profile::Fapi2,
        }
    }

    /// What its tokens are to be bound to of what it has shown: any DPoP key, and its certificate where it is registered for
    /// that.
    pub(crate) fn binding(&self, shown: Binding) -> Result<Binding, TokenError> {
        let is_certified = |client: &Client| client.extensions.tls_client_certificate_bound_access_tokens;
        match self.registered().is_some_and(is_certified) {
            true if shown.x5t.is_none() => Err(TokenError::CertificateMissing),
            true => Ok(shown),
            false => Ok(Binding::dpop(shown.jkt)),
        }
    }

    /// The client as it is registered; `None` for the operator's own apps, which are not.
    #[must_use]
    pub fn registered(&self) -> Option<&Client> {
        match self {
            Self::Confidential(client) | Self::Public(client) => Some(client),
            Self::FirstParty => None,
        }
    }

    /// Whether it is registered, and proved who it is.
    pub(crate) fn is_known(&self) -> bool {
        matches!(self, Self::Confidential(client) if !client.id.is_url())
    }

    /// Counts a request of its that costs a row. A registered client that proves who it is uses up what is its own. One that
    /// nobody has registered shares with its host what has names without end. In the name of one that proves nothing anybody
    /// asks, so that its name counts for nothing: whoever used up what is its own would keep its users out.
    pub(crate) fn take_row(
        &self,
        rows: &Throttle,
        address: Option<IpAddr>,
        now: Timestamp,
    ) -> Result<(), Throttled> {
        let attempt = match (self, address) {
            (Self::Confidential(client), _) if client.id.is_url() => rows.attempt(client.id.host(), None),
            (Self::Confidential(client), _) => rows.attempt(client.id.as_str(), None),
            (_, Some(address)) => rows.attempt_at(address),
            (_, None) => rows.attempt(self.id().as_str(), None),
        };
        rows.take(attempt, now)
    }
}

impl Issuer {
    /// Authenticates a client, in the way that it is registered for and in no other, and holds it to the profile. An
    /// assertion is used up.
    ///
    /// # Errors
    /// [`TokenError::Throttled`] for a secret after too many wrong ones from its address, and for an assertion of a client that
    /// nobody has registered after too many of such clients from there.
    /// [`TokenError::InvalidClient`]; for a secret after the same work whether the client exists or not.
    pub async fn authenticate_client(
        &self,
        authentication: &ClientAuthentication,
        now: Timestamp,
    ) -> Result<AuthenticatedClient, TokenError> {
        let client = self.authenticate_registered(authentication, now).await?;
        let held = |client: Box<Client>| {
            let id = client.id.clone();
            self.held(*client).map(Box::new).map_err(|why| denied(&id, &why))
        };
        Ok(match client {
            AuthenticatedClient::Confidential(client) => AuthenticatedClient::Confidential(held(client)?),
            AuthenticatedClient::Public(client) => AuthenticatedClient::Public(held(client)?),
            AuthenticatedClient::FirstParty => AuthenticatedClient::FirstParty,
        })
    }

    async fn authenticate_registered(
        &self,
        authentication: &ClientAuthentication,
        now: Timestamp,
    ) -> Result<AuthenticatedClient, TokenError> {
        match (&authentication.id, &authentication.proof) {
            (None, None) => Ok(AuthenticatedClient::FirstParty),
            (None, Some(ClientProof::Secret(_))) => Err(TokenError::InvalidClient),
            (id, Some(ClientProof::Assertion(assertion))) => {
                self.authenticate_by_assertion(id.as_ref(), assertion, authentication.address, now).await
            }
            (Some(id), Some(ClientProof::Secret(secret))) => {
                let guess =
                    authentication.address.map(|address| self.guessing.of_client(id.as_str(), address));
                if let Some(Err(TooEarly { retry_after, .. })) =
                    guess.as_ref().map(|guess| self.guessing.check(guess, now))
                {
                    tracing::info!(target: "gatepass::audit", event = "client-throttled", client_id = %id);
                    return Err(TokenError::Throttled { retry_after });
                }
                let client = self.authenticate_by_secret(id, Some(secret.as_str()), None, now).await;
                // There is nothing to guess of a client that nobody has registered, and no end of names for one.
                if let (Some(guess), Err(TokenError::InvalidClient)) = (&guess, &client)
                    && self.store.find_client(id).await?.is_some()
                {
                    self.guessing.failed(guess, now);
                }
                client
            }
            (Some(id), None) => {
                self.authenticate_by_secret(id, None, authentication.certificate.as_ref(), now).await
            }
        }
    }

    /// By what needs no signature of the client's own here: a secret, the certificate of its connection, or nothing.
    async fn authenticate_by_secret(
        &self,
        id: &ClientId,
        secret: Option<&str>,
        certificate: Option<&ShownCertificate>,
        now: Timestamp,
    ) -> Result<AuthenticatedClient, TokenError> {
        let client = match id.is_first_party() {
            true => None,
            false => self.client_of(id, now).await?,
        };
        let nobody = SecretDigest([0; 32]);
        let credential = client.as_ref().map(|client| client.credential.clone());
        let digest = match credential {
            Some(Credential::Secret(digest)) => digest,
            _ => nobody,
        };
        let proved = self.secrets.is_secret(secret.unwrap_or_default(), digest);
        match (client, credential, secret) {
            (Some(client), ..) if client.disabled => Err(denied(id, &"it is disabled")),
            (Some(client), Some(Credential::Secret(_)), Some(_)) if proved => {
                Ok(AuthenticatedClient::Confidential(Box::new(client)))
            }
            (Some(client), Some(Credential::Certificate(registered)), None)
                if certificate.is_some_and(|shown| registered.is(shown)) =>
            {
                Ok(AuthenticatedClient::Confidential(Box::new(client)))
            }
            (Some(client), Some(Credential::None), None) => Ok(AuthenticatedClient::Public(Box::new(client))),
            (None, None, None) if id.is_first_party() => Ok(AuthenticatedClient::FirstParty),
            (Some(_), ..) => Err(denied(id, &"what it shows is not what it is registered with")),
            (None, ..) => Err(denied(id, &"there is no such client")),
        }
    }

    /// That a client exists is no secret: its identifier stands in every browser that it sends here.
    async fn authenticate_by_assertion(
        &self,
        id: Option<&ClientId>,
        assertion: &str,
        address: Option<IpAddr>,
        now: Timestamp,
    ) -> Result<AuthenticatedClient, TokenError> {
        let (named, kid) = client_assertion::unverified_client(assertion).ok_or(TokenError::InvalidClient)?;
        if id.is_some_and(|id| *id != named) {
            return Err(TokenError::InvalidClient);
        }
        self.count_assertion(&named, address, now)?;
        let client = self.client_of(&named, now).await?.filter(|client| !client.disabled);
        let client = client.ok_or(TokenError::InvalidClient)?;
        let denied = |rejection: &AssertionRejection| denied(&named, rejection);
        let keys = match &client.credential {
            Credential::Keys(_) => {
                self.client_verifying(&client, kid.as_deref(), now).await.map_err(AssertionRejection::from)
            }
            _ => client_assertion::shared_key(&client, &self.secrets),
        };
        let keys = keys.map_err(|rejection| denied(&rejection))?;
        let issuer = self.config.issuer.as_str();
        let takes_endpoints = client.extensions.endpoint_audience && self.config.profile != Profile::Fapi2;
        let verified = client_assertion::verify(assertion, &client, keys, issuer, takes_endpoints, now);
        let verified = verified.map_err(|rejection| denied(&rejection))?;
        match self.store.consume_jti(verified.jti, verified.forget_after).await? {
            true => Ok(AuthenticatedClient::Confidential(Box::new(client))),
            false => Err(denied(&AssertionRejection::Replayed)),
        }
    }
}

/// A client is told no more than that it is not known here; the log says why.
fn denied(id: &ClientId, why: &dyn fmt::Display) -> TokenError {
    tracing::info!(target: "gatepass::audit", event = "client-denied", client_id = %id, %why);
    TokenError::InvalidClient
}
