//! What the handlers share.

use std::sync::Arc;

use gatepass_issuer::Issuer;
use gatepass_jose::Timestamp;
use tokio::sync::Semaphore;
use url::Url;

use crate::clock::Clock;
use crate::config::HttpConfig;
use crate::cookie::{PageCookies, RefreshCookie};
use crate::endpoint::feed::Snapshots;
use crate::endpoint::metadata::Metadata;
use crate::language::Language;
use crate::origin::{Origin, Origins};
use crate::page::Site;

/// The issuer, and what was worked out once about serving it.
pub(crate) struct Server {
    pub(crate) issuer: Arc<Issuer>,
    pub(crate) config: HttpConfig,
    clock: Clock,
    pub(crate) origins: Origins,
    pub(crate) cookie: RefreshCookie,
    pub(crate) page_cookies: PageCookies,
    /// The path below which the issuer is reached, without a slash at its end.
    pub(crate) base_path: Box<str>,
    pub(crate) metadata: Metadata,
    pub(crate) snapshots: Snapshots,
    /// A place for each revocation stream that may be open.
    pub(crate) streams: Arc<Semaphore>,
}

impl Server {
    pub(crate) fn new(issuer: Arc<Issuer>, config: HttpConfig, clock: Clock) -> Self {
        let url = Url::parse(issuer.name().as_str()).ok();
        Self {
            origins: Origins { own: url.as_ref().and_then(Origin::of), apps: config.app_origins.clone() },
            cookie: RefreshCookie::new(&config, url.as_ref().map_or("", Url::path)),
            page_cookies: PageCookies::new(),
            base_path: url.as_ref().map_or("", Url::path).trim_end_matches('/').into(),
            metadata: Metadata::new(&issuer, &config),
            snapshots: Snapshots::default(),
            streams: Arc::new(Semaphore::new(config.max_streams.min(Semaphore::MAX_PERMITS))),
            issuer,
            config,
            clock,
        }
    }

    /// What a page in that language needs to know of where it is.
    pub(crate) fn site<'s>(&'s self, language: &'s Language) -> Site<'s> {
        Site { base: &self.base_path, brand: &self.config.brand, language, t: &language.texts }
    }

    /// The present. A handler asks once.
    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }
}
