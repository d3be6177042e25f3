//! Keys in the textual form of [RFC 7468](https://www.rfc-editor.org/rfc/rfc7468), as other tools write
//! them.

use pem_rfc7468::{Decoder, LineEnding};
use thiserror::Error;
use zeroize::Zeroizing;

use crate::key::KeyError;

/// The longest text that is looked at, in bytes. The largest key there is takes a tenth of it.
const MAX_TEXT: usize = 64 * 1024;

/// Why a PEM text is no key of the kind that was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum PemError {
    /// The text is longer than 64 KiB.
    #[error("the PEM text is longer than 64 KiB, which no key is")]
    TooLong,
    /// There is no line that begins a block.
    #[error("the text holds no PEM block: no line begins with \"-----BEGIN\"")]
    NoBlock,
    /// There are several keys, and nothing says which one is meant.
    #[error("the text holds several PEM blocks; give one key alone")]
    SeveralBlocks,
    /// The block is labelled as something else.
    #[error("the PEM block does not hold {wanted}")]
    WrongLabel {
        /// What was asked for, with its labels.
        wanted: &'static str,
    },
    /// The private key is encrypted with a password.
    #[error(
        "the private key is encrypted with a password: decrypt it first, with `openssl pkey -in FILE -out NEW`"
    )]
    Encrypted,
    /// A block without an end, or with something else than base64 in it.
    #[error("the PEM block is damaged: it has no end or holds something else than base64")]
    Damaged,
    /// The block is intact, but what it holds is no usable key.
    #[error("the PEM block holds no usable key: {0}")]
    Key(#[from] KeyError),
}

/// What a block holds, by its label.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Label {
    /// `PRIVATE KEY`.
    Pkcs8,
    /// `RSA PRIVATE KEY`.
    Pkcs1Private,
    /// `EC PRIVATE KEY`.
    Sec1,
    /// `PUBLIC KEY`.
    Spki,
    /// `RSA PUBLIC KEY`.
    Pkcs1Public,
}

const LABELS: [(Label, &str); 5] = [
    (Label::Pkcs8, "PRIVATE KEY"),
    (Label::Pkcs1Private, "RSA PRIVATE KEY"),
    (Label::Sec1, "EC PRIVATE KEY"),
    (Label::Spki, "PUBLIC KEY"),
    (Label::Pkcs1Public, "RSA PUBLIC KEY"),
];

/// The curve's name, which some tools write in front of an `EC PRIVATE KEY` that names it again.
const EC_PARAMETERS: &str = "EC PARAMETERS";
const ENCRYPTED: &str = "ENCRYPTED PRIVATE KEY";

/// The one key in `text` and its DER bytes; what stands around its block is ignored.
///
/// # Errors
/// [`PemError`]; `wanted` says in words what the caller takes.
pub(crate) fn decode(text: &str, wanted: &'static str) -> Result<(Label, Zeroizing<Vec<u8>>), PemError> {
    if text.len() > MAX_TEXT {
        return Err(PemError::TooLong);
    }
    let (mut key, mut rest) = (None, text);
    while let Some(block) = next_block(rest)? {
        rest = block.rest;
        if block.label != EC_PARAMETERS && key.replace(block).is_some() {
            return Err(PemError::SeveralBlocks);
        }
    }
    let key = key.ok_or(PemError::NoBlock)?;
    // The second is the older way: header lines in front of the base64.
    if key.label == ENCRYPTED || key.text.contains("Proc-Type:") {
        return Err(PemError::Encrypted);
    }
    let label = LABELS.iter().find(|(_, name)| *name == key.label).ok_or(PemError::WrongLabel { wanted })?.0;
    let mut der = Zeroizing::new(Vec::with_capacity(key.text.len()));
    let decoder = Decoder::new_detect_wrap(key.text.as_bytes());
    decoder
        .and_then(|mut decoder| decoder.decode_to_end(&mut der).map(drop))
        .map_err(|_| PemError::Damaged)?;
    Ok((label, der))
}

/// `der` as a block with that label.
pub(crate) fn encode(label: Label, der: &[u8]) -> Result<Zeroizing<String>, KeyError> {
    let (_, name) = LABELS.iter().find(|row| row.0 == label).ok_or(KeyError::Malformed)?;
    let text = pem_rfc7468::encode_string(name, LineEnding::LF, der);
    text.map(Zeroizing::new).map_err(|_| KeyError::Malformed)
}

struct Block<'t> {
    label: &'t str,
    /// From the first hyphen to the last.
    text: &'t str,
    /// What follows.
    rest: &'t str,
}

