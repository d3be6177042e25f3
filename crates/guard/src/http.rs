//! Fetching what an issuer publishes: bounded in size and time, never redirected, and through no proxy to this machine
//! itself.

use std::sync::OnceLock;
use std::time::Duration;

use axum::http::header::{ACCEPT, CACHE_CONTROL, ETAG, IF_NONE_MATCH};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use url::Url;
use url::form_urlencoded::byte_serialize;
use zeroize::Zeroizing;

use crate::config::ClientSecret;
use crate::location::is_this_machine;

/// The longest document that is read: metadata, a JWK Set.
const MAX_DOCUMENT: usize = 1024 * 1024;
const TIMEOUT: Duration = Duration::from_secs(5);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// Why a document could not be fetched.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FetchError {
    #[error("{url} cannot be reached: {}", cause(.source))]
    Unreachable { url: Url, source: reqwest::Error },
    #[error("{url} answered with status {status}")]
    Status { url: Url, status: StatusCode },
    #[error("the answer of {url} is longer than {limit} bytes")]
    TooLong { url: Url, limit: usize },
    #[error("{url} was quiet for too long")]
    Quiet { url: Url },
}

/// The innermost cause, which is the one worth reading: "connection refused", not "error sending request".
fn cause(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}

/// A document, or word that it has not changed.
pub(crate) enum Document {
    New { body: Vec<u8>, etag: Option<HeaderValue>, max_age: Option<Duration> },
    NotModified { max_age: Option<Duration> },
}

/// What every request of a guard goes through.
///
/// A redirect is an answer like any other status: who can redirect a key set could replace it. A proxy that the
/// environment names (`https_proxy`) is asked for what is elsewhere: it knows another machine by the names of this one,
/// and over plain http it could answer in its place.
#[derive(Clone, Debug)]
pub(crate) struct Http {
    elsewhere: reqwest::Client,
    /// Made when it is needed: few issuers are on this machine, and a client has the system's certificates in memory.
    to_this_machine: OnceLock<reqwest::Client>,
}

impl Http {
    pub(crate) fn new() -> Result<Self, reqwest::Error> {
        Ok(Self { elsewhere: settings().build()?, to_this_machine: OnceLock::new() })
    }

    fn client_for(&self, url: &Url) -> Result<&reqwest::Client, FetchError> {
        if !is_this_machine(url) {
            return Ok(&self.elsewhere);
        }
        if let Some(client) = self.to_this_machine.get() {
            return Ok(client);
        }
        let client = settings().no_proxy().build().map_err(|source| unreachable(url, source))?;
        Ok(self.to_this_machine.get_or_init(|| client))
    }

    fn get(&self, url: &Url) -> Result<reqwest::RequestBuilder, FetchError> {
        Ok(self.client_for(url)?.get(url.clone()))
    }

    /// Fetches a document, unless it is still the one that `etag` names.
    pub(crate) async fn document(
        &self,
        url: &Url,
        etag: Option<&HeaderValue>,
    ) -> Result<Document, FetchError> {
        let mut request = self.get(url)?.timeout(TIMEOUT);
        if let Some(etag) = etag {
            request = request.header(IF_NONE_MATCH, etag);
        }
        let response = send(request, url).await?;
        let max_age = max_age(response.headers());
        match response.status() {
            StatusCode::NOT_MODIFIED if etag.is_some() => Ok(Document::NotModified { max_age }),
            StatusCode::OK => {
                let etag = response.headers().get(ETAG).cloned();
                let body = read(response, url, MAX_DOCUMENT).await?;
                Ok(Document::New { body, etag, max_age })
            }
            status => Err(FetchError::Status { url: url.clone(), status }),
        }
    }

    /// Fetches a document of another kind, of up to `limit` bytes.
    pub(crate) async fn fetch(
        &self,
        url: &Url,
        accept: &'static str,
        limit: usize,
    ) -> Result<Vec<u8>, FetchError> {
        let request = self.get(url)?.timeout(TIMEOUT).header(ACCEPT, accept);
        let response = send(request, url).await?;
        match response.status() {
            StatusCode::OK => read(response, url, limit).await,
            status => Err(FetchError::Status { url: url.clone(), status }),
        }
    }

    /// Fetches a body of up to `limit` bytes that may take long, as long as it keeps coming.
    pub(crate) async fn download(
        &self,
        url: &Url,
        limit: usize,
        quiet: Duration,
    ) -> Result<Vec<u8>, FetchError> {
        let response = self.stream(url, HeaderMap::new(), quiet).await?;
        let mut body = Vec::new();
        let mut stream = Stream { response, url: url.clone() };
        while let Some(chunk) = stream.chunk(quiet).await? {
            append(&mut body, &chunk, url, limit)?;
        }
        Ok(body)
    }

    /// Opens a stream.
    pub(crate) async fn open(
        &self,
        url: &Url,
        headers: HeaderMap,
        quiet: Duration,
    ) -> Result<Stream, FetchError> {
        Ok(Stream { response: self.stream(url, headers, quiet).await?, url: url.clone() })
    }

    async fn stream(
        &self,
        url: &Url,
        headers: HeaderMap,
        quiet: Duration,
    ) -> Result<reqwest::Response, FetchError> {
        let request = send(self.get(url)?.headers(headers), url);
        let quietness = |_| FetchError::Quiet { url: url.clone() };
        let response = tokio::time::timeout(quiet, request).await.map_err(quietness)??;
        match response.status() {
            StatusCode::OK => Ok(response),
            status => Err(FetchError::Status { url: url.clone(), status }),
        }
    }

