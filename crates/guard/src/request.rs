use std::fmt;

use aws_lc_rs::digest::{SHA256, digest};
use axum::http::{HeaderMap, Method};
use gatepass_jose::base64url;

use crate::stale::StalePolicy;

/// What a guard looks at in a request.
///
/// The header fields bring the token. What binds a token to its sender lies outside of them: the method and
/// URL that a DPoP proof is made for, the certificate that the connection was opened with.
///
/// ```
/// use axum::http::{HeaderMap, Method};
/// use gatepass_guard::GuardedRequest;
///
/// let (method, headers) = (Method::GET, HeaderMap::new());
/// let request = GuardedRequest::new(&method, &headers).with_url("https://api.example.com/orders");
/// ```
#[derive(Clone, Copy, Debug)]
pub struct GuardedRequest<'r> {
    pub(crate) method: &'r Method,
    pub(crate) headers: &'r HeaderMap,
    pub(crate) url: Option<&'r str>,
    pub(crate) certificate: Option<&'r ClientCertificate>,
    pub(crate) on_stale: Option<&'r StalePolicy>,
}

impl<'r> GuardedRequest<'r> {
    /// A request by its head alone: tokens that are bound to a key are refused.
    #[must_use]
    pub fn new(method: &'r Method, headers: &'r HeaderMap) -> Self {
        GuardedRequest { method, headers, url: None, certificate: None, on_stale: None }
    }

    /// The request's URL as the client wrote it; its query means nothing here.
    ///
    /// Scheme, host and port must come from the configuration or from a proxy that is trusted to say them,
    /// not from the client's own `Host` field: with that, a proof that was made for another server would
    /// pass here ([RFC 9449 section 4.3](https://www.rfc-editor.org/rfc/rfc9449#section-4.3)).
    #[must_use]
    pub fn with_url(mut self, url: &'r str) -> Self {
        self.url = Some(url);
        self
    }

    /// The certificate that the client opened its connection with, if it showed one.
    #[must_use]
    pub fn with_certificate(mut self, certificate: Option<&'r ClientCertificate>) -> Self {
        self.certificate = certificate;
        self
    }

    /// What holds for this request when the view of the revocations is stale, instead of what the
    /// issuer's configuration says.
    #[must_use]
    pub fn with_on_stale(mut self, policy: Option<&'r StalePolicy>) -> Self {
        self.on_stale = policy;
        self
    }
}

/// The URL of a request as its client wrote it, for a request's extensions: put there by whoever knows it,
/// a proxy protocol's reader or a server of several hosts. It comes before the layer's base URL.
///
/// Who fills it from header fields must trust whoever wrote them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExternalUrl(pub String);

/// The certificate that a client proved to hold the key of when it opened the connection, by its thumbprint
/// ([RFC 8705 section 3.1](https://www.rfc-editor.org/rfc/rfc8705#section-3.1)).
///
/// The transport puts it into a request's extensions; a guard cannot see the connection. Whether a
/// certification authority signed it is the transport's to know: for a token that is bound to it, even a
/// self-signed one will do.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct ClientCertificate {
    x5t_s256: String,
}

impl ClientCertificate {
    /// The certificate in DER, as it came in the handshake.
    #[must_use]
    pub fn from_der(certificate: &[u8]) -> Self {
        ClientCertificate { x5t_s256: base64url::encode(digest(&SHA256, certificate).as_ref()) }
    }

    /// A certificate whose SHA-256 digest is known already.
    #[must_use]
    pub fn from_sha256(digest: [u8; 32]) -> Self {
        ClientCertificate { x5t_s256: base64url::encode(&digest) }
    }

    /// Its SHA-256 thumbprint in base64url, as `cnf` has it under `x5t#S256`.
    #[must_use]
    pub fn x5t_s256(&self) -> &str {
        &self.x5t_s256
    }
}

impl fmt::Debug for ClientCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ClientCertificate").field(&self.x5t_s256).finish()
    }
}
