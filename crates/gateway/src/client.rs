//! A client's connection: who it is, what it has in flight, how long it may be silent.

mod framing;
mod stream;

use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::BoxFuture;
use gatepass_guard::ClientCertificate;
use http::HeaderValue;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;

pub(crate) use self::stream::ClientStream;
use crate::body::Overseen;
use crate::header::forwarded::{self, Hop};
use crate::stats::Present;

pub(crate) struct ClientConnection {
    pub(crate) address: IpAddr,
    /// The address as `X-Forwarded-For` tells it.
    pub(crate) address_value: HeaderValue,
    pub(crate) security: Security,
    in_flight: AtomicUsize,
    since: Instant,
    /// Milliseconds from `since` to the end of the last exchange; 0 before there was one.
    idle_from: AtomicU64,
    /// What the connection is to carry once it has switched protocols.
    tunnel: Mutex<Option<BoxFuture<'static, ()>>>,
    /// The responses that an HTTP/2 client may leave lying.
    pub(crate) overseen: Overseen,
    /// Whether it has been left something to carry.
    switched: Arc<AtomicBool>,
    /// Its place among the connections that may be open.
    _permit: OwnedSemaphorePermit,
    /// Where it is counted among those that are open.
    _present: Option<Present>,
}

/// What protects a connection.
#[derive(Debug, Clone)]
pub(crate) enum Security {
    Plain,
    Tls {
        /// Shown by the client and found good.
        certificate: Option<ClientCertificate>,
    },
}

impl ClientConnection {
    pub(crate) fn new(
        address: IpAddr,
        security: Security,
        permit: OwnedSemaphorePermit,
        present: Option<Present>,
    ) -> Arc<Self> {
        Arc::new(Self {
            address,
            address_value: forwarded::address_value(address),
            security,
            in_flight: AtomicUsize::new(0),
            since: Instant::now(),
            idle_from: AtomicU64::new(0),
            tunnel: Mutex::new(None),
            overseen: Overseen::default(),
            switched: Arc::default(),
            _permit: permit,
            _present: present,
        })
    }

    /// What is known of a request on it for this host, without asking the client.
    pub(crate) fn hop<'h>(&'h self, host: &'h HeaderValue) -> Hop<'h> {
        Hop { address: self.address, address_value: &self.address_value, is_tls: self.is_tls(), host }
    }

    pub(crate) fn is_tls(&self) -> bool {
        matches!(self.security, Security::Tls { .. })
    }

    /// What the client proved to hold the key of.
    pub(crate) fn certificate(&self) -> Option<&ClientCertificate> {
        match &self.security {
            Security::Plain => None,
            Security::Tls { certificate } => certificate.as_ref(),
        }
    }

    /// Counts an exchange until what is returned is dropped.
    pub(crate) fn begin(self: &Arc<Self>) -> InFlight {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        InFlight(Arc::clone(self))
    }

    /// When to look again whether the client has been silent for too long; `None` if it has been by now.
    ///
    /// It may be silent for `header` before its first request, and for `idle` before each one after. A head
    /// that trickles in counts as silence, so a connection is held without a request for no longer than
    /// this.
    pub(crate) fn patience(&self, now: Instant, header: Duration, idle: Duration) -> Option<Instant> {
        if self.in_flight.load(Ordering::Acquire) > 0 {
            return Some(now + idle);
        }
        let until = match self.idle_from.load(Ordering::Relaxed) {
            0 => self.since + header,
            millis => self.since + Duration::from_millis(millis) + idle,
        };
        (until > now).then_some(until)
    }

    /// Leaves what is to be done once the connection has switched protocols.
    pub(crate) fn set_tunnel(&self, tunnel: BoxFuture<'static, ()>) {
        self.switched.store(true, Ordering::Relaxed);
        *self.tunnel.lock().unwrap_or_else(PoisonError::into_inner) = Some(tunnel);
    }

    /// Becomes true once [`ClientConnection::set_tunnel`] left something.
    pub(crate) fn switched(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.switched)
    }

    /// What [`ClientConnection::set_tunnel`] left.
    pub(crate) fn take_tunnel(&self) -> Option<BoxFuture<'static, ()>> {
        self.tunnel.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// An exchange between its request's head and the last byte of its response.
pub(crate) struct InFlight(Arc<ClientConnection>);

impl Drop for InFlight {
    fn drop(&mut self) {
        let millis = u64::try_from(self.0.since.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.0.idle_from.store(millis.max(1), Ordering::Relaxed);
        self.0.in_flight.fetch_sub(1, Ordering::Release);
    }
}

impl std::fmt::Debug for InFlight {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "InFlight({})", self.0.address)
    }
}
