//! What the issuer sends of its own accord: logout tokens
//! ([OpenID Connect Back-Channel Logout 1.0 section 2.5](https://openid.net/specs/openid-connect-backchannel-1_0.html#BCRequest)).

use std::sync::Arc;
use std::time::Duration;

use futures_util::{StreamExt as _, stream};
use gatepass_issuer::{Delivered, Issuer, LogoutDelivery};
use http::StatusCode;
use http::header::CONTENT_TYPE;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;
use url::form_urlencoded;

use crate::clock::Clock;

/// How often what has failed is looked at; what ends now is sent at once.
const LOOK: Duration = Duration::from_secs(2);
/// How many requests are under way at once, to clients that may all be slow.
const CONCURRENT: usize = 32;
/// How many are taken up in one go.
const BATCH: u32 = 256;
const TIMEOUT: Duration = Duration::from_secs(5);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// The way out. It goes where a client's registration says and nowhere else: no redirect is followed, no proxy of
/// the environment used, and of an answer only the status is looked at.
#[derive(Clone, Debug)]
pub struct Outbound(reqwest::Client);

impl Outbound {
    /// One that verifies certificates against the roots of this machine.
    ///
    /// # Errors
    /// TLS could not be set up.
    pub fn new() -> Result<Self, std::io::Error> {
        let client = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(TIMEOUT)
            .user_agent(concat!("gatepass/", env!("CARGO_PKG_VERSION")))
            .build();
        client.map(Self).map_err(std::io::Error::other)
    }

    /// Sends what ended sessions leave to be told, until `stop`. What was not taken then is sent after the next
    /// start.
    pub async fn deliver(self, issuer: Arc<Issuer>, clock: Clock, stop: CancellationToken) {
        let mut revocations = issuer.watch_revocations();
        let mut looks = tokio::time::interval(LOOK);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            // The end of a session is a revocation too.
            tokio::select! {
                () = stop.cancelled() => return,
                changed = revocations.changed() => if changed.is_err() { return },
                _ = looks.tick() => {}
            }
            if stop.run_until_cancelled(self.deliver_due(&issuer, &clock)).await.is_none() {
                return;
            }
        }
    }

    /// Sends what is due, until nothing is.
    async fn deliver_due(&self, issuer: &Issuer, clock: &Clock) {
        loop {
            let due = match issuer.due_logouts(BATCH, clock.now()).await {
                Ok(due) if due.is_empty() => return,
                Ok(due) => due,
                Err(error) => {
                    tracing::error!(%error, "logout tokens are not sent and tried again");
                    return;
                }
            };
            let settled = stream::iter(due).map(|delivery| self.deliver_one(issuer, clock, delivery));
            let settled: Vec<bool> = settled.buffer_unordered(CONCURRENT).collect().await;
            if !settled.into_iter().all(|settled| settled) {
                return; // the store fails; the same again at once would be a busy loop
            }
        }
    }

    /// Whether its outcome could be noted.
    async fn deliver_one(&self, issuer: &Issuer, clock: &Clock, delivery: LogoutDelivery) -> bool {
        let LogoutDelivery { notice, uri, token } = delivery;
        let form =
            form_urlencoded::Serializer::new(String::new()).append_pair("logout_token", &token).finish();
        let request = self.0.post(uri.as_str()).header(CONTENT_TYPE, "application/x-www-form-urlencoded");
        let delivered = match request.body(form).send().await {
            Ok(answer) => judge(answer.status()),
            Err(error) => {
                // Without the URL: its query may be a secret of the client's.
                tracing::debug!(client_id = %notice.client, error = %error.without_url(), "a logout token is not taken");
                Delivered::Failed
            }
        };
        let settled = issuer.settle_logout(&notice, delivered, clock.now()).await;
        settled
            .inspect_err(|error| tracing::error!(%error, "what came of a logout token is not kept"))
            .is_ok()
    }
}

/// Section 2.8 of the specification: 200, which some frameworks make 204, or 400 for a token that the client will
/// never take.
fn judge(status: StatusCode) -> Delivered {
    match status {
        status if status.is_success() => Delivered::Taken,
        StatusCode::BAD_REQUEST => Delivered::Refused,
        _ => Delivered::Failed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_answer_means() {
        for (status, want) in [
            (200, Delivered::Taken),
            (204, Delivered::Taken),
            (302, Delivered::Failed),
            (400, Delivered::Refused),
            (404, Delivered::Failed),
            (503, Delivered::Failed),
        ] {
            assert_eq!(judge(StatusCode::from_u16(status).unwrap()), want, "{status}");
        }
    }
}
