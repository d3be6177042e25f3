//! The `Authorization` header ([RFC 9110 section 11.6.2](https://www.rfc-editor.org/rfc/rfc9110#section-11.6.2)).

use http::HeaderMap;
use http::header::AUTHORIZATION;

/// What the header holds. Schemes are compared without regard to case.
#[derive(Clone, Copy, PartialEq, Eq)]
#[cfg_attr(test, derive(Debug))]
pub(crate) enum Authorization<'h> {
    /// There is none.
    Absent,
    /// [RFC 7617](https://www.rfc-editor.org/rfc/rfc7617), still encoded.
    Basic(&'h str),
    /// [RFC 6750](https://www.rfc-editor.org/rfc/rfc6750).
    Bearer(&'h str),
    /// [RFC 9449 section 7.1](https://www.rfc-editor.org/rfc/rfc9449#section-7.1).
    Dpop(&'h str),
    /// A scheme that is not served here.
    Other,
    /// More than one header, of which two readers might take different ones.
    Several,
}

impl<'h> Authorization<'h> {
    pub(crate) fn of(headers: &'h HeaderMap) -> Self {
        let mut values = headers.get_all(AUTHORIZATION).iter();
        let value = match (values.next(), values.next()) {
            (None, _) => return Self::Absent,
            (Some(value), None) => value,
            (Some(_), Some(_)) => return Self::Several,
        };
        let Some((scheme, credentials)) = value.to_str().ok().and_then(|value| value.split_once(' ')) else {
            return Self::Other;
        };
        let credentials = credentials.trim_matches(' ');
        match scheme {
            scheme if scheme.eq_ignore_ascii_case("Bearer") => Self::Bearer(credentials),
            scheme if scheme.eq_ignore_ascii_case("DPoP") => Self::Dpop(credentials),
            scheme if scheme.eq_ignore_ascii_case("Basic") => Self::Basic(credentials),
            _ => Self::Other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_header_holds() {
        let cases: [(&str, &[&str], Authorization<'_>); 9] = [
            ("none", &[], Authorization::Absent),
            ("bearer", &["Bearer abc"], Authorization::Bearer("abc")),
            ("lower_case", &["bearer abc"], Authorization::Bearer("abc")),
            ("dpop", &["dpop abc"], Authorization::Dpop("abc")),
            ("more_spaces", &["Bearer   abc "], Authorization::Bearer("abc")),
            ("basic", &["BASIC YTpi"], Authorization::Basic("YTpi")),
            ("scheme_alone", &["Bearer"], Authorization::Other),
            ("another_scheme", &["Digest x"], Authorization::Other),
            ("two", &["Bearer a", "Bearer a"], Authorization::Several),
        ];
        for (name, values, want) in cases {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(AUTHORIZATION, value.parse().unwrap());
            }
            assert_eq!(Authorization::of(&headers), want, "{name}");
        }
    }
}
