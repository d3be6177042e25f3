//! jwt-compact 0.8, timed.

use gatepass_bench_exam::{cpu_time, sit};
use gatepass_bench_jwt_compact::JwtCompact;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> anyhow::Result<()> {
    sit::<JwtCompact>(cpu_time)
}
