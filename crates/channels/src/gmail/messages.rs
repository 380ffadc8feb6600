//! What came into the mailbox: the history, lists, mails and their files.

use std::collections::HashSet;
use std::fmt;

use chrono::{DateTime, Utc};
use reqwest::Method;
use serde::Deserialize;

use super::client::{Ask, GmailClient};
use super::{Call, Error, base64url, mailbox, number};

const INBOX: &str = "INBOX";

/// The most that Gmail puts on a page.
const PAGE_SIZE: &str = "500";

/// A mail that a list names.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Listed {
    pub id: String,
    pub thread_id: String,
    /// Labels as they are now; a list of messages does not say them.
    #[serde(default)]
    pub label_ids: Vec<String>,
}

/// One page of what changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistoryPage {
    /// Where the history stands now: the next start, once all pages are read.
    pub history_id: u64,
    /// Mails that came to the inbox, or were moved there, each once.
    pub messages: Vec<Listed>,
    pub next_page_token: Option<String>,
}

/// One page of a list of mails, newest first.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MessagePage {
    #[serde(default)]
    pub messages: Vec<Listed>,
    pub next_page_token: Option<String>,
}

/// A mail as it came.
#[derive(Clone, PartialEq, Eq)]
pub struct RawMessage {
    pub id: String,
    pub thread_id: String,
    pub label_ids: Vec<String>,
    /// When Gmail took it.
    pub internal_date: DateTime<Utc>,
    /// RFC 5322, byte for byte.
    pub raw: Vec<u8>,
}

/// A mail without its text.
#[derive(Clone, PartialEq, Eq)]
pub struct Metadata {
    pub id: String,
    pub thread_id: String,
    pub label_ids: Vec<String>,
    /// When Gmail took it.
    pub internal_date: DateTime<Utc>,
    /// Names and values of the headers that were asked for, in the mail's order.
    pub headers: Vec<(String, String)>,
}

impl fmt::Debug for RawMessage {
    /// The mail is a customer's.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RawMessage").field("id", &self.id).finish_non_exhaustive()
    }
}

impl fmt::Debug for Metadata {
    /// Headers name customers.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metadata").field("id", &self.id).finish_non_exhaustive()
    }
}

