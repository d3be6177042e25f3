//! Verifying and signing: the raw primitive, this project, and everybody else.

use anyhow::Result;
use gatepass_bench::program::Counted;
use gatepass_bench::rounds::{Effort, timed};
use gatepass_bench::sample::Sample;
use gatepass_bench::table::{Table, micros, section};
use gatepass_bench_exam::Operation;
use gatepass_bench_jose::{Ours, ours};
use gatepass_token::AccessClaims;

use crate::grid::{Cell, Contest, Grid, Own, Taken};
use crate::paper::MUST_REFUSE;
use crate::peers::Sitting;
use crate::targets;

pub(crate) const RAW: &str = "raw aws-lc-rs";
pub(crate) const BORROWED: &str = "gatepass, borrowed claims";
pub(crate) const OWNED: &str = "gatepass, a struct";
pub(crate) const SIGN: &str = "gatepass";

pub(crate) fn run(ours: &Ours, counted: &Counted, peers: &mut [Sitting], effort: Effort) -> Result<()> {
    let payload = ours.signatures.first().map_or(0, Sample::payload_len);
    section(
        "Tokens",
        &format!(
            "CPU time of one thread; medians of {} interleaved rounds of {} ms, all on one core; 16 tokens in turn: header alg, typ
             at+jwt, kid; payload of {payload} bytes with iss, sub, aud, exp, nbf, iat, jti, client_id, scope, roles, sid. Everybody
             checks signature, typ, iss, aud, exp and nbf, with keys that were parsed before where the library can, and gives the
             claims as a struct of strings and numbers; jose4rs also, in a row of its own, as the tree of values that it reads them into.
             raw: the crypto library over the same signing input, with a parsed key and a decoded signature.
             borrowed claims: slices of a buffer that is used again. In brackets: allocations of Rust's allocator per call, counted
             in programs of their own; the times are those of the allocator of the binary. ML-DSA signs by trial and error: the
             difference of two medians says little there.",
            effort.rounds,
            effort.slice.as_millis(),
        ),
    );
    let algs = || ours.signatures.iter().map(|sample| sample.alg.name().to_owned());
    let (mut verify, mut sign) = (Grid::new(algs()), Grid::new(algs()));
    let mut taken = Vec::new();
    for sample in &ours.signatures {
        taken.extend(hold_verify(&mut verify, sample, counted, peers, effort)?);
        hold_sign(&mut sign, sample, counted, peers, effort)?;
    }
    print(&verify, "verify");
    targets::verify(&verify);
    print(&sign, "sign");
    targets::sign(&sign);
    print_taken(&taken, peers);
    Ok(())
}

fn hold_verify(
    grid: &mut Grid,
    sample: &Sample,
    counted: &Counted,
    peers: &mut [Sitting],
    effort: Effort,
) -> Result<Vec<Taken>> {
    let alg = sample.alg.name();
    let allocations = |operation| counted.of(alg, operation);
    let raw = |call: usize| sample.raw_verifier.verifies(&sample.raw[call % sample.raw.len()]).into();
    let own = vec![
        Own { name: RAW, contestant: timed(raw), allocations: None },
        Own {
            name: BORROWED,
            contestant: timed(ours::borrowed(sample)),
            allocations: allocations("borrowed"),
        },
        Own { name: OWNED, contestant: timed(ours::owned(sample)), allocations: allocations("owned") },
    ];
    grid.hold(&Contest { operation: Operation::Verify, alg, complaint: &|_| None }, own, peers, effort)
}

fn hold_sign(
    grid: &mut Grid,
    sample: &Sample,
    counted: &Counted,
    peers: &mut [Sitting],
    effort: Effort,
) -> Result<()> {
    let alg = sample.alg.name();
    let mut signature = Vec::new();
    let raw = |call: usize| {
        let input = &sample.raw[call % sample.raw.len()].signing_input;
        sample.raw_signer.signs(input, &mut signature).into()
    };
    let own = vec![
        Own { name: RAW, contestant: timed(raw), allocations: None },
        Own { name: SIGN, contestant: timed(ours::sign(sample)), allocations: counted.of(alg, "sign") },
    ];
    let complaint = |token: &str| {
        let verified = sample.verifier.verify::<AccessClaims>(token, sample.now);
        verified.err().map(|rejection| rejection.to_string())
    };
    grid.hold(&Contest { operation: Operation::Sign, alg, complaint: &complaint }, own, peers, effort)?;
    Ok(())
}

fn print(grid: &Grid, operation: &str) {
    grid.print(
        &format!("{operation}, µs (allocations)"),
        |Cell { nanos, allocations, .. }| match allocations {
            Some(count) => format!("{} ({count:.0})", micros(nanos)),
            None => micros(nanos),
        },
    );
    grid.print(&format!("{operation}, µs beyond raw (× raw)"), |Cell { over, ratio, .. }| {
        format!("{} ({ratio:.3})", micros(over))
    });
}

/// What the others let through. Who leaves out a check that the tables are about is named apart.
fn print_taken(taken: &[Taken], peers: &[Sitting]) {
    let mut names: Vec<&str> = Vec::new();
    for token in taken {
        if !names.contains(&token.bad.as_str()) {
            names.push(&token.bad);
        }
    }
    let takes = |peer: &str, bad: &str| taken.iter().any(|taken| taken.peer == peer && taken.bad == bad);
    let headings: Vec<_> = ["bad tokens that are taken"].into_iter().chain(names.iter().copied()).collect();
    let mut table = Table::new(&headings);
    table.row([SIGN].into_iter().chain(names.iter().map(|_| "refuses")).map(str::to_owned));
    for peer in peers {
        let cells = names.iter().map(|bad| if takes(peer.name, bad) { "takes it" } else { "refuses" });
        table.row([peer.name].into_iter().chain(cells).map(str::to_owned));
    }
    table.print();
    let unfair = taken.iter().filter(|taken| MUST_REFUSE.contains(&taken.bad.as_str()));
    for Taken { peer, bad } in unfair {
        println!("  {peer} takes a token that is {bad}: its row is of less work than the others.");
    }
}
