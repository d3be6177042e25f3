//! The linter itself: reads inputs, one after the other, and collects what it finds.

use std::io::{self, BufRead, BufReader, Read};
use std::sync::Arc;

use gatepass_jose::Timestamp;
use thiserror::Error;
use zeroize::Zeroizing;

use crate::Rule;
use crate::check;
use crate::detect::{self, Kind};
use crate::find;
use crate::guess::Guesser;
use crate::json::Json;
use crate::key::{self, Setting};
use crate::log::{self, PIECE, Pieces};
use crate::memory::Memory;
use crate::published::{NotAKeySet, Published};
use crate::report::{Found, Report};
use crate::rule::TOKEN_IN_ARGUMENT;
use crate::serialized;
use crate::token::Token;

/// A document that is read whole (a token, keys) has at most so many bytes.
const WHOLE: usize = 8 << 20;
/// So many findings of each rule are kept unless somebody asks for more.
const PER_RULE: usize = 100;

/// Reads tokens, keys and logs, and says what is wrong with them.
///
/// Tokens are also compared with each other, over all inputs: of the first 100,000 different ones a
/// digest is kept.
pub struct Linter {
    now: Timestamp,
    report: Report,
    memory: Memory,
    guesser: Guesser,
    published: Option<Published>,
}

/// Why an input was not looked at.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ReadError {
    /// Reading failed.
    #[error("it cannot be read")]
    Io(#[from] io::Error),
    /// It is empty, or a single word that is no token.
    #[error("it is neither a token nor a key nor a text with lines")]
    Unrecognized,
    /// A token or a set of keys this large is none.
    #[error("it has more than 8 MiB, too much for {0}")]
    TooLarge(Kind),
    /// The bytes are those of gzip, zstd or xz.
    #[error("it is compressed; unpack it and give it on standard input")]
    Compressed,
    /// Windows tools write logs like this.
    #[error("it is UTF-16; convert it to UTF-8")]
    Utf16,
    /// The text was given as this, and it is not.
    #[error("it is not {0}")]
    Not(Kind),
}

impl Linter {
    /// A linter for which the present is `now`.
    #[must_use]
    pub fn new(now: Timestamp) -> Self {
        Self {
            now,
            report: Report::keeping(PER_RULE),
            memory: Memory::default(),
            guesser: Guesser::default(),
            published: None,
        }
    }

    /// Holds tokens against these keys: a JWK Set, or a single JWK.
    ///
    /// # Errors
    /// [`NotAKeySet`] when it is neither.
    pub fn with_keys(mut self, jwks: &[u8]) -> Result<Self, NotAKeySet> {
        let published = Published::parse(jwks)?;
        self.guesser.public_texts = published.texts();
        self.published = Some(published);
        Ok(self)
    }

    /// Tries the lines of this list as HMAC secrets, too, on the tokens of the first 16 keys.
    #[must_use]
    pub fn with_wordlist(mut self, wordlist: Vec<u8>) -> Self {
        self.guesser.wordlist = wordlist;
        self
    }

    /// Prints the HMAC secrets that were guessed.
    #[must_use]
    pub fn showing_secrets(mut self) -> Self {
        self.guesser.shows = true;
        self
    }

    /// Keeps at most so many findings of each rule, 100 where nobody says; the others are counted.
    #[must_use]
    pub fn keeping(mut self, most_per_rule: usize) -> Self {
        self.report.most_per_rule = most_per_rule;
        self
    }

    /// Says nothing of this rule.
    #[must_use]
    pub fn ignoring(mut self, rule: &'static Rule) -> Self {
        self.report.ignored.push(rule);
        self
    }

