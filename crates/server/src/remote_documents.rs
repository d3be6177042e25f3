//! Fetches documents that clients refer to by URL.

use async_trait::async_trait;
use gatepass_issuer::{DocumentError, RemoteDocument, RemoteDocumentSource};
use url::Url;

use crate::fetch::Fetch;

/// The longest document.
const MAX_DOCUMENT: usize = 16 * 1024;

#[async_trait]
impl RemoteDocumentSource for Fetch {
    async fn fetch(&self, url: &Url) -> Result<RemoteDocument, DocumentError> {
        let fetched = self.json(url, MAX_DOCUMENT).await.map_err(|error| DocumentError(error.to_string()))?;
        Ok(RemoteDocument { body: fetched.body, fresh_for: fetched.fresh_for })
    }

    fn may_ask(&self, url: &Url) -> bool {
        self.client_for(url).is_ok()
    }
}
