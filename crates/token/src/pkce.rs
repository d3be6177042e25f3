//! Proof Key for Code Exchange ([RFC 7636](https://www.rfc-editor.org/rfc/rfc7636)), with `S256` and
//! nothing else: `plain` shows the verifier to whoever reads the authorization request.

use std::fmt;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest;
use gatepass_jose::base64url;
use thiserror::Error;
use zeroize::Zeroizing;

/// A `code_verifier`: the secret that a client makes for one authorization and shows with the code.
///
/// 43 to 128 characters of `A-Z a-z 0-9 - . _ ~`
/// ([RFC 7636 section 4.1](https://www.rfc-editor.org/rfc/rfc7636#section-4.1)). Wiped when dropped; has no
/// `Display` and shows nothing in `Debug`.
#[derive(Clone)]
pub struct CodeVerifier(Zeroizing<String>);

/// A `code_challenge`: the SHA-256 digest of a verifier, which the authorization request carries.
///
/// ```
/// use gatepass_token::{CodeChallenge, CodeVerifier};
///
/// let verifier = CodeVerifier::parse("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk")?;
/// let challenge = CodeChallenge::parse("E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM", Some("S256"))?;
/// assert!(challenge.is_of(&verifier));
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CodeChallenge([u8; 32]);

/// The text is no code verifier: too short, too long, or with a character that RFC 7636 does not allow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("a code verifier has 43 to 128 characters, each a letter, a digit or one of - . _ ~")]
pub struct InvalidCodeVerifier;

/// Why the challenge of an authorization request was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum InvalidCodeChallenge {
    /// `code_challenge_method` names another method than `S256`, or is absent, which means `plain`.
    /// [RFC 7636 section 4.3](https://www.rfc-editor.org/rfc/rfc7636#section-4.3).
    #[error("the code challenge method must be S256")]
    Method,
    /// `code_challenge` is not the base64url text of 32 bytes.
    #[error("an S256 code challenge is 43 characters of base64url")]
    Syntax,
}

impl CodeVerifier {
    /// Reads a verifier.
    ///
    /// # Errors
    /// [`InvalidCodeVerifier`].
    pub fn parse(text: &str) -> Result<Self, InvalidCodeVerifier> {
        let unreserved = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
        if (43..=128).contains(&text.len()) && text.bytes().all(unreserved) {
            Ok(Self(Zeroizing::new(text.to_owned())))
        } else {
            Err(InvalidCodeVerifier)
        }
    }

    /// The challenge that goes with it.
    #[must_use]
    pub fn challenge(&self) -> CodeChallenge {
        let mut challenge = [0; 32];
        challenge.copy_from_slice(digest::digest(&digest::SHA256, self.0.as_bytes()).as_ref());
        CodeChallenge(challenge)
    }
}

impl fmt::Debug for CodeVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CodeVerifier(..)")
    }
}

impl CodeChallenge {
    /// Reads `code_challenge` and `code_challenge_method` as the authorization request has them. The
    /// method is an argument because its absence has a meaning, and a bad one.
    ///
    /// # Errors
    /// [`InvalidCodeChallenge`].
    pub fn parse(challenge: &str, method: Option<&str>) -> Result<Self, InvalidCodeChallenge> {
        if method != Some("S256") {
            return Err(InvalidCodeChallenge::Method);
        }
        let bytes = base64url::decode(challenge).map_err(|_| InvalidCodeChallenge::Syntax)?;
        bytes.try_into().map(Self).map_err(|_| InvalidCodeChallenge::Syntax)
    }

    /// Whether `verifier` is the one whose challenge this is, in constant time.
    #[must_use]
    pub fn is_of(&self, verifier: &CodeVerifier) -> bool {
        verify_slices_are_equal(&self.0, &verifier.challenge().0).is_ok()
    }
}

impl fmt::Display for CodeChallenge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&base64url::encode(&self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 7636 appendix B.
    const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

    #[test]
    fn verifiers() {
        let cases = [
            ("rfc_7636_appendix_b", VERIFIER.to_owned(), true),
            ("all_four_marks", format!("-._~{}", "a".repeat(39)), true),
            ("42_characters", "a".repeat(42), false),
            ("43_characters", "a".repeat(43), true),
            ("128_characters", "a".repeat(128), true),
            ("129_characters", "a".repeat(129), false),
            ("empty", String::new(), false),
            ("space", format!("{} ", "a".repeat(43)), false),
            ("plus", format!("{}+", "a".repeat(43)), false),
            ("padding", format!("{}=", "a".repeat(43)), false),
            ("not_ascii", format!("{}é", "a".repeat(43)), false),
        ];
        for (name, text, want) in cases {
            assert_eq!(CodeVerifier::parse(&text).is_ok(), want, "{name}");
        }
    }

    #[test]
    fn challenges() {
        let cases = [
            ("s256", CHALLENGE, Some("S256"), Ok(())),
            ("no_method_means_plain", CHALLENGE, None, Err(InvalidCodeChallenge::Method)),
            ("plain", CHALLENGE, Some("plain"), Err(InvalidCodeChallenge::Method)),
            ("another_case", CHALLENGE, Some("s256"), Err(InvalidCodeChallenge::Method)),
            ("31_bytes", &CHALLENGE[..42], Some("S256"), Err(InvalidCodeChallenge::Syntax)),
            ("padding", &format!("{CHALLENGE}="), Some("S256"), Err(InvalidCodeChallenge::Syntax)),
            ("33_bytes", &"A".repeat(44), Some("S256"), Err(InvalidCodeChallenge::Syntax)),
            ("empty", "", Some("S256"), Err(InvalidCodeChallenge::Syntax)),
        ];
        for (name, challenge, method, want) in cases {
            assert_eq!(CodeChallenge::parse(challenge, method).map(|_| ()), want, "{name}");
        }
    }

    #[test]
    fn a_challenge_is_of_its_own_verifier_only() {
        let verifier = CodeVerifier::parse(VERIFIER).unwrap();
        let challenge = CodeChallenge::parse(CHALLENGE, Some("S256")).unwrap();
        assert_eq!(verifier.challenge().to_string(), CHALLENGE);
        assert!(challenge.is_of(&verifier));
        assert!(!challenge.is_of(&CodeVerifier::parse(CHALLENGE).unwrap()));
    }

    #[test]
    fn debug_output_shows_no_verifier() {
        let verifier = CodeVerifier::parse(VERIFIER).unwrap();
        assert_eq!(format!("{verifier:?}"), "CodeVerifier(..)");
    }
}
