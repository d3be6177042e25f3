//! What the issuer sends of its own accord: logout tokens
//! ([OpenID Connect Back-Channel Logout 1.0 section 2.5](https://openid.net/specs/openid-connect-backchannel-1_0.html#BCRequest))
//! and shared signals ([RFC 8935](https://www.rfc-editor.org/rfc/rfc8935)).

use std::sync::Arc;
use std::time::Duration;

use futures_util::{StreamExt as _, stream};
use gatepass_issuer::id::ClientId;
use gatepass_issuer::signals::{SignalBatch, Taken};
use gatepass_issuer::{Delivered, Issuer, LogoutDelivery, ResponseError};
use gatepass_jose::SecretKey;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderValue, StatusCode};
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;
use url::{Url, form_urlencoded};

use crate::clock::Clock;
use crate::fetch::Fetch;
use crate::http_client::HttpClient;

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
pub struct Outbound {
    /// To where an operator says.
    known: HttpClient,
    /// To where clients say that registered themselves.
    strangers: Fetch,
}

impl Outbound {
    /// One that verifies certificates against the roots of this machine, and sends what goes to clients that registered
    /// themselves as `strangers` would fetch something of theirs.
    #[must_use]
    pub fn new(strangers: Fetch) -> Self {
        Self { known: HttpClient::new(settings), strangers }
    }

    /// Sends what clients and receivers of signals are to be told, until `stop`. What was not taken then is sent after
    /// the next start.
    pub async fn deliver(self, issuer: Arc<Issuer>, clock: Clock, stop: CancellationToken) {
        let logouts = at_changes(&issuer, &stop, || self.deliver_logouts(&issuer, &clock));
        // Beside each other: a receiver that is slow holds up no logout.
        let signals = at_changes(&issuer, &stop, || self.push_signals(&issuer, &clock));
        tokio::join!(logouts, signals);
    }

    /// Sends what ended sessions leave to be told, until nothing is due.
    async fn deliver_logouts(&self, issuer: &Issuer, clock: &Clock) {
        loop {
            let due = match issuer.due_logouts(BATCH, clock.now()).await {
                Ok(due) if due.is_empty() => return,
                Ok(due) => due,
                Err(error) => {
                    tracing::error!(%error, "logout tokens are not sent and tried again");
                    return;
                }
            };
            let settled = stream::iter(due).map(|delivery| self.deliver_logout(issuer, clock, delivery));
            let settled: Vec<bool> = settled.buffer_unordered(CONCURRENT).collect().await;
            if !settled.into_iter().all(|settled| settled) {
                return; // the store fails; the same again at once would be a busy loop
            }
        }
    }

    /// Whether there was a token, and its outcome could be noted.
    async fn deliver_logout(&self, issuer: &Issuer, clock: &Clock, delivery: LogoutDelivery) -> bool {
        let delivered = match issuer.logout_token(&delivery, clock.now()).await {
            Ok(token) => self.send_logout(&delivery, &token).await,
            Err(ResponseError::NoRecipient(why)) => {
                tracing::info!(client_id = %delivery.notice.client, %why, "a logout token cannot be encrypted");
                Delivered::Failed
            }
            Err(error) => {
                tracing::error!(%error, "a logout token is not made and tried again");
                return false;
            }
        };
        let settled = issuer.settle_logout(&delivery.notice, delivered, clock.now()).await;
        settled
            .inspect_err(|error| tracing::error!(%error, "what came of a logout token is not kept"))
            .is_ok()
    }

    async fn send_logout(&self, delivery: &LogoutDelivery, token: &str) -> Delivered {
        let uri = delivery.uri.as_str();
        let Some(client) = self.way_to(uri, delivery.by_stranger) else { return Delivered::Refused };
        let form =
            form_urlencoded::Serializer::new(String::new()).append_pair("logout_token", token).finish();
        let sent = async {
            let request = client.open()?.post(uri);
            request.header(CONTENT_TYPE, "application/x-www-form-urlencoded").body(form).send().await
        };
        match sent.await {
            Ok(answer) => judge(answer.status()),
            Err(error) => {
                // Without the URL: its query may be a secret of the client's.
                let client_id = &delivery.notice.client;
                tracing::debug!(%client_id, error = %error.without_url(), "a logout token is not taken");
                Delivered::Failed
            }
        }
    }

