//! Whom to send forged tokens to: a service on this machine, or one that its operator names.

use std::io;
use std::net::{IpAddr, SocketAddr};

use thiserror::Error;
use url::{Host, Url};

/// The URL of a service that may be attacked, with the addresses its name had when that was decided.
///
/// Nothing but these addresses is ever connected to: the name is not looked up again during a run, and
/// redirects are not followed.
#[derive(Clone, Debug)]
pub struct Target {
    pub(crate) url: Url,
    pub(crate) host: String,
    pub(crate) addresses: Vec<SocketAddr>,
}

/// Why a URL is not attacked.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TargetError {
    /// Not an absolute URL.
    #[error("{0:?} is not a URL such as http://127.0.0.1:8080/path")]
    NotAUrl(String),
    /// Neither `http` nor `https`.
    #[error("only http and https URLs can be attacked, not {0}:")]
    Scheme(String),
    /// `user:password@`, which makes a URL look as if it led elsewhere.
    #[error("the URL must not hold a user name or password")]
    UserInfo,
    /// The name could not be looked up.
    #[error("the addresses of {host} cannot be found: {source}")]
    Unknown {
        /// The host of the URL.
        host: String,
        /// What the system says.
        source: io::Error,
    },
    /// The name has no address.
    #[error("{0} has no address")]
    NoAddress(String),
    /// An address that stands for none or for many hosts.
    #[error("{0} is not the address of one host; write 127.0.0.1 or [::1] for this machine")]
    NotOneHost(IpAddr),
    /// Not this machine, and not named by its operator.
    #[error(
        "{host} ({address}) is not this machine, and an attack on somebody else's service may be a crime"
    )]
    Foreign {
        /// The host of the URL.
        host: String,
        /// The first address that is not loopback.
        address: IpAddr,
    },
}

impl Target {
    /// Looks the host of `url` up and lets it be attacked if every address of it is loopback, or if `owned`
    /// names exactly this host.
    ///
    /// # Errors
    /// [`TargetError`]: the URL is none, its host cannot be found, or it is somebody else's.
    pub async fn resolve(url: &str, owned: &[String]) -> Result<Self, TargetError> {
        let url = parse(url)?;
        let port = url.port_or_known_default().unwrap_or(80);
        let addresses = match url.host() {
            Some(Host::Ipv4(address)) => vec![IpAddr::V4(address)],
            Some(Host::Ipv6(address)) => vec![IpAddr::V6(address)],
            Some(Host::Domain(name)) => {
                let unknown = |source| TargetError::Unknown { host: name.to_owned(), source };
                tokio::net::lookup_host((name, port))
                    .await
                    .map_err(unknown)?
                    .map(|found| found.ip())
                    .collect()
            }
            None => Vec::new(),
        };
        Self::admit(url, &addresses, owned)
    }

    /// Decides about a URL whose host has these addresses.
    fn admit(url: Url, addresses: &[IpAddr], owned: &[String]) -> Result<Self, TargetError> {
        let host = url.host_str().unwrap_or_default().to_owned();
        if addresses.is_empty() {
            return Err(TargetError::NoAddress(host));
        }
        let is_owned = owned.iter().any(|own| is_same_host(own, &host));
        for address in addresses {
            let address = address.to_canonical(); // ::ffff:127.0.0.1 is 127.0.0.1
            if is_not_one_host(address) {
                return Err(TargetError::NotOneHost(address));
            }
            if !address.is_loopback() && !is_owned {
                return Err(TargetError::Foreign { host, address });
            }
        }
        let port = url.port_or_known_default().unwrap_or(80);
        let addresses = addresses.iter().map(|address| SocketAddr::new(*address, port)).collect();
        Ok(Self { url, host, addresses })
    }

    /// The URL that is attacked.
    #[must_use]
    pub fn url(&self) -> &str {
        self.url.as_str()
    }

    /// Whether the service runs on this machine, as far as its addresses tell, and could fetch something
    /// that listens on loopback.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        self.addresses.iter().all(|address| address.ip().to_canonical().is_loopback())
    }
}

fn parse(text: &str) -> Result<Url, TargetError> {
    let mut url = Url::parse(text).map_err(|_| TargetError::NotAUrl(text.to_owned()))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(TargetError::Scheme(url.scheme().to_owned()));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(TargetError::UserInfo);
    }
    url.set_fragment(None);
    Ok(url)
}

fn is_same_host(own: &str, host: &str) -> bool {
    let bare = |name: &str| name.trim_end_matches('.').trim_matches(['[', ']']).to_ascii_lowercase();
    !bare(own).is_empty() && bare(own) == bare(host)
}

