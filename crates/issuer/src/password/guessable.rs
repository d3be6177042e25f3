//! New passwords that are too easy to guess.
//!
//! NIST SP 800-63B-4 section 3.1.1.2 asks for a length and for a list of what is common, and for no rules about what
//! characters there must be. The list is zxcvbn's: 30,000 passwords from leaks, words and names, each in any case, in
//! reverse, with digits for letters, repeated and put together, with runs on the keyboard and dates.

use std::fmt;
use std::panic::catch_unwind;

use zeroize::Zeroizing;
use zxcvbn::feedback::{Feedback, Warning};
use zxcvbn::matching::patterns::MatchPattern;
use zxcvbn::{Entropy, Score, zxcvbn};

use super::Password;

/// So many characters are looked at: the work grows with the square of them, and nobody's list has longer ones.
const LOOKED_AT: usize = 48;

/// Words that a password must not be built of, because whoever guesses knows them too.
#[derive(Clone, Debug, Default)]
pub(crate) struct KnownWords(Vec<String>);

/// What makes a password easy to guess.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Weakness {
    /// It is one of the passwords that everybody tries first, or nearly.
    Common,
    /// It is built of the user's name or of this site's.
    Known,
    /// It is one word or name.
    Word,
    /// It is neighbours on the keyboard or in the alphabet.
    Run,
    /// It says one thing again and again.
    Repeated,
    /// It is a date or a year.
    Date,
    /// It is short of anything that could not be guessed.
    Short,
}

impl fmt::Display for Weakness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Common => "it is a common password, or nearly one",
            Self::Known => "it is built of the user's name or of this site's",
            Self::Word => "it is little more than one word or name",
            Self::Run => "it is a run on the keyboard or in the alphabet",
            Self::Repeated => "it repeats itself",
            Self::Date => "it is little more than a date",
            Self::Short => "it has too little in it that could not be guessed",
        })
    }
}

impl KnownWords {
    /// The texts (names, addresses, URLs), their parts, and the words in them.
    pub(crate) fn of(texts: &[&str]) -> Self {
        let pieces = |text: &&str| -> Vec<String> {
            let words = text.split(|c: char| !c.is_alphanumeric()).filter(|word| word.chars().count() > 2);
            let parts = text.split(['/', '@']).filter(|part| part.chars().count() > 2);
            words.chain(parts).chain([*text]).map(str::to_lowercase).collect()
        };
        Self(texts.iter().flat_map(pieces).collect())
    }
}

/// Why `password` is easy to guess, if it is: in fewer than a hundred million attempts, which is years of guessing
/// against the throttle and moments where a store was stolen. Takes milliseconds; hashing threads do it.
///
/// What stands between words hides from zxcvbn that they repeat and run on, so they are looked at joined too.
pub(super) fn weakness(password: &Password, known: &KnownWords) -> Option<Weakness> {
    let mut joined = Zeroizing::new(String::with_capacity(password.0.len()));
    joined.extend(password.0.chars().filter(|c| c.is_alphanumeric()));
    let is_other = !joined.is_empty() && *joined != *password.0;
    let weakness = weakness_of(&password.0, known);
    weakness.or_else(|| is_other.then(|| weakness_of(&joined, known)).flatten())
}

fn weakness_of(text: &str, known: &KnownWords) -> Option<Weakness> {
    let looked_at: Zeroizing<String> = Zeroizing::new(text.chars().take(LOOKED_AT).collect());
    let words: Vec<&str> = known.0.iter().map(String::as_str).collect();
    // Its matchers unwrap what their expressions found. What they stumble over is in no list.
    let guessed = catch_unwind(|| zxcvbn(&looked_at, &words)).ok()?;
    (guessed.score() < Score::Three).then(|| explained(&guessed, &known.0))
}

