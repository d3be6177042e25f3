//! jose4rs 0.6, its allocations counted.

use gatepass_bench_exam::sit;
use gatepass_bench_jose4rs::{IntoStruct, Jose4rs, STRUCT};

fn main() -> anyhow::Result<()> {
    match std::env::args().nth(1).as_deref() {
        Some(STRUCT) => sit::<IntoStruct>(count),
        _ => sit::<Jose4rs>(count),
    }
}

fn count(work: &mut dyn FnMut()) -> anyhow::Result<u64> {
    Ok(allocation_counter::measure(work).count_total)
}
