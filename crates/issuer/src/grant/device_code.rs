//! The grant of a user who has allowed it at another device
//! ([RFC 8628 section 3.4](https://www.rfc-editor.org/rfc/rfc8628#section-3.4)).

use std::collections::BTreeSet;

use gatepass_jose::Timestamp;
use gatepass_revocation::{Kind, Reason};

use super::{TokenError, TokenResponse, require_grant};
use crate::client::{GrantType, Told};
use crate::client_authentication::AuthenticatedClient;
use crate::code::PresentedCode;
use crate::device::{DeviceRefusal, DeviceState};
use crate::id_token::IdTokenOf;
use crate::issuer::Issuer;
use crate::store::RedeemedDevice;

impl Issuer {
    pub(super) async fn device_code(
        &self,
        client: &AuthenticatedClient,
        device_code: &str,
        presented: PresentedCode,
        minted_at: Timestamp,
    ) -> Result<TokenResponse, TokenError> {
        let now = presented.now;
        let registered = client.registered().ok_or(TokenError::InvalidClient)?;
        require_grant(registered, GrantType::DeviceCode)?;
        let client_id = &registered.id;
        let digest = self.secrets.device_code_digest(device_code);
        let asked = self.store.find_device_authorization(digest).await?.ok_or(TokenError::InvalidGrant)?;
        // Most questions are asked while nobody has answered. They must not reach the writer.
        if asked.state == DeviceState::Pending && asked.client == *client_id && now < asked.expires_at {
            return Err(match self.devices.may_poll(digest, now) {
                true => DeviceRefusal::Pending,
                false => DeviceRefusal::TooFast,
            }
            .into());
        }
        let writer = self.response_writer(registered, Told::IdToken, now).await?;
        let on_replay = self.revocation(Kind::Session, "", Reason::REUSE, now);
        match self.store.redeem_device_authorization(digest, &presented, on_replay).await? {
            RedeemedDevice::Given(session, user) => {
                let id_token = IdTokenOf {
                    client: registered,
                    scope: &asked.scope,
                    claims: &BTreeSet::new(),
                    nonce: None,
                    code: None,
                };
                tracing::info!(
                    target: "gatepass::audit", event = "device-code-redeemed", %client_id, sub = %user.id,
                    sid = %session.id
                );
                self.given(&presented, &id_token, &writer, &session, &user, minted_at)
            }
            RedeemedDevice::Refused(refusal) => {
                tracing::info!(target: "gatepass::audit", event = "device-code-refused", %client_id, ?refusal);
                Err(match refusal {
                    DeviceRefusal::WrongResource => TokenError::InvalidTarget,
                    refusal => refusal.into(),
                })
            }
            RedeemedDevice::Replayed(session) => {
                self.feed.pump(&*self.store).await?;
                tracing::warn!(target: "gatepass::audit", event = "device-code-reuse", %client_id, ?session);
                Err(TokenError::InvalidGrant)
            }
            RedeemedDevice::Unknown => Err(TokenError::InvalidGrant),
        }
    }
}
