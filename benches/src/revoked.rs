//! Revocations in great numbers, and tokens to ask about.

use std::time::Duration;

use gatepass_jose::{Timestamp, base64url};
use gatepass_revocation::{Entry, Kind, Reason, Snapshot, TokenRef};

/// As many entries as the tables speak of.
pub const ENTRIES: u64 = 1_000_000;

/// The present of every entry.
pub const NOW: Timestamp = Timestamp::from_millis(1_763_780_000_250);

/// What the entries of a view name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mix {
    /// Tokens alone.
    Tokens,
    /// Seven of ten tokens, two sessions, the rest subjects, with a thousand clients and a hundred keys.
    EveryKind,
}

impl Mix {
    fn kind(self, number: u64) -> Kind {
        match (self, number % 10) {
            (Self::Tokens, _) | (_, 0..=6) => Kind::Token,
            (_, 7 | 8) => Kind::Session,
            _ if number < 10_000 => Kind::Client,
            _ if number < 11_000 => Kind::Key,
            _ => Kind::Subject,
        }
    }
}

/// The `number`-th entry.
pub fn entry(mix: Mix, number: u64) -> Entry {
    Entry {
        seq: number + 1,
        kind: mix.kind(number),
        id: id("revoked", number),
        issued_before: NOW,
        forget_after: NOW.saturating_add(Duration::from_secs(900)),
        reason: if number.is_multiple_of(3) { Reason::LOGOUT } else { Reason::ADMIN },
    }
}

/// A snapshot with all entries.
pub fn snapshot(mix: Mix) -> Snapshot {
    Snapshot::new(
        "https://auth.example.com",
        ENTRIES,
        NOW,
        (0..ENTRIES).map(|number| entry(mix, number)).collect(),
    )
}

/// An identifier of 22 characters, as issuers make them.
fn id(what: &str, number: u64) -> String {
    let [seed] = what.as_bytes().first_chunk::<1>().copied().unwrap_or_default();
    let scatter = |salt: u64| {
        let mut word = (number + (u64::from(seed) << 32) + salt).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        word = (word ^ word >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        (word ^ word >> 27).wrapping_mul(0x94d0_49bb_1331_11eb)
    };
    let [first, second] = [scatter(1 << 48), scatter(1 << 56)].map(u64::to_be_bytes);
    base64url::encode(&[first, second].concat())
}

/// The names of many tokens, one behind the other in memory: a request has just read those it asks
/// about, so that reaching them must not be what is measured.
pub struct Tokens {
    text: String,
    /// Where the `jti`, `sid` and `sub` of each start; all have 22 characters.
    starts: Vec<usize>,
}

const ID: usize = 22;

impl Tokens {
    /// `count` tokens of which nothing is revoked.
    pub fn valid(count: u64) -> Self {
        Self::named(count, |number| id("jti", number))
    }

    /// `count` tokens that are revoked themselves, in no order that the table knows.
    pub fn revoked(mix: Mix, count: u64) -> Self {
        let scattered =
            (0..).map(|number| number * 7_919 % ENTRIES).filter(|number| mix.kind(*number) == Kind::Token);
        let mut numbers = scattered.take(usize::try_from(count).unwrap_or(usize::MAX));
        Self::named(count, |_| id("revoked", numbers.next().unwrap_or_default()))
    }

    fn named(count: u64, mut jti: impl FnMut(u64) -> String) -> Self {
        let (mut text, mut starts) = (String::new(), Vec::new());
        for number in 0..count {
            starts.push(text.len());
            for part in [jti(number), id("sid", number), id("user", number)] {
                text.push_str(&part);
            }
        }
        Self { text, starts }
    }

    /// The names as a check takes them.
    pub fn refs(&self) -> Vec<TokenRef<'_>> {
        let name = |start: usize| self.text.get(start..start + ID).unwrap_or_default();
        let token = |start: &usize| TokenRef {
            jti: name(*start),
            sid: Some(name(start + ID)),
            sub: name(start + 2 * ID),
            client_id: "web-frontend-north",
            kid: "2026-11-a",
            minted_at: Timestamp::from_millis(NOW.as_millis() - 1),
        };
        self.starts.iter().map(token).collect()
    }
}
