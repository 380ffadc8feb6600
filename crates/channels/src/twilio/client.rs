//! Sending at Twilio, and looking up what was sent. Every answer is one of three:
//! accepted, certainly not sent, or not known. Neither errors nor logs hold an
//! address, a text or a token.

mod answer;
mod inbox;
mod listing;

use std::time::Duration;

use contract::DeliveryId;
use reqwest::redirect::Policy;
use reqwest::{Response, StatusCode, Url};
use secrecy::{ExposeSecret as _, SecretString};

use crate::http;
use crate::twilio::errors::{Action, ErrorTable, Meaning, TableError};
use crate::twilio::window::OpenWindow;

pub use inbox::{InboxPage, ListedMessage};
pub use listing::{ListError, Listed};

/// How long a connection may take. Nothing was sent when it is over.
const CONNECT_LIMIT: Duration = Duration::from_secs(5);

/// How long one request may take, its answer included.
pub const REQUEST_LIMIT: Duration = Duration::from_secs(30);

/// How long a message may wait at Twilio, in seconds: a reply that is hours old helps
/// nobody, and a person should know.
const VALIDITY: &str = "14400";

/// How the client reaches Twilio.
#[derive(Debug, Clone)]
pub struct Settings {
    pub account_sid: String,
    pub auth_token: SecretString,
    /// Where Twilio's API is, without a trailing slash.
    pub api_base_url: String,
    /// Our sender, for conversations that name none.
    pub sender: String,
    /// Our public origin, without a trailing slash.
    pub public_base_url: String,
    /// Whether the API may be spoken to without TLS, on this machine.
    pub allows_loopback: bool,
    /// How long one request may take; [`REQUEST_LIMIT`] unless a test is impatient.
    pub request_limit: Duration,
}

/// Why there is no client.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    #[error("TWILIO_API_BASE_URL must be an https URL (http only with FTE_ALLOW_LOOPBACK)")]
    Url,
    #[error(transparent)]
    Table(#[from] TableError),
    #[error("the http client cannot be made")]
    Client(#[source] reqwest::Error),
}

/// A connection to our account.
#[derive(Debug)]
pub struct TwilioClient {
    http: reqwest::Client,
    messages_url: Url,
    table: ErrorTable,
    settings: Settings,
}

/// A text on its way to a customer.
#[derive(Clone, Copy)]
pub struct Text<'a> {
    pub delivery_id: DeliveryId,
    /// As the customer's newest message had it.
    pub to: &'a str,
    /// Our address that the customer wrote to.
    pub from: Option<&'a str>,
    pub body: &'a str,
}

/// An approved template on its way to a customer.
#[derive(Clone, Copy)]
pub struct Template<'a> {
    pub delivery_id: DeliveryId,
    pub to: &'a str,
    pub from: Option<&'a str>,
    /// `HX` and 32 digits.
    pub content_sid: &'a str,
    /// A JSON object of texts.
    pub variables: Option<&'a str>,
}

/// How a request to send ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sent {
    /// Twilio has it.
    Accepted { sid: String, status: String, error_code: Option<u32> },
    /// Certainly not sent: the same again may go, after this time where Twilio says one.
    Again { after: Option<Duration>, reason: String },
    /// Certainly not sent, and it never will be.
    Refused(Meaning),
    /// It may have been sent.
    Unknown { reason: String },
}

impl TwilioClient {
    pub fn new(settings: Settings) -> Result<Self, SetupError> {
        http::allowed(&settings.api_base_url, settings.allows_loopback).ok_or(SetupError::Url)?;
        let account = &settings.account_sid;
        let path = format!("{}/2010-04-01/Accounts/{account}/Messages.json", settings.api_base_url);
        let client = reqwest::Client::builder()
            .connect_timeout(CONNECT_LIMIT)
            .timeout(settings.request_limit)
            // Our credentials go nowhere else, and a POST is never repeated as a GET.
            .redirect(Policy::none())
            .build()
            .map_err(SetupError::Client)?;
        Ok(Self {
            http: client,
            messages_url: Url::parse(&path).map_err(|_| SetupError::Url)?,
            table: ErrorTable::built_in()?,
            settings,
        })
    }

