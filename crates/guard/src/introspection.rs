//! Asking the issuer about a token ([RFC 7662](https://www.rfc-editor.org/rfc/rfc7662)).

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use gatepass_jose::{JsonError, Malformed, Timestamp, parse_strict_json};
use serde::Deserialize;
use tokio::sync::{OnceCell, Semaphore};
use url::Url;
use url::form_urlencoded::Serializer;

use crate::believed::Believed;
use crate::clock::Now;
use crate::config::Introspection;
use crate::denied::Denied;
use crate::discovery::{DiscoveryError, discover};
use crate::failures::Failures;
use crate::http::{FetchError, Http};
use crate::location::{Location, Refused};
use crate::opaque::AnswerReader;
use crate::status::AskedFor;

/// For how long an answer is taken for true: so long may a revoked token still pass.
const ANSWER_LIFETIME: Duration = Duration::from_secs(5);
const MAX_ANSWERS: usize = 1024;
/// Longer tokens are asked about every time, and longer opaque ones not at all.
const MAX_KEPT_TOKEN: usize = 4 * 1024;
/// The longest answer that is read.
const MAX_ANSWER: usize = 64 * 1024;
/// Requests to the issuer at a time; further ones wait, but not for long.
const MAX_REQUESTS: usize = 64;
const MAX_WAIT: Duration = Duration::from_secs(5);

pub(crate) struct Introspector {
    config: Introspection,
    /// Reads what the issuer says of a token that says nothing by itself.
    reader: Option<AnswerReader>,
    location: Location,
    http: Http,
    failures: Arc<Failures>,
    endpoint: OnceCell<Url>,
    requests: Semaphore,
    answers: Mutex<Answers>,
    asking: Mutex<Asking>,
    max_wait: Duration,
}

/// Answers by token, with the moment by the steady clock until which they count.
type Answers = HashMap<Box<str>, (Timestamp, Word)>;

/// Questions that are being asked, by token: whoever comes with the same token waits for the same answer.
type Asking = HashMap<Box<str>, Arc<Question>>;
type Question = OnceCell<Word>;

/// What the issuer says of a token that it calls active, where that is read, or why the token is refused.
type Word = Result<Option<Arc<Believed>>, Denied>;

/// A share in a question, which is taken down when it has been answered or nobody waits for it any more.
struct Share<'i, 't> {
    introspector: &'i Introspector,
    token: &'t str,
    question: Arc<Question>,
}

