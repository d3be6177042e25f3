//! Counters. Counting takes no lock and allocates nothing.

pub(crate) mod refusals;
pub(crate) mod route;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use serde::Serialize;

pub use self::refusals::RefusalCount;
use self::refusals::{Refusals, by_code};
use self::route::RouteStats;
pub use self::route::{RequestCount, RouteCounts, Seconds};

/// Counts since the start.
#[derive(Debug)]
pub(crate) struct Counters {
    passed: AtomicU64,
    verified: AtomicU64,
    pub(crate) refusals: Refusals,
    /// Lines of the access log that could not be written.
    pub(crate) log_lines_dropped: Arc<AtomicU64>,
    pub(crate) connections: Arc<Gauge>,
    pub(crate) in_flight: Gauge,
    pub(crate) tunnels: Gauge,
    pub(crate) own: OwnStats,
}

/// Of what is no route.
#[derive(Debug)]
pub(crate) struct OwnStats {
    /// Requests that no route was found for.
    pub(crate) none: RouteStats,
    pub(crate) forward_auth: RouteStats,
    pub(crate) metadata: RouteStats,
    pub(crate) sessions: RouteStats,
}

/// How many there are now.
#[derive(Debug, Default)]
pub(crate) struct Gauge(AtomicU64);

/// One of what a [`Gauge`] counts, until it is dropped.
#[derive(Debug)]
pub(crate) struct Present(Arc<Gauge>);

/// What the gateway has counted since its start.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Stats {
    /// Requests that an upstream answered.
    pub passed: u64,
    /// Questions that the forward-auth endpoint answered with 200.
    pub verified: u64,
    /// Streams that were ended because their token was good no longer.
    pub ended: u64,
    /// Requests that were refused or got no answer, by the `code` of the problem details they got.
    pub refused: BTreeMap<String, u64>,
    /// Requests that were passed on and would have been refused, had their route's rule been enforced.
    pub would_refuse: BTreeMap<String, u64>,
    /// The same, and streams that were ended, by the check that failed.
    pub checks: Vec<RefusalCount>,
    /// Connections of clients that are open now.
    pub connections: u64,
    /// Requests that are being answered now, with those whose response or tunnel has not ended.
    pub in_flight: u64,
    /// WebSocket tunnels that are open now.
    pub tunnels: u64,
    /// Lines that the access log lacks, because they could not be written or came too fast.
    pub log_lines_dropped: u64,
    /// Each route of the present configuration, and what is served beside them.
    pub routes: Vec<RouteCounts>,
}

impl Default for Counters {
    fn default() -> Self {
        Self {
            passed: AtomicU64::new(0),
            verified: AtomicU64::new(0),
            refusals: Refusals::default(),
            log_lines_dropped: Arc::default(),
            connections: Arc::default(),
            in_flight: Gauge::default(),
            tunnels: Gauge::default(),
            own: OwnStats {
                none: RouteStats::beside_routes("none"),
                forward_auth: RouteStats::beside_routes("forward-auth"),
                metadata: RouteStats::beside_routes("resource-metadata"),
                sessions: RouteStats::beside_routes("sessions"),
            },
        }
    }
}

impl Counters {
    pub(crate) fn count_passed(&self) {
        self.passed.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn count_verified(&self) {
        self.verified.fetch_add(1, Ordering::Relaxed);
    }

    /// With the routes that these count for.
    pub(crate) fn read(&self, routes: &[Arc<RouteStats>]) -> Stats {
        let OwnStats { none, forward_auth, metadata, sessions } = &self.own;
        // Routes of the same name, told apart by what else they ask of a request, count together.
        let first = |(at, route): &(usize, &Arc<RouteStats>)| {
            routes.iter().position(|other| Arc::ptr_eq(other, route)) == Some(*at)
        };
        let routes = routes.iter().enumerate().filter(first).map(|(_, route)| &**route);
        let checks = self.refusals.read();
        Stats {
            passed: self.passed.load(Ordering::Relaxed),
            verified: self.verified.load(Ordering::Relaxed),
            ended: checks.iter().map(|count| count.ended).sum(),
            refused: by_code(&checks, |count| count.refused),
            would_refuse: by_code(&checks, |count| count.would_refuse),
            checks,
            connections: self.connections.now(),
            in_flight: self.in_flight.now(),
            tunnels: self.tunnels.now(),
            log_lines_dropped: self.log_lines_dropped.load(Ordering::Relaxed),
            routes: routes.chain([none, forward_auth, metadata, sessions]).map(RouteStats::read).collect(),
        }
    }
}

impl Gauge {
    pub(crate) fn enter(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn leave(&self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }

    fn now(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Present {
    pub(crate) fn of(gauge: &Arc<Gauge>) -> Self {
        gauge.enter();
        Self(Arc::clone(gauge))
    }
}

impl Drop for Present {
    fn drop(&mut self) {
        self.0.leave();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn routes_of_one_name_are_read_once() {
        let counters = Counters::default();
        let route = Arc::new(RouteStats::beside_routes("twice"));
        let stats = counters.read(&[Arc::clone(&route), route]);
        let names: Vec<_> = stats.routes.iter().map(|route| route.route.as_str()).collect();
        assert_eq!(names, ["(twice)", "(none)", "(forward-auth)", "(resource-metadata)", "(sessions)"]);
    }

    #[test]
    fn what_is_present_is_counted_until_it_goes() {
        let gauge = Arc::<Gauge>::default();
        let (one, two) = (Present::of(&gauge), Present::of(&gauge));
        assert_eq!(gauge.now(), 2);
        drop(one);
        assert_eq!(gauge.now(), 1);
        drop(two);
        assert_eq!(gauge.now(), 0);
    }
}
