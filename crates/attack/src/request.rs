//! How the service is asked: method, header fields, and the place in which it takes a token.

use std::ops::RangeInclusive;
use std::str::FromStr;

use http::header::{AUTHORIZATION, COOKIE};
use http::{HeaderName, HeaderValue, Method};
use thiserror::Error;

/// What stands for the token in a header field or cookie.
const PLACEHOLDER: &str = "{token}";

/// A request to the service, with a place for a token.
#[derive(Clone, Debug)]
pub struct RequestShape {
    pub(crate) method: Method,
    pub(crate) place: Place,
    /// Fields that are the same in every request.
    pub(crate) fields: Vec<(HeaderName, HeaderValue)>,
    pub(crate) accepted: AcceptedStatus,
}

/// The header field that carries the token, and what stands around it there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) field: HeaderName,
    pub(crate) before: String,
    pub(crate) after: String,
}

/// Why a request cannot be made of what was given.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum RequestShapeError {
    /// Not `name: value`.
    #[error("{0:?} is not a header field such as 'authorization: Bearer {{token}}'")]
    Field(String),
    /// Not `name=value`.
    #[error("{0:?} is not a cookie such as 'session={{token}}'")]
    Cookie(String),
    /// More than one place for the token.
    #[error("{{token}} stands in more than one place")]
    SeveralPlaces,
    /// A bad HTTP method.
    #[error("{0:?} is not an HTTP method")]
    Method(String),
    /// A bad list of status codes.
    #[error("{0:?} is not a list of status codes such as 2xx or 200,204,302")]
    Status(String),
}

impl RequestShape {
    /// A request by its method, header fields (`name: value`) and cookies (`name=value`). One of them holds
    /// `{token}`; where none does, the token goes into `authorization: Bearer {token}`.
    ///
    /// # Errors
    /// [`RequestShapeError`].
    ///
    /// ```
    /// use gatepass_attack::RequestShape;
    ///
    /// assert!(RequestShape::new("GET", &["x-tenant: 7".to_owned()], &["session={token}".to_owned()]).is_ok());
    /// ```
    pub fn new(method: &str, fields: &[String], cookies: &[String]) -> Result<Self, RequestShapeError> {
        let method = method.parse().map_err(|_| RequestShapeError::Method(method.to_owned()))?;
        let mut places = Vec::new();
        let mut fixed = Vec::new();
        let cookies = cookies.iter().map(|cookie| match cookie.split_once('=') {
            Some((name, _)) if !name.is_empty() => Ok((COOKIE, cookie.clone())),
            _ => Err(RequestShapeError::Cookie(cookie.clone())),
        });
        for parsed in fields.iter().map(|field| parse_field(field)).chain(cookies) {
            let (name, value) = parsed?;
            match value.split_once(PLACEHOLDER) {
                Some((_, after)) if after.contains(PLACEHOLDER) => {
                    return Err(RequestShapeError::SeveralPlaces);
                }
                Some((before, after)) => {
                    places.push(Place { field: name, before: before.to_owned(), after: after.to_owned() });
                }
                None => {
                    let bad = || RequestShapeError::Field(format!("{name}: {value}"));
                    fixed.push((name.clone(), HeaderValue::from_str(&value).map_err(|_| bad())?));
                }
            }
        }
        let place = match (places.pop(), places.is_empty()) {
            (None, _) => Place { field: AUTHORIZATION, before: "Bearer ".to_owned(), after: String::new() },
            (Some(place), true) => place,
            (Some(_), false) => return Err(RequestShapeError::SeveralPlaces),
        };
        Ok(Self { method, place, fields: fixed, accepted: AcceptedStatus::default() })
    }

    /// Says which status codes mean that a token was accepted; `2xx` where left out.
    #[must_use]
    pub fn with_accepted(mut self, accepted: AcceptedStatus) -> Self {
        self.accepted = accepted;
        self
    }
}

impl Place {
    /// The field's value with this token in it.
    pub(crate) fn filled(&self, token: &str) -> String {
        format!("{}{token}{}", self.before, self.after)
    }

