//! The contract of `Store`, run against every engine, and beside it what is particular to one.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)] // all of it is tests

mod crash;
mod embedded;
mod suite;
