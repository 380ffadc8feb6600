//! A webhook under test, and a Pub/Sub that calls it.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Request};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use channels::pubsub::{Expected, Keys};
use chrono::{DateTime, Utc};
use contract::{DeadLetter, EmailBody, EmailInbound, MailboxNotification};
use gmail_ingress::{Ingress, Parts, router};
use opentelemetry::metrics::MeterProvider as _;
use opentelemetry_sdk::metrics::SdkMeterProvider;
use serde_json::{Value, json};
use testkit::RecordingPublisher;
use tower::ServiceExt as _;

use crate::google::{ACCOUNT, AUDIENCE, Certs, KEYS};

pub(crate) const PATH: &str = "/webhooks/gmail";
pub(crate) const OURS: &str = "support@example.com";

/// 2026-01-05T12:00:00Z.
pub(crate) const NOW: i64 = 1_767_614_400;

/// One replica.
pub(crate) struct App {
    pub(crate) router: Router,
    pub(crate) publisher: RecordingPublisher,
    pub(crate) certs: Certs,
    registry: prometheus::Registry,
    _meters: SdkMeterProvider,
    time: Arc<Mutex<DateTime<Utc>>>,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl App {
    pub(crate) async fn new() -> Self {
        Self::with(|_| ()).await
    }

    pub(crate) async fn with(change: impl FnOnce(&mut Parts)) -> Self {
        let (publisher, certs) = (RecordingPublisher::new(), Certs::start().await);
        let time = Arc::new(Mutex::new(DateTime::from_timestamp(NOW, 0).unwrap()));
        let now = Arc::clone(&time);
        let registry = prometheus::Registry::new();
        let exporter = opentelemetry_prometheus::exporter().with_registry(registry.clone());
        let meters = SdkMeterProvider::builder().with_reader(exporter.build().unwrap()).build();
        let mut parts = Parts {
            publisher: publisher.shared(),
            mailbox: OURS.to_owned(),
            subscription: None,
            expected: Expected {
                audience: AUDIENCE.to_owned(),
                service_account: ACCOUNT.to_owned(),
            },
            keys: Keys::new(certs.url()).unwrap(),
            clock: Arc::new(move || *now.lock().unwrap()),
            body_timeout: Duration::from_secs(5),
            meter: meters.meter("test"),
        };
        change(&mut parts);
        let router = chassis::http::public(router(Ingress::from(parts)));
        Self { router, publisher, certs, registry, _meters: meters, time }
    }

    pub(crate) fn advance(&self, seconds: i64) {
        *self.time.lock().unwrap() += chrono::TimeDelta::seconds(seconds);
    }

    pub(crate) async fn send(&self, request: Request<Body>) -> Answer {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = to_bytes(body, usize::MAX).await.unwrap();
        let body = String::from_utf8(body.to_vec()).expect("answers are UTF-8");
        Answer { status: parts.status.as_u16(), headers: parts.headers, body }
    }

    /// A push with a good token.
    pub(crate) async fn push(&self, body: impl Into<Body>) -> Answer {
        self.send(call(&KEYS[0].token(json!({})), body)).await
    }

    /// The usual push with this token.
    pub(crate) async fn with_token(&self, token: &str) -> Answer {
        self.send(call(token, push("1", 7))).await
    }

    pub(crate) fn notifications(&self) -> Vec<MailboxNotification> {
        let events: Vec<EmailInbound> = self.publisher.events();
        let notification = |event: EmailInbound| match event.body {
            EmailBody::Notification(notification) => notification,
            other => panic!("{other:?}"),
        };
        events.into_iter().map(notification).collect()
    }

    pub(crate) fn letters(&self) -> Vec<DeadLetter> {
        self.publisher.events()
    }

    /// Asserts that the log has nothing and was not even asked.
    #[track_caller]
    pub(crate) fn assert_nothing_published(&self) {
        assert_eq!(self.publisher.calls(), 0);
    }

    /// Whether a counter with this label stands at this value.
    #[track_caller]
    pub(crate) fn assert_counted(&self, name: &str, label: &str, value: u32) {
        let metrics =
            prometheus::TextEncoder::new().encode_to_string(&self.registry.gather()).unwrap();
        let found = metrics.lines().any(|line| {
            line.starts_with(&format!("{name}_total{{"))
                && line.contains(&format!("\"{label}\""))
                && line.ends_with(&format!(" {value}"))
        });
        assert!(found, "{name} {label} {value} is not in\n{metrics}");
    }
}

impl Answer {
    #[track_caller]
    pub(crate) fn assert_taken(&self) {
        assert_eq!((self.status, self.body.as_str()), (204, ""));
    }

    /// Asserts a problem document of this status.
    #[track_caller]
    pub(crate) fn assert_problem(&self, status: u16) {
        assert_eq!(self.status, status, "{}", self.body);
        assert_eq!(self.headers["content-type"], "application/problem+json");
        let problem: Value = serde_json::from_str(&self.body).unwrap();
        assert_eq!(problem["status"], status);
    }
}

pub(crate) fn call(token: &str, body: impl Into<Body>) -> Request<Body> {
    Request::post(PATH)
        .header("content-type", "application/json")
        .header("authorization", format!("Bearer {token}"))
        .header("user-agent", "CloudPubSub-Google")
        .body(body.into())
        .unwrap()
}

/// A push as Pub/Sub sends it.
pub(crate) fn push(id: &str, history_id: u64) -> String {
    let data = json!({ "emailAddress": OURS, "historyId": history_id.to_string() });
    push_of(id, data.to_string())
}

/// A push of any data.
pub(crate) fn push_of(id: &str, data: impl AsRef<[u8]>) -> String {
    let message = json!({
        "data": STANDARD.encode(data),
        "messageId": id,
        "message_id": id,
        "publishTime": "2026-01-05T11:59:59.749Z",
        "publish_time": "2026-01-05T11:59:59.749Z",
    });
    json!({ "message": message, "subscription": "projects/p/subscriptions/s" }).to_string()
}
