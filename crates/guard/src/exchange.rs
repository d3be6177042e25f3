//! Exchanging tokens with an issuer ([RFC 8693](https://www.rfc-editor.org/rfc/rfc8693)).

mod kept;

use std::sync::Arc;
use std::time::Duration;

use axum::http::{HeaderValue, StatusCode};
use gatepass_jose::{Rejection, Timestamp, parse_strict_json};
use gatepass_token::ScopeSet;
use serde::Deserialize;
use tokio::sync::{OnceCell, Semaphore};
use url::Url;
use url::form_urlencoded::Serializer;

use self::kept::{KeptTokens, Known};
use crate::authorization::is_b64token;
use crate::clock::Clock;
use crate::config::Client;
use crate::denied::Denied;
use crate::discovery::discover;
use crate::http::Http;
use crate::location::Location;

/// The longest answer that is read, and the longest token in it that would still fit into a header field.
const MAX_ANSWER: usize = 64 * 1024;
const MAX_TOKEN: usize = 8 * 1024;
/// Requests to the issuer at a time; further ones wait, but not for long.
const MAX_REQUESTS: usize = 64;
const MAX_WAIT: Duration = Duration::from_secs(5);
/// RFC 8693 section 3.
const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";
/// The parts of an issuer's refusal that are repeated, in characters.
const MAX_EXCERPT: usize = 200;

/// What a token is to be exchanged for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exchange {
    /// The service that is to be called.
    pub audience: String,
    /// A part of the token's scope; `None`: all of it.
    pub scope: Option<ScopeSet>,
}

/// What the issuer gave for a token. Shows nothing in `Debug`.
#[derive(Clone)]
pub struct ExchangedToken(HeaderValue);

impl ExchangedToken {
    /// The value of the `Authorization` field to call the service with, marked as sensitive.
    #[must_use]
    pub fn authorization(&self) -> &HeaderValue {
        &self.0
    }
}

impl std::fmt::Debug for ExchangedToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ExchangedToken(..)")
    }
}

/// Why a token was not exchanged.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ExchangeError {
    /// The issuer does not exchange this token for that, and will not if it is asked again
    /// ([RFC 8693 section 2.2.2](https://www.rfc-editor.org/rfc/rfc8693#section-2.2.2)).
    #[error("the issuer does not exchange the token: {0}")]
    Refused(String),
    /// The token has expired since it was admitted, or was admitted only because clocks may differ.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// The issuer did not answer, or not with what could be used. It may do so later.
    #[error("the token could not be exchanged: {0}")]
    Unavailable(String),
    /// The token's issuer is configured without [`IssuerConfig::client`](crate::IssuerConfig::client).
    #[error("nothing is configured as whom to ask the token's issuer")]
    NoClient,
}

/// Asks one issuer, and keeps what it gave.
pub(crate) struct Exchanger {
    client: Client,
    location: Location,
    http: Http,
    clock: Arc<Clock>,
    endpoint: OnceCell<Url>,
    requests: Semaphore,
    max_wait: Duration,
    kept: KeptTokens,
}

/// RFC 8693 section 2.2.1.
#[derive(Deserialize)]
struct Answer {
    access_token: String,
    issued_token_type: String,
    token_type: String,
    expires_in: Option<u64>,
}

/// RFC 6749 section 5.2.
#[derive(Deserialize)]
struct Refusal {
    error: String,
    #[serde(default)]
    error_description: String,
}

impl Exchanger {
    pub(crate) fn new(client: Client, location: Location, http: Http, clock: Arc<Clock>) -> Self {
        Exchanger {
            client,
            location,
            http,
            clock,
            endpoint: OnceCell::new(),
            requests: Semaphore::new(MAX_REQUESTS),
            max_wait: MAX_WAIT,
            kept: KeptTokens::default(),
        }
    }

