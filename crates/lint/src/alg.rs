//! The algorithm names that tokens carry, known to gatepass or not, one row each.

/// What an algorithm is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// HMAC: the tag's length in bytes.
    Hmac(usize),
    /// RSA signatures, as long as the modulus.
    Rsa,
    /// Any other signature: the lengths in bytes that it may have.
    Signature(&'static [usize]),
    /// Key management of a JWE.
    KeyManagement,
    /// Content encryption of a JWE.
    Content,
}

/// A registered algorithm.
#[derive(Debug)]
pub(crate) struct Algorithm {
    pub(crate) name: &'static str,
    pub(crate) purpose: Purpose,
    /// The key type and the curves it goes with; no curve where the type has none.
    pub(crate) key: (&'static str, &'static [&'static str]),
    pub(crate) broken: bool,
}

const fn row(
    name: &'static str,
    purpose: Purpose,
    kty: &'static str,
    curves: &'static [&'static str],
) -> Algorithm {
    Algorithm { name, purpose, key: (kty, curves), broken: false }
}

const fn broken(row: Algorithm) -> Algorithm {
    Algorithm { broken: true, ..row }
}

use Purpose::{Content, Hmac, KeyManagement, Rsa, Signature};

const ECDH_CURVES: &[&str] = &["P-256", "P-384", "P-521", "X25519", "X448"];

#[rustfmt::skip] // a table
static TABLE: &[Algorithm] = &[
    row("HS256", Hmac(32), "oct", &[]),
    row("HS384", Hmac(48), "oct", &[]),
    row("HS512", Hmac(64), "oct", &[]),
    row("RS256", Rsa, "RSA", &[]),
    row("RS384", Rsa, "RSA", &[]),
    row("RS512", Rsa, "RSA", &[]),
    row("PS256", Rsa, "RSA", &[]),
    row("PS384", Rsa, "RSA", &[]),
    row("PS512", Rsa, "RSA", &[]),
    row("ES256", Signature(&[64]), "EC", &["P-256"]),
    row("ES384", Signature(&[96]), "EC", &["P-384"]),
    row("ES512", Signature(&[132]), "EC", &["P-521"]),
    row("ES256K", Signature(&[64]), "EC", &["secp256k1"]),
    row("EdDSA", Signature(&[64, 114]), "OKP", &["Ed25519", "Ed448"]),
    row("Ed25519", Signature(&[64]), "OKP", &["Ed25519"]),
    row("Ed448", Signature(&[114]), "OKP", &["Ed448"]),
    row("ML-DSA-44", Signature(&[2420]), "AKP", &[]),
    row("ML-DSA-65", Signature(&[3309]), "AKP", &[]),
    row("ML-DSA-87", Signature(&[4627]), "AKP", &[]),
    broken(row("RS1", Rsa, "RSA", &[])),
    broken(row("HS1", Hmac(20), "oct", &[])),
    row("dir", KeyManagement, "oct", &[]),
    row("A128KW", KeyManagement, "oct", &[]),
    row("A192KW", KeyManagement, "oct", &[]),
    row("A256KW", KeyManagement, "oct", &[]),
    row("A128GCMKW", KeyManagement, "oct", &[]),
    row("A192GCMKW", KeyManagement, "oct", &[]),
    row("A256GCMKW", KeyManagement, "oct", &[]),
    row("PBES2-HS256+A128KW", KeyManagement, "oct", &[]),
    row("PBES2-HS384+A192KW", KeyManagement, "oct", &[]),
    row("PBES2-HS512+A256KW", KeyManagement, "oct", &[]),
    broken(row("RSA1_5", KeyManagement, "RSA", &[])),
    row("RSA-OAEP", KeyManagement, "RSA", &[]),
    row("RSA-OAEP-256", KeyManagement, "RSA", &[]),
    row("RSA-OAEP-384", KeyManagement, "RSA", &[]),
    row("RSA-OAEP-512", KeyManagement, "RSA", &[]),
    row("ECDH-ES", KeyManagement, "EC", ECDH_CURVES),
    row("ECDH-ES+A128KW", KeyManagement, "EC", ECDH_CURVES),
    row("ECDH-ES+A192KW", KeyManagement, "EC", ECDH_CURVES),
    row("ECDH-ES+A256KW", KeyManagement, "EC", ECDH_CURVES),
    row("A128GCM", Content, "oct", &[]),
    row("A192GCM", Content, "oct", &[]),
    row("A256GCM", Content, "oct", &[]),
    row("A128CBC-HS256", Content, "oct", &[]),
    row("A192CBC-HS384", Content, "oct", &[]),
    row("A256CBC-HS512", Content, "oct", &[]),
];

/// The algorithm of exactly that name.
pub(crate) fn find(name: &str) -> Option<&'static Algorithm> {
    TABLE.iter().find(|row| row.name == name)
}

