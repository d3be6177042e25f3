//! The cookies that hold a browser's refresh token, its login, and what its forms are bound to
//! ([RFC 6265](https://www.rfc-editor.org/rfc/rfc6265)).

use std::borrow::Cow;
use std::time::Duration;

use gatepass_issuer::{DeviceCookie, KNOWN_DEVICE_LIFETIME, LoginCookie, RefreshToken};
use http::header::{COOKIE, InvalidHeaderValue};
use http::{HeaderMap, HeaderValue};
use thiserror::Error;
use zeroize::Zeroizing;

use crate::config::HttpConfig;

/// How long a browser keeps a login that has begun at a provider, in seconds.
const BEGUN_LIFETIME: u64 = 600;

/// Reads and writes one cookie.
#[derive(Debug)]
struct Cookie {
    name: Box<str>,
    attributes: String,
}

/// Reads and writes the refresh cookie.
#[derive(Debug)]
pub(crate) struct RefreshCookie(Cookie);

/// Reads and writes the cookies of the login pages. Their prefix `__Host-` makes browsers refuse them from a
/// neighbour and from a connection that is not encrypted. They go when the
/// browser does, but for the one that knows it again.
#[derive(Debug)]
pub(crate) struct PageCookies {
    /// Names the login.
    login: Cookie,
    /// A secret that forms are bound to.
    browser: Cookie,
    /// A login that has begun at a provider.
    begun: Cookie,
    /// Says that a user has logged in with this browser before. It stays when the browser goes.
    device: Cookie,
}

/// The request has two cookies of that name. One of them was planted, and nobody can tell which.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the request has the same cookie more than once")]
pub(crate) struct TwoCookies;

impl RefreshCookie {
    /// The cookie goes to the session endpoints, which are found below the issuer's own path, and
    /// nowhere else.
    pub(crate) fn new(config: &HttpConfig, issuer_path: &str) -> Self {
        let path = issuer_path.trim_end_matches('/');
        let same_site = config.same_site.name();
        Self(Cookie {
            name: config.cookie_name.as_str().into(),
            attributes: format!("Path={path}/session; HttpOnly; Secure; SameSite={same_site}"),
        })
    }

    /// The refresh token in the request's cookies. An empty one is none.
    pub(crate) fn find<'h>(&self, headers: &'h HeaderMap) -> Result<Option<Cow<'h, str>>, TwoCookies> {
        self.0.find(headers)
    }

    /// `Set-Cookie` with a new refresh token.
    pub(crate) fn set(
        &self,
        token: &RefreshToken,
        lives_for: Duration,
    ) -> Result<HeaderValue, InvalidHeaderValue> {
        self.0.write(token.expose(), Some(lives_for.as_secs()))
    }

    /// `Set-Cookie` that makes the browser forget it.
    pub(crate) fn clear(&self) -> Result<HeaderValue, InvalidHeaderValue> {
        self.0.write("", Some(0))
    }
}

impl PageCookies {
    pub(crate) fn new() -> Self {
        // `Lax`: an application sends the browser here with a link or a redirect, and the login must come along.
        let cookie = |name: &str| Cookie {
            name: name.into(),
            attributes: "Path=/; HttpOnly; Secure; SameSite=Lax".to_owned(),
        };
        Self {
            login: cookie("__Host-gatepass-login"),
            browser: cookie("__Host-gatepass-browser"),
            begun: cookie("__Host-gatepass-provider"),
            device: cookie("__Host-gatepass-device"),
        }
    }

    /// The login that the request's cookies name.
    pub(crate) fn login<'h>(&self, headers: &'h HeaderMap) -> Result<Option<Cow<'h, str>>, TwoCookies> {
        self.login.find(headers)
    }

    /// The secret that the browser's forms are bound to.
    pub(crate) fn browser<'h>(&self, headers: &'h HeaderMap) -> Result<Option<Cow<'h, str>>, TwoCookies> {
        self.browser.find(headers)
    }

    /// The login that has begun at a provider, sealed.
    pub(crate) fn begun<'h>(&self, headers: &'h HeaderMap) -> Result<Option<Cow<'h, str>>, TwoCookies> {
        self.begun.find(headers)
    }

    /// `Set-Cookie` with a login that begins at a provider.
    pub(crate) fn set_begun(&self, sealed: &str) -> Result<HeaderValue, InvalidHeaderValue> {
        self.begun.write(sealed, Some(BEGUN_LIFETIME))
    }

    /// `Set-Cookie` that makes the browser forget it.
    pub(crate) fn clear_begun(&self) -> Result<HeaderValue, InvalidHeaderValue> {
        self.begun.write("", Some(0))
    }

    /// What the browser keeps since its user's last login with it.
    pub(crate) fn device<'h>(&self, headers: &'h HeaderMap) -> Result<Option<Cow<'h, str>>, TwoCookies> {
        self.device.find(headers)
    }

    /// `Set-Cookie` with what it is to keep from now on.
    pub(crate) fn set_device(&self, device: &DeviceCookie) -> Result<HeaderValue, InvalidHeaderValue> {
        self.device.write(device.expose(), Some(KNOWN_DEVICE_LIFETIME.as_secs()))
    }

    /// `Set-Cookie` with a new login.
    pub(crate) fn set_login(&self, login: &LoginCookie) -> Result<HeaderValue, InvalidHeaderValue> {
        self.login.write(login.expose(), None)
    }

    /// `Set-Cookie` that makes the browser forget its login.
    pub(crate) fn clear_login(&self) -> Result<HeaderValue, InvalidHeaderValue> {
        self.login.write("", Some(0))
    }

    /// `Set-Cookie` with a new secret for forms.
    pub(crate) fn set_browser(&self, secret: &str) -> Result<HeaderValue, InvalidHeaderValue> {
        self.browser.write(secret, None)
    }
}