    /// What the issuer gives, or gave a moment ago, for a token that lives until `exp`.
    pub(crate) async fn exchange(
        &self,
        token: &str,
        exp: Timestamp,
        wanted: &Exchange,
    ) -> Result<ExchangedToken, ExchangeError> {
        let now = self.clock.now();
        if exp <= now.wall {
            return Err(Denied::Rejected(Rejection::Expired { exp, now: now.wall }).into());
        }
        let slot = self.kept.slot(token, wanted, now.steady);
        // One request for each token at a time. Who has a good one meanwhile does not wait for the next.
        let _turn = match slot.known(now.steady) {
            Known::Answer(answer) => return answer,
            Known::Due(kept) => match slot.asking.try_lock() {
                Ok(turn) => turn,
                Err(_) => return Ok(kept),
            },
            Known::Nothing => slot.asking.lock().await,
        };
        let now = self.clock.now();
        if let Known::Answer(answer) = slot.known(now.steady) {
            return answer; // whoever had the turn before brought it
        }
        match self.ask(token, wanted).await {
            Ok((exchanged, lifetime)) => {
                // Counted from before the question, and never past the end of the token itself.
                slot.keep(exchanged.clone(), lifetime.min(exp.since(now.wall)), now.steady);
                Ok(exchanged)
            }
            Err(error) => {
                tracing::warn!(issuer = %self.location.issuer(), audience = wanted.audience, %error, "no token for the next service");
                slot.fail(error, self.clock.now().steady)
            }
        }
    }

    /// Drops what was given for a token that is good no longer.
    pub(crate) fn forget(&self, token: &str) {
        self.kept.forget(token);
    }

    async fn ask(&self, token: &str, wanted: &Exchange) -> Result<(ExchangedToken, Duration), ExchangeError> {
        let unavailable = |error: &dyn std::fmt::Display| ExchangeError::Unavailable(error.to_string());
        let permit = tokio::time::timeout(self.max_wait, self.requests.acquire()).await;
        let _permit = permit.map_err(|_| unavailable(&"too many tokens are waiting to be exchanged"))?;
        let endpoint = self.endpoint.get_or_try_init(|| self.find_endpoint());
        let endpoint = tokio::time::timeout(self.max_wait, endpoint).await;
        let endpoint = endpoint.map_err(|_| unavailable(&"the issuer's metadata did not come in time"))??;
        let client = (self.client.id.as_str(), &self.client.secret);
        let answer = self.http.ask(endpoint, client, form(token, wanted), MAX_ANSWER).await;
        let (status, body) = answer.map_err(|error| unavailable(&error))?;
        if status != StatusCode::OK {
            return Err(refused(status, &body));
        }
        let answer: Answer = parse_strict_json(&body).map_err(|error| unavailable(&error))?;
        if !answer.token_type.eq_ignore_ascii_case("Bearer")
            || !matches!(
                answer.issued_token_type.as_str(),
                ACCESS_TOKEN | "urn:ietf:params:oauth:token-type:jwt"
            )
        {
            return Err(unavailable(&"the issuer gave a token of another type"));
        }
        let exchanged = exchanged(&answer.access_token)
            .ok_or_else(|| unavailable(&"the issuer gave what is no bearer token"))?;
        // What does not say how long it lives is used once.
        Ok((exchanged, Duration::from_secs(answer.expires_in.unwrap_or_default())))
    }

    async fn find_endpoint(&self) -> Result<Url, ExchangeError> {
        let unavailable = |error: &dyn std::fmt::Display| ExchangeError::Unavailable(error.to_string());
        if let Some(url) = &self.client.token_endpoint {
            return self.location.reach(url).map_err(|refused| unavailable(&refused));
        }
        let metadata = discover(&self.http, &self.location).await.map_err(|error| unavailable(&error))?;
        let url = metadata.login.token_endpoint;
        let url = url.ok_or_else(|| unavailable(&"the issuer's metadata name no token endpoint"))?;
        self.location.named(&url).map_err(|refused| unavailable(&refused))
    }
}

/// RFC 8693 section 2.1.
fn form(token: &str, wanted: &Exchange) -> String {
    let mut form = Serializer::new(String::new());
    form.append_pair("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange")
        .append_pair("subject_token", token)
        .append_pair("subject_token_type", ACCESS_TOKEN)
        .append_pair("audience", &wanted.audience);
    if let Some(scope) = &wanted.scope {
        form.append_pair("scope", &scope.to_string());
    }
    form.finish()
}

