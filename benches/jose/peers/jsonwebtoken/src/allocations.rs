//! jsonwebtoken 11 with aws-lc-rs, its allocations counted.

use gatepass_bench_exam::sit;
use gatepass_bench_jsonwebtoken::Jsonwebtoken;

fn main() -> anyhow::Result<()> {
    sit::<Jsonwebtoken>(count)
}

fn count(work: &mut dyn FnMut()) -> anyhow::Result<u64> {
    Ok(allocation_counter::measure(work).count_total)
}