impl Cookie {
    /// The value in the request's cookies. An empty one is none.
    fn find<'h>(&self, headers: &'h HeaderMap) -> Result<Option<Cow<'h, str>>, TwoCookies> {
        let pairs = headers.get_all(COOKIE).iter().flat_map(|value| value.as_bytes().split(|b| *b == b';'));
        let mut values = pairs.filter_map(|pair| self.value(pair));
        match (values.next(), values.next()) {
            (Some(_), Some(_)) => Err(TwoCookies),
            (found, _) => Ok(found.filter(|value| !value.is_empty()).map(String::from_utf8_lossy)),
        }
    }

    fn value<'h>(&self, pair: &'h [u8]) -> Option<&'h [u8]> {
        let value = pair.trim_ascii().strip_prefix(self.name.as_bytes())?;
        value.trim_ascii_start().strip_prefix(b"=").map(<[u8]>::trim_ascii)
    }

    /// Without `max_age` the cookie goes when the browser does.
    fn write(&self, value: &str, max_age: Option<u64>) -> Result<HeaderValue, InvalidHeaderValue> {
        let Self { name, attributes } = self;
        let max_age = max_age.map(|seconds| format!("; Max-Age={seconds}")).unwrap_or_default();
        let cookie = Zeroizing::new(format!("{name}={value}; {attributes}{max_age}"));
        let mut header = HeaderValue::from_str(&cookie)?;
        header.set_sensitive(true);
        Ok(header)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cookie(issuer_path: &str) -> RefreshCookie {
        RefreshCookie::new(&HttpConfig::default(), issuer_path)
    }

    #[test]
    fn which_cookie_is_read() {
        type Found = Result<Option<&'static str>, TwoCookies>;
        let cases: [(&str, &[&str], Found); 10] = [
            ("none", &[], Ok(None)),
            ("alone", &["__Secure-gatepass-refresh=t"], Ok(Some("t"))),
            ("among_others", &["a=1; __Secure-gatepass-refresh=t; b=2"], Ok(Some("t"))),
            ("without_space", &["a=1;__Secure-gatepass-refresh=t"], Ok(Some("t"))),
            ("in_a_second_header", &["a=1", "__Secure-gatepass-refresh=t"], Ok(Some("t"))),
            ("longer_name", &["__Secure-gatepass-refresh2=t"], Ok(None)),
            ("other_case", &["__secure-gatepass-refresh=t"], Ok(None)),
            ("empty", &["__Secure-gatepass-refresh="], Ok(None)),
            ("two", &["__Secure-gatepass-refresh=t; __Secure-gatepass-refresh=u"], Err(TwoCookies)),
            ("two_spaced", &["__Secure-gatepass-refresh =t; __Secure-gatepass-refresh=t"], Err(TwoCookies)),
        ];
        for (name, values, want) in cases {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(COOKIE, value.parse().unwrap());
            }
            let found = cookie("/").find(&headers);
            assert_eq!(found.as_ref().map(Option::as_deref), want.as_ref().map(|value| *value), "{name}");
        }
    }

    #[test]
    fn the_cookie_stays_with_the_session_endpoints() {
        let cleared =
            "__Secure-gatepass-refresh=; Path=/session; HttpOnly; Secure; SameSite=Strict; Max-Age=0";
        assert_eq!(cookie("/").clear().unwrap(), cleared);
        let below = cookie("/auth/").clear().unwrap();
        assert!(below.to_str().unwrap().contains("Path=/auth/session;"));
    }
}