/// A refusal that is about the token, unless the issuer means this client or has trouble of its own: those
/// are the operator's to mend, and nothing that the sender of the token could do anything about.
fn refused(status: StatusCode, body: &[u8]) -> ExchangeError {
    let Ok(refusal) = parse_strict_json::<Refusal>(body) else {
        return ExchangeError::Unavailable(format!("the issuer answered with status {status}"));
    };
    let said = format!("{}: {}", refusal.error, refusal.error_description);
    let said: String = said.chars().filter(|c| !c.is_control()).take(MAX_EXCERPT).collect();
    match (status, refusal.error.as_str()) {
        (_, "invalid_client" | "unauthorized_client" | "unsupported_grant_type") => {
            ExchangeError::Unavailable(said)
        }
        (StatusCode::BAD_REQUEST | StatusCode::FORBIDDEN, _) => ExchangeError::Refused(said),
        _ => ExchangeError::Unavailable(said),
    }
}

fn exchanged(token: &str) -> Option<ExchangedToken> {
    if token.len() > MAX_TOKEN || !is_b64token(token) {
        return None;
    }
    let mut authorization = HeaderValue::try_from(format!("Bearer {token}")).ok()?;
    authorization.set_sensitive(true);
    Some(ExchangedToken(authorization))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{ClientSecret, IssuerConfig, Revocation};

    #[tokio::test]
    async fn nobody_waits_for_metadata_without_end() {
        // It takes connections and says nothing.
        let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let issuer = format!("http://{}", silent.local_addr().unwrap());
        let location = Location::new(&IssuerConfig::new(&issuer, ["api"], Revocation::None)).unwrap();
        let client = Client { id: "gateway".into(), secret: ClientSecret::new("s"), token_endpoint: None };
        let clock = Arc::new(Clock::start());
        let exp = clock.now().wall.saturating_add(Duration::from_secs(900));
        let mut exchanger = Exchanger::new(client, location, Http::new().unwrap(), clock);
        exchanger.max_wait = Duration::from_millis(20);
        let wanted = Exchange { audience: "orders".into(), scope: None };
        let refused = exchanger.exchange("token", exp, &wanted).await.unwrap_err();
        assert!(refused.to_string().contains("did not come in time"), "{refused}");
    }

    #[test]
    fn whose_fault_a_refusal_is() {
        let cases = [
            ("the_token", 400, r#"{"error":"invalid_request","error_description":"revoked"}"#, true),
            ("the_target", 400, r#"{"error":"invalid_target"}"#, true),
            ("the_scope", 400, r#"{"error":"invalid_scope"}"#, true),
            ("access_denied", 403, r#"{"error":"access_denied"}"#, true),
            ("our_secret", 401, r#"{"error":"invalid_client"}"#, false),
            ("our_registration", 400, r#"{"error":"unauthorized_client"}"#, false),
            ("an_issuer_without_it", 400, r#"{"error":"unsupported_grant_type"}"#, false),
            ("its_store", 503, r#"{"error":"temporarily_unavailable"}"#, false),
            ("its_fault", 500, r#"{"error":"server_error"}"#, false),
            ("throttled", 429, r#"{"error":"slow_down"}"#, false),
            ("a_proxy_in_between", 400, "<html>", false),
            ("a_redirect", 302, "", false),
        ];
        for (name, status, body, is_refused) in cases {
            let error = refused(StatusCode::from_u16(status).unwrap(), body.as_bytes());
            assert_eq!(matches!(error, ExchangeError::Refused(_)), is_refused, "{name}: {error}");
        }
    }

    #[test]
    fn a_refusal_is_repeated_within_bounds_and_without_line_ends() {
        let body = serde_json::json!({ "error": "invalid_request", "error_description": "a\n".repeat(1000) });
        let ExchangeError::Refused(said) = refused(StatusCode::BAD_REQUEST, body.to_string().as_bytes())
        else {
            panic!("it is about the token");
        };
        assert!(said.chars().count() == MAX_EXCERPT && !said.contains('\n'), "{said}");
    }

    #[test]
    fn what_goes_into_a_header_field_is_one_token() {
        for (token, taken) in
            [("a.b-c_d", true), ("", false), ("a b", false), ("a\r\nX: y", false), ("a,b", false)]
        {
            assert_eq!(exchanged(token).is_some(), taken, "{token:?}");
        }
        assert!(exchanged(&"a".repeat(MAX_TOKEN + 1)).is_none());
        let exchanged = exchanged("secret").unwrap();
        assert!(exchanged.authorization().is_sensitive() && !format!("{exchanged:?}").contains("secret"));
    }
}
