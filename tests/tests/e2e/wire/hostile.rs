//! Bytes that no honest client sends: what each gets, and that nothing in them reaches the service as a request of its own.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::{Arrivals, Wire};

const LIMIT: Duration = Duration::from_secs(30);
/// What some of the bytes would be, to who reads them otherwise.
const HIDDEN: &str = "GET /hidden HTTP/1.1\r\nhost: a\r\n\r\n";
const CHUNKED: &str = "transfer-encoding: chunked";

/// Statuses of the responses, and how many requests reach the service to their ends.
type Outcome = (&'static [u16], usize);

const REFUSED: Outcome = (&[400], 0);
const SERVED: Outcome = (&[200], 1);

#[tokio::test]
async fn what_each_payload_of_http_1_gets() {
    let (many, long) = ("x: y\r\n".repeat(200), "y".repeat(100_000));
    let many_trailers = format!("0\r\n{many}\r\n");
    let long_trailer = format!("0\r\nx: {long}\r\n\r\n");
    let long_extension = format!("1;{long}\r\nx\r\n0\r\n\r\n");
    let long_size = format!("{}1\r\nx\r\n0\r\n\r\n", "0".repeat(1_000));
    let long_field = format!("x: {long}");
    let many_fields = many.trim_end();
    let hidden_length = format!("content-length: {}", HIDDEN.len());
    let hidden_by_connection = format!("connection: content-length\r\n{hidden_length}");
    // Field lines of a POST of /1, and what follows its head.
    let posts: &[(&str, &str, &str, Outcome)] = &[
        ("a coding after a tab", "transfer-encoding:\tchunked", "0\r\n\r\n", SERVED),
        ("a coding in other letters", "Transfer-Encoding: cHuNkEd", "0\r\n\r\n", SERVED),
        ("chunked twice in a field", "transfer-encoding: chunked, chunked", "0\r\n\r\n", REFUSED),
        ("an empty coding before", "transfer-encoding: , chunked", "0\r\n\r\n", REFUSED),
        ("an empty coding after", "transfer-encoding: chunked,", "0\r\n\r\n", REFUSED),
        ("a coding with a parameter", "transfer-encoding: chunked;a=b", "0\r\n\r\n", REFUSED),
        ("no coding", "transfer-encoding:", "0\r\n\r\n", REFUSED),
        ("a coding after a vertical tab", "transfer-encoding: \u{b}chunked", "0\r\n\r\n", REFUSED),
        ("a coding behind a bare LF", "x: y\ntransfer-encoding: chunked", "0\r\n\r\n", SERVED),
        (
            "a length and a coding behind a bare LF",
            "content-length: 5\ntransfer-encoding: chunked",
            "0\r\n\r\n",
            REFUSED,
        ),
        (
            "a coding in another spelling",
            "content-length: 5\r\ntransfer_encoding: chunked",
            "0\r\n\r\n",
            SERVED,
        ),
        ("the same length twice", "content-length: 0\r\ncontent-length: 0", "", SERVED),
        ("an empty length", "content-length:", "", REFUSED),
        ("a length in two parts", "content-length: 3 3", HIDDEN, REFUSED),
        ("a request as a body", &hidden_length, HIDDEN, SERVED),
        ("a length that is said to be the connection's", &hidden_by_connection, HIDDEN, SERVED),
        ("an unknown expectation", &format!("expect: 200-ok\r\n{hidden_length}"), HIDDEN, (&[417], 0)),
        ("two hundred fields", many_fields, "", (&[431], 0)),
        ("a head over the limit", &long_field, "", (&[431], 0)),
        ("an endless chunk extension", CHUNKED, &long_extension, REFUSED),
        ("an extension that ends in a bare LF", CHUNKED, "1;a\nx\r\n0\r\n\r\n", REFUSED),
        ("a chunk size that ends in a bare LF", CHUNKED, "1\nx\r\n0\r\n\r\n", REFUSED),
        ("a chunk size with a sign", CHUNKED, "+1\r\nx\r\n0\r\n\r\n", REFUSED),
        ("a negative chunk size", CHUNKED, "-1\r\nx\r\n0\r\n\r\n", REFUSED),
        ("no chunk size", CHUNKED, "\r\nx\r\n0\r\n\r\n", REFUSED),
        ("a chunk size of a thousand zeros", CHUNKED, &long_size, SERVED),
        ("two hundred trailers", CHUNKED, &many_trailers, REFUSED),
        ("an endless trailer", CHUNKED, &long_trailer, REFUSED),
        ("a length as a trailer", CHUNKED, "0\r\ncontent-length: 35\r\n\r\n", SERVED),
    ];
    // Requests as they are.
    let whole: &[(&str, &str, Outcome)] = &[
        ("bare LF at all line ends", "GET /1 HTTP/1.1\nhost: a\nconnection: close\n\n", SERVED),
        ("a space before the first line", " GET /1 HTTP/1.1\r\nhost: a\r\n\r\n", REFUSED),
        ("a fold in the first field", "GET /1 HTTP/1.1\r\n host: a\r\n\r\n", REFUSED),
        (
            "garbage after a request",
            "GET /1 HTTP/1.1\r\nhost: a\r\n\r\n\0\0garbage\r\n\r\n",
            (&[200, 400], 1),
        ),
        ("HTTP/0.9", "GET /1\r\n", REFUSED),
        ("HTTP/1.2", "GET /1 HTTP/1.2\r\nhost: a\r\n\r\n", REFUSED),
        (
            "an upgrade to HTTP/2",
            "GET /1 HTTP/1.1\r\nhost: a\r\nconnection: upgrade, http2-settings, close\r\nupgrade: h2c\r\nhttp2-settings: AAMAAABk\r\n\r\n",
            SERVED,
        ),
        ("the hello of TLS", "\u{16}\u{3}\u{1}\u{2}\0\u{1}\0\u{1}", REFUSED),
    ];
    let posts = posts.iter().map(|(name, fields, body, outcome)| {
        let head = format!("POST /1 HTTP/1.1\r\nhost: a\r\nconnection: close\r\n{fields}\r\n\r\n");
        (*name, format!("{head}{body}"), *outcome)
    });
    let rows = posts.chain(whole.iter().map(|(name, bytes, outcome)| (*name, (*bytes).to_owned(), *outcome)));
    let (arrivals, service) = Arrivals::start().await;
    let wire = Wire::start(service, "").await;
    let mut wrong = Vec::new();
    for (name, bytes, (statuses, reached)) in rows {
        let before = arrivals.whole().len();
        let answer = converse(wire.gateway.address, bytes.as_bytes(), false).await;
        let found = (statuses_of(&answer), arrivals.whole().len() - before);
        if found != (statuses.to_vec(), reached) {
            wrong.push(format!("{name}: {found:?} instead of {:?}", (statuses, reached)));
        }
    }
    assert_eq!(wrong, [""; 0]);
    let odd: Vec<_> = arrivals.begun().into_iter().filter(|line| !line.ends_with(" /1")).collect();
    assert_eq!(odd, [""; 0]);
}

#[tokio::test]
async fn a_request_that_breaks_off_never_passes_for_a_whole_one() {
    let (arrivals, service) = Arrivals::start().await;
    let wire = Wire::start(service, "").await;
    for rest in [
        "content-length: 100\r\n\r\nhalf",
        "transfer-encoding: chunked\r\n\r\n5\r\nhello\r\n",
        "transfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n",
        "transfer-encoding: chunked\r\n\r\n5\r\nhe",
        "transfer-encoding: chunked\r\n\r\n5",
        "content-length: 0\r\n",
    ] {
        let bytes = format!("POST /1 HTTP/1.1\r\nhost: a\r\n{rest}");
        let answer = converse(wire.gateway.address, bytes.as_bytes(), true).await;
        assert!(statuses_of(&answer).iter().all(|status| *status == 400), "{rest:?}: {answer}");
    }
    require_none_whole(&wire, &arrivals).await;
}

#[tokio::test]
async fn a_body_that_drips_holds_no_place() {
    let (arrivals, service) = Arrivals::start().await;
    let wire = Wire::start(service, "[timeouts]\nbody = \"300ms\"\n").await;
    let (mut reading, mut writing) = TcpStream::connect(wire.gateway.address).await.unwrap().into_split();
    writing.write_all(b"POST /1 HTTP/1.1\r\nhost: a\r\ncontent-length: 1000\r\n\r\n").await.unwrap();
    let drip = async {
        while writing.write_all(b"x").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let mut answer = Vec::new();
    let both = async { tokio::join!(drip, reading.read_to_end(&mut answer)) };
    assert!(tokio::time::timeout(LIMIT, both).await.is_ok(), "the gateway does not end the connection");
    assert_eq!(statuses_of(&String::from_utf8_lossy(&answer)), [408]);
    assert_eq!(arrivals.whole(), [""; 0]);
}

/// A field as HPACK has it where nothing is compressed. RFC 7541 section 6.2.2.
fn literal(name: &str, value: &str) -> Vec<u8> {
    let text = |text: &str| [&[u8::try_from(text.len()).unwrap()], text.as_bytes()].concat();
    [vec![0], text(name), text(value)].concat()
}

/// RFC 9113 section 4.1.
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

const OPENING: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
const HEADERS: u8 = 1;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

type Field = (&'static str, &'static str);

const PLAIN: [Field; 4] = [(":method", "POST"), (":scheme", "http"), (":authority", "a"), (":path", "/1")];

/// A connection with one request, the four bytes of its body in a frame of their own.
fn with_body(fields: &[Field]) -> Vec<u8> {
    let head: Vec<u8> = fields.iter().flat_map(|(name, value)| literal(name, value)).collect();
    let request = [frame(HEADERS, END_HEADERS, 1, &head), frame(0, END_STREAM, 1, b"body")].concat();
    // GOAWAY from the client: it is not to be kept open after this.
    [OPENING, &request, &frame(7, 0, 0, &[0; 8])].concat()
}

#[tokio::test]
async fn nothing_is_smuggled_from_http_2_into_http_1() {
    let replaced = |name: &'static str, value: &'static str| {
        PLAIN.map(|(known, old)| (known, if known == name { value } else { old })).to_vec()
    };
    let with = |more: &[Field]| [PLAIN.as_slice(), more].concat();
    let rows = [
        ("a plain one", PLAIN.to_vec(), true),
        ("two lengths", with(&[("content-length", "4"), ("content-length", "5")]), false),
        ("a transfer coding", with(&[("transfer-encoding", "chunked")]), false),
        ("a field of the connection", with(&[("connection", "close")]), false),
        ("a line end in a value", with(&[("x", "y\r\nhost: b")]), false),
        ("a NUL in a value", with(&[("x", "y\0")]), false),
        ("a line end in a name", with(&[("x: y\r\nz", "y")]), false),
        ("a colon in a name", with(&[("x:y", "z")]), false),
        ("capitals in a name", with(&[("X", "y")]), false),
        (
            "a target with a second line",
            replaced(":path", "/1 HTTP/1.1\r\nhost: b\r\n\r\nGET /hidden"),
            false,
        ),
        ("a target with a space", replaced(":path", "/1 x"), false),
        ("no target", replaced(":path", ""), false),
        ("two targets", with(&[(":path", "/hidden")]), false),
        ("a method of two words", replaced(":method", "GET /hidden"), false),
        ("a pseudo-field last", [&[("x", "y")], PLAIN.as_slice()].concat(), false),
        ("another host", with(&[("host", "b")]), false),
        ("a line end in the authority", replaced(":authority", "a\r\nx: y"), false),
    ];
    let (arrivals, service) = Arrivals::start().await;
    let wire = Wire::start(service, "").await;
    let mut wrong = Vec::new();
    for (name, fields, served) in rows {
        let bytes = with_body(&fields);
        let before = arrivals.begun().len();
        converse(wire.gateway.address, &bytes, false).await;
        if (arrivals.begun().len() > before) != served {
            wrong.push(name);
        }
    }
    assert_eq!(wrong, [""; 0]);
    assert_eq!(arrivals.whole(), ["POST /1"]);
}

#[tokio::test]
async fn a_body_of_another_length_than_its_head_says_never_passes_for_a_whole_one() {
    let (arrivals, service) = Arrivals::start().await;
    let wire = Wire::start(service, "").await;
    for length in ["3", "5", "18446744073709551615"] {
        // The head may have been passed on before the body came.
        let bytes = with_body(&[PLAIN.as_slice(), &[("content-length", length)]].concat());
        converse(wire.gateway.address, &bytes, false).await;
    }
    require_none_whole(&wire, &arrivals).await;
    let odd: Vec<_> =
        arrivals.begun().into_iter().filter(|line| line != "POST /1" && line != "GET /last").collect();
    assert_eq!(odd, [""; 0]);
}

#[tokio::test]
async fn a_head_in_endless_continuations_ends_the_connection() {
    let (arrivals, service) = Arrivals::start().await;
    let wire = Wire::start(service, "").await;
    let piece = literal("x", &"y".repeat(100)).repeat(100);
    let begun = frame(HEADERS, 0, 1, &literal(":method", "GET"));
    let flood = frame(9, 0, 1, &piece).repeat(5_000);
    converse(wire.gateway.address, &[OPENING, &begun, &flood].concat(), false).await;
    assert_eq!(arrivals.begun(), [""; 0]);
    let sound = "GET /1 HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
    assert_eq!(statuses_of(&converse(wire.gateway.address, sound.as_bytes(), false).await), [200]);
}

/// Where a request before was passed on, the service has seen it break off before it sees this one.
async fn require_none_whole(wire: &Wire, arrivals: &Arrivals) {
    let last = "GET /last HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
    assert_eq!(statuses_of(&converse(wire.gateway.address, last.as_bytes(), false).await), [200]);
    assert_eq!(arrivals.whole(), ["GET /last"]);
}

/// Says all of it, also that nothing more comes where that is `the_end`, and reads until the gateway closes.
async fn converse(gateway: SocketAddr, bytes: &[u8], the_end: bool) -> String {
    let (mut reading, mut writing) = TcpStream::connect(gateway).await.unwrap().into_split();
    let mut answer = Vec::new();
    let say = async {
        // Where it is closed before all is said, that is an answer.
        let _ = writing.write_all(bytes).await;
        if the_end {
            let _ = writing.shutdown().await;
        }
    };
    let said = String::from_utf8_lossy(&bytes[..bytes.len().min(200)]);
    let both = async { tokio::join!(say, reading.read_to_end(&mut answer)) };
    let ended = tokio::time::timeout(LIMIT, both).await;
    assert!(ended.is_ok(), "the gateway does not end the connection after {said:?}");
    String::from_utf8_lossy(&answer).into_owned()
}

fn statuses_of(answer: &str) -> Vec<u16> {
    answer.split("HTTP/1.1 ").skip(1).map(|rest| rest[..3].parse().unwrap()).collect()
}
