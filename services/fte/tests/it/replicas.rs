//! Two of everything on one database and one log, and webhooks that come to both.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::to_bytes;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::http::header::{CONTENT_LENGTH, HOST};
use emulators::gmail::Inbound as Mail;
use emulators::twilio::{Inbound, Settings, TwilioEmulator};
use futures::future::join_all;
use testkit::wait_within;
use tokio::net::TcpListener;

use crate::customer::ANSWER_LIMIT;
use crate::google::Mailbox;
use crate::product::{Product, data_folder};

/// What stands before the replicas: whatever comes goes to every target at once.
struct Spreader {
    url: String,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    http: reqwest::Client,
    targets: Mutex<Vec<String>>,
    /// What they answered.
    statuses: Mutex<Vec<StatusCode>>,
}

impl Spreader {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let shared = Arc::new(Shared::default());
        let router = Router::new().fallback(spread).with_state(Arc::clone(&shared));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, shared }
    }
}

/// Answers as the worst of them.
async fn spread(State(shared): State<Arc<Shared>>, request: Request) -> StatusCode {
    let (mut head, body) = request.into_parts();
    let body = to_bytes(body, usize::MAX).await.unwrap();
    head.headers.remove(HOST);
    head.headers.remove(CONTENT_LENGTH);
    let targets = shared.targets.lock().unwrap().clone();
    let calls = targets.iter().map(|target| {
        let call = shared.http.request(head.method.clone(), format!("{target}{}", head.uri));
        call.headers(head.headers.clone()).body(body.clone()).send()
    });
    let answers = join_all(calls).await.into_iter();
    let statuses: Vec<_> = answers.map(|answer| answer.unwrap().status()).collect();
    shared.statuses.lock().unwrap().extend(&statuses);
    statuses.into_iter().max().unwrap_or(StatusCode::SERVICE_UNAVAILABLE)
}

#[tokio::test]
async fn on_kafka_a_webhook_three_times_at_once_on_two_replicas_is_one_message_and_one_reply() {
    one_of_each("kafka").await;
}

#[tokio::test]
async fn on_the_postgres_log_a_webhook_three_times_at_once_on_two_replicas_is_one_reply() {
    one_of_each("postgres").await;
}

#[test]
fn the_sweep_asks_about_the_group_that_stores_messages() {
    assert_eq!(whatsapp_ingress::RESOLVER, identity_resolver::SERVICE);
}

async fn one_of_each(bus: &str) {
    let spreader = Spreader::start().await;
    let mailbox = Mailbox::start("support@example.com").await;
    let account = Settings {
        webhook_url: Some(format!("{}/webhooks/whatsapp", spreader.url)),
        has_window: true,
        ..Settings::default()
    };
    let twilio = TwilioEmulator::start(account.clone()).await.unwrap();
    let mut environment = mailbox.environment();
    environment.extend([
        ("TWILIO_ACCOUNT_SID", account.account_sid),
        ("TWILIO_AUTH_TOKEN", account.auth_token),
        ("TWILIO_WHATSAPP_FROM", account.sender),
        ("TWILIO_API_BASE_URL", twilio.base_url()),
        ("PUBLIC_BASE_URL", spreader.url.clone()),
    ]);
    let first = replica(bus, &environment).await;
    for name in ["DATABASE_URL", "KAFKA_BOOTSTRAP_SERVERS"] {
        environment.extend(first.variable(name).map(|value| (name, value)));
    }
    let second = replica(bus, &environment).await;
    let (one, two) = (first.url.clone(), second.url.clone());
    *spreader.shared.targets.lock().unwrap() = vec![one.clone(), two, one];
    mailbox.push_to(&spreader.url);

    let question = "How do I export my board to CSV?";
    let inbound =
        Inbound { from: "+14155550123".into(), body: question.into(), ..Inbound::default() };
    let delivered = twilio.inbound(inbound).await;
    assert!(delivered.is_delivered, "{delivered:?}");
    let mail = Mail {
        from: "Sam Doe <sam@example.org>".into(),
        subject: "Export".into(),
        text: question.into(),
        ..Mail::default()
    };
    mailbox.emulator.inbound(&mail).unwrap();

    let database = first.database().await;
    let count = async |query: &'static str| -> i64 {
        sqlx::query_scalar(query).fetch_one(&database).await.unwrap()
    };
    wait_within(2 * ANSWER_LIMIT, "both to be answered", async || {
        let done = "select count(distinct outlet) from deliveries
            where (select bool_and(state = case outlet when 'email' then 'accepted'
                else 'delivered' end) from deliveries)";
        count(done).await == 2
    })
    .await;
    wait_within(ANSWER_LIMIT, "nothing to be left to do", async || {
        first.command(&["lag", "--expect-zero"]).await.status.success()
    })
    .await;

    let parts = count("select count(*) from deliveries where outlet = 'whatsapp'").await;
    assert_eq!(i64::try_from(twilio.sent().len()).unwrap(), parts, "{:#?}", twilio.sent());
    assert_eq!(mailbox.emulator.sent().len(), 1, "{:#?}", mailbox.emulator.sent());
    for table in [
        "select count(*) from conversations",
        "select count(*) from messages",
        "select count(*) from turns",
        "select count(distinct reply_id) from deliveries having max(attempt) = 1",
    ] {
        assert_eq!(count(table).await, 2, "one for each channel: {table}");
    }
    let statuses = spreader.shared.statuses.lock().unwrap().clone();
    assert!(statuses.len() >= 6 && statuses.iter().all(StatusCode::is_success), "{statuses:?}");
}

async fn replica(bus: &str, environment: &[(&str, String)]) -> Product {
    let environment: Vec<_> =
        environment.iter().map(|(name, value)| (*name, value.as_str())).collect();
    Product::start_with(data_folder(), &["--bus", bus], &environment).await
}
