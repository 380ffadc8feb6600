//! Fetching a customer's file from Twilio. Our credentials go to Twilio's API and
//! nowhere else: its answer redirects to another host, which is only asked under the
//! rules for addresses that come from outside.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use reqwest::header::{CONTENT_LENGTH, LOCATION};
use reqwest::redirect::Policy;
use reqwest::{Response, StatusCode, Url};
use secrecy::{ExposeSecret as _, SecretString};

use super::webhook::{Ours, is_fetchable};
use crate::files::HEAD_BYTES;
use crate::handoff::addresses::{Lookup, Resolver, Rule};
use crate::handoff::endpoint::allowed;
use crate::http;

/// How long a connection may take.
const CONNECT_LIMIT: Duration = Duration::from_secs(5);

/// How long a file may take to come.
const FETCH_LIMIT: Duration = Duration::from_secs(120);

/// The largest file of WhatsApp.
pub const MOST_BYTES: usize = 16 * 1024 * 1024;

/// Twilio's API leads to its store in one step; two more do no harm.
const MOST_REDIRECTS: usize = 3;

/// Right after a message its file may not be there yet.
pub const RETRY_PAUSES: [Duration; 3] =
    [Duration::from_secs(1), Duration::from_secs(3), Duration::from_secs(6)];

/// How files are reached.
pub struct Settings {
    pub ours: Ours,
    pub auth_token: SecretString,
    /// Whether Twilio and its store may be on this machine, without TLS.
    pub allows_loopback: bool,
    /// [`RETRY_PAUSES`] unless a test is impatient.
    pub retry_pauses: [Duration; 3],
    /// [`crate::handoff::addresses::system_lookup`] unless a test lies about names.
    pub lookup: Lookup,
}

/// Why there is no file. It names neither the URL nor what stands in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MediaError {
    #[error("the file does not lie at Twilio")]
    Foreign,
    #[error("Twilio has no such file any more")]
    Gone,
    #[error("the file is larger than 16 MiB")]
    TooLarge,
    #[error("Twilio's store is at an address that is not fetched from")]
    Blocked,
    #[error("Twilio refused the request")]
    Refused,
    #[error("the file could not be fetched")]
    Unavailable,
}

/// A connection to the files of our account.
pub struct MediaClient {
    /// Speaks to Twilio's API, with our credentials.
    api: reqwest::Client,
    /// Speaks to wherever the API leads, without them.
    store: reqwest::Client,
    rule: Rule,
    settings: Settings,
}

/// A file that has begun to come.
#[derive(Debug)]
pub struct File {
    /// Its first bytes.
    pub head: Bytes,
    /// How many bytes it says it has.
    pub length: Option<u64>,
    response: Response,
    read: usize,
}

impl MediaClient {
    /// `None` where the http client cannot be made.
    pub fn new(settings: Settings) -> Option<Self> {
        let rule = Rule { allows_loopback: settings.allows_loopback };
        let builder = || {
            reqwest::Client::builder()
                .connect_timeout(CONNECT_LIMIT)
                .timeout(FETCH_LIMIT)
                .redirect(Policy::none())
        };
        let resolver = Resolver { lookup: Arc::clone(&settings.lookup), rule };
        // A proxy would look names up by itself, and a connection that is kept was
        // checked for an earlier file.
        let store =
            builder().no_proxy().pool_max_idle_per_host(0).dns_resolver(Arc::new(resolver)).build();
        Some(Self { api: builder().build().ok()?, store: store.ok()?, rule, settings })
    }

    /// Begins to fetch a file by the URL that its message named.
    pub async fn fetch(&self, url: &str) -> Result<File, MediaError> {
        let url = self.checked(url)?;
        let mut fetched = self.try_fetch(url.clone()).await;
        for pause in self.settings.retry_pauses {
            if !matches!(fetched, Err(MediaError::Gone)) {
                break;
            }
            tokio::time::sleep(pause).await;
            fetched = self.try_fetch(url.clone()).await;
        }
        fetched
    }

    /// Checked before anything is sent: whoever is asked sees our token.
    fn checked(&self, url: &str) -> Result<Url, MediaError> {
        if !is_fetchable(url, &self.settings.ours) {
            return Err(MediaError::Foreign);
        }
        http::allowed(url, self.settings.allows_loopback).ok_or(MediaError::Foreign)
    }

    async fn try_fetch(&self, url: Url) -> Result<File, MediaError> {
        let Settings { ours, auth_token, .. } = &self.settings;
        let request = self
            .api
            .get(url.clone())
            .basic_auth(&ours.account_sid, Some(auth_token.expose_secret()));
        let mut at = url;
        let mut response = request.send().await.map_err(|_| MediaError::Unavailable)?;
        for _ in 0..MOST_REDIRECTS {
            if !response.status().is_redirection() {
                break;
            }
            at = self.place(&at, &response)?;
            // No credentials from here on.
            let request = self.store.get(at.clone());
            response = request.send().await.map_err(|error| {
                match crate::handoff::addresses::Blocked::caused(&error) {
                    true => MediaError::Blocked,
                    false => MediaError::Unavailable,
                }
            })?;
        }
        match response.status() {
            status if status.is_success() => File::begin(response).await,
            StatusCode::NOT_FOUND => Err(MediaError::Gone),
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Err(MediaError::Refused),
            _ => Err(MediaError::Unavailable),
        }
    }

    /// Where a redirect leads.
    fn place(&self, from: &Url, response: &Response) -> Result<Url, MediaError> {
        let location = response.headers().get(LOCATION).and_then(|value| value.to_str().ok());
        let to = location.and_then(|location| from.join(location).ok());
        let to = to.ok_or(MediaError::Unavailable)?;
        allowed(to.as_str(), self.rule).ok_or(MediaError::Blocked)
    }
}

impl File {
    async fn begin(response: Response) -> Result<Self, MediaError> {
        let length = response.headers().get(CONTENT_LENGTH);
        let length = length.and_then(|value| value.to_str().ok()?.parse().ok());
        if length.is_some_and(|length: u64| length > MOST_BYTES as u64) {
            return Err(MediaError::TooLarge);
        }
        let mut file = Self { head: Bytes::new(), length, response, read: 0 };
        let mut head = Vec::new();
        while head.len() < HEAD_BYTES {
            let Some(chunk) = file.next().await? else { break };
            head.extend_from_slice(&chunk);
        }
        file.head = head.into();
        Ok(file)
    }

    /// The bytes that follow; `None` at the end.
    pub async fn next(&mut self) -> Result<Option<Bytes>, MediaError> {
        let chunk = self.response.chunk().await.map_err(|_| MediaError::Unavailable)?;
        self.read += chunk.as_ref().map_or(0, Bytes::len);
        if self.read > MOST_BYTES { Err(MediaError::TooLarge) } else { Ok(chunk) }
    }
}
