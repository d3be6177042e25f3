//! Fetching what an issuer publishes, for a person who wants to know once: bounded in size and time, never
//! redirected, and through no proxy to this machine itself.
//!
//! A guard does the same for as long as it runs, with a cache, a schedule and patience, none of which a
//! command needs.

use std::time::Duration;

use gatepass_jose::parse_strict_json;
use serde::Deserialize;
use url::{Host, Url};

use crate::complaint::Complaint;

/// The longest document that is read: metadata, or a JWK Set.
const MAX_DOCUMENT: usize = 1024 * 1024;
const TIMEOUT: Duration = Duration::from_secs(10);

/// A client with its rules.
pub(crate) struct Fetch {
    to_this_machine: reqwest::Client,
    elsewhere: reqwest::Client,
    insecure_http: bool,
}

/// What of an issuer's metadata is needed to verify its tokens.
#[derive(Deserialize)]
struct Metadata {
    issuer: String,
    jwks_uri: Option<String>,
}

impl Fetch {
    /// `insecure_http` allows plain http to other machines.
    pub(crate) fn new(insecure_http: bool) -> Result<Self, Complaint> {
        let unusable = |error| Complaint::unusable("the HTTP client cannot be set up").at(error);
        Ok(Self {
            to_this_machine: settings(TIMEOUT).no_proxy().build().map_err(unusable)?,
            elsewhere: settings(TIMEOUT).build().map_err(unusable)?,
            insecure_http,
        })
    }

    /// Where an issuer publishes its keys, by its metadata: OpenID Connect's, or else OAuth's.
    ///
    /// `issuer` in them must equal `issuer`, character for character
    /// ([RFC 8414 section 3.3](https://www.rfc-editor.org/rfc/rfc8414#section-3.3)): else a server could
    /// pass off its keys as another's.
    pub(crate) async fn jwks_uri(&self, issuer: &str) -> Result<Url, Complaint> {
        let [openid, oauth] = metadata_urls(issuer)?;
        let (url, answer) = match self.answer(&openid).await? {
            Answer::Status(_) => (oauth.clone(), self.answer(&oauth).await?),
            answer => (openid, answer),
        };
        let body = match answer {
            Answer::Document(body) => body,
            Answer::Status(status) => {
                let asked = format!("it has no metadata: {url} answered with {status}");
                let hint = "name its key set with --jwks URL, and the issuer with --iss";
                return Err(Complaint::unusable(format!("cannot find the keys of {issuer}"))
                    .at(asked)
                    .try_this(hint));
            }
        };
        let cannot = || Complaint::unusable(format!("cannot use the metadata at {url}"));
        let metadata: Metadata = parse_strict_json(&body).map_err(|error| cannot().at(error))?;
        if metadata.issuer != issuer {
            let found: String = metadata.issuer.chars().take(200).collect();
            return Err(cannot().at(format!("they are those of \"{}\"", found.escape_debug())));
        }
        let jwks_uri = metadata.jwks_uri.ok_or_else(|| cannot().at("they name no `jwks_uri`"))?;
        Url::parse(&jwks_uri).map_err(|_| cannot().at("`jwks_uri` is no URL"))
    }

    /// The document at a URL.
    pub(crate) async fn document(&self, url: &Url) -> Result<Vec<u8>, Complaint> {
        match self.answer(url).await? {
            Answer::Document(body) => Ok(body),
            Answer::Status(status) => {
                Err(Complaint::unusable(format!("cannot fetch {url}"))
                    .at(format!("it answered with {status}")))
            }
        }
    }

    async fn answer(&self, url: &Url) -> Result<Answer, Complaint> {
        self.require_safe(url)?;
        let client = if is_this_machine(url) { &self.to_this_machine } else { &self.elsewhere };
        let cannot = || Complaint::unusable(format!("cannot fetch {url}"));
        let unreachable = |error: reqwest::Error| cannot().at(innermost(&error));
        let mut response = client.get(url.clone()).send().await.map_err(unreachable)?;
        let status = response.status();
        if status.is_redirection() {
            let location = location(response.headers());
            return Err(cannot()
                .at(format!(
                    "it redirects to {location}, which is not followed: who can redirect a key set could replace it"
                ))
                .try_this("name that URL itself, if you trust it"));
        }
        if !status.is_success() {
            return Ok(Answer::Status(status));
        }
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(unreachable)? {
            body.extend_from_slice(&chunk);
            if body.len() > MAX_DOCUMENT {
                return Err(cannot().at(format!("the answer is longer than {MAX_DOCUMENT} bytes")));
            }
        }
        Ok(Answer::Document(body))
    }

