//! jwt-compact 0.8, its allocations counted.

use gatepass_bench_exam::sit;
use gatepass_bench_jwt_compact::JwtCompact;

fn main() -> anyhow::Result<()> {
    sit::<JwtCompact>(count)
}

fn count(work: &mut dyn FnMut()) -> anyhow::Result<u64> {
    Ok(allocation_counter::measure(work).count_total)
}
