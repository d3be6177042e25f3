//! Who asked, as told to the upstream: `X-Forwarded-For`, `-Proto`, `-Host`, or `Forwarded` (RFC 7239).
//!
//! A client can write these fields too. Theirs count only if the connection comes from a proxy of
//! `trusted_proxies`; from anybody else every field of this family is removed before the gateway writes its
//! own.

mod rfc7239;

use std::net::{IpAddr, SocketAddr};

use http::{HeaderMap, HeaderName, HeaderValue, header};
use serde::Deserialize;

use super::{reads_like, starts_like};

const FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// Fields that make some servers act on another method or path than the request line's, or (`Proxy`) on
/// another proxy. The rule was chosen by the request line, so nobody may send them.
const OVERRIDES: [&str; 9] = [
    "x-http-method-override",
    "x-http-method",
    "x-method-override",
    "x-original-method",
    "x-original-uri",
    "x-original-url",
    "x-rewrite-url",
    "x-forwarded-prefix",
    "proxy",
];

/// The certificate of the TLS connection, by whoever ended that (RFC 9440). The gateway tells of none, so that whoever
/// sends these speaks for somebody else.
const CERTIFICATE: [&str; 2] = ["client-cert", "client-cert-chain"];

/// Whether this field, sent by a client, must not reach an upstream.
pub(crate) fn is_hearsay(name: &HeaderName, from_trusted_proxy: bool) -> bool {
    let name = name.as_str().as_bytes();
    // Few fields begin like one of these.
    if !matches!(name.first(), Some(b'x' | b'f' | b'p' | b'c')) {
        return false;
    }
    if OVERRIDES.iter().chain(&CERTIFICATE).any(|listed| reads_like(name, listed)) {
        return true;
    }
    let of_the_family =
        starts_like(name, "x-forwarded-") || reads_like(name, "forwarded") || reads_like(name, "x-real-ip");
    // From a trusted proxy in the usual spelling only: it does not write another, so another is its
    // client's.
    of_the_family
        && !(from_trusted_proxy && name.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'-'))
}

/// In which fields the upstream is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
pub(crate) enum ForwardedFields {
    /// `X-Forwarded-For`, `-Proto` and `-Host`.
    #[default]
    #[serde(rename = "x")]
    X,
    /// `Forwarded`, and none of the others.
    #[serde(rename = "rfc7239")]
    Rfc7239,
    #[serde(rename = "both")]
    Both,
}

/// What the gateway has seen of a request itself.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Hop<'h> {
    /// Where the connection came from.
    pub(crate) address: IpAddr,
    /// The same, as `X-Forwarded-For` tells it.
    pub(crate) address_value: &'h HeaderValue,
    pub(crate) is_tls: bool,
    pub(crate) host: &'h HeaderValue,
}

impl ForwardedFields {
    /// Writes the fields for the upstream, after [`is_hearsay`] had its way.
    pub(crate) fn set(self, headers: &mut HeaderMap, hop: Hop<'_>, from_trusted_proxy: bool) {
        if self != Self::X {
            let chain = forwarded_chain(headers, &hop, from_trusted_proxy);
            headers.insert(header::FORWARDED, chain);
        }
        match self {
            Self::X | Self::Both => set_x(headers, &hop, from_trusted_proxy),
            Self::Rfc7239 => [FOR, PROTO, HOST].iter().for_each(|name| {
                headers.remove(name);
            }),
        }
    }

    /// Who sent a request: who connected, or, where that is a trusted proxy, the last that its chain names
    /// who is none.
    pub(crate) fn client(self, headers: &HeaderMap, peer: IpAddr, trusts: impl Fn(IpAddr) -> bool) -> IpAddr {
        if !trusts(peer) {
            return peer;
        }
        let chain = match self {
            Self::X | Self::Both => {
                let hops = headers
                    .get_all(FOR)
                    .iter()
                    .flat_map(|field| field.as_bytes().split(|byte| *byte == b','));
                Some(hops.map(address_of_hop).collect())
            }
            Self::Rfc7239 => joined(headers, &header::FORWARDED).and_then(|field| rfc7239::hops(&field)),
        };
        let mut client = peer;
        // What cannot be read ends what is known.
        for hop in chain.unwrap_or_default().into_iter().rev().map_while(|hop: Option<IpAddr>| hop) {
            client = hop.to_canonical();
            if !trusts(client) {
                break;
            }
        }
        client
    }
}

fn set_x(headers: &mut HeaderMap, hop: &Hop<'_>, from_trusted_proxy: bool) {
    let proto = HeaderValue::from_static(if hop.is_tls { "https" } else { "http" });
    if !from_trusted_proxy {
        headers.insert(FOR, hop.address_value.clone());
        headers.insert(PROTO, proto);
        headers.insert(HOST, hop.host.clone());
        return;
    }
    let chain = chain(headers, hop.address_value);
    headers.insert(FOR, chain);
    headers.entry(PROTO).or_insert(proto);
    headers.entry(HOST).or_insert_with(|| hop.host.clone());
}

