//! Token Status Lists: the state of very many tokens, one to eight bits each, in one compressed text
//! (`draft-ietf-oauth-status-list`, the claim `status_list` of a Status List Token).
//!
//! This is the list alone. That it comes from who may say so, and is fresh, is for the verifier of the
//! Status List Token that carries it.

use gatepass_jose::base64url;
use miniz_oxide::deflate::compress_to_vec_zlib;
use miniz_oxide::inflate::{TINFLStatus, decompress_to_vec_zlib_with_limit};
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// The claim `status_list` as it stands in a Status List Token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatusListClaim {
    /// How many bits each status takes: 1, 2, 4 or 8.
    pub bits: u8,
    /// The statuses, zlib data in base64url.
    pub lst: String,
}

/// A list of statuses, decompressed.
///
/// ```
/// use gatepass_token::{Status, StatusList, StatusListClaim};
///
/// let claim = StatusListClaim { bits: 1, lst: "eNrbuRgAAhcBXQ".into() };
/// let list = StatusList::decode(&claim, 1024)?;
/// assert_eq!(list.status(0)?, Status::INVALID);
/// assert_eq!(list.status(1)?, Status::VALID);
/// assert!(list.status(16).is_err());
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatusList {
    bits: u8,
    bytes: Vec<u8>,
}

/// What a list says of one token. Values beyond those named here are the application's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Status(u8);

/// Why a `status_list` could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum InvalidStatusList {
    /// `bits` is none of the four sizes.
    #[error("a status takes 1, 2, 4 or 8 bits")]
    Bits,
    /// `lst` is not base64url.
    #[error("the status list is not base64url without padding")]
    Base64Url,
    /// `lst` is not zlib data, or its checksum is wrong.
    #[error("the status list is not zlib data")]
    Zlib,
    /// The decompressed list is longer than the caller allows.
    #[error("the status list is longer than {max} bytes")]
    TooLong {
        /// The caller's limit.
        max: usize,
    },
}

/// The list has no status of that index: whoever made the token and whoever made the list disagree, and
/// nothing is known of the token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the status list has {len} entries and none of index {index}")]
pub struct NoSuchStatus {
    /// The index asked for.
    pub index: usize,
    /// How many statuses there are.
    pub len: usize,
}

impl Status {
    /// The token is valid.
    pub const VALID: Self = Self(0x00);
    /// The token is revoked for good.
    pub const INVALID: Self = Self(0x01);
    /// The token is not valid now and may be again.
    pub const SUSPENDED: Self = Self(0x02);

    /// The number in the list.
    #[must_use]
    pub fn value(self) -> u8 {
        self.0
    }
}

impl StatusList {
    /// A list with one bit for each status, set where it is [`Status::INVALID`], the first of index 0.
    #[must_use]
    pub fn of_bits(invalid: impl IntoIterator<Item = bool>) -> Self {
        let mut bytes = Vec::new();
        for (index, invalid) in invalid.into_iter().enumerate() {
            if index % 8 == 0 {
                bytes.push(0);
            }
            if let Some(byte) = bytes.last_mut().filter(|_| invalid) {
                *byte |= 1 << (index % 8);
            }
        }
        Self { bits: 1, bytes }
    }

    /// The list as it stands in a Status List Token.
    #[must_use]
    pub fn encode(&self) -> StatusListClaim {
        let compressed = compress_to_vec_zlib(&self.bytes, 9);
        StatusListClaim { bits: self.bits, lst: base64url::encode(&compressed) }
    }

    /// Decodes and decompresses a list of at most `max_bytes` bytes: a few kilobytes of zlib data can
    /// become megabytes.
    ///
    /// # Errors
    /// [`InvalidStatusList`].
    pub fn decode(claim: &StatusListClaim, max_bytes: usize) -> Result<Self, InvalidStatusList> {
        if !matches!(claim.bits, 1 | 2 | 4 | 8) {
            return Err(InvalidStatusList::Bits);
        }
        let compressed = base64url::decode(&claim.lst).map_err(|_| InvalidStatusList::Base64Url)?;
        let bytes = decompress_to_vec_zlib_with_limit(&compressed, max_bytes).map_err(|error| match error
            .status
        {
            TINFLStatus::HasMoreOutput => InvalidStatusList::TooLong { max: max_bytes },
            _ => InvalidStatusList::Zlib,
        })?;
        Ok(Self { bits: claim.bits, bytes })
    }

    /// How many statuses the list has room for.
    #[must_use]
    pub fn len(&self) -> usize {
        self.bytes.len().saturating_mul(self.per_byte())
    }