    /// What Twilio's codes mean.
    pub fn table(&self) -> &ErrorTable {
        &self.table
    }

    /// Sends one text. Twilio has no idempotency key, so whoever gets
    /// [`Sent::Unknown`] must look before sending again.
    pub async fn send(&self, _window: &OpenWindow, text: Text<'_>) -> Sent {
        let Text { delivery_id, to, from, body } = text;
        self.create(delivery_id, to, from, &[("Body", body)]).await
    }

    /// Sends an approved template, which needs no open window. As sure as [`Self::send`].
    pub async fn send_template(&self, template: Template<'_>) -> Sent {
        let Template { delivery_id, to, from, content_sid, variables } = template;
        let mut content = vec![("ContentSid", content_sid)];
        content.extend(variables.map(|variables| ("ContentVariables", variables)));
        self.create(delivery_id, to, from, &content).await
    }

    async fn create(
        &self,
        delivery_id: DeliveryId,
        to: &str,
        from: Option<&str>,
        content: &[(&str, &str)],
    ) -> Sent {
        let callback =
            format!("{}/webhooks/whatsapp/status?d={delivery_id}", self.settings.public_base_url);
        let mut form = vec![
            ("To", to),
            ("From", from.unwrap_or(&self.settings.sender)),
            ("StatusCallback", &callback),
            ("ValidityPeriod", VALIDITY),
        ];
        form.extend(content);
        let request = self.authorized(self.http.post(self.messages_url.clone())).form(&form);
        match request.send().await {
            Ok(response) => self.read(response).await,
            Err(error) if error.is_builder() => self.refused("the request cannot be made"),
            Err(error) if error.is_connect() => {
                Sent::Again { after: None, reason: "Twilio could not be reached".to_owned() }
            }
            Err(error) if error.is_timeout() => unknown("Twilio did not answer in time"),
            Err(_) => unknown("the connection to Twilio broke"),
        }
    }

    fn authorized(&self, request: reqwest::RequestBuilder) -> reqwest::RequestBuilder {
        let Settings { account_sid, auth_token, .. } = &self.settings;
        request
            .basic_auth(account_sid, Some(auth_token.expose_secret()))
            .header(reqwest::header::ACCEPT, "application/json")
    }

    async fn read(&self, response: Response) -> Sent {
        let status = response.status();
        let wait = http::retry_after(response.headers());
        let body = match answer::body(response).await {
            Ok(body) => body,
            // Whatever the status is, a refusal is a refusal.
            Err(_) if is_refusal(status) => Vec::new(),
            Err(reason) => return unknown(reason),
        };
        if status.is_success() {
            return answer::accepted(&body)
                .unwrap_or_else(|| unknown("Twilio's answer cannot be read"));
        }
        if status == StatusCode::TOO_MANY_REQUESTS {
            return Sent::Again { after: wait, reason: "too many requests at Twilio".to_owned() };
        }
        if !is_refusal(status) {
            return unknown(&format!("Twilio answered {}", status.as_u16()));
        }
        let code = answer::code(&body);
        let meaning = match (code, status) {
            (None, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) => {
                self.table.meaning(Some(answer::NO_ACCESS))
            }
            _ => self.table.meaning(code),
        };
        match meaning.action {
            Action::Wait => Sent::Again { after: wait.or(meaning.wait), reason: meaning.reason },
            Action::Unknown => Sent::Unknown { reason: meaning.reason },
            Action::Person | Action::Settings | Action::Suppress => Sent::Refused(meaning),
        }
    }

    fn refused(&self, reason: &str) -> Sent {
        let meaning = Meaning { reason: reason.to_owned(), ..self.table.meaning(None) };
        Sent::Refused(meaning)
    }
}

/// Refused for certain. A server that gave up waiting for a request says 408, and may
/// have had all of it; a redirect says that nothing happened here.
fn is_refusal(status: StatusCode) -> bool {
    status.is_redirection() || status.is_client_error() && status != StatusCode::REQUEST_TIMEOUT
}

fn unknown(reason: &str) -> Sent {
    Sent::Unknown { reason: reason.to_owned() }
}
