//! The cookies: one names a session, each login that is under way has one of its own, and one says for a moment after a
//! login of which kind it was.
//!
//! All are `__Host-` cookies, which browsers take over https from this host alone, and neither from a neighbour nor
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
/// By so many characters a login's cookie is known among those of others.
pub(super) const LOGIN_KEY: usize = 8;
/// No login has this key: it is shorter.
const DONE: &str = "done";

#[derive(Debug)]
pub(crate) struct Cookies {
    session: Box<str>,
    /// What the names of all others begin with: the key of a login follows, or `done`.
    login: Box<str>,
}

/// The request has the same cookie twice: one was planted, and nobody can tell which.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TwoCookies;

impl Cookies {
    /// For a session's cookie of this name.
    pub(crate) fn new(session: &str) -> Self {
        Self { session: session.into(), login: format!("{session}-login-").into() }
    }

    pub(super) fn session<'h>(&self, headers: &'h HeaderMap) -> Result<Option<&'h [u8]>, TwoCookies> {
        find(headers, &self.session)
    }

    /// The login of this key.
    pub(super) fn login<'h>(
        &self,
        headers: &'h HeaderMap,
        key: &str,
    ) -> Result<Option<&'h [u8]>, TwoCookies> {
        find(headers, &self.login_name(key))
    }

    /// Key and value of each login, in the order in which the browser sends them.
    pub(super) fn logins<'h>(&self, headers: &'h HeaderMap) -> impl Iterator<Item = (&'h str, &'h [u8])> {
        pairs(headers).filter_map(|pair| {
            let (key, rest) = after(pair, &self.login)?.split_at_checked(LOGIN_KEY)?;
            let is_key = key.iter().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(byte));
            let key = std::str::from_utf8(key).ok().filter(|_| is_key)?;
            Some((key, value(rest)?))
        })
    }

    /// Of which kind the login was that was completed a moment ago.
    pub(super) fn login_done<'h>(&self, headers: &'h HeaderMap) -> Result<Option<&'h [u8]>, TwoCookies> {
        find(headers, &self.login_name(DONE))
    }

    pub(super) fn set_session(&self, value: &str, lifetime: Duration) -> HeaderValue {
        write(&self.session, value, lifetime)
    }

    pub(super) fn set_login(&self, key: &str, value: &str) -> HeaderValue {
        write(&self.login_name(key), value, LOGIN_LIFETIME)
    }

    /// For a login that was completed.
    pub(super) fn set_login_done(&self, mark: &str) -> HeaderValue {
        write(&self.login_name(DONE), mark, MOMENT)
    }

    pub(crate) fn clear_session(&self) -> HeaderValue {
        write(&self.session, "", Duration::ZERO)
    }

    pub(super) fn clear_login(&self, key: &str) -> HeaderValue {
        write(&self.login_name(key), "", Duration::ZERO)
    }

    pub(super) fn clear_login_done(&self) -> HeaderValue {
        self.clear_login(DONE)
    }

    fn login_name(&self, key: &str) -> String {
        format!("{}{key}", self.login)
    }

    fn is_own(&self, pair: &[u8]) -> bool {
        value_of(pair, &self.session).is_some() || after(pair, &self.login).is_some()
    }

    /// Takes all of them out of a request that goes upstream.
    pub(crate) fn strip(&self, headers: &mut HeaderMap) {
        if !pairs(headers).any(|pair| self.is_own(pair)) {
            return;
        }
        let fields: Vec<HeaderValue> = headers.get_all(header::COOKIE).iter().cloned().collect();
        headers.remove(header::COOKIE);
        for field in fields {
            let pairs = field.as_bytes().split(|byte| *byte == b';').map(<[u8]>::trim_ascii);
            let others: Vec<&[u8]> = pairs.filter(|pair| !self.is_own(pair)).collect();
            // Parts of a field's value are one as well.
            if let Ok(left) = HeaderValue::from_bytes(&others.join(&b"; "[..]))
                && !left.is_empty()
            {
                headers.append(header::COOKIE, left);
            }
        }
    }

    /// What is left of a request's cookies without them. `None` where nothing is.
    pub(crate) fn others(&self, headers: &HeaderMap) -> Option<HeaderValue> {
        let mut left = HeaderMap::new();
        for field in headers.get_all(header::COOKIE) {
            left.append(header::COOKIE, field.clone());
        }
        self.strip(&mut left);
        let fields: Vec<&[u8]> = left.get_all(header::COOKIE).iter().map(HeaderValue::as_bytes).collect();
        HeaderValue::from_bytes(&fields.join(&b"; "[..])).ok().filter(|cookies| !cookies.is_empty())
    }

    /// Takes all of them out of what an upstream would have the browser keep: sessions are not its to begin or end.
    pub(crate) fn refuse_foreign(&self, headers: &mut HeaderMap) {
        let is_own = |value: &HeaderValue| {
            let pair = value.as_bytes().split(|byte| *byte == b';').next().unwrap_or_default();
            self.is_own(pair)
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
    let mut values = pairs(headers).filter_map(|pair| value_of(pair, name));
    match (values.next(), values.next()) {
        (Some(_), Some(_)) => Err(TwoCookies),
        (found, _) => Ok(found.filter(|value| !value.is_empty())),
    }
}

/// Each `name=value` of a request.
fn pairs(headers: &HeaderMap) -> impl Iterator<Item = &[u8]> {
    headers.get_all(header::COOKIE).iter().flat_map(|value| value.as_bytes().split(|byte| *byte == b';'))
}

/// The value in `name=value`, if the name is this one.
fn value_of<'p>(pair: &'p [u8], name: &str) -> Option<&'p [u8]> {
    value(after(pair, name)?)
}