impl Metadata {
    /// The first header of this name, however it is written.
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(other, _)| other.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct History {
    #[serde(deserialize_with = "number::read")]
    history_id: u64,
    #[serde(default)]
    history: Vec<Change>,
    next_page_token: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Change {
    #[serde(default)]
    messages_added: Vec<Changed>,
    #[serde(default)]
    labels_added: Vec<Changed>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Changed {
    message: Listed,
    /// Labels that this change gave.
    #[serde(default)]
    label_ids: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Message {
    id: String,
    thread_id: String,
    #[serde(default)]
    label_ids: Vec<String>,
    #[serde(deserialize_with = "number::read")]
    internal_date: u64,
    raw: Option<String>,
    payload: Option<Payload>,
}

#[derive(Deserialize)]
struct Payload {
    #[serde(default)]
    headers: Vec<Header>,
}

#[derive(Deserialize)]
struct Header {
    name: String,
    value: String,
}

#[derive(Deserialize)]
struct Thread {
    #[serde(default)]
    messages: Vec<Message>,
}

#[derive(Deserialize)]
struct Attachment {
    #[serde(default)]
    data: String,
}

impl GmailClient {
    /// One page of what changed in the inbox since `start`. [`Error::NotFound`]: too long
    /// ago for Gmail to know.
    pub async fn history(
        &self,
        start: u64,
        page_token: Option<&str>,
    ) -> Result<HistoryPage, Error> {
        let start = start.to_string();
        let mut query = vec![
            ("startHistoryId", start.as_str()),
            ("historyTypes", "messageAdded"),
            ("historyTypes", "labelAdded"),
            ("labelId", INBOX),
            ("maxResults", PAGE_SIZE),
        ];
        query.extend(page_token.map(|token| ("pageToken", token)));
        let history: History = self.get(Call::History, &["history"], &query).await?;
        Ok(HistoryPage {
            history_id: history.history_id,
            messages: arrivals(history.history),
            next_page_token: history.next_page_token,
        })
    }

    /// One page of the mails that a search finds, in Gmail's search words.
    pub async fn list(&self, search: &str, page_token: Option<&str>) -> Result<MessagePage, Error> {
        let mut query = vec![("q", search), ("maxResults", PAGE_SIZE)];
        query.extend(page_token.map(|token| ("pageToken", token)));
        self.get(Call::ListMessages, &["messages"], &query).await
    }

    /// A mail as it came. [`Error::NotFound`]: it was deleted meanwhile.
    pub async fn raw(&self, id: &str) -> Result<RawMessage, Error> {
        let query = [("format", "raw")];
        let message: Message = self.get(Call::GetMessage, &["messages", id], &query).await?;
        let raw = message.raw.as_deref().and_then(base64url::decode);
        Ok(RawMessage {
            raw: raw.ok_or_else(|| Error::permanent("the mail cannot be decoded"))?,
            internal_date: date(&message)?,
            id: message.id,
            thread_id: message.thread_id,
            label_ids: message.label_ids,
        })
    }

    /// A mail's labels, and those of its headers that are named.
    pub async fn metadata(&self, id: &str, headers: &[&str]) -> Result<Metadata, Error> {
        let query = metadata_query(headers);
        let message: Message = self.get(Call::GetMessage, &["messages", id], &query).await?;
        metadata(message)
    }

    /// All mails of a thread, oldest first, with those of their headers that are named.
    pub async fn thread(&self, id: &str, headers: &[&str]) -> Result<Vec<Metadata>, Error> {
        let query = metadata_query(headers);
        let thread: Thread = self.get(Call::GetThread, &["threads", id], &query).await?;
        thread.messages.into_iter().map(metadata).collect()
    }

    /// The bytes of a file. Its id is good only as long as the answer that named it.
    pub async fn attachment(&self, message_id: &str, id: &str) -> Result<Vec<u8>, Error> {
        let path = ["messages", message_id, "attachments", id];
        let attachment: Attachment = self.get(Call::GetAttachment, &path, &[]).await?;
        base64url::decode(&attachment.data)
            .ok_or_else(|| Error::retryable("the attachment cannot be decoded"))
    }

    async fn get<T: serde::de::DeserializeOwned>(
        &self,
        call: Call,
        path: &[&str],
        query: &[(&str, &str)],
    ) -> Result<T, Error> {
        self.ask(Ask { call, method: Method::GET, path, query }).await
    }
}

/// What came to the inbox. The plain list of each change repeats it, and another label
/// on a mail that is there already is no arrival.
fn arrivals(changes: Vec<Change>) -> Vec<Listed> {
    let mut seen = HashSet::new();
    let mut arrivals = Vec::new();
    for change in changes {
        let moved = change.labels_added.into_iter();
        let moved = moved.filter(|changed| changed.label_ids.iter().any(|label| label == INBOX));
        for changed in change.messages_added.into_iter().chain(moved) {
            if seen.insert(changed.message.id.clone()) {
                arrivals.push(changed.message);
            }
        }
    }
    arrivals
}

fn metadata_query<'a>(headers: &[&'a str]) -> Vec<(&'static str, &'a str)> {
    let names = headers.iter().map(|name| ("metadataHeaders", *name));
    std::iter::once(("format", "metadata")).chain(names).collect()
}

fn metadata(message: Message) -> Result<Metadata, Error> {
    let internal_date = date(&message)?;
    let headers = message.payload.map(|payload| payload.headers).unwrap_or_default();
    Ok(Metadata {
        id: message.id,
        thread_id: message.thread_id,
        label_ids: message.label_ids,
        internal_date,
        headers: headers.into_iter().map(|header| (header.name, header.value)).collect(),
    })
}

fn date(message: &Message) -> Result<DateTime<Utc>, Error> {
    mailbox::at(message.internal_date)
        .ok_or_else(|| Error::permanent("the time of the mail cannot be read"))
}
