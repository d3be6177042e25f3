//! Where a browser goes after a login: only to paths of this site, and only such as everybody reads in one way.

use url::Url;

use crate::route::path::RequestPath;

/// The transaction's cookie has to hold it.
const MAX_LEN: usize = 1024;

/// `text`, if it is an absolute path of this site, perhaps with a query and a fragment. `prefix` is where the
/// endpoints of sessions are: who came back there would go in circles.
pub(crate) fn own_path<'t>(text: &'t str, origin: &str, prefix: &str) -> Option<&'t str> {
    let printable = |byte: u8| (0x21..=0x7e).contains(&byte) && byte != b'\\';
    if text.len() > MAX_LEN || !text.bytes().all(printable) {
        return None;
    }
    let path = text.split(['?', '#']).next().unwrap_or_default();
    RequestPath::parse(path).ok()?;
    let below_prefix = path.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    // What a browser would make of it has the last word.
    let base = Url::parse(origin).ok()?;
    let target = base.join(text).ok()?;
    (!below_prefix && target.origin() == base.origin() && target.path() == path).then_some(text)
}

/// Whether this is a path of letters, digits, `-`, `_`, `.`, `~` and slashes, without one at the end.
pub(crate) fn is_plain_path(path: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~/".contains(&byte);
    path.len() > 1 && !path.ends_with('/') && path.bytes().all(plain) && RequestPath::parse(path).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_a_login_may_lead() {
        let long = format!("/{}", "x".repeat(MAX_LEN));
        let cases = [
            ("/", true),
            ("/orders", true),
            ("/orders/7?filter=a%20b&x=//evil.example#part", true),
            ("/caf%C3%A9", true),
            ("/bffs", true),
            ("/orders/", true),
            ("", false),
            ("orders", false),
            ("//evil.example", false),
            ("///evil.example", false),
            ("/\\evil.example", false),
            ("\\\\evil.example", false),
            ("/orders\\..\\..", false),
            ("/%5cevil.example", false),
            ("/%2fevil.example", false),
            ("/%2e%2e/", false),
            ("/../", false),
            ("/./", false),
            ("/..//evil.example", false),
            ("/.//evil.example", false),
            ("/a//evil.example", false),
            ("/\t/evil.example", false),
            ("/\n/evil.example", false),
            ("/\r\nset-cookie: a=b", false),
            ("/%0d%0aset-cookie:a=b", false),
            ("/ /evil.example", false),
            ("/%09/evil.example", false),
            ("/%252fevil.example", false),
            ("/é", false),
            ("https://evil.example/", false),
            ("https:/evil.example", false),
            ("https://app.example.com/orders", false),
            ("javascript:alert(1)", false),
            ("@evil.example", false),
            ("?a=b", false),
            ("#a", false),
            ("/bff", false),
            ("/bff/login?return_to=/", false),
            ("/bff/callback", false),
            (&long, false),
        ];
        for (text, want) in cases {
            assert_eq!(own_path(text, "https://app.example.com", "/bff").is_some(), want, "{text:?}");
        }
    }
}
