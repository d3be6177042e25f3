//! Where a browser may be sent back to: the redirect URIs that a client registers, and the one rule by
//! which a request's is compared with them.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize};
use thiserror::Error;
use url::{Host, Url};

/// The longest redirect URI that is kept, in bytes.
const MAX_LEN: usize = 2048;

/// The origins for which a native app may choose its port anew each time
/// ([RFC 8252 section 7.3](https://www.rfc-editor.org/rfc/rfc8252#section-7.3)). An address is better than the name, but
/// there are apps that know the name alone, and a name that pointed elsewhere would do so whatever the port
/// ([RFC 9700 section 4.1.3](https://www.rfc-editor.org/rfc/rfc9700#section-4.1.3)).
const LOOPBACK: [&str; 3] = ["http://127.0.0.1", "http://[::1]", "http://localhost"];

/// A redirect URI as a client registers it
/// ([RFC 6749 section 3.1.2](https://www.rfc-editor.org/rfc/rfc6749#section-3.1.2)): absolute, without
/// fragment and user, spelt as every browser spells it, so that the text that is compared and the place
/// that is opened cannot differ.
///
/// It is `https`, or `http` to this machine, or a scheme that an app owns because it is a domain name
/// turned round (`com.example.app`, [RFC 8252 section 7.1](https://www.rfc-editor.org/rfc/rfc8252#section-7.1)).
///
/// ```
/// use gatepass_issuer::redirect_uri::RedirectUri;
///
/// let registered: RedirectUri = "http://127.0.0.1/callback".parse()?;
/// assert!(registered.matches("http://127.0.0.1:51004/callback").is_some());
/// assert!(registered.matches("http://127.0.0.1:51004/callback/more").is_none());
/// assert!("https://app.example.com/../callback".parse::<RedirectUri>().is_err());
/// # Ok::<(), gatepass_issuer::redirect_uri::InvalidRedirectUri>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct RedirectUri(Box<str>);

/// A request's redirect URI that a client's registration allows. Only [`RedirectUri::matches`] makes one:
/// whoever holds it may send the browser there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegisteredRedirectUri(Box<str>);

/// Why a redirect URI cannot be registered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum InvalidRedirectUri {
    /// Not an absolute URI of bounded length.
    #[error("a redirect URI is absolute, in printable ASCII, and at most {MAX_LEN} bytes long")]
    Syntax,
    /// It has a part that browsers keep to themselves, or that hides where it leads.
    #[error("a redirect URI has no fragment, no user and no `*`")]
    Part,
    /// Two programs could read it in two ways.
    #[error(
        "a redirect URI is written as browsers write it: lower-case scheme and host, no `..`, no usual port"
    )]
    NotNormal,
    /// Nobody knows who would get the answer.
    #[error(
        "a redirect URI is https, or http to 127.0.0.1, [::1] or localhost, or has a scheme such as com.example.app"
    )]
    Scheme,
}

impl RedirectUri {
    /// More than a client needs that registers itself.
    pub const MOST: usize = 32;

    /// The URI's text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The proof that `requested` is allowed by this registration: it is the same text or, on the
    /// loopback interface, the same but for the port.
    #[must_use]
    pub fn matches(&self, requested: &str) -> Option<RegisteredRedirectUri> {
        let same = *self.0 == *requested
            || without_loopback_port(&self.0)
                .is_some_and(|own| without_loopback_port(requested) == Some(own));
        same.then(|| RegisteredRedirectUri(requested.into()))
    }
}

impl RegisteredRedirectUri {
    /// The URI's text, as the request had it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether only one party can receive what is sent there. To a loopback address or an app's own
    /// scheme, any program on the device can listen
    /// ([RFC 8252 section 8.6](https://www.rfc-editor.org/rfc/rfc8252#section-8.6)).
    #[must_use]
    pub fn is_claimed(&self) -> bool {
        self.0.starts_with("https://")
    }
}

/// A loopback URI's host and what follows the port; `None` for any other URI.
fn without_loopback_port(uri: &str) -> Option<(&str, &str)> {
    let (address, rest) =
        LOOPBACK.iter().find_map(|address| uri.strip_prefix(address).map(|rest| (*address, rest)))?;
    let Some(with_port) = rest.strip_prefix(':') else { return Some((address, rest)) };
    let digits = with_port.bytes().take_while(u8::is_ascii_digit).count();
    let (port, rest) = with_port.split_at_checked(digits)?;
    let is_port = !port.starts_with('0') && port.parse::<u16>().is_ok();
    is_port.then_some((address, rest))
}

