//! Secrets that people choose: words of tutorials and templates, common passwords, runs on the
//! keyboard, and what is made of them by habit.

mod change;

use std::collections::HashSet;
use std::fmt;

use gatepass_jose::base64url;

/// Words under headings of what they are, one per line.
const WORDS: &str = include_str!("dictionary/words.txt");

/// What a secret turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Origin {
    what: &'static str,
    change: &'static str,
}

impl fmt::Display for Origin {
    /// As a predicate: "the secret is …".
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.what, self.change)
    }
}

type Try<'t> = dyn FnMut(&[u8]) -> bool + 't;

/// Tries candidates, the likeliest first, until `fits` says yes. `own` are words of the token itself.
pub(crate) fn search(own: &[&str], fits: &mut Try<'_>) -> Option<Origin> {
    let fits = &mut |candidate: &[u8], what, change| fits(candidate).then_some(Origin { what, change });
    if let Some(origin) = fits(b"", "empty", "") {
        return Some(origin);
    }
    let own = own_words(own);
    let own = || own.iter().map(|word| ("a word of the token itself", word.as_str()));
    let each = || words().chain(own());
    each()
        .find_map(|(what, word)| fits(word.as_bytes(), what, ""))
        .or_else(|| published(fits))
        .or_else(|| {
            each().find_map(|(what, word)| change::each(word, &mut |text, change| fits(text, what, change)))
        })
        .or_else(|| runs(fits))
        .or_else(|| numbers(fits))
}

/// The embedded words with what they are.
fn words<'w>() -> impl Iterator<Item = (&'static str, &'w str)> {
    let mut what = "";
    WORDS.lines().filter(|line| !line.is_empty()).filter_map(move |line| match line.strip_prefix("## ") {
        Some(heading) => {
            what = heading;
            None
        }
        None => Some((what, line)),
    })
}

/// Words out of identifiers and URLs: the whole, the host, each label, each segment.
fn own_words(texts: &[&str]) -> Vec<String> {
    /// More only cost time.
    const MOST: usize = 24;
    let mut seen = HashSet::new();
    let mut words = Vec::new();
    for text in texts.iter().filter(|text| text.len() <= 200) {
        let plain = text.trim_start_matches("https://").trim_start_matches("http://");
        let labels = plain.split(|c: char| !c.is_alphanumeric() && c != '-' && c != '_');
        let pieces =
            labels.filter(|label| label.len() > 2 && !matches!(*label, "com" | "org" | "net" | "www"));
        for word in [*text, plain].into_iter().chain(pieces) {
            if words.len() < MOST && seen.insert(word.to_owned()) {
                words.push(word.to_owned());
            }
        }
    }
    words
}

type Fits<'f> = dyn FnMut(&[u8], &'static str, &'static str) -> Option<Origin> + 'f;

/// Keys that everybody can read, as bytes: RFC 7515 appendix A.1 and RFC 7520 section 3.5.
fn published(fits: &mut Fits<'_>) -> Option<Origin> {
    const KEYS: [&str; 2] = [
        "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow",
        "hJtXIZ2uSN5kbQfbtTNWbpdmhkV8FJG-Onbc6mxCcYg",
    ];
    let what = "an example key of an RFC";
    KEYS.iter().find_map(|key| {
        let bytes = base64url::decode(key).unwrap_or_default();
        fits(&bytes, what, "").or_else(|| fits(key.as_bytes(), what, ", its base64url text"))
    })
}