#[derive(Debug, thiserror::Error)]
enum IntrospectionError {
    #[error("too many tokens are waiting to be asked about")]
    Busy,
    #[error("the issuer's metadata did not come in time")]
    Slow,
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
            reader: None,
            location,
            http,
            failures,
            endpoint: OnceCell::new(),
            requests: Semaphore::new(MAX_REQUESTS),
            answers: Mutex::default(),
            asking: Mutex::default(),
            max_wait: MAX_WAIT,
        }
    }

    /// The same, for tokens that say nothing by themselves.
    pub(crate) fn reading(self, reader: AnswerReader) -> Self {
        Self { reader: Some(reader), ..self }
    }

    /// Lets a token pass that the issuer calls active.
    pub(crate) async fn require_active(&self, token: &str, now: Now) -> Result<(), Denied> {
        self.answer(token, now).await.map(drop)
    }

    /// What the issuer says of a token that says nothing by itself. Whatever looks like none costs no question.
    pub(crate) async fn believe(&self, token: &str, now: Now) -> Result<Arc<Believed>, Denied> {
        if token.len() > MAX_KEPT_TOKEN {
            return Err(Malformed::TooLong { limit: MAX_KEPT_TOKEN }.into());
        }
        match (self.answer(token, now).await?, &self.reader) {
            (Some(believed), Some(reader)) => {
                reader.require_current(&believed, now).map_err(Denied::Rejected)?;
                Ok(believed)
            }
            _ => Err(Denied::Inactive),
        }
    }

    async fn answer(&self, token: &str, now: Now) -> Word {
        match self.kept(token, now) {
            Some(word) => word,
            None => {
                let share = self.share(token);
                share.question.get_or_init(|| self.ask_and_keep(token, now)).await.clone()
            }
        }
    }

    fn share<'i, 't>(&'i self, token: &'t str) -> Share<'i, 't> {
        let mut asking = self.asking.lock().unwrap_or_else(PoisonError::into_inner);
        let question = Arc::clone(asking.entry(token.into()).or_default());
        Share { introspector: self, token, question }
    }

    async fn ask_and_keep(&self, token: &str, now: Now) -> Word {
        match self.ask(token).await {
            Ok(word) => {
                self.keep(token, &word, now);
                word
            }
            Err(error) => {
                self.failures.note(AskedFor::Introspection, &error);
                Err(Denied::IntrospectionFailed(error.to_string()))
            }
        }
    }

    async fn ask(&self, token: &str) -> Result<Word, IntrospectionError> {
        let permit = tokio::time::timeout(self.max_wait, self.requests.acquire()).await;
        let _permit = permit.map_err(|_| IntrospectionError::Busy)?;
        let endpoint = self.endpoint.get_or_try_init(|| self.find_endpoint());
        let endpoint =
            tokio::time::timeout(self.max_wait, endpoint).await.map_err(|_| IntrospectionError::Slow)??;
        let form = Serializer::new(String::new())
            .append_pair("token", token)
            .append_pair("token_type_hint", "access_token")
            .finish();
        let client = (self.config.client_id.as_str(), &self.config.client_secret);
        let body = self.http.post_form(endpoint, client, form, MAX_ANSWER).await?;
        let answer: Answer = parse_strict_json(&body).map_err(IntrospectionError::Malformed)?;
        Ok(match &self.reader {
            _ if !answer.active => Err(Denied::Inactive),
            None => Ok(None),
            Some(reader) => {
                reader.read(token, &body).map(|told| Some(Arc::new(told))).map_err(Denied::Rejected)
            }
        })
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

    fn kept(&self, token: &str, now: Now) -> Option<Word> {
        let answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        answers.get(token).filter(|(until, _)| now.steady < *until).map(|(_, word)| word.clone())
    }

    fn keep(&self, token: &str, word: &Word, now: Now) {
        let lifetime = match word {
            // What has expired is asked about again: its issuer may have prolonged it.
            Ok(Some(believed)) => ANSWER_LIFETIME.min(believed.claims().exp.0.since(now.wall)),
            Ok(None) | Err(_) => ANSWER_LIFETIME,
        };
        if token.len() > MAX_KEPT_TOKEN || lifetime.is_zero() {
            return;
        }
        let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        if answers.len() >= MAX_ANSWERS {
            answers.retain(|_, (until, _)| now.steady < *until);
        }
        // Whoever makes tokens up is not to have good ones asked about each time.
        if answers.len() >= MAX_ANSWERS && word.is_ok() {
            answers.retain(|_, (_, word)| word.is_ok());
        }
        // Nor is the newest to be asked about each time where more than so many come in five seconds.
        if answers.len() >= MAX_ANSWERS && word.is_ok() {
            let oldest = answers.iter().min_by_key(|(_, (until, _))| *until).map(|(token, _)| token.clone());
            oldest.and_then(|token| answers.remove(&token));
        }
        if answers.len() < MAX_ANSWERS {
            answers.insert(token.into(), (now.steady.saturating_add(lifetime), word.clone()));
        }
    }
}

impl Drop for Share<'_, '_> {
    fn drop(&mut self) {
        let mut asking = self.introspector.asking.lock().unwrap_or_else(PoisonError::into_inner);
        let is_this = asking.get(self.token).is_some_and(|question| Arc::ptr_eq(question, &self.question));
        // Its own share and the list's: nobody else waits.
        if is_this && (self.question.initialized() || Arc::strong_count(&self.question) <= 2) {
            asking.remove(self.token);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;
    use crate::config::{ClientSecret, IssuerConfig, Revocation};

    #[tokio::test]
    async fn nobody_waits_for_an_answer_without_end() {
        let config = Introspection {
            endpoint: Some(Url::parse("http://127.0.0.1:1/introspect").unwrap()),
            client_id: "guard".into(),
            client_secret: ClientSecret::new("secret"),
        };
        let issuer = IssuerConfig::new("http://127.0.0.1:1", ["api"], Revocation::None);
        let clock = Arc::new(Clock::start());
        let failures = Failures::new(Arc::clone(&clock));
        let mut introspector =
            Introspector::new(config, Location::new(&issuer).unwrap(), Http::new().unwrap(), failures);
        introspector.max_wait = Duration::from_millis(20);
        let introspector = introspector;
        let _all = introspector.requests.acquire_many(MAX_REQUESTS as u32).await.unwrap();
        let now = clock.now();
        let (one, other) = (introspector.require_active("t", now), introspector.require_active("t", now));
        let both = async { tokio::join!(one, other) };
        let (one, other) =
            tokio::time::timeout(Duration::from_secs(20), both).await.expect("they still wait");
        for refused in [one, other] {
            assert!(matches!(refused, Err(Denied::IntrospectionFailed(_))), "{refused:?}");
        }
        assert!(introspector.asking.lock().unwrap().is_empty());
    }
}
