//! The issuer's [`Store`](gatepass_issuer::store::Store) on real engines, with one contract test
//! suite that every engine passes.
//!
//! There is no rule in here: what a rotation means, when a key retires, who may do what is the
//! issuer's. An engine keeps what it is asked to keep, and promises for it what the trait says.
//!
//! # The embedded engine
//!
//! [`Embedded`] keeps everything in one SQLite file, `gatepass.db`, in a directory of its own.
//!
//! | promise | how it is kept |
//! |---|---|
//! | an answer is durable | it leaves after the `fsync` of the commit that holds it (write-ahead log, `synchronous=FULL`) |
//! | an operation happens whole or not at all | it is one statement, or runs in a savepoint |
//! | `kill -9` anywhere leaves a consistent store | the write-ahead log; the next [`Embedded::open`] recovers it |
//! | one server per directory | an advisory lock on `gatepass.lock`, which dies with its process |
//! | nobody else reads it | directory 0700, files 0600 |
//! | memory is bounded | both queues are; who finds one full waits |
//! | the async runtime is never blocked | SQLite runs on four threads of its own |
//! | a value that cannot be understood is an error | each is parsed on its way out; the error names table and column |
//!
//! ## Group commit
//!
//! A disk can flush a few hundred to a few thousand times a second, but each flush may carry any
//! number of changes. All writes go through one thread: it takes what is queued, runs it in one
//! transaction, commits, and only then answers everybody in the group. While it waits for the disk
//! the next group gathers by itself, so a lone caller waits for nothing but its own flush, and with
//! many callers the number of durable operations per second grows with their number.
//!
//! Operations of a group are isolated from each other: one that fails is undone alone. Only when the
//! commit itself fails is everyone in the group told so, and nothing of it happened.
//!
//! A call that is cancelled while it waits for its answer may still happen.
//!
//! ## What a session costs
//!
//! One row and one index entry, about 200 bytes. A rotation overwrites 16 bytes of the row where it
//! is: no row, no byte and no page is added, ever. Sessions that ended are forgotten in small steps
//! (see [`Embedded`]).
//!
//! | table | key | besides |
//! |---|---|---|
//! | `user` | `id` | folded name, unique |
//! | `user_role` | `user`, `role` | holders by role |
//! | `role` | `name` | |
//! | `client` | `id` | |
//! | `session` | `id` | by user |
//! | `code` | keyed hash of the code | by `expires_at` |
//! | `consent` | `user`, `client` | |
//! | `revocation` | `seq`, never used twice | by `forget_after` |
//! | `signing_key` | `kid` | private keys sealed by the issuer |
//!
//! Identifiers are 16-byte blobs in the order of creation, instants are milliseconds since 1970. The
//! file can be read with any SQLite shell; `src/embedded/schema` says what the columns hold.

mod embedded;

pub use embedded::{BackupError, Embedded, OpenError};
