//! jose4rs 0.6, timed.

use gatepass_bench_exam::{cpu_time, sit};
use gatepass_bench_jose4rs::{IntoStruct, Jose4rs, STRUCT};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> anyhow::Result<()> {
    match std::env::args().nth(1).as_deref() {
        Some(STRUCT) => sit::<IntoStruct>(cpu_time),
        _ => sit::<Jose4rs>(cpu_time),
    }
}
