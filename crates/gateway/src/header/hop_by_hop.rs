//! Fields that belong to one connection and end at the gateway. RFC 9110 section 7.6.1.

use http::{HeaderMap, HeaderName, HeaderValue, header};

use super::sole_value;

/// What a client asked of the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Wishes {
    /// `Connection: upgrade` with `Upgrade: websocket`. No other protocol is switched to: an upgrade to
    /// `h2c`, for one, would open a channel through which further requests pass unseen.
    pub(crate) websocket: bool,
    /// `TE: trailers`: it can take trailers.
    pub(crate) trailers: bool,
}

/// Reads what the client asks of its connection.
pub(crate) fn wishes(headers: &HeaderMap) -> Wishes {
    let protocol = sole_value(headers, &header::UPGRADE);
    let websocket = protocol.is_some_and(|protocol| protocol.as_bytes().eq_ignore_ascii_case(b"websocket"));
    Wishes {
        websocket: websocket && has_token(headers, &header::CONNECTION, "upgrade"),
        trailers: has_token(headers, &header::TE, "trailers"),
    }
}

/// The names that the `Connection` fields list, kept while fields are removed.
pub(crate) struct Nominated(Vec<HeaderValue>);

impl Nominated {
    pub(crate) fn by(headers: &HeaderMap) -> Self {
        // Seldom any, and then nothing is allocated.
        Self(
            headers
                .get_all(header::CONNECTION)
                .iter()
                .filter(|value| names_a_field(value))
                .cloned()
                .collect(),
        )
    }

    fn contains(&self, name: &HeaderName) -> bool {
        self.0.iter().flat_map(tokens).any(|token| token.eq_ignore_ascii_case(name.as_str().as_bytes()))
    }
}

/// Whether a field must not leave the connection it came on.
pub(crate) fn ends_here(name: &HeaderName, nominated: &Nominated) -> bool {
    match *name {
        header::CONNECTION
        | header::TE
        | header::TRANSFER_ENCODING
        | header::UPGRADE
        | header::PROXY_AUTHENTICATE
        | header::PROXY_AUTHORIZATION => true,
        // What frames and addresses the message is not the sender's to take out.
        header::HOST | header::CONTENT_LENGTH => false,
        _ => {
            matches!(name.as_str(), "keep-alive" | "proxy-connection" | "http2-settings")
                || nominated.contains(name)
        }
    }
}

/// Whether the client says that a field ends here, in `Connection`.
pub(crate) fn is_nominated(headers: &HeaderMap, name: &HeaderName) -> bool {
    has_token(headers, &header::CONNECTION, name.as_str())
}

fn has_token(headers: &HeaderMap, name: &HeaderName, token: &str) -> bool {
    headers.get_all(name).iter().flat_map(tokens).any(|found| found.eq_ignore_ascii_case(token.as_bytes()))
}

/// The elements of a comma-separated field, without parameters.
fn tokens(value: &HeaderValue) -> impl Iterator<Item = &[u8]> {
    value.as_bytes().split(|byte| *byte == b',').map(|element| {
        let token = element.split(|byte| *byte == b';').next().unwrap_or_default();
        token.trim_ascii()
    })
}

/// Nearly every `Connection` field says one of these and nothing more.
fn names_a_field(value: &HeaderValue) -> bool {
    !["keep-alive", "close", "upgrade"]
        .iter()
        .any(|word| value.as_bytes().eq_ignore_ascii_case(word.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::header::remove_fields;

    fn fields(lines: &[(&str, &str)]) -> HeaderMap {
        let mut fields = HeaderMap::new();
        for (name, value) in lines {
            fields.append(name.parse::<HeaderName>().unwrap(), value.parse().unwrap());
        }
        fields
    }

    #[test]
    fn what_ends_at_the_gateway() {
        let mut sent = fields(&[
            ("connection", "Keep-Alive, X-Hop , close"),
            ("connection", "x-other-hop"),
            ("connection", "content-length, host"),
            ("keep-alive", "timeout=5"),
            ("proxy-connection", "keep-alive"),
            ("proxy-authorization", "Basic eDp5"),
            ("te", "trailers"),
            ("transfer-encoding", "chunked"),
            ("upgrade", "h2c"),
            ("http2-settings", "AAMAAABkAAQAAP__"),
            ("x-hop", "1"),
            ("x-other-hop", "1"),
            ("host", "example.com"),
            ("content-length", "3"),
            ("x-end", "1"),
            ("trailer", "x-sum"),
        ]);
        let nominated = Nominated::by(&sent);
        remove_fields(&mut sent, |name| ends_here(name, &nominated));
        let mut left: Vec<&str> = sent.keys().map(HeaderName::as_str).collect();
        left.sort_unstable();
        assert_eq!(left, ["content-length", "host", "trailer", "x-end"]);
    }

    #[test]
    fn what_a_client_asks_of_its_connection() {
        type Case = (&'static [(&'static str, &'static str)], bool, bool);
        let cases: [Case; 9] = [
            (&[("connection", "Upgrade"), ("upgrade", "websocket")], true, false),
            (&[("connection", "keep-alive, upgrade"), ("upgrade", "WebSocket")], true, false),
            (&[("upgrade", "websocket")], false, false),
            (&[("connection", "upgrade")], false, false),
            (&[("connection", "upgrade"), ("upgrade", "h2c")], false, false),
            (&[("connection", "upgrade"), ("upgrade", "h2c, websocket")], false, false),
            (&[("connection", "upgrade"), ("upgrade", "websocket"), ("upgrade", "h2c")], false, false),
            (&[("te", "gzip;q=0.5, trailers")], false, true),
            (&[("te", "gzip")], false, false),
        ];
        for (lines, websocket, trailers) in cases {
            assert_eq!(wishes(&fields(lines)), Wishes { websocket, trailers }, "{lines:?}");
        }
    }
}
