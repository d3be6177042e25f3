//! What a token is worth now (RFC 7662, RFC 9701), and taking one back (RFC 7009).

use gatepass_jose::{NumericDate, Timestamp, Typ, Verified};
use gatepass_revocation::{Kind, Reason};
use gatepass_token::AccessClaims;
use serde::Serialize;
use thiserror::Error;

use crate::client::{Client, Told};
use crate::client_authentication::AuthenticatedClient;
use crate::config::CLOCK_ALLOWANCE;
use crate::issuer::Issuer;
use crate::refresh_token;
use crate::response::ResponseError;
use crate::session::Session;
use crate::store::StoreError;

/// The `typ` of a signed answer: what keeps it from passing for a token.
const INTROSPECTION: Typ = Typ::new("token-introspection+jwt");

/// What introspection says of a token ([RFC 7662 section 2.2](https://www.rfc-editor.org/rfc/rfc7662#section-2.2)).
#[derive(Clone, Debug)]
pub enum Introspection {
    /// Expired, revoked, forged or not a token at all: nothing more is said.
    Inactive,
    /// A live access token.
    AccessToken(Box<AccessClaims>),
    /// A refresh token that would be honoured.
    RefreshToken(Box<Session>),
}

/// A signed answer ([RFC 9701 section 5](https://www.rfc-editor.org/rfc/rfc9701#section-5)). It has neither `sub` nor `exp`,
/// so that it cannot be taken for an access token by whoever looks at claims alone.
#[derive(Serialize)]
struct SignedIntrospection<'c, A> {
    iss: &'c str,
    aud: &'c str,
    iat: NumericDate,
    token_introspection: &'c A,
}

/// Why a token was not taken back.
#[derive(Clone, Debug, Error)]
#[non_exhaustive]
pub enum RevokeError {
    /// It was issued to another client ([RFC 7009 section 2.1](https://www.rfc-editor.org/rfc/rfc7009#section-2.1)).
    #[error("the token was issued to another client")]
    WrongClient,
    /// The store failed; the token may be alive.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Issuer {
    /// What `token` is worth at `now`. Nothing is asked of the store for an access token: its
    /// signature, its expiry and the revocation log are all there is to know.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn introspect(&self, token: &str, now: Timestamp) -> Result<Introspection, StoreError> {
        if let Ok(genuine) = refresh_token::verify(&self.secrets.refresh_mac, token) {
            let session = self.store.find_session(genuine.family).await?;
            let live =
                session.filter(|session| session.is_live(now) && session.generation == genuine.generation);
            return Ok(live
                .map_or(Introspection::Inactive, |session| Introspection::RefreshToken(Box::new(session))));
        }
        let claims =
            self.own_token(token, now).filter(|verified| self.feed.check(verified, verified.kid()).is_ok());
        Ok(claims.map_or(Introspection::Inactive, |verified| {
            Introspection::AccessToken(Box::new(verified.into_claims()))
        }))
    }

    /// What `client` may be told of a token: nothing but that it is not active, unless it was issued to this client, or is an
    /// access token for an audience that an operator lets this client have tokens for, as they do with a resource server
    /// that asks ([RFC 7662 section 4](https://www.rfc-editor.org/rfc/rfc7662#section-4),
    /// [RFC 9701 section 5](https://www.rfc-editor.org/rfc/rfc9701#section-5)).
    /// Of a client that nobody has registered, which anybody can be, no audience counts; of one that registered itself, those
    /// alone that an operator has given it since.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn limit_introspection(
        &self,
        client: &Client,
        found: Introspection,
    ) -> Result<Introspection, StoreError> {
        let is_theirs = match &found {
            Introspection::Inactive => true,
            Introspection::AccessToken(claims) => {
                let issuer = self.config.issuer.as_str();
                let is_for = |audience: &str| audience != issuer && claims.aud.contains(audience);
                let may_have = |audience: &str| is_for(audience) && self.may_have(client, Some(audience));
                claims.client_id == client.id.as_str()
                    || claims.aud.contains(client.id.as_str())
                    || claims.aud.iter().any(may_have) && self.is_an_operators(client, is_for).await?
            }
            Introspection::RefreshToken(session) => session.client == client.id,
        };
        Ok(if is_theirs { found } else { Introspection::Inactive })
    }

    /// Whether an operator stands behind what a client does at some audiences: they registered it, or have given it one of
    /// those, which it could not register itself for.
    pub(crate) async fn is_an_operators(
        &self,
        client: &Client,
        is_meant: impl Fn(&str) -> bool,
    ) -> Result<bool, StoreError> {
        if client.id.is_url() {
            return Ok(false);
        }
        let Some(registration) = self.store.find_registration(&client.id).await? else { return Ok(true) };
        let is_given = |own: &String| is_meant(own) && !registration.policy.audience.contains(own);
        Ok(client.audience.iter().any(is_given))
    }

    /// Signs an answer for the client that asked, and encrypts it where the client wants that.
    ///
    /// # Errors
    /// [`ResponseError`].
    pub async fn sign_introspection(
        &self,
        client: &Client,
        answer: &(impl Serialize + Sync),
        now: Timestamp,
    ) -> Result<String, ResponseError> {
        let writer = self.response_writer(client, Told::Introspection, now).await?;
        let claims = SignedIntrospection {
            iss: self.config.issuer.as_str(),
            aud: client.id.as_str(),
            iat: now.into(),
            token_introspection: answer,
        };
        Ok(writer.write(&INTROSPECTION, &claims)?)
    }

    /// Takes a token back for the client it was issued to. What is no token, or dead, needs no
    /// taking back and is no error. A refresh token ends its session.
    ///
    /// # Errors
    /// [`RevokeError`].
    pub async fn revoke_token(
        &self,
        client: &AuthenticatedClient,
        token: &str,
        now: Timestamp,
    ) -> Result<(), RevokeError> {
        if let Ok(genuine) = refresh_token::verify(&self.secrets.refresh_mac, token) {
            let Some(session) = self.store.find_session(genuine.family).await? else { return Ok(()) };
            if session.client != client.id() {
                return Err(RevokeError::WrongClient);
            }
            self.end_session(session.id, Reason::CLIENT_REQUEST, now).await?;
            return Ok(());
        }
        let Some(verified) = self.own_token(token, now) else { return Ok(()) };
        if verified.client_id != client.id().as_str() {
            return Err(RevokeError::WrongClient);
        }
        // Each entry goes to every guard and is kept until the token is dead: one says it all.
        if self.feed.check(&verified, verified.kid()).is_err() {
            return Ok(());
        }
        let mut revocation = self.revocation(Kind::Token, &verified.jti, Reason::CLIENT_REQUEST, now);
        // Under a shared secret somebody else may have chosen `exp`.
        let dead = verified.exp.0.saturating_add(CLOCK_ALLOWANCE);
        revocation.forget_after = dead.min(self.dead_by(now));
        self.store.append_revocation(revocation).await?;
        self.feed.pump(&*self.store).await?;
        tracing::info!(target: "gatepass::audit", event = "token-revoked", jti = verified.jti);
        Ok(())
    }

    /// The claims of a live token that this issuer minted for anybody, or that a resource server
    /// with a shared secret minted for itself.
    fn own_token(&self, token: &str, now: Timestamp) -> Option<Verified<AccessClaims>> {
        let (ring, shared, token) = (self.ring.load(), self.shared.load(), self.signed_token(token));
        let mut verifiers = std::iter::once(ring.verifier()).chain(shared.verifiers());
        verifiers.find_map(|verifier| verifier.verify(&token, now).ok())
    }
}
