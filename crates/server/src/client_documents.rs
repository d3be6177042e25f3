//! Fetches what clients say of themselves at the URL that is their `client_id`, and the keys that they name there
//! ([draft-ietf-oauth-client-id-metadata-document](https://datatracker.ietf.org/doc/draft-ietf-oauth-client-id-metadata-document/)).

mod document;

use async_trait::async_trait;
use gatepass_issuer::id::ClientId;
use gatepass_issuer::registration::ClientMetadata;
use gatepass_issuer::{
    ClientDocument, ClientDocumentSource, DocumentError, FetchedKeys, KeySetError, KeySetSource,
};
use url::Url;

use crate::fetch::Fetch;
use crate::trusted_keys::fetch_key_set;

/// The longest document. The draft recommends 5 KB.
const MAX_DOCUMENT: usize = 16 * 1024;
/// The longest key set. Anybody can have as many as are kept, so it is less than of a server that the operator knows.
const MAX_KEY_SET: usize = 32 * 1024;

/// Fetches the key sets that documents name, on the terms on which documents are fetched.
#[derive(Clone, Debug)]
pub struct DocumentKeys(Fetch);

impl DocumentKeys {
    /// With the same origins that may be private.
    #[must_use]
    pub fn new(fetch: Fetch) -> Self {
        Self(fetch)
    }
}

#[async_trait]
impl ClientDocumentSource for Fetch {
    async fn fetch(&self, client: &ClientId) -> Result<ClientDocument, DocumentError> {
        let url = Url::parse(client.as_str()).map_err(|_| refused("it is no URL"))?;
        let fetched = self.json(&url, MAX_DOCUMENT).await.map_err(|error| refused(&error.to_string()))?;
        Ok(ClientDocument {
            metadata: parse_client_document(client, &fetched.body)?,
            fresh_for: fetched.fresh_for,
        })
    }
}

#[async_trait]
impl KeySetSource for DocumentKeys {
    async fn fetch(&self, jwks_uri: &Url) -> Result<FetchedKeys, KeySetError> {
        fetch_key_set(&self.0, jwks_uri, MAX_KEY_SET).await
    }
}

/// What a client says of itself in the document that was found at the URL that is its `client_id`. Members that this server does
/// not know are passed over.
///
/// # Errors
/// [`DocumentError`]: it is not JSON that can be read in one way, speaks for another URL, or says what such a client must not.
pub fn parse_client_document(client: &ClientId, body: &[u8]) -> Result<ClientMetadata, DocumentError> {
    document::parse(client, body)
}

fn refused(why: &str) -> DocumentError {
    DocumentError(why.to_owned())
}
