//! The two cookies: one names a session, the other holds a login that has begun, and for a moment after it, of which
//! kind it was.
//!
//! Both are `__Host-` cookies, which browsers take over https from this host alone, and neither from a neighbour nor
//! from a script. They are `SameSite=Lax` and not `Strict`: the issuer sends the browser back here, and a browser
//! brings no strict cookie to the page that such a journey ends at, so that every login would seem to have
//! failed. What Lax leaves open (links on other sites) [`super::site`] decides.

use std::time::Duration;

use http::{HeaderMap, HeaderValue, header};
use zeroize::Zeroizing;

/// What browsers keep a login for that has begun.
pub(super) const LOGIN_LIFETIME: Duration = Duration::from_secs(600);
/// For so long after a login nobody is sent to another of its kind unasked.
const MOMENT: Duration = Duration::from_secs(30);

#[derive(Debug)]
pub(crate) struct Cookies {
    session: Box<str>,
    login: Box<str>,
}

/// The request has the same cookie twice: one was planted, and nobody can tell which.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TwoCookies;

impl Cookies {
    /// For a session's cookie of this name.
    pub(crate) fn new(session: &str) -> Self {
        Self { session: session.into(), login: format!("{session}-login").into() }
    }

    pub(super) fn session<'h>(&self, headers: &'h HeaderMap) -> Result<Option<&'h [u8]>, TwoCookies> {
        find(headers, &self.session)
    }

    pub(super) fn login<'h>(&self, headers: &'h HeaderMap) -> Result<Option<&'h [u8]>, TwoCookies> {
        find(headers, &self.login)
    }

    pub(super) fn set_session(&self, value: &str, lifetime: Duration) -> HeaderValue {
        write(&self.session, value, lifetime)
    }

    pub(super) fn set_login(&self, value: &str) -> HeaderValue {
        write(&self.login, value, LOGIN_LIFETIME)
    }

    /// For a login that was completed.
    pub(super) fn set_login_done(&self, mark: &str) -> HeaderValue {
        write(&self.login, mark, MOMENT)
    }

    pub(crate) fn clear_session(&self) -> HeaderValue {
        write(&self.session, "", Duration::ZERO)
    }

    pub(super) fn clear_login(&self) -> HeaderValue {
        write(&self.login, "", Duration::ZERO)
    }

    /// Takes both out of a request that goes upstream.
    pub(crate) fn strip(&self, headers: &mut HeaderMap) {
        let is_own =
            |pair: &[u8]| [&self.session, &self.login].iter().any(|name| value_of(pair, name).is_some());
        let has_own = |value: &HeaderValue| value.as_bytes().split(|byte| *byte == b';').any(is_own);
        if !headers.get_all(header::COOKIE).iter().any(has_own) {
            return;
        }
        let fields: Vec<HeaderValue> = headers.get_all(header::COOKIE).iter().cloned().collect();
        headers.remove(header::COOKIE);
        for field in fields {
            let pairs = field.as_bytes().split(|byte| *byte == b';').map(<[u8]>::trim_ascii);
            let others: Vec<&[u8]> = pairs.filter(|pair| !is_own(pair)).collect();
            // Parts of a field's value are one as well.
            if let Ok(left) = HeaderValue::from_bytes(&others.join(&b"; "[..]))
                && !left.is_empty()
            {
                headers.append(header::COOKIE, left);
            }
        }
    }

    /// What is left of a request's cookies without both. `None` where nothing is.
    pub(crate) fn others(&self, headers: &HeaderMap) -> Option<HeaderValue> {
        let mut left = HeaderMap::new();
        for field in headers.get_all(header::COOKIE) {
            left.append(header::COOKIE, field.clone());
        }
        self.strip(&mut left);
        let fields: Vec<&[u8]> = left.get_all(header::COOKIE).iter().map(HeaderValue::as_bytes).collect();
        HeaderValue::from_bytes(&fields.join(&b"; "[..])).ok().filter(|cookies| !cookies.is_empty())
    }

    /// Takes both out of what an upstream would have the browser keep: sessions are not its to begin or end.
    pub(crate) fn refuse_foreign(&self, headers: &mut HeaderMap) {
        let is_own = |value: &HeaderValue| {
            let pair = value.as_bytes().split(|byte| *byte == b';').next().unwrap_or_default();
            [&self.session, &self.login].iter().any(|name| value_of(pair, name).is_some())
        };
        if headers.get_all(header::SET_COOKIE).iter().any(is_own) {
            let others: Vec<HeaderValue> =
                headers.get_all(header::SET_COOKIE).iter().filter(|value| !is_own(value)).cloned().collect();
            headers.remove(header::SET_COOKIE);
            headers.extend(others.into_iter().map(|value| (header::SET_COOKIE, value)));
        }
    }
}

