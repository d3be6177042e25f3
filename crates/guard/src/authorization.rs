use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;

use crate::denied::{BadAuthorization, Denied};

/// The access token of a request, and how it came.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Credentials<'r> {
    /// The scheme that it was sent under.
    pub scheme: Scheme,
    /// The token, of which nothing is verified yet.
    pub token: &'r str,
}

/// A scheme of the `Authorization` field under which an access token may come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// Whoever holds the token may use it ([RFC 6750](https://www.rfc-editor.org/rfc/rfc6750)).
    Bearer,
    /// Whoever uses the token must prove to hold a key
    /// ([RFC 9449 section 7.1](https://www.rfc-editor.org/rfc/rfc9449#section-7.1)).
    Dpop,
}

/// The access token of a request, out of its `Authorization` field and no other place
/// ([RFC 6750 section 2.1](https://www.rfc-editor.org/rfc/rfc6750#section-2.1),
/// [RFC 9449 section 7.1](https://www.rfc-editor.org/rfc/rfc9449#section-7.1)).
///
/// The scheme's name may be written in any case. Credentials of another scheme are no access token.
///
/// # Errors
/// [`Denied::Missing`] if there is none; [`Denied::BadRequest`] if there is more than one field, or one
/// that is not the scheme, spaces and one token.
///
/// ```
/// use gatepass_guard::{Scheme, credentials};
/// use axum::http::{HeaderMap, header::AUTHORIZATION};
///
/// let mut headers = HeaderMap::new();
/// headers.insert(AUTHORIZATION, "DPoP abc.def.ghi".parse()?);
/// let credentials = credentials(&headers)?;
/// assert_eq!((credentials.scheme, credentials.token), (Scheme::Dpop, "abc.def.ghi"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn credentials(headers: &HeaderMap) -> Result<Credentials<'_>, Denied> {
    let mut fields = headers.get_all(AUTHORIZATION).iter();
    let field = fields.next().ok_or(Denied::Missing)?;
    if fields.next().is_some() {
        return Err(Denied::BadRequest(BadAuthorization::Repeated));
    }
    let malformed = Denied::BadRequest(BadAuthorization::Credentials);
    // The field's own `to_str` looks at one byte at a time, which takes longer than all of the rest.
    let value = std::str::from_utf8(field.as_bytes()).ok().filter(|value| value.is_ascii());
    let Some(value) = value else { return Err(malformed) };
    let (scheme, token) = value.split_once(' ').unwrap_or((value, ""));
    let scheme = match scheme {
        bearer if bearer.eq_ignore_ascii_case("Bearer") => Scheme::Bearer,
        dpop if dpop.eq_ignore_ascii_case("DPoP") => Scheme::Dpop,
        _ => return Err(Denied::Missing),
    };
    let token = token.trim_matches(' ');
    if is_b64token(token) { Ok(Credentials { scheme, token }) } else { Err(malformed) }
}

/// The bearer token of a request: as [`credentials`], for whoever can do nothing with a token that came
/// under the scheme `DPoP`.
///
/// # Errors
/// As [`credentials`]; a token under another scheme than `Bearer` is no bearer token.
///
/// ```
/// use gatepass_guard::bearer_token;
/// use axum::http::{HeaderMap, header::AUTHORIZATION};
///
/// let mut headers = HeaderMap::new();
/// headers.insert(AUTHORIZATION, "bearer abc.def.ghi".parse()?);
/// assert_eq!(bearer_token(&headers)?, "abc.def.ghi");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn bearer_token(headers: &HeaderMap) -> Result<&str, Denied> {
    match credentials(headers)? {
        Credentials { scheme: Scheme::Bearer, token } => Ok(token),
        Credentials { scheme: Scheme::Dpop, .. } => Err(Denied::Missing),
    }
}

pub(crate) fn is_b64token(token: &str) -> bool {
    let characters = token.trim_end_matches('=');
    let within = |byte: u8, first: u8, last: u8| byte.wrapping_sub(first) <= last - first;
    let allowed = |byte: u8| {
        // From `-` to `9` there are `.`, `/` and the digits between them.
        within(byte | 0x20, b'a', b'z')
            | within(byte, b'-', b'9')
            | (byte == b'_')
            | (byte == b'~')
            | (byte == b'+')
    };
    // To the end whatever is found, so that many bytes are looked at at once.
    !characters.is_empty() && characters.bytes().fold(true, |all, byte| all & allowed(byte))
}

