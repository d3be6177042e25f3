//! Passwords: Argon2id on a bounded pool that refuses what it cannot do in time.

use std::fmt;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use argon2::password_hash::phc;
use argon2::{Algorithm, Argon2, Block, Params, Version};
use aws_lc_rs::constant_time;
use thiserror::Error;
use tokio::sync::oneshot;
use zeroize::Zeroizing;

use crate::secrets;

/// A password as somebody typed it: at most 1,024 bytes, wiped when dropped, without `Display`.
#[derive(Clone)]
pub struct Password(Zeroizing<String>);

/// The text cannot be anybody's password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum InvalidPassword {
    /// Nothing was given.
    #[error("a password must not be empty")]
    Empty,
    /// A new password is too easy to guess.
    #[error("a new password has at least 8 characters")]
    TooShort,
    /// Too long to be worth hashing.
    #[error("a password has at most 1024 bytes")]
    TooLong,
}

impl Password {
    /// Takes a password to be compared with one that is kept.
    ///
    /// # Errors
    /// [`InvalidPassword::Empty`] or [`InvalidPassword::TooLong`].
    pub fn new(text: impl Into<String>) -> Result<Self, InvalidPassword> {
        let text = Zeroizing::new(text.into());
        match text.len() {
            0 => Err(InvalidPassword::Empty),
            1..=1024 => Ok(Self(text)),
            _ => Err(InvalidPassword::TooLong),
        }
    }

    /// Checks what is asked of a new password and not of an old one.
    ///
    /// # Errors
    /// [`InvalidPassword::TooShort`] under 8 characters (NIST SP 800-63B section 3.1.1.2).
    pub fn require_strong(&self) -> Result<(), InvalidPassword> {
        if self.0.chars().count() < 8 { Err(InvalidPassword::TooShort) } else { Ok(()) }
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(..)")
    }
}

/// A password hash in PHC string form (`$argon2id$…`).
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash(Box<str>);

impl PasswordHash {
    /// Takes a PHC string, as a store keeps it. What is not one matches no password.
    #[must_use]
    pub fn from_phc(text: &str) -> Self {
        Self(text.into())
    }

    /// The PHC string.
    #[must_use]
    pub fn as_phc(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordHash(..)")
    }
}

/// What hashing costs, and how much of it may be waiting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HashPolicy {
    /// Memory in KiB.
    pub memory_kib: u32,
    /// Passes over it.
    pub passes: u32,
    /// Threads that hash; each takes a core while it does.
    pub workers: usize,
    /// Passwords that may wait for a thread. With a full queue the next is refused at once.
    pub queue: usize,
}

impl Default for HashPolicy {
    /// Argon2id with 19 MiB and two passes (OWASP), one thread a core, two seconds' worth of queue.
    fn default() -> Self {
        let workers = std::thread::available_parallelism().map_or(1, usize::from);
        Self { memory_kib: 19 * 1024, passes: 2, workers, queue: 32 * workers }
    }
}

/// Every thread is busy and the queue is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("too many passwords are waiting to be checked")]
pub struct Overloaded {
    /// When it is worth trying again.
    pub retry_after: Duration,
}

/// How long a thread without work keeps its memory.
const KEEP_MEMORY: Duration = Duration::from_secs(10);

type Job = Box<dyn FnOnce(&mut Hasher) + Send>;

/// Threads that do nothing but hash. Each has its own 19 MiB, so that memory does not grow with load,
/// and gives them back when nobody has logged in for a while. They run at a lower priority, so that a
/// flood of logins does not slow down everything else.
pub(crate) struct HashPool {
    jobs: SyncSender<Job>,
}

impl HashPool {
    pub(crate) fn start(policy: HashPolicy) -> std::io::Result<Self> {
        let (jobs, queue) = sync_channel::<Job>(policy.queue.max(1));
        let queue = Arc::new(Mutex::new(queue));
        for worker in 0..policy.workers.max(1) {
            let queue = Arc::clone(&queue);
            let mut hasher = Hasher::new(policy)?;
            std::thread::Builder::new().name(format!("password-{worker}")).spawn(move || {
                lower_priority();
                loop {
                    match next(&queue) {
                        Ok(job) => job(&mut hasher),
                        Err(RecvTimeoutError::Timeout) => hasher.memory = Vec::new(),
                        Err(RecvTimeoutError::Disconnected) => return,
                    }
                }
            })?;
        }
        Ok(Self { jobs })
    }

    /// Runs `work` on a thread of the pool.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Hasher) -> T + Send + 'static,
    ) -> Result<T, Overloaded> {
        let overloaded = Overloaded { retry_after: Duration::from_secs(2) };
        let (done, result) = oneshot::channel();
        let job: Job = Box::new(move |hasher| {
            if !done.is_closed() {
                let _ = done.send(work(hasher)); // nobody waits any more: the answer is not needed
            }
        });
        match self.jobs.try_send(job) {
            Ok(()) => result.await.map_err(|_| overloaded),
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => Err(overloaded),
        }
    }
}

/// Waits for a job, for no longer than a thread keeps its memory for nothing.
fn next(queue: &Mutex<Receiver<Job>>) -> Result<Job, RecvTimeoutError> {
    queue.lock().unwrap_or_else(PoisonError::into_inner).recv_timeout(KEEP_MEMORY)
}

/// On Linux a thread's nice value is its own. Where it cannot be set, hashing competes as an equal.
fn lower_priority() {
    let _ = rustix::process::setpriority_process(Some(rustix::thread::gettid()), 10);
}