    /// Whether the list has none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// The status of one token; the first byte's lowest bits are index 0.
    ///
    /// # Errors
    /// [`NoSuchStatus`] past the end of the list.
    pub fn status(&self, index: usize) -> Result<Status, NoSuchStatus> {
        let per_byte = self.per_byte();
        let byte = self.bytes.get(index / per_byte).ok_or(NoSuchStatus { index, len: self.len() })?;
        let shift = index % per_byte * usize::from(self.bits);
        Ok(Status(byte >> shift & (u8::MAX >> (8 - self.bits))))
    }

    fn per_byte(&self) -> usize {
        8 / usize::from(self.bits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claim(bits: u8, bytes: &[u8]) -> StatusListClaim {
        StatusListClaim { bits, lst: base64url::encode(&compress_to_vec_zlib(bytes, 9)) }
    }

    #[test]
    fn statuses_are_packed_from_the_lowest_bits() {
        let bytes = [0xb9, 0xa3]; // the draft's examples of one and of two bits
        let cases: [(u8, &[u8]); 4] = [
            (1, &[1, 0, 0, 1, 1, 1, 0, 1, 1, 1, 0, 0, 0, 1, 0, 1]),
            (2, &[1, 2, 3, 2, 3, 0, 2, 2]),
            (4, &[9, 0xb, 3, 0xa]),
            (8, &[0xb9, 0xa3]),
        ];
        for (bits, want) in cases {
            let list = StatusList::decode(&claim(bits, &bytes), 2).unwrap();
            assert_eq!(list.len(), want.len(), "{bits} bits");
            for (index, want) in want.iter().enumerate() {
                assert_eq!(list.status(index).unwrap().value(), *want, "{bits} bits, index {index}");
            }
            let beyond = NoSuchStatus { index: want.len(), len: want.len() };
            assert_eq!(list.status(want.len()), Err(beyond), "{bits} bits");
            assert!(list.status(usize::MAX).is_err());
        }
    }

    #[test]
    fn a_list_of_bits_is_read_as_it_was_made() {
        for len in [0, 1, 7, 8, 9, 1000] {
            let invalid = |index: usize| index.is_multiple_of(3);
            let list = StatusList::of_bits((0..len).map(invalid));
            let read = StatusList::decode(&list.encode(), 1024).unwrap();
            assert_eq!(read, list);
            for index in 0..len {
                assert_eq!(
                    read.status(index).unwrap() == Status::INVALID,
                    invalid(index),
                    "{index} of {len}"
                );
            }
            assert_eq!(read.len(), len.div_ceil(8) * 8);
        }
    }

    #[test]
    fn refused_lists() {
        let good = claim(1, &[0xb9, 0xa3]);
        let mut checksum = base64url::decode(&good.lst).unwrap();
        *checksum.last_mut().unwrap() ^= 1;
        let lst = |lst: String| StatusListClaim { bits: 1, lst };
        let cases = [
            ("three_bits", StatusListClaim { bits: 3, ..good.clone() }, InvalidStatusList::Bits),
            ("no_bits", StatusListClaim { bits: 0, ..good.clone() }, InvalidStatusList::Bits),
            ("sixteen_bits", StatusListClaim { bits: 16, ..good.clone() }, InvalidStatusList::Bits),
            ("padding", lst(format!("{}==", good.lst)), InvalidStatusList::Base64Url),
            ("not_compressed", lst(base64url::encode(&[0xb9, 0xa3])), InvalidStatusList::Zlib),
            ("nothing", lst(String::new()), InvalidStatusList::Zlib),
            ("cut_short", lst(good.lst[..8].to_owned()), InvalidStatusList::Zlib),
            ("wrong_checksum", lst(base64url::encode(&checksum)), InvalidStatusList::Zlib),
        ];
        for (name, claim, want) in cases {
            assert_eq!(StatusList::decode(&claim, 1024).err(), Some(want), "{name}");
        }
    }

    #[test]
    fn a_bomb_stops_at_the_limit() {
        let bomb = claim(1, &vec![0; 10 << 20]);
        assert!(bomb.lst.len() < 20_000, "{} characters", bomb.lst.len());
        let max = 1 << 20;
        assert_eq!(StatusList::decode(&bomb, max), Err(InvalidStatusList::TooLong { max }));
        let exact = claim(1, &[0; 1000]);
        assert!(StatusList::decode(&exact, 1000).is_ok());
        assert_eq!(StatusList::decode(&exact, 999), Err(InvalidStatusList::TooLong { max: 999 }));
    }
}