/// The value of a cookie. An empty one is none.
fn find<'h>(headers: &'h HeaderMap, name: &str) -> Result<Option<&'h [u8]>, TwoCookies> {
    let pairs =
        headers.get_all(header::COOKIE).iter().flat_map(|value| value.as_bytes().split(|b| *b == b';'));
    let mut values = pairs.filter_map(|pair| value_of(pair, name));
    match (values.next(), values.next()) {
        (Some(_), Some(_)) => Err(TwoCookies),
        (found, _) => Ok(found.filter(|value| !value.is_empty())),
    }
}

/// The value in `name=value`, if the name is this one. Browsers hold `__Host-` to be a prefix in whatever case, and
/// some servers read names so, too.
fn value_of<'p>(pair: &'p [u8], name: &str) -> Option<&'p [u8]> {
    let (found, value) = pair.trim_ascii().split_at_checked(name.len())?;
    if !found.eq_ignore_ascii_case(name.as_bytes()) {
        return None;
    }
    value.trim_ascii_start().strip_prefix(b"=").map(<[u8]>::trim_ascii)
}

fn write(name: &str, value: &str, lifetime: Duration) -> HeaderValue {
    let seconds = lifetime.as_secs();
    let text =
        Zeroizing::new(format!("{name}={value}; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age={seconds}"));
    // A name that was checked, base64url, a dot and digits.
    let mut header = HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static(""));
    header.set_sensitive(true);
    header
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_cookies_end_here_and_all_others_go_on() {
        let cases: [(&[&str], &[&str]); 9] = [
            (&["a=1; b=2"], &["a=1; b=2"]),
            (&["__Host-session=s"], &[]),
            (&["a=1; __Host-session=s; b=2"], &["a=1; b=2"]),
            (&["__Host-session-login=t;a=1"], &["a=1"]),
            (&["__host-SESSION = s; a=1"], &["a=1"]),
            (&["__Host-session=s; __Host-session=t; __Host-session-login=u"], &[]),
            (&["a=1", "__Host-session=s", "b=__Host-session=s"], &["a=1", "b=__Host-session=s"]),
            (&["__Host-sessions=1; x__Host-session=2"], &["__Host-sessions=1; x__Host-session=2"]),
            (&[" __Host-session=s ; a=\"1\" "], &["a=\"1\""]),
        ];
        for (given, want) in cases {
            let mut headers = HeaderMap::new();
            for value in given {
                headers.append(header::COOKIE, value.parse().unwrap());
            }
            Cookies::new("__Host-session").strip(&mut headers);
            let left: Vec<_> =
                headers.get_all(header::COOKIE).iter().map(|value| value.to_str().unwrap()).collect();
            assert_eq!(left, want, "{given:?}");
        }
    }

    #[test]
    fn a_cookie_that_stands_twice_is_none() {
        let cookies = Cookies::new("__Host-session");
        let mut headers = HeaderMap::new();
        assert_eq!(cookies.session(&headers), Ok(None));
        headers.append(header::COOKIE, "a=1; __Host-session=s".parse().unwrap());
        assert_eq!((cookies.session(&headers), cookies.login(&headers)), (Ok(Some(&b"s"[..])), Ok(None)));
        headers.append(header::COOKIE, "__Host-session=s".parse().unwrap());
        assert_eq!(cookies.session(&headers), Err(TwoCookies));
    }

    #[test]
    fn an_upstream_sets_its_own_cookies_only() {
        let mut headers = HeaderMap::new();
        for value in ["a=1; Path=/", "__Host-session=planted; Path=/", "b=2"] {
            headers.append(header::SET_COOKIE, value.parse().unwrap());
        }
        Cookies::new("__Host-session").refuse_foreign(&mut headers);
        let left: Vec<_> = headers.get_all(header::SET_COOKIE).iter().collect();
        assert_eq!(left, ["a=1; Path=/", "b=2"]);
    }

    #[test]
    fn what_browsers_are_told_of_a_cookie() {
        let set = Cookies::new("__Host-s").set_session("v", Duration::from_secs(60));
        assert_eq!(set, "__Host-s=v; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=60");
        assert!(set.is_sensitive());
    }
}