impl FromStr for RedirectUri {
    type Err = InvalidRedirectUri;

    fn from_str(text: &str) -> Result<Self, InvalidRedirectUri> {
        let plain = |byte: u8| byte.is_ascii_graphic() && !br#""<>\^`{|}'"#.contains(&byte);
        if text.len() > MAX_LEN || !text.bytes().all(plain) {
            return Err(InvalidRedirectUri::Syntax);
        }
        let url = Url::parse(text).map_err(|_| InvalidRedirectUri::Syntax)?;
        let has_user = !url.username().is_empty() || url.password().is_some();
        if url.fragment().is_some() || has_user || url.host_str().is_some_and(|host| host.contains('*')) {
            return Err(InvalidRedirectUri::Part);
        }
        let normal = url.as_str();
        if normal != text && normal.strip_suffix('/') != Some(text) {
            return Err(InvalidRedirectUri::NotNormal);
        }
        if is_safe_destination(&url) { Ok(Self(text.into())) } else { Err(InvalidRedirectUri::Scheme) }
    }
}

fn is_safe_destination(url: &Url) -> bool {
    match url.scheme() {
        "https" => true,
        "http" => match url.host() {
            Some(Host::Ipv4(address)) => address == std::net::Ipv4Addr::LOCALHOST,
            Some(Host::Ipv6(address)) => address == std::net::Ipv6Addr::LOCALHOST,
            Some(Host::Domain(name)) => name == "localhost",
            None => false,
        },
        // `javascript`, `data` and `file` have no dot; a domain name turned round has.
        scheme => scheme.contains('.'),
    }
}

impl fmt::Display for RedirectUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for RedirectUri {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        crate::id::deserialize_text(deserializer)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_can_be_registered() {
        use InvalidRedirectUri::*;
        let long = format!("https://app.example.com/{}", "a".repeat(MAX_LEN));
        let cases = [
            ("https", "https://app.example.com/callback", Ok(())),
            ("with_query", "https://app.example.com/callback?tenant=1", Ok(())),
            ("with_port", "https://app.example.com:8443/callback", Ok(())),
            ("without_path", "https://app.example.com", Ok(())),
            ("loopback", "http://127.0.0.1/callback", Ok(())),
            ("loopback_v6", "http://[::1]:8000/callback", Ok(())),
            ("localhost", "http://localhost:5173/callback", Ok(())),
            ("own_scheme", "com.example.app:/callback", Ok(())),
            ("own_scheme_with_host", "com.example.app://callback", Ok(())),
            ("http_elsewhere", "http://app.example.com/callback", Err(Scheme)),
            ("script", "javascript:alert(1)", Err(Scheme)),
            ("data", "data:text/html,x", Err(Scheme)),
            ("file", "file:///etc/passwd", Err(Scheme)),
            ("fragment", "https://app.example.com/callback#x", Err(Part)),
            ("empty_fragment", "https://app.example.com/callback#", Err(Part)),
            ("user", "https://app.example.com@evil.example/callback", Err(Part)),
            ("star", "https://*.example.com/callback", Err(Part)),
            ("dots", "https://app.example.com/a/../callback", Err(NotNormal)),
            ("encoded_dots", "https://app.example.com/a/%2e%2e/callback", Err(NotNormal)),
            ("upper_case_host", "https://App.example.com/callback", Err(NotNormal)),
            ("upper_case_scheme", "HTTPS://app.example.com/callback", Err(NotNormal)),
            ("usual_port", "https://app.example.com:443/callback", Err(NotNormal)),
            ("other_spelling_of_loopback", "http://127.1/callback", Err(NotNormal)),
            ("backslash", "https://app.example.com\\@evil.example/", Err(Syntax)),
            ("newline", "https://app.example.com/\r\nX: y", Err(Syntax)),
            ("space", "https://app.example.com/a b", Err(Syntax)),
            ("not_ascii", "https://äpp.example.com/", Err(Syntax)),
            ("relative", "/callback", Err(Syntax)),
            ("empty", "", Err(Syntax)),
            ("too_long", &long, Err(Syntax)),
        ];
        for (name, text, want) in cases {
            assert_eq!(text.parse::<RedirectUri>().map(drop), want, "{name}");
        }
    }

