//! The exam that every contestant of the token tables sits: the same keys, tokens and claims for all.
//!
//! A contestant is a program of its own. The first line of its standard input is the [`Exam`], every
//! further line a [`Question`]; each is answered by a line, an [`Answer`]. That is all a contestant in
//! another language has to speak, and why two libraries that cannot be linked into one program can be
//! compared in one run.

mod candidate;
mod claims;
mod meter;

use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use candidate::{Candidate, Make, Take, sit};
pub use claims::{AccessClaims, PrivateClaims};
pub use meter::{Meter, cpu_time, thread_cpu_time};

/// What is the same for all contestants.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Exam {
    /// What `iss` must be.
    pub issuer: String,
    /// What `aud` must hold.
    pub audience: String,
    /// What the header's `typ` must be.
    pub typ: String,
    /// The name of every key.
    pub kid: String,
    /// Signing and verifying, one entry per algorithm.
    pub signatures: Vec<Subject>,
    /// Encrypting and decrypting, one entry per pair of algorithms.
    pub encryptions: Vec<Subject>,
}

/// An algorithm with a key and what is done with it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Subject {
    /// A JWS algorithm, or a JWE's `alg` and `enc` with a plus sign between them.
    pub alg: String,
    pub key: Key,
    /// What is signed or encrypted.
    pub claims: Vec<AccessClaims>,
    /// What is verified or decrypted.
    pub tokens: Vec<String>,
    /// What ought to be refused.
    pub bad: Vec<Bad>,
}

/// One key in every form that somebody wants it in.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Key {
    /// The private key or the secret.
    pub private_jwk: Value,
    /// The public key; the secret where there is none.
    pub public_jwk: Value,
    /// PKCS#8 as PEM; absent for a secret.
    pub private_pem: Option<String>,
    /// The bytes of a secret.
    pub secret: Option<Vec<u8>>,
}

impl Key {
    /// The bytes of a secret.
    pub fn secret(&self) -> anyhow::Result<&[u8]> {
        self.secret.as_deref().ok_or_else(|| anyhow::anyhow!("a key pair is no secret"))
    }

    /// The private key as PKCS#8 PEM.
    pub fn pem(&self) -> anyhow::Result<&str> {
        self.private_pem.as_deref().ok_or_else(|| anyhow::anyhow!("a secret has no PEM"))
    }
}

/// A token that something is wrong with.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Bad {
    /// What is wrong.
    pub name: String,
    pub token: String,
}

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Operation {
    Verify,
    Sign,
    Decrypt,
    Encrypt,
}

/// What a contestant is asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Question {
    pub operation: Operation,
    /// Names the [`Subject`].
    pub alg: String,
    /// How often to do it, in a row; none to try it on everything that there is.
    pub calls: Option<usize>,
}

/// What a contestant says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "lowercase")]
pub enum Answer {
    /// It does not have that algorithm.
    Unsupported,
    /// It takes every good token and, of the others, these.
    Takes { bad: Vec<String> },
    /// It made this of the first claims.
    Made { token: String },
    /// So much was used: nanoseconds, or allocations in a program that counts them.
    Used { amount: u64 },
    /// It cannot do what it should.
    Failed { why: String },
}
