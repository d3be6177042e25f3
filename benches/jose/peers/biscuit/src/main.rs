//! biscuit 0.8, timed.

use gatepass_bench_biscuit::Biscuit;
use gatepass_bench_exam::{cpu_time, sit};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> anyhow::Result<()> {
    sit::<Biscuit>(cpu_time)
}
