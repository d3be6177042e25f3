//! By what secrets are recognised, in time linear in the text.

/// Whether the text contains a private key in PEM.
pub(super) fn private_key(text: &str) -> bool {
    text.split("-----BEGIN ")
        .skip(1)
        .any(|rest| rest.split("-----").next().is_some_and(|label| label.ends_with("PRIVATE KEY")))
}

/// The keys of services, by the beginning that their makers chose so that they can be found: the
/// beginning, how many characters follow at least, and whose it is.
#[rustfmt::skip] // a table
const SERVICES: &[(&str, usize, &str)] = &[
    ("AKIA", 16, "an access key of AWS"),
    ("ASIA", 16, "a temporary access key of AWS"),
    ("AIza", 35, "an API key of Google"),
    ("ya29.", 20, "an access token of Google"),
    ("GOCSPX-", 20, "a client secret of Google"),
    ("ghp_", 30, "a token of GitHub"),
    ("gho_", 30, "a token of GitHub"),
    ("ghs_", 30, "a token of GitHub"),
    ("ghu_", 30, "a token of GitHub"),
    ("ghr_", 30, "a token of GitHub"),
    ("github_pat_", 30, "a token of GitHub"),
    ("glpat-", 20, "a token of GitLab"),
    ("xoxb-", 20, "a token of Slack"),
    ("xoxp-", 20, "a token of Slack"),
    ("xoxa-", 20, "a token of Slack"),
    ("xapp-", 20, "a token of Slack"),
    ("sk_live_", 16, "a secret key of Stripe"),
    ("rk_live_", 16, "a restricted key of Stripe"),
    ("sk-ant-", 20, "an API key of Anthropic"),
    ("sk-proj-", 20, "an API key of OpenAI"),
    ("SG.", 60, "an API key of SendGrid"),
    ("npm_", 36, "a token of npm"),
    ("pypi-", 60, "a token of PyPI"),
    ("dop_v1_", 60, "a token of DigitalOcean"),
    ("hvs.", 20, "a token of Vault"),
    ("shpat_", 30, "a token of Shopify"),
    ("AccountKey=", 40, "a storage key of Azure"),
];

/// Whose key the text contains.
pub(super) fn service_key(text: &str) -> Option<&'static str> {
    let follows = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.' | b'+' | b'/' | b'=');
    let row = SERVICES.iter().find(|(beginning, least, _)| {
        text.match_indices(beginning).any(|(at, _)| {
            let before = text.as_bytes().get(at.wrapping_sub(1)).copied().unwrap_or(b' ');
            let rest = text.as_bytes().get(at + beginning.len()..).unwrap_or_default();
            !before.is_ascii_alphanumeric()
                && rest.iter().take(*least).filter(|b| follows(b)).count() == *least
        })
    });
    row.map(|(_, _, whose)| *whose)
}

const HASHES: &[&str] = &[
    "$2a$",
    "$2b$",
    "$2y$",
    "$argon2",
    "$scrypt$",
    "$pbkdf2",
    "$y$",
    "$5$",
    "$6$",
    "pbkdf2_sha",
    "{SSHA",
    "{PBKDF2",
    "{bcrypt}",
];

/// Whether the text is a password's hash, by the marks of the usual schemes.
pub(super) fn password_hash(text: &str) -> bool {
    text.len() >= 30 && !text.contains(' ') && HASHES.iter().any(|mark| text.starts_with(mark))
}

/// Whether the text contains a URL with user and password.
pub(super) fn url_with_password(text: &str) -> bool {
    text.match_indices("://").any(|(at, mark)| {
        let rest = text.get(at + mark.len()..).unwrap_or_default();
        let authority = rest.split(['/', '?', '#', ' ', '"']).next().unwrap_or_default();
        let user = authority.rsplit_once('@').map(|(user, _)| user);
        user.and_then(|user| user.split_once(':')).is_some_and(|(_, password)| !password.is_empty())
    })
}

const NAMES: &[&str] = &[
    "pwd",
    "pass",
    "pin",
    "otp",
    "token",
    "apitoken",
    "accesstoken",
    "refreshtoken",
    "sessiontoken",
    "credentials",
];
const ENDINGS: &[&str] = &[
    "password",
    "passwd",
    "passphrase",
    "secret",
    "secretkey",
    "apikey",
    "accesskey",
    "privatekey",
    "encryptionkey",
    "signingkey",
    "securityanswer",
];

/// Whether a claim of that name is a secret. Without hyphens and in lower case.
pub(super) fn name(name: &str) -> bool {
    NAMES.contains(&name) || ENDINGS.iter().any(|ending| name.ends_with(ending))
}

