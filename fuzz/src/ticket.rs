//! Tickets in a request's target: which one it is, and what is left without it.

use gatepass_jose::Timestamp;
use gatepass_token::{InvalidTicketRequest, TicketRequest, take_ticket};

use crate::bounds::bounded;

/// Takes `data` for a target.
pub fn check(data: &[u8]) -> bool {
    let Ok(target) = std::str::from_utf8(data) else { return false };
    let taken = bounded(target.len(), || take_ticket(target));
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let pairs: Vec<&str> = query.split('&').collect();
    let name = |pair: &str| pair.split('=').next().unwrap_or_default().to_owned();
    let (plain, rest): (Vec<&str>, Vec<&str>) = pairs.iter().partition(|pair| name(pair) == "ticket");
    let disguised = rest.iter().any(|pair| unescaped(&name(pair)) == b"ticket");
    match &taken {
        Err(_) => assert!(plain.len() > 1 || disguised, "one ticket, or none, is refused in {target:?}"),
        Ok(None) => assert!(plain.is_empty() && !disguised, "a ticket is passed over in {target:?}"),
        Ok(Some((ticket, left))) => {
            assert!(plain.len() == 1 && !disguised, "a ticket is found among several in {target:?}");
            assert_eq!(*ticket, plain.concat().strip_prefix("ticket=").unwrap_or_default());
            let without =
                if rest.is_empty() { path.to_owned() } else { format!("{path}?{}", rest.join("&")) };
            assert_eq!(*left, without, "nothing else changes");
            assert_eq!(take_ticket(left), Ok(None), "nothing of it is left");
        }
    }
    check_request(target, taken == Ok(None));
    matches!(taken, Ok(Some(_)))
}

/// A ticket is made for a target that stands in a request line as it is, and that has none of its own.
fn check_request(target: &str, has_none: bool) {
    let until = Timestamp::from_secs(1_800_000_000).into();
    match TicketRequest::new("GET", target, until) {
        Ok(request) => {
            assert!(has_none && target.starts_with('/') && target.len() <= 2048);
            assert!(target.bytes().all(|byte| (b'!'..=b'~').contains(&byte) && byte != b'#'));
            assert!(request.is_for("GET", target) && !request.is_for("HEAD", target));
            assert!(!request.is_for("GET", &format!("{target}&")));
            let written = serde_json::to_vec(&request).expect("it can be written");
            assert_eq!(serde_json::from_slice::<TicketRequest>(&written).ok(), Some(request));
        }
        Err(InvalidTicketRequest::Parameter) => assert!(!has_none),
        Err(_) => {}
    }
}

/// What another reader makes of a name.
fn unescaped(name: &str) -> Vec<u8> {
    let (bytes, mut read, mut at) = (name.as_bytes(), Vec::new(), 0);
    while at < bytes.len() {
        let digits = name.get(at + 1..at + 3).filter(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()));
        match digits.filter(|_| bytes[at] == b'%').map(|digits| u8::from_str_radix(digits, 16)) {
            Some(Ok(byte)) => {
                read.push(byte);
                at += 3;
            }
            _ => {
                read.push(bytes[at]);
                at += 1;
            }
        }
    }
    read
}
