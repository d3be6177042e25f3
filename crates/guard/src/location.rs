use gatepass_jose::Issuer;
use url::{Host, Origin, Url};

use crate::config::{IssuerConfig, StartError};

/// An issuer by its name and by its place: which URLs are its own, and which of them may be asked.
#[derive(Clone, Debug)]
pub(crate) struct Location {
    issuer: Issuer,
    url: Url,
    base_url: Option<Url>,
    insecure_http: bool,
    /// Where else the issuer's documents may lead.
    origins: Vec<Origin>,
}

/// A URL that a guard does not ask.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refused {
    #[error("`{0}` is not a URL over https, and plain http to other machines is not allowed")]
    Insecure(String),
    #[error("`{0}` is neither of the issuer's origin nor of one of its `origins` in the configuration")]
    Elsewhere(String),
}

impl Refused {
    pub(crate) fn into_url(self) -> String {
        let (Self::Insecure(url) | Self::Elsewhere(url)) = self;
        url
    }
}

impl Location {
    pub(crate) fn new(config: &IssuerConfig) -> Result<Self, StartError> {
        let no_url = || StartError::IssuerUrl { issuer: config.issuer.clone() };
        let issuer = Issuer::new(&config.issuer).map_err(|_| no_url())?;
        let url = Url::parse(&config.issuer).map_err(|_| no_url())?;
        // RFC 8414 section 2: no query and no fragment.
        if !url.has_host() || url.query().is_some() || url.fragment().is_some() {
            return Err(no_url());
        }
        if !matches!(url.scheme(), "http" | "https") {
            return Err(no_url());
        }
        let origins = config.origins.iter().map(Url::origin).collect();
        let (base_url, insecure_http) = (config.base_url.clone(), config.insecure_http);
        let location = Location { issuer, url, base_url, insecure_http, origins };
        for url in &config.origins {
            let refused = location.require_no_weaker(url).and_then(|()| location.require_secure(url.clone()));
            refused.map_err(|refused| StartError::InsecureUrl { url: refused.into_url() })?;
        }
        Ok(location)
    }

    pub(crate) fn issuer(&self) -> &Issuer {
        &self.issuer
    }

    /// `…/.well-known/openid-configuration`, after the issuer's path
    /// ([OpenID Connect Discovery section 4](https://openid.net/specs/openid-connect-discovery-1_0.html#ProviderConfig)).
    pub(crate) fn openid_configuration(&self) -> Result<Url, Refused> {
        self.below(".well-known/openid-configuration")
    }

    /// `/.well-known/oauth-authorization-server…`, before the issuer's path
    /// ([RFC 8414 section 3](https://www.rfc-editor.org/rfc/rfc8414#section-3)).
    pub(crate) fn oauth_metadata(&self) -> Result<Url, Refused> {
        let path = self.url.path().trim_end_matches('/');
        let mut url = self.url.clone();
        url.set_path(&format!("/.well-known/oauth-authorization-server{path}"));
        self.reach(&url)
    }

    /// A path below the issuer's URL.
    pub(crate) fn below(&self, path: &str) -> Result<Url, Refused> {
        self.reach(&join(&self.url, path))
    }

    /// The URL to ask for a URL that a document of the issuer names: whoever writes that document does not choose
    /// whom a guard talks to within its network.
    pub(crate) fn named(&self, url: &str) -> Result<Url, Refused> {
        let parsed = Url::parse(url).map_err(|_| Refused::Insecure(url.to_owned()))?;
        let origin = parsed.origin();
        if self.base_url.as_ref().is_some_and(|base| base.origin() == origin) {
            return self.require_secure(parsed);
        }
        self.require_no_weaker(&parsed)?;
        let reached = self.reach(&parsed)?;
        if self.is_own(&parsed) || self.origins.contains(&origin) {
            Ok(reached)
        } else {
            Err(Refused::Elsewhere(url.to_owned()))
        }
    }

    /// An issuer that is reached over https does not lead to what is not.
    fn require_no_weaker(&self, url: &Url) -> Result<(), Refused> {
        match (self.url.scheme(), url.scheme()) {
            ("https", "http") => Err(Refused::Insecure(url.to_string())),
            _ => Ok(()),
        }
    }

    /// A URL that a document of the issuer names for browsers, which reach the issuer where it says it is.
    pub(crate) fn for_browsers(&self, url: &str) -> Result<Url, Refused> {
        let parsed = Url::parse(url).map_err(|_| Refused::Insecure(url.to_owned()))?;
        self.require_secure(parsed)
    }

    /// Whether a URL is of the issuer's own origin.
    pub(crate) fn is_own(&self, url: &Url) -> bool {
        url.origin() == self.url.origin()
    }

    /// The URL to ask for one of the issuer's: moved to `base_url` where the issuer's origin is not
    /// reached, and refused where everybody on the way could change the answer.
    pub(crate) fn reach(&self, url: &Url) -> Result<Url, Refused> {
        let refused = || Refused::Insecure(url.to_string());
        let mut reached = url.clone();
        if let Some(base) = self.base_url.as_ref().filter(|_| self.is_own(url)) {
            reached.set_scheme(base.scheme()).map_err(|()| refused())?;
            reached.set_host(base.host_str()).map_err(|_| refused())?;
            reached.set_port(base.port()).map_err(|()| refused())?;
        }
        self.require_secure(reached)
    }

