//! Where a client hears of logouts.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize};
use thiserror::Error;
use url::Url;

use crate::redirect_uri::{InvalidRedirectUri, RedirectUri};

/// Where a client is told that a session of its users has ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClientLogout {
    /// Where it gets a logout token
    /// ([OpenID Connect Back-Channel Logout 1.0](https://openid.net/specs/openid-connect-backchannel-1_0.html)).
    pub backchannel: Option<NotificationUri>,
    /// What the browser opens in a frame of the logout page
    /// ([OpenID Connect Front-Channel Logout 1.0](https://openid.net/specs/openid-connect-frontchannel-1_0.html)).
    pub frontchannel: Option<NotificationUri>,
}

/// Where a client is told something, as it registers it: what a redirect URI is, and `https`, or `http` to this machine. The
/// issuer sends requests to it, so nothing else may be reached by one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NotificationUri(RedirectUri);

/// Why a client cannot be told something there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum InvalidNotificationUri {
    /// It could be no redirect URI either.
    #[error(transparent)]
    Uri(#[from] InvalidRedirectUri),
    /// It is an app's own scheme, which no request can be sent to.
    #[error("the URI is https, or http to 127.0.0.1, [::1] or localhost")]
    Scheme,
}

impl NotificationUri {
    /// The URI's text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// Whether it has the origin of one of these redirect URIs
    /// ([OpenID Connect Front-Channel Logout 1.0 section 2](https://openid.net/specs/openid-connect-frontchannel-1_0.html#RPLogout)).
    #[must_use]
    pub fn is_beside(&self, redirect_uris: &[RedirectUri]) -> bool {
        let origin = |uri: &str| Url::parse(uri).ok().map(|url| url.origin());
        let own = origin(self.as_str());
        redirect_uris.iter().any(|uri| origin(uri.as_str()) == own)
    }

    /// The URI with parameters behind those that it has.
    #[must_use]
    pub fn with(&self, parameters: &[(&str, &str)]) -> Option<Url> {
        let mut url = Url::parse(self.as_str()).ok()?;
        url.query_pairs_mut().extend_pairs(parameters);
        Some(url)
    }
}

impl FromStr for NotificationUri {
    type Err = InvalidNotificationUri;

    fn from_str(text: &str) -> Result<Self, InvalidNotificationUri> {
        let uri: RedirectUri = text.parse()?;
        let is_http = text.starts_with("https://") || text.starts_with("http://");
        if is_http { Ok(Self(uri)) } else { Err(InvalidNotificationUri::Scheme) }
    }
}

impl fmt::Display for NotificationUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for NotificationUri {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_a_client_can_be_told() {
        let cases = [
            ("https", "https://app.example.com/logout?x=1", true),
            ("loopback", "http://127.0.0.1:9000/logout", true),
            ("plain http elsewhere", "http://app.example.com/logout", false),
            ("metadata of a cloud", "http://169.254.169.254/latest", false),
            ("an app's own scheme", "com.example.app:/logout", false),
            ("a file", "file:///etc/passwd", false),
            ("a fragment", "https://app.example.com/logout#x", false),
            ("a user", "https://me:pw@app.example.com/logout", false),
            ("no URI", "logout", false),
        ];
        for (name, text, good) in cases {
            assert_eq!(text.parse::<NotificationUri>().is_ok(), good, "{name}");
        }
    }

    #[test]
    fn parameters_go_behind_those_that_are_there() {
        let uri: NotificationUri = "https://app.example.com/logout?x=1".parse().unwrap();
        let with = uri.with(&[("iss", "https://a.example"), ("sid", "s&t")]).unwrap();
        assert_eq!(with.as_str(), "https://app.example.com/logout?x=1&iss=https%3A%2F%2Fa.example&sid=s%26t");
    }

    #[test]
    fn a_frame_belongs_to_an_origin_of_the_client() {
        let redirect_uris = ["https://app.example.com/callback".parse().unwrap()];
        let beside = |text: &str| text.parse::<NotificationUri>().unwrap().is_beside(&redirect_uris);
        assert!(beside("https://app.example.com/bye"));
        assert!(!beside("https://app.example.com:8443/bye"));
        assert!(!beside("https://evil.example/bye"));
    }
}
