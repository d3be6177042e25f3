//! Requests that say twice how long they are.
//!
//! RFC 9112 section 6.1 lets a server take `Transfer-Encoding` over `Content-Length`, and hyper does; but a
//! proxy in front of this one may have taken the other, and what it thought to be a body would be read as
//! the next request here. Such a request is an attack or a mistake, and either way nobody's to serve. hyper
//! does not tell that both were there, so the bytes are looked at on their way to it: where a head has both
//! fields, the end of the second one's line is spoilt, and hyper answers 400 and closes.
//!
//! This follows the messages of HTTP/1.1 just far enough to know where heads begin, and decides nothing
//! else; once a connection has switched to another protocol it is not asked any more. Where it loses track, hyper's own
//! reading stands, which is unambiguous for hyper and, since requests are written anew, for the upstream.

use memchr::memchr;

/// Only the beginning of a line matters: a name, a number.
const KEPT_OF_A_LINE: usize = 256;

/// Where in its stream of requests a connection is.
#[derive(Debug)]
pub(super) struct Framing {
    at: At,
    /// The beginning of a line whose end has not been read yet.
    line: Vec<u8>,
}

#[derive(Debug)]
enum At {
    /// Before a request line.
    Start,
    /// After it, in the fields.
    Fields(Fields),
    /// In a body, or in a chunk and its line end.
    Data { left: u64, chunked: bool },
    /// Before a chunk's size.
    ChunkSize,
    /// After the last chunk.
    Trailers,
    /// In what is not HTTP/1.1, or is no longer followed.
    Elsewhere,
}

#[derive(Debug, Default)]
struct Fields {
    content_length: bool,
    length: u64,
    transfer_encoding: bool,
}

impl Framing {
    pub(super) fn new() -> Self {
        Self { at: At::Start, line: Vec::new() }
    }

    /// Looks at bytes in the order in which they are read, and spoils those that must not be understood.
    pub(super) fn inspect(&mut self, mut bytes: &mut [u8]) {
        while !bytes.is_empty() {
            let taken = match &mut self.at {
                At::Elsewhere => return,
                At::Data { left, chunked } => {
                    let taken = usize::try_from(*left).map_or(bytes.len(), |left| left.min(bytes.len()));
                    *left -= taken as u64;
                    if *left == 0 {
                        self.at = if *chunked { At::ChunkSize } else { At::Start };
                    }
                    taken
                }
                At::Start | At::Fields(_) | At::ChunkSize | At::Trailers => self.inspect_line(bytes),
            };
            let Some((_, rest)) = bytes.split_at_mut_checked(taken) else { return };
            bytes = rest;
        }
    }

    /// Takes the bytes up to the end of the line, or all there are.
    fn inspect_line(&mut self, bytes: &mut [u8]) -> usize {
        let end = memchr(b'\n', bytes);
        let taken = end.map_or(bytes.len(), |end| end + 1);
        let Some(piece) = bytes.get_mut(..taken) else { return taken };
        if end.is_none() || !self.line.is_empty() {
            let room = KEPT_OF_A_LINE.saturating_sub(self.line.len());
            self.line.extend(piece.iter().take(room));
        }
        if end.is_none() {
            return taken;
        }
        let kept = std::mem::take(&mut self.line);
        let line = if kept.is_empty() { &*piece } else { &kept };
        let ambiguous = self.at.step(line.trim_ascii_end());
        if ambiguous && let Some(line_end) = piece.last_mut() {
            // No field value may hold this, RFC 9110 section 5.5.
            *line_end = 0;
        }
        taken
    }
}

impl At {
    /// Goes on by one line, without its end. True if that line makes the request ambiguous.
    fn step(&mut self, line: &[u8]) -> bool {
        match self {
            // RFC 9112 section 2.2: empty lines before a request are passed over.
            Self::Start if line.is_empty() => {}
            Self::Start => {
                let is_http_2 = line.starts_with(b"PRI ");
                *self = if is_http_2 { Self::Elsewhere } else { Self::Fields(Fields::default()) };
            }
            Self::Fields(fields) if line.is_empty() => *self = fields.then(),
            Self::Fields(fields) => {
                let ambiguous = fields.read(line);
                if ambiguous {
                    *self = Self::Elsewhere;
                }
                return ambiguous;
            }
            Self::ChunkSize => {
                *self = match chunk_size(line) {
                    Some(0) => Self::Trailers,
                    Some(size) => Self::Data { left: size.saturating_add(2), chunked: true },
                    None => Self::Elsewhere,
                };
            }
            Self::Trailers if line.is_empty() => *self = Self::Start,
            Self::Trailers | Self::Data { .. } | Self::Elsewhere => {}
        }
        false
    }
}

