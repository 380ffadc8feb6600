//! A customer's files for a person: from the provider, and from nowhere else.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Request, StatusCode};
use axum::routing::{get, post};
use axum::{Json, Router};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use channels::gmail::{self, GmailClient};
use channels::handoff::addresses::system_lookup;
use channels::twilio::media::{self, MediaClient};
use channels::twilio::webhook::Ours;
use contract::ConversationId;
use emulators::twilio::{self as emulator, Inbound, InboundMedia, TwilioEmulator};
use serde_json::{Value, json};
use sqlx::PgPool;
use support_api::Files;
use tokio::net::TcpListener;
use tower::ServiceExt as _;
use uuid::Uuid;

use crate::rows;
use crate::support::{LISA, Service, request};

const PNG: &[u8] = b"\x89PNG\r\n\x1a\n and what follows";

/// A message with one attachment, and who serves it.
struct World {
    service: Service,
    id: ConversationId,
    message: Uuid,
}

struct File {
    status: StatusCode,
    headers: HeaderMap,
    bytes: Option<Vec<u8>>,
}

impl World {
    async fn new(pool: &PgPool, files: Files, attachments: Value) -> Self {
        let id = rows::conversation(pool, "a", 1).await;
        let message = sqlx::query_scalar("update messages set attachments = $1 returning id")
            .bind(attachments)
            .fetch_one(pool)
            .await
            .unwrap();
        Self { service: Service::with_files(pool, files), id, message }
    }

    fn path(&self, n: &str) -> String {
        format!("/conversations/{}/messages/{}/attachments/{n}", self.id, self.message)
    }

    async fn fetch(&self) -> File {
        let request = request("GET", &self.path("0"), LISA, None, Body::empty());
        let response = self.service.router.clone().oneshot(request).await.unwrap();
        let (status, headers) = (response.status(), response.headers().clone());
        let bytes = to_bytes(response.into_body(), 64 << 20).await.ok().map(|b| b.to_vec());
        File { status, headers, bytes }
    }
}

