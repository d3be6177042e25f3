//! jwt-simple 0.15, its allocations counted.

use gatepass_bench_exam::sit;
use gatepass_bench_jwt_simple::JwtSimple;

fn main() -> anyhow::Result<()> {
    sit::<JwtSimple>(count)
}

fn count(work: &mut dyn FnMut()) -> anyhow::Result<u64> {
    Ok(allocation_counter::measure(work).count_total)
}