/// The longest piece decides, as the one that its user thought strong.
fn explained(guessed: &Entropy, known: &[String]) -> Weakness {
    let longest = guessed.sequence().iter().max_by_key(|piece| piece.token.chars().count());
    match longest.map(|piece| &piece.pattern) {
        Some(MatchPattern::Dictionary(word)) if known.contains(&word.matched_word) => Weakness::Known,
        Some(MatchPattern::Dictionary(_)) => match guessed.feedback().and_then(Feedback::warning) {
            Some(
                Warning::ThisIsATop10Password
                | Warning::ThisIsATop100Password
                | Warning::ThisIsACommonPassword
                | Warning::ThisIsSimilarToACommonlyUsedPassword,
            ) => Weakness::Common,
            _ => Weakness::Word,
        },
        Some(MatchPattern::Spatial(_) | MatchPattern::Sequence(_)) => Weakness::Run,
        Some(MatchPattern::Repeat(_)) => Weakness::Repeated,
        Some(MatchPattern::Date(_) | MatchPattern::Regex(_)) => Weakness::Date,
        _ => Weakness::Short,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_guessed_first_is_refused_and_said_why() {
        let known = KnownWords::of(&["alice@corp.example", "https://auth.example.com", "gatepass"]);
        let cases = [
            ("common", "password", Some(Weakness::Common)),
            ("in_any_case", "iLoveYouForever1", Some(Weakness::Common)),
            ("digits_for_letters", "p4ssw0rd", Some(Weakness::Common)),
            ("in_reverse", "drowssap", Some(Weakness::Common)),
            ("twice", "P@ssw0rdP@ssw0rd", Some(Weakness::Repeated)),
            ("one_character", "aaaaaaaaaaaaaaaaaaaaaaaa", Some(Weakness::Repeated)),
            ("keyboard", "asdfghjkl;'", Some(Weakness::Run)),
            ("user_name", "Alice@Corp.Example1", Some(Weakness::Known)),
            ("issuer", "auth.example.com", Some(Weakness::Known)),
            ("product", "gatepassgatepass", Some(Weakness::Repeated)),
            ("date", "13.05.1987", Some(Weakness::Date)),
            ("word", "incomprehensible", Some(Weakness::Word)),
            ("words_apart", "password password", Some(Weakness::Repeated)),
            ("words_apart_in_other_cases", "Passw0rd Passw0rd", Some(Weakness::Repeated)),
            ("product_apart", "gatepass gatepass", Some(Weakness::Repeated)),
            ("dates_apart", "2026-11-23 2026-11-23", Some(Weakness::Repeated)),
            ("birthday_apart", "01011990 01011990", Some(Weakness::Repeated)),
            ("keyboard_apart", "qwerty asdfgh zxcvbn", Some(Weakness::Common)),
            ("word_with_year", "administrator2026!", Some(Weakness::Word)),
            ("words", "correct horse battery staple", None),
            ("words_with_hyphens", "tangled-violet-harbour-71", None),
            ("words_with_points", "lamp.orbit.canoe.thirty", None),
            ("short_words", "mud hat ink owl pond", None),
            ("random", "hq7z-mm3w-x9ab-tc2k", None),
            ("other_script", "кони пьют холодную воду", None),
            ("longer_than_looked_at", &"tangled violet harbour ".repeat(20), None),
        ];
        let found =
            |(name, password, want)| (name, weakness(&Password::new(password).unwrap(), &known), want);
        let wrong: Vec<_> = cases.into_iter().map(found).filter(|(_, found, want)| found != want).collect();
        assert!(wrong.is_empty(), "{wrong:?}");
        // It is both common and a run, and which is found first is chance.
        assert!(weakness(&Password::new("123456789012345").unwrap(), &known).is_some());
    }

    proptest::proptest! {
        #![proptest_config(proptest::prelude::ProptestConfig::with_cases(64))]

        #[test]
        fn no_password_stops_it(password in "\\PC{1,60}", digits in "[0-9٠-٩./-]{1,30}") {
            for text in [password, digits] {
                let _ = weakness(&Password::new(text).unwrap(), &KnownWords::default());
            }
        }
    }
}
