//! What is counted of the requests of one route. No lock, and nothing is allocated.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use http::StatusCode;
use serde::Serialize;

/// Seconds up to which a response is counted in each place of a [`Histogram`]; the last place has no end.
pub(crate) const BOUNDS: [f64; 13] =
    [0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0];

/// What became of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// An upstream answered it.
    Passed,
    /// The gateway answered it, as it was asked to: the forward-auth endpoint, metadata.
    Answered,
    /// The gateway refused it.
    Refused,
    /// Nobody could answer it: the upstream or the gateway itself failed.
    Failed,
    /// Its client went away before there was an answer.
    Aborted,
}

/// Under which names a route is counted: as the file writes it, so that there are as many as routes.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub(crate) struct RouteLabel {
    /// The host, if the route names one, the path's pattern, and the conditions on header fields.
    pub(crate) route: String,
    /// With commas between them, or `*`.
    pub(crate) methods: String,
}

/// The counters of one route.
#[derive(Debug, Default)]
pub(crate) struct RouteStats {
    pub(crate) label: RouteLabel,
    requests: [[AtomicU64; Self::CLASSES]; Outcome::ALL.len()],
    seconds: Histogram,
}

/// How long it took, counted by [`BOUNDS`].
#[derive(Debug, Default)]
struct Histogram {
    places: [AtomicU64; BOUNDS.len() + 1],
    nanos: AtomicU64,
}

/// What has been counted of a route.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct RouteCounts {
    /// The host, if the route names one, and the pattern of its path; in parentheses what is no route.
    pub route: String,
    /// The methods that the route names, with commas between them; `*` where it names none.
    pub methods: String,
    /// By outcome (`passed`, `answered`, `refused`, `failed`, `aborted`) and status class, those that there were.
    pub requests: Vec<RequestCount>,
    /// How long it took from a request's head to the head of its answer.
    pub seconds: Seconds,
}

/// Requests with the same outcome and class of status.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct RequestCount {
    /// What became of them.
    pub outcome: &'static str,
    /// `2xx` and so on; `none` for requests that got no answer.
    pub status: &'static str,
    /// How many there were.
    pub count: u64,
}

/// A distribution of durations.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Seconds {
    /// How many there were of up to so many seconds and more than the place before; the last place, for all
    /// that are longer, has no bound.
    pub places: Vec<(Option<f64>, u64)>,
    /// All of them together.
    pub sum: f64,
}

impl Outcome {
    pub(crate) const ALL: [Self; 5] =
        [Self::Passed, Self::Answered, Self::Refused, Self::Failed, Self::Aborted];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Answered => "answered",
            Self::Refused => "refused",
            Self::Failed => "failed",
            Self::Aborted => "aborted",
        }
    }
}

impl RouteStats {
    const CLASSES: usize = 6;
    const NAMES: [&str; Self::CLASSES] = ["none", "1xx", "2xx", "3xx", "4xx", "5xx"];

    pub(crate) fn new(label: RouteLabel) -> Self {
        Self { label, ..Self::default() }
    }

    /// What the gateway serves beside routes.
    pub(crate) fn beside_routes(name: &str) -> Self {
        Self::new(RouteLabel { route: format!("({name})"), methods: "*".to_owned() })
    }

    /// Counts a request that has been answered, so long after its head.
    pub(crate) fn count(&self, outcome: Outcome, status: StatusCode, took: Duration) {
        self.count_in(outcome, usize::from(status.as_u16() / 100).min(Self::CLASSES - 1));
        self.seconds.count(took);
    }

    /// Counts a request whose client did not wait.
    pub(crate) fn count_aborted(&self) {
        self.count_in(Outcome::Aborted, 0);
    }

    fn count_in(&self, outcome: Outcome, class: usize) {
        if let Some(counter) = self.requests.get(outcome as usize).and_then(|classes| classes.get(class)) {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(crate) fn read(&self) -> RouteCounts {
        let of = |(outcome, classes): (&Outcome, &[AtomicU64; Self::CLASSES])| {
            let outcome = outcome.name();
            let counts: Vec<RequestCount> = Self::NAMES
                .iter()
                .zip(classes)
                .map(|(status, count)| RequestCount { outcome, status, count: count.load(Ordering::Relaxed) })
                .filter(|requests| requests.count > 0)
                .collect();
            counts
        };
        RouteCounts {
            route: self.label.route.clone(),
            methods: self.label.methods.clone(),
            requests: Outcome::ALL.iter().zip(&self.requests).flat_map(of).collect(),
            seconds: self.seconds.read(),
        }
    }
}

impl Histogram {
    fn count(&self, took: Duration) {
        let seconds = took.as_secs_f64();
        let place = BOUNDS.iter().position(|bound| seconds <= *bound).unwrap_or(BOUNDS.len());
        if let Some(place) = self.places.get(place) {
            place.fetch_add(1, Ordering::Relaxed);
        }
        self.nanos.fetch_add(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    fn read(&self) -> Seconds {
        let bounds = BOUNDS.iter().map(|bound| Some(*bound)).chain([None]);
        Seconds {
            places: bounds
                .zip(&self.places)
                .map(|(bound, count)| (bound, count.load(Ordering::Relaxed)))
                .collect(),
            sum: Duration::from_nanos(self.nanos.load(Ordering::Relaxed)).as_secs_f64(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_counted_by_outcome_and_class_and_durations_by_bound() {
        let stats = RouteStats::beside_routes("none");
        let millis = Duration::from_millis;
        stats.count(Outcome::Passed, StatusCode::OK, millis(1));
        stats.count(Outcome::Passed, StatusCode::NO_CONTENT, millis(2));
        stats.count(Outcome::Refused, StatusCode::UNAUTHORIZED, Duration::ZERO);
        stats.count(Outcome::Passed, StatusCode::from_u16(999).unwrap(), millis(60_000));
        stats.count_aborted();
        let read = stats.read();
        let requests: Vec<_> =
            read.requests.iter().map(|request| (request.outcome, request.status, request.count)).collect();
        let want =
            [("passed", "2xx", 2), ("passed", "5xx", 1), ("refused", "4xx", 1), ("aborted", "none", 1)];
        assert_eq!(requests, want);
        let places: Vec<_> = read.seconds.places.iter().filter(|(_, count)| *count > 0).collect();
        assert_eq!(places, [&(Some(0.000_5), 1), &(Some(0.001), 1), &(Some(0.002_5), 1), &(None, 1)]);
        assert_eq!(read.seconds.sum, 60.003);
    }
}
