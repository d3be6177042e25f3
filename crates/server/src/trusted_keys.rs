//! Fetches the key sets of issuers elsewhere and of registered clients.

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
        fetch_key_set(self, jwks_uri, MAX_KEY_SET).await
    }
}

/// The key set that is served there, of at most so many bytes.
pub(crate) async fn fetch_key_set(
    fetch: &Fetch,
    jwks_uri: &Url,
    most: usize,
) -> Result<FetchedKeys, KeySetError> {
    let fetched = fetch.json(jwks_uri, most).await.map_err(|error| KeySetError(error.to_string()))?;
    let keys = JwkSet::parse(&fetched.body).map_err(|error| KeySetError(error.to_string()))?;
    Ok(FetchedKeys { keys, fresh_for: fetched.fresh_for })
}
