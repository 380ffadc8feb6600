//! Logs, traces and metrics of the process: the globals, installed once.

use std::io::IsTerminal as _;
use std::time::Duration;

use anyhow::Context as _;
use opentelemetry::global;
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_otlp::{WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::metrics::SdkMeterProvider;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer as _};

use crate::settings::{LogFormat, ProcessSettings};

/// Libraries that would log bodies, statements or noise are held down.
const DEFAULT_FILTER: &str = "info,async_openai=off,batch_aint_one=warn,librdkafka=warn,rdkafka=warn,sqlx=warn,hyper=warn,opentelemetry=warn";

/// How long the last export may take at shutdown.
const FLUSH: Duration = Duration::from_secs(5);

/// The installed providers; [`Telemetry::shut_down`] flushes them.
pub struct Telemetry {
    registry: prometheus::Registry,
    traces: Option<SdkTracerProvider>,
    metrics: SdkMeterProvider,
}

impl Telemetry {
    /// Installs logs on stderr, metrics for `/metrics`, and OTLP export when an
    /// endpoint is set. Called once a process.
    pub fn install(name: &'static str, settings: &ProcessSettings) -> anyhow::Result<Self> {
        let resource = Resource::builder().with_service_name(name).build();
        let registry = prometheus::Registry::new();
        let exporter = opentelemetry_prometheus::exporter()
            .with_registry(registry.clone())
            .scope_info_enabled(false)
            .build()
            .context("cannot install the metrics exporter")?;
        let mut metrics =
            SdkMeterProvider::builder().with_resource(resource.clone()).with_reader(exporter);
        let mut traces = None;
        if let Some(endpoint) = settings.otlp_endpoint.as_deref().filter(|e| !e.is_empty()) {
            metrics = metrics.with_periodic_exporter(
                opentelemetry_otlp::MetricExporter::builder()
                    .with_http()
                    .with_http_client(blocking_client()?)
                    .with_endpoint(format!("{}/v1/metrics", endpoint.trim_end_matches('/')))
                    .build()
                    .context("OTEL_EXPORTER_OTLP_ENDPOINT")?,
            );
            traces = Some(tracer_provider(endpoint, resource)?);
        }
        let metrics = metrics.build();
        global::set_meter_provider(metrics.clone());
        global::set_text_map_propagator(TraceContextPropagator::new());
        install_subscriber(settings.log_format, traces.as_ref())?;
        Ok(Self { registry, traces, metrics })
    }

    pub fn registry(&self) -> prometheus::Registry {
        self.registry.clone()
    }

    /// Exports what is left, within a bounded time.
    pub async fn shut_down(self) {
        let flushed = tokio::task::spawn_blocking(move || {
            // Nobody is left to hear of a failed last export.
            self.traces.as_ref().map(|traces| traces.shutdown_with_timeout(FLUSH).ok());
            self.metrics.shutdown_with_timeout(FLUSH).ok();
        });
        tokio::time::timeout(FLUSH * 2, flushed).await.ok();
    }
}

/// The exporters run on plain threads: an async client finds no reactor there
/// (open-telemetry/opentelemetry-rust#3125). Built aside, since a blocking
/// client must not be made inside the runtime.
fn blocking_client() -> anyhow::Result<reqwest::blocking::Client> {
    let built = std::thread::spawn(|| reqwest::blocking::Client::builder().timeout(FLUSH).build());
    let client = built.join().map_err(|_| anyhow::anyhow!("cannot make the export client"))?;
    client.context("cannot make the export client")
}

fn tracer_provider(endpoint: &str, resource: Resource) -> anyhow::Result<SdkTracerProvider> {
    let exporter = opentelemetry_otlp::SpanExporter::builder()
        .with_http()
        .with_http_client(blocking_client()?)
        .with_endpoint(format!("{}/v1/traces", endpoint.trim_end_matches('/')))
        .build()
        .context("OTEL_EXPORTER_OTLP_ENDPOINT")?;
    Ok(SdkTracerProvider::builder().with_resource(resource).with_batch_exporter(exporter).build())
}

fn install_subscriber(format: LogFormat, traces: Option<&SdkTracerProvider>) -> anyhow::Result<()> {
    let filter =
        EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(DEFAULT_FILTER));
    let text = match format {
        LogFormat::Auto => std::io::stderr().is_terminal(),
        LogFormat::Text => true,
        LogFormat::Json => false,
    };
    let logs = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let logs = if text {
        logs.compact().with_target(false).boxed()
    } else {
        logs.json().flatten_event(true).with_current_span(false).with_span_list(false).boxed()
    };
    let spans = traces.map(|provider| {
        tracing_opentelemetry::layer().with_tracer(provider.tracer("fte")).with_target(false)
    });
    tracing_subscriber::registry()
        .with(spans)
        .with(logs.with_filter(filter))
        .try_init()
        .context("telemetry is installed already")
}
