//! What one hashing thread does.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use argon2::password_hash::phc;
use argon2::{Algorithm, Argon2, Block, Params, Version};
use zeroize::Zeroizing;

use super::kept::{Kept, memory_for};
use super::{HashPolicy, Password, PasswordHash};
use crate::secrets;

/// One thread's hasher with its memory.
pub(crate) struct Hasher {
    argon2: Argon2<'static>,
    /// Empty until there is something to hash.
    memory: Vec<Block>,
    /// The hash of nobody's password, for users who do not exist.
    decoy: PasswordHash,
    /// How many hashes were computed, by all threads together.
    computed: Arc<AtomicU64>,
}

/// What [`Hasher::verify`] found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Checked {
    /// Another password, or a hash that matches none.
    Wrong,
    /// The right one.
    Right,
    /// The right one, and what is to be kept in the place of the hash: that was made by another system, or at another
    /// cost.
    Upgraded(PasswordHash),
}

impl Hasher {
    pub(super) fn new(policy: HashPolicy, computed: Arc<AtomicU64>) -> std::io::Result<Self> {
        let params = Params::new(policy.memory_kib, policy.passes, 1, Some(32))
            .map_err(|error| std::io::Error::other(format!("password hashing: {error}")))?;
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        let mut hasher = Self { argon2, memory: Vec::new(), decoy: PasswordHash::from_phc(""), computed };
        // Random bytes are as good as a hash that nobody knows the password of, and cost nothing.
        let output: Result<[u8; 32], _> = secrets::random();
        hasher.decoy = output
            .ok()
            .and_then(|output| hasher.phc(&secrets::random().ok()?, &output))
            .ok_or_else(|| std::io::Error::other("the system gave no randomness"))?;
        Ok(hasher)
    }

    /// Hashes a new password. `None` when the system has no randomness to give.
    pub(crate) fn hash(&mut self, password: &Password) -> Option<PasswordHash> {
        let salt: [u8; 16] = secrets::random().ok()?;
        let mut output = Zeroizing::new([0; 32]);
        let memory = memory_for(&mut self.memory, self.argon2.params());
        self.argon2
            .hash_password_into_with_memory(password.0.as_bytes(), &salt, output.as_mut_slice(), memory)
            .ok()?;
        self.computed.fetch_add(1, Ordering::Relaxed);
        self.phc(&salt, &output)
    }

    fn phc(&self, salt: &[u8; 16], output: &[u8; 32]) -> Option<PasswordHash> {
        let hash = phc::PasswordHash {
            algorithm: Algorithm::Argon2id.ident(),
            version: Some(Version::V0x13.into()),
            params: phc::ParamsString::try_from(self.argon2.params()).ok()?,
            salt: Some(phc::Salt::new(salt).ok()?),
            hash: Some(phc::Output::new(output).ok()?),
        };
        Some(PasswordHash(hash.to_string().into()))
    }

    /// Whether `password` is the one that `kept` was made of. What is kept of other systems is hashed anew where it
    /// matches, as this is the one moment at which the password is known.
    pub(crate) fn verify(&mut self, password: &Password, kept: &PasswordHash) -> Checked {
        let Ok(kept) = Kept::parse(kept.as_phc()) else { return Checked::Wrong };
        let right = kept.matches(password, &mut self.memory);
        self.computed.fetch_add(1, Ordering::Relaxed);
        // What a costlier hash needed is not kept for the next.
        self.memory.truncate(self.argon2.params().block_count());
        self.memory.shrink_to_fit();
        match right {
            false => Checked::Wrong,
            true if kept.is_current(self.argon2.params()) || !kept.covers(password) => Checked::Right,
            true => self.hash(password).map_or(Checked::Right, Checked::Upgraded),
        }
    }