    /// Keys that anybody on the way could have replaced prove nothing.
    fn require_safe(&self, url: &Url) -> Result<(), Complaint> {
        match url.scheme() {
            "https" => Ok(()),
            "http" if self.insecure_http || is_this_machine(url) => Ok(()),
            "http" => Err(Complaint::unusable(format!(
                "{url} cannot be trusted: anybody on the way can change what it says"
            ))
            .try_this("https, or --insecure-http where nobody else is on the way")),
            _ => Err(Complaint::unusable(format!("{url} is not an http or https URL"))),
        }
    }
}

enum Answer {
    Document(Vec<u8>),
    Status(http::StatusCode),
}

/// `…/.well-known/openid-configuration` after the issuer's path, and `/.well-known/oauth-authorization-server…`
/// before it ([RFC 8414 section 5](https://www.rfc-editor.org/rfc/rfc8414#section-5)).
fn metadata_urls(issuer: &str) -> Result<[Url; 2], Complaint> {
    let url = Url::parse(issuer)
        .ok()
        .filter(|url| url.has_host() && url.query().is_none() && url.fragment().is_none());
    let url = url.ok_or_else(|| {
        Complaint::unusable(format!("\"{}\" is no issuer", issuer.escape_debug()))
            .at("an issuer is an http or https URL without query and fragment (RFC 8414 section 2)")
            .try_this("--jwks FILE --iss NAME, for an issuer whose name is no URL")
    })?;
    let path = url.path().trim_end_matches('/').to_owned();
    let at = |path: String| {
        let mut url = url.clone();
        url.set_path(&path);
        url
    };
    Ok([
        at(format!("{path}/.well-known/openid-configuration")),
        at(format!("/.well-known/oauth-authorization-server{path}")),
    ])
}

/// What every request of a command has: an end, and no redirects.
pub(crate) fn settings(timeout: Duration) -> reqwest::ClientBuilder {
    reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .timeout(timeout)
        .user_agent(concat!("gatepass/", env!("CARGO_PKG_VERSION")))
}

/// Where a redirect leads, fit to be shown.
pub(crate) fn location(headers: &http::HeaderMap) -> String {
    let location = headers.get(http::header::LOCATION);
    let location = location.map_or("elsewhere".into(), |value| String::from_utf8_lossy(value.as_bytes()));
    location.chars().take(200).collect::<String>().escape_debug().to_string()
}

pub(crate) fn is_this_machine(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// The innermost cause, which is the one worth reading: "connection refused", not "error sending request".
pub(crate) fn innermost(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_metadata_are_looked_for() {
        let cases = [
            (
                "https://a.example",
                "https://a.example/.well-known/openid-configuration",
                "https://a.example/.well-known/oauth-authorization-server",
            ),
            (
                "https://a.example/x/",
                "https://a.example/x/.well-known/openid-configuration",
                "https://a.example/.well-known/oauth-authorization-server/x",
            ),
        ];
        for (issuer, openid, oauth) in cases {
            let [found_openid, found_oauth] = metadata_urls(issuer).unwrap();
            assert_eq!((found_openid.as_str(), found_oauth.as_str()), (openid, oauth), "{issuer}");
        }
        for issuer in ["", "a.example", "https://a.example/?x", "https://a.example/#x", "urn:a"] {
            assert!(metadata_urls(issuer).is_err(), "{issuer}");
        }
    }

    #[test]
    fn plain_http_is_for_this_machine() {
        let cases = [
            ("https://a.example/", true),
            ("http://127.0.0.1:1/", true),
            ("http://[::1]/", true),
            ("http://localhost/", true),
            ("http://a.example/", false),
            ("http://localhost.a.example/", false),
            ("ftp://a.example/", false),
        ];
        let careful = Fetch::new(false).unwrap();
        for (url, want) in cases {
            assert_eq!(careful.require_safe(&Url::parse(url).unwrap()).is_ok(), want, "{url}");
        }
        let careless = Fetch::new(true).unwrap();
        assert!(careless.require_safe(&Url::parse("http://a.example/").unwrap()).is_ok());
    }
}
