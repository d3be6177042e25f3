//! jsonwebtoken 11 with aws-lc-rs, timed.

use gatepass_bench_exam::{cpu_time, sit};
use gatepass_bench_jsonwebtoken::Jsonwebtoken;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> anyhow::Result<()> {
    sit::<Jsonwebtoken>(cpu_time)
}
