//! An ingress under test, and requests to it.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::ConnectInfo;
use axum::http::header::{ACCEPT, CONTENT_TYPE};
use axum::http::{HeaderMap, Request, StatusCode};
use chassis::status_token::StatusTokens;
use chrono::{DateTime, Utc};
use contract::WebformInbound;
use serde_json::{Value, json};
use sqlx::PgPool;
use store::ticket_refs::TicketRefs;
use testkit::RecordingPublisher;
use tower::ServiceExt as _;
use webform_ingress::{BODY_TIMEOUT, Ingress, Limits, LinkHosts, Parts, Ticker, router};

pub(crate) const BROWSER: &str = "text/html,application/xhtml+xml,*/*;q=0.8";

/// One replica.
pub(crate) struct App {
    pub(crate) ingress: Ingress,
    pub(crate) router: Router,
    pub(crate) publisher: RecordingPublisher,
    time: Arc<Mutex<DateTime<Utc>>>,
    seconds: Arc<AtomicU64>,
}

/// What came back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl App {
    /// A replica without limits, at noon, with its first block of refs.
    pub(crate) async fn new(pool: &PgPool) -> Self {
        Self::with(pool, "off", |_| ()).await
    }

    pub(crate) async fn with(pool: &PgPool, limits: &str, change: impl FnOnce(&mut Parts)) -> Self {
        let app = Self::without_refs(pool, limits, change);
        app.refill().await.unwrap();
        app
    }

    pub(crate) fn without_refs(
        pool: &PgPool,
        limits: &str,
        change: impl FnOnce(&mut Parts),
    ) -> Self {
        crate::logs::install();
        let publisher = RecordingPublisher::new();
        let time = Arc::new(Mutex::new("2026-01-05T12:00:00.250Z".parse().unwrap()));
        let seconds = Arc::new(AtomicU64::new(1_000));
        let (now, ticks) = (Arc::clone(&time), Arc::clone(&seconds));
        let ticker = Ticker::new(move || Duration::from_secs(ticks.load(Ordering::Relaxed)));
        let mut parts = Parts {
            pool: pool.clone(),
            publisher: publisher.shared(),
            refs: TicketRefs::default(),
            tokens: StatusTokens::new(b"a secret of at least 32 characters", None).unwrap(),
            limits: Limits::new(limits.parse().unwrap(), ticker),
            trusted_proxies: Vec::new(),
            link_hosts: LinkHosts::new(["taskflow.example".to_owned()]),
            clock: Arc::new(move || *now.lock().unwrap()),
            body_timeout: BODY_TIMEOUT,
        };
        change(&mut parts);
        let ingress = Ingress::from(parts);
        let router = chassis::http::public(router(ingress.clone()));
        Self { ingress, router, publisher, time, seconds }
    }

    pub(crate) async fn refill(&self) -> Result<(), store::Error> {
        self.ingress.refs.refill(&self.ingress.pool, self.now()).await
    }

    pub(crate) fn now(&self) -> DateTime<Utc> {
        *self.time.lock().unwrap()
    }

    pub(crate) fn set_time(&self, text: &str) {
        *self.time.lock().unwrap() = text.parse().unwrap();
    }

    /// Moves the limits' clock.
    pub(crate) fn pass_seconds(&self, seconds: u64) {
        self.seconds.fetch_add(seconds, Ordering::Relaxed);
    }

    pub(crate) async fn send(&self, request: Request<Body>) -> Answer {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = to_bytes(body, usize::MAX).await.unwrap();
        let body = String::from_utf8(body.to_vec()).expect("answers are UTF-8");
        Answer { status: parts.status, headers: parts.headers, body }
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(Request::get(path).body(Body::empty()).unwrap()).await
    }

    pub(crate) async fn page(&self, path: &str) -> Answer {
        self.send(Request::get(path).header(ACCEPT, BROWSER).body(Body::empty()).unwrap()).await
    }

    pub(crate) async fn submit(&self, body: &Value) -> Answer {
        self.send(post("/support/submit", body)).await
    }

    pub(crate) async fn submit_form(&self, body: &str) -> Answer {
        self.send(post_form("/support/submit", body)).await
    }

    /// Submits and returns the status URL.
    pub(crate) async fn ticket(&self) -> String {
        let answer = self.submit(&question()).await;
        assert_eq!(answer.status, StatusCode::ACCEPTED, "{answer:?}");
        answer.json()["status_url"].as_str().unwrap().to_owned()
    }

    pub(crate) fn events(&self) -> Vec<WebformInbound> {
        self.publisher.events()
    }
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The 422's fields, in order.
    pub(crate) fn wrong_fields(&self) -> Vec<String> {
        assert_eq!(self.status, StatusCode::UNPROCESSABLE_ENTITY, "{}", self.body);
        let problem = self.json();
        let errors = problem["errors"].as_array().unwrap();
        errors.iter().map(|error| error["field"].as_str().unwrap().to_owned()).collect()
    }

    /// Asserts a problem document of this status.
    #[track_caller]
    pub(crate) fn assert_problem(&self, status: u16) {
        assert_eq!(self.status.as_u16(), status, "{}", self.body);
        assert_eq!(self.header("content-type"), "application/problem+json");
        assert_eq!(self.json()["status"], status);
        assert!(self.json()["title"].is_string() && self.json()["detail"].is_string());
    }
}

