//! The mailbox itself: whose it is, where it stands, and who is told of its changes.

use chrono::{DateTime, Utc};
use reqwest::Method;
use serde::Deserialize;
use serde_json::json;

use super::client::{Ask, GmailClient};
use super::{Call, Error, number};

/// Whose mailbox it is, and where its history stands now.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Profile {
    pub email_address: String,
    #[serde(deserialize_with = "number::read")]
    pub history_id: u64,
}

/// A standing order to be told of changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Watch {
    /// Where the history stood when it was given.
    pub history_id: u64,
    /// From then on nobody is told, and nobody is told that.
    pub expires_at: DateTime<Utc>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Watching {
    #[serde(deserialize_with = "number::read")]
    history_id: u64,
    #[serde(deserialize_with = "number::read")]
    expiration: u64,
}

impl GmailClient {
    pub async fn profile(&self) -> Result<Profile, Error> {
        let call = Call::Profile;
        self.ask(Ask { call, method: Method::GET, path: &["profile"], query: &[] }).await
    }

    /// Has Gmail publish changes of the inbox to this topic, in place of the order
    /// before. It publishes once at once.
    pub async fn watch(&self, topic: &str) -> Result<Watch, Error> {
        let ask = Ask { call: Call::Watch, method: Method::POST, path: &["watch"], query: &[] };
        let body = json!({
            "topicName": topic,
            "labelIds": ["INBOX"],
            "labelFilterBehavior": "include",
        });
        let watching: Watching = self.tell(ask, &body).await?;
        let expires_at = at(watching.expiration)
            .ok_or_else(|| Error::retryable("the end of the watch cannot be read"))?;
        Ok(Watch { history_id: watching.history_id, expires_at })
    }

    /// Ends the order to be told.
    pub async fn stop(&self) -> Result<(), Error> {
        let call = Call::Stop;
        self.order(Ask { call, method: Method::POST, path: &["stop"], query: &[] }).await
    }
}

/// The time of so many milliseconds since 1970.
pub(super) fn at(milliseconds: u64) -> Option<DateTime<Utc>> {
    DateTime::from_timestamp_millis(i64::try_from(milliseconds).ok()?)
}
