//! The tokens that came of late, with what they say.

use std::hash::Hasher as _;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use arc_swap::ArcSwapOption;
use aws_lc_rs::rand;
use siphasher::sip128::{Hasher128 as _, SipHasher24};

use crate::believed::Believed;

/// Two megabytes, where all are taken by tokens of ordinary length; with the longest that are kept it is three times as
/// much, and where all claims of each of them have been asked for by name twenty megabytes.
const PLACES: usize = 1 << 10;
/// Longer tokens are read again each time.
const MAX_TOKEN: usize = 2 * 1024;
/// So many others are looked for in vain at its place before a token that does not come again gives it up. Tokens in turn, more
/// than there are places, then cost little more than if there were none.
const PATIENCE: u8 = 8;

/// Keeps of the tokens that came last what was read from them, so that one that comes again is not read again.
///
/// It belongs to one verifier and goes with it. What is found here was verified by it once; whether it is good now, its time and
/// everything that may be revoked, is for whoever asks to check.
///
/// No token can be had from it. All of a token but its signature is kept, and of the signature 128 bits of a keyed pseudo-random
/// function; both have to be met. The key is random and this table's own, so nobody can choose whose place a token takes.
#[derive(Default)]
pub(crate) struct Recent {
    /// Made with the first token; `None` inside where the system has no randomness to give.
    table: OnceLock<Option<Table>>,
    found: AtomicU64,
}

struct Table {
    key: [u8; 16],
    places: Box<[Place]>,
}

#[derive(Default)]
struct Place {
    kept: ArcSwapOption<Kept>,
    /// How many other tokens were looked for since the one that is kept was found.
    passed_over: AtomicU8,
}

struct Kept {
    signing_input: Box<str>,
    signature: u128,
    believed: Arc<Believed>,
}

/// Where one token is kept, if it is.
pub(crate) struct Spot<'r, 't> {
    place: &'r Place,
    found: &'r AtomicU64,
    signing_input: &'t str,
    signature: u128,
}

impl Recent {
    /// The place of a token; `None` for what is none, or too long to be kept.
    pub(crate) fn spot<'t>(&self, token: &'t str) -> Option<Spot<'_, 't>> {
        if token.len() > MAX_TOKEN {
            return None;
        }
        let (signing_input, signature) = token.rsplit_once('.')?;
        let table = self.table.get_or_init(Table::new).as_ref()?;
        let mut hasher = SipHasher24::new_with_key(&table.key);
        hasher.write(signature.as_bytes());
        let signature = hasher.finish128().as_u128();
        let place = table.places.get(signature as usize % PLACES)?;
        Some(Spot { place, found: &self.found, signing_input, signature })
    }

    /// How many were found.
    pub(crate) fn found(&self) -> u64 {
        self.found.load(Ordering::Relaxed)
    }
}

impl Spot<'_, '_> {
    /// What this very token says, if it came of late.
    pub(crate) fn find(&self) -> Option<Arc<Believed>> {
        let kept = self.place.kept.load();
        let kept = kept.as_ref()?;
        if kept.signature != self.signature || *kept.signing_input != *self.signing_input {
            return None;
        }
        self.place.passed_over.store(0, Ordering::Relaxed);
        self.found.fetch_add(1, Ordering::Relaxed);
        Some(Arc::clone(&kept.believed))
    }

    /// Keeps what the token says, unless its place is another's that may come again.
    pub(crate) fn keep(&self, believed: &Arc<Believed>) {
        let is_taken = self.place.kept.load().is_some();
        if is_taken && self.place.passed_over.fetch_add(1, Ordering::Relaxed) < PATIENCE {
            return;
        }
        self.place.passed_over.store(0, Ordering::Relaxed);
        self.place.kept.store(Some(Arc::new(Kept {
            signing_input: self.signing_input.into(),
            signature: self.signature,
            believed: Arc::clone(believed),
        })));
    }

    /// Makes room: what is kept here is no longer good.
    pub(crate) fn forget(&self) {
        self.place.kept.store(None);
    }
}

impl Table {
    fn new() -> Option<Self> {
        let mut key = [0; 16];
        rand::fill(&mut key).ok()?;
        Some(Self { key, places: (0..PLACES).map(|_| Place::default()).collect() })
    }
}

#[cfg(test)]
mod tests {
    use gatepass_jose::{Alg, Audience, Issuer, KeySet, SigningKey, Timestamp, Typ, Verifier, jwt};
    use serde_json::json;

    use super::*;
    use crate::believed::Profile;
    use crate::clock::Now;

    const NOW: Timestamp = Timestamp::from_secs(1_763_780_000);

    /// One key's tokens, and what verifies them.
    struct World {
        key: SigningKey,
        verifier: Verifier,
    }

