//! josekit 0.10, its allocations counted.

use gatepass_bench_exam::sit;
use gatepass_bench_josekit::Josekit;

fn main() -> anyhow::Result<()> {
    sit::<Josekit>(count)
}

fn count(work: &mut dyn FnMut()) -> anyhow::Result<u64> {
    Ok(allocation_counter::measure(work).count_total)
}
