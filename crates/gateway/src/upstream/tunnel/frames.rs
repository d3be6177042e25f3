//! Where in a stream of WebSocket frames one ends and the next may begin. RFC 6455 section 5.2.

/// Follows frames in one direction, just far enough to know where another can be put between them.
#[derive(Debug, Clone, Copy)]
pub(super) struct Frames {
    at: At,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    /// Before a frame.
    Start,
    /// Before the byte that tells the length, or how long the length is.
    Length,
    /// Within a length of more bytes; the masking key, if any, counts to the payload.
    Extended { left: u8, length: u64, masked: u64 },
    /// Within the rest of the frame.
    Payload { left: u64 },
}

const MASKING_KEY: u64 = 4;

impl Frames {
    pub(super) fn new() -> Self {
        Self { at: At::Start }
    }

    /// Goes on by bytes that have been passed on.
    pub(super) fn pass(&mut self, mut bytes: &[u8]) {
        while let Some(step) = self.step(bytes) {
            bytes = bytes.get(step..).unwrap_or_default();
        }
    }

    /// How many of these bytes belong to the frame that has begun; all, if it goes on after them.
    pub(super) fn left_of_frame(mut self, bytes: &[u8]) -> usize {
        let mut passed = 0;
        while !self.is_between() {
            let Some(step) = self.step(bytes.get(passed..).unwrap_or_default()) else { break };
            passed += step;
        }
        passed
    }

    /// Whether no frame has begun that has not ended.
    pub(super) fn is_between(&self) -> bool {
        self.at == At::Start
    }

    /// Takes one byte of a head or what there is of a payload; `None` if there are no bytes.
    fn step(&mut self, bytes: &[u8]) -> Option<usize> {
        let byte = *bytes.first()?;
        let mut taken = 1;
        self.at = match self.at {
            At::Start => At::Length,
            At::Length => {
                let masked = if byte & 0x80 == 0 { 0 } else { MASKING_KEY };
                match byte & 0x7f {
                    126 => At::Extended { left: 2, length: 0, masked },
                    127 => At::Extended { left: 8, length: 0, masked },
                    length => payload(u64::from(length) + masked),
                }
            }
            At::Extended { left, length, masked } => {
                let length = (length << 8) | u64::from(byte);
                match left {
                    1 => payload(length.saturating_add(masked)),
                    _ => At::Extended { left: left - 1, length, masked },
                }
            }
            At::Payload { left } => {
                taken = usize::try_from(left).map_or(bytes.len(), |left| left.min(bytes.len()));
                payload(left - taken as u64)
            }
        };
        Some(taken)
    }
}

fn payload(left: u64) -> At {
    if left == 0 { At::Start } else { At::Payload { left } }
}

/// A close frame as a server sends it. RFC 6455 section 5.5.1: the reason is short.
pub(super) fn close_frame(code: u16, reason: &str) -> Vec<u8> {
    let reason = reason.as_bytes().get(..reason.len().min(123)).unwrap_or_default();
    let length = u8::try_from(reason.len() + 2).unwrap_or(2);
    [&[0x88, length], &code.to_be_bytes()[..], reason].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Frames of these payload lengths.
    fn stream(lengths: &[usize], masked: bool) -> (Vec<u8>, Vec<usize>) {
        let (mut bytes, mut ends) = (Vec::new(), Vec::new());
        for length in lengths {
            let mask = if masked { 0x80 } else { 0 };
            bytes.push(0x82);
            match u16::try_from(*length) {
                Ok(short @ 0..126) => bytes.push(mask | short as u8),
                Ok(length) => {
                    bytes.push(mask | 126);
                    bytes.extend(length.to_be_bytes());
                }
                Err(_) => {
                    bytes.push(mask | 127);
                    bytes.extend((*length as u64).to_be_bytes());
                }
            }
            bytes.resize(bytes.len() + length + if masked { 4 } else { 0 }, 0xff);
            ends.push(bytes.len());
        }
        (bytes, ends)
    }

    #[test]
    fn frames_end_where_they_say() {
        for masked in [false, true] {
            let (bytes, ends) = stream(&[0, 1, 125, 126, 127, 300, 0, 65_535, 65_536, 2], masked);
            for size in [1, 2, 3, 7, 1000, bytes.len()] {
                let mut frames = Frames::new();
                let mut passed = 0;
                for piece in bytes.chunks(size) {
                    frames.pass(piece);
                    passed += piece.len();
                    assert_eq!(frames.is_between(), ends.contains(&passed), "{passed} in pieces of {size}");
                    let rest = bytes.get(passed..).unwrap();
                    let next = ends.iter().find(|end| **end >= passed).unwrap();
                    let left = if frames.is_between() { 0 } else { next - passed };
                    assert_eq!(frames.left_of_frame(rest), left, "after {passed}");
                    assert_eq!(frames.left_of_frame(&rest[..rest.len().min(1)]), left.min(1));
                }
            }
        }
    }

    #[test]
    fn close_frames_are_short() {
        assert_eq!(close_frame(4401, "revoked"), b"\x88\x09\x11\x31revoked");
        let long = close_frame(1000, &"x".repeat(500));
        assert_eq!((long.len(), long[1]), (127, 125));
    }
}