    impl World {
        fn new() -> Self {
            let key = SigningKey::generate(Alg::ES256, Some("k")).unwrap();
            let (issuer, audience) =
                (Issuer::new("https://auth.example.com"), Audience::new(["https://api.example.com"]));
            let keys = KeySet::new(vec![key.verifying_key().unwrap()]);
            Self { verifier: Profile::Jwt.verifier(issuer.unwrap(), audience.unwrap(), keys), key }
        }

        fn token(&self, sub: &str) -> String {
            let claims = json!({
                "iss": "https://auth.example.com", "aud": "https://api.example.com", "sub": sub, "jti": sub,
                "client_id": "web", "iat": NOW.as_secs(), "exp": NOW.as_secs() + 900,
            });
            jwt::sign(&Typ::ACCESS_TOKEN, &claims, &self.key).unwrap()
        }

        fn believed(&self, token: &str) -> Arc<Believed> {
            let now = Now { wall: NOW, steady: NOW };
            Arc::new(Believed::verify(Profile::Jwt, &self.verifier, token, now).unwrap())
        }
    }

    fn found(recent: &Recent, token: &str) -> Option<String> {
        recent.spot(token)?.find().map(|believed| believed.claims().sub.clone())
    }

    #[test]
    fn only_the_very_token_that_was_kept_is_found() {
        let world = World::new();
        let (recent, token) = (Recent::default(), world.token("ann"));
        assert_eq!(found(&recent, &token), None);
        recent.spot(&token).unwrap().keep(&world.believed(&token));
        assert_eq!(found(&recent, &token).as_deref(), Some("ann"));
        assert_eq!(recent.found(), 1);

        let (input, signature) = token.rsplit_once('.').unwrap();
        let bob = world.token("bob");
        let (other_input, other_signature) = bob.rsplit_once('.').unwrap();
        let others = [
            ("another's claims under its signature", format!("{other_input}.{signature}")),
            ("its claims under another's signature", format!("{input}.{other_signature}")),
            ("its claims without a signature", format!("{input}.")),
            ("a longer signature", format!("{token}A")),
            ("a dot more", format!("{token}.")),
            ("claims with a space", format!("{input} .{signature}")),
            ("nothing", String::new()),
            ("its signature alone", format!(".{signature}")),
            ("another token", bob.clone()),
        ];
        for (name, other) in others {
            assert_eq!(found(&recent, &other), None, "{name}");
        }
        assert_eq!(found(&Recent::default(), &token), None, "another table");
        recent.spot(&token).unwrap().forget();
        assert_eq!(found(&recent, &token), None);
    }

    #[test]
    fn a_token_that_comes_again_keeps_its_place_and_one_that_does_not_gives_it_up() {
        let world = World::new();
        let (recent, token) = (Recent::default(), world.token("ann"));
        let spot = recent.spot(&token).unwrap();
        let of_another = |signature| Spot { signing_input: "h.p", signature, ..recent.spot(&token).unwrap() };
        let (mine, others) = (world.believed(&token), world.believed(&world.token("bob")));
        spot.keep(&mine);
        for number in 0..100 {
            of_another(number).keep(&others);
            assert!(spot.find().is_some(), "it came again before each of {number}");
        }
        for number in 1..PATIENCE {
            of_another(u128::from(number)).keep(&others);
        }
        assert!(of_another(1).find().is_none());
        spot.find().unwrap();
        for number in 0..=PATIENCE {
            assert!(spot.place.kept.load().as_ref().is_some_and(|kept| kept.signature == spot.signature));
            of_another(u128::from(number)).keep(&others);
        }
        assert!(spot.find().is_none());
        assert!(of_another(u128::from(PATIENCE)).find().is_some());
    }

    #[test]
    fn what_is_kept_of_a_token_is_bounded() {
        let recent = Recent::default();
        let of_length = |length: usize| format!("h.{}.s", "p".repeat(length - 4));
        assert!(recent.spot(&of_length(MAX_TOKEN)).is_some());
        assert!(recent.spot(&of_length(MAX_TOKEN + 1)).is_none());
    }

    #[test]
    fn the_table_is_made_when_it_is_needed_and_does_not_grow() {
        let (world, recent) = (World::new(), Recent::default());
        assert!(recent.table.get().is_none());
        assert!(recent.spot("no token").is_none() && recent.table.get().is_none());
        let believed = world.believed(&world.token("ann"));
        for number in 0..10 * PLACES {
            recent.spot(&format!("h.p.{number}")).unwrap().keep(&believed);
        }
        assert!(Arc::strong_count(&believed) <= 1 + PLACES);
        assert!(Arc::strong_count(&believed) > PLACES / 2, "they spread over the places");
    }
}
