//! `/metrics`: what has been counted, for Prometheus and its like.
//!
//! Labels have values from the configuration or from lists of constants alone, so that no client can make
//! series.

mod page;

use gatepass_guard::{AskedFor, IssuerStatus, RevocationStatus, Status};

pub(crate) use self::page::Format;
use self::page::Page;
use crate::gateway::Shared;
use crate::stats::{RefusalCount, Stats};
use crate::upstream::{ServerState, UpstreamStatus};

/// The whole page.
pub(crate) fn render(shared: &Shared, format: Format) -> String {
    let state = shared.state.load();
    let mut page = Page::new(format);
    page.gauge("gatepass_gateway_info", "The version that runs.");
    page.value(&[("version", env!("CARGO_PKG_VERSION"))], 1);
    page.gauge("gatepass_gateway_ready", "Whether tokens of every issuer can be verified.");
    page.value(&[], u8::from(state.guards.is_ready()));
    requests(&mut page, &shared.counters.read(&state.route_stats));
    upstreams(&mut page, &shared.upstreams());
    issuers(&mut page, &state.guards.status());
    page.end()
}

fn requests(page: &mut Page, stats: &Stats) {
    page.counter(
        "gatepass_gateway_requests",
        "Requests by route, outcome (passed, answered by the gateway itself, refused, failed, aborted) and class of status.",
    );
    for route in &stats.routes {
        for requests in &route.requests {
            let labels = [
                ("route", route.route.as_str()),
                ("methods", &route.methods),
                ("outcome", requests.outcome),
                ("status", requests.status),
            ];
            page.value(&labels, requests.count);
        }
    }
    page.histogram(
        "gatepass_gateway_response_seconds",
        "From the end of a request's head to the head of its answer.",
    );
    for route in &stats.routes {
        page.distribution(&[("route", &route.route), ("methods", &route.methods)], &route.seconds);
    }
    refusals(page, &stats.checks);
    page.gauge("gatepass_gateway_connections", "Connections of clients that are open.");
    page.value(&[], stats.connections);
    page.gauge("gatepass_gateway_requests_in_flight", "Requests whose response or tunnel has not ended.");
    page.value(&[], stats.in_flight);
    page.gauge("gatepass_gateway_tunnels", "WebSocket tunnels that are open.");
    page.value(&[], stats.tunnels);
    page.counter("gatepass_gateway_access_log_lost", "Lines that the access log lacks.");
    page.value(&[], stats.log_lines_dropped);
}

fn refusals(page: &mut Page, checks: &[RefusalCount]) {
    let mut by_check = |name, help, counter: fn(&RefusalCount) -> u64| {
        page.counter(name, help);
        for count in checks.iter().filter(|count| counter(count) > 0) {
            page.value(&[("code", count.code), ("check", count.check)], counter(count));
        }
    };
    by_check(
        "gatepass_gateway_refusals",
        "Requests that were refused or got no answer, by the code that the client got and the check that failed.",
        |count| count.refused,
    );
    by_check(
        "gatepass_gateway_would_refuse",
        "Requests that a route with enforce = false would have refused, by code and check.",
        |count| count.would_refuse,
    );
    by_check(
        "gatepass_gateway_streams_ended",
        "Streams that ended with their token, by code and check.",
        |count| count.ended,
    );
}

fn upstreams(page: &mut Page, upstreams: &[UpstreamStatus]) {
    page.gauge("gatepass_gateway_upstream_waiting", "Requests that wait for a server with room.");
    for upstream in upstreams {
        page.value(&[("upstream", &upstream.name)], upstream.waiting);
    }
    let servers: Vec<_> = upstreams
        .iter()
        .flat_map(|upstream| upstream.servers.iter().map(move |server| (upstream.name.as_str(), server)))
        .collect();
    page.gauge("gatepass_gateway_server_up", "Whether the server gets requests.");
    for (upstream, server) in &servers {
        let up = u8::from(server.state == ServerState::Up);
        page.value(&[("upstream", upstream), ("server", &server.address)], up);
    }
    page.gauge("gatepass_gateway_server_in_flight", "Requests and tunnels that the server has.");
    for (upstream, server) in &servers {
        page.value(&[("upstream", upstream), ("server", &server.address)], server.in_flight);
    }
    page.counter(
        "gatepass_gateway_server_failures",
        "Requests that found no server, no response or half of one.",
    );
    for (upstream, server) in &servers {
        page.value(&[("upstream", upstream), ("server", &server.address)], server.failures);
    }
}

fn issuers(page: &mut Page, status: &Status) {
    let issuers = &status.issuers;
    page.gauge("gatepass_guard_keys", "Keys that verify tokens of the issuer.");
    for issuer in issuers {
        page.value(&[("issuer", &issuer.issuer)], issuer.keys);
    }
    page.gauge("gatepass_guard_key_set_age_seconds", "Since the issuer last confirmed its key set.");
    for issuer in issuers {
        if let Some(age) = issuer.key_set_age {
            page.value(&[("issuer", &issuer.issuer)], age.as_secs_f64());
        }
    }
    page.counter("gatepass_guard_failures", "What the issuer failed to give when it was asked.");
    for issuer in issuers {
        for asked_for in AskedFor::ALL {
            let failed = issuer.failures.iter().find(|failed| failed.asked_for == asked_for);
            let labels = [("issuer", issuer.issuer.as_str()), ("asked_for", asked_for.name())];
            page.value(&labels, failed.map_or(0, |failed| failed.count));
        }
    }
    page.counter(
        "gatepass_guard_signatures",
        "Signatures of tokens that had to be verified, and that were remembered to hold.",
    );
    for issuer in issuers {
        for (how, count) in
            [("verified", issuer.signatures_verified), ("remembered", issuer.signatures_remembered)]
        {
            page.value(&[("issuer", &issuer.issuer), ("how", how)], count);
        }
    }
    revocations(page, issuers);
}

fn revocations(page: &mut Page, issuers: &[IssuerStatus]) {
    let views: Vec<(&str, &RevocationStatus)> = issuers
        .iter()
        .filter_map(|issuer| Some((issuer.issuer.as_str(), issuer.revocation.as_ref()?)))
        .collect();
    let mut of_each = |name, help, value: &dyn Fn(&RevocationStatus) -> Option<f64>| {
        page.gauge(name, help);
        for (issuer, view) in &views {
            if let Some(value) = value(view) {
                page.value(&[("issuer", issuer)], value);
            }
        }
    };
    of_each(
        "gatepass_guard_revocation_staleness_seconds",
        "Since the view of the issuer's revocations was last proven complete; none before the first proof.",
        &|view| view.staleness.map(|staleness| staleness.as_secs_f64()),
    );
    of_each("gatepass_guard_revocation_stale", "Whether that is longer than `on_stale` allows.", &|view| {
        Some(f64::from(u8::from(view.is_stale)))
    });
    of_each("gatepass_guard_revocation_connected", "Whether the feed's stream is open.", &|view| {
        Some(f64::from(u8::from(view.connected)))
    });
    of_each("gatepass_guard_revocation_entries", "Revocations that are kept.", &|view| {
        Some(view.entries as f64)
    });
    of_each("gatepass_guard_revocation_memory_bytes", "The memory they take.", &|view| {
        Some(view.memory as f64)
    });
    of_each("gatepass_guard_revocation_seq", "The newest entry that was seen.", &|view| {
        Some(view.seq as f64)
    });
}