/// The algorithm that was probably meant: the same letters and digits in another spelling.
pub(crate) fn find_meant(name: &str) -> Option<&'static Algorithm> {
    if name.len() > 40 {
        return None;
    }
    let name = letters_and_digits(name);
    TABLE.iter().find(|row| letters_and_digits(row.name) == name)
}

/// Whether the name asks for no signature, in whatever spelling: letter case, blanks, control and
/// look-alike characters are what such attacks vary.
pub(crate) fn means_none(name: &str) -> bool {
    let letters = name.chars().filter(|c| !c.is_whitespace() && !c.is_control());
    let letters = letters.filter(|c| !matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{feff}'));
    letters.map(plain_letter).take(5).eq("none".chars())
}

fn letters_and_digits(name: &str) -> String {
    name.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect()
}

/// The Latin letter that a character looks like, as far as `none` needs it.
fn plain_letter(c: char) -> char {
    match c {
        // full-width forms
        '\u{ff21}'..='\u{ff3a}' | '\u{ff41}'..='\u{ff5a}' => {
            char::from_u32(u32::from(c) - 0xfee0).unwrap_or(c).to_ascii_lowercase()
        }
        '\u{43e}' | '\u{41e}' | '\u{3bf}' | '\u{39f}' => 'o', // Cyrillic and Greek
        '\u{435}' | '\u{415}' | '\u{395}' => 'e',
        '\u{39d}' | '\u{578}' => 'n',
        _ => c.to_ascii_lowercase(),
    }
}

impl Algorithm {
    /// Whether a key of that type, and of that curve where it names one, goes with it.
    pub(crate) fn goes_with(&self, kty: &str, crv: Option<&str>) -> bool {
        let (own, curves) = self.key;
        // The one algorithm family with keys of two types (RFC 8037 section 3.2).
        let type_fits = own == kty || (self.name.starts_with("ECDH-ES") && kty == "OKP");
        type_fits && (curves.is_empty() || crv.is_none_or(|crv| curves.contains(&crv)))
    }

    /// Whether it signs.
    pub(crate) fn signs(&self) -> bool {
        matches!(self.purpose, Hmac(_) | Rsa | Signature(_))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn none_is_seen_in_every_spelling() {
        for name in
            ["none", "None", "NONE", "nOnE", " none", "none ", "no\0ne", "nоne", "ｎｏｎｅ", "n\u{200b}one"]
        {
            assert!(means_none(name), "{name:?}");
        }
        for name in ["", "non", "nonee", "None256", "ES256", "n0ne"] {
            assert!(!means_none(name), "{name:?}");
        }
    }

    #[test]
    fn names_are_exact_and_near_misses_are_recognised() {
        assert_eq!(find("RS256").map(|row| row.name), Some("RS256"));
        assert!(find("rs256").is_none());
        for (name, meant) in
            [("rs256", Some("RS256")), ("RSA-OAEP256", Some("RSA-OAEP-256")), ("SHA256", None)]
        {
            assert_eq!(find_meant(name).map(|row| row.name), meant, "{name}");
        }
        let names: std::collections::BTreeSet<_> = TABLE.iter().map(|row| row.name).collect();
        assert_eq!(names.len(), TABLE.len());
    }

    #[test]
    fn an_algorithm_goes_with_its_own_keys() {
        let cases = [
            ("ES256", "EC", Some("P-256"), true),
            ("ES256", "EC", Some("P-384"), false),
            ("ES256", "EC", None, true),
            ("RS256", "EC", Some("P-256"), false),
            ("RS256", "RSA", None, true),
            ("ECDH-ES", "OKP", Some("X25519"), true),
            ("ECDH-ES", "OKP", Some("Ed25519"), false),
            ("EdDSA", "OKP", Some("X25519"), false),
        ];
        for (name, kty, crv, want) in cases {
            assert_eq!(find(name).unwrap().goes_with(kty, crv), want, "{name} {kty} {crv:?}");
        }
    }
}