/// The hops that trusted proxies have told in one family or the other, and this one.
fn forwarded_chain(headers: &HeaderMap, hop: &Hop<'_>, from_trusted_proxy: bool) -> HeaderValue {
    let told = || {
        let field = joined(headers, &header::FORWARDED).filter(|field| rfc7239::hops(field).is_some());
        field.or_else(|| translated(headers))
    };
    let mut chain = from_trusted_proxy.then(told).flatten().unwrap_or_default();
    rfc7239::append(&mut chain, hop);
    HeaderValue::try_from(chain).unwrap_or_else(|_| HeaderValue::from_static("for=unknown"))
}

/// What a proxy told in the older fields (RFC 7239 section 7.4).
fn translated(headers: &HeaderMap) -> Option<String> {
    let mut chain = String::new();
    for hop in joined(headers, &FOR)?.split(',') {
        if !chain.is_empty() {
            chain.push_str(", ");
        }
        let node = hop.trim().parse().map_or_else(|_| "unknown".to_owned(), rfc7239::node);
        let is_first = chain.is_empty();
        chain.push_str("for=");
        chain.push_str(&node);
        // They tell of the first hop: what its client asked for.
        for (name, field) in [("host", &HOST), ("proto", &PROTO)].into_iter().filter(|_| is_first) {
            if let Some(value) = super::sole_value(headers, field).and_then(|value| value.to_str().ok()) {
                chain.push(';');
                chain.push_str(name);
                chain.push('=');
                rfc7239::push_value(&mut chain, value);
            }
        }
    }
    Some(chain)
}

/// The values of a field as one (RFC 9110 section 5.3); `None` where there is none, or one is not text.
fn joined(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    let values: Option<Vec<&str>> = headers.get_all(name).iter().map(|value| value.to_str().ok()).collect();
    values.filter(|values| !values.is_empty()).map(|values| values.join(", "))
}

/// Some proxies write the port, too.
fn address_of_hop(hop: &[u8]) -> Option<IpAddr> {
    let hop = std::str::from_utf8(hop).ok()?.trim();
    hop.parse().ok().or_else(|| hop.parse::<SocketAddr>().ok().map(|socket| socket.ip()))
}

/// The address of a connection, as a [`Hop`] has it.
pub(crate) fn address_value(address: IpAddr) -> HeaderValue {
    HeaderValue::try_from(address.to_canonical().to_string())
        .unwrap_or_else(|_| HeaderValue::from_static("unknown"))
}

