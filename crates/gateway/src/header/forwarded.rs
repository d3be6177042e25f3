//! Who asked, as told to the upstream: `X-Forwarded-For`, `-Proto`, `-Host`.
//!
//! A client can write these fields too. Theirs count only if the connection comes from a proxy of
//! `trusted_proxies`; from anybody else every field of this family is removed before the gateway writes its
//! own.

use std::net::IpAddr;

use http::uri::Scheme;
use http::{HeaderMap, HeaderName, HeaderValue};

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

/// Whether this field, sent by a client, must not reach an upstream.
pub(crate) fn is_hearsay(name: &HeaderName, from_trusted_proxy: bool) -> bool {
    let name = name.as_str().as_bytes();
    // Few fields begin like one of these.
    if !matches!(name.first(), Some(b'x' | b'f' | b'p')) {
        return false;
    }
    if OVERRIDES.iter().any(|listed| reads_like(name, listed)) {
        return true;
    }
    let of_the_family =
        starts_like(name, "x-forwarded-") || reads_like(name, "forwarded") || reads_like(name, "x-real-ip");
    // From a trusted proxy in the usual spelling only: it does not write another, so another is its
    // client's.
    of_the_family
        && !(from_trusted_proxy && name.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'-'))
}

/// Writes the fields for the upstream, after [`is_hearsay`] had its way.
///
/// `peer` is the address that the connection came from, and `scheme` what it speaks.
pub(crate) fn set(
    headers: &mut HeaderMap,
    peer: &HeaderValue,
    scheme: &Scheme,
    host: &HeaderValue,
    from_trusted_proxy: bool,
) {
    let proto = HeaderValue::from_static(if *scheme == Scheme::HTTPS { "https" } else { "http" });
    if !from_trusted_proxy {
        headers.insert(FOR, peer.clone());
        headers.insert(PROTO, proto);
        headers.insert(HOST, host.clone());
        return;
    }
    let chain = chain(headers, peer);
    headers.insert(FOR, chain);
    headers.entry(PROTO).or_insert(proto);
    headers.entry(HOST).or_insert_with(|| host.clone());
}

/// The address of a connection, as [`set`] wants it.
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

    #[test]
    fn what_the_upstream_is_told() {
        let peer = address_value("::ffff:192.0.2.7".parse().unwrap());
        let host = HeaderValue::from_static("api.example.com");
        type Case = (&'static [(&'static str, &'static str)], Scheme, bool, [&'static str; 3]);
        let cases: [Case; 4] = [
            (&[], Scheme::HTTP, false, ["192.0.2.7", "http", "api.example.com"]),
            (&[], Scheme::HTTP, true, ["192.0.2.7", "http", "api.example.com"]),
            (&[], Scheme::HTTPS, false, ["192.0.2.7", "https", "api.example.com"]),
            (
                &[
                    ("x-forwarded-for", "203.0.113.1"),
                    ("x-forwarded-for", "10.0.0.1"),
                    ("x-forwarded-proto", "https"),
                    ("x-forwarded-host", "shop.example.com"),
                ],
                Scheme::HTTP,
                true,
                ["203.0.113.1, 10.0.0.1, 192.0.2.7", "https", "shop.example.com"],
            ),
        ];
        for (sent, scheme, trusted, want) in cases {
            let mut headers = HeaderMap::new();
            for (name, value) in sent {
                headers.append(name.parse::<HeaderName>().unwrap(), value.parse().unwrap());
            }
            set(&mut headers, &peer, &scheme, &host, trusted);
            let told = [FOR, PROTO, HOST]
                .map(|name| super::super::sole_value(&headers, &name).unwrap().to_str().unwrap().to_owned());
            assert_eq!(told, want, "{sent:?}");
        }
    }
}
