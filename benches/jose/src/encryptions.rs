//! Encrypting and decrypting: this project, and those who have it.

use anyhow::Result;
use gatepass_bench::program::Counted;
use gatepass_bench::rounds::{Effort, timed};
use gatepass_bench::table::{micros, section};
use gatepass_bench_exam::Operation;
use gatepass_bench_jose::{Ours, ours};

use crate::grid::{Cell, Contest, Grid, Own};
use crate::peers::Sitting;

const NAME: &str = "gatepass";

pub(crate) fn run(ours: &Ours, counted: &Counted, peers: &mut [Sitting], effort: Effort) -> Result<()> {
    section(
        "Encryption",
        "Compact JWE of the same claims, as bytes: nobody parses them. Keys were parsed before, and a message gets a fresh content
         encryption key, except with dir; RSA of 2048 bits, ECDH on P-256, content with A256GCM. Measured like the tokens.",
    );
    let algs = || ours.envelopes.iter().map(|envelope| envelope.alg.clone());
    let (mut decrypt, mut encrypt) = (Grid::new(algs()), Grid::new(algs()));
    for envelope in &ours.envelopes {
        let alg = envelope.alg.as_str();
        let complaint = |message: &str| envelope.complaint(message);
        let own = |contestant, operation| {
            vec![Own { name: NAME, contestant, allocations: counted.of(alg, operation) }]
        };
        let contest = Contest { operation: Operation::Decrypt, alg, complaint: &complaint };
        decrypt.hold(&contest, own(timed(ours::decrypt(envelope)), "decrypt"), peers, effort)?;
        let contest = Contest { operation: Operation::Encrypt, alg, complaint: &complaint };
        encrypt.hold(&contest, own(timed(ours::encrypt(envelope)), "encrypt"), peers, effort)?;
    }
    for (grid, operation) in [(decrypt, "decrypt"), (encrypt, "encrypt")] {
        grid.print(&format!("{operation}, µs (allocations), × ours"), |cell| {
            let Cell { nanos, ratio, allocations, .. } = cell;
            let count = allocations.map(|count| format!(" ({count:.0})")).unwrap_or_default();
            format!("{}{count} {ratio:.2}", micros(nanos))
        });
    }
    Ok(())
}
