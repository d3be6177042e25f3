//! The token endpoint's rules: the grants
//! ([RFC 6749](https://www.rfc-editor.org/rfc/rfc6749) as OAuth 2.1 narrows it).

mod authorization_code;
mod device_code;
mod jwt_bearer;
mod refresh_token;

use std::time::Duration;

use gatepass_jose::Timestamp;
use gatepass_token::{AuthorizationDetails, CodeVerifier, ScopeSet};
use thiserror::Error;
use zeroize::Zeroizing;

use self::authorization_code::ShownCode;
use self::jwt_bearer::ShownAssertion;
use crate::binding::Binding;
use crate::client::{Client, GrantType};
use crate::client_authentication::{AuthenticatedClient, ClientAuthentication};
use crate::code::PresentedCode;
use crate::config::ISSUER_SCOPES;
use crate::device::DeviceRefusal;
use crate::dpop::{DpopError, ShownProof, TokenType};
use crate::exchange::{ExchangeRefusal, Shown, TokenExchange};
use crate::issuer::Issuer;
use crate::mint::{Grant, LoginClaims, MintError, Minted, Target};
use crate::refresh_token::RefreshToken;
use crate::response::{NoRecipient, ResponseError};
use crate::secrets::SecretError;
use crate::sessions::{
    InternalError, RefreshError, ShownRefresh, Tokens, from_dpop, internal_from, limit_to,
};
use crate::store::StoreError;

/// A request to the token endpoint: one variant per grant, each with what that grant requires.
#[derive(Clone, Debug)]
pub enum TokenRequest {
    /// [RFC 6749 section 4.1.3](https://www.rfc-editor.org/rfc/rfc6749#section-4.1.3).
    AuthorizationCode {
        /// The code as presented.
        code: Zeroizing<String>,
        /// Where the browser was sent with it, if the request says so.
        redirect_uri: Option<String>,
        /// What the code challenge was made of, if the request has it.
        verifier: Option<CodeVerifier>,
        /// For which resource server (RFC 8707): one that was granted; `None`: the first.
        resource: Option<String>,
        /// A part of the authorization details that were granted; `None`: all of them.
        authorization_details: Option<AuthorizationDetails>,
    },
    /// [RFC 8628 section 3.4](https://www.rfc-editor.org/rfc/rfc8628#section-3.4).
    DeviceCode {
        /// The device code as presented.
        device_code: Zeroizing<String>,
        /// For which resource server (RFC 8707): one that was granted; `None`: the first.
        resource: Option<String>,
    },
    /// [RFC 7523 section 2.1](https://www.rfc-editor.org/rfc/rfc7523#section-2.1).
    JwtBearer {
        /// The assertion of an issuer elsewhere.
        assertion: Zeroizing<String>,
        /// What is asked for; `None`: everything that the client may have by such an assertion.
        scope: Option<ScopeSet>,
        /// For which resource server (RFC 8707); `None`: the client's first.
        resource: Option<String>,
    },
    /// [RFC 6749 section 4.4](https://www.rfc-editor.org/rfc/rfc6749#section-4.4).
    ClientCredentials {
        /// What is asked for; `None`: everything the client is registered for.
        scope: Option<ScopeSet>,
        /// For which resource server (RFC 8707); `None`: the client's first.
        resource: Option<String>,
        /// What is asked for beyond the scope.
        authorization_details: Option<AuthorizationDetails>,
    },
    /// [RFC 6749 section 6](https://www.rfc-editor.org/rfc/rfc6749#section-6).
    RefreshToken {
        /// The refresh token as presented.
        token: String,
        /// A part of what was granted; `None`: all of it.
        scope: Option<ScopeSet>,
        /// A part of the authorization details that were granted; `None`: all of them.
        authorization_details: Option<AuthorizationDetails>,
        /// The resource server that the access token is for: one that was granted; `None`: the first.
        resource: Option<String>,
    },
    /// [RFC 8693](https://www.rfc-editor.org/rfc/rfc8693).
    TokenExchange(TokenExchange),
}