/// Whether there is anything to keep secret: not empty, and not starred out.
pub(super) fn value(text: &str) -> bool {
    !text.trim().is_empty() && !text.chars().all(|c| matches!(c, '*' | '•' | 'x' | 'X' | '.'))
}

/// Ends of names under which random texts are identifiers, hashes or public keys, not secrets.
const RANDOM_NAMES: &[&str] = &[
    "id",
    "jti",
    "sid",
    "sub",
    "nonce",
    "hash",
    "ath",
    "jkt",
    "kid",
    "uti",
    "rh",
    "aio",
    "digest",
    "fingerprint",
    "thumbprint",
    "x5ts256",
    "session",
    "state",
    "x",
    "y",
    "n",
];

/// Whether the text looks random and has no name that explains it.
pub(super) fn looks_random(name: &str, text: &str) -> bool {
    /// Bits per character. Words stay below 4, random base64 of 32 characters is at 4.5.
    const ENTROPY: f64 = 4.2;
    let of_base64 = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/' | b'-' | b'_' | b'=');
    (32..=256).contains(&text.len())
        && !RANDOM_NAMES.iter().any(|ending| name.ends_with(ending))
        && text.bytes().all(of_base64)
        && text.bytes().any(|b| b.is_ascii_lowercase())
        && text.bytes().any(|b| b.is_ascii_uppercase())
        && text.bytes().filter(u8::is_ascii_digit).count() >= 3
        && entropy(text.as_bytes()) >= ENTROPY
}

/// Shannon's entropy of the bytes, in bits per byte.
fn entropy(bytes: &[u8]) -> f64 {
    let mut counts = [0_u32; 256];
    for byte in bytes {
        if let Some(count) = counts.get_mut(usize::from(*byte)) {
            *count += 1;
        }
    }
    let len = bytes.len() as f64;
    let shares = counts.iter().filter(|count| **count > 0).map(|count| f64::from(*count) / len);
    -shares.map(|share| share * share.log2()).sum::<f64>()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn service_keys_are_known_by_their_beginning() {
        // Put together here, so that no scanner takes this file for a leak.
        let cases = [
            (["AK", "IAIOSFODNN7EXAMPLE"].concat(), true),
            (["id=AK", "IAIOSFODNN7EXAMPLE;"].concat(), true),
            (["xAK", "IAIOSFODNN7EXAMPLE"].concat(), false),
            (["AK", "IA"].concat(), false),
            (["gh", "p_", &"a1".repeat(18)].concat(), true),
            (["sk", "_live_", "4eC39HqLyjWDarjtT1zdp7dc"].concat(), true),
            ("SG.".to_owned(), false),
            ("a SG.1 b".to_owned(), false),
        ];
        for (text, want) in cases {
            assert_eq!(service_key(&text).is_some(), want, "{text}");
        }
    }

    #[test]
    fn addresses_with_a_password_are_told_from_those_without() {
        for text in ["postgres://app:s3same@db/orders", "see https://a:b@c", "x://:p@h"] {
            assert!(url_with_password(text), "{text}");
        }
        for text in ["https://c/a:b@c", "https://a@c", "https://a:@c", "://", "http://h:80/", "a:b@c"] {
            assert!(!url_with_password(text), "{text}");
        }
    }

    #[test]
    fn secrets_are_known_by_their_names() {
        for known in ["password", "userpassword", "clientsecret", "apikey", "token", "xapikey", "pin"] {
            assert!(name(known), "{known}");
        }
        for other in ["passwordchangedat", "tokentype", "secretary", "pinned", "haspasswordset", "spin"] {
            assert!(!name(other), "{other}");
        }
        assert!(value("hunter2") && !value("****") && !value(" "));
    }

    #[test]
    fn random_texts_are_told_from_words() {
        let random = "q7Zk1Wv9RfT3xLbN8cYd2MgHs5JpQe4AuXo6ViKn0tE";
        assert!(looks_random("data", random));
        for name in ["deviceid", "ath", "athash"] {
            assert!(!looks_random(name, random), "{name} is expected to be random");
        }
        for text in [
            "TheQuickBrownFoxJumpsOverTheLazyDog2",
            "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaA1",
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
            "https://api.example.com/v1/orders/Q7",
        ] {
            assert!(!looks_random("data", text), "{text}");
        }
    }

    #[test]
    fn keys_and_hashes_are_known_by_their_marks() {
        assert!(private_key("x -----BEGIN EC PRIVATE KEY-----\nMHc"));
        assert!(!private_key("-----BEGIN PUBLIC KEY-----\nMFk"));
        assert!(password_hash("$argon2id$v=19$m=19456,t=2,p=1$c2FsdA$aGFzaA"));
        assert!(!password_hash("$2b$") && !password_hash("$2a$ is what this costs in dollars, or so"));
    }
}