/// The hops that the proxies before have told, and this one.
fn chain(headers: &HeaderMap, peer: &HeaderValue) -> HeaderValue {
    let mut chain = Vec::new();
    for hop in headers.get_all(FOR).iter().chain([peer]) {
        if !chain.is_empty() {
            chain.extend_from_slice(b", ");
        }
        chain.extend_from_slice(hop.as_bytes());
    }
    HeaderValue::try_from(chain).unwrap_or_else(|_| peer.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hearsay() {
        let cases = [
            // name, removed from anybody, removed from a trusted proxy
            ("X-Forwarded-For", true, false),
            ("x_forwarded_for", true, true),
            ("X-Forwarded_Host", true, true),
            ("x-forwarded-proto", true, false),
            ("x-forwarded-anything", true, false),
            ("Forwarded", true, false),
            ("x-real-ip", true, false),
            ("X_Real_IP", true, true),
            ("X-Original-URL", true, true),
            ("x_rewrite_url", true, true),
            ("X-HTTP-Method-Override", true, true),
            ("x-http-method", true, true),
            ("Proxy", true, true),
            ("Client-Cert", true, true),
            ("client_cert_chain", true, true),
            ("Content-Type", false, false),
            ("x-forwarded", false, false),
            ("x-request-id", false, false),
            ("from", false, false),
            ("accept", false, false),
        ];
        for (name, from_anybody, from_trusted) in cases {
            let name: HeaderName = name.parse().unwrap();
            assert_eq!(is_hearsay(&name, false), from_anybody, "{name}");
            assert_eq!(is_hearsay(&name, true), from_trusted, "{name} from a trusted proxy");
        }
    }

    const PEER: &str = "::ffff:192.0.2.7";

    /// What the upstream is told in `names`.
    fn told(
        fields: ForwardedFields,
        sent: &[(&str, &str)],
        (is_tls, from_trusted_proxy): (bool, bool),
        names: &[&str],
    ) -> Vec<Option<String>> {
        let address = PEER.parse().unwrap();
        let (address_value, host) =
            (address_value(address), HeaderValue::from_static("api.example.com:8080"));
        let mut headers = HeaderMap::new();
        for (name, value) in sent {
            headers.append(name.parse::<HeaderName>().unwrap(), value.parse().unwrap());
        }
        super::super::remove_fields(&mut headers, |name| is_hearsay(name, from_trusted_proxy));
        let hop = Hop { address, address_value: &address_value, is_tls, host: &host };
        fields.set(&mut headers, hop, from_trusted_proxy);
        let value = |name: &&str| {
            let value = super::super::sole_value(&headers, &name.parse().unwrap())?;
            Some(value.to_str().unwrap().to_owned())
        };
        names.iter().map(value).collect()
    }

    const CHAIN: &[(&str, &str)] = &[
        ("x-forwarded-for", "203.0.113.1"),
        ("x-forwarded-for", "10.0.0.1"),
        ("x-forwarded-proto", "https"),
        ("x-forwarded-host", "shop.example.com"),
    ];

    #[test]
    fn what_the_upstream_is_told() {
        const OWN: [&str; 3] = ["192.0.2.7", "http", "api.example.com:8080"];
        type Case = (&'static [(&'static str, &'static str)], (bool, bool), [&'static str; 3]);
        let cases: [Case; 5] = [
            (&[], (false, false), OWN),
            (&[], (false, true), OWN),
            (CHAIN, (false, false), OWN),
            (&[], (true, false), ["192.0.2.7", "https", "api.example.com:8080"]),
            (CHAIN, (false, true), ["203.0.113.1, 10.0.0.1, 192.0.2.7", "https", "shop.example.com"]),
        ];
        for (sent, from, want) in cases {
            let names = ["x-forwarded-for", "x-forwarded-proto", "x-forwarded-host"];
            for fields in [ForwardedFields::X, ForwardedFields::Both] {
                assert_eq!(
                    told(fields, sent, from, &names),
                    want.map(|text| Some(text.to_owned())),
                    "{sent:?}"
                );
            }
            assert_eq!(told(ForwardedFields::Rfc7239, sent, from, &names), [None, None, None], "{sent:?}");
        }
    }

    #[test]
    fn the_same_in_forwarded() {
        const OWN: &str = "for=192.0.2.7;host=\"api.example.com:8080\";proto=http";
        type Case<'c> = (&'c [(&'c str, &'c str)], bool, String);
        let cases: [Case<'_>; 7] = [
            (&[], false, OWN.into()),
            (&[("forwarded", "for=1.2.3.4")], false, OWN.into()),
            (CHAIN, false, OWN.into()),
            (
                &[("forwarded", "for=\"[2001:db8::1]\""), ("forwarded", "for=10.0.0.1")],
                true,
                format!("for=\"[2001:db8::1]\", for=10.0.0.1, {OWN}"),
            ),
            (&[("forwarded", "for=\"1.2.3.4")], true, OWN.into()),
            (CHAIN, true, format!("for=203.0.113.1;host=shop.example.com;proto=https, for=10.0.0.1, {OWN}")),
            (
                &[("x-forwarded-for", "2001:db8::1, what")],
                true,
                format!("for=\"[2001:db8::1]\", for=unknown, {OWN}"),
            ),
        ];
        for (sent, from_trusted_proxy, want) in cases {
            for fields in [ForwardedFields::Rfc7239, ForwardedFields::Both] {
                let told = told(fields, sent, (false, from_trusted_proxy), &["forwarded"]);
                assert_eq!(told, [Some(want.clone())], "{sent:?}");
            }
        }
    }

    #[test]
    fn who_sent_a_request() {
        let cases = [
            ("a_stranger", "198.51.100.9", "203.0.113.1", "198.51.100.9"),
            ("a_proxy_that_says_nothing", "10.0.0.1", "", "10.0.0.1"),
            ("a_proxy", "10.0.0.1", "203.0.113.1", "203.0.113.1"),
            ("a_proxy_and_what_its_client_claims", "10.0.0.1", "1.2.3.4, 203.0.113.1", "203.0.113.1"),
            ("two_proxies", "10.0.0.1", "1.2.3.4, 203.0.113.1, 10.0.0.2", "203.0.113.1"),
            ("nothing_but_proxies", "10.0.0.1", "10.0.0.3, 10.0.0.2", "10.0.0.3"),
            ("rubbish_before_a_proxy", "10.0.0.1", "what, 10.0.0.2", "10.0.0.2"),
        ];
        for (name, peer, chain, want) in cases {
            let trusts = |address: IpAddr| address.to_string().starts_with("10.");
            let forwarded: Vec<_> =
                chain.split(", ").filter(|hop| !hop.is_empty()).map(|hop| format!("for={hop}")).collect();
            let mut headers = HeaderMap::new();
            headers.insert(FOR, chain.parse().unwrap());
            headers.insert(header::FORWARDED, forwarded.join(", ").parse().unwrap());
            for fields in [ForwardedFields::X, ForwardedFields::Rfc7239] {
                let client = fields.client(&headers, peer.parse().unwrap(), trusts);
                assert_eq!(client.to_string(), want, "{name} in {fields:?}");
            }
        }
    }

    #[test]
    fn a_hop_with_its_port_is_the_same_hop() {
        let mut headers = HeaderMap::new();
        headers.insert(FOR, HeaderValue::from_static("203.0.113.1:4711, 10.0.0.2:80"));
        let trusts = |address: IpAddr| address.to_string().starts_with("10.");
        let client = ForwardedFields::X.client(&headers, "10.0.0.1".parse().unwrap(), trusts);
        assert_eq!(client.to_string(), "203.0.113.1");
    }
}
