//! Sending in two steps: a draft, which has an id before anything can go wrong, and
//! then the draft's sending.

use reqwest::Method;
use serde::Deserialize;
use serde_json::json;

use super::client::{Ask, GmailClient};
use super::{Call, Error, base64url};

/// A mail that is ready to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    pub id: String,
    /// Of the draft's own message, which is not that of the mail it becomes.
    pub message_id: String,
    pub thread_id: String,
}

/// A mail that was sent.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SentMessage {
    pub id: String,
    pub thread_id: String,
}

#[derive(Deserialize)]
struct Drafted {
    id: String,
    message: SentMessage,
}

impl From<Drafted> for Draft {
    fn from(drafted: Drafted) -> Self {
        let SentMessage { id: message_id, thread_id } = drafted.message;
        Self { id: drafted.id, message_id, thread_id }
    }
}

impl GmailClient {
    /// Stores a mail as a draft, to join this thread when it is sent. A repeat leaves a
    /// second draft behind, which nobody gets. [`Error::NotFound`]: there is no such thread.
    pub async fn create_draft(&self, raw: &[u8], thread_id: Option<&str>) -> Result<Draft, Error> {
        let raw = base64url::encode(raw);
        let message = match thread_id {
            Some(thread_id) => json!({ "raw": raw, "threadId": thread_id }),
            None => json!({ "raw": raw }),
        };
        let ask = ask(Call::CreateDraft, Method::POST, &["drafts"]);
        let drafted: Drafted = self.tell(ask, &json!({ "message": message })).await?;
        Ok(drafted.into())
    }

    /// A draft that is still there. [`Error::NotFound`]: sent or deleted.
    pub async fn draft(&self, id: &str) -> Result<Draft, Error> {
        let path = ["drafts", id];
        let query = [("format", "minimal")];
        let ask = Ask { call: Call::GetDraft, method: Method::GET, path: &path, query: &query };
        let drafted: Drafted = self.ask(ask).await?;
        Ok(drafted.into())
    }

    /// Sends a draft, which is gone afterwards. [`Error::OutcomeUnknown`] comes from here
    /// alone. [`Error::NotFound`]: it was sent or deleted before.
    pub async fn send_draft(&self, id: &str) -> Result<SentMessage, Error> {
        let ask = ask(Call::SendDraft, Method::POST, &["drafts", "send"]);
        self.tell(ask, &json!({ "id": id })).await
    }

    /// Deletes a draft: with success it was not sent and never will be.
    /// [`Error::NotFound`] says that it was sent, unless an earlier attempt to delete it
    /// had no answer.
    pub async fn delete_draft(&self, id: &str) -> Result<(), Error> {
        self.order(ask(Call::DeleteDraft, Method::DELETE, &["drafts", id])).await
    }
}

fn ask<'a>(call: Call, method: Method, path: &'a [&'a str]) -> Ask<'a> {
    Ask { call, method, path, query: &[] }
}
