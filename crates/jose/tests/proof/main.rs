//! The library against what others published and wrote: the RFCs' examples, vectors, other implementations.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    unreachable_pub,
    reason = "tests, and the helpers beside them"
)]

mod interop;
mod rfc;
mod vectors;
mod wycheproof;