    fn require_secure(&self, url: Url) -> Result<Url, Refused> {
        match url.scheme() {
            "https" => Ok(url),
            "http" if self.insecure_http || is_this_machine(&url) => Ok(url),
            _ => Err(Refused::Insecure(url.into())),
        }
    }
}

/// `path` below `url`, whether or not that ends in a slash.
pub(crate) fn join(url: &Url, path: &str) -> Url {
    let mut joined = url.clone();
    joined.set_path(&format!("{}/{path}", url.path().trim_end_matches('/')));
    joined
}

pub(crate) fn is_this_machine(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Revocation;

    fn location(issuer: &str, base_url: Option<&str>) -> Location {
        let base_url = base_url.map(|base| Url::parse(base).unwrap());
        let origins = vec![Url::parse("https://keys.example.com").unwrap()];
        let origins = if issuer.starts_with("https") { origins } else { Vec::new() };
        let config =
            IssuerConfig { base_url, origins, ..IssuerConfig::new(issuer, ["api"], Revocation::None) };
        Location::new(&config).unwrap()
    }

    #[test]
    fn where_metadata_are_looked_for() {
        let cases = [
            (
                "https://auth.example.com",
                "https://auth.example.com/.well-known/openid-configuration",
                "https://auth.example.com/.well-known/oauth-authorization-server",
            ),
            (
                "https://auth.example.com/",
                "https://auth.example.com/.well-known/openid-configuration",
                "https://auth.example.com/.well-known/oauth-authorization-server",
            ),
            (
                "https://example.com:8443/realms/a",
                "https://example.com:8443/realms/a/.well-known/openid-configuration",
                "https://example.com:8443/.well-known/oauth-authorization-server/realms/a",
            ),
        ];
        for (issuer, openid, oauth) in cases {
            let location = location(issuer, None);
            assert_eq!(location.openid_configuration().unwrap().as_str(), openid);
            assert_eq!(location.oauth_metadata().unwrap().as_str(), oauth);
            assert_eq!(location.issuer().as_str(), issuer, "`iss` is compared as it was given");
        }
    }

    #[test]
    fn what_is_no_issuer() {
        for issuer in [
            "",
            "auth.example.com",
            "https://",
            "ftp://example.com",
            "https://a/?b",
            "https://a/#b",
            "data:,",
        ] {
            let config = IssuerConfig::new(issuer, ["api"], Revocation::None);
            assert!(Location::new(&config).is_err(), "{issuer}");
        }
    }

    #[test]
    fn what_is_asked_and_where() {
        let base = Some("http://127.0.0.1:9000");
        let far = Some("http://10.0.0.1:9000");
        let cases = [
            ("own_url", None, "https://auth.example.com/jwks", Some("https://auth.example.com/jwks")),
            ("another_host", None, "https://keys.example.com/jwks", Some("https://keys.example.com/jwks")),
            ("another_port", None, "https://auth.example.com:8443/jwks", None),
            ("one_below", None, "https://a.auth.example.com/jwks", None),
            ("whoever_else", None, "https://internal.example.com/admin", None),
            ("another_port_of_a_named_one", None, "https://keys.example.com:8443/jwks", None),
            ("the_cloud", None, "https://169.254.169.254/latest", None),
            ("plain_http", None, "http://auth.example.com/jwks", None),
            ("loopback", None, "http://[::1]:80/jwks", None),
            ("localhost", None, "http://localhost:1/jwks", None),
            ("where_it_is_reached", base, "http://127.0.0.1:9000/jwks", Some("http://127.0.0.1:9000/jwks")),
            ("another_port_of_that", base, "http://127.0.0.1:9001/jwks", None),
            ("almost_localhost", None, "http://localhost.example.com/jwks", None),
            ("moved", base, "https://auth.example.com/jwks?a=b", Some("http://127.0.0.1:9000/jwks?a=b")),
            ("not_moved", base, "https://keys.example.com/jwks", Some("https://keys.example.com/jwks")),
            ("moved_to_plain_http", far, "https://auth.example.com/jwks", None),
            ("file", None, "file:///etc/passwd", None),
            ("relative", None, "/jwks", None),
        ];
        for (name, base, url, want) in cases {
            let reached = location("https://auth.example.com", base).named(url);
            assert_eq!(reached.as_ref().ok().map(Url::as_str), want, "{name}");
        }
        let local = location("http://127.0.0.1:9000", None);
        assert!(local.named("http://127.0.0.1:9000/jwks").is_ok());
        assert!(local.named("http://127.0.0.1:9001/jwks").is_err());
    }

    #[test]
    fn an_origin_that_is_weaker_than_its_issuer_is_no_origin() {
        for (issuer, origin, taken) in [
            ("https://auth.example.com", "https://keys.example.com", true),
            ("https://auth.example.com", "http://127.0.0.1:9000", false),
            ("https://auth.example.com", "http://keys.example.com", false),
            ("http://127.0.0.1:9000", "http://127.0.0.1:9001", true),
            ("http://127.0.0.1:9000", "http://keys.example.com", false),
        ] {
            let origins = vec![Url::parse(origin).unwrap()];
            let config = IssuerConfig { origins, ..IssuerConfig::new(issuer, ["api"], Revocation::None) };
            assert_eq!(Location::new(&config).is_ok(), taken, "{issuer} {origin}");
        }
    }
}
