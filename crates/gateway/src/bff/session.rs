//! One session: whose it is, the tokens that belong to it, how long it lasts.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use gatepass_guard::{Timestamp, TokenAnswer};
use http::HeaderValue;
use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;
use tokio::time::Instant;
use zeroize::Zeroizing;

use super::seal::{NotSealedHere, Purpose, Sealer, SessionId};

/// Access tokens are renewed so long before they expire, or after three quarters of their time.
const AHEAD: i64 = 60;
/// How long an access token is taken for good whose issuer does not say.
const UNSAID: Duration = Duration::from_secs(300);
/// Longer ones do not fit into a head.
const MAX_TOKEN: usize = 16 * 1024;

/// The tokens of a session at one moment. Replaced whole.
pub(super) struct Tokens {
    access_token: Zeroizing<String>,
    /// `Bearer` and the access token.
    pub(super) authorization: HeaderValue,
    pub(super) refresh_token: Option<Zeroizing<String>>,
    pub(super) scope: String,
    pub(super) expires: Timestamp,
    renew_from: Timestamp,
}

/// Whose session it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Holder {
    pub(super) sub: String,
    pub(super) name: Option<String>,
}

/// A session that is in memory. All requests with its cookie share it.
pub(super) struct Session {
    pub(super) id: SessionId,
    pub(super) holder: Holder,
    pub(super) ends: Timestamp,
    pub(super) tokens: ArcSwap<Tokens>,
    /// Whoever renews the tokens or ends the session holds this, and finds there when a renewal last failed.
    pub(super) turn: Arc<Mutex<Option<Instant>>>,
    pub(super) ended: AtomicBool,
    last_used: AtomicI64,
    /// The `last_used` that the store has.
    noted: AtomicI64,
}

/// The answer of the issuer's is no use here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the issuer gave an access token that no header field can carry")]
pub(super) struct Unusable;

/// What is sealed in the store.
#[derive(Serialize, Deserialize)]
struct Sealed<'s> {
    #[serde(borrow)]
    access_token: std::borrow::Cow<'s, str>,
    refresh_token: Option<std::borrow::Cow<'s, str>>,
    scope: std::borrow::Cow<'s, str>,
    expires: i64,
    renew_from: i64,
    holder: Holder,
}

impl Tokens {
    /// Takes what the token endpoint gave. `asked_at` is the moment before it was asked; `scope` is what holds where
    /// the answer has none.
    pub(super) fn new(answer: TokenAnswer, scope: &str, asked_at: Timestamp) -> Result<Self, Unusable> {
        let lifetime = answer.expires_in.unwrap_or(UNSAID);
        let expires = asked_at.saturating_add(lifetime);
        let quarter = i64::try_from(lifetime.as_secs() / 4).unwrap_or(AHEAD);
        let ahead = Duration::from_secs(quarter.clamp(0, AHEAD).unsigned_abs());
        let renew_from = expires.saturating_sub(ahead);
        let scope = answer.scope.unwrap_or_else(|| scope.to_owned());
        Self::of(answer.access_token, answer.refresh_token, scope, expires, renew_from)
    }

    fn of(
        access_token: Zeroizing<String>,
        refresh_token: Option<Zeroizing<String>>,
        scope: String,
        expires: Timestamp,
        renew_from: Timestamp,
    ) -> Result<Self, Unusable> {
        if access_token.len() > MAX_TOKEN || access_token.bytes().any(|byte| !byte.is_ascii_graphic()) {
            return Err(Unusable);
        }
        let text = Zeroizing::new(format!("Bearer {}", *access_token));
        let mut authorization = HeaderValue::from_str(&text).map_err(|_| Unusable)?;
        authorization.set_sensitive(true);
        Ok(Self { access_token, authorization, refresh_token, scope, expires, renew_from })
    }

    /// Whether they should be renewed, though they may be good yet.
    pub(super) fn are_due(&self, now: Timestamp) -> bool {
        now >= self.renew_from
    }

    /// Whether the access token will do for a request that begins now.
    pub(super) fn are_current(&self, now: Timestamp) -> bool {
        now < self.expires.saturating_sub(Duration::from_secs(1))
    }

    /// What to revoke when the session ends, and what that is. With the refresh token goes all that came of it.
    pub(super) fn to_revoke(&self) -> (&str, &'static str) {
        match &self.refresh_token {
            Some(token) => (token, "refresh_token"),
            None => (&self.access_token, "access_token"),
        }
    }

    pub(super) fn seal(
        &self,
        id: SessionId,
        holder: &Holder,
        sealer: &Sealer,
    ) -> Result<Vec<u8>, NotSealedHere> {
        let sealed = Sealed {
            access_token: self.access_token.as_str().into(),
            refresh_token: self.refresh_token.as_ref().map(|token| token.as_str().into()),
            scope: self.scope.as_str().into(),
            expires: self.expires.as_secs(),
            renew_from: self.renew_from.as_secs(),
            holder: holder.clone(),
        };
        let plain = Zeroizing::new(serde_json::to_vec(&sealed).map_err(|_| NotSealedHere)?);
        sealer.seal(Purpose::Session, &id.0, &plain)
    }

    pub(super) fn open(
        id: SessionId,
        sealed: &[u8],
        sealer: &Sealer,
    ) -> Result<(Self, Holder), NotSealedHere> {
        let plain = sealer.open(Purpose::Session, &id.0, sealed)?;
        let sealed: Sealed<'_> = serde_json::from_slice(&plain).map_err(|_| NotSealedHere)?;
        let secret = |text: std::borrow::Cow<'_, str>| Zeroizing::new(text.into_owned());
        let tokens = Self::of(
            secret(sealed.access_token),
            sealed.refresh_token.map(secret),
            sealed.scope.into_owned(),
            Timestamp::from_secs(sealed.expires),
            Timestamp::from_secs(sealed.renew_from),
        );
        Ok((tokens.map_err(|_| NotSealedHere)?, sealed.holder))
    }

