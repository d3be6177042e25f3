//! Requests and answers, with messages that show the whole exchange when an answer is not the expected one.

use std::time::Duration;

use reqwest::header::{HeaderMap, SET_COOKIE};
use reqwest::{Client, RequestBuilder};
use serde_json::Value;

/// A client that follows no redirect and keeps no cookie: a test sends exactly what it says.
pub fn client() -> Client {
    Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .timeout(Duration::from_secs(30))
        .build()
        .expect("an HTTP client")
}

/// Sends a request and reads the whole answer.
///
/// # Panics
/// There was no answer.
pub async fn send(request: RequestBuilder) -> Answer {
    match try_send(request).await {
        Ok(answer) => answer,
        Err(error) => panic!("no answer: {error:?}"),
    }
}

/// Sends a request whose answer may be lost.
///
/// # Errors
/// The connection broke before the answer was complete.
pub async fn try_send(request: RequestBuilder) -> Result<Answer, reqwest::Error> {
    let (client, request) = request.build_split();
    let request = request?;
    let asked = format!("{} {}", request.method(), request.url());
    let response = client.execute(request).await?;
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    Ok(Answer { asked, status, headers, body: response.bytes().await?.to_vec() })
}

/// One whole answer.
#[derive(Clone)]
pub struct Answer {
    asked: String,
    /// The HTTP status.
    pub status: u16,
    /// The header fields.
    pub headers: HeaderMap,
    /// The content.
    pub body: Vec<u8>,
}

impl Answer {
    /// The answer itself where its status is this one.
    #[track_caller]
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "the wrong status\n{}", self.shown());
        self
    }

    /// The content as JSON.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("not JSON: {error}\n{}", self.shown()))
    }

    /// A string of the JSON content, by JSON pointer.
    #[track_caller]
    pub fn text(&self, pointer: &str) -> String {
        match self.json().pointer(pointer).and_then(Value::as_str) {
            Some(text) => text.to_owned(),
            None => panic!("no string at {pointer}\n{}", self.shown()),
        }
    }

    /// The value of a header field that is there at most once.
    #[track_caller]
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.headers.get_all(name).iter();
        let first = values.next().map(|value| value.to_str().expect("a header value in ASCII"));
        assert!(values.next().is_none(), "`{name}` is there more than once\n{}", self.shown());
        first
    }

    /// Where a browser goes on to by itself: by a redirect, or by a page that comes between.
    #[track_caller]
    pub fn leads_to(&self) -> Option<&str> {
        self.header("location").or_else(|| self.header("refresh")?.strip_prefix("0; url="))
    }

    /// All values of a header field, with commas between them.
    #[track_caller]
    pub fn all(&self, name: &str) -> String {
        let values = self.headers.get_all(name).iter();
        values.map(|value| value.to_str().expect("a header value in ASCII")).collect::<Vec<_>>().join(", ")
    }

    /// Every cookie that the answer sets.
    #[track_caller]
    pub fn set_cookies(&self) -> Vec<SetCookie> {
        let values = self.headers.get_all(SET_COOKIE).iter();
        values.map(|value| SetCookie::parse(value.to_str().expect("a Set-Cookie in ASCII"))).collect()
    }

    /// Whole seconds of `Retry-After`.
    #[track_caller]
    pub fn retry_after(&self) -> u64 {
        let value = self.header("retry-after").unwrap_or_else(|| panic!("no Retry-After\n{}", self.shown()));
        value.parse().unwrap_or_else(|_| panic!("Retry-After is not a number of seconds\n{}", self.shown()))
    }

    /// Checks for problem details (RFC 9457) with this status and our stable `code`.
    #[track_caller]
    pub fn expect_problem(self, status: u16, code: &str) -> Self {
        let answer = self.expect(status).expect_problem_shape();
        assert_eq!(answer.text("/code"), code, "another code than expected\n{}", answer.shown());
        answer
    }

    /// Checks for problem details (RFC 9457) of whatever code.
    #[track_caller]
    pub fn expect_problem_shape(self) -> Self {
        let shown = self.shown();
        let content_type = self.header("content-type").unwrap_or("none");
        assert!(content_type.starts_with("application/problem+json"), "content type {content_type}\n{shown}");
        let problem = self.json();
        for member in ["title", "code"] {
            let text = problem[member].as_str().unwrap_or_default();
            assert!(!text.is_empty(), "the problem has no `{member}`\n{shown}");
        }
        assert_eq!(problem["status"], self.status, "the member `status` differs from the answer's\n{shown}");
        self
    }

    /// Checks for an OAuth error (RFC 6749 section 5.2).
    #[track_caller]
    pub fn expect_oauth_error(self, status: u16, error: &str) -> Self {
        let answer = self.expect(status);
        assert_eq!(answer.text("/error"), error, "another OAuth error\n{}", answer.shown());
        assert_eq!(
            answer.header("cache-control"),
            Some("no-store"),
            "RFC 6749 section 5.2\n{}",
            answer.shown()
        );
        answer
    }

    /// The exchange for a failure's message, bounded.
    pub fn shown(&self) -> String {
        let mut text = format!("  {}\n  -> {}\n", self.asked, self.status);
        for (name, value) in &self.headers {
            text += &format!("  {name}: {}\n", String::from_utf8_lossy(value.as_bytes()));
        }
        text + "  " + &String::from_utf8_lossy(&self.body[..self.body.len().min(2_000)])
    }
}

/// One `Set-Cookie` (RFC 6265 section 4.1).
#[derive(Debug, Clone)]
pub struct SetCookie {
    /// The cookie's name.
    pub name: String,
    /// The cookie's value; empty in one that clears it.
    pub value: String,
    attributes: Vec<(String, String)>,
}

impl SetCookie {
    fn parse(text: &str) -> Self {
        let mut parts = text.split(';').map(|part| part.trim().split_once('=').unwrap_or((part.trim(), "")));
        let (name, value) = parts.next().expect("split gives at least one part");
        let attributes = parts.map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned())).collect();
        Self { name: name.to_owned(), value: value.to_owned(), attributes }
    }

    /// An attribute's value by its name in lower case; `Some("")` for one without.
    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(given, _)| given == name).map(|(_, value)| value.as_str())
    }

    /// As the `Cookie` field carries it back.
    pub fn pair(&self) -> String {
        format!("{}={}", self.name, self.value)
    }
}
