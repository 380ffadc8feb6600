//! What the emulator plays: mailboxes, their OAuth client, and who is told of changes.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// The accounts that it plays.
#[derive(Debug, Clone)]
pub struct Settings {
    pub mailboxes: Vec<Account>,
    pub client_id: String,
    pub client_secret: String,
    /// Who is told of changes; nobody by default.
    pub push: Option<Push>,
    /// Quota units of a mailbox in a minute; no limit where there is none.
    pub units_per_minute: Option<u32>,
    /// How long an access token lives.
    pub token_life: Duration,
    /// Changes within a second of a notification are not told, as at Google.
    pub has_notification_limit: bool,
    /// First and longest wait before a push that was not taken is repeated.
    pub push_retries: (Duration, Duration),
    /// Of ids and gaps. By default it begins where the clock stands, so that a new
    /// emulator never gives an id again.
    pub seed: Option<u64>,
    /// Port 0 takes a free one.
    pub listen: SocketAddr,
}

/// A mailbox and the key to it.
#[derive(Debug, Clone)]
pub struct Account {
    pub address: String,
    pub refresh_token: String,
    /// Other addresses that it may send from, and that reach it.
    pub aliases: Vec<String>,
}

/// A push subscription of Pub/Sub.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Push {
    pub url: String,
    pub audience: String,
    /// E-mail of the service account whose tokens come with it.
    pub service_account: String,
    /// As `projects/<project>/topics/<topic>`; what is published elsewhere is not pushed.
    pub topic: String,
    pub subscription: String,
}

impl Account {
    pub fn new(address: impl Into<String>, refresh_token: impl Into<String>) -> Self {
        let (address, refresh_token) = (address.into(), refresh_token.into());
        Self { address, refresh_token, aliases: Vec::new() }
    }
}

impl Push {
    /// With names that look like Google's.
    pub fn to(url: impl Into<String>) -> Self {
        let url = url.into();
        Self {
            audience: url.clone(),
            url,
            service_account: "push@fte-test.iam.gserviceaccount.com".to_owned(),
            topic: "projects/fte-test/topics/gmail".to_owned(),
            subscription: "projects/fte-test/subscriptions/gmail-push".to_owned(),
        }
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            mailboxes: vec![Account::new("support@example.com", "1//refresh-support")],
            client_id: "1234567890-fte.apps.googleusercontent.com".to_owned(),
            client_secret: "GOCSPX-0123456789abcdef".to_owned(),
            push: None,
            units_per_minute: Some(6_000),
            token_life: Duration::from_secs(3599),
            has_notification_limit: false,
            push_retries: (Duration::from_millis(100), Duration::from_secs(60)),
            seed: None,
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
        }
    }
}
