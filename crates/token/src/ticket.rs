//! Tickets: tokens for exactly one request, for places where no header field can be sent (a link to a download,
//! a WebSocket or an event stream that a browser opens).
//!
//! A ticket travels in the query, where addresses are kept: in histories, logs and `Referer` fields. So it is good
//! for one method and one target, for minutes, and once.

use std::borrow::Cow;
use std::time::Duration;

use gatepass_jose::{Audience, Issuer, KeySet, NumericDate, Typ, Verifier};
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// The `typ` of a ticket. It passes for no access token, and no access token for a ticket.
pub const TICKET: Typ = Typ::new("ticket+jwt");

/// No ticket lives longer.
pub const MAX_TICKET_LIFETIME: Duration = Duration::from_secs(300);

/// The query parameter that a ticket comes in.
const PARAMETER: &str = "ticket";
const MAX_METHOD: usize = 32;
const MAX_TARGET: usize = 2048;

/// The one request that a ticket is for: its claims beside those of [`AccessClaims`](crate::AccessClaims).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TicketRequest {
    /// The request's method.
    pub htm: String,
    /// The request's target, byte for byte: path and query, without the ticket itself.
    pub htu: String,
    /// Until when what it opens may last: the expiry of the access token that it was minted for.
    pub until: NumericDate,
}

/// No ticket is made for such a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum InvalidTicketRequest {
    /// The method is none that is passed on.
    #[error("a ticket's method is a method in capitals, and neither CONNECT nor TRACE")]
    Method,
    /// The target is not what stands in a request line.
    #[error(
        "a ticket's path begins with a slash, is printable ASCII of at most {MAX_TARGET} bytes, and has no fragment"
    )]
    Path,
    /// The target has a parameter that the ticket would be taken for.
    #[error("a ticket's path has no query parameter `{PARAMETER}` of its own")]
    Parameter,
}

impl TicketRequest {
    /// The claims for a request.
    ///
    /// # Errors
    /// [`InvalidTicketRequest`].
    pub fn new(method: &str, target: &str, until: NumericDate) -> Result<Self, InvalidTicketRequest> {
        let is_method = (1..=MAX_METHOD).contains(&method.len())
            && method.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'-');
        if !is_method || matches!(method, "CONNECT" | "TRACE") {
            return Err(InvalidTicketRequest::Method);
        }
        let plain = |byte: u8| byte.is_ascii_graphic() && byte != b'#';
        if !target.starts_with('/') || target.len() > MAX_TARGET || !target.bytes().all(plain) {
            return Err(InvalidTicketRequest::Path);
        }
        match take_ticket(target) {
            Ok(None) => Ok(Self { htm: method.to_owned(), htu: target.to_owned(), until }),
            Ok(Some(_)) | Err(_) => Err(InvalidTicketRequest::Parameter),
        }
    }

    /// Whether it is for the request with this method and target, from which the ticket has been taken.
    #[must_use]
    pub fn is_for(&self, method: &str, target: &str) -> bool {
        self.htm == method && self.htu == target
    }
}

/// A verifier of tickets: type `ticket+jwt`, a minute of clock skew. That the request is the ticket's, that it was
/// not used before and that it is not revoked is beyond it.
#[must_use]
pub fn ticket_verifier(issuer: Issuer, audience: Audience, keys: KeySet) -> Verifier {
    Verifier::new(issuer, audience, TICKET, keys)
}

/// There is more than one ticket in a target, or one under a name that another reader would take for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the request has more than one query parameter `{PARAMETER}`, or spells it in another way")]
pub struct AmbiguousTicket;

/// Takes the ticket out of a request's target: what it is, of which nothing is verified, and the target without
/// it, which is else the same byte for byte.
///
/// # Errors
/// [`AmbiguousTicket`].
///
/// ```
/// use gatepass_token::take_ticket;
///
/// let (ticket, target) = take_ticket("/export?year=2026&ticket=abc")?.unwrap();
/// assert_eq!((ticket, target.as_str()), ("abc", "/export?year=2026"));
/// assert_eq!(take_ticket("/export?year=2026")?, None);
/// # Ok::<_, gatepass_token::AmbiguousTicket>(())
/// ```
pub fn take_ticket(target: &str) -> Result<Option<(&str, String)>, AmbiguousTicket> {
    let Some((path, query)) = target.split_once('?') else { return Ok(None) };
    let mut ticket = None;
    let mut rest = Vec::new();
    for pair in query.split('&') {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        if name == PARAMETER && ticket.is_none() {
            ticket = Some(value);
        } else if decoded(name) == PARAMETER {
            return Err(AmbiguousTicket);
        } else {
            rest.push(pair);
        }
    }
    let without = |ticket| match rest.as_slice() {
        [] => (ticket, path.to_owned()),
        rest => (ticket, format!("{path}?{}", rest.join("&"))),
    };
    Ok(ticket.map(without))
}

