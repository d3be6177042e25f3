//! Whether a request that brings a cookie by itself was caused by a page of this site.
//!
//! A browser says so in `Sec-Fetch-Site` ([Fetch Metadata](https://www.w3.org/TR/fetch-metadata/)) and `Origin`
//! (RFC 6454 section 7), and no page can forge either.

use http::{HeaderMap, HeaderName, HeaderValue, Method, header};

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
const SEC_FETCH_MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");
const SEC_FETCH_DEST: HeaderName = HeaderName::from_static("sec-fetch-dest");
const SEC_PURPOSE: HeaderName = HeaderName::from_static("sec-purpose");

/// Whether a request may use the session that its cookie names. `own` is the origin of this site.
///
/// Pages of this site may; so may links and bookmarks, which open a page of their own and read nothing for
/// another site. Where the browser says neither where the request comes from, only one that changes nothing
/// may: an old browser sends so much for its own pages, and brings no `SameSite` cookie for others. A
/// WebSocket is always to name its origin: it is a GET, and yet its opener reads and writes.
pub(super) fn may_use_session(headers: &HeaderMap, method: &Method, websocket: bool, own: &str) -> bool {
    let (Ok(site), Ok(origin)) = (single(headers, &SEC_FETCH_SITE), single(headers, &header::ORIGIN)) else {
        return false;
    };
    let is_own_origin = origin.map(|origin| origin.as_bytes() == own.as_bytes());
    if websocket {
        return is_own_origin == Some(true);
    }
    let changes_nothing = matches!(*method, Method::GET | Method::HEAD);
    match (site.map(HeaderValue::as_bytes), is_own_origin) {
        (Some(b"same-origin"), _) => true,
        (Some(_), _) => changes_nothing && opens_a_page(headers),
        (None, Some(is_own)) => is_own,
        (None, None) => changes_nothing,
    }
}

/// Whether a browser asks because its user goes to a page, in a window of its own and not in a frame. One that
/// does not say counts as going there.
pub(super) fn is_visit(headers: &HeaderMap) -> bool {
    let says_nothing = !headers.contains_key(SEC_FETCH_MODE) && !headers.contains_key(SEC_FETCH_DEST);
    says_nothing && !is_ahead(headers) || goes_to_a_page(headers)
}

/// Whether the browser says that its user goes to a page now. What it fetches ahead, because they may go there, it asks for again
/// when they do, if it was refused.
pub(super) fn goes_to_a_page(headers: &HeaderMap) -> bool {
    opens_a_page(headers) && !is_ahead(headers)
}

/// Whether the browser fetches or renders a page ahead ([Fetch section 3.8](https://fetch.spec.whatwg.org/#sec-purpose-header)).
fn is_ahead(headers: &HeaderMap) -> bool {
    headers.contains_key(SEC_PURPOSE)
}

/// Whether the browser says that its user goes to a page.
pub(super) fn opens_a_page(headers: &HeaderMap) -> bool {
    let is = |name: &HeaderName, value: &str| matches!(single(headers, name), Ok(Some(found)) if found.as_bytes() == value.as_bytes());
    is(&SEC_FETCH_MODE, "navigate") && is(&SEC_FETCH_DEST, "document")
}

