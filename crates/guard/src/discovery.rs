use gatepass_jose::{JsonError, parse_strict_json};
use serde::Deserialize;
use url::Url;

use crate::http::{Document, FetchError, Http};
use crate::location::{Location, Refused};

/// What a guard needs of an issuer's metadata.
#[derive(Debug)]
pub(crate) struct Metadata {
    /// Not there where the issuer signs nothing (RFC 8414 section 2).
    pub(crate) jwks_uri: Option<Url>,
    pub(crate) introspection_endpoint: Option<Url>,
    pub(crate) login: LoginMetadata,
}

/// What the metadata say to the issuer's clients, as it stands there: one that may not be asked is no reason to do
/// without the keys.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct LoginMetadata {
    pub(crate) authorization_endpoint: Option<String>,
    pub(crate) token_endpoint: Option<String>,
    pub(crate) revocation_endpoint: Option<String>,
    pub(crate) end_session_endpoint: Option<String>,
    pub(crate) token_endpoint_auth_methods_supported: Option<Vec<String>>,
    pub(crate) id_token_signing_alg_values_supported: Option<Vec<String>>,
    #[serde(default)]
    pub(crate) authorization_response_iss_parameter_supported: bool,
}

/// Why an issuer's metadata could not be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DiscoveryError {
    #[error(transparent)]
    Fetch(#[from] FetchError),
    #[error(transparent)]
    Refused(#[from] Refused),
    #[error("the metadata at {url} cannot be read: {source}")]
    Malformed { url: Url, source: JsonError },
    #[error("the metadata at {url} are those of another issuer: {}", .found.escape_debug())]
    AnotherIssuer { url: Url, found: String },
}

#[derive(Deserialize)]
struct Wire {
    issuer: String,
    jwks_uri: Option<String>,
    introspection_endpoint: Option<String>,
    #[serde(flatten)]
    login: LoginMetadata,
}

/// Reads an issuer's metadata: OpenID Connect's, or else OAuth's.
///
/// `issuer` in them must equal the configured one, character for character
/// ([RFC 8414 section 3.3](https://www.rfc-editor.org/rfc/rfc8414#section-3.3)): else a server could pass
/// off its keys as another's.
pub(crate) async fn discover(http: &Http, location: &Location) -> Result<Metadata, DiscoveryError> {
    match metadata_at(http, location, location.openid_configuration()?).await {
        // A site that answers whatever it is asked with a page has no document there either.
        Err(DiscoveryError::Fetch(FetchError::Status { .. }) | DiscoveryError::Malformed { .. }) => {
            metadata_at(http, location, location.oauth_metadata()?).await
        }
        answer => answer,
    }
}

async fn metadata_at(http: &Http, location: &Location, url: Url) -> Result<Metadata, DiscoveryError> {
    let Document::New { body, .. } = http.document(&url, None).await? else {
        // Cannot happen: nothing was said about a document that we have.
        return Err(DiscoveryError::Malformed { url, source: JsonError::Malformed });
    };
    let wire: Wire = match parse_strict_json(&body) {
        Ok(wire) => wire,
        Err(source) => return Err(DiscoveryError::Malformed { url, source }),
    };
    if wire.issuer != location.issuer().as_str() {
        let found = wire.issuer.chars().take(200).collect();
        return Err(DiscoveryError::AnotherIssuer { url, found });
    }
    let named = |url: &str| location.named(url);
    Ok(Metadata {
        jwks_uri: wire.jwks_uri.as_deref().map(named).transpose()?,
        introspection_endpoint: wire.introspection_endpoint.as_deref().map(named).transpose()?,
        login: wire.login,
    })
}
