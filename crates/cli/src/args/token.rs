//! `gatepass token …`

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use clap::{ArgGroup, Args as ClapArgs, Subcommand};
use gatepass_gateway::parse_duration;
use gatepass_jose::{Alg, ContentEncryption, KeyManagement, Typ};
use serde_json::Value;

use crate::input::{Input, TokenInput};
use crate::moment::Moment;

#[derive(Debug, Subcommand)]
pub(crate) enum Token {
    /// Show what a token says, without believing any of it
    Inspect(Inspect),
    /// Verify a token, compact or in JSON, and show each check with what it expected and found
    Verify(Verify),
    /// Sign claims as a JSON Web Token
    Sign(Sign),
    /// Encrypt a text for who holds a key, or sign claims and encrypt them
    Encrypt(Encrypt),
    /// Decrypt a token, and verify the one inside where there is one
    Decrypt(Decrypt),
}

#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Exit code: 0 if it could be taken apart, 1 if something about it is broken, 2 if there was nothing to look at.
With --json: `verified` (always false), `kind` (JWS, JWE or null), `form`, `header`, `claims`, `parts` (`part`, `bytes`),
`times` (by claim: `seconds`, `at`, `relative`), `size` (`bytes`, `verdict`, `claims`), `problems` (`part`, `detail`).")]
pub(crate) struct Inspect {
    #[command(flatten)]
    pub(crate) token: TokenInput,
    /// The instant that dates are compared with, as RFC 3339 or seconds since 1970; the present where left out
    #[arg(long, value_name = "TIME")]
    pub(crate) now: Option<Moment>,
    /// Print the answer as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Exit code: 0 if it is verified, 1 if it is refused, 2 if that could not be decided.
With --json: `verified`, `checks` (`check`, `result` passed, failed or not-run, `detail`, `expected`, `found`), `rejection`
(`code`, `detail`), `kid`, `claims` (null unless verified), `now`, `unusable_keys` (`key`, `why`).")]
#[command(group(ArgGroup::new("keys").required(true).args(["jwks", "issuer", "key"])))]
#[command(group(ArgGroup::new("audiences").required(true).multiple(true).args(["audience"])))]
pub(crate) struct Verify {
    #[command(flatten)]
    pub(crate) token: TokenInput,
    #[command(flatten)]
    pub(crate) trust: Trust,
    /// A file with the key: a JWK or JWK Set, PEM or DER, or a secret in base64url
    #[arg(long, value_name = "FILE")]
    pub(crate) key: Option<Input>,
    /// The one algorithm that the keys may be used with; needed where a key names none and its type allows several
    #[arg(long)]
    pub(crate) alg: Option<Alg>,
    /// Print the answer as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// Whose tokens are believed, and on what terms.
#[derive(Debug, ClapArgs)]
pub(crate) struct Trust {
    /// A JWK Set with the issuer's public keys: a file, or a URL
    #[arg(long, value_name = "FILE|URL")]
    pub(crate) jwks: Option<String>,
    /// The issuer, whose keys are found through its metadata (OpenID Connect Discovery, RFC 8414)
    #[arg(long, value_name = "URL")]
    pub(crate) issuer: Option<String>,
    /// What `iss` must be, character for character; the value of --issuer where left out
    #[arg(long, visible_alias = "issuer-name", value_name = "ISS")]
    pub(crate) iss: Option<String>,
    /// What the token must be for: one of these must be in `aud`
    #[arg(long, value_name = "AUD")]
    pub(crate) audience: Vec<String>,
    /// The type that `typ` must name
    #[arg(long, default_value = "at+jwt", value_parser = typ)]
    pub(crate) typ: Typ,
    /// The instant at which the token must be valid, as RFC 3339 or seconds since 1970; the present where left out
    #[arg(long, value_name = "TIME")]
    pub(crate) now: Option<Moment>,
    /// Fetch keys over plain http from another machine, where anybody on the way can change them
    #[arg(long)]
    pub(crate) insecure_http: bool,
}

#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Exit code: 0 if it is signed, 1 if the key or the claims are refused, 2 if they cannot be read.
With --json: `token`, `header`, `claims`.")]
pub(crate) struct Sign {
    /// A file with the claims as a JSON object, or `-` for standard input
    #[arg(value_name = "CLAIMS")]
    pub(crate) claims: Option<Input>,
    /// A file with the private key: a JWK, PEM or DER, or a secret in base64url
    #[arg(long, value_name = "FILE")]
    pub(crate) key: Input,
    /// The algorithm, where the key names none and its type allows several
    #[arg(long)]
    pub(crate) alg: Option<Alg>,
    /// The key's name, where the file gives it none; its thumbprint where left out
    #[arg(long)]
    pub(crate) kid: Option<String>,
    #[command(flatten)]
    pub(crate) claim: ClaimOptions,
    /// Print the answer as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// Claims given as options; each replaces what the file says.
#[derive(Debug, ClapArgs)]
pub(crate) struct ClaimOptions {
    /// What kind of token it is
    #[arg(long, default_value = "at+jwt", value_parser = typ)]
    pub(crate) typ: Typ,
    /// The issuer
    #[arg(long)]
    pub(crate) iss: Option<String>,
    /// Whom the token is for, any number of times
    #[arg(long, value_name = "AUD")]
    pub(crate) aud: Vec<String>,
    /// Whom the token speaks for
    #[arg(long)]
    pub(crate) sub: Option<String>,
    /// For how long it is valid from now on: 90s, 15m, 12h, 7d or never; sets `exp`, `iat`, `nbf` and `jti`
    #[arg(long, value_name = "DURATION")]
    pub(crate) expires_in: Option<Lifetime>,
    /// Any other claim: NAME=TEXT, or NAME:=JSON for what is no text; any number of times
    #[arg(long = "claim", value_name = "NAME=VALUE")]
    pub(crate) others: Vec<NamedClaim>,
}

#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Exit code: 0 if it is encrypted, 1 if a key is refused, 2 if something cannot be read.
With --json: `token`, `header`.")]
#[command(group(ArgGroup::new("recipient").required(true).args(["key", "password_file"])))]
pub(crate) struct Encrypt {
    /// A file with the text, or `-` for standard input; with --sign-key, the claims as a JSON object
    #[arg(value_name = "PLAINTEXT", required_unless_present = "sign_key")]
    pub(crate) plaintext: Option<Input>,
    #[command(flatten)]
    pub(crate) key: EncryptionKeyInput,
    /// How the content is encrypted; what a key for direct use says, else A256GCM, where left out
    #[arg(long)]
    pub(crate) enc: Option<ContentEncryption>,
    /// What is inside, for the header: JWT for a signed token
    #[arg(long, conflicts_with = "sign_key")]
    pub(crate) cty: Option<String>,
    /// Sign the claims with the private key in this file first
    #[arg(long, value_name = "FILE")]
    pub(crate) sign_key: Option<Input>,
    /// The algorithm of --sign-key, where the key names none and its type allows several
    #[arg(long, value_name = "ALG", requires = "sign_key")]
    pub(crate) sign_alg: Option<Alg>,
    #[command(flatten)]
    pub(crate) claim: ClaimOptions,
    /// Print the answer as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// A key that encrypts or decrypts.
#[derive(Debug, ClapArgs)]
#[group(skip)]
pub(crate) struct EncryptionKeyInput {
    /// A file with the key: a JWK or JWK Set, PEM or DER, or a secret in base64url
    #[arg(long, value_name = "FILE")]
    pub(crate) key: Option<Input>,
    /// A file with a password, in place of a key
    #[arg(long, value_name = "FILE", requires = "alg")]
    pub(crate) password_file: Option<PathBuf>,
    /// The algorithm of key management, where the key names none: RSA-OAEP-256, ECDH-ES+A256KW, dir …
    #[arg(long)]
    pub(crate) alg: Option<KeyManagement>,
    /// Which key of the file is meant; the name of a key that has none
    #[arg(long)]
    pub(crate) kid: Option<String>,
}

#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Exit code: 0 if it is decrypted, and verified where that was asked for, 1 if it is refused, 2 if something cannot be read.
With --json: `alg`, `enc`, `kid`, `typ`, `cty`, `plaintext` or `plaintext_base64url` (null where the token inside is
refused), `verification` (as the answer of `token verify`, or null).")]
#[command(group(ArgGroup::new("recipient").required(true).args(["key", "password_file"])))]
#[command(group(ArgGroup::new("keys").args(["jwks", "issuer", "verify_key"]).requires("audience")))]
pub(crate) struct Decrypt {
    #[command(flatten)]
    pub(crate) token: TokenInput,
    #[command(flatten)]
    pub(crate) key: EncryptionKeyInput,
    /// A content encryption to take, any number of times; all that the library has where left out
    #[arg(long)]
    pub(crate) enc: Vec<ContentEncryption>,
    /// Take compressed content too, up to 1 MiB of it
    #[arg(long)]
    pub(crate) decompress: bool,
    /// Print the answer as JSON
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten, next_help_heading = "To verify the token inside")]
    pub(crate) trust: Trust,
    /// A file with the key that verifies the token inside, as --key of `token verify`
    #[arg(long, value_name = "FILE")]
    pub(crate) verify_key: Option<Input>,
    /// The one algorithm that the keys may be used with which verify
    #[arg(long, value_name = "ALG", requires = "keys")]
    pub(crate) verify_alg: Option<Alg>,
}

/// One claim as `NAME=TEXT` or `NAME:=JSON`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct NamedClaim {
    pub(crate) name: String,
    pub(crate) value: Value,
}

impl FromStr for NamedClaim {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, value) =
            text.split_once('=').ok_or("write NAME=TEXT, or NAME:=JSON for what is no text")?;
        let (name, value) = match name.strip_suffix(':') {
            Some(name) => {
                let json = gatepass_jose::parse_strict_json(value.as_bytes());
                (name, json.map_err(|error| format!("the value of {name} is no JSON: {error}"))?)
            }
            None => (name, Value::from(value)),
        };
        if name.is_empty() {
            return Err("a claim needs a name".to_owned());
        }
        Ok(Self { name: name.to_owned(), value })
    }
}

