//! The harness of the end-to-end tests: starts the real binary, speaks HTTP to it, and says what happened when a test fails.
//!
//! The program under test is chosen at run time: `GATEPASS_BIN`, or else what `cargo build -p gatepass` makes.
//! `GATEPASS_TEST_PYTHON`, `_NODE`, `_NGINX`, `_HAPROXY`, `_CADDY`, `_APACHE`, `_ENVOY`, `_H2LOAD`, `_SOFTHSM` and `_CHROMIUM` name what
//! `cargo xtask tools` installed; without them it is looked for where that task puts it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a harness reports by panicking: every message here is the failure of a test"
)]

pub mod admin;
pub mod alone;
pub mod browser;
pub mod certificate;
pub mod chance;
pub mod command;
pub mod http;
pub mod jws;
pub mod measure;
pub mod meddler;
pub mod place;
pub mod process;
pub mod session;
pub mod sign_on;
pub mod softhsm;
pub mod up;
pub mod upstream;
pub mod wait;
pub mod way;

pub use admin::Admin;
pub use alone::Alone;
pub use browser::Browser;
pub use http::{Answer, SetCookie, send, try_send};
pub use session::Session;
pub use softhsm::SoftHsm;
pub use up::Up;
