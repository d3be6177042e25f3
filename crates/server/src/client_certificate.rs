//! The certificates of clients, as they show them in a handshake here, or as a proxy in front reports them
//! ([RFC 9440](https://www.rfc-editor.org/rfc/rfc9440)).
//!
//! A listener that asks for certificates takes any, whose key the handshake proves. On that listener nothing else counts.
//! On others a proxy may speak:
//!
//! The proxy ends TLS, asks for a certificate, takes whichever is shown and passes it on in `Client-Cert`, in which it
//! lets nothing through that the client wrote there. From anybody else the field means nothing. That the client holds the
//! certificate's key is the proxy's to know; who vouches for the certificate is looked at here.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::extract::ConnectInfo;
use base64_simd::STANDARD;
use gatepass_issuer::certificate::ShownCertificate;
use gatepass_jose::Timestamp;
use gatepass_net::Network;
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use rustls::{RootCertStore, ServerConnection};
use thiserror::Error;

const CLIENT_CERT: HeaderName = HeaderName::from_static("client-cert");
const CLIENT_CERT_CHAIN: HeaderName = HeaderName::from_static("client-cert-chain");

/// More certificates between a client's and its authority's than there are anywhere.
const MAX_CHAIN: usize = 8;

/// What the client of a connection has shown in the handshake, on a listener that asks for certificates: the certificate,
/// and then those between it and its authority; or nothing.
#[derive(Clone, Debug)]
pub(crate) struct ShownInHandshake(Option<Arc<[CertificateDer<'static>]>>);

impl ShownInHandshake {
    pub(crate) fn of(connection: &ServerConnection) -> Self {
        Self(connection.peer_certificates().map(Arc::from))
    }
}

/// Whose word on clients' certificates is taken, and who vouches for them.
#[derive(Clone, Debug)]
pub struct ClientCertificates {
    proxies: Vec<Network>,
    authorities: Option<Arc<dyn ClientCertVerifier>>,
    /// Where clients with certificates reach the endpoints, if not where all others do.
    pub(crate) url: Option<String>,
}

/// The authorities cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("the certificate authorities of clients: {0}")]
pub struct InvalidAuthorities(String);

impl ClientCertificates {
    /// Takes the word of `proxies`. `authorities` are certificates in PEM; without them, a client can be known by its own
    /// certificate alone. At `url`, without a slash at its end, the endpoints are reached that want a certificate; `None`:
    /// below the issuer.
    ///
    /// # Errors
    /// [`InvalidAuthorities`].
    pub fn new(
        proxies: Vec<Network>,
        authorities: Option<&[u8]>,
        url: Option<String>,
    ) -> Result<Self, InvalidAuthorities> {
        Ok(Self { proxies, authorities: authorities.map(verifier).transpose()?, url })
    }

    /// Whether there is somebody to vouch for certificates.
    pub(crate) fn has_authorities(&self) -> bool {
        self.authorities.is_some()
    }

    /// The certificate that the request's client has shown, if that is known. What cannot be read is none.
    pub(crate) fn of_request(&self, parts: &Parts, now: Timestamp) -> Option<ShownCertificate> {
        if let Some(ShownInHandshake(shown)) = parts.extensions.get::<ShownInHandshake>() {
            let (certificate, chain) = shown.as_deref()?.split_first()?;
            return self.examined(certificate, chain, now);
        }
        let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>()?.0.ip();
        self.reported(peer, &parts.headers, now)
    }

    fn reported(&self, peer: IpAddr, headers: &HeaderMap, now: Timestamp) -> Option<ShownCertificate> {
        if !headers.contains_key(CLIENT_CERT) {
            return None;
        }
        if !self.proxies.iter().any(|network| network.contains(peer.to_canonical())) {
            tracing::debug!(%peer, "a certificate that nobody believed was reported");
            return None;
        }
        let certificates = [CLIENT_CERT, CLIENT_CERT_CHAIN].map(|name| byte_sequences(headers, &name));
        let [Some(certificate), Some(chain)] = certificates else {
            tracing::warn!(%peer, "a proxy reported a certificate in a form that is none of RFC 9440");
            return None;
        };
        let [certificate] = certificate.as_slice() else { return None };
        self.examined(certificate, &chain.into_iter().map(CertificateDer::from).collect::<Vec<_>>(), now)
    }

    fn examined(
        &self,
        certificate: &[u8],
        chain: &[CertificateDer<'_>],
        now: Timestamp,
    ) -> Option<ShownCertificate> {
        let is_vouched_for = chain.len() <= MAX_CHAIN && self.vouch_for(certificate, chain, now);
        ShownCertificate::parse(certificate, is_vouched_for).ok()
    }

    fn vouch_for(&self, certificate: &[u8], chain: &[CertificateDer<'_>], now: Timestamp) -> bool {
        let Some(authorities) = &self.authorities else { return false };
        let seconds = u64::try_from(now.as_secs()).unwrap_or_default();
        let now = UnixTime::since_unix_epoch(Duration::from_secs(seconds));
        authorities.verify_client_cert(&CertificateDer::from(certificate), chain, now).is_ok()
    }
}

fn verifier(pem: &[u8]) -> Result<Arc<dyn ClientCertVerifier>, InvalidAuthorities> {
    let refused = |why: String| InvalidAuthorities(why);
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        let certificate = certificate.map_err(|error| refused(error.to_string()))?;
        roots.add(certificate).map_err(|error| refused(error.to_string()))?;
    }
    let provider = Arc::new(aws_lc_rs::default_provider());
    let built = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build();
    built.map_err(|error| refused(error.to_string()))
}

/// The byte sequences of a list ([RFC 9651 section 4.2.7](https://www.rfc-editor.org/rfc/rfc9651#section-4.2.7)), a few at
/// most; `None` where it is something else.
fn byte_sequences(headers: &HeaderMap, name: &HeaderName) -> Option<Vec<Vec<u8>>> {
    let lines = headers.get_all(name).iter().map(HeaderValue::as_bytes);
    let items = lines.flat_map(|line| line.split(|byte| *byte == b','));
    let decoded = items.take(MAX_CHAIN + 1).map(|item| {
        let inner = item.trim_ascii().strip_prefix(b":")?.strip_suffix(b":")?;
        STANDARD.decode_to_vec(inner).ok()
    });
    let all = decoded.collect::<Option<Vec<_>>>()?;
    (all.len() <= MAX_CHAIN).then_some(all)
}

#[cfg(test)]
mod tests {
    use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};

    use super::*;

    const NOW: Timestamp = Timestamp::from_secs(1_763_780_000);
    const PROXY: &str = "10.0.0.1";

    fn authority(name: &str) -> CertifiedIssuer<'static, KeyPair> {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
    }

    fn leaf(issuer: &CertifiedIssuer<'static, KeyPair>) -> Vec<u8> {
        let params = CertificateParams::new(vec!["batch.internal".to_owned()]).unwrap();
        params.signed_by(&KeyPair::generate().unwrap(), issuer).unwrap().der().to_vec()
    }

    fn pem(authority: &CertifiedIssuer<'static, KeyPair>) -> String {
        let der = STANDARD.encode_to_string(authority.der());
        format!("-----BEGIN CERTIFICATE-----\n{der}\n-----END CERTIFICATE-----\n")
    }

    fn field(der: &[u8]) -> String {
        format!(":{}:", STANDARD.encode_to_string(der))
    }

    #[test]
    fn whose_word_is_taken_on_which_certificate() {
        let (root, stranger) = (authority("root"), authority("stranger"));
        let middle = {
            let mut params = CertificateParams::default();
            params.distinguished_name.push(DnType::CommonName, "middle");
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            CertifiedIssuer::signed_by(params, KeyPair::generate().unwrap(), &root).unwrap()
        };
        let pem = pem(&root);
        let proxies = vec!["10.0.0.0/8".parse().unwrap()];
        let known = ClientCertificates::new(proxies.clone(), Some(pem.as_bytes()), None).unwrap();
        let without = ClientCertificates::new(proxies, None, None).unwrap();
        let (own, deep, foreign) = (leaf(&root), leaf(&middle), leaf(&stranger));
        let (good, below, other) = (field(&own), field(&deep), field(&foreign));
        let chain = field(middle.der());
        let long = [chain.as_str(); 9].join(",");
        let two = format!("{good}, {other}");
        // From where, Client-Cert, Client-Cert-Chain: whether there is one, and whether somebody vouches for it.
        type Case<'c> = (&'static str, &'c str, &'c [&'c str], &'c str, Option<bool>);
        let cases: [Case<'_>; 14] = [
            ("vouched_for", PROXY, &[&good], "", Some(true)),
            ("mapped_address", "::ffff:10.0.0.1", &[&good], "", Some(true)),
            ("by_an_authority_between", PROXY, &[&below], &chain, Some(true)),
            ("which_is_missing", PROXY, &[&below], "", Some(false)),
            ("by_a_stranger", PROXY, &[&other], "", Some(false)),
            ("a_stranger_in_the_chain", PROXY, &[&other], &field(stranger.der()), Some(false)),
            ("from_the_client_itself", "203.0.113.9", &[&good], "", None),
            ("none", PROXY, &[], "", None),
            ("two_lines", PROXY, &[&good, &other], "", None),
            ("two_in_one", PROXY, &[&two], "", None),
            ("without_colons", PROXY, &[good.trim_matches(':')], "", None),
            ("no_base64", PROXY, &[":!!:"], "", None),
            ("no_certificate", PROXY, &[":AAAA:"], "", None),
            ("too_long_a_chain", PROXY, &[&good], &long, None),
        ];
        for (name, peer, lines, chain, want) in cases {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append(CLIENT_CERT, line.parse().unwrap());
            }
            if !chain.is_empty() {
                headers.append(CLIENT_CERT_CHAIN, chain.parse().unwrap());
            }
            let shown = |known: &ClientCertificates| known.reported(peer.parse().unwrap(), &headers, NOW);
            assert_eq!(shown(&known).map(|shown| shown.is_vouched_for), want, "{name}");
            assert_eq!(shown(&without).map(|shown| shown.is_vouched_for), want.map(|_| false), "{name}");
        }
    }

    #[test]
    fn who_vouches_only_does_so_for_as_long_as_a_certificate_lasts() {
        let root = authority("root");
        let mut params = CertificateParams::new(vec!["batch.internal".to_owned()]).unwrap();
        params.not_before = rcgen::date_time_ymd(2020, 1, 1);
        params.not_after = rcgen::date_time_ymd(2020, 12, 31);
        let old = params.signed_by(&KeyPair::generate().unwrap(), &root).unwrap();
        let known = ClientCertificates::new(Vec::new(), Some(pem(&root).as_bytes()), None).unwrap();
        for (now, want) in [(1_593_000_000, true), (NOW.as_secs(), false)] {
            assert_eq!(known.vouch_for(old.der(), &[], Timestamp::from_secs(now)), want);
        }
    }

    #[test]
    fn authorities_that_vouch_for_nothing_are_refused() {
        for pem in ["", "nonsense", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
            assert!(ClientCertificates::new(Vec::new(), Some(pem.as_bytes()), None).is_err(), "{pem}");
        }
    }
}