    /// Whether these came of another rotation than `other`.
    pub(super) fn differ_from(&self, other: &Self) -> bool {
        self.refresh_token != other.refresh_token || self.access_token != other.access_token
    }
}

impl Session {
    pub(super) fn new(
        id: SessionId,
        holder: Holder,
        tokens: Arc<Tokens>,
        last_used: i64,
        ends: Timestamp,
    ) -> Self {
        Self {
            id,
            holder,
            ends,
            tokens: ArcSwap::new(tokens),
            turn: Arc::default(),
            ended: AtomicBool::new(false),
            last_used: AtomicI64::new(last_used),
            noted: AtomicI64::new(last_used),
        }
    }

    /// When it ends if nobody uses it any more.
    pub(super) fn ends_at(&self, idle: Duration) -> Timestamp {
        Timestamp::from_secs(self.last_used.load(Ordering::Relaxed)).saturating_add(idle).min(self.ends)
    }

    pub(super) fn has_ended(&self, idle: Duration, now: Timestamp) -> bool {
        self.ended.load(Ordering::Acquire) || now >= self.ends_at(idle)
    }

    /// Notes that it is used. `true` for one caller now and then: the store is to be told.
    pub(super) fn touch(&self, idle: Duration, now: Timestamp) -> bool {
        self.last_used.fetch_max(now.as_secs(), Ordering::Relaxed);
        let noted = self.noted.load(Ordering::Relaxed);
        // A crash takes no more than a twentieth of the idle time.
        let due = Timestamp::from_secs(noted).saturating_add((idle / 20).min(Duration::from_secs(300)));
        now > due
            && self.noted.compare_exchange(noted, now.as_secs(), Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session").field("sub", &self.holder.sub).finish_non_exhaustive()
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::bff::seal::{SealKey, key_file};

    pub(in crate::bff) fn sealer(folder: &std::path::Path) -> Sealer {
        let key: SealKey = key_file(&folder.join("key"), false).unwrap();
        Sealer::new(&key).unwrap()
    }

    pub(in crate::bff) fn answer(access_token: &str, expires_in: Option<u64>) -> TokenAnswer {
        TokenAnswer {
            access_token: access_token.to_owned().into(),
            expires_in: expires_in.map(Duration::from_secs),
            refresh_token: Some(format!("refresh of {access_token}").into()),
            id_token: None,
            scope: None,
        }
    }

    #[test]
    fn tokens_come_back_out_of_the_store_as_they_were() {
        let folder = tempfile::tempdir().unwrap();
        let (sealer, now, id) = (sealer(folder.path()), Timestamp::from_secs(1_000), SessionId([1; 32]));
        let holder = Holder { sub: "u1".into(), name: Some("Ann \"the\" first".into()) };
        let tokens = Tokens::new(answer("a.b.c", Some(900)), "openid", now).unwrap();
        let sealed = tokens.seal(id, &holder, &sealer).unwrap();
        assert!(!sealed.windows(5).any(|window| window == b"a.b.c"), "it is encrypted");
        let (opened, by) = Tokens::open(id, &sealed, &sealer).unwrap();
        assert!(by == holder && !opened.differ_from(&tokens));
        assert_eq!((opened.expires, opened.renew_from), (tokens.expires, tokens.renew_from));
        assert!(Tokens::open(SessionId([2; 32]), &sealed, &sealer).is_err(), "another session's row");
        assert!(opened.authorization.is_sensitive());
    }

    #[test]
    fn when_tokens_are_renewed() {
        let cases = [
            ("a_quarter_of_an_hour", Some(900), 840, 900),
            ("a_minute", Some(60), 45, 60),
            ("a_second", Some(1), 1, 1),
            ("nothing", Some(0), 0, 0),
            ("not_said", None, 240, 300),
            ("for_ever", Some(u64::MAX), i64::MAX / 1000 - 60, i64::MAX / 1000),
        ];
        for (name, expires_in, renew_from, expires) in cases {
            let tokens = Tokens::new(answer("a", expires_in), "", Timestamp::from_secs(0)).unwrap();
            assert_eq!(
                (tokens.renew_from.as_secs(), tokens.expires.as_secs()),
                (renew_from, expires),
                "{name}"
            );
        }
        for bad in ["a b", "a\n", "é", &"a".repeat(MAX_TOKEN + 1)] {
            assert!(Tokens::new(answer(bad, None), "", Timestamp::from_secs(0)).is_err());
        }
    }

    #[test]
    fn a_session_ends_when_it_is_idle_and_at_its_end() {
        let secs = Timestamp::from_secs;
        let tokens = Tokens::new(answer("a", None), "", secs(0)).unwrap();
        let holder = Holder { sub: "u1".into(), name: None };
        let session = Session::new(SessionId([0; 32]), holder, Arc::new(tokens), 0, secs(250));
        let idle = Duration::from_secs(100);
        assert!(!session.has_ended(idle, secs(99)));
        assert!(session.has_ended(idle, secs(100)));
        assert!(!session.touch(idle, secs(5)), "the store need not know yet");
        assert!(session.touch(idle, secs(90)) && !session.touch(idle, secs(91)), "once");
        assert!(!session.has_ended(idle, secs(190)) && session.has_ended(idle, secs(191)));
        session.touch(idle, secs(189));
        session.touch(idle, secs(240));
        assert!(!session.has_ended(idle, secs(249)) && session.has_ended(idle, secs(250)));
    }
}
