//! The emulator through its own door, by a client that knows only the contract.

#![allow(clippy::indexing_slicing, clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod gmail;
mod list;
mod sending;
mod writing;

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::{Form, State};
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use emulators::twilio::{Settings, TwilioEmulator};

pub(crate) const CUSTOMER: &str = "whatsapp:+14155550123";

/// What a webhook received: its headers and its form.
pub(crate) type Received = (HeaderMap, Vec<(String, String)>);

/// A webhook of ours that remembers, and answers as it is told.
pub(crate) struct Webhook {
    pub(crate) url: String,
    received: Arc<Mutex<Vec<Received>>>,
    answers: Arc<Mutex<Vec<StatusCode>>>,
}

impl Webhook {
    pub(crate) async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        let received = Arc::<Mutex<Vec<Received>>>::default();
        let answers = Arc::<Mutex<Vec<StatusCode>>>::default();
        let state = (Arc::clone(&received), Arc::clone(&answers));
        let router = Router::new().route("/hook", post(remember)).with_state(state);
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, received, answers }
    }

    /// The next answers, the last of the list first; then 204.
    pub(crate) fn answer(&self, statuses: impl IntoIterator<Item = StatusCode>) {
        self.answers.lock().unwrap().extend(statuses);
    }

    pub(crate) fn received(&self) -> Vec<Received> {
        self.received.lock().unwrap().clone()
    }

    /// One parameter of everything received, in order.
    pub(crate) fn values(&self, name: &str) -> Vec<String> {
        let of = |form: &[(String, String)]| {
            form.iter().find(|(other, _)| other == name).map(|(_, value)| value.clone())
        };
        self.received().iter().filter_map(|(_, form)| of(form)).collect()
    }
}

type Shared = (Arc<Mutex<Vec<Received>>>, Arc<Mutex<Vec<StatusCode>>>);

async fn remember(
    State((received, answers)): State<Shared>,
    headers: HeaderMap,
    Form(form): Form<Vec<(String, String)>>,
) -> StatusCode {
    received.lock().unwrap().push((headers, form));
    answers.lock().unwrap().pop().unwrap_or(StatusCode::NO_CONTENT)
}

pub(crate) async fn emulator() -> TwilioEmulator {
    TwilioEmulator::start(Settings::default()).await.unwrap()
}

pub(crate) fn messages_url(emulator: &TwilioEmulator) -> String {
    let account = Settings::default().account_sid;
    format!("{}/2010-04-01/Accounts/{account}/Messages.json", emulator.base_url())
}

/// A request to send, with these fields in place of the usual ones.
pub(crate) async fn send(
    emulator: &TwilioEmulator,
    fields: &[(&str, &str)],
) -> Result<reqwest::Response, reqwest::Error> {
    let settings = Settings::default();
    let mut form = vec![("To", CUSTOMER), ("From", settings.sender.as_str()), ("Body", "Hello")];
    form.retain(|(name, _)| !fields.iter().any(|(other, _)| other == name));
    form.extend(fields.iter().filter(|(_, value)| !value.is_empty()));
    reqwest::Client::new()
        .post(messages_url(emulator))
        .basic_auth(&settings.account_sid, Some(&settings.auth_token))
        .form(&form)
        .send()
        .await
}
