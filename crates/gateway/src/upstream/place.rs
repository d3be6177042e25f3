//! A request's place at a server, from being given to it to the end of the response.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::breaker::Admission;
use super::connection::Connection;
use super::queue::Queue;
use super::server::Server;
use crate::body::UploadProgress;

/// Counted in the server's load until it is dropped.
#[derive(Debug)]
pub(crate) struct Place {
    server: Arc<Server>,
    /// Those who wait for a place, where places are bounded.
    queue: Option<Arc<Queue>>,
    /// `None` once the server has been judged by what became of this request.
    admission: Option<Admission>,
}

impl Place {
    /// Takes a place, unless the server has `limit` requests already or may not be given any. `anyway` even
    /// before the server's time, for want of another.
    pub(super) fn take(
        server: &Arc<Server>,
        queue: Option<&Arc<Queue>>,
        limit: usize,
        anyway: bool,
    ) -> Option<Self> {
        // Counted before it is looked at, so that no two take the last one.
        let counted = |load| (load < limit).then_some(load + 1);
        server.load.fetch_update(Ordering::SeqCst, Ordering::Relaxed, counted).ok()?;
        let mut place = Self { server: Arc::clone(server), queue: queue.cloned(), admission: None };
        place.admission = Some(server.admit(anyway)?);
        Some(place)
    }

    pub(super) fn server(&self) -> &Arc<Server> {
        &self.server
    }

    /// A response has begun.
    pub(super) fn answered(&mut self) {
        if let Some(admission) = &mut self.admission {
            self.server.answered(*admission);
            // From here on it is as any other: the rest may still break off.
            *admission = Admission::Ordinary;
        }
    }

    /// There is no response, or half of one.
    pub(super) fn failed(&mut self) {
        if let Some(admission) = self.admission.take() {
            self.server.failed(admission);
        }
    }

    /// The response has come to its end.
    pub(super) fn completed(&mut self) {
        if self.admission.take().is_some() {
            self.server.completed();
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if self.admission == Some(Admission::Probe) {
            self.server.abandoned();
        }
        self.server.load.fetch_sub(1, Ordering::SeqCst);
        if let Some(queue) = &self.queue {
            queue.freed();
        }
    }
}

/// A connection in use. Dropped before the exchange is over, it is closed.
#[derive(Debug)]
pub(super) struct Lease {
    pub(super) place: Place,
    pub(super) connection: Connection,
    upload: Option<UploadProgress>,
}

impl Lease {
    pub(super) fn new(place: Place, connection: Connection, upload: Option<UploadProgress>) -> Self {
        Self { place, connection, upload }
    }

    /// The response has ended: gives the connection back, unless the request's body is still going out on
    /// it.
    pub(super) fn end(mut self) {
        self.place.completed();
        if self.upload.is_none_or(|upload| upload.is_over()) {
            self.place.server().checkin(self.connection);
        }
    }
}
