//! The field `Forwarded` (RFC 7239).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::Hop;

/// Adds one hop to those before.
pub(super) fn append(chain: &mut String, hop: &Hop<'_>) {
    if !chain.is_empty() {
        chain.push_str(", ");
    }
    chain.push_str("for=");
    chain.push_str(&node(hop.address));
    if let Ok(host) = hop.host.to_str() {
        chain.push_str(";host=");
        push_value(chain, host);
    }
    chain.push_str(if hop.is_tls { ";proto=https" } else { ";proto=http" });
}

/// Section 6: an IPv6 address stands in brackets, and so in quotes.
pub(super) fn node(address: IpAddr) -> String {
    match address.to_canonical() {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => format!("\"[{address}]\""),
    }
}

/// As it is if it is a token, else in quotes.
pub(super) fn push_value(chain: &mut String, value: &str) {
    if !value.is_empty() && value.chars().all(is_token) {
        return chain.push_str(value);
    }
    chain.push('"');
    for letter in value.chars() {
        if matches!(letter, '"' | '\\') {
            chain.push('\\');
        }
        chain.push(letter);
    }
    chain.push('"');
}

/// The hops that a field tells, first to last, each with its `for` where that is an address. `None` for a
/// field that is malformed: what is appended to it could be read as part of it.
pub(super) fn hops(mut rest: &str) -> Option<Vec<Option<IpAddr>>> {
    let mut hops = Vec::new();
    loop {
        rest = rest.trim_start_matches([' ', '\t']);
        let (mut address, mut is_empty) = (None, true);
        while let Some((name, after)) = pair_name(rest) {
            let (value, after) = pair_value(after)?;
            if name.eq_ignore_ascii_case("for") {
                address = parse_node(&value);
            }
            is_empty = false;
            match after.strip_prefix(';') {
                Some(after) => rest = after,
                None => {
                    rest = after;
                    break;
                }
            }
        }
        if !is_empty {
            hops.push(address);
        }
        rest = rest.trim_start_matches([' ', '\t']);
        if rest.is_empty() {
            return Some(hops);
        }
        rest = rest.strip_prefix(',')?;
    }
}

fn pair_name(text: &str) -> Option<(&str, &str)> {
    text.split_once('=').filter(|(name, _)| !name.is_empty() && name.chars().all(is_token))
}

fn pair_value(text: &str) -> Option<(String, &str)> {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find(|letter| !is_token(letter)).unwrap_or(text.len());
        let (value, after) = text.split_at_checked(end)?;
        return (!value.is_empty()).then(|| (value.to_owned(), after));
    };
    let mut value = String::new();
    let mut letters = quoted.char_indices();
    while let Some((at, letter)) = letters.next() {
        match letter {
            '"' => return Some((value, quoted.get(at + 1..)?)),
            '\\' => value.push(letters.next()?.1),
            _ => value.push(letter),
        }
    }
    None
}

/// An address, with or without a port.
fn parse_node(node: &str) -> Option<IpAddr> {
    if let Some(bracketed) = node.strip_prefix('[') {
        return bracketed.split_once(']')?.0.parse::<Ipv6Addr>().ok().map(IpAddr::V6);
    }
    node.split(':').next()?.parse::<Ipv4Addr>().ok().map(IpAddr::V4)
}

/// RFC 9110 section 5.6.2.
fn is_token(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(letter)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_a_field_tells() {
        let cases: [(&str, Option<&[Option<&str>]>); 16] = [
            ("", Some(&[])),
            ("for=192.0.2.1", Some(&[Some("192.0.2.1")])),
            ("For=\"[2001:db8:cafe::17]:4711\"", Some(&[Some("2001:db8:cafe::17")])),
            ("for=\"192.0.2.1:80\"", Some(&[Some("192.0.2.1")])),
            ("for=192.0.2.1;proto=http;by=203.0.113.43", Some(&[Some("192.0.2.1")])),
            ("for=192.0.2.1, for=198.51.100.17", Some(&[Some("192.0.2.1"), Some("198.51.100.17")])),
            ("for=unknown,for=_hidden", Some(&[None, None])),
            ("host=\"a,b;for=192.0.2.1\"", Some(&[None])),
            ("for=\"\\192.0.2.1\"", Some(&[Some("192.0.2.1")])),
            ("for=192.0.2.1,", Some(&[Some("192.0.2.1")])),
            ("for=\"192.0.2.1", None),
            ("for=[2001:db8::1]", None),
            ("for", None),
            ("for=", None),
            ("for=\"a\"b", None),
            ("=a", None),
        ];
        for (field, want) in cases {
            let want: Option<Vec<Option<IpAddr>>> =
                want.map(|hops| hops.iter().map(|hop| hop.map(|hop| hop.parse().unwrap())).collect());
            assert_eq!(hops(field), want, "{field}");
        }
    }

    proptest! {
        #[test]
        fn any_value_that_is_written_is_read_again(value in "[ -~]{0,20}") {
            let mut field = "host=".to_owned();
            push_value(&mut field, &value);
            field.push_str(";for=192.0.2.1");
            prop_assert_eq!(hops(&field), Some(vec![Some("192.0.2.1".parse().unwrap())]));
        }

        #[test]
        fn no_field_upsets_it(field: String) {
            let _ = hops(&field);
        }
    }
}
