//! Fetches documents whose URLs others choose.
//!
//! A stranger may have named the URL, so it is asked for with care: `https` on its usual port, at addresses that are
//! everybody's ([`is_public`]), which are looked up once and connected to as they were checked; no redirect, no proxy, no
//! cookie, little time and few bytes.

mod address;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use http::header::{ACCEPT, CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderMap, Method, StatusCode};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::redirect::Policy;
use reqwest::{RequestBuilder, Response};
use thiserror::Error;
use url::{Host, Url};

pub use self::address::is_public;
use crate::origin::Origin;

const TIMEOUT: Duration = Duration::from_secs(5);

/// Fetches JSON over the network, from where everybody could.
#[derive(Clone, Debug)]
pub struct Fetch {
    /// For the world.
    public: reqwest::Client,
    /// For the origins below.
    private: reqwest::Client,
    private_origins: Arc<[Origin]>,
}

impl Fetch {
    /// `private_origins` may be at any address and speak plain http.
    ///
    /// # Errors
    /// When TLS cannot be set up.
    pub fn new(private_origins: Vec<Origin>) -> Result<Self, reqwest::Error> {
        let client = || {
            reqwest::Client::builder()
                .redirect(Policy::none())
                .no_proxy()
                .timeout(TIMEOUT)
                .pool_max_idle_per_host(0)
                .user_agent(concat!("gatepass/", env!("CARGO_PKG_VERSION")))
        };
        Ok(Self {
            public: client().dns_resolver(Arc::new(PublicAddresses)).build()?,
            private: client().build()?,
            private_origins: private_origins.into(),
        })
    }

    /// The client to ask with, if this URL may be asked at all.
    pub(crate) fn client_for(&self, url: &Url) -> Result<&reqwest::Client, FetchError> {
        if Origin::of(url).is_some_and(|origin| self.private_origins.contains(&origin)) {
            return Ok(&self.private);
        }
        if url.scheme() != "https" || url.port().is_some() {
            return Err(refused("it is not https on its usual port"));
        }
        // The resolver is not asked for these.
        let address = match url.host() {
            Some(Host::Domain(_)) => None,
            Some(Host::Ipv4(address)) => Some(IpAddr::V4(address)),
            Some(Host::Ipv6(address)) => Some(IpAddr::V6(address)),
            None => return Err(refused("it has no host")),
        };
        match address.is_none_or(is_public) {
            true => Ok(&self.public),
            false => Err(refused("its address is not a public one")),
        }
    }

    /// The JSON that is served there, of at most so many bytes.
    pub(crate) async fn json(&self, url: &Url, most: usize) -> Result<Fetched, FetchError> {
        let response = self.send(url, Method::GET, |request| request).await?;
        if response.status() != StatusCode::OK {
            return Err(refused(&format!("its server answered with {}", response.status())));
        }
        read_json(response, most).await
    }

    /// The JSON that is answered to a request, whatever the status, of at most so many bytes.
    pub(crate) async fn ask(
        &self,
        url: &Url,
        method: Method,
        finish: impl FnOnce(RequestBuilder) -> RequestBuilder,
        most: usize,
    ) -> Result<(StatusCode, Fetched), FetchError> {
        let response = self.send(url, method, finish).await?;
        Ok((response.status(), read_json(response, most).await?))
    }

    async fn send(
        &self,
        url: &Url,
        method: Method,
        finish: impl FnOnce(RequestBuilder) -> RequestBuilder,
    ) -> Result<Response, FetchError> {
        let request = self.client_for(url)?.request(method, url.clone()).header(ACCEPT, "application/json");
        finish(request).send().await.map_err(|error| refused(&innermost(&error)))
    }
}

async fn read_json(mut response: Response, most: usize) -> Result<Fetched, FetchError> {
    if !is_json(response.headers()) {
        return Err(refused("its media type is not that of JSON"));
    }
    let fresh_for = fresh_for(response.headers());
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| refused(&innermost(&error)))? {
        if body.len() + chunk.len() > most {
            return Err(refused(&format!("it is longer than {} KiB", most / 1024)));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Fetched { body, fresh_for })
}

/// A document as it was served.
pub(crate) struct Fetched {
    pub(crate) body: Vec<u8>,
    /// For how long its server lets it be kept.
    pub(crate) fresh_for: Duration,
}