    /// Posts a form with a client's credentials and reads the answer of up to `limit` bytes, if its status is 200.
    pub(crate) async fn post_form(
        &self,
        url: &Url,
        client: (&str, &ClientSecret),
        form: String,
        limit: usize,
    ) -> Result<Vec<u8>, FetchError> {
        match self.ask(url, client, form, limit).await? {
            (StatusCode::OK, body) => Ok(body),
            (status, _) => Err(FetchError::Status { url: url.clone(), status }),
        }
    }

    /// Posts a form with a client's credentials and reads the answer of whatever status, up to `limit` bytes.
    pub(crate) async fn ask(
        &self,
        url: &Url,
        (client_id, client_secret): (&str, &ClientSecret),
        form: String,
        limit: usize,
    ) -> Result<(StatusCode, Vec<u8>), FetchError> {
        // RFC 6749 section 2.3.1: both are form-encoded before they are joined.
        let encoded = |text: &str| byte_serialize(text.as_bytes()).collect::<String>();
        let secret = Zeroizing::new(encoded(client_secret.expose()));
        let request = self.form(url, form)?.basic_auth(encoded(client_id), Some(secret.as_str()));
        let response = send(request, url).await?;
        Ok((response.status(), read(response, url, limit).await?))
    }

    /// As [`ask`](Self::ask), with a form that has the client's credentials in it.
    pub(crate) async fn ask_in_form(
        &self,
        url: &Url,
        form: String,
        limit: usize,
    ) -> Result<(StatusCode, Vec<u8>), FetchError> {
        let response = send(self.form(url, form)?, url).await?;
        Ok((response.status(), read(response, url, limit).await?))
    }

    fn form(&self, url: &Url, form: String) -> Result<reqwest::RequestBuilder, FetchError> {
        let request = self.client_for(url)?.post(url.clone()).timeout(TIMEOUT);
        let request = request.header("content-type", "application/x-www-form-urlencoded");
        Ok(request.header("accept", "application/json").body(form))
    }
}

fn settings() -> reqwest::ClientBuilder {
    reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(CONNECT_TIMEOUT)
        .user_agent(concat!("gatepass-guard/", env!("CARGO_PKG_VERSION")))
}

/// A body that is read as it comes.
pub(crate) struct Stream {
    response: reqwest::Response,
    url: Url,
}

impl Stream {
    pub(crate) fn headers(&self) -> &HeaderMap {
        self.response.headers()
    }

    /// The next piece, if it comes within `quiet`; `None` at the end.
    pub(crate) async fn chunk(&mut self, quiet: Duration) -> Result<Option<bytes::Bytes>, FetchError> {
        match tokio::time::timeout(quiet, self.response.chunk()).await {
            Ok(chunk) => chunk.map_err(|source| unreachable(&self.url, source)),
            Err(_) => Err(FetchError::Quiet { url: self.url.clone() }),
        }
    }
}

async fn send(request: reqwest::RequestBuilder, url: &Url) -> Result<reqwest::Response, FetchError> {
    request.send().await.map_err(|source| unreachable(url, source))
}

async fn read(mut response: reqwest::Response, url: &Url, limit: usize) -> Result<Vec<u8>, FetchError> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|source| unreachable(url, source))? {
        append(&mut body, &chunk, url, limit)?;
    }
    Ok(body)
}

fn append(body: &mut Vec<u8>, chunk: &[u8], url: &Url, limit: usize) -> Result<(), FetchError> {
    if body.len() + chunk.len() > limit {
        return Err(FetchError::TooLong { url: url.clone(), limit });
    }
    body.extend_from_slice(chunk);
    Ok(())
}

fn unreachable(url: &Url, source: reqwest::Error) -> FetchError {
    FetchError::Unreachable { url: url.clone(), source: source.without_url() }
}

/// How long an answer may be used (RFC 9111 section 5.2.2.1); nothing if it must not be kept.
fn max_age(headers: &HeaderMap) -> Option<Duration> {
    let values = headers.get_all(CACHE_CONTROL).iter().filter_map(|value| value.to_str().ok());
    let directives: Vec<&str> = values.flat_map(|value| value.split(',')).map(str::trim).collect();
    let says = |name: &str| directives.iter().any(|directive| directive.eq_ignore_ascii_case(name));
    if says("no-store") || says("no-cache") {
        return Some(Duration::ZERO);
    }
    directives.iter().find_map(|directive| {
        let (name, seconds) = directive.split_once('=')?;
        let seconds = seconds.trim_matches('"').parse().ok()?;
        name.eq_ignore_ascii_case("max-age").then(|| Duration::from_secs(seconds))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_long_an_answer_may_be_used() {
        let cases = [
            ("nothing_said", vec![], None),
            ("plain", vec!["max-age=300"], Some(300)),
            ("among_others", vec!["public, max-age=60, must-revalidate"], Some(60)),
            ("in_a_second_field", vec!["public", "Max-Age=\"60\""], Some(60)),
            ("no_store", vec!["no-store, max-age=60"], Some(0)),
            ("shared_caches_only", vec!["s-maxage=60"], None),
            ("no_number", vec!["max-age=soon"], None),
            ("negative", vec!["max-age=-1"], None),
        ];
        for (name, fields, want) in cases {
            let mut headers = HeaderMap::new();
            for field in fields {
                headers.append(CACHE_CONTROL, HeaderValue::from_static(field));
            }
            assert_eq!(max_age(&headers), want.map(Duration::from_secs), "{name}");
        }
    }
}
