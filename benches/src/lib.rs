//! What the programs of this folder share: what is measured.

pub mod claims;
pub mod revoked;
pub mod sample;
