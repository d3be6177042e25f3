//! A view on a terminal, and as plain lines.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Paragraph, Row, Table};

use super::overview::Upstream;
use super::view::{IssuerView, Refused, RouteView, Traffic, View};

const STRONG: Style = Style::new().add_modifier(Modifier::BOLD);
const GOOD: Style = Style::new().fg(Color::Green);
const BAD: Style = Style::new().fg(Color::Red);
const FAINT: Style = Style::new().add_modifier(Modifier::DIM);

/// What is on the screen: the last look, and why there is no newer one.
pub(super) struct Shown {
    admin: String,
    view: Option<View>,
    failure: Option<String>,
}

impl Shown {
    pub(super) fn new(admin: &str) -> Self {
        Self { admin: admin.to_owned(), view: None, failure: None }
    }

    pub(super) fn update(&mut self, view: View) {
        (self.view, self.failure) = (Some(view), None);
    }

    pub(super) fn fail(&mut self, error: &impl ToString) {
        self.failure = Some(error.to_string());
    }

    pub(super) fn draw(&self, frame: &mut Frame<'_>) {
        let trouble = self.failure.iter().chain(self.view.iter().flat_map(|view| &view.reasons));
        let trouble: Vec<Line<'_>> = trouble.map(|reason| Line::styled(reason.as_str(), BAD)).collect();
        let (issuers, upstreams) = match &self.view {
            None => (Vec::new(), Vec::new()),
            Some(view) => (issuer_lines(&view.issuers), upstream_lines(&view.upstreams)),
        };
        let boxed = |lines: usize| if lines == 0 { 0 } else { lines + 3 };
        let rows = |count: usize| Constraint::Length(u16::try_from(count).unwrap_or(u16::MAX));
        let [head, below, middle, upper, lower] = Layout::vertical([
            rows(2),
            rows(trouble.len()),
            Constraint::Min(5),
            rows(boxed(upstreams.len())),
            rows(boxed(issuers.len())),
        ])
        .areas(frame.area());
        frame.render_widget(Paragraph::new(self.head()), head);
        frame.render_widget(Paragraph::new(trouble), below);
        let Some(view) = &self.view else { return };
        let [left, right] = Layout::horizontal([Constraint::Length(52), Constraint::Min(30)]).areas(middle);
        frame.render_widget(refused_table(view), left);
        frame.render_widget(route_table(&view.routes), right);
        frame.render_widget(box_of("Upstreams", UPSTREAM_HEADING, upstreams), upper);
        frame.render_widget(box_of("Issuers", ISSUER_HEADING, issuers), lower);
    }

    fn head(&self) -> Vec<Line<'_>> {
        let mut title =
            vec![Span::styled("gatepass top", STRONG), Span::styled(format!("  {}  ", self.admin), FAINT)];
        let Some(view) = &self.view else { return vec![Line::from(title)] };
        title.push(match (&self.failure, view.ready) {
            (Some(_), _) => Span::styled("no answer; this is old", BAD),
            (None, true) => Span::styled("ready", GOOD),
            (None, false) => Span::styled("not ready", BAD),
        });
        title.push(Span::styled("  q quits", FAINT));
        vec![Line::from(title), Line::from(summary(view))]
    }
}

fn summary(view: &View) -> String {
    let Traffic { requests, per_second, p50_ms, p99_ms } = &view.traffic;
    let rate =
        per_second.map_or_else(|| format!("{requests} requests"), |rate| format!("{rate:.1} requests/s"));
    format!(
        "{rate}   p50 {}   p99 {}   in flight {}   connections {}   tunnels {}   streams ended {}",
        millis(*p50_ms),
        millis(*p99_ms),
        view.in_flight,
        view.connections,
        view.tunnels,
        view.streams_ended,
    )
}

