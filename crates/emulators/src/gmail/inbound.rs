//! A customer writes: what a test or a person says of the mail, and the mail that is
//! made of it.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::arrival::{self, Verdict};
use super::base64url;
use super::mail::Summary;
use super::problem::Problem;
use super::state::{Held, State};

/// What a customer writes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Inbound {
    /// An address, or a name and an address.
    pub from: String,
    /// The first mailbox, where none is named.
    pub to: Option<String>,
    pub subject: String,
    pub text: String,
    pub reply_to: Option<String>,
    /// The Message-ID that it answers.
    pub in_reply_to: Option<String>,
    /// Those before it.
    pub references: Vec<String>,
    /// A new one, where none is given.
    pub message_id: Option<String>,
    /// Headers besides these.
    pub headers: Vec<(String, String)>,
    pub attachments: Vec<InboundFile>,
    /// The whole mail instead of all that.
    pub raw: Option<String>,
    /// The same, where it is no text.
    pub raw_base64: Option<String>,
    pub verdict: Verdict,
}

/// A file that comes with a mail.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InboundFile {
    pub name: String,
    pub content_type: String,
    pub content_base64: String,
}

/// Where a mail arrived.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Arrived {
    pub mailbox: String,
    /// Gmail's.
    pub id: String,
    pub thread_id: String,
    /// Of the mail itself.
    pub message_id: Option<String>,
    pub history_id: u64,
}

/// The error of mail for a mailbox that is not here, or that cannot be decoded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no such mailbox, or no such mail")]
pub struct NotDelivered;

pub(super) fn deliver(state: &State, inbound: &Inbound) -> Result<Arrived, NotDelivered> {
    let mut held = state.lock();
    arrive(&mut held, inbound).map_err(|_| NotDelivered)
}

fn arrive(held: &mut Held, inbound: &Inbound) -> Result<Arrived, Problem> {
    let first = held.mailboxes.first().map(|mailbox| mailbox.address.clone());
    let to = inbound.to.clone().or(first).ok_or_else(Problem::not_found)?;
    let raw = match (&inbound.raw, &inbound.raw_base64) {
        (Some(raw), _) => raw.clone().into_bytes(),
        (None, Some(raw)) => {
            let plain = raw.replace('+', "-").replace('/', "_");
            base64url::decode(&plain).ok_or_else(Problem::not_found)?
        }
        (None, None) => mail(inbound, &to, held.now()),
    };
    let from = Summary::of(&raw).from.into_iter().next().unwrap_or_default();
    let id = arrival::deliver(held, &from, &to, &raw, &inbound.verdict)?;
    let (mailbox, _) = held.mailbox(&to)?;
    let stored = mailbox.message(&id)?;
    Ok(Arrived {
        mailbox: mailbox.address.clone(),
        thread_id: stored.thread_id.clone(),
        message_id: stored.summary.message_id.clone(),
        history_id: stored.history_id,
        id,
    })
}

fn mail(inbound: &Inbound, to: &str, now: DateTime<Utc>) -> Vec<u8> {
    let domain = inbound.from.rsplit('@').next().unwrap_or_default().trim_end_matches('>');
    let new_id = || format!("<{}@{domain}>", uuid::Uuid::new_v4().simple());
    let mut head = vec![
        ("From".to_owned(), inbound.from.clone()),
        ("To".to_owned(), to.to_owned()),
        ("Subject".to_owned(), inbound.subject.clone()),
        ("Message-ID".to_owned(), inbound.message_id.clone().unwrap_or_else(new_id)),
        ("Date".to_owned(), now.to_rfc2822()),
        ("MIME-Version".to_owned(), "1.0".to_owned()),
    ];
    let mut references = inbound.references.clone();
    if let Some(answered) = &inbound.in_reply_to {
        head.push(("In-Reply-To".to_owned(), answered.clone()));
        if !references.contains(answered) {
            references.push(answered.clone());
        }
    }
    if !references.is_empty() {
        head.push(("References".to_owned(), references.join("\r\n ")));
    }
    if let Some(reply_to) = &inbound.reply_to {
        head.push(("Reply-To".to_owned(), reply_to.clone()));
    }
    head.extend(inbound.headers.iter().cloned());
    let mut mail: String =
        head.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    mail.push_str(&content(inbound));
    mail.into_bytes()
}

fn content(inbound: &Inbound) -> String {
    let text = format!(
        "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n{}\r\n",
        inbound.text.replace("\r\n", "\n").replace('\n', "\r\n")
    );
    if inbound.attachments.is_empty() {
        return text;
    }
    let boundary = uuid::Uuid::new_v4().simple().to_string();
    let files = inbound.attachments.iter().map(|file| {
        format!(
            "--{boundary}\r\nContent-Type: {}\r\nContent-Disposition: attachment; \
             filename=\"{}\"\r\nContent-Transfer-Encoding: base64\r\n\r\n{}\r\n",
            file.content_type, file.name, file.content_base64
        )
    });
    let files: String = files.collect();
    format!(
        "Content-Type: multipart/mixed; boundary=\"{boundary}\"\r\n\r\n\
         --{boundary}\r\n{text}{files}--{boundary}--\r\n"
    )
}
