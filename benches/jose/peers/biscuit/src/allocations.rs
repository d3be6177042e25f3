//! biscuit 0.8, its allocations counted.

use gatepass_bench_biscuit::Biscuit;
use gatepass_bench_exam::sit;

fn main() -> anyhow::Result<()> {
    sit::<Biscuit>(count)
}

fn count(work: &mut dyn FnMut()) -> anyhow::Result<u64> {
    Ok(allocation_counter::measure(work).count_total)
}