fn refused_table(view: &View) -> Table<'_> {
    let row = |refused: &Refused, mark: &str| {
        Row::new([format!("{mark}{}", refused.reason()), refused.count.to_string(), rate(refused.per_second)])
    };
    let refused = view.refused.iter().map(|refused| row(refused, ""));
    let rows = refused.chain(view.would_refuse.iter().map(|refused| row(refused, "not enforced: ")));
    Table::new(rows, [Constraint::Min(32), Constraint::Length(9), Constraint::Length(8)])
        .header(Row::new(["refused", "count", "/s"]).style(FAINT))
        .block(Block::bordered().title("Refusals by reason"))
}

fn route_table(routes: &[RouteView]) -> Table<'_> {
    let rows = routes.iter().map(|route| Row::new(route_cells(route)));
    let columns = [
        Constraint::Min(16),
        Constraint::Length(9),
        Constraint::Length(8),
        Constraint::Length(9),
        Constraint::Length(9),
        Constraint::Length(10),
    ];
    Table::new(rows, columns)
        .header(Row::new(["route", "count", "/s", "p50", "p99", "not passed"]).style(FAINT))
        .block(Block::bordered().title("Routes"))
}

fn route_cells(route: &RouteView) -> [String; 6] {
    let name = match route.methods.as_str() {
        "*" => route.route.clone(),
        methods => format!("{methods} {}", route.route),
    };
    let traffic = &route.traffic;
    [
        name,
        traffic.requests.to_string(),
        rate(traffic.per_second),
        millis(traffic.p50_ms),
        millis(traffic.p99_ms),
        route.not_passed.to_string(),
    ]
}

fn box_of(title: &'static str, heading: &'static str, lines: Vec<String>) -> Paragraph<'static> {
    let heading = Line::styled(heading, FAINT);
    let lines: Vec<Line<'static>> = [heading].into_iter().chain(lines.into_iter().map(Line::from)).collect();
    Paragraph::new(lines).block(Block::bordered().title(title))
}

const UPSTREAM_HEADING: &str = "state     since      in flight  failures   server";

/// One for each server, and one for requests that wait.
fn upstream_lines(upstreams: &[Upstream]) -> Vec<String> {
    let lines = |upstream: &Upstream| {
        let name = upstream.name.clone();
        let servers = upstream.servers.iter().map(move |server| {
            let since = format!("{} s", server.state_seconds);
            let (state, in_flight, failures) = (&server.state, server.in_flight, server.failures);
            format!("{state:<9} {since:<10} {in_flight:<10} {failures:<10} {name} {}", server.address)
        });
        let waiting = (upstream.waiting > 0)
            .then(|| format!("          {} wait for {}", upstream.waiting, upstream.name));
        servers.chain(waiting).collect::<Vec<_>>()
    };
    upstreams.iter().flat_map(lines).collect()
}

const ISSUER_HEADING: &str = "keys  key set    lag        revoked    feed          issuer";

/// One for each issuer, and one for its last error.
fn issuer_lines(issuers: &[IssuerView]) -> Vec<String> {
    let lines = |issuer: &IssuerView| {
        let line = format!(
            "{:<5} {:<10} {:<10} {:<10} {:<13} {}",
            issuer.keys,
            seconds(issuer.key_set_age),
            seconds(issuer.revocation_lag),
            issuer.revocations.map_or_else(|| "-".to_owned(), |entries| entries.to_string()),
            issuer.feed.as_deref().unwrap_or("-"),
            issuer.issuer,
        );
        [Some(line), issuer.last_error.as_ref().map(|error| format!("      {error}"))].into_iter().flatten()
    };
    issuers.iter().flat_map(lines).collect()
}

