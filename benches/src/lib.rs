//! What the programs of this folder share: what is measured, and how.

pub mod claims;
pub mod place;
pub mod program;
pub mod revoked;
pub mod rounds;
pub mod sample;
pub mod table;