/// One thread's hasher with its memory.
pub(crate) struct Hasher {
    argon2: Argon2<'static>,
    /// Empty until there is something to hash.
    memory: Vec<Block>,
    /// The hash of nobody's password, for users who do not exist.
    decoy: PasswordHash,
}

impl Hasher {
    fn new(policy: HashPolicy) -> std::io::Result<Self> {
        let params = Params::new(policy.memory_kib, policy.passes, 1, Some(32))
            .map_err(|error| std::io::Error::other(format!("password hashing: {error}")))?;
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        let mut hasher = Self { argon2, memory: Vec::new(), decoy: PasswordHash::from_phc("") };
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

    /// Whether `password` is the one that `kept` was made of. `None` stands for a user who does not
    /// exist: the work is the same, so the time is, and the answer is no.
    pub(crate) fn verify(&mut self, password: &Password, kept: Option<&PasswordHash>) -> bool {
        let decoy = self.decoy.clone();
        self.recompute(password, kept.unwrap_or(&decoy)).unwrap_or(false) && kept.is_some()
    }

    fn recompute(&mut self, password: &Password, kept: &PasswordHash) -> Option<bool> {
        let kept = phc::PasswordHash::new(kept.as_phc()).ok()?;
        if kept.algorithm != Algorithm::Argon2id.ident() {
            return None;
        }
        let params = Params::try_from(&kept).ok()?;
        let (salt, expected) = (kept.salt?, kept.hash?);
        let mut output = Zeroizing::new(vec![0; expected.len()]);
        let memory = memory_for(&mut self.memory, &params);
        Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
            .hash_password_into_with_memory(password.0.as_bytes(), salt.as_ref(), &mut output, memory)
            .ok()?;
        Some(constant_time::verify_slices_are_equal(&output, expected.as_bytes()).is_ok())
    }
}

/// Enough blocks for `params`; a hash kept with other parameters brings its own need.
fn memory_for<'m>(memory: &'m mut Vec<Block>, params: &Params) -> &'m mut [Block] {
    if memory.len() < params.block_count() {
        memory.resize(params.block_count(), Block::new());
    }
    memory
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy() -> HashPolicy {
        HashPolicy { memory_kib: 64, passes: 1, workers: 1, queue: 2 }
    }

    #[test]
    fn a_hash_matches_its_password_and_no_other() {
        let mut hasher = Hasher::new(policy()).unwrap();
        let right = Password::new("correct horse").unwrap();
        let wrong = Password::new("correct house").unwrap();
        let hash = hasher.hash(&right).unwrap();
        assert!(hash.as_phc().starts_with("$argon2id$v=19$m=64,t=1,p=1$"), "{}", hash.as_phc());
        assert_ne!(hash, hasher.hash(&right).unwrap(), "salted");
        assert!(hasher.verify(&right, Some(&hash)));
        assert!(!hasher.verify(&wrong, Some(&hash)));
        assert!(!hasher.verify(&Password::new("decoy").unwrap(), None), "nobody's password opens nothing");
        for broken in ["", "$argon2id$", "$argon2i$v=19$m=64,t=1,p=1$c2FsdHNhbHQ$aGFzaA", "plain"] {
            assert!(!hasher.verify(&right, Some(&PasswordHash::from_phc(broken))), "{broken}");
        }
    }

    #[test]
    fn hashes_made_under_other_parameters_still_match() {
        let right = Password::new("correct horse").unwrap();
        let hash = Hasher::new(HashPolicy { memory_kib: 128, ..policy() }).unwrap().hash(&right).unwrap();
        assert!(Hasher::new(policy()).unwrap().verify(&right, Some(&hash)));
    }

    #[tokio::test]
    async fn a_full_queue_refuses_at_once() {
        let pool = Arc::new(HashPool::start(policy()).unwrap());
        let (release, held) = std::sync::mpsc::channel::<()>();
        let (started, busy) = oneshot::channel();
        let first = tokio::spawn({
            let pool = Arc::clone(&pool);
            async move {
                pool.run(move |_| {
                    let _ = started.send(());
                    let _ = held.recv();
                })
                .await
            }
        });
        busy.await.unwrap();
        let mut waiting: Vec<_> = (0..2).map(|_| Box::pin(pool.run(|_| ()))).collect();
        for job in &mut waiting {
            assert!(futures_poll(job.as_mut()).is_none());
        }
        assert!(pool.run(|_| ()).await.is_err());
        release.send(()).unwrap();
        assert!(first.await.unwrap().is_ok());
        for job in waiting {
            assert!(job.await.is_ok());
        }
    }

    /// Polls once.
    fn futures_poll<F: Future>(future: std::pin::Pin<&mut F>) -> Option<F::Output> {
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        match future.poll(&mut context) {
            std::task::Poll::Ready(output) => Some(output),
            std::task::Poll::Pending => None,
        }
    }

    #[test]
    fn passwords() {
        assert_eq!(Password::new("").err(), Some(InvalidPassword::Empty));
        assert_eq!(Password::new("x".repeat(1025)).err(), Some(InvalidPassword::TooLong));
        assert_eq!(Password::new("sevench").unwrap().require_strong(), Err(InvalidPassword::TooShort));
        assert_eq!(Password::new("пароль88").unwrap().require_strong(), Ok(()));
        assert!(!format!("{:?}", Password::new("hunter2").unwrap()).contains("hunter2"));
    }
}