    /// The scheme, where the field is `Authorization` and the token is all that follows its scheme
    /// (RFC 9110 section 11.6.2).
    pub(crate) fn scheme(&self) -> Option<&str> {
        let scheme = self.before.trim_end();
        let is_credentials = self.field == AUTHORIZATION && self.after.is_empty() && scheme != self.before;
        (is_credentials && !scheme.is_empty() && !scheme.contains(' ')).then_some(scheme)
    }
}

fn parse_field(text: &str) -> Result<(HeaderName, String), RequestShapeError> {
    let bad = || RequestShapeError::Field(text.to_owned());
    let (name, value) = text.split_once(':').ok_or_else(bad)?;
    let name = HeaderName::from_str(name.trim()).map_err(|_| bad())?;
    let value = value.trim_start();
    HeaderValue::from_str(value).map_err(|_| bad())?;
    Ok((name, value.to_owned()))
}

/// The status codes with which the service answers an accepted token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AcceptedStatus(Vec<RangeInclusive<u16>>);

impl AcceptedStatus {
    /// Whether this is one of them.
    #[must_use]
    pub fn contains(&self, status: u16) -> bool {
        self.0.iter().any(|range| range.contains(&status))
    }
}

impl Default for AcceptedStatus {
    fn default() -> Self {
        Self(vec![200..=299])
    }
}

impl FromStr for AcceptedStatus {
    type Err = RequestShapeError;

    fn from_str(text: &str) -> Result<Self, RequestShapeError> {
        let range = |word: &str| {
            let word = word.trim();
            let (first, last) = match word.strip_suffix("xx") {
                Some(class) => (format!("{class}00"), format!("{class}99")),
                None => (word.to_owned(), word.to_owned()),
            };
            let code = |text: String| text.parse().ok().filter(|code| (100..600).contains(code));
            Some(code(first)?..=code(last)?)
        };
        let ranges: Option<Vec<_>> = text.split(',').map(range).collect();
        ranges.map(Self).ok_or_else(|| RequestShapeError::Status(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(fields: &[&str], cookies: &[&str]) -> Result<RequestShape, RequestShapeError> {
        let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        RequestShape::new("GET", &owned(fields), &owned(cookies))
    }

    #[test]
    fn the_tokens_place_is_named_once_or_left_to_be_the_usual_one() {
        let place = |fields: &[&str], cookies: &[&str]| {
            shape(fields, cookies).map(|shape| format!("{}: {}", shape.place.field, shape.place.filled("T")))
        };
        assert_eq!(place(&[], &[]).as_deref(), Ok("authorization: Bearer T"));
        assert_eq!(place(&["X-Key: {token};v=1"], &[]).as_deref(), Ok("x-key: T;v=1"));
        assert_eq!(place(&["x-tenant: 7"], &["session={token}"]).as_deref(), Ok("cookie: session=T"));
        assert_eq!(place(&["a: {token}"], &["b={token}"]), Err(RequestShapeError::SeveralPlaces));
        assert_eq!(place(&["a: {token}{token}"], &[]), Err(RequestShapeError::SeveralPlaces));
        for bad in ["", "no colon", "na me: x", "x: a\nb"] {
            assert_eq!(place(&[bad], &[]), Err(RequestShapeError::Field(bad.to_owned())));
        }
        assert_eq!(place(&[], &["x"]), Err(RequestShapeError::Cookie("x".to_owned())));
        assert!(RequestShape::new("GE T", &[], &[]).is_err());
    }

    #[test]
    fn only_credentials_have_a_scheme() {
        let scheme = |field: &str| shape(&[field], &[]).unwrap().place.scheme().map(str::to_owned);
        assert_eq!(scheme("authorization: Bearer {token}").as_deref(), Some("Bearer"));
        for field in ["authorization: {token}", "x-token: Bearer {token}", "authorization: Bearer {token};"] {
            assert_eq!(scheme(field), None, "{field}");
        }
    }

    #[test]
    fn accepted_status_codes() {
        for (text, yes, no) in [("2xx", 204, 302), ("200, 302", 302, 204), ("3xx,404", 399, 200)] {
            let accepted: AcceptedStatus = text.parse().unwrap();
            assert!(accepted.contains(yes) && !accepted.contains(no), "{text}");
        }
        for text in ["", "xx", "2x", "0xx", "99", "600", "6xx", "200,", "200-299"] {
            assert!(text.parse::<AcceptedStatus>().is_err(), "{text}");
        }
    }
}