impl Fields {
    /// Reads one field. True if the two of interest are both there.
    fn read(&mut self, line: &[u8]) -> bool {
        let colon = memchr(b':', line).unwrap_or(line.len());
        let Some((name, value)) = line.split_at_checked(colon) else { return false };
        // Nearly all names differ from these in length already.
        match name.len() {
            14 if name.eq_ignore_ascii_case(b"content-length") => {
                self.content_length = true;
                self.length =
                    number(value.trim_ascii_start().strip_prefix(b":").unwrap_or_default().trim_ascii(), 10)
                        .unwrap_or(u64::MAX);
                return self.transfer_encoding;
            }
            17 if name.eq_ignore_ascii_case(b"transfer-encoding") => {
                self.transfer_encoding = true;
                return self.content_length;
            }
            _ => {}
        }
        false
    }

    /// What follows the head.
    fn then(&self) -> At {
        match self.length {
            _ if self.transfer_encoding => At::ChunkSize,
            0 => At::Start,
            left => At::Data { left, chunked: false },
        }
    }
}

/// RFC 9112 section 7.1; extensions are passed over.
fn chunk_size(line: &[u8]) -> Option<u64> {
    let digits = line.split(|byte| matches!(byte, b';' | b' ' | b'\t')).next()?;
    number(digits, 16)
}

fn number(digits: &[u8], radix: u32) -> Option<u64> {
    let text = std::str::from_utf8(digits).ok()?;
    if text.starts_with('+') { None } else { u64::from_str_radix(text, radix).ok() }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::any;

    use super::*;

    /// Whether anything is spoilt, with the bytes read in pieces of `size`.
    fn spoils(request: &str, size: usize) -> bool {
        let mut framing = Framing::new();
        let mut bytes = request.as_bytes().to_vec();
        for piece in bytes.chunks_mut(size) {
            framing.inspect(piece);
        }
        bytes != request.as_bytes()
    }

    #[test]
    fn only_a_head_with_both_lengths_is_spoilt() {
        const BOTH: &str =
            "POST / HTTP/1.1\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
        let after_chunks = format!(
            "POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n\
             5;x=y\r\nhello\r\n1a\r\n{}\r\n0\r\nX-Sum: 1\r\n\r\n{BOTH}",
            "x".repeat(26)
        );
        let cases = [
            (BOTH, true),
            ("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n", true),
            ("POST / HTTP/1.1\ntransfer-ENCODING:chunked\nhost: a\nCONTENT-length:0\n\n", true),
            ("POST / HTTP/1.1\r\nTransfer-Encoding: identity\r\nContent-Length: 4\r\n\r\nabcd", true),
            (&after_chunks, true),
            (&format!("\r\nGET / HTTP/1.1\r\nhost: a\r\n\r\n{BOTH}"), true),
            (&format!("POST / HTTP/1.1\r\ncontent-length: 5\r\n\r\nhello{BOTH}"), true),
            ("POST / HTTP/1.1\r\nContent-Length: 4\r\n\r\nabcd", false),
            ("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", false),
            ("POST / HTTP/1.1\r\nX-Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", false),
            // One after the other is fine.
            (
                "POST / HTTP/1.1\r\nContent-Length: 2\r\n\r\nab\
                 POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n\
                 POST / HTTP/1.1\r\nContent-Length: 0\r\n\r\n",
                false,
            ),
            // Bodies can say what they like, as parts of a multipart form do.
            (&format!("POST / HTTP/1.1\r\ncontent-length: {}\r\n\r\n{BOTH}", BOTH.len()), false),
            (
                &format!(
                    "POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n{:x}\r\n{BOTH}\r\n0\r\n\r\n",
                    BOTH.len()
                ),
                false,
            ),
            // What asks for another protocol is answered in this one, unless the connection switches: then nothing is
            // inspected any more.
            (&format!("GET / HTTP/1.1\r\nupgrade: websocket\r\n\r\n{BOTH}"), true),
            (&format!("POST / HTTP/1.1\r\nupgrade: h2c\r\ncontent-length: 2\r\n\r\nab{BOTH}"), true),
            (&format!("CONNECT a:1 HTTP/1.1\r\nhost: a:1\r\n\r\n{BOTH}"), true),
            (&format!("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n{BOTH}"), false),
        ];
        for (request, want) in cases {
            for size in [1, 2, 3, 7, 16, request.len()] {
                assert_eq!(spoils(request, size), want, "in pieces of {size}: {request}");
            }
        }
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_make_it_stumble(bytes in vec(any::<u8>(), 0..400), size in 1_usize..50) {
            let mut framing = Framing::new();
            let mut read = b"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n".to_vec();
            read.extend(bytes);
            for piece in read.chunks_mut(size) {
                framing.inspect(piece);
            }
        }
    }
}
