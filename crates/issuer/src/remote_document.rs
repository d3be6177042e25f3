//! Documents that clients refer to by URL: who fetches them, and how often.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use gatepass_jose::Timestamp;
use tokio::sync::{Semaphore, SemaphorePermit};
use url::Url;

use crate::client::NotificationUri;
use crate::client_document::{DocumentError, refused};
use crate::throttle::{Throttle, ThrottleLimit, ThrottlePolicy};

/// The most documents that are fetched at once.
const MOST_FETCHES: usize = 16;

/// Fetches JSON documents from where clients say.
#[async_trait]
pub trait RemoteDocumentSource: Send + Sync + 'static {
    /// The document at a URL that somebody else chose: to be asked for only where that cannot be used against us.
    ///
    /// # Errors
    /// [`DocumentError`].
    async fn fetch(&self, url: &Url) -> Result<RemoteDocument, DocumentError>;

    /// Whether anything may be asked for there, or sent there, because a stranger says so. What the host's name leads to is
    /// only seen later.
    fn may_ask(&self, url: &Url) -> bool;
}

/// A document as it came.
#[derive(Clone, Debug)]
pub struct RemoteDocument {
    /// JSON, or so its server says.
    pub body: Vec<u8>,
    /// For how long its server lets it be kept.
    pub fresh_for: Duration,
}

/// Whom a fetch counts against.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Asked<'a> {
    /// A document that was there before. Whoever names others that are not there does not keep anybody from it.
    Known(&'a str),
    /// A host, for what a document at the same host refers to, which no stranger wrote.
    Own(&'a str),
    /// A host, for what anybody says.
    Host(&'a str),
}

/// The fetches that are under way, and how often each host was asked: a stranger names it, and it is not ours to flood.
pub(crate) struct Fetches {
    asked: Throttle,
    places: Semaphore,
}

impl Fetches {
    pub(crate) fn new() -> Self {
        let limit = ThrottleLimit { burst: 20, every: Duration::from_secs(1) };
        Self {
            asked: Throttle::new(ThrottlePolicy {
                account: limit,
                address: limit,
                ..ThrottlePolicy::default()
            }),
            places: Semaphore::new(MOST_FETCHES),
        }
    }

    /// The place for one more, to be held as long as it takes.
    pub(crate) fn begin(
        &self,
        asked: &Asked<'_>,
        now: Timestamp,
    ) -> Result<SemaphorePermit<'_>, DocumentError> {
        let attempt = self.asked.attempt(asked, None);
        let place = self.places.try_acquire().map_err(|_| refused("too many documents are being fetched"))?;
        self.asked.take(attempt, now).map_err(|_| refused("its host was asked too often"))?;
        Ok(place)
    }
}

/// Documents that registered clients refer to.
pub(crate) struct RemoteDocuments {
    source: Arc<dyn RemoteDocumentSource>,
    fetches: Fetches,
}

impl fmt::Debug for RemoteDocuments {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RemoteDocuments").finish_non_exhaustive()
    }
}

impl RemoteDocuments {
    pub(crate) fn new(source: Arc<dyn RemoteDocumentSource>) -> Self {
        Self { source, fetches: Fetches::new() }
    }

    /// Whether something may be sent there because a stranger says so.
    pub(crate) fn may_ask(&self, uri: &NotificationUri) -> bool {
        Url::parse(uri.as_str()).is_ok_and(|url| self.source.may_ask(&url))
    }

    pub(crate) async fn fetch(
        &self,
        uri: &NotificationUri,
        now: Timestamp,
    ) -> Result<RemoteDocument, DocumentError> {
        let url = Url::parse(uri.as_str()).map_err(|_| refused("it is no URL"))?;
        let _place = self.fetches.begin(&Asked::Host(url.host_str().unwrap_or_default()), now)?;
        self.source.fetch(&url).await
    }
}