impl TokenRequest {
    /// The same with another name for the resource server, where it has one.
    fn with_resource(mut self, name: impl FnOnce(String) -> String) -> Self {
        match &mut self {
            Self::AuthorizationCode { resource, .. }
            | Self::DeviceCode { resource, .. }
            | Self::JwtBearer { resource, .. }
            | Self::ClientCredentials { resource, .. }
            | Self::RefreshToken { resource, .. } => *resource = resource.take().map(name),
            Self::TokenExchange(TokenExchange { audience, .. }) => *audience = name(std::mem::take(audience)),
        }
        self
    }
}

/// The token endpoint's answer.
#[derive(Clone, Debug)]
pub struct TokenResponse {
    /// The access token.
    pub access_token: String,
    /// How it is sent.
    pub token_type: TokenType,
    /// How long it lives.
    pub expires_in: Duration,
    /// What it allows.
    pub scope: ScopeSet,
    /// What it allows beyond that.
    pub authorization_details: AuthorizationDetails,
    /// The next refresh token, where the grant gives one.
    pub refresh_token: Option<RefreshToken>,
    /// Who the user is, where the scope `openid` was granted.
    pub id_token: Option<String>,
}

impl TokenResponse {
    /// An access token and nothing beside it.
    pub(crate) fn of(minted: Minted) -> Self {
        Self {
            access_token: minted.token,
            token_type: minted.token_type,
            expires_in: minted.expires_in,
            scope: minted.scope,
            authorization_details: minted.authorization_details,
            refresh_token: None,
            id_token: None,
        }
    }

    /// What a session gives, with its refresh token.
    pub(crate) fn of_session(tokens: Tokens) -> Self {
        Self {
            access_token: tokens.access_token,
            token_type: tokens.token_type,
            expires_in: tokens.expires_in,
            scope: tokens.scope,
            authorization_details: tokens.authorization_details,
            refresh_token: Some(tokens.refresh_token),
            id_token: None,
        }
    }
}