/// The value of a field that may stand once; two are an attempt.
fn single<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Result<Option<&'h HeaderValue>, ()> {
    let mut values = headers.get_all(name).iter();
    let first = values.next();
    if values.next().is_some() { Err(()) } else { Ok(first) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_goes_to_a_page() {
        const GO: (&str, &str) = ("sec-fetch-mode", "navigate");
        const PAGE: (&str, &str) = ("sec-fetch-dest", "document");
        const AHEAD: (&str, &str) = ("sec-purpose", "prefetch;prerender");
        // Whether it is a visit, and whether the browser says so.
        type Case<'c> = (&'c str, &'c [(&'c str, &'c str)], [bool; 2]);
        let cases: [Case<'_>; 7] = [
            ("says_nothing", &[], [true, false]),
            ("goes", &[GO, PAGE], [true, true]),
            ("goes_perhaps", &[GO, PAGE, AHEAD], [false, false]),
            ("says_only_that_it_is_ahead", &[AHEAD], [false, false]),
            ("a_frame", &[GO, ("sec-fetch-dest", "iframe")], [false, false]),
            ("an_image", &[("sec-fetch-mode", "no-cors"), ("sec-fetch-dest", "image")], [false, false]),
            ("two_destinations", &[GO, PAGE, PAGE], [false, false]),
        ];
        for (name, fields, want) in cases {
            let mut headers = HeaderMap::new();
            for (field, value) in fields {
                headers.append(*field, value.parse().unwrap());
            }
            assert_eq!([is_visit(&headers), goes_to_a_page(&headers)], want, "{name}");
        }
    }

    #[test]
    fn whose_pages_may_use_a_session() {
        const OWN: (&str, &str) = ("origin", "https://app.example.com");
        const EVIL: (&str, &str) = ("origin", "https://evil.example");
        const SAME: (&str, &str) = ("sec-fetch-site", "same-origin");
        const CROSS: (&str, &str) = ("sec-fetch-site", "cross-site");
        const SIBLING: (&str, &str) = ("sec-fetch-site", "same-site");
        const NONE: (&str, &str) = ("sec-fetch-site", "none");
        const GO: (&str, &str) = ("sec-fetch-mode", "navigate");
        const PAGE: (&str, &str) = ("sec-fetch-dest", "document");
        const FRAME: (&str, &str) = ("sec-fetch-dest", "iframe");
        // What a GET, a POST and a WebSocket may.
        type Case<'c> = (&'c str, &'c [(&'c str, &'c str)], [bool; 3]);
        let cases: [Case<'_>; 19] = [
            ("own_page", &[SAME, OWN], [true, true, true]),
            ("own_page_without_origin", &[SAME], [true, true, false]),
            ("own_page_that_hides_its_origin", &[SAME, ("origin", "null")], [true, true, false]),
            ("old_browser_own_page", &[OWN], [true, true, true]),
            ("says_nothing", &[], [true, false, false]),
            ("old_browser_another_site", &[EVIL], [false, false, false]),
            ("sandboxed_page", &[("origin", "null")], [false, false, false]),
            ("another_site", &[CROSS, EVIL], [false, false, false]),
            ("another_site_without_origin", &[CROSS], [false, false, false]),
            ("another_sites_word_for_our_origin", &[CROSS, OWN], [false, false, true]),
            ("a_neighbour", &[SIBLING, EVIL], [false, false, false]),
            ("a_neighbours_image", &[SIBLING], [false, false, false]),
            ("a_link_on_another_site", &[CROSS, GO, PAGE], [true, false, false]),
            ("a_form_on_another_site", &[CROSS, GO, PAGE, EVIL], [true, false, false]),
            ("a_frame_on_another_site", &[CROSS, GO, FRAME], [false, false, false]),
            ("typed", &[NONE, GO, PAGE], [true, false, false]),
            ("none_and_no_page", &[NONE], [false, false, false]),
            ("two_sites", &[SAME, SAME, OWN], [false, false, false]),
            ("two_origins", &[SAME, OWN, OWN], [false, false, false]),
        ];
        for (name, fields, want) in cases {
            let mut headers = HeaderMap::new();
            for (field, value) in fields {
                headers.append(*field, value.parse().unwrap());
            }
            let may = |method, websocket| may_use_session(&headers, &method, websocket, OWN.1);
            assert_eq!(
                [may(Method::GET, false), may(Method::POST, false), may(Method::GET, true)],
                want,
                "{name}"
            );
            assert_eq!(may(Method::DELETE, false), want[1], "{name}");
        }
    }
}