/// A valid submission.
pub(crate) fn question() -> Value {
    json!({
        "name": "Sam Doe",
        "email": "sam@example.org",
        "subject": "How do I export a board",
        "message": "I want my board as a file, how do I do that?",
        "plan": "pro",
    })
}

/// The valid submission with one member changed.
pub(crate) fn question_with(field: &str, value: impl Into<Value>) -> Value {
    let mut body = question();
    body[field] = value.into();
    body
}

pub(crate) const FORM: &str = "name=Sam+Doe&email=sam%40example.org&subject=How+do+I+export+a+board\
    &message=I+want+my+board+as+a+file%2C+how+do+I+do+that%3F&category=&priority=&plan=pro";

pub(crate) fn post(path: &str, body: &Value) -> Request<Body> {
    post_raw(path, "application/json", body.to_string())
}

pub(crate) fn post_form(path: &str, body: &str) -> Request<Body> {
    post_raw(path, "application/x-www-form-urlencoded", body.to_owned())
}

pub(crate) fn post_raw(path: &str, kind: &str, body: impl Into<Body>) -> Request<Body> {
    Request::post(path).header(CONTENT_TYPE, kind).body(body.into()).unwrap()
}

/// The request with one header more.
pub(crate) fn and(mut request: Request<Body>, name: &'static str, value: &str) -> Request<Body> {
    request.headers_mut().append(name, value.parse().unwrap());
    request
}

/// The request as it comes from this address.
pub(crate) fn from(mut request: Request<Body>, ip: &str) -> Request<Body> {
    let address = SocketAddr::new(ip.parse().unwrap(), 40_000);
    request.extensions_mut().insert(ConnectInfo(address));
    request
}

/// What identity-resolver, agent and dispatcher would have written by now.
pub(crate) mod rows {
    use contract::{ConversationId, WebformBody, WebformInbound};
    use sqlx::PgPool;

    /// Stores the event's ticket with its first message.
    pub(crate) async fn store(pool: &PgPool, event: &WebformInbound) -> ConversationId {
        let WebformBody::Submission(submission) = &event.body else { panic!("a submission") };
        let ticket = event.ticket_ref.as_str();
        let conversation = ConversationId::named(&format!("webform:{ticket}"));
        sqlx::query(
            "with customer as (
                 insert into customers (id, name) values (gen_random_uuid(), $3) returning id),
             conversation as (
                 insert into conversations (id, channel, thread_key, customer_id, identity_level)
                 select $1, 'web_form', $2, id, 'self_asserted' from customer)
             insert into tickets (ref, conversation_id, subject, respond_by)
             values ($2, $1, $4, timestamptz '2026-01-05 16:00:00Z')",
        )
        .bind(conversation.as_uuid())
        .bind(ticket)
        .bind(&submission.name)
        .bind(&submission.subject)
        .execute(pool)
        .await
        .unwrap();
        add(pool, conversation, event, &submission.message).await;
        conversation
    }

    /// Stores a message of the customer.
    pub(crate) async fn add(
        pool: &PgPool,
        conversation: ConversationId,
        event: &WebformInbound,
        text: &str,
    ) {
        sqlx::query(
            "with counted as (
                 update conversations set last_seq = last_seq + 1, updated_at = $4
                 where id = $1 returning last_seq)
             insert into messages (id, conversation_id, seq, channel, provider_id, body, sent_at, stored_at)
             select gen_random_uuid(), $1, last_seq, 'web_form', $2, $3, $4, $4 from counted",
        )
        .bind(conversation.as_uuid())
        .bind(event.meta.event_id.to_string())
        .bind(text)
        .bind(event.meta.event_time)
        .execute(pool)
        .await
        .unwrap();
    }

    /// Answers everything so far; `author` is agent, system or person.
    pub(crate) async fn answer(
        pool: &PgPool,
        conversation: ConversationId,
        author: &str,
        name: &str,
        text: &str,
    ) {
        sqlx::query(
            "with handled as (
                 update conversations set handled_seq = last_seq where id = $1
                 returning last_seq, updated_at),
             outcome as (
                 update messages set outcome = 'answered'
                 where conversation_id = $1 and outcome is null)
             insert into deliveries (id, conversation_id, outlet, reply_id, part, author, author_name,
                                     owner_epoch, first_seq, last_seq, body, state, accepted_at)
             select gen_random_uuid(), $1, 'web_form', gen_random_uuid(), 0, $2, $3, 0, 1, last_seq,
                    $4, 'accepted', updated_at + interval '1 s'
             from handled",
        )
        .bind(conversation.as_uuid())
        .bind(author)
        .bind(name)
        .bind(text)
        .execute(pool)
        .await
        .unwrap();
    }

    pub(crate) async fn set(pool: &PgPool, statement: &'static str) {
        sqlx::raw_sql(statement).execute(pool).await.unwrap();
    }
}
