//! TLS on both sides: who the gateway is to its clients and to the servers, and whom it takes them for.
//!
//! The files are read with the configuration and followed when they change, see [`gatepass_tls`].

mod client;

use gatepass_tls::Followed;
pub(crate) use gatepass_tls::{Asked, Pair, ServerFiles, TlsFile};

pub(crate) use self::client::{Offer, UpstreamFiles};

/// What `[tls]` says, and what came of it when the files were last good.
pub(crate) type Tls = Followed<ServerFiles>;

/// What the `tls` of an upstream says, and what came of it when the files were last good.
pub(crate) type UpstreamTls = Followed<UpstreamFiles>;
