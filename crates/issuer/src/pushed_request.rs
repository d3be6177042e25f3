//! Pushed authorization requests ([RFC 9126](https://www.rfc-editor.org/rfc/rfc9126)): a client leaves its request here,
//! and the browser brings no more than its name. What the user sees in an address bar, and could change there, asks for
//! nothing. Of a client that does not prove who it is anybody could leave one, as anybody could send a browser with one.

use std::fmt;
use std::time::Duration;

use gatepass_jose::{Timestamp, base64url};

use crate::authorize::{AuthorizationRequest, AuthorizeError, PageError};
use crate::client_authentication::{AuthenticatedClient, ClientAuthentication};
use crate::dpop::{Jkt, ShownProof};
use crate::grant::TokenError;
use crate::id::ClientId;
use crate::issuer::Issuer;
use crate::secrets::random;
use crate::sessions::InternalError;
use crate::throttle::Throttled;

/// How long a pushed request can be used: for as long as somebody may take to log in. FAPI 2.0 demands less than
/// ten minutes.
pub const PUSHED_REQUEST_LIFETIME: Duration = Duration::from_secs(540);

/// What the `request_uri` of every pushed request begins with (RFC 9126 section 2.2).
pub const PUSHED_REQUEST_PREFIX: &str = "urn:ietf:params:oauth:request_uri:";

/// The keyed hash of a `request_uri`, as the store keeps it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct RequestUriDigest(pub [u8; 32]);

impl fmt::Debug for RequestUriDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RequestUriDigest(..)")
    }
}

/// A pushed request's row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PushedRequest {
    /// How it is found.
    pub digest: RequestUriDigest,
    /// The client that left it.
    pub client: ClientId,
    /// The parameters, form-urlencoded, without what the client authenticated with.
    pub query: String,
    /// Until when it can be used.
    pub expires_at: Timestamp,
}

impl Issuer {
    /// Authenticates a client that pushes a request and may show a key as well, and says which. The proof is looked at first
    /// and used up last: a client that must learn a nonce still has its assertion, and nobody fills the store with proofs of
    /// requests that are too many.
    ///
    /// # Errors
    /// [`TokenError::Dpop`], [`TokenError::Throttled`], or as [`Issuer::authenticate_client`].
    pub async fn authenticate_push(
        &self,
        authentication: &ClientAuthentication,
        proof: Option<&ShownProof>,
        now: Timestamp,
    ) -> Result<(AuthenticatedClient, Option<Jkt>), TokenError> {
        let proof = self.verify_proof(proof, None, now)?;
        let client = self.authenticate_client(authentication, now).await?;
        // Each login of a client that pushes is one, however many it has.
        if !client.is_known() {
            client
                .take_row(&self.pushes, authentication.address, now)
                .map_err(|Throttled { retry_after }| TokenError::Throttled { retry_after })?;
        }
        Ok((client, self.use_up(proof).await?))
    }

    /// Keeps a request that its client has pushed and that was checked; returns its `request_uri`. `query` holds it
    /// without the signature of a request object, which is used up by it; `None` when it was before.
    ///
    /// # Errors
    /// [`InternalError`].
    pub async fn push_request(
        &self,
        request: &AuthorizationRequest,
        query: String,
        now: Timestamp,
    ) -> Result<Option<String>, InternalError> {
        if !self.use_up_object(request).await? {
            return Ok(None);
        }
        let client = &request.client;
        let request_uri = format!("{PUSHED_REQUEST_PREFIX}{}", base64url::encode(&random::<32>()?));
        let pushed = PushedRequest {
            digest: self.secrets.request_uri_digest(&request_uri),
            client: client.id.clone(),
            query,
            expires_at: now.saturating_add(PUSHED_REQUEST_LIFETIME),
        };
        self.store.keep_pushed_request(&pushed).await?;
        tracing::info!(target: "gatepass::audit", event = "request-pushed", client_id = %client.id);
        Ok(Some(request_uri))
    }

    /// The request of that name, if `client_id` pushed it and it was not used. Nothing else is ever looked up by a
    /// `request_uri`, and nothing is fetched.
    ///
    /// # Errors
    /// [`PageError::RequestUri`], or the store's.
    pub async fn pushed_request(
        &self,
        request_uri: &str,
        client_id: &str,
        now: Timestamp,
    ) -> Result<PushedRequest, AuthorizeError> {
        let digest = self.secrets.request_uri_digest(request_uri);
        let found = self.store.find_pushed_request(digest).await?;
        let usable =
            |request: &PushedRequest| request.client.as_str() == client_id && now < request.expires_at;
        Ok(found.filter(usable).ok_or(PageError::RequestUri)?)
    }
}
