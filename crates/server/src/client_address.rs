//! Where a request comes from.

use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::extract::{ConnectInfo, FromRequestParts};
use gatepass_net::Network;
use http::request::Parts;
use http::{HeaderMap, HeaderName};

use crate::server::Server;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The client's address, if it is known: the connection's, or what trusted proxies say of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ClientAddress(pub(crate) Option<IpAddr>);

impl FromRequestParts<Arc<Server>> for ClientAddress {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, server: &Arc<Server>) -> Result<Self, Infallible> {
        Ok(Self::of(server, parts))
    }
}

impl ClientAddress {
    pub(crate) fn of(server: &Server, parts: &Parts) -> Self {
        let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|peer| peer.0.ip());
        let trusted = &server.config.trusted_proxies;
        Self(peer.map(|peer| client_address(peer, &parts.headers, trusted)))
    }
}

/// The nearest address that is no trusted proxy. Each proxy appends whom it got the request from, so
/// the list is read from its end, and only as far as every speaker was trusted: what stands before
/// that, the client may have written itself.
fn client_address(peer: IpAddr, headers: &HeaderMap, trusted: &[Network]) -> IpAddr {
    let is_trusted = |address: IpAddr| trusted.iter().any(|network| network.contains(address));
    let mut address = peer.to_canonical();
    let lines = headers.get_all(X_FORWARDED_FOR).iter().rev();
    let mut said = lines.flat_map(|line| line.as_bytes().rsplit(|byte| *byte == b','));
    while is_trusted(address) {
        match said.next().map(parse) {
            Some(Some(before)) => address = before.to_canonical(),
            // The end of the list, or nothing that can be understood: this is as far as we know.
            Some(None) | None => break,
        }
    }
    address
}

/// An address, which some proxies write with a port or in brackets.
fn parse(text: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(text).ok()?.trim();
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    bare.parse().ok().or_else(|| text.parse::<SocketAddr>().ok().map(|address| address.ip()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whose_word_is_taken() {
        let proxy = "10.0.0.1";
        let cases: [(&str, &str, &[&str], &str); 11] = [
            ("no_proxy", "203.0.113.9", &[], "203.0.113.9"),
            ("a_stranger_is_not_believed", "203.0.113.9", &["198.51.100.1"], "203.0.113.9"),
            ("a_proxy_is", proxy, &["198.51.100.1"], "198.51.100.1"),
            ("what_the_client_wrote_is_not", proxy, &["6.6.6.6, 198.51.100.1"], "198.51.100.1"),
            ("two_proxies", proxy, &["198.51.100.1, 10.0.0.2"], "198.51.100.1"),
            ("two_lines", proxy, &["6.6.6.6", "198.51.100.1,10.0.0.2"], "198.51.100.1"),
            ("nothing_said", proxy, &[], proxy),
            ("nonsense", proxy, &["198.51.100.1, unknown"], proxy),
            ("with_port", proxy, &["198.51.100.1:4711"], "198.51.100.1"),
            ("v6_in_brackets", proxy, &["[2001:db8::1]:4711"], "2001:db8::1"),
            ("mapped_peer", "::ffff:10.0.0.1", &["::ffff:198.51.100.1"], "198.51.100.1"),
        ];
        let trusted = ["10.0.0.0/8".parse().unwrap()];
        for (name, peer, lines, want) in cases {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append(X_FORWARDED_FOR, line.parse().unwrap());
            }
            let address = client_address(peer.parse().unwrap(), &headers, &trusted);
            assert_eq!(address, want.parse::<IpAddr>().unwrap(), "{name}");
        }
    }
}
