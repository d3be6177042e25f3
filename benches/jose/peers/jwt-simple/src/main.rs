//! jwt-simple 0.15, timed.

use gatepass_bench_exam::{cpu_time, sit};
use gatepass_bench_jwt_simple::JwtSimple;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> anyhow::Result<()> {
    sit::<JwtSimple>(cpu_time)
}
