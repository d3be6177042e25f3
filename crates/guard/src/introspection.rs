//! Asking the issuer about a token ([RFC 7662](https://www.rfc-editor.org/rfc/rfc7662)).

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use gatepass_jose::{JsonError, Timestamp, parse_strict_json};
use serde::Deserialize;
use tokio::sync::{OnceCell, Semaphore};
use url::Url;
use url::form_urlencoded::Serializer;

use crate::clock::Now;
use crate::config::Introspection;
use crate::denied::Denied;
use crate::discovery::{DiscoveryError, discover};
use crate::failures::Failures;
use crate::http::{FetchError, Http};
use crate::location::{Location, Refused};
use crate::status::AskedFor;

/// For how long an answer is taken for true: so long may a revoked token still pass.
const ANSWER_LIFETIME: Duration = Duration::from_secs(5);
const MAX_ANSWERS: usize = 1024;
/// Longer tokens are asked about every time.
const MAX_KEPT_TOKEN: usize = 4 * 1024;
/// Requests to the issuer at a time; further ones wait.
const MAX_REQUESTS: usize = 64;

pub(crate) struct Introspector {
    config: Introspection,
    location: Location,
    http: Http,
    failures: Arc<Failures>,
    endpoint: OnceCell<Url>,
    requests: Semaphore,
    answers: Mutex<Answers>,
}

/// Answers by token, with the moment by the steady clock until which they count.
type Answers = HashMap<Box<str>, (Timestamp, bool)>;

#[derive(Debug, thiserror::Error)]
enum IntrospectionError {
    #[error(transparent)]
    Discovery(#[from] DiscoveryError),
    #[error(transparent)]
    Fetch(#[from] FetchError),
    #[error(transparent)]
    Refused(#[from] Refused),
    #[error("the issuer's metadata name no introspection endpoint")]
    NoEndpoint,
    #[error("the answer cannot be read: {0}")]
    Malformed(JsonError),
}

#[derive(Deserialize)]
struct Answer {
    active: bool,
}

impl Introspector {
    pub(crate) fn new(
        config: Introspection,
        location: Location,
        http: Http,
        failures: Arc<Failures>,
    ) -> Self {
        Introspector {
            config,
            location,
            http,
            failures,
            endpoint: OnceCell::new(),
            requests: Semaphore::new(MAX_REQUESTS),
            answers: Mutex::default(),
        }
    }

    /// Lets a token pass that the issuer calls active.
    pub(crate) async fn require_active(&self, token: &str, now: Now) -> Result<(), Denied> {
        let active = match self.kept(token, now) {
            Some(active) => active,
            None => {
                let answer = self.ask(token).await;
                if let Err(error) = &answer {
                    self.failures.note(AskedFor::Introspection, error);
                }
                let active = answer.map_err(|error| Denied::IntrospectionFailed(error.to_string()))?;
                self.keep(token, active, now);
                active
            }
        };
        if active { Ok(()) } else { Err(Denied::Inactive) }
    }

    async fn ask(&self, token: &str) -> Result<bool, IntrospectionError> {
        // Fails only when the semaphore is closed, which nobody does.
        let _permit = self.requests.acquire().await;
        let endpoint = self.endpoint.get_or_try_init(|| self.find_endpoint()).await?;
        let form = Serializer::new(String::new())
            .append_pair("token", token)
            .append_pair("token_type_hint", "access_token")
            .finish();
        let client = (self.config.client_id.as_str(), &self.config.client_secret);
        let body = self.http.post_form(endpoint, client, form).await?;
        let answer: Answer = parse_strict_json(&body).map_err(IntrospectionError::Malformed)?;
        Ok(answer.active)
    }

    async fn find_endpoint(&self) -> Result<Url, IntrospectionError> {
        match &self.config.endpoint {
            Some(url) => Ok(self.location.reach(url)?),
            None => {
                let metadata = discover(&self.http, &self.location).await?;
                metadata.introspection_endpoint.ok_or(IntrospectionError::NoEndpoint)
            }
        }
    }

    fn kept(&self, token: &str, now: Now) -> Option<bool> {
        let answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        answers.get(token).filter(|(until, _)| now.steady < *until).map(|(_, active)| *active)
    }

    fn keep(&self, token: &str, active: bool, now: Now) {
        if token.len() > MAX_KEPT_TOKEN {
            return;
        }
        let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        if answers.len() >= MAX_ANSWERS {
            answers.retain(|_, (until, _)| now.steady < *until);
        }
        if answers.len() < MAX_ANSWERS {
            answers.insert(token.into(), (now.steady.saturating_add(ANSWER_LIFETIME), active));
        }
    }
}