/// Why the token endpoint gives nothing, in OAuth's own terms
/// ([RFC 6749 section 5.2](https://www.rfc-editor.org/rfc/rfc6749#section-5.2)).
#[derive(Clone, Debug, Error)]
#[non_exhaustive]
pub enum TokenError {
    /// Unknown client, wrong or missing secret or assertion, disabled client.
    #[error("the client could not be authenticated")]
    InvalidClient,
    /// Too many wrong secrets of the client from this address.
    #[error("too many failed attempts to authenticate as this client")]
    Throttled {
        /// When it is worth trying again.
        retry_after: Duration,
    },
    /// The code or the refresh token is not valid, used before, or another client's.
    #[error("the code or refresh token is not valid")]
    InvalidGrant,
    /// The assertion of an issuer elsewhere is not taken.
    #[error("the assertion is not accepted")]
    Assertion,
    /// The keys to verify an assertion with cannot be had now.
    #[error("the keys of the assertion's issuer cannot be had")]
    AssertionKeys,
    /// The client gets no token that is not bound to its certificate, and has shown none
    /// ([RFC 8705 section 3](https://www.rfc-editor.org/rfc/rfc8705#section-3)).
    #[error("the client's tokens are bound to its TLS certificate, and it has shown none")]
    CertificateMissing,
    /// The client is not registered for this grant.
    #[error("the client may not use this grant")]
    UnauthorizedClient,
    /// More scope than the client is registered for, or than was granted.
    #[error("the scope exceeds what the client may have")]
    InvalidScope,
    /// Authorization details of a type that is not the client's, or that were not granted
    /// ([RFC 9396 section 6](https://www.rfc-editor.org/rfc/rfc9396#section-6)).
    #[error("the authorization details exceed what the client may have")]
    InvalidAuthorizationDetails,
    /// A resource server that is not known, or not this client's (RFC 8707 section 2).
    #[error("the client may not have tokens for this resource")]
    InvalidTarget,
    /// The device code gives nothing, or nothing yet.
    #[error(transparent)]
    Device(#[from] DeviceRefusal),
    /// The token to be exchanged, or its actor's, is not taken
    /// ([RFC 8693 section 2.2.2](https://www.rfc-editor.org/rfc/rfc8693#section-2.2.2)).
    #[error(transparent)]
    Exchange(#[from] ExchangeRefusal),
    /// The proof of possession is not taken, or missing
    /// ([RFC 9449 section 5](https://www.rfc-editor.org/rfc/rfc9449#section-5)).
    #[error(transparent)]
    Dpop(DpopError),
    /// The client wants its ID tokens encrypted, and there is no key of its to encrypt for.
    #[error(transparent)]
    NoRecipient(NoRecipient),
    /// Our fault.
    #[error(transparent)]
    Internal(#[from] InternalError),
}

internal_from!(TokenError);
from_dpop!(TokenError);

impl From<ResponseError> for TokenError {
    fn from(error: ResponseError) -> Self {
        match error {
            ResponseError::NoRecipient(why) => Self::NoRecipient(why),
            ResponseError::Mint(error) => error.into(),
            ResponseError::Store(error) => error.into(),
        }
    }
}

impl From<RefreshError> for TokenError {
    fn from(error: RefreshError) -> Self {
        match error {
            RefreshError::Invalid | RefreshError::Reused => Self::InvalidGrant,
            RefreshError::Scope => Self::InvalidScope,
            RefreshError::Resource => Self::InvalidTarget,
            RefreshError::AuthorizationDetails => Self::InvalidAuthorizationDetails,
            RefreshError::Dpop(error) => Self::Dpop(error),
            RefreshError::Internal(error) => Self::Internal(error),
        }
    }
}

impl Issuer {
    /// Serves a request to the token endpoint. What it gives is bound to the key of `proof`, where there is one.
    ///
    /// # Errors
    /// [`TokenError`].
    pub async fn token(
        &self,
        authentication: &ClientAuthentication,
        request: TokenRequest,
        proof: Option<&ShownProof>,
        now: Timestamp,
    ) -> Result<TokenResponse, TokenError> {
        let minted_at = self.feed.minting_instant(now);
        let held = self.verify_proof(proof, None, now)?;
        let client = self.authenticate_client(authentication, now).await?;
        if held.is_none() && client.must_bind(self.config.profile) {
            return Err(DpopError::Missing.into());
        }
        if let TokenRequest::RefreshToken { token, .. } = &request {
            client.registered().map_or(Ok(()), |client| require_grant(client, GrantType::RefreshToken))?;
            self.require_genuine(token)?;
        }
        let jkt = self.use_up(held).await?;
        let shown = Binding { jkt, x5t: authentication.x5t() };
        let binding = client.binding(shown)?;
        match request.with_resource(|asked| self.resource_named(&asked).to_owned()) {
            TokenRequest::AuthorizationCode {
                code,
                redirect_uri,
                verifier,
                resource,
                authorization_details,
            } => {
                let shown =
                    ShownCode { code, redirect_uri, verifier, resource, authorization_details, binding };
                self.authorization_code(&client, shown, minted_at, now).await
            }
            TokenRequest::DeviceCode { device_code, resource } => {
                let presented = self.presented_code(&client, binding, now)?;
                let presented = PresentedCode { resource, ..presented };
                self.device_code(&client, &device_code, presented, minted_at).await
            }
            TokenRequest::JwtBearer { assertion, scope, resource } => {
                let shown = ShownAssertion { assertion, scope, resource, binding };
                self.jwt_bearer(&client, shown, minted_at, now).await
            }
            TokenRequest::ClientCredentials { scope, resource, authorization_details } => {
                let client = require_confidential(client)?;
                require_grant(&client, GrantType::ClientCredentials)?;
                let asked = ClientCredentials { scope, resource, authorization_details, binding };
                self.client_credentials(&client, asked, minted_at, now)
            }
            TokenRequest::TokenExchange(exchange) => {
                let client = require_confidential(client)?;
                require_grant(&client, GrantType::TokenExchange)?;
                self.exchange(&client, &exchange, Shown { all: shown, binding }, minted_at, now)
            }
            TokenRequest::RefreshToken { token, scope, authorization_details, resource } => {
                let shown = ShownRefresh {
                    token: &token,
                    client: &client.id(),
                    is_public: !matches!(client, AuthenticatedClient::Confidential(_)),
                    scope: scope.as_ref(),
                    authorization_details: authorization_details.as_ref(),
                    resource: resource.as_deref(),
                    registered: client.registered(),
                    binding,
                };
                self.refresh_token(shown, now).await
            }
        }
    }

    fn client_credentials(
        &self,
        client: &Client,
        asked: ClientCredentials,
        minted_at: Timestamp,
        now: Timestamp,
    ) -> Result<TokenResponse, TokenError> {
        let ClientCredentials { scope, resource, authorization_details, binding } = asked;
        let authorization_details = authorization_details.unwrap_or_default();
        if !authorization_details.are_of(&client.extensions.authorization_details_types) {
            return Err(TokenError::InvalidAuthorizationDetails);
        }
        let asked = scope.unwrap_or_else(|| client.scope.clone());
        if !asked.is_subset(&client.scope) {
            return Err(TokenError::InvalidScope);
        }
        let target = self.client_target(client, resource.as_deref(), &asked)?;
        let grant = Grant {
            subject: client.id.to_string(),
            client: &client.id,
            scope: limit_to(&asked, target),
            authorization_details,
            roles: Vec::new(),
            session: None,
            login: LoginClaims::default(),
            target,
            minted_at,
            not_after: Timestamp::MAX,
            actor: None,
            binding,
        };
        let minted = self.mint(grant, now)?;
        tracing::debug!(target: "gatepass::audit", event = "client-credentials", client_id = %client.id);
        Ok(TokenResponse::of(minted))
    }

    /// A client's token is for one resource server; for the issuer as well only where it has a scope of the issuer's.
    pub(crate) fn client_target(
        &self,
        client: &Client,
        resource: Option<&str>,
        scope: &ScopeSet,
    ) -> Result<Target<'_>, TokenError> {
        let default = client.audience.first().map(String::as_str);
        let resource = resource.or(default);
        let target = self.target(resource).ok_or(TokenError::InvalidTarget)?;
        let is_issuers = ISSUER_SCOPES.iter().any(|own| scope.contains(own));
        match (target, resource) {
            (Target::Issuer, _) if is_issuers => Ok(target),
            (Target::Issuer, _) => Err(TokenError::InvalidTarget),
            (_, Some(_)) if !self.may_have(client, resource) => Err(TokenError::InvalidTarget),
            (Target::Only(server) | Target::WithIssuer(server), _) if is_issuers => {
                Ok(Target::WithIssuer(server))
            }
            (Target::Only(server) | Target::WithIssuer(server), _) => Ok(Target::Only(server)),
        }
    }
}

/// What a client asks for itself.
struct ClientCredentials {
    scope: Option<ScopeSet>,
    resource: Option<String>,
    authorization_details: Option<AuthorizationDetails>,
    binding: Binding,
}

/// What only a client that can keep a secret may do.
pub(crate) fn require_confidential(client: AuthenticatedClient) -> Result<Box<Client>, TokenError> {
    match client {
        AuthenticatedClient::Confidential(client) => Ok(client),
        AuthenticatedClient::Public(_) => Err(TokenError::UnauthorizedClient),
        AuthenticatedClient::FirstParty => Err(TokenError::InvalidClient),
    }
}

pub(crate) fn require_grant(client: &Client, grant: GrantType) -> Result<(), TokenError> {
    if client.may_use(grant) { Ok(()) } else { Err(TokenError::UnauthorizedClient) }
}
