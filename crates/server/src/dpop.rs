//! What requests bring to show that their sender holds a key, and the nonces that answers give for the next one
//! ([RFC 9449](https://www.rfc-editor.org/rfc/rfc9449)).

use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use gatepass_issuer::ShownProof;
use gatepass_issuer::certificate::{ShownCertificate, X5t};
use http::header::HOST;
use http::request::Parts;
use http::uri::Authority;
use http::{HeaderMap, HeaderName, HeaderValue, Uri};

use crate::client_address::ClientAddress;
use crate::server::Server;

const DPOP: HeaderName = HeaderName::from_static("dpop");
const DPOP_NONCE: HeaderName = HeaderName::from_static("dpop-nonce");

/// What a request brings to show who sends it.
pub(crate) struct Proof {
    dpop: Option<ShownProof>,
    certificate: Option<ShownCertificate>,
    address: Option<IpAddr>,
}

impl Proof {
    pub(crate) fn of(server: &Server, parts: &Parts) -> Self {
        let Parts { method, uri, headers, .. } = parts;
        // Two fields are one with a comma between (RFC 9110 section 5.3), which is no proof, as
        // RFC 9449 section 4.3 has it.
        let certificates = server.config.client_certificates.as_ref();
        let certificate = certificates.and_then(|known| known.of_request(parts, server.now()));
        let base = match certificates.and_then(|known| known.url.as_deref()) {
            Some(url) if is_asked_at(url, parts) => url,
            _ => server.issuer.name().as_str(),
        };
        let fields: Vec<_> = headers.get_all(DPOP).iter().map(HeaderValue::as_bytes).collect();
        let shown = || ShownProof {
            proof: String::from_utf8_lossy(&fields.join(&b","[..])).into_owned(),
            method: method.to_string(),
            // Where clients reach this server, whatever a proxy in front makes of it.
            uri: format!("{}{}", base.trim_end_matches('/'), uri.path()),
        };
        Self {
            dpop: (!fields.is_empty()).then(shown),
            certificate,
            address: ClientAddress::of(server, parts).0,
        }
    }

    pub(crate) fn shown(&self) -> Option<&ShownProof> {
        self.dpop.as_ref()
    }

    pub(crate) fn certificate(&self) -> Option<&ShownCertificate> {
        self.certificate.as_ref()
    }

    /// Where it comes from.
    pub(crate) fn address(&self) -> Option<IpAddr> {
        self.address
    }

    pub(crate) fn x5t(&self) -> Option<X5t> {
        self.certificate().map(|certificate| certificate.x5t)
    }
}

/// Whether the request is for the host of this URL: one of the two that this server is reached at.
fn is_asked_at(url: &str, parts: &Parts) -> bool {
    let host = parts.headers.get(HOST).and_then(|host| host.to_str().ok());
    let host = parts.uri.authority().map(Authority::as_str).or(host);
    let wanted = url.parse::<Uri>().ok();
    let wanted = wanted.as_ref().and_then(Uri::authority);
    host.zip(wanted).is_some_and(|(host, wanted)| host.eq_ignore_ascii_case(wanted.as_str()))
}

impl FromRequestParts<Arc<Server>> for Proof {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, server: &Arc<Server>) -> Result<Self, Infallible> {
        Ok(Self::of(server, parts))
    }
}

/// Whether the answer to a request with these fields gives a nonce, whatever becomes of the proof.
pub(crate) fn shows_proof(headers: &HeaderMap) -> bool {
    headers.contains_key(DPOP)
}

/// Gives whoever shows a proof the nonce for the next one.
pub(crate) fn give_nonce(server: &Server, headers: &mut HeaderMap) {
    // base64url is printable ASCII.
    let nonce = server.issuer.dpop_nonce(server.now());
    if let Some(Ok(nonce)) = nonce.map(HeaderValue::try_from) {
        headers.insert(DPOP_NONCE, nonce);
    }
}
