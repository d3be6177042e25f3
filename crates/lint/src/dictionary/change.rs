//! What people make of a word by habit: endings, prefixes, repetitions, encodings.

use aws_lc_rs::digest::{SHA256, digest};
use gatepass_jose::base64url;

use super::Origin;

type Fits<'f> = dyn FnMut(&[u8], &'static str) -> Option<Origin> + 'f;

/// What is put behind a word to satisfy a rule about digits and signs.
#[rustfmt::skip] // a table
const SUFFIXES: &[&str] = &[
    "1", "12", "123", "1234", "12345", "123456", "12345678", "123456789", "1234567890", "0", "00", "000", "01",
    "007", "2", "3", "69", "99", "321", "666", "777", "2018", "2019", "2020", "2021", "2022", "2023", "2024",
    "2025", "2026", "2027", "!", "!!", "!!!", "1!", "12!", "123!", "1234!", "@123", "@1234", "#123", "#1", "@",
    "#", "$", "*", ".", "?", "_123", "-123", "_1", "-1",
];
/// Words behind a word.
#[rustfmt::skip] // a table
const TAILS: &[&str] = &[
    "secret", "key", "secretkey", "SecretKey", "Secret", "Key", "-secret", "-key", "-secret-key", "_secret",
    "_key", "_secret_key", " secret", " key", " secret key", "-jwt-secret", "_jwt_secret", "-jwt", "_jwt",
    "jwt", "-token", "token", "_token", "_SECRET", "_KEY", "_SECRET_KEY", ".secret", "password", "pass", "app",
    "api", "-dev", "-prod", "_dev", "_prod",
];
/// Words before a word.
#[rustfmt::skip] // a table
const HEADS: &[&str] = &[
    "my", "my-", "my_", "my ", "My", "your", "your-", "your_", "your ", "the", "the-", "this-is-", "this is ",
    "this_is_", "super", "super-", "super_", "very", "very-", "not", "not-", "jwt", "jwt-", "jwt_", "JWT_",
    "new", "test", "test-", "dev-", "dev_", "prod-", "app-", "a",
];

/// Tries a word as people vary it; `fits` is told what was done to it.
pub(super) fn each(word: &str, fits: &mut Fits<'_>) -> Option<Origin> {
    let mut cases = vec![word.to_lowercase(), word.to_uppercase(), capitalised(word)];
    cases.retain(|case| case != word);
    cases.dedup();
    let mut buffer = String::new();
    for case in std::iter::once(word).chain(cases.iter().map(String::as_str)) {
        if case != word
            && let Some(origin) = fits(case.as_bytes(), ", in other letter case")
        {
            return Some(origin);
        }
        for suffix in ["\n", "\r\n", "\0", " "].iter().chain(SUFFIXES) {
            join(&mut buffer, case, suffix);
            if let Some(origin) = fits(buffer.as_bytes(), ", with something after it") {
                return Some(origin);
            }
        }
    }
    let capitalised = capitalised(word);
    let pairs = TAILS.iter().map(|tail| (word, *tail)).chain(HEADS.iter().map(|head| (*head, word)));
    for (first, second) in pairs.chain(HEADS.iter().map(|head| (*head, capitalised.as_str()))) {
        join(&mut buffer, first, second);
        if let Some(origin) = fits(buffer.as_bytes(), ", with another word") {
            return Some(origin);
        }
    }
    repeated(word, fits).or_else(|| encoded(word, fits))
}

fn join(buffer: &mut String, a: &str, b: &str) {
    buffer.clear();
    buffer.push_str(a);
    buffer.push_str(b);
}

fn capitalised(word: &str) -> String {
    let mut characters = word.chars();
    match characters.next() {
        Some(first) => first.to_uppercase().chain(characters).collect(),
        None => String::new(),
    }
}

/// Doubled, or brought to the length that a library asks for.
fn repeated(word: &str, fits: &mut Fits<'_>) -> Option<Origin> {
    let reversed: String = word.chars().rev().collect();
    let simple =
        [(word.repeat(2), ", doubled"), (word.repeat(3), ", three times"), (reversed, ", backwards")];
    for (text, change) in &simple {
        if let Some(origin) = fits(text.as_bytes(), change) {
            return Some(origin);
        }
    }
    for len in [16, 24, 32, 48, 64] {
        let cycled: Vec<u8> = word.bytes().cycle().take(len).collect();
        if let Some(origin) = fits(&cycled, ", repeated up to a length") {
            return Some(origin);
        }
        for filling in [b'0', b'x', b'X', b' ', b'=', b'\0', b'1', b'_', b'-', b'*', b'!'] {
            let mut padded = word.as_bytes().to_vec();
            if padded.len() < len {
                padded.resize(len, filling);
                if let Some(origin) = fits(&padded, ", filled up to a length") {
                    return Some(origin);
                }
            }
        }
    }
    None
}

/// In an encoding, or taken for one; and hashed.
fn encoded(word: &str, fits: &mut Fits<'_>) -> Option<Origin> {
    for text in [word.to_owned(), format!("{word}\n")] {
        let url = base64url::encode(text.as_bytes());
        let padded = format!("{url}{}", ["", "", "==", "="].get(url.len() % 4).copied().unwrap_or_default());
        let standard = padded.replace('-', "+").replace('_', "/");
        for candidate in [&url, &padded, &standard] {
            if let Some(origin) = fits(candidate.as_bytes(), ", in base64") {
                return Some(origin);
            }
        }
        let hash = digest(&SHA256, text.as_bytes());
        if let Some(origin) = fits(hash.as_ref(), ", hashed with SHA-256")
            .or_else(|| fits(hex(hash.as_ref()).as_bytes(), ", hashed with SHA-256, in hexadecimal"))
            .or_else(|| fits(hex(text.as_bytes()).as_bytes(), ", in hexadecimal"))
        {
            return Some(origin);
        }
    }
    let bare = word.trim_end_matches('=').replace('+', "-").replace('/', "_");
    let decoded = base64url::decode(&bare).ok().filter(|bytes| !bytes.is_empty());
    if let Some(origin) = decoded.and_then(|bytes| fits(&bytes, ", taken for base64 and decoded")) {
        return Some(origin);
    }
    let decoded = unhex(word).filter(|bytes| !bytes.is_empty());
    if let Some(origin) = decoded.and_then(|bytes| fits(&bytes, ", taken for hexadecimal and decoded")) {
        return Some(origin);
    }
    let swapped: String = word.chars().map(look_alike).collect();
    if swapped == word { None } else { fits(swapped.as_bytes(), ", with digits for letters") }
}

fn look_alike(c: char) -> char {
    match c {
        'a' => '4',
        'e' => '3',
        'i' => '1',
        'o' => '0',
        's' => '5',
        't' => '7',
        _ => c,
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    if !text.is_ascii() || text.len() % 2 == 1 {
        return None;
    }
    let pairs = (0..text.len()).step_by(2).map(|at| text.get(at..at + 2));
    pairs.map(|pair| u8::from_str_radix(pair?, 16).ok()).collect()
}
