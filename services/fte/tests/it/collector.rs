//! A collector of spans: what an OTLP endpoint is to the product.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::routing::post;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message as _;

/// Spans received so far.
#[derive(Clone, Default)]
pub(crate) struct Collector(Arc<Mutex<Vec<Span>>>);

impl Collector {
    /// Listens on a free port of this machine.
    pub(crate) async fn start() -> (Self, SocketAddr) {
        let collector = Self::default();
        let router = Router::new()
            .route("/v1/traces", post(receive))
            .route("/v1/metrics", post(async || ()))
            .with_state(collector.clone());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, router).await });
        (collector, address)
    }

    /// Names of the spans of the one trace that holds a span of this name.
    pub(crate) fn trace_with(&self, name: &str) -> Vec<String> {
        let spans = self.0.lock().unwrap();
        let Some(found) = spans.iter().find(|span| span.name == name) else { return Vec::new() };
        let same = spans.iter().filter(|span| span.trace_id == found.trace_id);
        same.map(described).collect()
    }
}

/// A span's name, and whose it is where the name alone does not say so.
fn described(span: &Span) -> String {
    let group = span.attributes.iter().find(|a| a.key == "messaging.consumer.group.name");
    let value = group.and_then(|attribute| attribute.value.clone()?.value);
    match value {
        Some(opentelemetry_proto::tonic::common::v1::any_value::Value::StringValue(group)) => {
            format!("{} {group}", span.name)
        }
        _ => span.name.clone(),
    }
}

async fn receive(State(collector): State<Collector>, body: Bytes) {
    let request = ExportTraceServiceRequest::decode(body).unwrap();
    let scopes = request.resource_spans.into_iter().flat_map(|resource| resource.scope_spans);
    collector.0.lock().unwrap().extend(scopes.flat_map(|scope| scope.spans));
}
