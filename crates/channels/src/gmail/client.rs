//! One request to Gmail: its quota, its token, its time, and what its answer means.
//! Neither errors nor logs hold an address, a text or a token.

use std::fmt;
use std::time::Duration;

use reqwest::redirect::Policy;
use reqwest::{Method, RequestBuilder, StatusCode, Url};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::error;
use super::quota::Quota;
use super::token::Tokens;
use super::{Call, Error};
use crate::http::{self, BodyError};

/// How long a connection may take. Nothing was sent when it is over.
const CONNECT_LIMIT: Duration = Duration::from_secs(5);

/// How long one request may take, its answer included: a mail may have 35 MB.
pub const REQUEST_LIMIT: Duration = Duration::from_secs(60);

/// The largest mail that Gmail takes has 36,700,160 bytes; as base64 in JSON it is
/// longer by a third.
const LONGEST_BODY_BYTES: usize = 52 * 1024 * 1024;

/// How the client reaches a mailbox.
#[derive(Debug, Clone)]
pub struct Settings {
    pub client_id: String,
    pub client_secret: SecretString,
    pub refresh_token: SecretString,
    /// Where Gmail's API is, without a trailing slash.
    pub api_base_url: String,
    /// Where access tokens are fetched.
    pub token_url: String,
    /// Whether both may be spoken to without TLS, on this machine.
    pub allows_loopback: bool,
    /// How long one request may take; [`REQUEST_LIMIT`] unless a test is impatient.
    pub request_limit: Duration,
    /// Quota units that this process may use: [`super::QUOTA_FOR_READING`] or
    /// [`super::QUOTA_FOR_SENDING`].
    pub units_per_minute: u32,
}

/// Why there is no client.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    #[error("GMAIL_API_BASE_URL must be an https URL (http only with FTE_ALLOW_LOOPBACK)")]
    ApiUrl,
    #[error("GOOGLE_TOKEN_URL must be an https URL (http only with FTE_ALLOW_LOOPBACK)")]
    TokenUrl,
    #[error("the http client cannot be made")]
    Client(#[source] reqwest::Error),
}

/// A connection to our mailbox.
#[derive(Debug)]
pub struct GmailClient {
    http: reqwest::Client,
    base: Url,
    tokens: Tokens,
    quota: Quota,
}

/// What is asked: the path below the mailbox, the query, the body.
pub(super) struct Ask<'a> {
    pub(super) call: Call,
    pub(super) method: Method,
    pub(super) path: &'a [&'a str],
    pub(super) query: &'a [(&'a str, &'a str)],
}

/// An answer that is no success; its status where there was one.
struct Failed {
    status: Option<StatusCode>,
    error: Error,
}

impl GmailClient {
    pub fn new(settings: &Settings) -> Result<Self, SetupError> {
        let allowed = |url: &str| http::allowed(url, settings.allows_loopback);
        let base = format!("{}/gmail/v1/users/me", settings.api_base_url);
        let base = allowed(&base).ok_or(SetupError::ApiUrl)?;
        let token_url = allowed(&settings.token_url).ok_or(SetupError::TokenUrl)?;
        let client = reqwest::Client::builder()
            .connect_timeout(CONNECT_LIMIT)
            .timeout(settings.request_limit)
            // The token goes nowhere else, and a POST is never repeated as a GET.
            .redirect(Policy::none())
            .build()
            .map_err(SetupError::Client)?;
        Ok(Self {
            tokens: Tokens::new(client.clone(), token_url, settings),
            http: client,
            base,
            quota: Quota::new(settings.units_per_minute),
        })
    }

    /// Reads an answer as JSON.
    pub(super) async fn ask<T: DeserializeOwned>(&self, ask: Ask<'_>) -> Result<T, Error> {
        let call = ask.call;
        let request = self.request(&ask)?;
        read(call, &self.execute(call, request).await?)
    }

    /// As [`Self::ask`], with a body.
    pub(super) async fn tell<T: DeserializeOwned>(
        &self,
        ask: Ask<'_>,
        body: &impl Serialize,
    ) -> Result<T, Error> {
        let call = ask.call;
        let request = self.request(&ask)?.json(body);
        read(call, &self.execute(call, request).await?)
    }

    /// Where the answer says nothing.
    pub(super) async fn order(&self, ask: Ask<'_>) -> Result<(), Error> {
        let mut request = self.request(&ask)?;
        if ask.method == Method::POST {
            // Google's front end refuses a POST that does not say how long it is.
            request = request.header(reqwest::header::CONTENT_LENGTH, 0);
        }
        self.execute(ask.call, request).await.map(|_| ())
    }

    fn request(&self, ask: &Ask<'_>) -> Result<RequestBuilder, Error> {
        let mut url = self.base.clone();
        match url.path_segments_mut() {
            Ok(mut path) => path.extend(ask.path),
            Err(()) => return Err(Error::permanent("the request cannot be made")),
        };
        if !ask.query.is_empty() {
            url.query_pairs_mut().extend_pairs(ask.query);
        }
        Ok(self.http.request(ask.method.clone(), url))
    }

    /// The body of a success. A token that Gmail does not take is replaced once.
    async fn execute(&self, call: Call, request: RequestBuilder) -> Result<Vec<u8>, Error> {
        let again = request.try_clone();
        let token = self.tokens.get().await?;
        let failed = match self.attempt(call, request, &token).await {
            Ok(body) => return Ok(body),
            Err(failed) => failed,
        };
        match again {
            Some(again) if failed.status == Some(StatusCode::UNAUTHORIZED) => {
                let token = self.tokens.replace(&token).await?;
                self.attempt(call, again, &token).await.map_err(|failed| failed.error)
            }
            _ => Err(failed.error),
        }
    }

    async fn attempt(
        &self,
        call: Call,
        request: RequestBuilder,
        token: &SecretString,
    ) -> Result<Vec<u8>, Failed> {
        let unanswered = |error| Failed { status: None, error };
        self.quota.take(call).await.map_err(unanswered)?;
        let request = request.bearer_auth(token.expose_secret());
        let sent = request.send().await;
        let response = sent.map_err(|error| unanswered(error::of_transport(call, &error)))?;
        let status = response.status();
        let headers = response.headers().clone();
        let body = http::body(response, LONGEST_BODY_BYTES).await;
        if !status.is_success() {
            // Whatever became of the body, the status stands.
            let body = body.unwrap_or_default();
            let error = error::of_answer(call, status, &headers, &body);
            return Err(Failed { status: Some(status), error });
        }
        body.map_err(|error| {
            unanswered(match error {
                BodyError::TooLong if call.sends() => Error::lost(call, "the answer is too long"),
                BodyError::TooLong => Error::permanent("the answer is too long"),
                BodyError::BrokenOff => Error::lost(call, "the answer broke off"),
            })
        })
    }
}

fn read<T: DeserializeOwned>(call: Call, body: &[u8]) -> Result<T, Error> {
    serde_json::from_slice(body).map_err(|_| Error::lost(call, "the answer cannot be read"))
}

impl fmt::Debug for Ask<'_> {
    /// A query may name a customer.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ask").field("call", &self.call).finish_non_exhaustive()
    }
}
