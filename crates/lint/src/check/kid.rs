//! What a key's name gives away.

use std::fmt;

use crate::quote::quoted;
use crate::report::Found;
use crate::rule::{KID_GUESSABLE, KID_INJECTION, KID_LOCATION};

/// Looks at a `kid`, of a token or of a key.
pub(crate) fn check(kid: &str, path: impl fmt::Display, found: &mut Found<'_>) {
    let shown = quoted(kid);
    if let Some(target) = attack(kid) {
        found.add(&KID_INJECTION, path, format_args!("the name {shown} reads like {target}"));
    } else if let Some(what) = location(kid) {
        found.add(&KID_LOCATION, path, format_args!("the name {shown} is {what}"));
    } else if guessable(kid) {
        found.add(
            &KID_GUESSABLE,
            path,
            format_args!("the name {shown} will be given to another key one day"),
        );
    }
}

/// Texts that have a meaning where a name should have none.
#[rustfmt::skip] // a table
const ATTACKS: &[(&str, &[&str])] = &[
    ("a path that leaves its folder", &["../", "..\\", "..%2f", "..%5c", "%2e%2e", "/dev/", "/proc/", "/etc/passwd"]),
    ("an SQL injection", &["'", "\"", " or 1=1", "union select", "union all", "/*"]),
    ("a command", &[";", "|", "`", "$(", "&&", "<", ">"]),
    ("a template", &["{{", "${", "<%"]),
    ("an LDAP filter", &["*)(", ")("]),
    ("text with an encoded zero byte", &["%00"]),
];

fn attack(kid: &str) -> Option<&'static str> {
    if kid.chars().any(char::is_control) {
        return Some("text that ends early or breaks a line: it contains control characters");
    }
    let kid = kid.to_ascii_lowercase();
    let names = |texts: &[&str]| texts.iter().any(|text| kid.contains(text));
    ATTACKS.iter().find(|(_, texts)| names(texts)).map(|(target, _)| *target)
}

const FILE_ENDINGS: &[&str] =
    &[".pem", ".key", ".crt", ".cer", ".der", ".jwk", ".jwks", ".json", ".p12", ".pfx", ".pub", ".txt"];

fn location(kid: &str) -> Option<&'static str> {
    let kid = kid.to_ascii_lowercase();
    let is_drive = kid.get(1..3) == Some(":\\");
    let is_path = kid.strip_prefix('/').is_some_and(|rest| rest.contains(['/', '.']));
    if kid.contains("://") {
        Some("a URL")
    } else if is_drive || is_path || kid.starts_with("./") || kid.starts_with("~/") || kid.starts_with("\\\\")
    {
        Some("a path")
    } else if FILE_ENDINGS.iter().any(|ending| kid.ends_with(ending)) {
        Some("a file's name")
    } else {
        None
    }
}

const COMMON: &[&str] = &[
    "k",
    "id",
    "kid",
    "key",
    "keys",
    "mykey",
    "keyid",
    "default",
    "main",
    "primary",
    "current",
    "active",
    "master",
    "root",
    "admin",
    "test",
    "testing",
    "testkey",
    "example",
    "demo",
    "dev",
    "development",
    "stage",
    "staging",
    "prod",
    "production",
    "sig",
    "sign",
    "signing",
    "signingkey",
    "sigkey",
    "jwt",
    "jwtkey",
    "jwk",
    "token",
    "auth",
    "server",
    "app",
    "public",
    "publickey",
    "private",
    "privatekey",
    "rsa",
    "rsakey",
    "ec",
    "eckey",
    "hmac",
    "secret",
    "secretkey",
];

fn guessable(kid: &str) -> bool {
    let letters = super::plain_name(kid).trim_matches(|c: char| c.is_ascii_digit()).to_owned();
    match letters.as_str() {
        "" => kid.len() <= 4,
        letters => kid.len() <= 16 && COMMON.contains(&letters),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_what_they_read_like() {
        let attacks = [
            "../../dev/null",
            "..\\..\\windows\\win.ini",
            "/proc/sys/kernel/randomize_va_space",
            "key' UNION SELECT 'secret",
            "x\"; DROP TABLE keys",
            "key|id",
            "`id`",
            "$(touch x)",
            "a\nb",
            "a\0",
            "a%00",
            "{{7*7}}",
        ];
        for kid in attacks {
            assert!(attack(kid).is_some(), "{kid:?}");
        }
        let locations =
            ["https://auth.example.com/keys/1", "/etc/keys/prod.pem", "prod.pem", "C:\\keys\\a", "~/.ssh/id"];
        for kid in locations {
            assert!(attack(kid).is_none() && location(kid).is_some(), "{kid:?}");
        }
        let common = ["", "1", "key1", "KEY-1", "default", "prod_2", "my-key", "0001", "signing-key"];
        for kid in common {
            assert!(location(kid).is_none() && guessable(kid), "{kid:?}");
        }
        let good = [
            "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs",
            "a--b__c",
            "b2f6c1e0-0000-4000-8000-000000000000",
            "did:example:123#key-1",
            "arn:aws:kms:eu-west-1:111122223333:key/1234abcd",
            "/9j+abc==",
            "2011-04-29",
            "orders-2026-11-a",
        ];
        for kid in good {
            assert!(attack(kid).is_none() && location(kid).is_none() && !guessable(kid), "{kid:?}");
        }
    }
}