    /// The work of [`Hasher::verify`] for a user who does not exist, with `decoy` for what would be kept, or else with
    /// what would be made today.
    pub(crate) fn verify_nobody(&mut self, password: &Password, decoy: Option<&PasswordHash>) {
        let own = self.decoy.clone();
        self.verify(password, decoy.unwrap_or(&own));
    }

    pub(super) fn give_memory_back(&mut self) {
        self.memory = Vec::new();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy() -> HashPolicy {
        HashPolicy { memory_kib: 64, passes: 1, workers: 1, queue: 2 }
    }

    fn start(policy: HashPolicy) -> Hasher {
        Hasher::new(policy, Arc::default()).unwrap()
    }

    #[test]
    fn nobodys_password_costs_a_hash_and_the_memory_of_one() {
        let password = Password::new("correct horse").unwrap();
        let argon2 = start(policy()).hash(&password).unwrap();
        let bcrypt = bcrypt::hash_with_salt(password.0.as_bytes(), 4, [7; 16]).unwrap().to_string();
        let cases = [
            ("no_users", None, 64),
            ("a_users", Some(argon2), 64),
            ("another_systems", Some(PasswordHash::from_phc(&bcrypt)), 0),
        ];
        for (name, decoy, memory) in cases {
            let mut hasher = start(policy());
            hasher.verify_nobody(&Password::new("wrong").unwrap(), decoy.as_ref());
            let computed = hasher.computed.load(Ordering::Relaxed);
            assert_eq!((computed, hasher.memory.capacity()), (1, memory), "{name}");
        }
    }

    #[test]
    fn a_hash_matches_its_password_and_no_other() {
        let mut hasher = start(policy());
        let right = Password::new("correct horse").unwrap();
        let wrong = Password::new("correct house").unwrap();
        let hash = hasher.hash(&right).unwrap();
        assert!(hash.as_phc().starts_with("$argon2id$v=19$m=64,t=1,p=1$"), "{}", hash.as_phc());
        assert_ne!(hash, hasher.hash(&right).unwrap(), "salted");
        assert_eq!(hasher.verify(&right, &hash), Checked::Right);
        assert_eq!(hasher.verify(&wrong, &hash), Checked::Wrong);
        for broken in ["", "$argon2id$", "$argon2i$v=19$m=64,t=1,p=1$c2FsdHNhbHQ$aGFzaA", "plain"] {
            assert_eq!(hasher.verify(&right, &PasswordHash::from_phc(broken)), Checked::Wrong, "{broken}");
        }
    }

    #[test]
    fn hashes_made_under_other_parameters_still_match_and_are_made_anew() {
        let right = Password::new("correct horse").unwrap();
        let mut hasher = start(policy());
        let other = HashPolicy { memory_kib: 1024, ..policy() };
        let hash = start(other).hash(&right).unwrap();
        assert_eq!(hasher.verify(&Password::new("correct house").unwrap(), &hash), Checked::Wrong);
        let Checked::Upgraded(upgraded) = hasher.verify(&right, &hash) else { panic!("not upgraded") };
        assert!(upgraded.as_phc().starts_with("$argon2id$v=19$m=64,t=1,p=1$"), "{}", upgraded.as_phc());
        assert_eq!(hasher.verify(&right, &upgraded), Checked::Right);
        assert_eq!(hasher.memory.capacity(), 64, "no more memory is kept than the policy's");
    }

    #[test]
    fn a_password_of_which_bcrypt_saw_a_part_is_not_hashed_anew() {
        let mut hasher = start(policy());
        for (len, upgraded) in [(72, true), (73, false)] {
            let password = Password::new("x".repeat(len)).unwrap();
            let hash = PasswordHash::from_phc(
                &bcrypt::hash_with_salt(password.0.as_bytes(), 4, [7; 16]).unwrap().to_string(),
            );
            let checked = hasher.verify(&password, &hash);
            assert_ne!(checked, Checked::Wrong, "{len}");
            assert_eq!(matches!(checked, Checked::Upgraded(_)), upgraded, "{len}");
        }
    }
}