    #[test]
    fn a_request_names_exactly_what_was_registered() {
        let web = "https://app.example.com/callback";
        let native = "http://127.0.0.1:8000/callback";
        let cases = [
            ("same", web, web, true),
            ("suffix", web, "https://app.example.com/callback/more", false),
            ("prefix", web, "https://app.example.com/call", false),
            ("longer_host", web, "https://app.example.com.evil.example/callback", false),
            ("user", web, "https://app.example.com@evil.example/callback", false),
            ("user_that_looks_like_it", web, "https://x@app.example.com/callback", false),
            ("fragment", web, "https://app.example.com/callback#x", false),
            ("query", web, "https://app.example.com/callback?x=1", false),
            ("slash", web, "https://app.example.com/callback/", false),
            ("traversal", web, "https://app.example.com/callback/../evil", false),
            ("traversal_to_the_same", web, "https://app.example.com/x/../callback", false),
            ("encoded", web, "https://app.example.com/%63allback", false),
            ("case_of_the_path", web, "https://app.example.com/Callback", false),
            ("case_of_the_host", web, "https://APP.example.com/callback", false),
            ("port", web, "https://app.example.com:8443/callback", false),
            ("usual_port", web, "https://app.example.com:443/callback", false),
            ("scheme", web, "http://app.example.com/callback", false),
            ("loopback_same", native, native, true),
            ("loopback_other_port", native, "http://127.0.0.1:51004/callback", true),
            ("loopback_no_port", native, "http://127.0.0.1/callback", true),
            ("loopback_path", native, "http://127.0.0.1:51004/other", false),
            ("loopback_user", native, "http://127.0.0.1:80@evil.example/callback", false),
            ("loopback_longer_host", native, "http://127.0.0.1.evil.example/callback", false),
            ("loopback_port_zero", native, "http://127.0.0.1:0/callback", false),
            ("loopback_port_too_great", native, "http://127.0.0.1:65536/callback", false),
            ("loopback_port_spelt_twice", native, "http://127.0.0.1:080/callback", false),
            ("loopback_other_address", native, "http://127.0.0.2:8000/callback", false),
            ("loopback_v6_for_v4", native, "http://[::1]:8000/callback", false),
            ("loopback_by_name", native, "http://localhost:8000/callback", false),
            ("loopback_v6_other_port", "http://[::1]/cb", "http://[::1]:9/cb", true),
            ("localhost_other_port", "http://localhost:1/cb", "http://localhost:2/cb", true),
            ("localhost_no_port", "http://localhost/cb", "http://localhost:51004/cb", true),
            ("localhost_path", "http://localhost/cb", "http://localhost:51004/other", false),
            ("localhost_by_address", "http://localhost/cb", "http://127.0.0.1:51004/cb", false),
            ("localhost_https", "http://localhost/cb", "https://localhost:51004/cb", false),
            ("localhost_longer_host", "http://localhost/cb", "http://localhost.evil.example/cb", false),
            ("localhost_user", "http://localhost/cb", "http://localhost:80@evil.example/cb", false),
            ("own_scheme", "com.example.app:/cb", "com.example.app:/cb", true),
            ("own_scheme_more", "com.example.app:/cb", "com.example.app:/cb/x", false),
        ];
        for (name, registered, requested, want) in cases {
            let registered: RedirectUri = registered.parse().unwrap();
            assert_eq!(registered.matches(requested).is_some(), want, "{name}");
        }
    }

    proptest! {
        /// Whatever is let through leads where the registration leads.
        #[test]
        fn no_request_leads_to_another_host_or_path(requested in "http://(127\\.0\\.0\\.1|\\[::1\\]|localhost)[:@/.a-z0-9#?%\\\\]{0,24}") {
            for host in ["127.0.0.1", "localhost"] {
                let registered: RedirectUri = format!("http://{host}:8000/cb?x=1").parse().unwrap();
                if registered.matches(&requested).is_none() {
                    continue;
                }
                let url = Url::parse(&requested).unwrap();
                prop_assert_eq!(url.host_str(), Some(host));
                prop_assert_eq!((url.path(), url.query(), url.fragment()), ("/cb", Some("x=1"), None));
                prop_assert!(url.username().is_empty());
            }
        }
    }
}