/// What follows in a pair that begins like this. Browsers hold `__Host-` to be a prefix in whatever case, and some
/// servers read names so, too.
fn after<'p>(pair: &'p [u8], start: &str) -> Option<&'p [u8]> {
    let (found, rest) = pair.trim_ascii().split_at_checked(start.len())?;
    found.eq_ignore_ascii_case(start.as_bytes()).then_some(rest)
}

/// The value, in what follows a name.
fn value(rest: &[u8]) -> Option<&[u8]> {
    rest.trim_ascii_start().strip_prefix(b"=").map(<[u8]>::trim_ascii)
}

fn write(name: &str, value: &str, lifetime: Duration) -> HeaderValue {
    let seconds = lifetime.as_secs();
    let text =
        Zeroizing::new(format!("{name}={value}; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age={seconds}"));
    // A name that was checked, base64url and digits.
    let mut header = HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static(""));
    header.set_sensitive(true);
    header
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_cookies_end_here_and_all_others_go_on() {
        let cases: [(&[&str], &[&str]); 10] = [
            (&["a=1; b=2"], &["a=1; b=2"]),
            (&["__Host-session=s"], &[]),
            (&["a=1; __Host-session=s; b=2"], &["a=1; b=2"]),
            (&["__Host-session-login-01234567=t;a=1"], &["a=1"]),
            (&["__Host-session-login-done=t; __host-session-LOGIN-x; a=1"], &["a=1"]),
            (&["__host-SESSION = s; a=1"], &["a=1"]),
            (&["__Host-session=s; __Host-session=t; __Host-session-login-01234567=u"], &[]),
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
        let (session, done) = (cookies.session(&headers), cookies.login_done(&headers));
        assert_eq!((session, done), (Ok(Some(&b"s"[..])), Ok(None)));
        headers.append(header::COOKIE, "__Host-session=s".parse().unwrap());
        assert_eq!(cookies.session(&headers), Err(TwoCookies));
    }

    #[test]
    fn logins_are_told_apart_by_their_keys() {
        let cookies = Cookies::new("__Host-s");
        let mut headers = HeaderMap::new();
        let sent = "__Host-s=a; __Host-s-login-aaaa-_09=b; __Host-s-login-done=c; __Host-s-login-bbbbbbbb = d ; \
            __Host-s-login-short=e; __Host-s-login-ccccccccc=f; __Host-s-login-dddd,ddd=g; __Host-s-login-eeeeeeee";
        headers.append(header::COOKIE, sent.parse().unwrap());
        let logins: Vec<_> = cookies.logins(&headers).collect();
        assert_eq!(logins, [("aaaa-_09", &b"b"[..]), ("bbbbbbbb", b"d")]);
        assert_eq!(cookies.login(&headers, "bbbbbbbb"), Ok(Some(&b"d"[..])));
        assert_eq!(cookies.login(&headers, "cccccccc"), Ok(None));
        assert_eq!(cookies.login_done(&headers), Ok(Some(&b"c"[..])));
    }

    #[test]
    fn an_upstream_sets_its_own_cookies_only() {
        let mut headers = HeaderMap::new();
        for value in
            ["a=1; Path=/", "__Host-session=planted; Path=/", "__Host-session-login-01234567=planted", "b=2"]
        {
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
