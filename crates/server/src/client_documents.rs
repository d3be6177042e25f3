//! Fetches what clients say of themselves at the URL that is their `client_id`
//! ([draft-ietf-oauth-client-id-metadata-document](https://datatracker.ietf.org/doc/draft-ietf-oauth-client-id-metadata-document/)).

mod document;

use async_trait::async_trait;
use gatepass_issuer::id::ClientId;
use gatepass_issuer::registration::ClientMetadata;
use gatepass_issuer::{ClientDocument, ClientDocumentSource, DocumentError};
use url::Url;

use crate::fetch::Fetch;

/// The longest document. The draft recommends 5 KB.
const MAX_DOCUMENT: usize = 16 * 1024;

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
