//! Tokens against the raw primitive of the crypto library.

mod hostile;

use anyhow::{Context as _, Result};
use gatepass_bench::claims::BorrowedClaims;
use gatepass_bench::sample::{ALGS, NOW, Sample};
use gatepass_jose::{Alg, Scratch, Typ, jwt};
use gatepass_token::AccessClaims;

use crate::peers::Counted;
use crate::rounds::{Contestant, Effort, Measured, interleave};
use crate::table::{Table, distance, micros, section};

/// What a verification may take beyond the raw primitive, in nanoseconds.
const BORROWED_OVER: f64 = 700.0;
const OWNED_OVER: f64 = 1500.0;
/// What signing may take beyond it.
const SIGN_OVER: f64 = 800.0;
/// How often owned claims may allocate.
const OWNED_ALLOCATIONS: f64 = 13.0;

pub(crate) fn run(effort: Effort) -> Result<()> {
    let samples = ALGS.into_iter().map(Sample::new).collect::<Result<Vec<_>>>()?;
    let allocations = Counted::ask("tokens")?;
    let payload = samples.first().map_or(0, Sample::payload_len);
    section(
        "Tokens",
        &format!(
            "One thread, its CPU time; medians of {} interleaved rounds of {} ms; 16 tokens in turn, header alg, typ at+jwt, kid,
             payload of {payload} bytes, with nbf; signature, typ, iss, aud, exp, nbf and all of the strictness checked.
             raw: aws-lc-rs over the same signing input with a parsed key and a decoded signature.
             borrowed: Verifier::verify_in, claims that are slices of a reused buffer. owned: AccessClaims through Verifier::verify.
             Allocations are counted in a program of its own; the times here are those of the allocator of the binary.",
            effort.rounds,
            effort.slice.as_millis(),
        ),
    );
    let mut verify = Table::new(&["verify", "", "µs", "× raw", "raw +", "target", "distance", "allocations"]);
    let mut sign = Table::new(&["sign", "", "µs", "× raw", "raw +", "target", "distance", "allocations"]);
    for sample in &samples {
        let measured = measure_verify(sample, effort)?;
        let rows = [("borrowed", 1, BORROWED_OVER, 0.0), ("owned", 2, OWNED_OVER, OWNED_ALLOCATIONS)];
        add_rows(&mut verify, sample.alg, &measured, &rows, &allocations)?;
        let measured = measure_sign(sample, effort)?;
        add_rows(&mut sign, sample.alg, &measured, &[("sign", 1, SIGN_OVER, f64::INFINITY)], &allocations)?;
    }
    verify.print();
    sign.print();
    hostile::run(&samples, effort)
}

/// Raw, borrowed, owned.
fn measure_verify(sample: &Sample, effort: Effort) -> Result<Measured> {
    let mut scratch = Scratch::default();
    let token = |call: usize| &sample.tokens[call % sample.tokens.len()];
    let mut contestants: [Contestant<'_>; 3] = [
        Box::new(|call| sample.raw_verifier.verifies(&sample.raw[call % sample.raw.len()]).into()),
        Box::new(|call| {
            let verified = sample.verifier.verify_in::<BorrowedClaims<'_>>(token(call), NOW, &mut scratch);
            verified.map_or(0, |claims| claims.sub.len() as u64)
        }),
        Box::new(|call| {
            let verified = sample.verifier.verify::<AccessClaims>(token(call), NOW);
            verified.map_or(0, |claims| claims.sub.len() as u64)
        }),
    ];
    interleave(effort, &mut contestants)
}

/// Raw, ours.
fn measure_sign(sample: &Sample, effort: Effort) -> Result<Measured> {
    let mut buffer = [0; 256];
    let mut contestants: [Contestant<'_>; 2] = [
        Box::new(|call| {
            let input = &sample.raw[call % sample.raw.len()].signing_input;
            sample.raw_signer.sign(input, &mut buffer).unwrap_or(0).into()
        }),
        Box::new(|call| {
            let claims = &sample.claims[call % sample.claims.len()];
            jwt::sign(&Typ::ACCESS_TOKEN, claims, &sample.signer).map_or(0, |token| token.len() as u64)
        }),
    ];
    interleave(effort, &mut contestants)
}

fn add_rows(
    table: &mut Table,
    alg: Alg,
    measured: &Measured,
    rows: &[(&str, usize, f64, f64)],
    allocations: &Counted,
) -> Result<()> {
    table.row([alg.to_string(), "raw".into(), micros(measured.median(0)), "1".into()]);
    for &(name, contestant, most, most_allocations) in rows {
        let over = measured.over(contestant, 0);
        let counted = allocations.of(alg.name(), name).context("allocations were not counted")?;
        let excess =
            if counted > most_allocations { format!(" (≤ {most_allocations})") } else { String::new() };
        table.row([
            String::new(),
            name.to_owned(),
            micros(measured.median(contestant)),
            format!("{:.3}", measured.ratio(contestant, 0)),
            micros(over),
            format!("≤ {}", micros(most)),
            distance(over / 1000.0, most / 1000.0, "µs"),
            format!("{counted}{excess}"),
        ]);
    }
    Ok(())
}
