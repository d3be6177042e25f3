//! Which address a request came from, as far as anybody trustworthy can tell.

use std::net::{IpAddr, SocketAddr};

use http::{HeaderMap, HeaderName};

const FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The address of the client: of the connection, or what the trusted proxy at its other end says of its own.
///
/// `X-Forwarded-For` is read from the right, where the proxies that are trusted have written, up to the first
/// hop that is not one of them: what stands further left is that hop's word, which anybody can make up. Where
/// a trusted proxy wrote what is no address, the proxy itself is the last that is known.
pub(crate) fn client_address(headers: &HeaderMap, peer: IpAddr, trusts: impl Fn(IpAddr) -> bool) -> IpAddr {
    let mut known = peer.to_canonical();
    if !trusts(known) {
        return known;
    }
    for field in headers.get_all(FOR).iter().rev() {
        for hop in field.as_bytes().rsplit(|byte| *byte == b',') {
            let Some(hop) = address(hop) else { return known };
            known = hop;
            if !trusts(hop) {
                return hop;
            }
        }
    }
    known
}

/// Some proxies write the port, too.
fn address(hop: &[u8]) -> Option<IpAddr> {
    let hop = std::str::from_utf8(hop).ok()?.trim_matches([' ', '\t']);
    let address = hop.parse().ok().or_else(|| hop.parse::<SocketAddr>().ok().map(|socket| socket.ip()));
    address.map(|address: IpAddr| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_hop_that_is_no_proxy_of_ours() {
        let cases: [(&str, &[&str], &str); 14] = [
            ("192.0.2.1", &[], "192.0.2.1"),
            ("192.0.2.1", &["203.0.113.1"], "192.0.2.1"), // who connects directly is believed nothing
            ("10.0.0.1", &[], "10.0.0.1"),
            ("10.0.0.1", &["203.0.113.1"], "203.0.113.1"),
            ("10.0.0.1", &["198.51.100.9, 203.0.113.1"], "203.0.113.1"), // the left one is made up
            ("10.0.0.1", &["203.0.113.1, 10.0.0.2"], "203.0.113.1"),
            ("10.0.0.1", &["203.0.113.1", "10.0.0.2"], "203.0.113.1"),
            ("10.0.0.1", &["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
            ("10.0.0.1", &["203.0.113.1, nonsense"], "10.0.0.1"),
            ("10.0.0.1", &["203.0.113.1, unknown, 10.0.0.2"], "10.0.0.2"),
            ("10.0.0.1", &[""], "10.0.0.1"),
            ("10.0.0.1", &["203.0.113.1:4711"], "203.0.113.1"),
            ("::ffff:10.0.0.1", &["[2001:db8::1]:443"], "2001:db8::1"),
            ("10.0.0.1", &["::ffff:203.0.113.1"], "203.0.113.1"),
        ];
        let trusts = |address: IpAddr| matches!(address, IpAddr::V4(address) if address.octets()[0] == 10);
        for (peer, told, want) in cases {
            let mut headers = HeaderMap::new();
            for field in told {
                headers.append(FOR, field.parse().unwrap());
            }
            let found = client_address(&headers, peer.parse().unwrap(), trusts);
            assert_eq!(found, want.parse::<IpAddr>().unwrap(), "{peer} {told:?}");
        }
    }
}
