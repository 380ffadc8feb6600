//! What the emulator was asked, what it sent, and what it pushed.

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;

/// One request.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Recorded {
    /// Google's name of the method, without `gmail.users.`; `token`, `certs`, or empty
    /// where there is no such method.
    pub route: String,
    pub method: String,
    pub path: String,
    /// Of the query, or of the form of a request for a token.
    pub parameters: Vec<(String, String)>,
    /// JSON, or null.
    pub body: Value,
    /// Of the answer; `None` where there was none.
    pub status: Option<u16>,
}

impl Recorded {
    /// The first value of a parameter.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        let found = self.parameters.iter().find(|(candidate, _)| candidate == name);
        found.map(|(_, value)| value.as_str())
    }
}

/// A mail that a mailbox sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Sent {
    pub mailbox: String,
    pub id: String,
    pub thread_id: String,
    /// As it went over the wire.
    pub message_id: String,
    pub recipients: Vec<String>,
    pub subject: String,
    /// The plain text.
    pub text: String,
    /// The whole mail; bytes that are no UTF-8 are marked.
    pub raw: String,
    pub sent_at: DateTime<Utc>,
}

/// A notification, and the answers to its pushes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Pushed {
    pub message_id: String,
    pub mailbox: String,
    pub history_id: u64,
    /// One for each attempt; `None` where there was no answer.
    pub statuses: Vec<Option<u16>>,
}

impl Pushed {
    /// Whether an attempt was taken.
    pub fn is_taken(&self) -> bool {
        self.statuses.iter().copied().any(is_taken)
    }
}

/// What Pub/Sub counts as an acknowledgement.
pub(super) fn is_taken(status: Option<u16>) -> bool {
    matches!(status, Some(102 | 200 | 201 | 202 | 204))
}
