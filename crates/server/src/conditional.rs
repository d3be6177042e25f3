//! Documents that caches keep ([RFC 9111](https://www.rfc-editor.org/rfc/rfc9111)) and ask about
//! ([RFC 9110 section 13](https://www.rfc-editor.org/rfc/rfc9110#section-13)).

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use http::{HeaderMap, HeaderValue, StatusCode};

/// A document, a name for this state of it, and for how long anybody may keep it.
#[derive(Clone, Debug)]
pub(crate) struct Document {
    pub(crate) content_type: &'static str,
    pub(crate) body: Bytes,
    pub(crate) etag: HeaderValue,
    pub(crate) cache_control: HeaderValue,
}

impl Document {
    /// A document whose name is worked out from its bytes.
    pub(crate) fn new(content_type: &'static str, body: Bytes, cache_control: HeaderValue) -> Self {
        let mut hasher = DefaultHasher::new();
        body.hash(&mut hasher);
        let etag = HeaderValue::try_from(format!("\"{:016x}\"", hasher.finish()));
        // Hexadecimal digits are printable ASCII.
        Self { content_type, body, etag: etag.unwrap_or(HeaderValue::from_static("\"\"")), cache_control }
    }

    /// What stands behind its address, so that a browser asks for it anew when it has changed.
    pub(crate) fn version(&self) -> &str {
        self.etag.to_str().unwrap_or_default().trim_matches('"')
    }

    /// The document, or 304 to whoever has it.
    pub(crate) fn answer(self, request: &HeaderMap) -> Response {
        let validators = [(ETAG, self.etag.clone()), (CACHE_CONTROL, self.cache_control)];
        if is_known(request, &self.etag) {
            return (StatusCode::NOT_MODIFIED, validators).into_response();
        }
        let content_type = HeaderValue::from_static(self.content_type);
        (validators, [(CONTENT_TYPE, content_type)], Body::from(self.body)).into_response()
    }
}

/// Whether `If-None-Match` names `etag`. The comparison is the weak one, and `*` names everything
/// (RFC 9110 section 13.1.2).
fn is_known(request: &HeaderMap, etag: &HeaderValue) -> bool {
    let named =
        request.get_all(IF_NONE_MATCH).iter().flat_map(|value| value.as_bytes().split(|b| *b == b','));
    named
        .map(<[u8]>::trim_ascii)
        .any(|tag| tag == b"*" || tag.strip_prefix(b"W/").unwrap_or(tag) == etag.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_has_the_document() {
        let cases: [(&str, &[&str], bool); 9] = [
            ("nobody_asks", &[], false),
            ("same", &["\"a\""], true),
            ("weak", &["W/\"a\""], true),
            ("in_a_list", &["\"x\", W/\"a\" ,\"y\""], true),
            ("in_a_second_header", &["\"x\"", "\"a\""], true),
            ("any", &["*"], true),
            ("another", &["\"b\""], false),
            ("not_quoted", &["a"], false),
            ("nonsense", &[",,W/"], false),
        ];
        for (name, values, known) in cases {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(IF_NONE_MATCH, value.parse().unwrap());
            }
            assert_eq!(is_known(&headers, &HeaderValue::from_static("\"a\"")), known, "{name}");
        }
    }
}
