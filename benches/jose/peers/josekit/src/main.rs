//! josekit 0.10, timed.

use gatepass_bench_exam::{cpu_time, sit};
use gatepass_bench_josekit::Josekit;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> anyhow::Result<()> {
    sit::<Josekit>(cpu_time)
}
