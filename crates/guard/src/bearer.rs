use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;

use crate::denied::{BadAuthorization, Denied};

/// The bearer token of a request, out of its `Authorization` field and no other place
/// ([RFC 6750 section 2.1](https://www.rfc-editor.org/rfc/rfc6750#section-2.1)).
///
/// The scheme's name may be written in any case. Credentials of another scheme are no bearer token.
///
/// # Errors
/// [`Denied::Missing`] if there is none; [`Denied::BadRequest`] if there is more than one field, or one
/// that is not `Bearer`, spaces and one token.
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
    let mut fields = headers.get_all(AUTHORIZATION).iter();
    let field = fields.next().ok_or(Denied::Missing)?;
    if fields.next().is_some() {
        return Err(Denied::BadRequest(BadAuthorization::Repeated));
    }
    let malformed = Denied::BadRequest(BadAuthorization::Credentials);
    let Ok(credentials) = field.to_str() else { return Err(malformed) };
    let (scheme, token) = credentials.split_once(' ').unwrap_or((credentials, ""));
    if !scheme.eq_ignore_ascii_case("Bearer") {
        return Err(Denied::Missing);
    }
    let token = token.trim_matches(' ');
    if is_b64token(token) { Ok(token) } else { Err(malformed) }
}

fn is_b64token(token: &str) -> bool {
    let characters = token.trim_end_matches('=');
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+/".contains(&byte);
    !characters.is_empty() && characters.bytes().all(allowed)
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn authorization_fields_and_the_token_in_them() {
        let malformed = || Err(Denied::BadRequest(BadAuthorization::Credentials));
        type Case<'a> = (&'a str, &'a [&'a [u8]], Result<&'a str, Denied>);
        let cases: [Case<'_>; 16] = [
            ("none", &[], Err(Denied::Missing)),
            ("bearer", &[b"Bearer a.b.c"], Ok("a.b.c")),
            ("lower_case", &[b"bearer a.b.c"], Ok("a.b.c")),
            ("upper_case", &[b"BEARER a.b.c"], Ok("a.b.c")),
            ("several_spaces", &[b"Bearer   a.b.c"], Ok("a.b.c")),
            ("every_character", &[b"Bearer aZ09-._~+/=="], Ok("aZ09-._~+/==")),
            ("basic", &[b"Basic dXNlcjpwYXNz"], Err(Denied::Missing)),
            ("scheme_alone", &[b"Bearer"], malformed()),
            ("no_token", &[b"Bearer "], malformed()),
            ("padding_alone", &[b"Bearer =="], malformed()),
            ("two_tokens", &[b"Bearer a.b.c d.e.f"], malformed()),
            ("a_list", &[b"Bearer a.b.c, Bearer d.e.f"], malformed()),
            ("tab", &[b"Bearer\ta.b.c"], Err(Denied::Missing)),
            ("padding_in_the_middle", &[b"Bearer a=b"], malformed()),
            ("not_ascii", &[b"Bearer a\xe9"], malformed()),
            (
                "two_fields",
                &[b"Bearer a.b.c", b"Bearer a.b.c"],
                Err(Denied::BadRequest(BadAuthorization::Repeated)),
            ),
        ];
        for (name, fields, want) in cases {
            let mut headers = HeaderMap::new();
            for field in fields {
                headers.append(AUTHORIZATION, HeaderValue::from_bytes(field).unwrap());
            }
            assert_eq!(bearer_token(&headers), want, "{name}");
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
