//! One endpoint of a server: its client, and an answer in spite of what can be mended
//! within a turn.

use std::num::NonZeroU32;
use std::time::Duration;

use async_openai::Client;
use async_openai::config::Config;
use async_openai::error::OpenAIError;
use channels::http;
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use reqwest::redirect::Policy;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Serialize;
use serde_json::Value;
use tokio::time::{Instant, sleep, timeout_at};

use super::failed::Failed;
use super::gate::Gate;
use super::meters::Meters;
use super::schedule;
use super::settings::Dialect;
use super::transport::Transport;
use crate::model::ModelFault;

/// How long a connection may take.
const CONNECT_LIMIT: Duration = Duration::from_secs(5);

/// A server, and how it may be used.
#[derive(Debug, Clone)]
pub struct Settings {
    pub api_key: SecretString,
    /// As `https://api.openai.com/v1`, without a trailing slash.
    pub base_url: String,
    pub model: String,
    pub dialect: Dialect,
    /// Whether it may be spoken to without TLS, on this machine.
    pub allows_loopback: bool,
    /// How long an answer may take, with all attempts and waits for it.
    pub limit: Duration,
    /// Most requests on their way at once.
    pub in_flight: usize,
    /// Most requests a minute; without a limit when absent.
    pub per_minute: Option<NonZeroU32>,
}

/// Why there is no client.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    #[error("OPENAI_BASE_URL must be an https URL (http only with FTE_ALLOW_LOOPBACK)")]
    BaseUrl,
    #[error("OPENAI_API_KEY must be one line of plain characters")]
    ApiKey,
    #[error("the http client cannot be made")]
    Client(#[source] reqwest::Error),
    #[error("prices.yaml: {0}")]
    Prices(String),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Endpoint {
    Chat,
    Embeddings,
}

impl Endpoint {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Endpoint::Chat => "chat",
            Endpoint::Embeddings => "embeddings",
        }
    }
}

/// Where requests go and who sends them. Ours, because the library's own reads the
/// environment and panics at a key that is no header.
#[derive(Debug, Clone)]
struct Place {
    base_url: String,
    api_key: SecretString,
    headers: HeaderMap,
}

impl Config for Place {
    fn headers(&self) -> HeaderMap {
        self.headers.clone()
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base_url)
    }

    fn query(&self) -> Vec<(&str, &str)> {
        Vec::new()
    }

    fn api_base(&self) -> &str {
        &self.base_url
    }

    fn api_key(&self) -> &SecretString {
        &self.api_key
    }
}

#[derive(Debug)]
pub(super) struct Server {
    client: Client<Place>,
    endpoint: Endpoint,
    gate: Gate,
    meters: Meters,
    model: String,
    dialect: Dialect,
    limit: Duration,
}

impl Server {
    pub(super) fn new(settings: &Settings, endpoint: Endpoint) -> Result<Self, SetupError> {
        http::allowed(&settings.base_url, settings.allows_loopback).ok_or(SetupError::BaseUrl)?;
        let client = reqwest::Client::builder()
            .connect_timeout(CONNECT_LIMIT)
            .timeout(settings.limit)
            // The key goes nowhere else.
            .redirect(Policy::none())
            .build()
            .map_err(SetupError::Client)?;
        let bearer = format!("Bearer {}", settings.api_key.expose_secret());
        let mut bearer = HeaderValue::from_str(&bearer).map_err(|_| SetupError::ApiKey)?;
        bearer.set_sensitive(true);
        let place = Place {
            base_url: settings.base_url.clone(),
            api_key: settings.api_key.clone(),
            headers: HeaderMap::from_iter([(AUTHORIZATION, bearer)]),
        };
        let meters = Meters::new(endpoint);
        Ok(Self {
            client: Client::build(client.clone(), place).with_http_service(Transport::new(client)),
            endpoint,
            gate: Gate::new(settings.in_flight, settings.per_minute, meters.clone()),
            meters,
            model: settings.model.clone(),
            dialect: settings.dialect,
            limit: settings.limit,
        })
    }

    pub(super) fn model(&self) -> &str {
        &self.model
    }

    pub(super) fn dialect(&self) -> Dialect {
        self.dialect
    }

    pub(super) fn meters(&self) -> &Meters {
        &self.meters
    }

    /// Asks until there is an answer that can be read, a failure that no retry mends, or
    /// no time.
    pub(super) async fn ask<A>(
        &self,
        body: &(impl Serialize + Sync),
        read: impl Fn(Value) -> Result<A, Failed> + Sync,
    ) -> Result<A, Failed> {
        let deadline = Instant::now() + self.limit;
        let mut retries = 0;
        let mut last = None;
        loop {
            let failed = match self.attempt(body, &read, deadline).await {
                Ok(answer) => return Ok(answer),
                // The breaker opened between two attempts: what opened it says more.
                Err(open) if open.fault == ModelFault::BreakerOpen => {
                    let after = open.after;
                    Failed { after, ..last.unwrap_or(open) }
                }
                Err(failed) => failed,
            };
            match schedule::wait(&failed, retries, rand::random()) {
                Some(wait) if Instant::now() + wait < deadline => sleep(wait).await,
                Some(_) | None => return Err(failed),
            }
            last = Some(failed);
            retries += 1;
        }
    }

    async fn attempt<A>(
        &self,
        body: &(impl Serialize + Sync),
        read: &(impl Fn(Value) -> Result<A, Failed> + Sync),
        deadline: Instant,
    ) -> Result<A, Failed> {
        let pass = self.gate.enter(deadline).await?;
        let began = Instant::now();
        let result = match timeout_at(deadline, self.post(body)).await {
            Ok(Ok(value)) => match Failed::in_success(&value) {
                Some(failed) => Err(failed),
                None => read(value),
            },
            Ok(Err(error)) => Err(of(error)),
            Err(_) => Err(Failed::new(ModelFault::TimedOut, "no answer in time")),
        };
        let failed = result.as_ref().err();
        self.meters.call(failed.map(|failed| failed.fault), began.elapsed());
        let open_for = pass.report(failed);
        result.map_err(|failed| Failed { after: failed.after.max(open_for), ..failed })
    }

    async fn post(&self, body: &(impl Serialize + Sync)) -> Result<Value, OpenAIError> {
        match self.endpoint {
            Endpoint::Chat => self.client.chat().create_byot(body).await,
            Endpoint::Embeddings => self.client.embeddings().create_byot(body).await,
        }
    }
}

/// What the transport said; the library adds nothing that is worth more.
fn of(error: OpenAIError) -> Failed {
    match error {
        OpenAIError::Boxed(error) => match error.downcast::<Failed>() {
            Ok(failed) => *failed,
            Err(_) => Failed::new(ModelFault::Unavailable, "the request failed"),
        },
        OpenAIError::Reqwest(error) => Failed::of_transport(&error),
        OpenAIError::InvalidArgument(_) => Failed::new(ModelFault::Invalid, "no request"),
        _ => Failed::malformed("the answer cannot be read"),
    }
}
