//! Renewing a session's tokens: one at a time for each session, so that no answer of the issuer's is lost.
//!
//! A refresh token is used up by its use. So the one before stays in the store until its successor is there, what
//! is under way is finished though its request may be gone, and who finds that another gateway has renewed takes
//! over what that one got.

use std::sync::Arc;
use std::time::Duration;

use gatepass_guard::{OpenIdError, OpenIdIssuer, Timestamp};
use tokio::sync::OwnedMutexGuard;
use tokio::time::Instant;

use super::session::{Session, Tokens};
use super::{Bff, SessionError, now};
use crate::guards::Guards;

/// An answer that was lost may have been given: so the same is asked again, while the issuer still takes it for a
/// repetition.
const ATTEMPTS: u32 = 3;
const PAUSE: Duration = Duration::from_millis(500);
/// After a renewal that failed nobody tries for so long.
const REST: Duration = Duration::from_secs(2);

impl Bff {
    /// Tokens of a session that are good for a request. They are renewed ahead of time and beside the requests;
    /// only who comes when they have expired waits.
    pub(super) async fn current_tokens(
        self: &Arc<Self>,
        session: &Arc<Session>,
        guards: &Guards,
        now: Timestamp,
    ) -> Result<Arc<Tokens>, SessionError> {
        let tokens = session.tokens.load_full();
        if !tokens.are_due(now) {
            return Ok(tokens);
        }
        if !tokens.are_current(now) {
            return self.renew(session, tokens, guards).await;
        }
        if tokens.refresh_token.is_some()
            && let Ok(turn) = Arc::clone(&session.turn).try_lock_owned()
        {
            let (bff, issuer) = (Arc::clone(self), self.issuer(guards)?);
            let (session, used) = (Arc::clone(session), Arc::clone(&tokens));
            tokio::spawn(async move { bff.renew_in_turn(turn, &session, &used, &issuer).await });
        }
        Ok(tokens)
    }

    /// Other tokens than `used`, which are good no longer.
    pub(super) async fn renew(
        self: &Arc<Self>,
        session: &Arc<Session>,
        used: Arc<Tokens>,
        guards: &Guards,
    ) -> Result<Arc<Tokens>, SessionError> {
        let (bff, session, issuer) = (Arc::clone(self), Arc::clone(session), self.issuer(guards)?);
        // A client that goes away must not take the issuer's answer with it.
        let renewing = tokio::spawn(async move {
            let turn = Arc::clone(&session.turn).lock_owned().await;
            bff.renew_in_turn(turn, &session, &used, &issuer).await
        });
        renewing.await.map_err(|_| SessionError::Unavailable)?
    }

    async fn renew_in_turn(
        &self,
        mut turn: OwnedMutexGuard<Option<Instant>>,
        session: &Session,
        used: &Arc<Tokens>,
        issuer: &OpenIdIssuer,
    ) -> Result<Arc<Tokens>, SessionError> {
        let tokens = session.tokens.load_full();
        if session.has_ended(self.sessions.idle, now()) {
            return Err(SessionError::Ended);
        }
        if !Arc::ptr_eq(&tokens, used) {
            return Ok(tokens); // whoever had the turn before has done it
        }
        if turn.is_some_and(|failed| failed.elapsed() < REST) {
            return Err(SessionError::Unavailable);
        }
        let renewed = self.renew_once(session, &tokens, issuer).await;
        *turn = matches!(renewed, Err(SessionError::Unavailable)).then(Instant::now);
        renewed
    }

    async fn renew_once(
        &self,
        session: &Session,
        tokens: &Arc<Tokens>,
        issuer: &OpenIdIssuer,
    ) -> Result<Arc<Tokens>, SessionError> {
        let tokens = match self.others_tokens(session, tokens).await? {
            Some(others) if others.are_current(now()) => return Ok(others),
            Some(others) => others,
            None => Arc::clone(tokens),
        };
        let Some(refresh_token) = &tokens.refresh_token else {
            return self.over(session, "no refresh token").await;
        };
        let asked_at = now();
        match self.ask(refresh_token, issuer).await {
            Ok(mut answer) => {
                // RFC 6749 section 6: without a new one, the one before goes on.
                answer.refresh_token = answer.refresh_token.or_else(|| Some(refresh_token.clone()));
                match Tokens::new(answer, &tokens.scope, asked_at) {
                    Ok(renewed) => self.keep(session, renewed, issuer).await,
                    Err(error) => self.over(session, &error.to_string()).await,
                }
            }
            Err(OpenIdError::Refused { error }) if error == "invalid_grant" => {
                // Perhaps because another gateway was faster than the issuer's leeway is long.
                match self.others_tokens(session, &tokens).await? {
                    Some(others) => Ok(others),
                    None => self.over(session, "the issuer has ended it").await,
                }
            }
            Err(error) => {
                tracing::warn!(%error, "a session's tokens cannot be renewed");
                Err(SessionError::Unavailable)
            }
        }
    }