impl std::fmt::Debug for Credentials<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credentials").field("scheme", &self.scheme).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn authorization_fields_and_the_token_in_them() {
        let (bearer, dpop) = (|token| Ok((Scheme::Bearer, token)), |token| Ok((Scheme::Dpop, token)));
        let malformed = || Err(Denied::BadRequest(BadAuthorization::Credentials));
        type Case<'a> = (&'a str, &'a [&'a [u8]], Result<(Scheme, &'a str), Denied>);
        let cases: [Case<'_>; 25] = [
            ("none", &[], Err(Denied::Missing)),
            ("bearer", &[b"Bearer a.b.c"], bearer("a.b.c")),
            ("lower_case", &[b"bearer a.b.c"], bearer("a.b.c")),
            ("upper_case", &[b"BEARER a.b.c"], bearer("a.b.c")),
            ("several_spaces", &[b"Bearer   a.b.c"], bearer("a.b.c")),
            ("every_character", &[b"Bearer aZ09-._~+/=="], bearer("aZ09-._~+/==")),
            ("dpop", &[b"DPoP a.b.c"], dpop("a.b.c")),
            ("dpop_in_small_letters", &[b"dpop a.b.c"], dpop("a.b.c")),
            ("dpop_without_a_token", &[b"DPoP"], malformed()),
            ("dpop_with_a_parameter", &[b"DPoP a.b.c, nonce=\"x\""], malformed()),
            ("almost_dpop", &[b"DPoP2 a.b.c"], Err(Denied::Missing)),
            ("basic", &[b"Basic dXNlcjpwYXNz"], Err(Denied::Missing)),
            ("scheme_alone", &[b"Bearer"], malformed()),
            ("no_token", &[b"Bearer "], malformed()),
            ("padding_alone", &[b"Bearer =="], malformed()),
            ("two_tokens", &[b"Bearer a.b.c d.e.f"], malformed()),
            ("a_list", &[b"Bearer a.b.c, Bearer d.e.f"], malformed()),
            ("tab", &[b"Bearer\ta.b.c"], Err(Denied::Missing)),
            ("padding_in_the_middle", &[b"Bearer a=b"], malformed()),
            ("not_ascii", &[b"Bearer a\xe9"], malformed()),
            ("not_ascii_but_utf_8", &[b"Bearer a\xc3\xa9"], malformed()),
            ("a_scheme_that_is_not_ascii", &[b"B\xc3\xa9arer a.b.c"], malformed()),
            ("another_scheme_with_what_is_not_ascii", &[b"Basic a\xc3\xa9"], malformed()),
            (
                "two_fields",
                &[b"Bearer a.b.c", b"Bearer a.b.c"],
                Err(Denied::BadRequest(BadAuthorization::Repeated)),
            ),
            (
                "both_schemes",
                &[b"Bearer a.b.c", b"DPoP a.b.c"],
                Err(Denied::BadRequest(BadAuthorization::Repeated)),
            ),
        ];
        for (name, fields, want) in cases {
            let mut headers = HeaderMap::new();
            for field in fields {
                headers.append(AUTHORIZATION, HeaderValue::from_bytes(field).unwrap());
            }
            let got = credentials(&headers).map(|credentials| (credentials.scheme, credentials.token));
            assert_eq!(got, want, "{name}");
            let as_bearer = match want {
                Ok((Scheme::Bearer, token)) => Ok(token),
                Ok((Scheme::Dpop, _)) => Err(Denied::Missing),
                Err(denied) => Err(denied),
            };
            assert_eq!(bearer_token(&headers), as_bearer, "{name}");
        }
    }

    #[test]
    fn a_bearer_token_beside_another_scheme_is_refused() {
        let mut headers = HeaderMap::new();
        headers.append(AUTHORIZATION, HeaderValue::from_static("Basic dXNlcjpwYXNz"));
        headers.append(AUTHORIZATION, HeaderValue::from_static("Bearer a.b.c"));
        assert_eq!(bearer_token(&headers), Err(Denied::BadRequest(BadAuthorization::Repeated)));
    }
}
