//! Spans and metrics of the test binary, kept where tests can read them.

use std::sync::{Mutex, OnceLock};

use opentelemetry::global;
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::metrics::SdkMeterProvider;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{SdkTracerProvider, SpanData, SpanExporter};
use prometheus::Registry;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer as _};

static REGISTRY: OnceLock<Registry> = OnceLock::new();
static SPANS: Mutex<Vec<SpanData>> = Mutex::new(Vec::new());

#[derive(Debug)]
struct Keep;

impl SpanExporter for Keep {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        SPANS.lock().unwrap().extend(batch.into_iter().filter(|span| group_of(span).is_some()));
        Ok(())
    }
}

fn group_of(span: &SpanData) -> Option<String> {
    let group = span.attributes.iter().find(|a| a.key.as_str() == "messaging.consumer.group.name");
    // Of the few groups that tests ask about, so that the others cost no memory.
    group.map(|group| group.value.to_string()).filter(|group| group.starts_with("traced"))
}

/// Installs it for the whole binary. Logs show on demand: `TEST_LOG=bus=debug`.
pub(crate) fn install() {
    REGISTRY.get_or_init(|| {
        let registry = Registry::new();
        let exporter = opentelemetry_prometheus::exporter().with_registry(registry.clone());
        let metrics = SdkMeterProvider::builder().with_reader(exporter.build().unwrap()).build();
        global::set_meter_provider(metrics);
        global::set_text_map_propagator(TraceContextPropagator::new());
        let tracer = SdkTracerProvider::builder().with_simple_exporter(Keep).build().tracer("test");
        let filter = std::env::var("TEST_LOG").unwrap_or_else(|_| "off".into());
        let logs = tracing_subscriber::fmt::layer().with_test_writer();
        tracing_subscriber::registry()
            .with(logs.with_filter(EnvFilter::new(filter)))
            .with(tracing_opentelemetry::layer().with_tracer(tracer))
            .init();
        registry
    });
}

/// The ended spans of a group whose name begins with `traced`.
pub(crate) fn spans_of(group: &str) -> Vec<SpanData> {
    let spans = SPANS.lock().unwrap();
    spans.iter().filter(|span| group_of(span).as_deref() == Some(group)).cloned().collect()
}

/// The lines of the scrape that name a group.
pub(crate) fn scrape_of(group: &str) -> Vec<String> {
    let families = REGISTRY.get().unwrap().gather();
    let text = prometheus::TextEncoder::new().encode_to_string(&families).unwrap();
    let label = format!("group=\"{group}\"");
    text.lines().filter(|line| line.contains(&label)).map(str::to_owned).collect()
}
