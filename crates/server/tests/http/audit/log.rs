//! All that the issuer and its server say in the log, on the thread of one test.

use std::cell::RefCell;
use std::fmt::{Debug, Write as _};
use std::sync::{Arc, Mutex, Once};

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

thread_local! {
    /// Whose test runs on this thread.
    static HEARS: RefCell<Option<Log>> = const { RefCell::new(None) };
}

/// Hears everything, for the test on whose thread it is said. There is one for all threads: `tracing` asks once whether anybody
/// wants to hear what is said at a place in the source, and may ask on the thread of a test that does not.
struct Everybody;

/// What was said, and what must not have been.
#[derive(Clone, Default)]
pub(super) struct Log(Arc<Mutex<Said>>);

#[derive(Default)]
struct Said {
    /// The events of the target `gatepass::audit` that nobody has taken yet.
    events: Vec<String>,
    /// Every word, of spans and other targets too.
    all: String,
    names: Vec<(String, &'static str)>,
    secrets: Vec<String>,
}

/// Ends the hearing.
pub(super) struct Hearing;

impl Drop for Hearing {
    fn drop(&mut self) {
        HEARS.take();
    }
}

impl Log {
    /// One that hears nothing yet.
    pub(super) fn new() -> Self {
        static INSTALL: Once = Once::new();
        INSTALL.call_once(|| tracing::subscriber::set_global_default(Everybody).expect("the only one"));
        Self::default()
    }

    /// Hears of everything that is logged on this thread.
    pub(super) fn start(&self) -> Hearing {
        HEARS.set(Some(self.clone()));
        tracing::callsite::rebuild_interest_cache();
        Hearing
    }

    /// Lets events say `name` in the place of something that is another each time.
    pub(super) fn name(&self, text: &str, name: &'static str) {
        self.0.lock().unwrap().names.push((text.to_owned(), name));
    }

    /// This is not to be logged, before or after.
    pub(super) fn hide(&self, secret: &str) {
        if !secret.is_empty() {
            self.0.lock().unwrap().secrets.push(secret.to_owned());
        }
    }

    /// The events since the last time: `event|field=value|…`, in the order of the source.
    pub(super) fn take(&self) -> Vec<String> {
        let mut said = self.0.lock().unwrap();
        let events = std::mem::take(&mut said.events);
        let named = |event: &String| {
            said.names.iter().fold(event.clone(), |event, (text, name)| event.replace(text, name))
        };
        events.iter().map(named).collect()
    }

    #[track_caller]
    pub(super) fn require_no_secret(&self) {
        let said = self.0.lock().unwrap();
        assert!(
            said.all.contains("event=login") || said.all.contains("event=sign-on"),
            "it hears what is logged"
        );
        assert!(said.secrets.len() > 3, "{}", said.secrets.len());
        for secret in &said.secrets {
            let lines: Vec<_> = said.all.lines().filter(|line| line.contains(secret)).collect();
            assert!(lines.is_empty(), "{secret} is logged: {lines:#?}");
        }
    }
}

/// Writes `name=value` of each field.
struct Fields(Vec<String>);

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.push(format!("{}={value}", field.name()));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.0.push(format!("{}={value:?}", field.name()));
    }
}

impl Log {
    /// Tells whoever hears this thread.
    fn tell(target: &str, record: impl FnOnce(&mut Fields)) {
        let Some(log) = HEARS.with_borrow(Clone::clone) else { return };
        let mut fields = Fields(Vec::new());
        record(&mut fields);
        let mut said = log.0.lock().unwrap();
        let _ = writeln!(said.all, "{target} {}", fields.0.join(" "));
        if target == "gatepass::audit" {
            let event = fields.0.join("|");
            said.events.push(event.strip_prefix("event=").unwrap_or(&event).to_owned());
        }
    }
}

impl Subscriber for Everybody {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("gatepass")
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        Log::tell("span", |fields| span.record(fields));
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, values: &Record<'_>) {
        Log::tell("span", |fields| values.record(fields));
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        Log::tell(event.metadata().target(), |fields| event.record(fields));
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}
