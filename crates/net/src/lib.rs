//! What server and gateway know alike of whoever is at the other end of a connection: which network an address is in,
//! that bytes have stopped, what a request is called in the log.
//!
//! It knows nothing of tokens, and nothing of what a request asks for.

mod name;
mod network;
mod socket;
mod stall;

pub use name::{fresh, is_request_id, request_id};
pub use network::{InvalidNetwork, Network};
pub use socket::WatchedSocket;
pub use stall::{LEAST_RATE, Stall};
