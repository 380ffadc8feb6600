//! The access token of the mailbox: fetched with the refresh token, by one caller at a
//! time, a while before the old one ends.

use std::time::Duration;

use reqwest::{Response, Url};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde_json::Value;
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::client::Settings;
use super::error::{self, Error};
use super::{Call, number};
use crate::http;

/// A token that ends sooner is replaced before it is used.
const MARGIN: Duration = Duration::from_secs(300);

/// A token's answer is a few kilobytes.
const LONGEST_BODY_BYTES: usize = 64 * 1024;

/// What Google's tokens live when it does not say.
const USUAL_LIFE: u64 = 3599;

/// Errors of the token endpoint that pass by themselves.
const PASSING: [&str; 3] = ["internal_failure", "server_error", "temporarily_unavailable"];

#[derive(Debug)]
pub(super) struct Tokens {
    http: reqwest::Client,
    url: Url,
    client_id: String,
    client_secret: SecretString,
    /// Held while a token is fetched: whoever comes meanwhile gets that one.
    held: Mutex<Held>,
}

#[derive(Debug)]
struct Held {
    refresh: SecretString,
    access: Option<Access>,
}

#[derive(Debug, Clone)]
struct Access {
    token: SecretString,
    ends: Instant,
}

#[derive(Deserialize)]
struct Granted {
    access_token: String,
    #[serde(default = "usual_life", deserialize_with = "number::read")]
    expires_in: u64,
    refresh_token: Option<String>,
}

fn usual_life() -> u64 {
    USUAL_LIFE
}

impl Tokens {
    pub(super) fn new(http: reqwest::Client, url: Url, settings: &Settings) -> Self {
        Self {
            http,
            url,
            client_id: settings.client_id.clone(),
            client_secret: settings.client_secret.clone(),
            held: Mutex::new(Held { refresh: settings.refresh_token.clone(), access: None }),
        }
    }

    /// A token that is good for some minutes yet.
    pub(super) async fn get(&self) -> Result<SecretString, Error> {
        let mut held = self.held.lock().await;
        let left = held.access.clone().map(|access| {
            let left = access.ends.saturating_duration_since(Instant::now());
            (access.token, left)
        });
        match left {
            Some((token, left)) if left >= MARGIN => Ok(token),
            // Until it ends, a token endpoint that is away does no harm.
            Some((token, left)) if !left.is_zero() => match self.fetch(&mut held).await {
                Err(Error::Retryable { .. } | Error::RateLimited { .. }) => Ok(token),
                other => other,
            },
            _ => self.fetch(&mut held).await,
        }
    }

    /// Another token than one that Gmail did not take.
    pub(super) async fn replace(&self, refused: &SecretString) -> Result<SecretString, Error> {
        let mut held = self.held.lock().await;
        let current = held.access.as_ref().map(|access| &access.token);
        match current.filter(|token| token.expose_secret() != refused.expose_secret()) {
            Some(token) => Ok(token.clone()),
            None => self.fetch(&mut held).await,
        }
    }

    async fn fetch(&self, held: &mut Held) -> Result<SecretString, Error> {
        let form = [
            ("client_id", self.client_id.as_str()),
            ("client_secret", self.client_secret.expose_secret()),
            ("refresh_token", held.refresh.expose_secret()),
            ("grant_type", "refresh_token"),
        ];
        let asked_at = Instant::now();
        let sent = self.http.post(self.url.clone()).form(&form).send().await;
        // Nothing is sent by it, whatever the token is for.
        let response = sent.map_err(|error| error::of_transport(Call::Profile, &error))?;
        let granted = granted(response).await?;
        if let Some(refresh) = granted.refresh_token {
            held.refresh = refresh.into();
        }
        let ends = asked_at + Duration::from_secs(granted.expires_in.min(24 * 3600));
        let token = SecretString::from(granted.access_token);
        held.access = Some(Access { token: token.clone(), ends });
        Ok(token)
    }
}

async fn granted(response: Response) -> Result<Granted, Error> {
    let status = response.status();
    let wait = http::retry_after(response.headers());
    let body = http::body(response, LONGEST_BODY_BYTES).await;
    let body = body.map_err(|_| Error::retryable("the answer with the token broke off"))?;
    if status.is_success() {
        return serde_json::from_slice(&body)
            .map_err(|_| Error::retryable("the answer with the token cannot be read"));
    }
    let body: Value = serde_json::from_slice(&body).unwrap_or_default();
    let reason = error::reason(&body).unwrap_or_else(|| format!("status {}", status.as_u16()));
    let passes = PASSING.contains(&reason.as_str());
    Err(if status.as_u16() == 429 {
        Error::RateLimited { after: wait, reason }
    } else if passes || !status.is_client_error() {
        Error::Retryable { after: wait, reason }
    } else {
        Error::auth_broken(reason)
    })
}
