//! TLS from PEM files, for whoever listens or connects: the files are read and checked with the configuration, so that bad
//! ones are refused with it, and read again whenever they change, so that a renewed certificate needs no reload. What
//! cannot be used then changes nothing.
//!
//! It knows nothing of HTTP or of tokens, and nothing of what a certificate means to those who take it.

mod any;
mod files;
mod handshake;
mod pinned;
mod server;

pub use any::AnyCertificate;
pub use files::{CHECK, Followed, Pair, PairRead, TlsError, TlsFile, TlsFiles, read, roots};
pub use handshake::accept;
pub use pinned::pinned;
pub use server::{Asked, ServerFiles, ServerTls};
