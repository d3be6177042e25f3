//! Clients that are known by the certificate of their TLS connection
//! ([RFC 8705](https://www.rfc-editor.org/rfc/rfc8705)).
//!
//! That the client holds the certificate's key, the handshake has shown. What is decided here is whose it is.

mod name;

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use aws_lc_rs::digest::{SHA256, digest};
use gatepass_jose::base64url;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use thiserror::Error;
use x509_parser::extensions::GeneralName;
use x509_parser::parse_x509_certificate;
use x509_parser::pem::Pem;

pub use self::name::{DistinguishedName, InvalidDistinguishedName};

/// The longest certificate that is looked at, in bytes. Those of clients have one or two thousand.
const MAX_CERTIFICATE: usize = 16 * 1024;
/// More certificates than a client needs that changes its own.
const MAX_CERTIFICATES: usize = 16;

/// The SHA-256 thumbprint of a certificate, `x5t#S256`
/// ([RFC 8705 section 3.1](https://www.rfc-editor.org/rfc/rfc8705#section-3.1)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct X5t(pub [u8; 32]);

/// The text is no thumbprint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("a certificate's thumbprint is the base64url text of a SHA-256 digest")]
pub struct InvalidX5t;

impl X5t {
    /// That of a certificate in DER.
    #[must_use]
    pub fn of(der: &[u8]) -> Self {
        let mut bytes = [0; 32];
        for (to, from) in bytes.iter_mut().zip(digest(&SHA256, der).as_ref()) {
            *to = *from;
        }
        Self(bytes)
    }
}

impl FromStr for X5t {
    type Err = InvalidX5t;

    fn from_str(text: &str) -> Result<Self, InvalidX5t> {
        let bytes = base64url::decode(text).map_err(|_| InvalidX5t)?;
        bytes.try_into().map(Self).map_err(|_| InvalidX5t)
    }
}

impl fmt::Display for X5t {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&base64url::encode(&self.0))
    }
}

impl Serialize for X5t {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for X5t {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

/// What a client's certificate is known by.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RegisteredCertificate {
    /// Its subject, where an authority that the operator trusts vouches for it.
    SubjectDn(DistinguishedName),
    /// The same of a DNS name in it.
    SanDns(String),
    /// The same of a URI in it.
    SanUri(String),
    /// The same of an address in it.
    SanIp(IpAddr),
    /// The same of a mail address in it.
    SanEmail(String),
    /// That it is one of these, whoever vouches for it.
    Sha256(Thumbprints),
}

/// The thumbprints of 1 to 16 certificates.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Thumbprints(Vec<X5t>);

impl Thumbprints {
    /// Those of the certificates in a PEM file, which has nothing else.
    ///
    /// # Errors
    /// [`InvalidCertificate`].
    pub fn of_pem(pem: &[u8]) -> Result<Self, InvalidCertificate> {
        let mut all = Vec::new();
        for block in Pem::iter_from_buffer(pem) {
            let block = block.map_err(|_| InvalidCertificate)?;
            if block.label != "CERTIFICATE" {
                return Err(InvalidCertificate);
            }
            all.push(ShownCertificate::parse(&block.contents, false)?.x5t);
        }
        if (1..=MAX_CERTIFICATES).contains(&all.len()) { Ok(Self(all)) } else { Err(InvalidCertificate) }
    }
}

impl<'de> Deserialize<'de> for Thumbprints {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let all = Vec::<X5t>::deserialize(deserializer)?;
        match all.len() {
            1..=MAX_CERTIFICATES => Ok(Self(all)),
            _ => Err(de::Error::custom(format!("a client has 1 to {MAX_CERTIFICATES} certificates"))),
        }
    }
}

impl RegisteredCertificate {
    /// Whether an authority has to vouch for it (`tls_client_auth`), or nobody (`self_signed_tls_client_auth`).
    #[must_use]
    pub fn needs_authority(&self) -> bool {
        !matches!(self, Self::Sha256(_))
    }

    /// Whether `shown` is the client's.
    pub(crate) fn is(&self, shown: &ShownCertificate) -> bool {
        let has = |name: &str, names: &[String]| names.iter().any(|one| one == name);
        match self {
            Self::Sha256(Thumbprints(all)) => all.contains(&shown.x5t),
            _ if !shown.is_vouched_for => false,
            Self::SubjectDn(subject) => *subject == shown.subject,
            // Names of hosts have no case (RFC 4343), all the rest has.
            Self::SanDns(name) => shown.dns.iter().any(|one| one.eq_ignore_ascii_case(name)),
            Self::SanUri(uri) => has(uri, &shown.uris),
            Self::SanIp(address) => shown.addresses.contains(address),
            Self::SanEmail(mail) => has(mail, &shown.mails),
        }
    }
}

/// The certificate that a client has shown in its handshake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShownCertificate {
    /// Its thumbprint.
    pub x5t: X5t,
    /// Whether an authority that the operator trusts vouches for it now.
    pub is_vouched_for: bool,
    subject: DistinguishedName,
    dns: Vec<String>,
    uris: Vec<String>,
    addresses: Vec<IpAddr>,
    mails: Vec<String>,
}

/// The bytes are no certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("it is no certificate")]
pub struct InvalidCertificate;

impl ShownCertificate {
    /// Reads a certificate in DER.
    ///
    /// # Errors
    /// [`InvalidCertificate`].
    pub fn parse(der: &[u8], is_vouched_for: bool) -> Result<Self, InvalidCertificate> {
        if der.len() > MAX_CERTIFICATE {
            return Err(InvalidCertificate);
        }
        let (rest, certificate) = parse_x509_certificate(der).map_err(|_| InvalidCertificate)?;
        if !rest.is_empty() {
            return Err(InvalidCertificate);
        }
        let mut shown = Self {
            x5t: X5t::of(der),
            is_vouched_for,
            subject: DistinguishedName::of(certificate.subject()),
            dns: Vec::new(),
            uris: Vec::new(),
            addresses: Vec::new(),
            mails: Vec::new(),
        };
        let names = certificate.subject_alternative_name().map_err(|_| InvalidCertificate)?;
        for name in names.iter().flat_map(|names| &names.value.general_names) {
            match name {
                GeneralName::DNSName(name) => shown.dns.push((*name).to_owned()),
                GeneralName::URI(uri) => shown.uris.push((*uri).to_owned()),
                GeneralName::RFC822Name(mail) => shown.mails.push((*mail).to_owned()),
                GeneralName::IPAddress(bytes) => shown.addresses.extend(address(bytes)),
                _ => {}
            }
        }
        Ok(shown)
    }
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    let v4 = <[u8; 4]>::try_from(bytes).map(IpAddr::from);
    v4.or_else(|_| <[u8; 16]>::try_from(bytes).map(IpAddr::from)).ok()
}

#[cfg(test)]
mod tests;