/// The same without a terminal.
pub(super) fn lines(view: &View) -> Vec<String> {
    let mut lines = vec![if view.ready { "ready".to_owned() } else { "not ready".to_owned() }];
    lines.extend(view.reasons.iter().cloned());
    lines.push(summary(view));
    lines.extend(
        view.refused
            .iter()
            .map(|refused| format!("refused       {:>9}  {}", refused.count, refused.reason())),
    );
    lines.extend(
        view.would_refuse
            .iter()
            .map(|refused| format!("would refuse  {:>9}  {}", refused.count, refused.reason())),
    );
    for route in &view.routes {
        let [name, count, _, p50, p99, not_passed] = route_cells(route);
        lines
            .push(format!("route         {count:>9}  {name}  p50 {p50}  p99 {p99}  not passed {not_passed}"));
    }
    for (heading, rest) in
        [(UPSTREAM_HEADING, upstream_lines(&view.upstreams)), (ISSUER_HEADING, issuer_lines(&view.issuers))]
    {
        lines.extend((!rest.is_empty()).then(|| heading.to_owned()));
        lines.extend(rest);
    }
    // What others have written is not to act on the terminal.
    lines.iter().map(|line| line.replace(char::is_control, "\u{fffd}")).collect()
}

fn rate(per_second: Option<f64>) -> String {
    per_second.map_or_else(|| "-".to_owned(), |rate| format!("{rate:.1}"))
}

fn millis(millis: Option<f64>) -> String {
    match millis {
        None => "-".to_owned(),
        Some(millis) if millis < 10.0 => format!("{millis:.2} ms"),
        Some(millis) => format!("{millis:.0} ms"),
    }
}

fn seconds(seconds: Option<f64>) -> String {
    seconds.map_or_else(|| "-".to_owned(), |seconds| format!("{seconds:.1} s"))
}

#[cfg(test)]
mod tests {
    use ratatui::Terminal;
    use ratatui::backend::TestBackend;
    use serde_json::json;

    use super::*;

    fn view() -> View {
        let overview = json!({
            "ready": false,
            "reasons": ["https://auth.example.com: its key set has not been fetched yet"],
            "checks": [{ "code": "invalid-token", "check": "wrong-audience", "refused": 7, "would_refuse": 5 }],
            "routes": [{
                "route": "/api/{id}",
                "methods": "GET",
                "requests": [{ "outcome": "passed", "status": "2xx", "count": 12 }],
                "seconds": { "places": [[0.001, 12]], "sum": 0.01 },
            }],
            "upstreams": [{ "name": "orders", "waiting": 3, "servers": [
                { "address": "127.0.0.1:9001", "state": "ejected", "state_seconds": 8, "in_flight": 0, "failures": 21 },
            ] }],
            "issuers": [{ "issuer": "https://auth.example.com\u{1b}[2J", "keys": 2, "key_set_age": 3.25 }],
        });
        View::new(&serde_json::from_value(overview).unwrap(), None)
    }

    #[test]
    fn everything_is_on_the_screen_whatever_its_size() {
        let mut shown = Shown::new("http://127.0.0.1:9090");
        for (width, height) in [(1, 1), (20, 5), (120, 30)] {
            let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
            terminal.draw(|frame| shown.draw(frame)).unwrap();
            shown.update(view());
            terminal.draw(|frame| shown.draw(frame)).unwrap();
            if width == 120 {
                let screen = terminal.backend().to_string();
                for part in [
                    "not ready",
                    "invalid-token: wrong-audience",
                    "not enforced: invalid-token",
                    "7",
                    "GET /api/{id}",
                    "12",
                    "3.2 s",
                    "has not been fetched",
                    "ejected   8 s",
                    "21",
                    "3 wait",
                ] {
                    assert!(screen.contains(part), "{part} is not in\n{screen}");
                }
            }
        }
    }

    #[test]
    fn plain_lines_say_the_same_and_move_no_cursor() {
        let text = lines(&view()).join("\n");
        for part in ["not ready", "7  invalid-token: wrong-audience", "GET /api/{id}", "p50 0.50 ms", "3.2 s"]
        {
            assert!(text.contains(part), "{part} is not in\n{text}");
        }
        assert!(!text.contains('\u{1b}'), "{text:?}");
    }
}
