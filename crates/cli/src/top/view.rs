//! From two looks at a gateway to what a person wants to know.

use std::time::Duration;

use serde::Serialize;

use super::overview::{Check, Issuer, Overview, Route, Upstream};

/// One look. Rates and quantiles are of the time since the look before; without one, there is no rate, and
/// quantiles are of all that there was.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct View {
    pub(super) ready: bool,
    pub(super) reasons: Vec<String>,
    pub(super) traffic: Traffic,
    pub(super) connections: u64,
    pub(super) in_flight: u64,
    pub(super) tunnels: u64,
    pub(super) streams_ended: u64,
    /// The most frequent first.
    pub(super) refused: Vec<Refused>,
    pub(super) would_refuse: Vec<Refused>,
    /// The busiest first.
    pub(super) routes: Vec<RouteView>,
    pub(super) issuers: Vec<IssuerView>,
    pub(super) upstreams: Vec<Upstream>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Traffic {
    pub(super) requests: u64,
    pub(super) per_second: Option<f64>,
    /// Milliseconds to the head of the answer.
    pub(super) p50_ms: Option<f64>,
    pub(super) p99_ms: Option<f64>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Refused {
    /// What clients were told.
    pub(super) code: String,
    /// Which check failed.
    pub(super) check: String,
    pub(super) count: u64,
    pub(super) per_second: Option<f64>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct RouteView {
    pub(super) route: String,
    pub(super) methods: String,
    pub(super) traffic: Traffic,
    /// Those that got their answer neither from an upstream nor, where it was asked itself, the gateway.
    pub(super) not_passed: u64,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct IssuerView {
    pub(super) issuer: String,
    pub(super) keys: u64,
    /// Seconds, as are all ages.
    pub(super) key_set_age: Option<f64>,
    /// How far the view of revocations may lag; none where no feed is followed, or nothing is known yet.
    pub(super) revocation_lag: Option<f64>,
    pub(super) revocations: Option<u64>,
    /// In words: `following`, `reconnecting`, `stale: allow` …; none where no feed is followed.
    pub(super) feed: Option<String>,
    pub(super) last_error: Option<String>,
}

/// The look before, and how long ago that was.
type Since<'o> = Option<(&'o Overview, Duration)>;

impl View {
    pub(super) fn new(now: &Overview, since: Since<'_>) -> Self {
        let before = |route: &Route| {
            let (before, passed) = since?;
            let same = |other: &&Route| other.route == route.route && other.methods == route.methods;
            Some((before.routes.iter().find(same)?.clone(), passed))
        };
        let mut routes: Vec<RouteView> =
            now.routes.iter().map(|route| route_view(route, before(route).as_ref())).collect();
        routes.retain(|route| route.traffic.requests > 0);
        routes.sort_by(|left, right| {
            let key =
                |route: &RouteView| (route.traffic.per_second.unwrap_or(0.0), route.traffic.requests as f64);
            key(right).partial_cmp(&key(left)).unwrap_or(std::cmp::Ordering::Equal)
        });
        let all = sum(&now.routes);
        let all_before = since.map(|(before, passed)| (sum(&before.routes), passed));
        Self {
            ready: now.ready,
            reasons: now.reasons.clone(),
            traffic: traffic(&all, all_before.as_ref()),
            connections: now.connections,
            in_flight: now.in_flight,
            tunnels: now.tunnels,
            streams_ended: now.ended,
            refused: refused(now, since, |check| check.refused),
            would_refuse: refused(now, since, |check| check.would_refuse),
            routes,
            issuers: now.issuers.iter().map(issuer_view).collect(),
            upstreams: now.upstreams.clone(),
        }
    }
}

/// All routes as one.
fn sum(routes: &[Route]) -> Route {
    let mut all = Route::default();
    for route in routes {
        all.requests.extend(route.requests.iter().cloned());
        for (at, (bound, count)) in route.seconds.places.iter().enumerate() {
            match all.seconds.places.get_mut(at) {
                Some(place) => place.1 += count,
                None => all.seconds.places.push((*bound, *count)),
            }
        }
    }
    all
}

fn route_view(route: &Route, before: Option<&(Route, Duration)>) -> RouteView {
    let lost = |outcome: &str| !matches!(outcome, "passed" | "answered");
    let not_passed =
        route.requests.iter().filter(|requests| lost(&requests.outcome)).map(|requests| requests.count);
    RouteView {
        route: route.route.clone(),
        methods: route.methods.clone(),
        traffic: traffic(route, before),
        not_passed: not_passed.sum(),
    }
}

fn traffic(route: &Route, before: Option<&(Route, Duration)>) -> Traffic {
    let count = |route: &Route| route.requests.iter().map(|requests| requests.count).sum::<u64>();
    let requests = count(route);
    let mut places = route.seconds.places.clone();
    if let Some((before, _)) = before {
        for (place, (_, earlier)) in places.iter_mut().zip(&before.seconds.places) {
            place.1 = place.1.saturating_sub(*earlier);
        }
    }
    let millis = |share| quantile(&places, share).map(|seconds| seconds * 1e3);
    Traffic {
        requests,
        per_second: before.map(|(before, passed)| rate(requests, count(before), *passed)),
        p50_ms: millis(0.5),
        p99_ms: millis(0.99),
    }
}

/// A gateway that was started again counts from zero.
fn rate(now: u64, before: u64, passed: Duration) -> f64 {
    now.saturating_sub(before) as f64 / passed.as_secs_f64().max(1e-3)
}

/// Within a place, all of it is taken to be spread evenly; beyond the last bound, that bound is all that is
/// known.
fn quantile(places: &[(Option<f64>, u64)], share: f64) -> Option<f64> {
    let all: u64 = places.iter().map(|(_, count)| count).sum();
    if all == 0 {
        return None;
    }
    let wanted = share * all as f64;
    let (mut counted, mut from) = (0.0, 0.0);
    for (bound, count) in places {
        let Some(to) = bound else { break };
        let count = *count as f64;
        if count > 0.0 && counted + count >= wanted {
            return Some(from + (to - from) * ((wanted - counted) / count));
        }
        (counted, from) = (counted + count, *to);
    }
    Some(from)
}

fn refused(now: &Overview, since: Since<'_>, count: impl Fn(&Check) -> u64) -> Vec<Refused> {
    let per_second = |now: &Check| {
        let (before, passed) = since?;
        let same = |other: &&Check| (&other.code, &other.check) == (&now.code, &now.check);
        Some(rate(count(now), before.checks.iter().find(same).map_or(0, &count), passed))
    };
    let refused = |check: &Check| Refused {
        code: check.code.clone(),
        check: check.check.clone(),
        count: count(check),
        per_second: per_second(check),
    };
    let mut refused: Vec<Refused> = now.checks.iter().filter(|check| count(check) > 0).map(refused).collect();
    refused.sort_by_key(|refused| std::cmp::Reverse(refused.count));
    refused
}

impl Refused {
    /// The code, and the check where that says more.
    pub(super) fn reason(&self) -> String {
        if self.check == self.code || self.check.is_empty() {
            self.code.clone()
        } else {
            format!("{}: {}", self.code, self.check)
        }
    }
}

fn issuer_view(issuer: &Issuer) -> IssuerView {
    let feed = issuer.revocation.as_ref().map(|view| match view {
        view if view.is_stale => format!("stale: {}", view.on_stale.then),
        view if view.connected => "following".to_owned(),
        _ => "reconnecting".to_owned(),
    });
    let last = issuer.failures.iter().min_by(|left, right| left.age.total_cmp(&right.age));
    IssuerView {
        issuer: issuer.issuer.clone(),
        keys: issuer.keys,
        key_set_age: issuer.key_set_age,
        revocation_lag: issuer.revocation.as_ref().and_then(|view| view.staleness),
        revocations: issuer.revocation.as_ref().map(|view| view.entries),
        feed,
        last_error: last.map(|failed| {
            format!("{} ({}×, {:.0} s ago): {}", failed.asked_for, failed.count, failed.age, failed.error)
        }),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn overview(passed: u64, refused: u64, places: [u64; 3]) -> Overview {
        let places = [json!([0.001, places[0]]), json!([0.01, places[1]]), json!([null, places[2]])];
        serde_json::from_value(json!({
            "ready": true,
            "checks": [
                { "code": "no-route", "check": "no-route", "refused": 1 },
                { "code": "revoked", "check": "session", "refused": refused, "would_refuse": 0 },
                { "code": "revoked", "check": "subject", "would_refuse": 2 },
            ],
            "routes": [{
                "route": "/a",
                "methods": "GET",
                "requests": [
                    { "outcome": "passed", "status": "2xx", "count": passed },
                    { "outcome": "refused", "status": "4xx", "count": refused },
                ],
                "seconds": { "places": places, "sum": 1.0 },
            }, { "route": "/never", "methods": "*", "requests": [], "seconds": { "places": [], "sum": 0.0 } }],
        }))
        .unwrap()
    }

    #[test]
    fn two_looks_make_rates_and_one_makes_totals() {
        let (first, second) = (overview(90, 10, [100, 0, 0]), overview(190, 30, [100, 120, 0]));
        let view = View::new(&second, Some((&first, Duration::from_secs(2))));
        assert_eq!((view.traffic.requests, view.traffic.per_second), (220, Some(60.0)));
        assert_eq!(view.traffic.p50_ms.map(|p50| p50.round()), Some(6.0), "those before do not count");
        let reasons = |refused: &[Refused]| -> Vec<_> {
            refused.iter().map(|refused| (refused.reason(), refused.count, refused.per_second)).collect()
        };
        let session = ("revoked: session".to_owned(), 30, Some(10.0));
        assert_eq!(reasons(&view.refused), [session, ("no-route".to_owned(), 1, Some(0.0))]);
        assert_eq!(reasons(&view.would_refuse), [("revoked: subject".to_owned(), 2, Some(0.0))]);
        assert_eq!(
            (view.routes.len(), view.routes[0].not_passed),
            (1, 30),
            "what is never asked is left out"
        );

        let view = View::new(&first, None);
        assert_eq!((view.traffic.requests, view.traffic.per_second), (100, None));
        assert_eq!(view.traffic.p50_ms, Some(0.5));

        let restarted = View::new(&first, Some((&second, Duration::from_secs(1))));
        assert_eq!(restarted.traffic.per_second, Some(0.0));
    }

    #[test]
    fn quantiles() {
        type Places = &'static [(Option<f64>, u64)];
        let cases: [(&str, Places, f64, Option<f64>); 5] = [
            ("nothing", &[], 0.5, None),
            ("none_yet", &[(Some(1.0), 0), (None, 0)], 0.5, None),
            ("within_a_place", &[(Some(1.0), 5), (Some(3.0), 5)], 0.75, Some(2.0)),
            ("over_an_empty_place", &[(Some(1.0), 1), (Some(2.0), 0), (Some(4.0), 1)], 1.0, Some(4.0)),
            ("beyond_the_last_bound", &[(Some(1.0), 1), (None, 9)], 0.99, Some(1.0)),
        ];
        for (name, places, share, want) in cases {
            assert_eq!(quantile(places, share), want, "{name}");
        }
    }

    #[test]
    fn how_it_stands_with_an_issuer() {
        let issuer = |revocation: Value| {
            let failures = json!([
                { "asked_for": "keys", "count": 1, "error": "old", "age": 90.0 },
                { "asked_for": "feed", "count": 3, "error": "cut", "age": 2.0 },
            ]);
            let issuer = json!({ "issuer": "a", "keys": 1, "revocation": revocation, "failures": failures });
            issuer_view(&serde_json::from_value(issuer).unwrap())
        };
        let feed = |connected: bool, is_stale: bool| {
            let on_stale = json!({ "after": 30.0, "then": "deny" });
            issuer(
                json!({ "connected": connected, "is_stale": is_stale, "on_stale": on_stale, "staleness": 1.5 }),
            )
        };
        assert_eq!(feed(true, false).feed.as_deref(), Some("following"));
        assert_eq!(feed(false, false).feed.as_deref(), Some("reconnecting"));
        assert_eq!(feed(true, true).feed.as_deref(), Some("stale: deny"));
        assert_eq!(feed(true, true).revocation_lag, Some(1.5));
        let none = issuer(Value::Null);
        assert_eq!((none.feed, none.revocation_lag), (None, None));
        assert_eq!(none.last_error.as_deref(), Some("feed (3×, 2 s ago): cut"));
    }
}