/// A name as a lenient reader understands it; what is no ASCII is nobody's `ticket`.
fn decoded(name: &str) -> Cow<'_, str> {
    if !name.contains('%') {
        return name.into();
    }
    let mut rest = name.bytes();
    let mut text = String::new();
    while let Some(byte) = rest.next() {
        let escaped = (byte == b'%').then(|| {
            let mut digits = rest.clone();
            let digit =
                |byte: Option<u8>| char::from(byte?).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
            let value = digit(digits.next())? << 4 | digit(digits.next())?;
            rest = digits;
            Some(value)
        });
        text.push(char::from(escaped.flatten().unwrap_or(byte)));
    }
    text.into()
}

#[cfg(test)]
mod tests {
    use gatepass_jose::Timestamp;
    use proptest::collection::vec;
    use proptest::prelude::*;
    use proptest::sample::select;

    use super::*;

    #[test]
    fn a_ticket_is_taken_out_of_the_query_and_nothing_else_changes() {
        let taken = |ticket: &'static str, rest: &str| Ok(Some((ticket, rest.to_owned())));
        let cases = [
            ("no_query", "/a", Ok(None)),
            ("another_parameter", "/a?tickets=x&b", Ok(None)),
            ("in_the_path", "/ticket=x", Ok(None)),
            ("alone", "/a?ticket=x.y-z_", taken("x.y-z_", "/a")),
            ("first", "/a?ticket=x&b=1&c", taken("x", "/a?b=1&c")),
            ("in_the_middle", "/a?b=%41&ticket=x&&c=+", taken("x", "/a?b=%41&&c=+")),
            ("last", "/a?b=1&ticket=x", taken("x", "/a?b=1")),
            ("beside_an_empty_query", "/a?&ticket=x", taken("x", "/a?")),
            ("without_value", "/a?ticket", taken("", "/a")),
            ("twice", "/a?ticket=x&ticket=x", Err(AmbiguousTicket)),
            ("in_disguise", "/a?%74icket=x", Err(AmbiguousTicket)),
            ("beside_its_disguise", "/a?ticket=x&t%69cket=y", Err(AmbiguousTicket)),
            ("cut_escape", "/a?ticket%2=x", Ok(None)),
        ];
        for (name, target, want) in cases {
            assert_eq!(take_ticket(target), want, "{name}");
        }
    }

    proptest! {
        #[test]
        fn what_is_left_has_no_ticket_and_is_what_was_there(
            pieces in vec(select(&["ticket", "=", "&", "?", "%74", "icket", "%", "a", "/"][..]), 0..12),
        ) {
            let target = format!("/{}", pieces.concat());
            if let Ok(Some((ticket, rest))) = take_ticket(&target) {
                prop_assert_eq!(take_ticket(&rest), Ok(None), "{}", target);
                let taken = target.len() - rest.len();
                prop_assert!(taken > ticket.len() + "ticket".len(), "{} of {}", taken, target);
                let kept = |text: &str| text.chars().filter(|c| !matches!(c, '&' | '?')).count();
                prop_assert!(kept(&rest) < kept(&target), "{}", target);
            }
        }
    }

    #[test]
    fn requests_that_a_ticket_is_made_for() {
        let until = Timestamp::from_secs(1).into();
        let long = format!("/{}", "a".repeat(MAX_TARGET));
        let cases = [
            ("plain", "GET", "/a", Ok(())),
            ("with_query", "GET", "/a?b=%20&c", Ok(())),
            ("another_method", "M-SEARCH", "/a", Ok(())),
            ("small_letters", "get", "/a", Err(InvalidTicketRequest::Method)),
            ("no_method", "", "/a", Err(InvalidTicketRequest::Method)),
            ("connect", "CONNECT", "/a", Err(InvalidTicketRequest::Method)),
            ("no_path", "GET", "", Err(InvalidTicketRequest::Path)),
            ("a_url", "GET", "https://api.example.com/a", Err(InvalidTicketRequest::Path)),
            ("space", "GET", "/a b", Err(InvalidTicketRequest::Path)),
            ("line_end", "GET", "/a\r\nX: y", Err(InvalidTicketRequest::Path)),
            ("fragment", "GET", "/a#b", Err(InvalidTicketRequest::Path)),
            ("not_ascii", "GET", "/\u{e9}", Err(InvalidTicketRequest::Path)),
            ("too_long", "GET", &long, Err(InvalidTicketRequest::Path)),
            ("a_ticket_in_it", "GET", "/a?ticket=x", Err(InvalidTicketRequest::Parameter)),
            ("one_in_disguise", "GET", "/a?%74icket=x", Err(InvalidTicketRequest::Parameter)),
        ];
        for (name, method, target, want) in cases {
            assert_eq!(TicketRequest::new(method, target, until).map(drop), want, "{name}");
        }
    }

    #[test]
    fn a_ticket_is_for_one_method_and_one_target() {
        let request = TicketRequest::new("GET", "/a?b=1", Timestamp::from_secs(1).into()).unwrap();
        let cases = [
            ("GET", "/a?b=1", true),
            ("HEAD", "/a?b=1", false),
            ("GET", "/a", false),
            ("GET", "/a?b=2", false),
            ("GET", "/%61?b=1", false),
            ("GET", "/a/?b=1", false),
        ];
        for (method, target, want) in cases {
            assert_eq!(request.is_for(method, target), want, "{method} {target}");
        }
    }
}
