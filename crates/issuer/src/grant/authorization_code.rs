//! The grant of a user who has logged in
//! ([RFC 6749 section 4.1](https://www.rfc-editor.org/rfc/rfc6749#section-4.1), with PKCE).

use gatepass_jose::Timestamp;
use gatepass_revocation::{Kind, Reason};
use gatepass_token::{AuthorizationDetails, CodeVerifier};
use zeroize::Zeroizing;

use super::{TokenError, TokenResponse, require_grant};
use crate::binding::Binding;
use crate::client::{GrantType, Told};
use crate::client_authentication::AuthenticatedClient;
use crate::code::{CodeRefusal, PresentedCode};
use crate::id::SessionId;
use crate::id_token::IdTokenOf;
use crate::issuer::Issuer;
use crate::response::ResponseWriter;
use crate::secrets::random;
use crate::session::Session;
use crate::sessions::Terms;
use crate::store::Redeemed;
use crate::user::User;

/// A code and what came with it.
pub(super) struct ShownCode {
    pub(super) code: Zeroizing<String>,
    pub(super) redirect_uri: Option<String>,
    pub(super) verifier: Option<CodeVerifier>,
    pub(super) resource: Option<String>,
    pub(super) authorization_details: Option<AuthorizationDetails>,
    pub(super) binding: Binding,
}

impl Issuer {
    pub(super) async fn authorization_code(
        &self,
        client: &AuthenticatedClient,
        shown: ShownCode,
        minted_at: Timestamp,
        now: Timestamp,
    ) -> Result<TokenResponse, TokenError> {
        let presented = PresentedCode {
            redirect_uri: shown.redirect_uri,
            verifier: shown.verifier,
            resource: shown.resource,
            authorization_details: shown.authorization_details,
            ..self.presented_code(client, shown.binding, now)?
        };
        let registered = client.registered().ok_or(TokenError::InvalidClient)?;
        require_grant(registered, GrantType::AuthorizationCode)?;
        // Before the code is used up: what cannot be told the client is not begun.
        let writer = self.response_writer(registered, Told::IdToken, now).await?;
        let digest = self.secrets.code_digest(&shown.code);
        let on_replay = self.revocation(Kind::Session, "", Reason::REUSE, now);
        let client_id = &registered.id;
        match self.store.redeem_code(digest, &presented, on_replay).await? {
            Redeemed::Given(code, session, user) => {
                let id_token = IdTokenOf {
                    client: registered,
                    scope: &code.scope,
                    claims: &code.claims.id_token,
                    nonce: code.nonce.as_deref(),
                    code: Some(&shown.code),
                };
                tracing::info!(
                    target: "gatepass::audit", event = "code-redeemed", %client_id, sub = %user.id,
                    sid = %session.id
                );
                self.given(&presented, &id_token, &writer, &session, &user, minted_at)
            }
            Redeemed::Refused(refusal) => {
                tracing::info!(target: "gatepass::audit", event = "code-refused", %client_id, ?refusal);
                Err(match refusal {
                    CodeRefusal::WrongResource => TokenError::InvalidTarget,
                    CodeRefusal::WrongAuthorizationDetails => TokenError::InvalidAuthorizationDetails,
                    _ => TokenError::InvalidGrant,
                })
            }
            Redeemed::Replayed(session) => {
                self.feed.pump(&*self.store).await?;
                tracing::warn!(target: "gatepass::audit", event = "code-reuse", %client_id, ?session);
                Err(TokenError::InvalidGrant)
            }
            Redeemed::Unknown => Err(TokenError::InvalidGrant),
        }
    }

    /// What there is to say of a code that `client` shows, but for what came with it.
    pub(super) fn presented_code(
        &self,
        client: &AuthenticatedClient,
        binding: Binding,
        now: Timestamp,
    ) -> Result<PresentedCode, TokenError> {
        let (registered, confidential) = match client {
            AuthenticatedClient::Confidential(client) => (client, true),
            AuthenticatedClient::Public(client) => (client, false),
            AuthenticatedClient::FirstParty => return Err(TokenError::InvalidClient),
        };
        Ok(PresentedCode {
            client: registered.id.clone(),
            confidential,
            may_refresh: registered.may_use(GrantType::RefreshToken),
            redirect_uri: None,
            verifier: None,
            resource: None,
            authorization_details: None,
            binding,
            session: SessionId::new(now, random()?),
            now,
            policy: self.config.refresh,
            access_token_lifetime: self.config.access_token_lifetime,
            subjects: self.subjects(registered),
        })
    }

    /// The tokens of a session that a code gave.
    pub(super) fn given(
        &self,
        presented: &PresentedCode,
        login: &IdTokenOf<'_>,
        writer: &ResponseWriter,
        session: &Session,
        user: &User,
        minted_at: Timestamp,
    ) -> Result<TokenResponse, TokenError> {
        let (client, now) = (login.client, presented.now);
        let target = self.session_target(session, Some(client), presented.resource.as_deref());
        let target = target.ok_or(TokenError::InvalidTarget)?;
        let terms = Terms {
            target,
            scope: &[&client.most_of_a_user()],
            authorization_details: presented.authorization_details.as_ref(),
            types: &client.extensions.authorization_details_types,
            binding: presented.binding,
        };
        let tokens = self.tokens(session, user, &terms, minted_at, now)?;
        let id_token = self.id_token(login, writer, session, user, &tokens.access_token, now)?;
        let mut response = TokenResponse::of_session(tokens);
        response.refresh_token = response.refresh_token.filter(|_| presented.refreshes(login.scope));
        Ok(TokenResponse { id_token, ..response })
    }
}
