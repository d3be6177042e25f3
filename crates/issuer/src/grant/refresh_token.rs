//! The grant of a session that goes on
//! ([RFC 6749 section 6](https://www.rfc-editor.org/rfc/rfc6749#section-6)).

use gatepass_jose::Timestamp;

use super::{TokenError, TokenResponse};
use crate::client::{Client, Told};
use crate::id_token::IdTokenOf;
use crate::issuer::Issuer;
use crate::response::{ResponseError, ResponseWriter};
use crate::sessions::{Refreshed, ShownRefresh};

impl Issuer {
    /// The next tokens of a session. A registered client is told anew who its user is, where it may know and asks for it: as
    /// in the first ID token, but for its age and the `nonce`, which belongs to the login
    /// ([OpenID Connect Core 1.0 section 12.2](https://openid.net/specs/openid-connect-core-1_0.html#RefreshTokenResponse)).
    pub(super) async fn refresh_token(
        &self,
        shown: ShownRefresh<'_>,
        now: Timestamp,
    ) -> Result<TokenResponse, TokenError> {
        let teller = match shown.registered {
            Some(client) => self.refresh_writer(client, now).await?.map(|writer| (client, writer)),
            None => None,
        };
        let Refreshed { tokens, session, user } = self.refresh_within(shown, now).await?;
        let id_token = match &teller {
            Some((client, writer)) => {
                let login = IdTokenOf {
                    client,
                    scope: &tokens.scope,
                    claims: &session.claims.id_token,
                    nonce: None,
                    code: None,
                };
                self.id_token(&login, writer, &session, &user, &tokens.access_token, now)?
            }
            None => None,
        };
        Ok(TokenResponse { id_token, ..TokenResponse::of_session(tokens) })
    }

    /// `None`: the client has no key for what it wants encrypted. It has had its first ID token and needs no other, so its
    /// session goes on without.
    async fn refresh_writer(
        &self,
        client: &Client,
        now: Timestamp,
    ) -> Result<Option<ResponseWriter>, ResponseError> {
        match self.response_writer(client, Told::IdToken, now).await {
            Err(ResponseError::NoRecipient(why)) => {
                tracing::info!(client_id = %client.id, %why, "a refresh gives no ID token");
                Ok(None)
            }
            writer => writer.map(Some),
        }
    }
}
