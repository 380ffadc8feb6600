//! The service without its log: a router over one database, and what it answers.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Request, StatusCode, header};
use bus::{BusError, Lag};
use contract::{ConversationId, Topic};
use futures::FutureExt as _;
use futures::future::BoxFuture;
use serde_json::Value;
use sqlx::PgPool;
use store::outbox::OutboxPublisher;
use support_api::{Desk, Files, Log, Parts};
use testkit::RecordingPublisher;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

pub(crate) const PROBLEM: &str = "application/problem+json";
pub(crate) const LISA: &str = "0123456789-lisa";
pub(crate) const JAMES: &str = "0123456789-james";
pub(crate) const TOKENS: &str = "lisa:0123456789-lisa-token,james:0123456789-james-token";

/// A log that answers, refuses or hangs.
#[derive(Debug, Default)]
pub(crate) struct TestLog {
    pub(crate) is_down: AtomicBool,
    pub(crate) hangs: AtomicBool,
    pub(crate) lag: i64,
}

impl TestLog {
    async fn answer<T>(&self, value: T) -> Result<T, BusError> {
        if self.hangs.load(Ordering::Relaxed) {
            std::future::pending::<()>().await;
        }
        if self.is_down.load(Ordering::Relaxed) {
            return Err(BusError::Unavailable(anyhow::anyhow!("broker 10.0.0.7 is away")));
        }
        Ok(value)
    }
}

impl Log for TestLog {
    fn ping(&self) -> BoxFuture<'_, Result<(), BusError>> {
        self.answer(()).boxed()
    }

    fn lag(&self) -> BoxFuture<'_, Result<Vec<Lag>, BusError>> {
        let lag = |partition| Lag {
            group: "agent".to_owned(),
            topic: Topic::TicketsIncoming,
            partition,
            committed: 0,
            end: self.lag,
        };
        self.answer(vec![lag(0), lag(1)]).boxed()
    }
}

/// The service with its parts in a test's hands.
pub(crate) struct Service {
    pub(crate) router: Router,
    pub(crate) publisher: RecordingPublisher,
    _stop: tokio_util::sync::DropGuard,
}

impl Service {
    pub(crate) fn new(pool: &PgPool) -> Self {
        Self::with(pool, TestLog::default(), TOKENS)
    }

    pub(crate) fn with(pool: &PgPool, log: TestLog, tokens: &str) -> Self {
        Self::of(pool, log, tokens, Files::new(None, None))
    }

    /// With the files of providers.
    pub(crate) fn with_files(pool: &PgPool, files: Files) -> Self {
        Self::of(pool, TestLog::default(), TOKENS, files)
    }

    fn of(pool: &PgPool, log: TestLog, tokens: &str, files: Files) -> Self {
        let publisher = RecordingPublisher::new();
        let (outbox, deleter) = OutboxPublisher::new(pool.clone(), publisher.shared());
        let stop = CancellationToken::new();
        tokio::spawn(deleter.run(stop.clone()));
        let desk = Desk::from(Parts {
            pool: pool.clone(),
            outbox,
            publisher: publisher.shared(),
            log: Arc::new(log),
            pipeline_test_timeout: Duration::from_secs(1),
            files,
        });
        let router = chassis::http::public(support_api::router(desk, tokens.parse().unwrap()));
        Self { router, publisher, _stop: stop.drop_guard() }
    }

    pub(crate) async fn send(&self, request: Request<Body>) -> Answer {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (status, headers) = (response.status(), response.headers().clone());
        let bytes = to_bytes(response.into_body(), 1 << 20).await.unwrap();
        let body = serde_json::from_slice(&bytes).unwrap_or_default();
        Answer { status, headers, body }
    }

    /// A request of Lisa's without a body.
    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(request("GET", path, LISA, None, Body::empty())).await
    }

    /// An action; `body` is JSON, or nothing when empty.
    pub(crate) async fn act(
        &self,
        operator: &str,
        id: ConversationId,
        action: &str,
        body: &str,
    ) -> Answer {
        self.act_with_key(operator, id, action, body, None).await
    }

    pub(crate) async fn act_with_key(
        &self,
        operator: &str,
        id: ConversationId,
        action: &str,
        body: &str,
        key: Option<&str>,
    ) -> Answer {
        let path = format!("/conversations/{id}/{action}");
        self.send(request("POST", &path, operator, key, Body::from(body.to_owned()))).await
    }
}

pub(crate) fn request(
    method: &str,
    path: &str,
    operator: &str,
    key: Option<&str>,
    body: Body,
) -> Request<Body> {
    let mut request = Request::builder()
        .method(method)
        .uri(path)
        .header(header::AUTHORIZATION, format!("Bearer {operator}-token"))
        .header(header::CONTENT_TYPE, "application/json");
    if let Some(key) = key {
        request = request.header("Idempotency-Key", key);
    }
    request.body(body).unwrap()
}

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Value,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The body of an answer with this status.
    #[track_caller]
    pub(crate) fn ok(self, status: u16) -> Value {
        assert_eq!(self.status.as_u16(), status, "{}", self.body);
        self.body
    }

    /// The body of a problem document with this status.
    #[track_caller]
    pub(crate) fn problem(self, status: u16) -> Value {
        assert_eq!(self.header("content-type"), PROBLEM, "{}", self.body);
        assert_eq!(self.body["status"], status);
        self.ok(status)
    }
}