impl File {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

fn media_client(base_url: &str, allows_loopback: bool) -> Option<MediaClient> {
    let account = emulator::Settings::default();
    MediaClient::new(media::Settings {
        ours: Ours {
            account_sid: account.account_sid,
            address: account.sender,
            api_base_url: base_url.to_owned(),
        },
        auth_token: account.auth_token.into(),
        allows_loopback,
        retry_pauses: [Duration::from_millis(1); 3],
        lookup: system_lookup(),
    })
}

/// A file that a customer sent: its reference as the resolver stores it.
async fn sent(twilio: &TwilioEmulator, content_type: &str, bytes: &[u8]) -> Value {
    let file = InboundMedia {
        content_type: content_type.to_owned(),
        content_base64: STANDARD.encode(bytes),
    };
    // The URL that the webhook names.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let seen = Arc::new(Mutex::new(String::new()));
    let body = Arc::clone(&seen);
    let hook = post(async move |form: String| *body.lock().unwrap() = form);
    twilio.set_webhook(format!("http://{}/", listener.local_addr().unwrap()));
    tokio::spawn(async { axum::serve(listener, Router::new().route("/", hook)).await });
    let from = "+14155550123".to_owned();
    twilio.inbound(Inbound { from, media: vec![file], ..Inbound::default() }).await;
    let form = seen.lock().unwrap().clone();
    let url = form.split('&').find_map(|pair| pair.strip_prefix("MediaUrl0=")).unwrap();
    let url = url.replace("%3A", ":").replace("%2F", "/");
    json!([{"kind": "image", "url": url, "content_type": content_type}])
}

async fn twilio() -> TwilioEmulator {
    TwilioEmulator::start(emulator::Settings::default()).await.unwrap()
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn a_persons_download_comes_through_the_redirect_without_our_credentials(pool: PgPool) {
    let twilio = twilio().await;
    let attachments = sent(&twilio, "image/png", PNG).await;
    let files = Files::new(media_client(&twilio.base_url(), true), None);
    let world = World::new(&pool, files, attachments).await;

    let file = world.fetch().await;

    assert_eq!(file.status, 200);
    // The emulator's store refuses whoever carries credentials there.
    assert_eq!(file.bytes.as_deref(), Some(PNG));
    assert_eq!(file.header("content-type"), "image/png");
    assert_eq!(file.header("x-content-type-options"), "nosniff");
    assert_eq!(file.header("content-disposition"), "attachment; filename*=UTF-8''image%2D0%2Epng");
    let view = world.service.get(&format!("/conversations/{}", world.id)).await.ok(200);
    let shown = &view["messages"][0]["attachments"][0];
    assert_eq!((&shown["kind"], &shown["url"]), (&json!("image"), &Value::Null));
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn a_file_that_is_not_what_it_says_is_served_as_bytes(pool: PgPool) {
    let twilio = twilio().await;
    let attachments = sent(&twilio, "image/png", b"<html><script>alert(1)</script>").await;
    let files = Files::new(media_client(&twilio.base_url(), true), None);

    let file = World::new(&pool, files, attachments).await.fetch().await;

    assert_eq!(file.header("content-type"), "application/octet-stream");
    assert!(file.header("content-disposition").starts_with("attachment"));
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn a_url_on_another_host_is_never_asked(pool: PgPool) {
    let other = twilio().await;
    let ours = twilio().await;
    let attachments = sent(&other, "image/png", PNG).await;
    let before = other.requests().len();
    let files = Files::new(media_client(&ours.base_url(), true), None);

    let file = World::new(&pool, files, attachments).await.fetch().await;

    assert_eq!(file.status, 404);
    assert_eq!((other.requests().len(), ours.requests().len()), (before, 0));
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn a_redirect_to_an_address_inside_is_not_followed(pool: PgPool) {
    let twilio = twilio().await;
    let attachments = sent(&twilio, "image/png", PNG).await;
    let files = Files::new(media_client(&twilio.base_url(), true), None);
    let world = World::new(&pool, files, attachments).await;

    for inside in ["https://10.0.0.1/x", "http://169.254.169.254/latest", "https://[fd00::1]/"] {
        twilio.set_media_place(inside);
        let file = world.fetch().await;

        assert_eq!(file.status, 502, "{inside}");
        let problem = String::from_utf8(file.bytes.unwrap()).unwrap();
        assert!(problem.contains("an address that is not fetched from"), "{problem}");
    }
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn a_file_that_is_not_there_yet_is_asked_for_three_times_more(pool: PgPool) {
    let twilio = twilio().await;
    let attachments = sent(&twilio, "image/png", PNG).await;
    let files = Files::new(media_client(&twilio.base_url(), true), None);
    let world = World::new(&pool, files, attachments).await;

    twilio.delay_media(3);
    let late = world.fetch().await.status;
    twilio.delay_media(4);
    let never = world.fetch().await.status;

    assert_eq!((late.as_u16(), never.as_u16()), (200, 404));
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn a_file_of_more_than_16_mib_is_not_passed_on(pool: PgPool) {
    let twilio = twilio().await;
    let attachments = sent(&twilio, "image/png", PNG).await;
    let files = Files::new(media_client(&twilio.base_url(), true), None);
    let world = World::new(&pool, files, attachments).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    let chunks = || futures::stream::repeat_with(|| Ok::<_, std::io::Error>(vec![0_u8; 1 << 16]));
    let store = Router::new()
        .route("/said", get(async || vec![0_u8; (16 << 20) + 1]))
        .route("/endless", get(async move || Body::from_stream(chunks())));
    tokio::spawn(async { axum::serve(listener, store).await });

    twilio.set_media_place(format!("{origin}/said"));
    let said = world.fetch().await;
    twilio.set_media_place(format!("{origin}/endless"));
    let endless = world.fetch().await;

    assert_eq!(said.status, 502);
    assert_eq!((endless.status.as_u16(), endless.bytes), (200, None), "it breaks off");
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn a_mails_file_is_read_from_the_mail(pool: PgPool) {
    let mail = format!(
        "From: sam@example.org\r\nTo: support@example.com\r\nMIME-Version: 1.0\r\n\
         Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain\r\n\r\n\
         see the file\r\n--b\r\nContent-Type: application/pdf; name=\"bill.pdf\"\r\n\
         Content-Disposition: attachment; filename=\"bill.pdf\"\r\n\
         Content-Transfer-Encoding: base64\r\n\r\n{}\r\n--b--\r\n",
        STANDARD.encode(b"%PDF-1.7 bill")
    );
    let part = (0..9).find(|part| {
        channels::email::attachment(mail.as_bytes(), *part).is_some_and(|f| f.name == "bill.pdf")
    });
    let raw = URL_SAFE.encode(&mail);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    let message = async move || {
        Json(json!({"id": "18f", "threadId": "18f", "internalDate": "1767605400000", "raw": raw}))
    };
    let token = async || Json(json!({"access_token": "x", "expires_in": 3599}));
    let google = Router::new()
        .route("/gmail/v1/users/me/messages/18f", get(message))
        .route("/token", post(token));
    tokio::spawn(async { axum::serve(listener, google).await });
    let client = GmailClient::new(&gmail::Settings {
        client_id: "x".into(),
        client_secret: "x".into(),
        refresh_token: "x".into(),
        api_base_url: origin.clone(),
        token_url: format!("{origin}/token"),
        allows_loopback: true,
        request_limit: Duration::from_secs(5),
        units_per_minute: 200,
    });
    let reference = json!([{"kind": "file", "name": "bill.pdf", "content_type": "application/pdf",
                            "gmail_id": "18f", "part": part}]);

    let file = World::new(&pool, Files::new(None, client.ok()), reference).await.fetch().await;

    assert_eq!(
        (file.status.as_u16(), file.bytes.as_deref()),
        (200, Some(b"%PDF-1.7 bill".as_slice()))
    );
    assert_eq!(file.header("content-type"), "application/pdf");
    assert_eq!(file.header("content-disposition"), "attachment; filename*=UTF-8''bill%2Epdf");
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn only_an_operator_gets_a_file_and_only_one_that_is_there(pool: PgPool) {
    let world =
        World::new(&pool, Files::new(None, None), json!([{"kind": "location", "latitude": 1.0}]))
            .await;

    let anonymous = Request::get(world.path("0")).body(Body::empty()).unwrap();
    world.service.send(anonymous).await.problem(401);
    for n in ["0", "1", "65535"] {
        world.service.get(&world.path(n)).await.problem(404);
    }
    for n in ["-1", "65536", "x"] {
        let status = world.service.get(&world.path(n)).await.status.as_u16();
        assert!([404, 422].contains(&status), "{n}: {status}");
    }
}
