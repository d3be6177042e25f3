//! What this project's library does in the tables, once for being timed and once for being counted.

use anyhow::{Context as _, Result};
use gatepass_bench::claims::BorrowedClaims;
use gatepass_bench::sample::{ALGS, Sample};
use gatepass_jose::{Alg, Scratch, SigningKey, Typ, jwt};
use gatepass_token::AccessClaims;

use crate::envelope::{Envelope, PAIRS};

/// One sample per algorithm.
pub struct Ours {
    pub signatures: Vec<Sample>,
    pub envelopes: Vec<Envelope>,
}

impl Ours {
    pub fn new() -> Result<Self> {
        Ok(Self {
            signatures: ALGS.into_iter().map(Sample::new).collect::<Result<_>>()?,
            envelopes: PAIRS.into_iter().map(Envelope::new).collect::<Result<_>>()?,
        })
    }

    /// The sample of one algorithm.
    pub fn signatures_of(&self, alg: Alg) -> Result<&Sample> {
        self.signatures.iter().find(|sample| sample.alg == alg).context("not sampled")
    }
}

/// Verifying into slices of a buffer that is used again. What is returned depends on the claims, so
/// that nothing is optimised away.
pub fn borrowed(sample: &Sample) -> impl FnMut(usize) -> u64 {
    let mut scratch = Scratch::default();
    move |call| {
        let token = &sample.tokens[call % sample.tokens.len()];
        let verified = sample.verifier.verify_in::<BorrowedClaims<'_>>(token, sample.now, &mut scratch);
        verified.map_or(0, |claims| claims.sub.len() as u64)
    }
}

/// Verifying into a struct of owned strings.
pub fn owned(sample: &Sample) -> impl FnMut(usize) -> u64 {
    move |call| {
        let token = &sample.tokens[call % sample.tokens.len()];
        sample.verifier.verify::<AccessClaims>(token, sample.now).map_or(0, |claims| claims.sub.len() as u64)
    }
}

/// Signing such a struct.
pub fn sign(sample: &Sample) -> impl FnMut(usize) -> u64 {
    sign_with(sample, &sample.signer)
}

/// The same with another key.
pub fn sign_with<'s>(sample: &'s Sample, key: &'s SigningKey) -> impl FnMut(usize) -> u64 + 's {
    move |call| {
        let claims = &sample.claims[call % sample.claims.len()];
        jwt::sign(&Typ::ACCESS_TOKEN, claims, key).map_or(0, |token| token.len() as u64)
    }
}

/// Decrypting.
pub fn decrypt(envelope: &Envelope) -> impl FnMut(usize) -> u64 {
    move |call| envelope.complaint(&envelope.messages[call % envelope.messages.len()]).is_none().into()
}

/// Encrypting.
pub fn encrypt(envelope: &Envelope) -> impl FnMut(usize) -> u64 {
    move |call| envelope.encrypt(call % envelope.payloads.len()).map_or(0, |message| message.len() as u64)
}
