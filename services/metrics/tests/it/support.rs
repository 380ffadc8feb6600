//! The service without its log: a batch handler and a router over one database.

use std::sync::Arc;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{Request, StatusCode, header};
use bus::{Headers, Received};
use clap::Parser;
use contract::{MetricFact, Topic};
use futures::FutureExt as _;
use futures::future::BoxFuture;
use metrics::{AlertSettings, CountLetters, Figures};
use serde_json::Value;
use sqlx::PgPool;
use tower::ServiceExt as _;

#[derive(Parser)]
struct Settings {
    #[command(flatten)]
    alerts: AlertSettings,
}

/// This many dead letters; negative: the log does not answer.
struct TestLetters(i64);

impl CountLetters for TestLetters {
    fn count(&self) -> BoxFuture<'_, anyhow::Result<usize>> {
        let count = usize::try_from(self.0).map_err(anyhow::Error::new);
        async move { count }.boxed()
    }
}

fn router(pool: &PgPool, dead_letters: i64) -> Router {
    let thresholds = Settings::parse_from(["metrics"]).alerts;
    let letters = Arc::new(TestLetters(dead_letters));
    chassis::http::public(metrics::router(Figures::new(pool.clone(), thresholds, letters)))
}

/// An answer with its kind and its body.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) content_type: String,
    pub(crate) body: Value,
}

pub(crate) async fn request(pool: &PgPool, method: &str, path: &str) -> Answer {
    request_with(pool, 0, method, path).await
}

/// With this many dead letters in the log; negative: it does not answer.
pub(crate) async fn request_with(
    pool: &PgPool,
    dead_letters: i64,
    method: &str,
    path: &str,
) -> Answer {
    let request = Request::builder().method(method).uri(path).body(Body::empty()).unwrap();
    let response = router(pool, dead_letters).oneshot(request).await.unwrap();
    let status = response.status();
    let kind = response.headers().get(header::CONTENT_TYPE);
    let content_type = kind.map(|kind| kind.to_str().unwrap().to_owned()).unwrap_or_default();
    let bytes = to_bytes(response.into_body(), 1 << 20).await.unwrap();
    Answer { status, content_type, body: serde_json::from_slice(&bytes).unwrap_or_default() }
}

/// The figures of every channel over the last day.
pub(crate) async fn figures(pool: &PgPool) -> Value {
    let answer = request(pool, "GET", "/metrics/channels?window=24h").await;
    assert_eq!(answer.status, StatusCode::OK);
    answer.body
}

/// As the consumer hands it over.
pub(crate) fn received(fact: &MetricFact, partition: i32) -> (MetricFact, Received) {
    let received = Received {
        topic: Topic::Metrics,
        partition,
        offset: 0,
        key: String::new(),
        headers: Headers::default(),
        attempt: 1,
    };
    (fact.clone(), received)
}
