//! Guessing HMAC secrets: the dictionary, a word list, and the text of public keys.

use std::collections::HashMap;
use std::fmt;

use aws_lc_rs::hmac;
use zeroize::Zeroizing;

use crate::alg::Purpose;
use crate::dictionary::{self, Origin};
use crate::memory::digest;
use crate::quote::whole;
use crate::report::Found;
use crate::rule::{PUBLIC_KEY_AS_SECRET, SECRET_GUESSED};
use crate::token::Token;

/// So many bytes are hashed for guesses from the dictionary in one run; some ten seconds of work.
const BUDGET: u64 = 6 << 30;
/// So many keys are tried with a word list in one run.
const WORDLIST_KEYS: u32 = 16;
/// So many tokens of one key are tried: one of them may not be the key's own.
const TRIES: u8 = 2;
/// So many guessed secrets are tried first on later tokens.
const KNOWN: usize = 64;

pub(crate) struct Guesser {
    pub(crate) wordlist: Vec<u8>,
    pub(crate) shows: bool,
    /// Texts of public keys that an attacker would sign with.
    pub(crate) public_texts: Vec<Vec<u8>>,
    known: Vec<Guess>,
    tried: HashMap<[u8; 16], u8>,
    budget: u64,
    wordlist_keys: u32,
    /// Tokens for which there was no budget left.
    pub(crate) untried: u64,
}

/// A secret that was guessed.
#[derive(Clone)]
struct Guess {
    secret: Zeroizing<Vec<u8>>,
    origin: Said,
}

/// Where a guess comes from, in words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Said {
    Dictionary(Origin),
    Wordlist(usize),
}

impl fmt::Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dictionary(origin) => fmt::Display::fmt(origin, f),
            Self::Wordlist(line) => write!(f, "line {line} of the word list"),
        }
    }
}

impl Default for Guesser {
    fn default() -> Self {
        Self {
            wordlist: Vec::new(),
            shows: false,
            public_texts: Vec::new(),
            known: Vec::new(),
            tried: HashMap::new(),
            budget: BUDGET,
            wordlist_keys: 0,
            untried: 0,
        }
    }
}

impl Guesser {
    /// Tries to find the secret of an HMAC token.
    pub(crate) fn token(&mut self, token: &Token<'_>, found: &mut Found<'_>) {
        let Some(attempt) = Attempt::of(token) else { return };
        if self.public_texts.iter().any(|text| attempt.fits(text)) {
            return found.add(
                &PUBLIC_KEY_AS_SECRET,
                "signature",
                format_args!("the HMAC secret is the text of a public key of the set"),
            );
        }
        if let Some(guess) = self.known.iter().find(|guess| attempt.fits(&guess.secret)) {
            return report(guess, "signature", self.shows, found);
        }
        let [issuer, kid] = [token.claim_text("iss"), token.header_text("kid")];
        let key = digest(&[issuer.unwrap_or_default().as_bytes(), kid.unwrap_or_default().as_bytes()]);
        let tries = self.tried.entry(key).or_default();
        if *tries >= TRIES {
            return;
        }
        *tries += 1;
        let words: Vec<&str> = [
            kid,
            issuer,
            token.claim_text("aud"),
            token.claim_text("client_id"),
            token.claim_text("azp"),
            token.claim_text("sub"),
        ]
        .into_iter()
        .flatten()
        .collect();
        if let Some(guess) =
            self.search_dictionary(&attempt, &words).or_else(|| self.search_wordlist(&attempt))
        {
            report(&guess, "signature", self.shows, found);
            if self.known.len() < KNOWN {
                self.known.push(guess);
            }
        }
    }

    /// Looks whether a secret is in the dictionary or the word list.
    pub(crate) fn secret(&self, secret: &[u8], path: impl fmt::Display, found: &mut Found<'_>) {
        let mut is_it = |candidate: &[u8]| candidate == secret;
        let origin = dictionary::search(&[], &mut is_it).map(Said::Dictionary);
        let origin = origin.or_else(|| {
            let place = lines(&self.wordlist).position(|line| line == secret && !line.is_empty());
            place.map(|place| Said::Wordlist(place + 1))
        });
        if let Some(origin) = origin {
            report(&Guess { secret: Zeroizing::new(secret.to_vec()), origin }, path, self.shows, found);
        }
    }

    fn search_dictionary(&mut self, attempt: &Attempt<'_>, words: &[&str]) -> Option<Guess> {
        let cost = attempt.cost();
        if self.budget < cost {
            self.untried += 1;
            return None;
        }
        let budget = &mut self.budget;
        let mut secret = Zeroizing::new(Vec::new());
        let mut exhausted = false;
        let origin = dictionary::search(words, &mut |candidate| {
            match budget.checked_sub(cost) {
                Some(rest) => *budget = rest,
                None => exhausted = true,
            }
            let fits = !exhausted && attempt.fits(candidate);
            if fits {
                candidate.clone_into(&mut secret);
            }
            fits
        });
        self.untried += u64::from(exhausted);
        origin.map(|origin| Guess { secret, origin: Said::Dictionary(origin) })
    }

    fn search_wordlist(&mut self, attempt: &Attempt<'_>) -> Option<Guess> {
        if self.wordlist.is_empty() {
            return None;
        }
        if self.wordlist_keys >= WORDLIST_KEYS {
            self.untried += 1;
            return None;
        }
        self.wordlist_keys += 1;
        let (place, line) = lines(&self.wordlist).enumerate().find(|(_, line)| attempt.fits(line))?;
        Some(Guess { secret: Zeroizing::new(line.to_vec()), origin: Said::Wordlist(place + 1) })
    }
}

fn lines(wordlist: &[u8]) -> impl Iterator<Item = &[u8]> {
    wordlist.split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line))
}

fn report(guess: &Guess, path: impl fmt::Display, shows: bool, found: &mut Found<'_>) {
    let origin = &guess.origin;
    if shows {
        let secret = String::from_utf8_lossy(&guess.secret);
        let secret = whole(&secret);
        found.add(&SECRET_GUESSED, path, format_args!("the HMAC secret is {origin}: {secret}"));
    } else {
        found.add(&SECRET_GUESSED, path, format_args!("the HMAC secret is {origin}"));
    }
}

/// What a secret has to produce.
struct Attempt<'t> {
    algorithm: hmac::Algorithm,
    message: &'t [u8],
    tag: &'t [u8],
}

impl<'t> Attempt<'t> {
    fn of(token: &'t Token<'_>) -> Option<Self> {
        // A forger's spelling of the name is no obstacle to him.
        let row = crate::alg::find_meant(token.header_text("alg")?)?;
        let algorithm = match row.purpose {
            Purpose::Hmac(32) => hmac::HMAC_SHA256,
            Purpose::Hmac(48) => hmac::HMAC_SHA384,
            Purpose::Hmac(64) => hmac::HMAC_SHA512,
            _ => return None,
        };
        let tag = token.signature();
        (tag.len() == algorithm.tag_len()).then(|| Self {
            algorithm,
            message: token.signing_input().as_bytes(),
            tag,
        })
    }

    fn fits(&self, secret: &[u8]) -> bool {
        hmac::verify(&hmac::Key::new(self.algorithm, secret), self.message, self.tag).is_ok()
    }

    /// Bytes hashed for one guess, the two blocks of the key and the outer hash included.
    fn cost(&self) -> u64 {
        self.message.len() as u64 + 512
    }
}