    /// Reads an input to its end. Without a `kind` its content decides. `source` is what findings
    /// call it: the file's name, `-` for standard input.
    ///
    /// Logs and files of tokens may have any length, and so may their lines: a mebibyte is in memory
    /// at a time, and a token longer than that is not recognised. Other inputs have at most 8 MiB.
    ///
    /// # Errors
    /// [`ReadError`]; what was found before reading failed stays in the report.
    pub fn read(&mut self, source: &str, kind: Option<Kind>, input: impl Read) -> Result<Kind, ReadError> {
        let mut input = BufReader::new(input);
        let mut head = Zeroizing::new(Vec::new());
        input.by_ref().take(PIECE as u64 + 1).read_to_end(&mut head)?;
        require_text(&head)?;
        let is_all = head.len() <= PIECE;
        let kind = kind.or_else(|| detect::kind(&head, is_all)).ok_or(ReadError::Unrecognized)?;
        let source = Arc::from(source);
        if matches!(kind, Kind::Log | Kind::Tokens) {
            let head = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&head);
            let pieces = Pieces::new(head.chain(input));
            if kind == Kind::Log {
                self.log(&source, pieces)?
            } else {
                self.tokens(&source, pieces)?
            }
            return Ok(kind);
        }
        input.take((WHOLE - PIECE) as u64).read_to_end(&mut head)?;
        if head.len() > WHOLE {
            return Err(ReadError::TooLarge(kind));
        }
        let text = Zeroizing::new(String::from_utf8_lossy(&head).into_owned());
        let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
        match kind {
            Kind::Jwks => self.keys(&source, text)?,
            Kind::Pem => {
                let count = key::pem(text, &mut self.found(&source, 1, 1));
                self.report.keys += count;
            }
            _ => self.document(&source, text),
        }
        Ok(kind)
    }

    /// Reads a token that was given as an argument of a command, and says what is wrong with that.
    pub fn argument(&mut self, token: &str) {
        let source = Arc::from("argument");
        self.found(&source, 0, 0).add(
            &TOKEN_IN_ARGUMENT,
            "",
            format_args!("the token is now in the shell's history"),
        );
        self.token(&Token::parse(token), &source, (0, 0), "");
    }

    /// What was found.
    #[must_use]
    pub fn finish(self) -> Report {
        let mut report = self.report;
        if self.memory.is_full() {
            report.remarks.push(
                "there are more than 100,000 different tokens; later ones were compared with these only"
                    .to_owned(),
            );
        }
        if self.guesser.untried > 0 {
            report.remarks.push(format!(
                "there are many HMAC keys: for {} tokens, guessing the secret was not tried to its end",
                self.guesser.untried
            ));
        }
        report
    }

    fn found<'l>(&'l mut self, source: &'l Arc<str>, line: u64, column: u64) -> Found<'l> {
        Found { report: &mut self.report, source, line, column, prefix: "" }
    }

    fn log(&mut self, source: &Arc<str>, mut pieces: Pieces<impl BufRead>) -> io::Result<()> {
        while let Some(piece) = pieces.next()? {
            let (mut at, mut counted, mut column) = (0, 0, piece.column + 1);
            while let Some(range) = find::token(piece.text, at) {
                at = range.end;
                column += log::characters(piece.text.get(counted..range.start).unwrap_or_default());
                counted = range.start;
                let bytes = piece.text.get(range.clone()).unwrap_or_default();
                let text = String::from_utf8_lossy(bytes); // ASCII, as the finder found it
                let token = Token::parse(&text);
                let mut found =
                    Found { report: &mut self.report, source, line: piece.line, column, prefix: "" };
                log::leak(&token, self.now, &mut found);
                log::surroundings(piece.text, range, &mut found);
                self.token(&token, source, (piece.line, column), "");
            }
        }
        Ok(())
    }

    fn tokens(&mut self, source: &Arc<str>, mut pieces: Pieces<impl BufRead>) -> io::Result<()> {
        while let Some(piece) = pieces.next()? {
            let line = piece.text.trim_ascii();
            if piece.continues || detect::is_skipped(line) {
                continue;
            }
            let text = String::from_utf8_lossy(detect::without_scheme(line));
            self.token(&Token::parse(&text), source, (piece.line, 1), "");
        }
        Ok(())
    }

    fn keys(&mut self, source: &Arc<str>, text: &str) -> Result<(), ReadError> {
        let json = Json::parse(text.as_bytes()).map_err(|_| ReadError::Not(Kind::Jwks))?;
        let object = json.as_object().ok_or(ReadError::Not(Kind::Jwks))?;
        let mut found = Found { report: &mut self.report, source, line: 1, column: 1, prefix: "" };
        let count = if object.has("keys") {
            key::set(object, text, &self.guesser, &mut found)
        } else {
            key::jwk(&json, "key", Setting::Alone, &self.guesser, &mut found);
            1
        };
        self.report.keys += count;
        Ok(())
    }

    /// A document that holds one token.
    fn document(&mut self, source: &Arc<str>, text: &str) {
        let text = text.trim();
        if let Ok(Json::Object(object)) = Json::parse(text.as_bytes())
            && detect::is_serialized_token(&object)
        {
            let tokens = serialized::compact(&object, &mut self.found(source, 1, 1));
            for token in tokens {
                self.token(&Token::parse(&token.text), source, (1, 1), &token.prefix);
            }
            return;
        }
        let text = String::from_utf8_lossy(detect::without_scheme(text.as_bytes()));
        self.token(&Token::parse(&text), source, (1, 1), "");
    }

    /// What a token, wherever it was met, is judged by: once, however often it comes.
    fn token(&mut self, token: &Token<'_>, source: &Arc<str>, (line, column): (u64, u64), prefix: &str) {
        self.report.tokens += 1;
        if self.memory.has_seen(token.text.as_bytes()) {
            return;
        }
        let found = &mut Found { report: &mut self.report, source, line, column, prefix };
        check::token(token, self.now, found);
        self.memory.compare(token, found);
        if let Some(published) = &self.published {
            published.check(token, found);
        }
        self.guesser.token(token, found);
    }
}

/// Refuses what only looks empty because it has to be decoded first.
fn require_text(head: &[u8]) -> Result<(), ReadError> {
    const COMPRESSED: [&[u8]; 4] = [b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"\xfd7zXZ\0", b"BZh"];
    if COMPRESSED.iter().any(|magic| head.starts_with(magic)) {
        return Err(ReadError::Compressed);
    }
    if head.starts_with(b"\xff\xfe") || head.starts_with(b"\xfe\xff") {
        return Err(ReadError::Utf16);
    }
    Ok(())
}

#[cfg(test)]
mod tests;
