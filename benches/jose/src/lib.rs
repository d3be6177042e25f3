//! What the two programs of this folder share: our own side of the tables.

mod envelope;
pub mod ours;

pub use envelope::{Envelope, PAIRS};
pub use ours::Ours;
