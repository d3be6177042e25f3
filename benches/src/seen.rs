//! Tokens that a guard has seen before, beside those that it has not.

use std::cell::Cell;

use anyhow::{Context as _, Result, ensure};
use futures_util::FutureExt as _;
use gatepass_bench::rounds::{Effort, interleave, timed};
use gatepass_bench::sample::{AUDIENCE, ISSUER, Sample};
use gatepass_bench::table::{Table, distance, micros, section};
use gatepass_guard::{Guard, IssuerConfig, JwkSet, KeySource, Revocation};
use gatepass_jose::{Alg, Typ, jwt};
use gatepass_token::AccessClaims;

/// More than a guard keeps the claims of, and fewer than it knows the signatures of.
const TOKENS: usize = 10_000;
/// The most that a token may take whose claims are kept, in microseconds.
const HIT: f64 = 0.4;

pub(crate) fn run(effort: Effort) -> Result<()> {
    section(
        "Tokens seen before",
        &format!(
            "CPU time of the thread per token, medians of {} interleaved rounds. off: gatepass-jose verifies {TOKENS} tokens in turn
             and remembers nothing. signatures: Guard::verify with the same tokens, of which it knows the signatures. claims: one
             token over and over, of which it keeps the claims too. Time and revocations are checked in every case.",
            effort.rounds,
        ),
    );
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let mut table = Table::new(&["", "off µs", "signatures µs", "claims µs", "target", "distance"]);
    for alg in [Alg::RS256, Alg::ES256, Alg::EdDSA] {
        let sample = Sample::new(alg)?;
        let guard = runtime.block_on(Guard::start([config(&sample)?]))?;
        let tokens = tokens(&sample)?;
        let verify = |token: &String| sample.verifier.verify::<AccessClaims>(token, sample.now).is_ok();
        let admit = |token: &String| matches!(guard.verify(token).now_or_never(), Some(Ok(_)));
        ensure!(tokens.iter().all(admit), "{alg}: the guard refuses a good token");
        let (turn, next) = (Cell::new(0), |turn: &Cell<usize>| turn.replace(turn.get() + 1) % TOKENS);
        let measured = interleave(
            effort,
            &mut [
                timed(|_| tokens.get(next(&turn)).is_some_and(verify).into()),
                timed(|_| tokens.get(next(&turn)).is_some_and(admit).into()),
                timed(|_| tokens.first().is_some_and(admit).into()),
            ],
        )?;
        let [off, signatures, claims] = [0, 1, 2].map(|contestant| measured.median(contestant));
        table.row([
            alg.to_string(),
            micros(off),
            micros(signatures),
            micros(claims),
            format!("≤ {HIT}"),
            distance(claims / 1000.0, HIT, "µs"),
        ]);
        runtime.block_on(guard.shutdown());
    }
    table.print();
    Ok(())
}

/// An issuer whose keys are given, and who revokes nothing.
fn config(sample: &Sample) -> Result<IssuerConfig> {
    let key = sample.signer.public_jwk().context("no public key")?;
    Ok(IssuerConfig {
        keys: KeySource::Inline(JwkSet { keys: vec![key] }),
        ..IssuerConfig::new(ISSUER, [AUDIENCE], Revocation::None)
    })
}

/// Tokens that differ in their `jti`.
fn tokens(sample: &Sample) -> Result<Vec<String>> {
    let claims = sample.claims.first().context("no claims")?;
    let number = |number| AccessClaims { jti: format!("{number:022}"), ..claims.clone() };
    Ok((0..TOKENS)
        .map(|at| jwt::sign(&Typ::ACCESS_TOKEN, &number(at), &sample.signer))
        .collect::<Result<_, _>>()?)
}