fn next_block(text: &str) -> Result<Option<Block<'_>>, PemError> {
    const BEGIN: &str = "-----BEGIN ";
    let Some((before, after)) = text.split_once(BEGIN) else { return Ok(None) };
    let (label, body) = after.split_once("-----").ok_or(PemError::Damaged)?;
    let end = format!("-----END {label}-----");
    let (_, rest) = body.split_once(&end).ok_or(PemError::Damaged)?;
    let block = text.get(before.len()..text.len() - rest.len()).ok_or(PemError::Damaged)?;
    Ok(Some(Block { label, text: block, rest }))
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "-----BEGIN PUBLIC KEY-----\nAAEC\n-----END PUBLIC KEY-----\n";

    #[test]
    fn one_block_is_found_whatever_stands_around_it() {
        let long = base64_lines(&[7; 300], 76);
        let cases = [
            ("alone", KEY.to_owned(), Ok(vec![0, 1, 2])),
            ("windows_line_ends", KEY.replace('\n', "\r\n"), Ok(vec![0, 1, 2])),
            ("text_around_it", format!("priv:\n  ab:6f\n{KEY}\nBag attributes"), Ok(vec![0, 1, 2])),
            ("no_newline_at_the_end", KEY.trim_end().to_owned(), Ok(vec![0, 1, 2])),
            (
                "curve_in_front",
                format!("-----BEGIN EC PARAMETERS-----\nBggq\n-----END EC PARAMETERS-----\n{KEY}"),
                Ok(vec![0, 1, 2]),
            ),
            (
                "lines_of_76",
                format!("-----BEGIN PUBLIC KEY-----\n{long}-----END PUBLIC KEY-----"),
                Ok(vec![7; 300]),
            ),
            ("two_keys", format!("{KEY}{KEY}"), Err(PemError::SeveralBlocks)),
            ("empty", String::new(), Err(PemError::NoBlock)),
            ("json", "{}".to_owned(), Err(PemError::NoBlock)),
            (
                "certificate",
                KEY.replace("PUBLIC KEY", "CERTIFICATE"),
                Err(PemError::WrongLabel { wanted: "x" }),
            ),
            (
                "lower_case",
                KEY.replace("PUBLIC KEY", "public key"),
                Err(PemError::WrongLabel { wanted: "x" }),
            ),
            ("encrypted", KEY.replace("PUBLIC KEY", "ENCRYPTED PRIVATE KEY"), Err(PemError::Encrypted)),
            (
                "encrypted_in_the_older_way",
                KEY.replace("AAEC", "Proc-Type: 4,ENCRYPTED\n\nAAEC"),
                Err(PemError::Encrypted),
            ),
            ("no_end", KEY.replace("END", "FIN"), Err(PemError::Damaged)),
            ("another_end", KEY.replace("END PUBLIC", "END PRIVATE"), Err(PemError::Damaged)),
            ("only_the_beginning", "-----BEGIN PUBLIC KEY".to_owned(), Err(PemError::Damaged)),
            ("stray_character", KEY.replace("AAEC", "AA?C"), Err(PemError::Damaged)),
            ("base64url", KEY.replace("AAEC", "AA_C"), Err(PemError::Damaged)),
            ("no_content", KEY.replace("AAEC\n", ""), Err(PemError::Damaged)),
            ("as_long_as_may_be", format!("{}{KEY}", " ".repeat(MAX_TEXT - KEY.len())), Ok(vec![0, 1, 2])),
            (
                "one_too_long",
                format!("{}{KEY}", " ".repeat(MAX_TEXT + 1 - KEY.len())),
                Err(PemError::TooLong),
            ),
            ("too_long", format!("{}{KEY}", " ".repeat(MAX_TEXT)), Err(PemError::TooLong)),
        ];
        for (name, text, want) in cases {
            assert_eq!(decode(&text, "x").map(|(_, der)| der.to_vec()), want, "{name}");
        }
    }

    #[test]
    fn every_label_is_written_and_read() {
        for (label, name) in LABELS {
            let text = encode(label, &[1, 2, 3]).unwrap();
            assert!(text.starts_with(&format!("-----BEGIN {name}-----\n")), "{name}");
            assert_eq!(decode(&text, "x").unwrap(), (label, Zeroizing::new(vec![1, 2, 3])), "{name}");
        }
    }

    fn base64_lines(bytes: &[u8], width: usize) -> String {
        let text = base64_simd::STANDARD.encode_to_string(bytes);
        let lines = text.as_bytes().chunks(width).map(|line| std::str::from_utf8(line).unwrap());
        lines.fold(String::new(), |all, line| all + line + "\n")
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_answered_without_panic(
            text in "(-----(BEGIN|END) (EC PARAMETERS|PUBLIC KEY)-----|[A-Za-z+/=\r\n-]{0,9}){0,6}",
        ) {
            let _ = decode(&text, "x");
        }
    }
}