/// Why there is no document. For the log: it says what another machine did.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{0}")]
pub(crate) struct FetchError(String);

/// Looks names up, and gives nothing for one that has an address which is not everybody's.
struct PublicAddresses;

impl Resolve for PublicAddresses {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let found: Vec<SocketAddr> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            // One that is not is enough: whoever names both wants to be asked at the other.
            match found.iter().all(|address| is_public(address.ip())) {
                true => Ok(Box::new(found.into_iter()) as Addrs),
                false => Err(refused("its name leads to an address that is not public").into()),
            }
        })
    }
}

/// `application/json`, or a type whose name ends in `+json`.
fn is_json(headers: &HeaderMap) -> bool {
    let value = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    essence == "application/json" || essence.starts_with("application/") && essence.ends_with("+json")
}

/// How long the answer may be kept ([RFC 9111 section 4.2.1](https://www.rfc-editor.org/rfc/rfc9111#section-4.2.1)), by
/// `Cache-Control` alone; nothing at all where that does not say.
fn fresh_for(headers: &HeaderMap) -> Duration {
    let lines = headers.get_all(CACHE_CONTROL).iter().filter_map(|line| line.to_str().ok());
    let directives: Vec<String> =
        lines.flat_map(|line| line.split(',')).map(|one| one.trim().to_ascii_lowercase()).collect();
    if directives.iter().any(|one| one == "no-store" || one == "no-cache") {
        return Duration::ZERO;
    }
    let seconds = directives.iter().find_map(|one| one.strip_prefix("max-age="));
    Duration::from_secs(seconds.and_then(|text| text.trim_matches('"').parse().ok()).unwrap_or(0))
}

/// The innermost cause, which is the one worth reading.
fn innermost(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}

fn refused(why: &str) -> FetchError {
    FetchError(why.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_not_asked_for() {
        let fetch = Fetch::new(vec!["http://127.0.0.1:4711".parse().unwrap()]).unwrap();
        let cases = [
            ("https://client.example/x", true),
            ("https://93.184.216.34/x", true),
            ("http://client.example/x", false),
            ("https://client.example:8443/x", false),
            ("https://127.0.0.1/x", false),
            ("https://127.1/x", false),
            ("https://2130706433/x", false),
            ("https://0x7f.0.0.1/x", false),
            ("https://169.254.169.254/latest/meta-data", false),
            ("https://[::1]/x", false),
            ("https://[::ffff:127.0.0.1]/x", false),
            ("https://[fe80::1]/x", false),
            ("http://127.0.0.1:4711/x", true),
            ("http://127.0.0.1:4712/x", false),
            ("https://127.0.0.1:4711/x", false),
            ("http://localhost:4711/x", false),
        ];
        for (url, want) in cases {
            assert_eq!(fetch.client_for(&Url::parse(url).unwrap()).is_ok(), want, "{url}");
        }
        // A name that leads to this machine, asked for as one that the world has.
        let localhost = "https://localhost/client".parse().unwrap();
        let error = fetch.json(&localhost, 1024).await.err().unwrap();
        assert_eq!(error.to_string(), "its name leads to an address that is not public");
    }

    #[test]
    fn how_long_a_document_may_be_kept() {
        let cases: [(&[&str], u64); 8] = [
            (&[], 0),
            (&["max-age=600"], 600),
            (&["public, MAX-AGE=600"], 600),
            (&["public", "max-age=600"], 600),
            (&["max-age=600, no-store"], 0),
            (&["no-cache", "max-age=600"], 0),
            (&["max-age=-1"], 0),
            (&["max-age=99999999999999999999999"], 0),
        ];
        for (lines, want) in cases {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append(CACHE_CONTROL, line.parse().unwrap());
            }
            assert_eq!(fresh_for(&headers).as_secs(), want, "{lines:?}");
        }
    }

    #[test]
    fn which_types_are_json() {
        let cases = [
            ("application/json", true),
            ("Application/JSON; charset=utf-8", true),
            ("application/client+json", true),
            ("text/html", false),
            ("text/json", false),
            ("image/svg+json", false),
            ("", false),
        ];
        for (value, want) in cases {
            let headers = HeaderMap::from_iter([(CONTENT_TYPE, value.parse().unwrap())]);
            assert_eq!(is_json(&headers), want, "{value}");
        }
        assert!(!is_json(&HeaderMap::new()));
    }
}