fn is_not_one_host(address: IpAddr) -> bool {
    let is_broadcast = matches!(address, IpAddr::V4(v4) if v4.is_broadcast());
    address.is_unspecified() || address.is_multicast() || is_broadcast
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq)]
    enum Decision {
        Admitted,
        Foreign,
        NotOneHost,
        NotAUrl,
    }
    use Decision::{Admitted, Foreign, NotAUrl, NotOneHost};

    fn decision(result: Result<Target, TargetError>) -> Decision {
        match result {
            Ok(_) => Admitted,
            Err(TargetError::Foreign { .. }) => Foreign,
            Err(TargetError::NotOneHost(_)) => NotOneHost,
            Err(_) => NotAUrl,
        }
    }

    #[tokio::test]
    async fn an_address_is_attacked_only_where_it_is_this_machine_or_owned() {
        let cases: &[(&str, &[&str], Decision)] = &[
            ("http://127.0.0.1:8080/x", &[], Admitted),
            ("https://127.255.0.9/", &[], Admitted),
            ("http://[::1]:8080/", &[], Admitted),
            ("http://[::ffff:127.0.0.1]/", &[], Admitted),
            ("http://[::ffff:7f00:1]/", &[], Admitted),
            ("http://2130706433/", &[], Admitted), // 127.0.0.1 as one number
            ("http://0x7f.1/", &[], Admitted),
            ("http://0.0.0.0:8080/", &[], NotOneHost),
            ("http://0/", &[], NotOneHost),
            ("http://[::]/", &[], NotOneHost),
            ("http://[::ffff:0.0.0.0]/", &[], NotOneHost),
            ("http://255.255.255.255/", &["255.255.255.255"], NotOneHost),
            ("http://224.0.0.1/", &["224.0.0.1"], NotOneHost),
            ("http://192.0.2.7/", &[], Foreign),
            ("http://10.0.0.1/", &[], Foreign),
            ("http://169.254.169.254/", &[], Foreign),
            ("http://[2001:db8::1]/", &[], Foreign),
            ("http://[::ffff:192.0.2.7]/", &[], Foreign),
            ("http://[::127.0.0.1]/", &[], Foreign), // IPv4-compatible, not mapped: no loopback
            ("http://128.0.0.1/", &[], Foreign),
            ("http://192.0.2.7/", &["192.0.2.7"], Admitted),
            ("http://192.0.2.7/", &["192.0.2.70"], Foreign),
            ("http://192.0.2.7/", &[""], Foreign),
            ("http://[2001:db8::1]/", &["2001:db8::1"], Admitted),
            ("http://[2001:db8::1]/", &["[2001:DB8::1]"], Admitted),
            ("http://127.0.0.1@192.0.2.7/", &["192.0.2.7"], NotAUrl),
            ("ftp://127.0.0.1/", &[], NotAUrl),
            ("file:///etc/passwd", &[], NotAUrl),
            ("127.0.0.1:8080", &[], NotAUrl),
            ("", &[], NotAUrl),
        ];
        for (url, owned, want) in cases {
            let owned: Vec<String> = owned.iter().map(|own| (*own).to_owned()).collect();
            assert_eq!(decision(Target::resolve(url, &owned).await), *want, "{url} {owned:?}");
        }
    }

    #[test]
    fn every_address_of_a_name_counts() {
        let (here, here6) = ("127.0.0.1", "::1");
        let (there, nowhere) = ("192.0.2.7", "0.0.0.0");
        let cases: &[(&str, &[&str], &[&str], Decision)] = &[
            ("loopback", &[here, here6], &[], Admitted),
            ("elsewhere", &[there], &[], Foreign),
            ("loopback_first", &[here, there], &[], Foreign),
            ("loopback_last", &[there, here], &[], Foreign),
            ("owned", &[there, here], &["api.example.com"], Admitted),
            ("owned_in_capitals_with_a_dot", &[there], &["API.example.com."], Admitted),
            ("another_owned", &[there], &["example.com"], Foreign),
            ("a_name_below_the_owned", &[there], &["com"], Foreign),
            ("owned_but_unspecified", &[nowhere], &["api.example.com"], NotOneHost),
            ("no_address", &[], &["api.example.com"], NotAUrl),
        ];
        for (name, addresses, owned, want) in cases {
            let url = Url::parse("https://api.example.com/orders").unwrap();
            let addresses: Vec<IpAddr> = addresses.iter().map(|address| address.parse().unwrap()).collect();
            let owned: Vec<String> = owned.iter().map(|own| (*own).to_owned()).collect();
            assert_eq!(decision(Target::admit(url, &addresses, &owned)), *want, "{name}");
        }
    }
}
