//! What a client holds of one login.

use reqwest::RequestBuilder;
use serde_json::json;

use crate::http::{Answer, SetCookie};
use crate::jws;

/// One login: its access token and whatever refreshes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// The access token.
    pub access_token: String,
    /// The session's id, `sid` of its access tokens.
    pub id: String,
    /// What refreshes it.
    pub refresh: Refresh,
}

/// A refresh token, where a client keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refresh {
    /// `name=value`, in the browser's keeping.
    Cookie(String),
    /// In the app's own keeping.
    Body(String),
}

impl Session {
    /// Reads a login's answer with its cookie.
    #[track_caller]
    pub fn from_cookie(answer: &Answer) -> Self {
        Self::read(answer, Refresh::Cookie(refresh_cookie(answer).pair()))
    }

    /// Reads a login's answer with the refresh token in it.
    #[track_caller]
    pub fn from_body(answer: &Answer) -> Self {
        Self::read(answer, Refresh::Body(answer.text("/refresh_token")))
    }

    /// Reads a refresh's answer, which comes the way this session's refresh token went.
    #[track_caller]
    pub fn next(&self, answer: &Answer) -> Self {
        match self.refresh {
            Refresh::Cookie(_) => Self::from_cookie(answer),
            Refresh::Body(_) => Self::from_body(answer),
        }
    }

    #[track_caller]
    fn read(answer: &Answer, refresh: Refresh) -> Self {
        Self { access_token: answer.text("/access_token"), id: answer.text("/session_id"), refresh }
    }

    /// Puts the refresh token into a request.
    pub fn present(&self, request: RequestBuilder) -> RequestBuilder {
        match &self.refresh {
            Refresh::Cookie(pair) => request.header("cookie", pair),
            Refresh::Body(token) => request.json(&json!({"refresh_token": token})),
        }
    }

    /// `sub` of the access token.
    pub fn subject(&self) -> String {
        self.claim("sub")
    }

    /// A claim that is a string.
    pub fn claim(&self, name: &str) -> String {
        jws::claims(&self.access_token)[name]
            .as_str()
            .unwrap_or_else(|| panic!("no claim `{name}`"))
            .to_owned()
    }
}

/// The one cookie that a login or refresh sets.
#[track_caller]
pub fn refresh_cookie(answer: &Answer) -> SetCookie {
    let mut cookies = answer.set_cookies();
    cookies.retain(|cookie| cookie.name != "__Host-gatepass-device");
    assert_eq!(
        cookies.len(),
        1,
        "exactly one cookie is set beside the one that knows the browser\n{}",
        answer.shown()
    );
    cookies.remove(0)
}