    /// Who sends it there, if anybody may.
    fn way_to(&self, uri: &str, by_stranger: bool) -> Option<&HttpClient> {
        match by_stranger {
            false => Some(&self.known),
            true => Url::parse(uri).ok().and_then(|url| self.strangers.client_for(&url).ok()),
        }
    }

    /// Pushes what waits to every receiver, each in order, until nothing waits or none takes any.
    async fn push_signals(&self, issuer: &Issuer, clock: &Clock) {
        loop {
            let due = match issuer.due_signals(clock.now()).await {
                Ok(due) => due,
                Err(error) => {
                    tracing::error!(%error, "signals are not pushed and tried again");
                    return;
                }
            };
            let pushed = stream::iter(due).map(|batch| self.push(issuer, clock, batch));
            let pushed: Vec<bool> = pushed.buffer_unordered(CONCURRENT).collect().await;
            if !pushed.contains(&true) {
                return;
            }
        }
    }

    /// Whether the receiver has taken anything.
    async fn push(&self, issuer: &Issuer, clock: &Clock, batch: SignalBatch) -> bool {
        let mut any = false;
        for set in batch.sets {
            let sent = async {
                let mut request = self.known.open()?.post(batch.endpoint.as_str());
                request = request.header(ACCEPT, "application/json");
                request = request.header(CONTENT_TYPE, "application/secevent+jwt");
                if let Some(value) = batch.authorization.as_ref().and_then(secret_value) {
                    request = request.header(AUTHORIZATION, value);
                }
                request.body(set.token).send().await
            };
            let taken = match sent.await {
                Ok(answer) => judge_push(answer.status(), &batch.client),
                Err(error) => {
                    tracing::debug!(client_id = %batch.client, error = %error.without_url(), "a signal is not taken");
                    Taken::Failed
                }
            };
            issuer.settle_signal(batch.stream, &set.jti, taken, clock.now());
            if taken == Taken::Failed {
                break;
            }
            any = true;
        }
        any
    }
}

fn settings() -> reqwest::ClientBuilder {
    reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .connect_timeout(CONNECT_TIMEOUT)
        .timeout(TIMEOUT)
        .user_agent(concat!("gatepass/", env!("CARGO_PKG_VERSION")))
}

/// As a header field that no log shows.
fn secret_value(secret: &SecretKey) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_bytes(secret.expose()).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// [RFC 8935 sections 2.2 to 2.4](https://www.rfc-editor.org/rfc/rfc8935#section-2.2): 202 takes an event, 400 refuses it for
/// good.
fn judge_push(status: StatusCode, client: &ClientId) -> Taken {
    match status {
        status if status.is_success() => Taken::Settled,
        StatusCode::BAD_REQUEST => {
            tracing::warn!(client_id = %client, "a receiver refuses a signal");
            Taken::Settled
        }
        _ => Taken::Failed,
    }
}

/// Does `work` now, whenever something was revoked, and now and then, until `stop`. The end of a session is a revocation
/// too.
async fn at_changes<F: Future<Output = ()>>(issuer: &Issuer, stop: &CancellationToken, work: impl Fn() -> F) {
    let mut revocations = issuer.watch_revocations();
    let mut looks = tokio::time::interval(LOOK);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            changed = revocations.changed() => if changed.is_err() { return },
            _ = looks.tick() => {}
        }
        if stop.run_until_cancelled(work()).await.is_none() {
            return;
        }
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
    fn nothing_is_sent_where_a_stranger_must_not_lead() {
        let outbound = Outbound::new(Fetch::new(vec!["http://127.0.0.1:4711".parse().unwrap()]));
        for (uri, known, stranger) in [
            ("https://app.example.com/logout", true, true),
            ("https://10.0.0.1/logout", true, false),
            ("https://169.254.169.254/logout", true, false),
            ("http://127.0.0.1:4711/logout", true, true),
            ("http://127.0.0.1:4712/logout", true, false),
            ("https://app.example.com:8443/logout", true, false),
        ] {
            assert_eq!(outbound.way_to(uri, false).is_some(), known, "{uri}");
            assert_eq!(outbound.way_to(uri, true).is_some(), stranger, "{uri}");
        }
    }

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
