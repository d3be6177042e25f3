//! The logins that one browser has under way: pages begin them by themselves, several at once, and each comes back on its
//! own. None of them takes the place of another until there are too many.

use http::{HeaderMap, HeaderValue};

use super::login::{AuthorizationAnswer, Login};
use super::{Bff, SessionError, now};

/// The oldest is given up for another one.
const MOST: usize = 4;
/// What their cookies may hold together: as much as one can. Each request to this site brings them all.
const MOST_BYTES: usize = 4096;

impl Bff {
    /// What has the browser keep another login, and give up those that there is no room for. `None` if it cannot be sealed.
    pub(super) fn keep_login(&self, login: &Login, headers: &HeaderMap) -> Option<Vec<HeaderValue>> {
        let value = login.seal(&self.sealer)?;
        let mut before: Vec<_> = self
            .cookies
            .logins(headers)
            .map(|(key, value)| {
                (Login::open(value, &self.sealer, now()).map(|login| login.begun), key, value.len())
            })
            .collect();
        // The newest first. Of one second, browsers send the older one first (RFC 6265 section 5.4).
        before.reverse();
        before.sort_by_key(|(begun, ..)| std::cmp::Reverse(*begun));
        let mut bytes = value.len();
        let mut set = vec![self.cookies.set_login(login.key(), &value)];
        for (at, (begun, key, len)) in before.into_iter().enumerate() {
            bytes = bytes.saturating_add(len);
            if begun.is_none() || at + 1 >= MOST || bytes > MOST_BYTES {
                set.push(self.cookies.clear_login(key));
            }
        }
        Some(set)
    }

    /// The login that is answered, if this browser began it.
    pub(super) fn answered_login(
        &self,
        answer: &AuthorizationAnswer,
        headers: &HeaderMap,
    ) -> Result<Option<Login>, SessionError> {
        let Some(key) = answer.key() else { return Ok(None) };
        let cookie = self.cookies.login(headers, key)?;
        let login = cookie.and_then(|cookie| Login::open(cookie, &self.sealer, now()));
        Ok(login.filter(|login| login.is_answered_by(answer)))
    }

    /// What has the browser forget all logins, those that are under way and the last one.
    pub(super) fn forget_logins(&self, headers: &HeaderMap) -> impl Iterator<Item = HeaderValue> {
        let under_way = self.cookies.logins(headers).map(|(key, _)| self.cookies.clear_login(key));
        under_way.chain([self.cookies.clear_login_done()])
    }
}
