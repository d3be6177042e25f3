//! Tickets: minted for one request, used once.

use std::time::Duration;

use gatepass_jose::{Alg, Audience, Timestamp, jwt};
use gatepass_revocation::Revoked;
use gatepass_token::{
    AccessClaims, InvalidTicketRequest, MAX_TICKET_LIFETIME, ScopeSet, TICKET, TicketRequest, TokenId,
};
use serde::Serialize;
use thiserror::Error;

use crate::binding::Possession;
use crate::client_authentication::ClientAuthentication;
use crate::config::{CLOCK_ALLOWANCE, Signing};
use crate::grant::{TokenError, require_confidential};
use crate::issuer::Issuer;
use crate::mint::{MintError, require_size};
use crate::secrets::{SecretError, random};
use crate::sessions::{BearerError, InternalError, internal_from};
use crate::store::StoreError;

/// What a ticket is wanted for.
#[derive(Clone, Debug)]
pub struct NewTicket {
    /// The request's method.
    pub method: String,
    /// The request's path and query, as they will be sent.
    pub target: String,
    /// How long it is to live.
    pub lifetime: Duration,
    /// A part of the access token's scope; `None`: all of it.
    pub scope: Option<ScopeSet>,
}

/// A ticket as it is given out.
#[derive(Clone)]
pub struct Ticket {
    /// The signed ticket.
    pub ticket: String,
    /// How long it lives.
    pub expires_in: Duration,
}

impl std::fmt::Debug for Ticket {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ticket").field("expires_in", &self.expires_in).finish_non_exhaustive()
    }
}

