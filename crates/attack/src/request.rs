//! How the service is asked: method, header fields, and the place in which it takes a token.

use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;

use http::header::{AUTHORIZATION, COOKIE};
use http::{HeaderName, HeaderValue, Method};
use thiserror::Error;

use crate::target::Target;

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

/// One request of a run: what stands in the token's place and beside it.
#[derive(Clone)]
pub(crate) struct Attempt {
    /// Which variant of its class this is.
    pub(crate) variant: String,
    /// One header field each.
    pub(crate) carried: Vec<Carried>,
    /// A token as the query parameter `access_token` (RFC 6750 section 2.3).
    pub(crate) query: Option<String>,
    /// A token as the form parameter `access_token` (RFC 6750 section 2.2).
    pub(crate) form: Option<String>,
}

/// What one header field carries.
#[derive(Clone)]
pub(crate) enum Carried {
    /// A token in the place for one.
    Token(String),
    /// The whole value of the field, with nothing around it.
    Value(String),
}

impl Attempt {
    /// A token in the place of the good one.
    pub(crate) fn token(variant: impl Into<String>, token: impl Into<String>) -> Self {
        Self::carrying(variant, vec![Carried::Token(token.into())])
    }

    /// Other than one token in its place.
    pub(crate) fn carrying(variant: impl Into<String>, carried: Vec<Carried>) -> Self {
        Self { variant: variant.into(), carried, query: None, form: None }
    }

    /// The values of the token's field, in their order.
    pub(crate) fn values(&self, place: &Place) -> Vec<String> {
        let value = |carried: &Carried| match carried {
            Carried::Token(token) => place.filled(token),
            Carried::Value(value) => value.clone(),
        };
        self.carried.iter().map(value).collect()
    }

    /// The forged token, if there is just one and it is where the good one was.
    pub(crate) fn only_token(&self) -> Option<&str> {
        match (self.carried.as_slice(), &self.query, &self.form) {
            ([Carried::Token(token)], None, None) => Some(token),
            _ => None,
        }
    }

    /// How much of the request's head is of the attempt's making, in bytes.
    pub(crate) fn size(&self) -> usize {
        let carried = self.carried.iter().map(|carried| match carried {
            Carried::Token(text) | Carried::Value(text) => text.len(),
        });
        carried.chain(self.query.iter().map(String::len)).sum()
    }

    /// A command line that sends this again. The good token itself is written as `$TOKEN`; a forged one
    /// that was saved is read from its file.
    pub(crate) fn curl(
        &self,
        target: &Target,
        shape: &RequestShape,
        good: &str,
        saved: Option<&str>,
    ) -> String {
        let mut line = format!("curl -sS -i -X {}", shape.method);
        for (name, value) in &shape.fields {
            let text = format!("{name}: {}", String::from_utf8_lossy(value.as_bytes()));
            line += &format!(" -H {}", quote(&text, good));
        }
        for value in self.values(&shape.place) {
            let field = &shape.place.field;
            line += &match (saved, self.only_token()) {
                (Some(path), Some(_)) => {
                    let (before, after) = (&shape.place.before, &shape.place.after);
                    let before = quote(&format!("{field}: {before}"), good);
                    let after = if after.is_empty() { String::new() } else { quote(after, good) };
                    format!(" -H {before}\"$(cat {})\"{after}", quote(path, good))
                }
                _ => format!(" -H {}", quote(&format!("{field}: {value}"), good)),
            };
        }
        if let Some(token) = &self.form {
            line += &format!(" --data-raw {}", quote(&format!("access_token={token}"), good));
        }
        let mut url = target.url.clone();
        if let Some(token) = &self.query {
            url.query_pairs_mut().append_pair("access_token", token);
        }
        line + " " + &quote(url.as_str(), good)
    }
}

impl fmt::Debug for Attempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Attempt").field("variant", &self.variant).finish_non_exhaustive()
    }
}

/// `text` as one word of a shell's command line, with `$TOKEN` for the good token.
fn quote(text: &str, good: &str) -> String {
    let pieces: Vec<String> = text.split(good).map(quote_plainly).collect();
    let word = pieces.join("\"$TOKEN\"");
    let trimmed = word.strip_prefix("''").filter(|rest| !rest.is_empty()).unwrap_or(&word);
    trimmed.strip_suffix("''").filter(|rest| rest.ends_with('"')).unwrap_or(trimmed).to_owned()
}

fn quote_plainly(text: &str) -> String {
    if text.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
        return format!("'{}'", text.replace('\'', r"'\''"));
    }
    let escaped: String = text
        .bytes()
        .map(|byte| match byte {
            b'\'' | b'\\' => format!("\\{}", char::from(byte)),
            b' '..=b'~' => char::from(byte).to_string(),
            _ => format!("\\x{byte:02x}"),
        })
        .collect();
    format!("$'{escaped}'")
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

    #[tokio::test]
    async fn a_curl_line_is_one_that_a_shell_takes_and_never_shows_the_good_token() {
        let target = Target::resolve("http://127.0.0.1:8080/o?a=1&b='", &[]).await.unwrap();
        let shape = shape(&["x-tenant: it's"], &[]).unwrap();
        let line = |attempt: &Attempt, saved| attempt.curl(&target, &shape, "GOOD", saved);
        assert_eq!(
            line(&Attempt::token("", "forged"), None),
            r"curl -sS -i -X GET -H 'x-tenant: it'\''s' -H 'authorization: Bearer forged' 'http://127.0.0.1:8080/o?a=1&b=%27'"
        );
        assert!(
            line(&Attempt::token("", "forged"), Some("/tmp/a.jwt"))
                .contains(r#"-H 'authorization: Bearer '"$(cat '/tmp/a.jwt')" "#)
        );
        assert!(line(&Attempt::token("", "x\ty"), None).contains(r"-H $'authorization: Bearer x\x09y' "));
        let twice = Attempt {
            query: Some("GOOD".to_owned()),
            form: Some("GOOD".to_owned()),
            ..Attempt::carrying(
                "",
                vec![Carried::Token("GOOD".to_owned()), Carried::Value("GOOD x".to_owned())],
            )
        };
        let said = line(&twice, None);
        assert!(!said.contains("GOOD"), "{said}");
        assert!(
            said.contains(r#"-H 'authorization: Bearer '"$TOKEN" -H 'authorization: '"$TOKEN"' x'"#),
            "{said}"
        );
    }
}
