//! Gmail through its own door, by a client that knows only the contract.

mod access;
mod mailbox;
mod pushing;

use std::sync::{Arc, Mutex};

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use axum::{Json, Router};
use emulators::gmail::{Account, GmailEmulator, Inbound, Settings};
use reqwest::Method;
use serde_json::Value;

const MAILBOX: &str = "support@example.com";
const ANA: &str = "ana@example.org";
const TOPIC: &str = "projects/fte-test/topics/gmail";

/// Our mailbox, with an alias, and a customer's.
fn settings() -> Settings {
    let mut settings = Settings::default();
    settings.mailboxes[0].aliases.push("help@example.com".to_owned());
    settings.mailboxes.push(Account::new(ANA, "1//refresh-ana"));
    settings
}

async fn emulator() -> GmailEmulator {
    GmailEmulator::start(settings()).await.unwrap()
}

/// Whoever has one of the mailboxes open.
struct Owner {
    base: String,
    token: String,
}

impl Owner {
    async fn of(emulator: &GmailEmulator, refresh_token: &str) -> Self {
        let answer = token(emulator, refresh_token).await;
        let token = answer["access_token"].as_str().unwrap().to_owned();
        Self { base: format!("{}/gmail/v1/users/me", emulator.base_url()), token }
    }

    async fn call(&self, method: Method, path: &str, body: Option<Value>) -> (u16, Value) {
        let request = reqwest::Client::new().request(method, format!("{}/{path}", self.base));
        let request = request.bearer_auth(&self.token);
        let request = match body {
            Some(body) => request.json(&body),
            None => request,
        };
        let response = request.send().await.unwrap();
        let status = response.status().as_u16();
        (status, response.json().await.unwrap_or_default())
    }

    async fn get(&self, path: &str) -> Value {
        let (status, answer) = self.call(Method::GET, path, None).await;
        assert_eq!(status, 200, "{path}: {answer}");
        answer
    }

    async fn post(&self, path: &str, body: Value) -> Value {
        let (status, answer) = self.call(Method::POST, path, Some(body)).await;
        assert!((200..300).contains(&status), "{path}: {answer}");
        answer
    }

    /// Sends a mail as it is.
    async fn send(&self, raw: &str) -> Value {
        self.post("messages/send", serde_json::json!({ "raw": encoded(raw) })).await
    }
}

fn encoded(raw: &str) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::URL_SAFE.encode(raw)
}

async fn support(emulator: &GmailEmulator) -> Owner {
    Owner::of(emulator, "1//refresh-support").await
}

async fn token(emulator: &GmailEmulator, refresh_token: &str) -> Value {
    let settings = Settings::default();
    let form = [
        ("grant_type", "refresh_token"),
        ("client_id", &settings.client_id),
        ("client_secret", &settings.client_secret),
        ("refresh_token", refresh_token),
    ];
    let request = reqwest::Client::new().post(emulator.token_url()).form(&form);
    request.send().await.unwrap().json().await.unwrap()
}

fn hello(subject: &str) -> Inbound {
    Inbound {
        from: format!("Ana <{ANA}>"),
        subject: subject.to_owned(),
        text: "Hello".to_owned(),
        ..Inbound::default()
    }
}

/// What a push brought: its headers and its body.
type Received = (HeaderMap, Value);

/// An endpoint of ours that remembers pushes, and answers as it is told.
struct Endpoint {
    url: String,
    received: Arc<Mutex<Vec<Received>>>,
    answers: Arc<Mutex<Vec<StatusCode>>>,
}

impl Endpoint {
    async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/webhooks/gmail", listener.local_addr().unwrap());
        let received = Arc::<Mutex<Vec<Received>>>::default();
        let answers = Arc::<Mutex<Vec<StatusCode>>>::default();
        let state = (Arc::clone(&received), Arc::clone(&answers));
        let router = Router::new().route("/webhooks/gmail", post(remember)).with_state(state);
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, received, answers }
    }

    /// The next answers, the last of the list first; then 204.
    fn answer(&self, statuses: impl IntoIterator<Item = StatusCode>) {
        self.answers.lock().unwrap().extend(statuses);
    }

    fn received(&self) -> Vec<Received> {
        self.received.lock().unwrap().clone()
    }
}

type Shared = (Arc<Mutex<Vec<Received>>>, Arc<Mutex<Vec<StatusCode>>>);

async fn remember(
    State((received, answers)): State<Shared>,
    headers: HeaderMap,
    Json(body): Json<Value>,
) -> StatusCode {
    received.lock().unwrap().push((headers, body));
    answers.lock().unwrap().pop().unwrap_or(StatusCode::NO_CONTENT)
}
