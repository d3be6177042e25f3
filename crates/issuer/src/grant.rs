//! The token endpoint's rules: the grants
//! ([RFC 6749](https://www.rfc-editor.org/rfc/rfc6749) as OAuth 2.1 narrows it).

mod authorization_code;

use std::time::Duration;

use gatepass_jose::Timestamp;
use gatepass_token::{CodeVerifier, ScopeSet};
use thiserror::Error;
use zeroize::Zeroizing;

use self::authorization_code::ShownCode;
use crate::client::{Client, GrantType};
use crate::client_authentication::{AuthenticatedClient, ClientAuthentication};
use crate::config::ISSUER_SCOPES;
use crate::exchange::{ExchangeRefusal, TokenExchange};
use crate::issuer::Issuer;
use crate::mint::{Grant, MintError, Minted, Target};
use crate::refresh_token::RefreshToken;
use crate::secrets::SecretError;
use crate::sessions::{InternalError, RefreshError, internal_from, limit_to};
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
        /// For which resource server (RFC 8707): the one that was granted, or none.
        resource: Option<String>,
    },
    /// [RFC 6749 section 4.4](https://www.rfc-editor.org/rfc/rfc6749#section-4.4).
    ClientCredentials {
        /// What is asked for; `None`: everything the client is registered for.
        scope: Option<ScopeSet>,
        /// For which resource server (RFC 8707); `None`: the client's first.
        resource: Option<String>,
    },
    /// [RFC 6749 section 6](https://www.rfc-editor.org/rfc/rfc6749#section-6).
    RefreshToken {
        /// The refresh token as presented.
        token: String,
        /// A part of what was granted; `None`: all of it.
        scope: Option<ScopeSet>,
    },
    /// [RFC 8693](https://www.rfc-editor.org/rfc/rfc8693).
    TokenExchange(TokenExchange),
}

/// The token endpoint's answer.
#[derive(Clone, Debug)]
pub struct TokenResponse {
    /// The access token.
    pub access_token: String,
    /// How long it lives.
    pub expires_in: Duration,
    /// What it allows.
    pub scope: ScopeSet,
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
            expires_in: minted.expires_in,
            scope: minted.scope,
            refresh_token: None,
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
    /// The code or the refresh token is not valid, used before, or another client's.
    #[error("the code or refresh token is not valid")]
    InvalidGrant,
    /// The client is not registered for this grant.
    #[error("the client may not use this grant")]
    UnauthorizedClient,
    /// More scope than the client is registered for, or than was granted.
    #[error("the scope exceeds what the client may have")]
    InvalidScope,
    /// A resource server that is not known, or not this client's (RFC 8707 section 2).
    #[error("the client may not have tokens for this resource")]
    InvalidTarget,
    /// The token to be exchanged, or its actor's, is not taken
    /// ([RFC 8693 section 2.2.2](https://www.rfc-editor.org/rfc/rfc8693#section-2.2.2)).
    #[error(transparent)]
    Exchange(#[from] ExchangeRefusal),
    /// Our fault.
    #[error(transparent)]
    Internal(#[from] InternalError),
}

internal_from!(TokenError);

impl From<RefreshError> for TokenError {
    fn from(error: RefreshError) -> Self {
        match error {
            RefreshError::Invalid | RefreshError::Reused => Self::InvalidGrant,
            RefreshError::Scope => Self::InvalidScope,
            RefreshError::Internal(error) => Self::Internal(error),
        }
    }
}

impl Issuer {
    /// Serves a request to the token endpoint.
    ///
    /// # Errors
    /// [`TokenError`].
    pub async fn token(
        &self,
        authentication: &ClientAuthentication,
        request: TokenRequest,
        now: Timestamp,
    ) -> Result<TokenResponse, TokenError> {
        let minted_at = self.feed.minting_instant(now);
        let client = self.authenticate_client(authentication, now).await?;
        match request {
            TokenRequest::AuthorizationCode { code, redirect_uri, verifier, resource } => {
                let shown = ShownCode { code, redirect_uri, verifier, resource };
                self.authorization_code(&client, shown, minted_at, now).await
            }
            TokenRequest::ClientCredentials { scope, resource } => {
                let client = require_confidential(client)?;
                require_grant(&client, GrantType::ClientCredentials)?;
                self.client_credentials(&client, scope, resource.as_deref(), minted_at, now)
            }
            TokenRequest::TokenExchange(exchange) => {
                let client = require_confidential(client)?;
                require_grant(&client, GrantType::TokenExchange)?;
                self.exchange(&client, &exchange, minted_at, now)
            }
            TokenRequest::RefreshToken { token, scope } => {
                let most = match &client {
                    AuthenticatedClient::Confidential(client) | AuthenticatedClient::Public(client) => {
                        require_grant(client, GrantType::RefreshToken)?;
                        Some(client.most_of_a_user())
                    }
                    AuthenticatedClient::FirstParty => None,
                };
                let tokens =
                    self.refresh_within(&token, &client.id(), scope.as_ref(), most.as_ref(), now).await?;
                Ok(TokenResponse {
                    access_token: tokens.access_token,
                    expires_in: tokens.expires_in,
                    scope: tokens.scope,
                    refresh_token: Some(tokens.refresh_token),
                    id_token: None,
                })
            }
        }
    }

    fn client_credentials(
        &self,
        client: &Client,
        scope: Option<ScopeSet>,
        resource: Option<&str>,
        minted_at: Timestamp,
        now: Timestamp,
    ) -> Result<TokenResponse, TokenError> {
        let asked = scope.unwrap_or_else(|| client.scope.clone());
        if !asked.is_subset(&client.scope) {
            return Err(TokenError::InvalidScope);
        }
        let target = self.client_target(client, resource, &asked)?;
        let grant = Grant {
            subject: client.id.to_string(),
            client: &client.id,
            scope: limit_to(&asked, target),
            roles: Vec::new(),
            session: None,
            target,
            minted_at,
            not_after: Timestamp::MAX,
            actor: None,
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
            (_, Some(resource))
                if !client.audience.is_empty() && !client.audience.iter().any(|own| own == resource) =>
            {
                Err(TokenError::InvalidTarget)
            }
            (Target::Only(server) | Target::WithIssuer(server), _) if is_issuers => {
                Ok(Target::WithIssuer(server))
            }
            (Target::Only(server) | Target::WithIssuer(server), _) => Ok(Target::Only(server)),
        }
    }
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
