//! The hook itself: one signed POST, and what its answer means. Neither errors nor
//! logs hold its URL, which is a secret at some receivers.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use reqwest::header::CONTENT_TYPE;
use reqwest::redirect::Policy;
use reqwest::{Response, StatusCode, Url};
use sha2::{Digest as _, Sha256};

use super::addresses::{Blocked, Lookup, Resolver, Rule};
use super::signature::Secrets;
use crate::http;

/// How long a connection may take.
const CONNECT_LIMIT: Duration = Duration::from_secs(5);

/// How long one request may take, the last byte of its answer included.
pub const REQUEST_LIMIT: Duration = Duration::from_secs(20);

/// What is read of an answer. Only its status counts.
const MOST_ANSWER_BYTES: usize = 64 * 1024;

/// How the hook is reached.
pub struct Settings {
    pub url: String,
    pub secrets: Secrets,
    /// Whether the hook may be on this machine, there also without TLS.
    pub allows_loopback: bool,
    /// [`REQUEST_LIMIT`] unless a test is impatient.
    pub request_limit: Duration,
    /// [`super::addresses::system_lookup`] unless a test lies about names.
    pub lookup: Lookup,
}

/// Why there is no hook.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    #[error("must be an https URL at a public address")]
    Url,
    #[error("the http client cannot be made")]
    Client(#[source] reqwest::Error),
}

/// A hook that may be spoken to.
#[derive(Debug)]
pub struct Endpoint {
    http: reqwest::Client,
    url: Url,
    secrets: Secrets,
}

/// What became of one attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Told {
    Delivered,
    /// The receiver wants no more of it, ever.
    Gone,
    /// The receiver has too much to do: for this long where it says so.
    Throttled {
        after: Option<Duration>,
        reason: String,
    },
    Failed {
        reason: String,
    },
}

impl Endpoint {
    pub fn new(settings: Settings) -> Result<Self, SetupError> {
        let rule = Rule { allows_loopback: settings.allows_loopback };
        let url = allowed(settings.url.trim(), rule).ok_or(SetupError::Url)?;
        let http = reqwest::Client::builder()
            .connect_timeout(CONNECT_LIMIT)
            .timeout(settings.request_limit)
            // A redirect could lead anywhere, a proxy would look names up by itself, and
            // a connection that is kept was checked for an earlier attempt.
            .redirect(Policy::none())
            .no_proxy()
            .pool_max_idle_per_host(0)
            .dns_resolver(Arc::new(Resolver { lookup: settings.lookup, rule }))
            .user_agent(concat!("fte/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(SetupError::Client)?;
        Ok(Self { http, url, secrets: settings.secrets })
    }

    /// Tells this endpoint from others, without its URL.
    pub fn fingerprint(&self) -> String {
        let hash = Sha256::digest(self.url.as_str());
        hash.iter().take(16).map(|byte| format!("{byte:02x}")).collect()
    }

    /// One attempt, at this time.
    pub async fn tell(&self, id: &str, at: DateTime<Utc>, body: String) -> Told {
        let timestamp = at.timestamp();
        let signature = self.secrets.sign(id, timestamp, body.as_bytes());
        let request = self
            .http
            .post(self.url.clone())
            .header(CONTENT_TYPE, "application/json")
            .header("webhook-id", id)
            .header("webhook-timestamp", timestamp)
            .header("webhook-signature", signature)
            .body(body);
        match request.send().await {
            Ok(response) => {
                let told = meaning(&response);
                // The receiver may finish its answer; what it says changes nothing.
                http::body(response, MOST_ANSWER_BYTES).await.ok();
                told
            }
            Err(error) if Blocked::caused(&error) => failed(&Blocked.to_string()),
            Err(error) if error.is_timeout() => failed("no answer in time"),
            Err(error) if error.is_connect() => failed("it could not be reached"),
            Err(_) => failed("the connection broke"),
        }
    }
}

fn meaning(response: &Response) -> Told {
    let status = response.status();
    let reason = format!("it answered {}", status.as_u16());
    match status {
        status if status.is_success() => Told::Delivered,
        StatusCode::GONE => Told::Gone,
        StatusCode::TOO_MANY_REQUESTS
        | StatusCode::BAD_GATEWAY
        | StatusCode::SERVICE_UNAVAILABLE
        | StatusCode::GATEWAY_TIMEOUT => {
            Told::Throttled { after: http::retry_after(response.headers()), reason }
        }
        status if status.is_redirection() => {
            failed(&format!("{reason}, and redirects are not followed"))
        }
        _ => Told::Failed { reason },
    }
}

fn failed(reason: &str) -> Told {
    Told::Failed { reason: reason.to_owned() }
}

/// The resolver never sees an address that stands in the URL itself.
pub(crate) fn allowed(url: &str, rule: Rule) -> Option<Url> {
    let url = http::allowed(url, rule.allows_loopback)?;
    let host = url.host_str()?.trim_start_matches('[').trim_end_matches(']');
    let is_at_home = host.parse::<IpAddr>().map_or(true, |address| rule.allows(address));
    is_at_home.then_some(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_allowed(url: &str, allows_loopback: bool) -> bool {
        allowed(url, Rule { allows_loopback }).is_some()
    }

    #[test]
    fn a_hook_is_https_at_a_name_or_a_public_address() {
        for url in ["https://hooks.example.com/a", "https://8.8.8.8/", "https://[2606:4700::1]/"] {
            assert!(is_allowed(url, false), "{url}");
        }
        for url in [
            "http://hooks.example.com/",
            "ftp://hooks.example.com/",
            "https://10.0.0.1/",
            "https://169.254.169.254/latest",
            "https://[::1]/",
            "https://[::ffff:127.0.0.1]/",
            // Other ways to write 127.0.0.1.
            "https://2130706433/",
            "https://0x7f.1/",
            "https://127.1/",
            "http://127.0.0.1/",
            "http://localhost/",
        ] {
            assert!(!is_allowed(url, false), "{url}");
        }
    }

    #[test]
    fn this_machine_is_allowed_for_tests_and_only_there_without_tls() {
        for url in ["http://127.0.0.1:9/", "http://localhost/", "http://[::1]/", "https://127.1/"] {
            assert!(is_allowed(url, true), "{url}");
        }
        for url in ["http://hooks.example.com/", "https://10.0.0.1/", "http://10.0.0.1/"] {
            assert!(!is_allowed(url, true), "{url}");
        }
    }
}
