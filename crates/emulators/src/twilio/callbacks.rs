//! What Twilio tells us about what we sent.

use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;

use super::Message;
use super::signature::sign;
use super::state::{State, now};

/// Longest wait for the answer to a callback.
const LIMIT: Duration = Duration::from_secs(15);

/// How the callbacks of messages from here on behave.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Callbacks {
    /// What a message that goes well passes through after its acceptance.
    pub statuses: Vec<String>,
    /// Before each of them.
    pub delay_ms: u64,
    /// Each comes twice.
    pub is_duplicated: bool,
    /// The last comes first.
    pub is_reversed: bool,
    /// None comes.
    pub is_lost: bool,
    /// All of them come before the answer to the request to send.
    pub is_early: bool,
}

impl Default for Callbacks {
    fn default() -> Self {
        Self {
            statuses: vec!["sent".to_owned(), "delivered".to_owned()],
            delay_ms: 0,
            is_duplicated: false,
            is_reversed: false,
            is_lost: false,
            is_early: false,
        }
    }
}

impl Callbacks {
    /// Status and error code of each callback, in the order of their coming.
    fn plan(&self, undeliverable: Option<u32>) -> Vec<(String, Option<u32>)> {
        let mut plan: Vec<_> = match undeliverable {
            Some(code) => vec![("undelivered".to_owned(), Some(code))],
            None => self.statuses.iter().map(|status| (status.clone(), None)).collect(),
        };
        if self.is_reversed {
            plan.reverse();
        }
        if self.is_duplicated {
            plan = plan.into_iter().flat_map(|entry| [entry.clone(), entry]).collect();
        }
        plan
    }
}

/// Passes a message through its statuses and says so.
pub(super) async fn follow(
    state: Arc<State>,
    message: Message,
    callbacks: Callbacks,
    undeliverable: Option<u32>,
) {
    for (status, code) in callbacks.plan(undeliverable) {
        tokio::time::sleep(Duration::from_millis(callbacks.delay_ms)).await;
        let token = {
            let mut held = state.lock();
            let stored = held.messages.iter_mut().rfind(|stored| stored.sid == message.sid);
            if let Some(stored) = stored {
                stored.status.clone_from(&status);
                stored.error_code = code;
                stored.sent_at.get_or_insert_with(now);
            }
            held.auth_token.clone()
        };
        if let (false, Some(url)) = (callbacks.is_lost, &message.status_callback) {
            // Best effort, like the real ones: nobody repeats a callback.
            drop(
                post(&state.callback_client, &token, url, &parameters(&message, &status, code))
                    .await,
            );
        }
    }
}

fn parameters(message: &Message, status: &str, code: Option<u32>) -> Vec<(String, String)> {
    let mut parameters = vec![
        ("AccountSid", message.account_sid.as_str()),
        ("ApiVersion", "2010-04-01"),
        ("ChannelInstallSid", "XE00000000000000000000000000000001"),
        ("ChannelPrefix", "whatsapp"),
        ("ChannelToAddress", message.to.trim_start_matches("whatsapp:")),
        ("From", &message.from),
        ("MessageSid", &message.sid),
        ("MessageStatus", status),
        ("SmsSid", &message.sid),
        ("SmsStatus", status),
        ("To", &message.to),
    ];
    match status {
        "delivered" => parameters.push(("EventType", "DELIVERED")),
        "read" => parameters.push(("EventType", "READ")),
        _ => {}
    }
    let code = code.map(|code| ("ErrorCode".to_owned(), code.to_string()));
    let pairs = parameters.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned()));
    pairs.chain(code).collect()
}

async fn post(
    client: &reqwest::Client,
    token: &str,
    url: &str,
    parameters: &[(String, String)],
) -> Result<reqwest::Response, reqwest::Error> {
    client
        .post(url)
        .timeout(LIMIT)
        .header("X-Twilio-Signature", sign(token, url, parameters))
        .header("I-Twilio-Idempotency-Token", uuid::Uuid::new_v4().to_string())
        .header("User-Agent", "TwilioProxy/1.1")
        .form(parameters)
        .send()
        .await
}
