//! The URI that a proof is for, as a value that compares.

/// An absolute `http` or `https` URI without query and fragment, in the normal form of
/// [RFC 3986 sections 6.2.2 and 6.2.3](https://www.rfc-editor.org/rfc/rfc3986#section-6.2.2): two spellings of
/// the same target are equal.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Target {
    scheme: Scheme,
    host: String,
    port: u16,
    path: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scheme {
    Http,
    Https,
}

impl Target {
    /// `None` for what is no such URI: another scheme, user information, a character that no URI has.
    pub(super) fn parse(uri: &str) -> Option<Self> {
        let uri = uri.split(['?', '#']).next()?;
        if !uri.bytes().all(is_uri_character) {
            return None;
        }
        let (scheme, rest) = uri.split_once("://")?;
        let scheme = match scheme.to_ascii_lowercase().as_str() {
            "http" => Scheme::Http,
            "https" => Scheme::Https,
            _ => return None,
        };
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let (host, port) = split_port(authority)?;
        if host.is_empty() || host.contains('@') {
            return None;
        }
        let default_port = match scheme {
            Scheme::Http => 80,
            Scheme::Https => 443,
        };
        let port = if port.is_empty() { default_port } else { port.parse().ok()? };
        let path = without_dot_segments(&normal_escapes(path)?);
        Some(Self { scheme, host: host.to_ascii_lowercase(), port, path })
    }
}

/// The characters of RFC 3986 section 2, and nothing that two readers could take differently.
fn is_uri_character(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~:/[]@!$&'()*+,;=%".contains(&byte)
}

/// Host and port; the colons inside the brackets of an IPv6 address separate nothing.
fn split_port(authority: &str) -> Option<(&str, &str)> {
    let after_brackets = authority.rfind(']').map_or(0, |bracket| bracket + 1);
    let (host, port) = match authority.get(after_brackets..)?.find(':') {
        Some(colon) => {
            (authority.get(..after_brackets + colon)?, authority.get(after_brackets + colon + 1..)?)
        }
        None => (authority, ""),
    };
    port.bytes().all(|byte| byte.is_ascii_digit()).then_some((host, port))
}

/// Percent-encodings in capital letters, and those of unreserved characters decoded.
fn normal_escapes(path: &str) -> Option<String> {
    let mut normal = String::with_capacity(path.len());
    let mut pieces = path.split('%');
    normal.push_str(pieces.next()?);
    for piece in pieces {
        let (digits, rest) = piece.split_at_checked(2)?;
        if !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return None;
        }
        let byte = u8::from_str_radix(digits, 16).ok()?;
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            normal.push(char::from(byte));
        } else {
            normal.push('%');
            normal.push_str(&digits.to_ascii_uppercase());
        }
        normal.push_str(rest);
    }
    Some(normal)
}

/// RFC 3986 section 5.2.4, for a path that is empty or begins with a slash.
fn without_dot_segments(path: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    let mut segments = path.strip_prefix('/').unwrap_or(path).split('/').peekable();
    while let Some(segment) = segments.next() {
        let is_last = segments.peek().is_none();
        match segment {
            "." | ".." => {
                if segment == ".." {
                    kept.pop();
                }
                if is_last {
                    kept.push("");
                }
            }
            _ => kept.push(segment),
        }
    }
    format!("/{}", kept.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_one_target_are_equal() {
        let cases = [
            ("query", "https://a.example/x?y=1", "https://a.example/x"),
            ("fragment", "https://a.example/x#y", "https://a.example/x"),
            ("query_with_odd_characters", "https://a.example/x?q=<ö>", "https://a.example/x"),
            ("case_of_scheme_and_host", "HTTPS://A.Example/x", "https://a.example/x"),
            ("default_port", "https://a.example:443/x", "https://a.example/x"),
            ("default_port_of_http", "http://a.example:80/x", "http://a.example/x"),
            ("empty_port", "https://a.example:/x", "https://a.example/x"),
            ("empty_path", "https://a.example", "https://a.example/"),
            ("empty_path_before_a_query", "https://a.example?x", "https://a.example/"),
            ("escaped_unreserved", "https://a.example/%7ex%41", "https://a.example/~xA"),
            ("case_of_escapes", "https://a.example/%c3%b6", "https://a.example/%C3%B6"),
            ("dot_segments", "https://a.example/a/./b/../c", "https://a.example/a/c"),
            ("escaped_dot_segments", "https://a.example/a/%2e%2E/c", "https://a.example/c"),
            ("dots_at_the_end", "https://a.example/a/b/..", "https://a.example/a/"),
            ("dots_above_the_root", "https://a.example/../../a", "https://a.example/a"),
            ("ipv6", "https://[2001:DB8::1]:443/x", "https://[2001:db8::1]/x"),
        ];
        for (name, one, other) in cases {
            assert!(Target::parse(one).is_some(), "{name}");
            assert_eq!(Target::parse(one), Target::parse(other), "{name}");
        }
    }

    #[test]
    fn other_targets_are_not_equal() {
        let cases = [
            ("scheme", "http://a.example/x"),
            ("host", "https://b.example/x"),
            ("longer_host", "https://a.example.b/x"),
            ("port", "https://a.example:8443/x"),
            ("other_schemes_default_port", "https://a.example:80/x"),
            ("path", "https://a.example/y"),
            ("case_of_the_path", "https://a.example/X"),
            ("trailing_slash", "https://a.example/x/"),
            ("double_slash", "https://a.example//x"),
            ("escaped_slash", "https://a.example/%2Fx"),
        ];
        for (name, uri) in cases {
            assert!(Target::parse(uri).is_some(), "{name}");
            assert_ne!(Target::parse(uri), Target::parse("https://a.example/x"), "{name}");
        }
    }

    #[test]
    fn what_is_no_target_is_refused() {
        let cases = [
            ("empty", ""),
            ("relative", "/x"),
            ("no_host", "https:///x"),
            ("port_alone", "https://:443/x"),
            ("another_scheme", "ftp://a.example/x"),
            ("opaque", "https:a.example/x"),
            ("user_information", "https://u:p@a.example/x"),
            ("user_without_password", "https://u@a.example/x"),
            ("port_of_letters", "https://a.example:x/x"),
            ("port_with_a_sign", "https://a.example:+443/x"),
            ("port_too_large", "https://a.example:65536/x"),
            ("backslash", "https:\\\\a.example\\x"),
            ("space", "https://a.example/x y"),
            ("tab", "https://a.example/\tx"),
            ("not_ascii", "https://ä.example/x"),
            ("half_an_escape", "https://a.example/%2"),
            ("no_escape", "https://a.example/%zz"),
            ("signed_escape", "https://a.example/%+1"),
        ];
        for (name, uri) in cases {
            assert_eq!(Target::parse(uri), None, "{name}");
        }
    }

    proptest::proptest! {
        #[test]
        fn a_normal_form_is_its_own(path in "(/[a-c.%0-9A-F]{0,4}){0,6}") {
            if let Some(target) = Target::parse(&format!("https://a.example{path}")) {
                let again = Target::parse(&format!("https://a.example{}", target.path));
                proptest::prop_assert_eq!(again, Some(target));
            }
        }
    }
}
