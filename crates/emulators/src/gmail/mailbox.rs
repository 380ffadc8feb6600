//! One mailbox: its mails, their labels, drafts, and the history of every change.

use std::collections::BTreeMap;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use super::counter::Counter;
use super::mail::Summary;
use super::problem::Problem;
use super::settings::Account;
use super::{base64url, payload};

/// Labels that every mailbox has.
const SYSTEM_LABELS: [&str; 13] = [
    "INBOX",
    "SENT",
    "DRAFT",
    "SPAM",
    "TRASH",
    "UNREAD",
    "STARRED",
    "IMPORTANT",
    "CATEGORY_PERSONAL",
    "CATEGORY_SOCIAL",
    "CATEGORY_PROMOTIONS",
    "CATEGORY_UPDATES",
    "CATEGORY_FORUMS",
];

/// A mail in a mailbox.
#[derive(Debug, Clone)]
pub(super) struct Stored {
    pub(super) id: String,
    pub(super) thread_id: String,
    pub(super) label_ids: Vec<String>,
    pub(super) history_id: u64,
    pub(super) internal_date: DateTime<Utc>,
    pub(super) raw: Bytes,
    pub(super) summary: Summary,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    MessageAdded,
    MessageDeleted,
    LabelAdded,
    LabelRemoved,
}

/// One change.
#[derive(Debug, Clone)]
pub(super) struct Change {
    pub(super) id: u64,
    pub(super) kind: Kind,
    pub(super) message_id: String,
    pub(super) thread_id: String,
    /// The mail's labels after it; before it, where the mail went away.
    pub(super) label_ids: Vec<String>,
    /// Labels that were given or taken.
    pub(super) changed: Vec<String>,
}

/// A standing order to be told of changes.
#[derive(Debug, Clone)]
pub(super) struct Watch {
    pub(super) topic: String,
    pub(super) label_ids: Vec<String>,
    pub(super) excludes: bool,
    pub(super) ends: DateTime<Utc>,
}

/// A draft, and the thread that it was made for.
#[derive(Debug, Clone)]
pub(super) struct Draft {
    pub(super) message_id: String,
    pub(super) thread_id: Option<String>,
}

#[derive(Debug)]
pub(super) struct Mailbox {
    pub(super) address: String,
    pub(super) aliases: Vec<String>,
    pub(super) refresh_token: String,
    pub(super) is_revoked: bool,
    pub(super) messages: BTreeMap<String, Stored>,
    pub(super) drafts: BTreeMap<String, Draft>,
    pub(super) history: Vec<Change>,
    /// The history before it is not known (any more).
    pub(super) floor: u64,
    pub(super) history_id: u64,
    pub(super) watch: Option<Watch>,
    /// Ids and names of the labels that were made.
    pub(super) labels: BTreeMap<String, String>,
    /// When quota was used, and how much.
    pub(super) usage: Vec<(DateTime<Utc>, u32)>,
    pub(super) notified_at: Option<DateTime<Utc>>,
}

impl Mailbox {
    pub(super) fn new(account: Account, history_id: u64) -> Self {
        Self {
            address: account.address.to_lowercase(),
            aliases: account.aliases.iter().map(|alias| alias.to_lowercase()).collect(),
            refresh_token: account.refresh_token,
            is_revoked: false,
            messages: BTreeMap::new(),
            drafts: BTreeMap::new(),
            history: Vec::new(),
            floor: history_id,
            history_id,
            watch: None,
            labels: BTreeMap::new(),
            usage: Vec::new(),
            notified_at: None,
        }
    }

    /// Whether mail to this address comes here.
    pub(super) fn is_at(&self, address: &str) -> bool {
        self.address == address || self.aliases.iter().any(|alias| alias == address)
    }

    pub(super) fn message(&self, id: &str) -> Result<&Stored, Problem> {
        self.messages.get(id).ok_or_else(Problem::not_found)
    }

    /// Changes after this one: their ids only grow.
    pub(super) fn since(&self, id: u64) -> &[Change] {
        let first = self.history.partition_point(|change| change.id <= id);
        self.history.get(first..).unwrap_or_default()
    }

    /// A thread's mails, oldest first.
    pub(super) fn thread(&self, id: &str) -> Result<Vec<&Stored>, Problem> {
        let found: Vec<_> =
            self.messages.values().filter(|message| message.thread_id == id).collect();
        if found.is_empty() { Err(Problem::not_found()) } else { Ok(found) }
    }

    pub(super) fn has_label(&self, label: &str) -> bool {
        SYSTEM_LABELS.contains(&label) || self.labels.contains_key(label)
    }

    pub(super) fn label_list(&self) -> Vec<Value> {
        let system = SYSTEM_LABELS.iter().map(|id| (*id, *id));
        let made = self.labels.iter().map(|(id, name)| (id.as_str(), name.as_str()));
        let all = system.chain(made);
        all.map(|(id, name)| label(id, name)).collect()
    }