/// A type must be said: without one, an ID token passes for an access token (RFC 8725 section 3.11).
fn typ(text: &str) -> Result<Typ, &'static str> {
    if text.is_empty() {
        return Err("a type must not be empty");
    }
    Ok(Typ::from(text.to_owned()))
}

/// How long a new token lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lifetime {
    For(Duration),
    Never,
}

impl FromStr for Lifetime {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, &'static str> {
        if text == "never" {
            return Ok(Self::Never);
        }
        let length = parse_duration(text).filter(|length| !length.is_zero());
        length.map(Self::For).ok_or("write a duration as 90s, 15m, 12h or 7d, or never")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn claims_are_text_unless_a_colon_says_json() {
        let cases = [
            ("a=b", Some(("a", json!("b")))),
            ("a=", Some(("a", json!("")))),
            ("a=1", Some(("a", json!("1")))),
            ("a:=1", Some(("a", json!(1)))),
            ("a:=[\"x\",{\"y\":true}]", Some(("a", json!(["x", {"y": true}])))),
            ("a=b=c", Some(("a", json!("b=c")))),
            ("https://example.com/role=admin", Some(("https://example.com/role", json!("admin")))),
            ("a", None),
            ("=b", None),
            (":=1", None),
            ("a:=nope", None),
            ("a:={\"b\":1,\"b\":2}", None),
        ];
        for (text, want) in cases {
            let want = want.map(|(name, value)| NamedClaim { name: name.to_owned(), value });
            assert_eq!(text.parse::<NamedClaim>().ok(), want, "{text}");
        }
    }
}
