//! What an operator decides about the HTTP face.

use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use gatepass_net::Network;
use thiserror::Error;

use crate::brand::Brand;
use crate::client_certificate::ClientCertificates;
use crate::origin::Origin;

/// How the issuer is served over HTTP. The default is for browsers that reach the server under the
/// issuer's own origin, and for no proxy in front.
#[derive(Clone, Debug)]
pub struct HttpConfig {
    /// The name of the cookie that holds the refresh token.
    pub cookie_name: CookieName,
    /// When browsers send that cookie.
    pub same_site: SameSite,
    /// The origins of apps that may use the session endpoints from a browser, beside the issuer's
    /// own. They get CORS headers there; every other site is refused. Endpoints where no cookie counts are every page's.
    pub app_origins: Vec<Origin>,
    /// The proxies whose `X-Forwarded-For` is believed. Empty: nobody's.
    pub trusted_proxies: Vec<Network>,
    /// How clients' TLS certificates are known; `None`: not at all.
    pub client_certificates: Option<ClientCertificates>,
    /// Whose pages they are, and which languages they speak.
    pub brand: Arc<Brand>,
    /// The longest request body, in bytes.
    pub max_body: usize,
    /// How long a client may take to send a body.
    pub body_timeout: Duration,
    /// How long any answer may take to begin. A change that takes longer is carried through all the
    /// same; only its answer is lost.
    pub request_timeout: Duration,
    /// How many revocation streams are open at once.
    pub max_streams: usize,
}

impl Default for HttpConfig {
    fn default() -> Self {
        Self {
            cookie_name: CookieName::default(),
            same_site: SameSite::Strict,
            app_origins: Vec::new(),
            trusted_proxies: Vec::new(),
            client_certificates: None,
            brand: Arc::default(),
            max_body: 64 * 1024,
            body_timeout: Duration::from_secs(10),
            request_timeout: Duration::from_secs(30),
            max_streams: 1024,
        }
    }
}

/// The refresh cookie's name. It begins with `__Secure-`, which makes browsers refuse it from a
/// connection that is not encrypted, so that nobody on the network can plant one.
///
/// (`__Host-` is stricter still, but demands `Path=/`, and then the token would go with every request.)
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CookieName(Box<str>);

/// The text is no name for the refresh cookie.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error(
    "the refresh cookie's name is `__Secure-` and 1 to 64 letters, digits, hyphens, dots and underscores"
)]
pub struct InvalidCookieName;

impl CookieName {
    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for CookieName {
    /// `__Secure-gatepass-refresh`.
    fn default() -> Self {
        Self("__Secure-gatepass-refresh".into())
    }
}

impl FromStr for CookieName {
    type Err = InvalidCookieName;

    fn from_str(text: &str) -> Result<Self, InvalidCookieName> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
        match text.strip_prefix("__Secure-") {
            Some(rest) if (1..=64).contains(&rest.len()) && rest.bytes().all(allowed) => {
                Ok(Self(text.into()))
            }
            _ => Err(InvalidCookieName),
        }
    }
}

/// When browsers send the refresh cookie with a request that another site caused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SameSite {
    /// Never.
    #[default]
    Strict,
    /// When the user follows a link. No endpoint here needs it.
    Lax,
}

/// The text is neither `strict` nor `lax`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("same_site is `strict` or `lax`")]
pub struct InvalidSameSite;

impl SameSite {
    /// The attribute's value.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Strict => "Strict",
            Self::Lax => "Lax",
        }
    }
}

impl FromStr for SameSite {
    type Err = InvalidSameSite;

    /// Reads the name in either case.
    fn from_str(text: &str) -> Result<Self, InvalidSameSite> {
        let named = |same_site: &Self| same_site.name().eq_ignore_ascii_case(text);
        [Self::Strict, Self::Lax].into_iter().find(named).ok_or(InvalidSameSite)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_the_refresh_cookie() {
        let longest = format!("__Secure-{}", "a".repeat(64));
        let too_long = format!("{longest}a");
        let cases = [
            ("default", "__Secure-gatepass-refresh", true),
            ("longest", &longest, true),
            ("too_long", &too_long, false),
            ("no_prefix", "refresh", false),
            ("host_prefix", "__Host-refresh", false),
            ("nothing_but_prefix", "__Secure-", false),
            ("separator", "__Secure-a;b", false),
            ("space", "__Secure-a b", false),
        ];
        for (name, text, ok) in cases {
            assert_eq!(text.parse::<CookieName>().is_ok(), ok, "{name}");
        }
    }

    #[test]
    fn same_site_by_its_name() {
        assert_eq!("strict".parse(), Ok(SameSite::Strict));
        assert_eq!("Lax".parse(), Ok(SameSite::Lax));
        assert_eq!("none".parse::<SameSite>(), Err(InvalidSameSite));
    }
}