/// Why there is no ticket.
#[derive(Clone, Debug, Error)]
#[non_exhaustive]
pub enum TicketError {
    /// The access token is not good.
    #[error(transparent)]
    Token(#[from] BearerError),
    /// The request is none that a ticket is for.
    #[error(transparent)]
    Request(#[from] InvalidTicketRequest),
    /// It would live not at all, or for too long.
    #[error("a ticket lives between 1 and {} seconds", MAX_TICKET_LIFETIME.as_secs())]
    Lifetime,
    /// It would allow more than the access token.
    #[error("the scope exceeds that of the access token")]
    Scope,
    /// The access token is for the issuer alone, which takes no tickets.
    #[error("the access token is for no resource server that could take a ticket")]
    Target,
    /// Our fault.
    #[error(transparent)]
    Internal(#[from] InternalError),
}

internal_from!(TicketError);

/// Why a ticket does not count.
#[derive(Clone, Debug, Error)]
#[non_exhaustive]
pub enum ConsumeError {
    /// The client that asks is not a registered, confidential one that proved itself.
    #[error(transparent)]
    Client(TokenError),
    /// It is not a ticket of this issuer, or has expired.
    #[error("it is not a live ticket of this issuer")]
    Invalid,
    /// It was taken back with its session, user or client.
    #[error("the ticket was revoked: {}", .0.reason)]
    Revoked(Revoked),
    /// Somebody used it.
    #[error("the ticket was used before")]
    Used,
    /// The store failed: whether it counts is not known, so it does not.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A ticket's claims on the wire.
#[derive(Serialize)]
struct Claims<'t> {
    #[serde(flatten)]
    access: &'t AccessClaims,
    #[serde(flatten)]
    request: &'t TicketRequest,
}

impl Issuer {
    /// Mints a ticket for one request, on behalf of whoever holds `access_token`: for the same subject, session
    /// and audience, with at most its scope, and to die no later.
    ///
    /// A token that is bound to a key is taken with `shown`, which proves it. The ticket is not bound: a link can carry no
    /// proof, and names one request, which whoever holds the key has named.
    ///
    /// Nothing is kept of it. It dies with its session, user or client as any token does.
    ///
    /// # Errors
    /// [`TicketError`].
    pub async fn mint_ticket(
        &self,
        access_token: &str,
        shown: Possession<'_>,
        new: &NewTicket,
        now: Timestamp,
    ) -> Result<Ticket, TicketError> {
        // Before the revocations are looked at: one that this check cannot know of yet reaches the ticket.
        let minted_at = self.feed.minting_instant(now);
        let token = self.verify_own(access_token, now)?;
        self.require_possession(&token, access_token, shown, now).await?;
        let request = TicketRequest::new(&new.method, &new.target, token.exp)?;
        if new.lifetime.is_zero() || new.lifetime > MAX_TICKET_LIFETIME {
            return Err(TicketError::Lifetime);
        }
        let scope = new.scope.as_ref().unwrap_or(&token.scope);
        if !scope.is_subset(&token.scope) {
            return Err(TicketError::Scope);
        }
        let issuer = self.config.issuer.as_str();
        let audience: Vec<&str> = token.aud.iter().filter(|audience| *audience != issuer).collect();
        let server = audience.iter().find_map(|audience| self.config.resource_servers.find(audience));
        let Some(Signing::Published(alg)) = server.map(|server| &server.signing) else {
            return Err(TicketError::Target);
        };
        let claims = AccessClaims {
            cnf: None,
            aud: Audience::new(audience).map_err(|_| TicketError::Target)?,
            exp: now.saturating_add(new.lifetime).min(token.exp.0).into(),
            iat: Timestamp::from_secs(now.as_secs()).into(),
            nbf: None,
            jti: TokenId::new(minted_at, random()?).to_string(),
            scope: scope.clone(),
            ..token.into_claims()
        };
        let ticket = self.sign_ticket(*alg, &claims, &request, now)?;
        tracing::info!(
            target: "gatepass::audit", event = "ticket-minted", sub = claims.sub, jti = claims.jti, method = request.htm
        );
        Ok(Ticket { ticket, expires_in: claims.exp.0.since(now) })
    }

    fn sign_ticket(
        &self,
        alg: Alg,
        access: &AccessClaims,
        request: &TicketRequest,
        now: Timestamp,
    ) -> Result<String, MintError> {
        let ring = self.ring.load();
        let signer = ring.signer(alg, now).ok_or(MintError::NoKey(alg))?;
        let ticket = jwt::sign(&TICKET, &Claims { access, request }, signer)?;
        require_size(&ticket, access)?;
        Ok(ticket)
    }

    /// Uses a ticket up, for a gateway to which it was presented. When this has said yes, it says so to nobody
    /// else: not to another gateway at the same moment, nor after a crash.
    ///
    /// The gateway knows which request it is for; that is not looked at here.
    ///
    /// # Errors
    /// [`ConsumeError`].
    pub async fn consume_ticket(
        &self,
        authentication: &ClientAuthentication,
        ticket: &str,
        now: Timestamp,
    ) -> Result<(), ConsumeError> {
        let client = self.authenticate_client(authentication, now).await.and_then(require_confidential);
        let client = client.map_err(ConsumeError::Client)?;
        let ring = self.ring.load_full();
        let ticket = ring.tickets().verify::<AccessClaims>(ticket, now).map_err(|_| ConsumeError::Invalid)?;
        self.feed.check(&ticket, ticket.kid()).map_err(ConsumeError::Revoked)?;
        // Gateways are an operator's: anybody else who has a ticket is not to take it from its holder.
        let is_for = |audience: &str| ticket.aud.contains(audience);
        if !self.is_an_operators(&client, is_for).await? {
            return Err(ConsumeError::Client(TokenError::UnauthorizedClient));
        }
        let jti = TokenId::parse(&ticket.jti).ok_or(ConsumeError::Invalid)?;
        // Past this no verifier takes it any more, however its clock goes.
        let forget_after = ticket.exp.0.saturating_add(CLOCK_ALLOWANCE);
        let fresh = self.store.consume_ticket(jti.to_bytes(), forget_after).await?;
        tracing::info!(
            target: "gatepass::audit", event = "ticket-consumed", sub = ticket.sub, jti = ticket.jti,
            client_id = %client.id, fresh
        );
        if fresh { Ok(()) } else { Err(ConsumeError::Used) }
    }
}
