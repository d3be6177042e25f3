//! Spans on their way to a collector: OTLP over HTTP, in batches, by a thread that no request waits for.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use gatepass_gateway::{Span, SpanSink, SpanValue};
use opentelemetry::trace::{SpanContext, SpanId, SpanKind, Status, TraceFlags, TraceId, TraceState};
use opentelemetry::{InstrumentationScope, KeyValue, Value};
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{
    BatchConfigBuilder, BatchSpanProcessor, SpanData, SpanEvents, SpanLinks, SpanProcessor,
};

const SERVICE: &str = "gatepass-gateway";
/// For the collector's answer to a batch.
const EXPORT_LIMIT: Duration = Duration::from_secs(5);
/// How old a span gets before it is sent.
const DELAY: Duration = Duration::from_secs(1);

/// Exports spans until it is told to finish. What comes faster than it can be sent is dropped, which the log
/// says.
#[derive(Clone)]
pub(crate) struct Otlp {
    processor: Arc<BatchSpanProcessor>,
    scope: InstrumentationScope,
}

impl Otlp {
    /// `endpoint` takes traces. Header fields that a collector asks for come from the environment, as
    /// OpenTelemetry has it: `OTEL_EXPORTER_OTLP_HEADERS`.
    pub(crate) fn start(endpoint: &str) -> anyhow::Result<Self> {
        let exporter = SpanExporter::builder()
            .with_http()
            .with_endpoint(endpoint)
            .with_protocol(Protocol::HttpBinary)
            .with_timeout(EXPORT_LIMIT)
            .build()
            .with_context(|| format!("cannot export spans to {endpoint}"))?;
        let config = BatchConfigBuilder::default().with_scheduled_delay(DELAY).build();
        let mut processor = BatchSpanProcessor::builder(exporter).with_batch_config(config).build();
        let version = env!("CARGO_PKG_VERSION");
        let resource = Resource::builder()
            .with_service_name(SERVICE)
            .with_attribute(KeyValue::new("service.version", version));
        processor.set_resource(&resource.build());
        let scope = InstrumentationScope::builder(SERVICE).with_version(version).build();
        Ok(Self { processor: Arc::new(processor), scope })
    }

    /// Sends what is left.
    pub(crate) async fn finish(self) {
        let ended = tokio::task::spawn_blocking(move || self.processor.shutdown()).await;
        if let Ok(Err(error)) = ended {
            tracing::warn!(%error, "the last spans could not be exported");
        }
    }
}

impl SpanSink for Otlp {
    fn take(&self, span: Span) {
        self.processor.on_end(span_data(span, &self.scope));
    }
}

fn span_data(span: Span, scope: &InstrumentationScope) -> SpanData {
    let state = span.trace_state.and_then(|state| state.parse::<TraceState>().ok()).unwrap_or_default();
    let (trace_id, span_id) = (TraceId::from(span.trace_id), SpanId::from(span.span_id));
    let attributes = span.attributes.into_iter().map(|(name, value)| match value {
        SpanValue::Text(text) => KeyValue::new(name, text),
        SpanValue::Number(number) => KeyValue::new(name, Value::I64(number)),
    });
    SpanData {
        span_context: SpanContext::new(trace_id, span_id, TraceFlags::SAMPLED, false, state),
        parent_span_id: span.parent.map_or(SpanId::INVALID, SpanId::from),
        parent_span_is_remote: span.parent.is_some(),
        span_kind: SpanKind::Server,
        name: span.name.into(),
        start_time: span.start,
        end_time: span.end,
        attributes: attributes.collect(),
        dropped_attributes_count: 0,
        events: SpanEvents::default(),
        links: SpanLinks::default(),
        status: if span.failed { Status::error("") } else { Status::Unset },
        instrumentation_scope: scope.clone(),
    }
}
