//! Fetches the key sets of issuers elsewhere.

use async_trait::async_trait;
use gatepass_issuer::{FetchedKeys, KeySetError, KeySetSource};
use gatepass_jose::JwkSet;
use url::Url;

use crate::fetch::Fetch;

/// The longest key set: 64 keys with the certificates that some servers put beside them.
const MAX_KEY_SET: usize = 256 * 1024;

#[async_trait]
impl KeySetSource for Fetch {
    async fn fetch(&self, jwks_uri: &Url) -> Result<FetchedKeys, KeySetError> {
        let fetched = self.json(jwks_uri, MAX_KEY_SET).await;
        let fetched = fetched.map_err(|error| KeySetError(error.to_string()))?;
        let keys = JwkSet::parse(&fetched.body).map_err(|error| KeySetError(error.to_string()))?;
        Ok(FetchedKeys { keys, fresh_for: fetched.fresh_for })
    }
}
