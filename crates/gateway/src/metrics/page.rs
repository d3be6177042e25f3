//! The two text formats: Prometheus's own, version 0.0.4, and OpenMetrics 1.0.

use std::fmt::{Display, Write};

use crate::stats::Seconds;

/// What a page is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    Prometheus,
    OpenMetrics,
}

/// A page in the making: families one after the other, each with its values.
pub(super) struct Page {
    format: Format,
    text: String,
    /// The family's name as its values bear it.
    name: String,
}

impl Format {
    /// What a client wants that sends this in `Accept`.
    pub(crate) fn wanted(accept: &str) -> Self {
        let mut wanted = accept.split(',').filter_map(|range| range.split(';').next());
        match wanted.any(|media_type| media_type.trim().eq_ignore_ascii_case("application/openmetrics-text"))
        {
            true => Self::OpenMetrics,
            false => Self::Prometheus,
        }
    }

    pub(crate) fn media_type(self) -> &'static str {
        match self {
            Self::Prometheus => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

impl Page {
    pub(super) fn new(format: Format) -> Self {
        Self { format, text: String::with_capacity(8 * 1024), name: String::new() }
    }

    pub(super) fn gauge(&mut self, name: &str, help: &str) {
        self.family(name, name, "gauge", help);
    }

    /// Its values are those of `name` with `_total`.
    pub(super) fn counter(&mut self, name: &str, help: &str) {
        let total = format!("{name}_total");
        let family = if self.format == Format::OpenMetrics { name } else { &total };
        self.family(family, &total, "counter", help);
    }

    pub(super) fn histogram(&mut self, name: &str, help: &str) {
        self.family(name, name, "histogram", help);
    }

    fn family(&mut self, name: &str, of_values: &str, kind: &str, help: &str) {
        self.name = of_values.to_owned();
        let _ = writeln!(self.text, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    pub(super) fn value(&mut self, labels: &[(&str, &str)], value: impl Display) {
        self.line("", labels, value);
    }

    pub(super) fn distribution(&mut self, labels: &[(&str, &str)], seconds: &Seconds) {
        let mut count = 0;
        for (bound, here) in &seconds.places {
            count += here;
            let bound = bound.map_or_else(|| "+Inf".to_owned(), |bound| format!("{bound:?}"));
            self.line("_bucket", &[labels, &[("le", bound.as_str())]].concat(), count);
        }
        self.line("_sum", labels, seconds.sum);
        self.line("_count", labels, count);
    }

    fn line(&mut self, suffix: &str, labels: &[(&str, &str)], value: impl Display) {
        self.text.push_str(&self.name);
        self.text.push_str(suffix);
        for (at, (name, value)) in labels.iter().enumerate() {
            let before = if at == 0 { '{' } else { ',' };
            let _ = write!(self.text, "{before}{name}=\"{}\"", escaped(value));
        }
        if !labels.is_empty() {
            self.text.push('}');
        }
        let _ = writeln!(self.text, " {value}");
    }

    pub(super) fn end(mut self) -> String {
        if self.format == Format::OpenMetrics {
            self.text.push_str("# EOF\n");
        }
        self.text
    }
}

fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_in_either_format() {
        let page = |format| {
            let mut page = Page::new(format);
            page.counter("a", "Help.");
            page.value(&[("x", "1\"\\\n"), ("y", "")], 7);
            page.gauge("b", "Help.");
            page.value(&[], 0.5);
            page.histogram("c", "Help.");
            let places = vec![(Some(0.5), 1), (Some(1.0), 0), (None, 2)];
            page.distribution(&[("x", "1")], &Seconds { places, sum: 9.5 });
            page.end()
        };
        let same = "a_total{x=\"1\\\"\\\\\\n\",y=\"\"} 7\n\
            # HELP b Help.\n# TYPE b gauge\nb 0.5\n\
            # HELP c Help.\n# TYPE c histogram\n\
            c_bucket{x=\"1\",le=\"0.5\"} 1\nc_bucket{x=\"1\",le=\"1.0\"} 1\nc_bucket{x=\"1\",le=\"+Inf\"} 3\n\
            c_sum{x=\"1\"} 9.5\nc_count{x=\"1\"} 3\n";
        assert_eq!(page(Format::Prometheus), format!("# HELP a_total Help.\n# TYPE a_total counter\n{same}"));
        assert_eq!(page(Format::OpenMetrics), format!("# HELP a Help.\n# TYPE a counter\n{same}# EOF\n"));
    }

    #[test]
    fn which_format_is_wanted() {
        let cases = [
            ("", Format::Prometheus),
            ("*/*", Format::Prometheus),
            ("text/plain;version=0.0.4;q=0.5,*/*;q=0.1", Format::Prometheus),
            ("application/openmetrics-text;version=1.0.0;q=0.5, text/plain;q=0.2", Format::OpenMetrics),
        ];
        for (accept, want) in cases {
            assert_eq!(Format::wanted(accept), want, "{accept}");
        }
    }
}