    async fn ask(
        &self,
        refresh_token: &str,
        issuer: &OpenIdIssuer,
    ) -> Result<gatepass_guard::TokenAnswer, OpenIdError> {
        let form = [("grant_type", "refresh_token"), ("refresh_token", refresh_token)];
        let mut attempt = 1;
        loop {
            match issuer.token(&self.settings.client, &form).await {
                Err(OpenIdError::Unavailable(_)) if attempt < ATTEMPTS => {
                    attempt += 1;
                    tokio::time::sleep(PAUSE).await;
                }
                answer => return answer,
            }
        }
    }

    /// What another gateway with the same store has put there meanwhile.
    async fn others_tokens(
        &self,
        session: &Session,
        tokens: &Tokens,
    ) -> Result<Option<Arc<Tokens>>, SessionError> {
        let stored = self.sessions.read(session.id, &self.sealer).await.map_err(unavailable)?;
        let Some(stored) = stored else {
            self.sessions.end(session).await.map_err(unavailable)?;
            return Err(SessionError::Ended);
        };
        let stored = stored.tokens.load_full();
        if !stored.differ_from(tokens) {
            return Ok(None);
        }
        session.tokens.store(Arc::clone(&stored));
        Ok(Some(stored))
    }

    async fn keep(
        &self,
        session: &Session,
        tokens: Tokens,
        issuer: &OpenIdIssuer,
    ) -> Result<Arc<Tokens>, SessionError> {
        let sealed = tokens.seal(session.id, &session.holder, &self.sealer).map_err(unavailable)?;
        // If it cannot be kept, the next attempt shows the refresh token of before, and gets the same successor.
        if !self.sessions.store.update(session.id, sealed, now()).await.map_err(unavailable)? {
            self.revoke(&tokens, issuer).await;
            self.sessions.end(session).await.map_err(unavailable)?;
            return Err(SessionError::Ended);
        }
        let tokens = Arc::new(tokens);
        session.tokens.store(Arc::clone(&tokens));
        Ok(tokens)
    }

    async fn over(&self, session: &Session, why: &str) -> Result<Arc<Tokens>, SessionError> {
        tracing::info!(target: "gatepass::audit", event = "browser-session-over", sub = session.holder.sub, why);
        self.sessions.end(session).await.map_err(unavailable)?;
        Err(SessionError::Ended)
    }

    /// Ends a session here and its tokens at the issuer.
    pub(super) async fn end(
        self: &Arc<Self>,
        session: Arc<Session>,
        guards: &Guards,
    ) -> Result<(), SessionError> {
        let (bff, issuer) = (Arc::clone(self), self.issuer(guards)?);
        let ending = tokio::spawn(async move {
            // After a renewal that is under way, so that what that one got is revoked and not what it used up.
            let _turn = session.turn.lock().await;
            bff.sessions.end(&session).await.map_err(unavailable)?;
            tracing::info!(
                target: "gatepass::audit", event = "browser-session-ended", sub = session.holder.sub
            );
            bff.revoke(&session.tokens.load(), &issuer).await;
            Ok(())
        });
        ending.await.map_err(|_| SessionError::Unavailable)?
    }

    pub(super) async fn revoke(&self, tokens: &Tokens, issuer: &OpenIdIssuer) {
        let (token, kind) = tokens.to_revoke();
        if let Err(error) = issuer.revoke(&self.settings.client, token, kind).await {
            // Nobody else has it: it was sealed here, and is gone now.
            tracing::warn!(%error, "the tokens of a session that has ended could not be revoked");
        }
    }
}

pub(super) fn unavailable(error: impl std::fmt::Display) -> SessionError {
    tracing::error!(%error, "sessions cannot be kept");
    SessionError::Unavailable
}
