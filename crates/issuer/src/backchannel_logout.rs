//! Telling clients that sessions have ended
//! ([OpenID Connect Back-Channel Logout 1.0](https://openid.net/specs/openid-connect-backchannel-1_0.html)).
//!
//! The store keeps a notice with the end of every session whose client wants to know, both or neither. A notice
//! stays until its client has taken it, or has failed to for hours.

use std::collections::BTreeMap;
use std::time::Duration;

use gatepass_jose::{NumericDate, Timestamp, Typ, base64url};
use serde::Serialize;

use crate::client::{Client, NotificationUri, Told};
use crate::id::{ClientId, SessionId, UserId};
use crate::issuer::Issuer;
use crate::mint::MintError;
use crate::response::ResponseError;
use crate::secrets::random;
use crate::store::StoreError;

/// The `typ` of a logout token: what keeps it from passing for an ID token.
const LOGOUT_TOKEN: Typ = Typ::new("logout+jwt");

/// The member of `events` that makes a security event token a logout token.
const EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";

/// How long a logout token is good: the two minutes that the specification names.
const LIFETIME: Duration = Duration::from_secs(120);

/// How long after each failure the next try comes. After the last, a client has been away for six hours.
const PAUSES: [u64; 8] = [2, 10, 60, 300, 900, 2700, 7200, 10800];

/// Word of an ended session that its client has not taken yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogoutNotice {
    /// Its place in the store.
    pub id: u64,
    /// The session.
    pub session: SessionId,
    /// Whose it was.
    pub user: UserId,
    /// Who is to be told.
    pub client: ClientId,
    /// How often it was tried.
    pub attempts: u32,
}

/// A logout token that is to be sent.
#[derive(Clone, Debug)]
pub struct LogoutDelivery {
    /// What it is to say.
    pub notice: LogoutNotice,
    /// Where it goes.
    pub uri: NotificationUri,
    /// Whether the client has registered itself: then a stranger has chosen where that is, and it must be somewhere that
    /// everybody could reach.
    pub by_stranger: bool,
    client: Client,
}

/// What came of a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivered {
    /// The client has taken it.
    Taken,
    /// The client says that it never will.
    Refused,
    /// It was not there, or has a fault.
    Failed,
}

#[derive(Serialize)]
struct LogoutClaims<'c> {
    iss: &'c str,
    sub: String,
    aud: &'c str,
    iat: NumericDate,
    exp: NumericDate,
    jti: String,
    sid: String,
    events: BTreeMap<&'static str, BTreeMap<&'static str, ()>>,
}

impl Issuer {
    /// What is to be sent at `now`, at most `limit`, and few for any one client. Each is to be settled before this is
    /// called again.
    ///
    /// # Errors
    /// [`StoreError`]; the next call tries again.
    pub async fn due_logouts(&self, limit: u32, now: Timestamp) -> Result<Vec<LogoutDelivery>, StoreError> {
        let mut deliveries = Vec::new();
        for notice in self.store.due_logout_notices(now, limit).await? {
            let client = self.store.find_client(&notice.client).await?;
            let client = client.filter(|client| !client.disabled);
            match client.and_then(|client| Some((client.logout.backchannel.clone()?, client))) {
                Some((uri, client)) => {
                    let by_stranger = self.store.find_registration(&client.id).await?.is_some();
                    deliveries.push(LogoutDelivery { notice, uri, by_stranger, client });
                }
                None => self.store.settle_logout_notice(notice.id, None).await?, // nobody wants to know any more
            }
        }
        Ok(deliveries)
    }

    /// The token to send, for the form member `logout_token`. It is good for two minutes, so it is made when it is sent; and
    /// where it is encrypted, the client's keys may have to be fetched, for which no other client's waits.
    ///
    /// # Errors
    /// [`ResponseError::NoRecipient`]: the client has no key now, and is as one that is away.
    pub async fn logout_token(
        &self,
        delivery: &LogoutDelivery,
        now: Timestamp,
    ) -> Result<String, ResponseError> {
        let LogoutDelivery { notice, client, .. } = delivery;
        let writer = self.response_writer(client, Told::IdToken, now).await?;
        let claims = LogoutClaims {
            iss: self.config.issuer.as_str(),
            sub: self.subject(Some(client), notice.user),
            aud: notice.client.as_str(),
            iat: now.into(),
            exp: now.saturating_add(LIFETIME).into(),
            jti: base64url::encode(&random::<16>().map_err(MintError::from)?),
            sid: notice.session.to_string(),
            events: BTreeMap::from([(EVENT, BTreeMap::new())]),
        };
        Ok(writer.write(&LOGOUT_TOKEN, &claims)?)
    }

    /// Notes what came of a delivery: the notice goes, or waits for its next turn.
    ///
    /// # Errors
    /// [`StoreError`]; it is sent again then.
    pub async fn settle_logout(
        &self,
        notice: &LogoutNotice,
        delivered: Delivered,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let next = match delivered {
            Delivered::Taken | Delivered::Refused => None,
            Delivered::Failed => pause_after(notice.attempts).map(|pause| now.saturating_add(pause)),
        };
        self.store.settle_logout_notice(notice.id, next).await?;
        let (client, sid) = (&notice.client, notice.session);
        match (delivered, next) {
            (Delivered::Taken, _) => {
                tracing::info!(target: "gatepass::audit", event = "logout-token-taken", client_id = %client, %sid);
            }
            (_, Some(next)) => tracing::debug!(client_id = %client, %sid, %next, "a logout token waits"),
            (_, None) => {
                tracing::warn!(target: "gatepass::audit", event = "logout-token-lost", client_id = %client, %sid, ?delivered);
            }
        }
        Ok(())
    }
}

/// How long to wait after the failure that follows `attempts` others; `None`: it is given up.
#[must_use]
pub fn pause_after(attempts: u32) -> Option<Duration> {
    let attempts = usize::try_from(attempts).unwrap_or(usize::MAX);
    PAUSES.get(attempts).map(|secs| Duration::from_secs(*secs))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_for_hours_and_end() {
        let pauses: Vec<_> = (0..20).map_while(pause_after).collect();
        assert!(pauses.is_sorted() && pauses.len() == PAUSES.len(), "{pauses:?}");
        let all: Duration = pauses.iter().sum();
        assert!(all > Duration::from_secs(5 * 3600) && all < Duration::from_secs(7 * 3600), "{all:?}");
        assert_eq!(pause_after(u32::MAX), None);
    }
}