/// One character again and again, and neighbours on the keyboard or in the alphabet.
fn runs(fits: &mut Fits<'_>) -> Option<Origin> {
    #[rustfmt::skip] // a table
    const ROWS: &[&str] = &[
        "1234567890", "0123456789", "0987654321", "9876543210", "qwertyuiop", "asdfghjkl", "zxcvbnm",
        "qwertzuiop", "azertyuiop", "abcdefghijklmnopqrstuvwxyz", "ABCDEFGHIJKLMNOPQRSTUVWXYZ",
        "0123456789abcdef", "0123456789ABCDEF", "qwertyuiopasdfghjklzxcvbnm",
        "qwertyuiopasdfghjklzxcvbnm1234567890", "qwertyuiopasdfghjklzxcvbnm123456", "1q2w3e4r5t6y7u8i9o0p",
        "q1w2e3r4t5y6u7i8o9p0", "qazwsxedcrfvtgbyhnujm", "1qaz2wsx3edc4rfv5tgb6yhn7ujm", "zaq1xsw2cde3vfr4",
        "!@#$%^&*()", "abc123", "123abc", "a1b2c3d4e5f6g7h8", "abcdefghijklmnopqrstuvwxyz0123456789",
        "abcdefghijklmnopqrstuvwxyz123456",
    ];
    const LONGEST: usize = 64;
    for row in ROWS {
        for len in 3..=LONGEST {
            let run: Vec<u8> = row.bytes().cycle().take(len).collect();
            if let Some(origin) = fits(&run, "a run on the keyboard or in the alphabet", "") {
                return Some(origin);
            }
        }
    }
    for byte in (b' '..=b'~').chain([0x00, 0x01, 0xff]) {
        let run = [byte; LONGEST];
        for len in 1..=LONGEST {
            if let Some(origin) = fits(run.get(..len)?, "one character, repeated", "") {
                return Some(origin);
            }
        }
    }
    let counted: Vec<u8> = (0..=u8::MAX).collect();
    [16, 32, 48, 64].iter().find_map(|len| fits(counted.get(..*len)?, "the bytes 0, 1, 2 and so on", ""))
}

/// Numbers of up to four digits, and six-digit repetitions of them.
fn numbers(fits: &mut Fits<'_>) -> Option<Origin> {
    let what = "a number of a few digits";
    (0..10_000).find_map(|number| {
        fits(number.to_string().as_bytes(), what, "")
            .or_else(|| fits(format!("{number:04}").as_bytes(), what, ""))
            .or_else(|| {
                if number < 1000 {
                    fits(format!("{number:03}{number:03}").as_bytes(), what, "")
                } else {
                    None
                }
            })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(secret: &[u8]) -> Option<String> {
        search(&["https://auth.acme-orders.example.com", "acme-web"], &mut |candidate| candidate == secret)
            .map(|origin| origin.to_string())
    }

    #[test]
    fn what_people_choose_is_found() {
        let cases: &[&[u8]] = &[
            b"",
            b"secret",
            b"your-256-bit-secret",
            b"Secret",
            b"SECRET",
            b"secret123",
            b"secret\n",
            b"secretsecret",
            b"c2VjcmV0",
            b"changeme",
            b"MySecret",
            b"my_secret_key",
            b"super-secret",
            b"qwertyuiop",
            b"qwertyuiopasdfghjklzxcvbnm123456",
            b"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
            b"secret00000000000000000000000000",
            b"secretsecretsecretsecretsecretse",
            b"\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0",
            b"53cr37",
            b"4711",
            b"acme-web",
            b"acme-orders-jwt-secret",
            b"2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b",
        ];
        for secret in cases {
            let shown = String::from_utf8_lossy(secret);
            assert!(origin(secret).is_some(), "{shown:?}");
        }
        assert_eq!(origin(b"acme-web").as_deref(), Some("a word of the token itself"));
        assert_eq!(origin(b"").as_deref(), Some("empty"));
    }

    #[test]
    fn random_secrets_are_not_found() {
        assert_eq!(origin(b"uV0cEoKPfjxgOhDMg2zmlmdXl84k1cdIyNFlLXzMHRM"), None);
        assert_eq!(origin(&[0x5a, 0x17, 0xc4, 0x90, 0x33, 0xee, 0x08, 0x7b]), None);
    }

    #[test]
    fn the_dictionary_is_tidy_and_its_size_is_known() {
        let mut seen = HashSet::new();
        for (what, word) in words() {
            assert!(!what.is_empty(), "{word} stands under no heading");
            assert!(seen.insert(word), "{word} is there twice");
            assert_eq!(word.trim(), word);
        }
        assert!(seen.len() > 500, "{} words", seen.len());
        let mut count = 0_u64;
        search(&[], &mut |_| {
            count += 1;
            false
        });
        // A guess costs about a microsecond: the whole search stays well below a second.
        assert!((100_000..500_000).contains(&count), "{count} candidates");
    }
}
