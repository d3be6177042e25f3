//! `zip: DEF`: raw DEFLATE, bounded
//! ([RFC 7516 section 4.1.3](https://www.rfc-editor.org/rfc/rfc7516#section-4.1.3), RFC 1951).

use miniz_oxide::deflate;
use miniz_oxide::inflate::TINFLStatus;
use miniz_oxide::inflate::core::{DecompressorOxide, decompress, inflate_flags};
use zeroize::Zeroizing;

use super::content::SecretBytes;

/// The only name there is for `zip`.
pub(crate) const DEF: &str = "DEF";

/// Fast enough to be unnoticed beside the encryption, and within a few per cent of the smallest.
const LEVEL: u8 = 6;

/// Why a decrypted content did not decompress.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum InflateError {
    /// More than the bound came out.
    TooLong,
    /// Not DEFLATE, or something follows it.
    Malformed,
}

pub(crate) fn compress(plaintext: &[u8]) -> SecretBytes {
    Zeroizing::new(deflate::compress_to_vec(plaintext, LEVEL))
}

/// Decompresses all of `compressed` to at most `most` bytes.
///
/// The buffer grows with what comes out, never by what a header promises, and each outgrown one is
/// wiped: what it holds is plaintext.
pub(crate) fn inflate(mut compressed: &[u8], most: usize) -> Result<SecretBytes, InflateError> {
    let mut decompressor = Box::<DecompressorOxide>::default();
    let mut plaintext =
        Zeroizing::new(vec![0; compressed.len().saturating_mul(4).clamp(64, 1 << 16).min(most)]);
    let mut len = 0;
    loop {
        let flags = inflate_flags::TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF;
        let (status, read, written) = decompress(&mut decompressor, compressed, &mut plaintext, len, flags);
        len += written;
        compressed = compressed.get(read..).ok_or(InflateError::Malformed)?;
        match status {
            TINFLStatus::Done if compressed.is_empty() => {
                plaintext.truncate(len);
                return Ok(plaintext);
            }
            TINFLStatus::HasMoreOutput if plaintext.len() < most => {
                let mut larger = Zeroizing::new(vec![0; plaintext.len().saturating_mul(2).clamp(64, most)]);
                larger
                    .get_mut(..len)
                    .ok_or(InflateError::Malformed)?
                    .copy_from_slice(plaintext.get(..len).ok_or(InflateError::Malformed)?);
                plaintext = larger;
            }
            TINFLStatus::HasMoreOutput => return Err(InflateError::TooLong),
            _ => return Err(InflateError::Malformed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_compressed_comes_back_up_to_the_bound() {
        for len in [0, 1, 63, 64, 65, 1000, 65_536, 300_000] {
            let plaintext: Vec<u8> = (0..len).map(|at: u32| (at % 251) as u8).collect();
            let compressed = compress(&plaintext);
            assert_eq!(inflate(&compressed, plaintext.len()).as_deref(), Ok(&plaintext), "{len}");
            if len > 0 {
                let error = inflate(&compressed, plaintext.len() - 1).err();
                assert_eq!(error, Some(InflateError::TooLong), "{len}");
            }
        }
    }

    #[test]
    fn a_bomb_is_refused_at_the_bound() {
        let bomb = compress(&vec![0; 100_000_000]);
        assert!(bomb.len() < 200_000);
        assert_eq!(inflate(&bomb, 100_000).err(), Some(InflateError::TooLong));
    }

    #[test]
    fn only_a_whole_stream_and_nothing_behind_it() {
        let good = compress(b"some text, some text, some text");
        assert!(inflate(&good, 100).is_ok());
        for cut in 0..good.len() {
            assert_eq!(inflate(&good[..cut], 100).err(), Some(InflateError::Malformed), "cut to {cut}");
        }
        assert_eq!(inflate(&[&good[..], &[0]].concat(), 100).err(), Some(InflateError::Malformed));
        let zlib = deflate::compress_to_vec_zlib(b"some text", LEVEL);
        assert_eq!(inflate(&zlib, 100).err(), Some(InflateError::Malformed));
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_answered_within_the_bound(bytes: Vec<u8>, most in 0_usize..5000) {
            if let Ok(plaintext) = inflate(&bytes, most) {
                assert!(plaintext.len() <= most);
            }
        }
    }
}
