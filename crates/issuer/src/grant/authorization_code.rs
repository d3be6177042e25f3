//! The grant of a user who has logged in
//! ([RFC 6749 section 4.1](https://www.rfc-editor.org/rfc/rfc6749#section-4.1), with PKCE).

use gatepass_jose::Timestamp;
use gatepass_revocation::{Kind, Reason};
use gatepass_token::{AuthorizationDetails, CodeVerifier};
use zeroize::Zeroizing;

use super::{TokenError, TokenResponse, require_grant};
use crate::client::{GrantType, OFFLINE_ACCESS};
use crate::client_authentication::AuthenticatedClient;
use crate::code::{CodeRefusal, PresentedCode};
use crate::dpop::Jkt;
use crate::id::SessionId;
use crate::issuer::Issuer;
use crate::secrets::random;
use crate::sessions::Terms;
use crate::store::Redeemed;

/// A code and what came with it.
pub(super) struct ShownCode {
    pub(super) code: Zeroizing<String>,
    pub(super) redirect_uri: Option<String>,
    pub(super) verifier: Option<CodeVerifier>,
    pub(super) resource: Option<String>,
    pub(super) authorization_details: Option<AuthorizationDetails>,
    pub(super) jkt: Option<Jkt>,
}

impl Issuer {
    pub(super) async fn authorization_code(
        &self,
        client: &AuthenticatedClient,
        shown: ShownCode,
        minted_at: Timestamp,
        now: Timestamp,
    ) -> Result<TokenResponse, TokenError> {
        let (registered, confidential) = match client {
            AuthenticatedClient::Confidential(client) => (client, true),
            AuthenticatedClient::Public(client) => (client, false),
            AuthenticatedClient::FirstParty => return Err(TokenError::InvalidClient),
        };
        require_grant(registered, GrantType::AuthorizationCode)?;
        let presented = PresentedCode {
            client: registered.id.clone(),
            confidential,
            may_refresh: registered.may_use(GrantType::RefreshToken),
            redirect_uri: shown.redirect_uri,
            verifier: shown.verifier,
            resource: shown.resource,
            authorization_details: shown.authorization_details,
            jkt: shown.jkt,
            session: SessionId::new(now, random()?),
            now,
            policy: self.config.refresh,
            access_token_lifetime: self.config.access_token_lifetime,
        };
        let digest = self.secrets.code_digest(&shown.code);
        let on_replay = self.revocation(Kind::Session, "", Reason::REUSE, now);
        let client_id = &registered.id;
        match self.store.redeem_code(digest, &presented, on_replay).await? {
            Redeemed::Given(code, session, user) => {
                let most = registered.most_of_a_user();
                let terms = Terms {
                    scope: &[&most],
                    authorization_details: presented.authorization_details.as_ref(),
                    types: &registered.extensions.authorization_details_types,
                    jkt: shown.jkt,
                };
                let tokens = self.tokens(&session, &user, &terms, minted_at, now)?;
                let id_token = self.id_token(&code, session.id, &user, &tokens.access_token, now)?;
                tracing::info!(
                    target: "gatepass::audit", event = "code-redeemed", %client_id, sub = %user.id,
                    sid = %session.id
                );
                let refreshes = code.scope.contains(OFFLINE_ACCESS) && presented.may_refresh;
                let mut response = TokenResponse::of_session(tokens);
                response.refresh_token = response.refresh_token.filter(|_| refreshes);
                Ok(TokenResponse { id_token, ..response })
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
}