    pub(super) fn label(&self, id: &str) -> Result<Value, Problem> {
        match self.labels.get(id) {
            Some(name) => Ok(label(id, name)),
            None if self.has_label(id) => Ok(label(id, id)),
            None => Err(Problem::not_found()),
        }
    }

    /// Puts a mail in; its thread is its own where none is given.
    pub(super) fn add(&mut self, counter: &mut Counter, new: New) -> String {
        let id = format!("{:016x}", counter.next() << 20 | counter.random() & 0xf_ffff);
        let history_id = counter.next();
        let thread_id = new.thread_id.unwrap_or_else(|| id.clone());
        let stored = Stored {
            id: id.clone(),
            thread_id,
            label_ids: new.label_ids,
            history_id,
            internal_date: new.internal_date,
            summary: Summary::of(&new.raw),
            raw: new.raw.into(),
        };
        self.note(history_id, Kind::MessageAdded, &stored, Vec::new());
        self.messages.insert(id.clone(), stored);
        id
    }

    /// Takes a mail away for good.
    pub(super) fn remove(&mut self, counter: &mut Counter, id: &str) -> Result<(), Problem> {
        let stored = self.messages.remove(id).ok_or_else(Problem::not_found)?;
        self.drafts.retain(|_, draft| draft.message_id != id);
        self.note(counter.next(), Kind::MessageDeleted, &stored, Vec::new());
        Ok(())
    }

    /// Gives and takes labels; what changes nothing leaves no trace.
    pub(super) fn relabel(
        &mut self,
        counter: &mut Counter,
        id: &str,
        given: &[String],
        taken: &[String],
    ) -> Result<(), Problem> {
        let stored = self.messages.get_mut(id).ok_or_else(Problem::not_found)?;
        let mut added = Vec::new();
        for label in given.iter().filter(|label| !taken.contains(label)) {
            if !stored.label_ids.contains(label) {
                stored.label_ids.push(label.clone());
                added.push(label.clone());
            }
        }
        let (removed, left) =
            stored.label_ids.drain(..).partition::<Vec<_>, _>(|label| taken.contains(label));
        stored.label_ids = left;
        for (kind, changed) in [(Kind::LabelAdded, added), (Kind::LabelRemoved, removed)] {
            if !changed.is_empty() {
                let history_id = counter.next();
                if let Some(stored) = self.messages.get_mut(id) {
                    stored.history_id = history_id;
                }
                let stored = self.message(id)?.clone();
                self.note(history_id, kind, &stored, changed);
            }
        }
        Ok(())
    }

    fn note(&mut self, id: u64, kind: Kind, stored: &Stored, changed: Vec<String>) {
        self.history_id = id;
        self.history.push(Change {
            id,
            kind,
            message_id: stored.id.clone(),
            thread_id: stored.thread_id.clone(),
            label_ids: stored.label_ids.clone(),
            changed,
        });
    }
}

/// A mail that is put into a mailbox.
pub(super) struct New {
    pub(super) raw: Vec<u8>,
    pub(super) label_ids: Vec<String>,
    pub(super) thread_id: Option<String>,
    pub(super) internal_date: DateTime<Utc>,
}

/// How much of a mail is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Format<'a> {
    Minimal,
    Raw,
    Full,
    /// With these headers; all where none is named.
    Metadata(Vec<&'a str>),
}

impl Stored {
    pub(super) fn has(&self, label: &str) -> bool {
        self.label_ids.iter().any(|other| other == label)
    }

    /// As `{id, threadId}`.
    pub(super) fn reference(&self) -> Value {
        json!({ "id": self.id, "threadId": self.thread_id })
    }

    pub(super) fn show(&self, format: &Format<'_>, nonce: u64) -> Value {
        let mut shown = json!({
            "id": self.id,
            "threadId": self.thread_id,
            "labelIds": self.label_ids,
            "snippet": self.snippet(),
            "historyId": self.history_id.to_string(),
            "internalDate": self.internal_date.timestamp_millis().to_string(),
            "sizeEstimate": self.raw.len(),
        });
        let more = match format {
            Format::Minimal => None,
            Format::Raw => Some(("raw", base64url::encode(&self.raw).into())),
            Format::Full => Some(("payload", payload::full(&self.raw, nonce))),
            Format::Metadata(names) => Some(("payload", payload::metadata(&self.raw, names))),
        };
        if let (Some(fields), Some((name, value))) = (shown.as_object_mut(), more) {
            fields.insert(name.to_owned(), value);
        }
        shown
    }

    fn snippet(&self) -> String {
        let words = self.summary.text.split_whitespace().collect::<Vec<_>>().join(" ");
        let start: String = words.chars().take(180).collect();
        start.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('\'', "&#39;")
    }
}

fn label(id: &str, name: &str) -> Value {
    let kind = if SYSTEM_LABELS.contains(&id) { "system" } else { "user" };
    json!({ "id": id, "name": name, "type": kind })
}
