//! Mail that goes: what Gmail checks, what it writes anew, and where it arrives.

use serde_json::{Value, json};

use super::api::Asked;
use super::mail::{self, Summary};
use super::mailbox::{Mailbox, New, Stored};
use super::problem::Problem;
use super::state::Held;
use super::{Sent, arrival, base64url, subject};

/// The largest mail, and the most people that one can go to.
const LARGEST_BYTES: usize = 36_700_160;
const MOST_RECIPIENTS: usize = 500;

pub(super) fn send_message(held: &mut Held, asked: &Asked) -> Result<Value, Problem> {
    let raw = raw(&asked.body)?;
    check(&raw)?;
    let (mailbox, _) = held.mailbox(&asked.mailbox)?;
    let thread_id = joined(mailbox, &raw, asked.text("threadId"))?;
    send(held, &asked.mailbox, &raw, thread_id)
}

/// The mail of a body.
pub(super) fn raw(body: &Value) -> Result<Vec<u8>, Problem> {
    let raw = body.get("raw").and_then(Value::as_str).filter(|raw| !raw.is_empty());
    let raw = raw.ok_or_else(|| {
        Problem::invalid("'raw' RFC822 payload message string or uploading message required")
    })?;
    let raw = base64url::decode(raw).ok_or_else(|| {
        Problem::invalid("Invalid value at 'raw' (TYPE_BYTES), Base64 decoding failed")
    })?;
    if raw.len() > LARGEST_BYTES {
        return Err(Problem::new(413, "uploadTooLarge", "Request is too large."));
    }
    if mail::headers(&raw).is_empty() {
        return Err(Problem::invalid("Missing or invalid RFC822 headers"));
    }
    Ok(raw)
}

/// What must hold of a mail that goes.
pub(super) fn check(raw: &[u8]) -> Result<(), Problem> {
    let summary = Summary::of(raw);
    let recipients = summary.recipients();
    if recipients.is_empty() {
        return Err(Problem::invalid("Recipient address required"));
    }
    if recipients.len() > MOST_RECIPIENTS {
        return Err(Problem::new(400, "limitExceeded", "Too many recipients"));
    }
    let is_address = |address: &String| {
        let plain = !address.contains(|c: char| c.is_whitespace() || c.is_control());
        plain
            && matches!(address.split_once('@'), Some((local, domain))
            if !local.is_empty() && domain.contains('.') && !domain.contains('@'))
    };
    match recipients.iter().all(is_address) {
        true => Ok(()),
        false => Err(Problem::invalid("Invalid To header")),
    }
}

/// The thread that a mail joins: the one that is asked for, if the mail names one of
/// its mails and has its subject. There must be such a thread.
pub(super) fn joined(
    mailbox: &Mailbox,
    raw: &[u8],
    wanted: Option<&str>,
) -> Result<Option<String>, Problem> {
    let Some(wanted) = wanted else { return Ok(None) };
    let thread = mailbox.thread(wanted)?;
    let summary = Summary::of(raw);
    let belongs = thread.iter().any(|stored| belongs(&summary, stored));
    Ok(belongs.then(|| wanted.to_owned()))
}

/// The thread that arriving mail joins.
pub(super) fn thread_of(mailbox: &Mailbox, summary: &Summary) -> Option<String> {
    if summary.references.is_empty() {
        return None;
    }
    let found = mailbox.messages.values().rev().find(|stored| belongs(summary, stored));
    found.map(|stored| stored.thread_id.clone())
}

fn belongs(summary: &Summary, stored: &Stored) -> bool {
    let is_named =
        stored.summary.message_id.as_ref().is_some_and(|id| summary.references.contains(id));
    is_named
        && !stored.has("DRAFT")
        && subject::base(&summary.subject) == subject::base(&stored.summary.subject)
}

/// Sends a mail that was checked.
pub(super) fn send(
    held: &mut Held,
    address: &str,
    raw: &[u8],
    thread_id: Option<String>,
) -> Result<Value, Problem> {
    let now = held.now();
    let (mailbox, counter) = held.mailbox(address)?;
    let message_id =
        format!("<CA{:x}{:x}@mail.gmail.com>", counter.random(), uuid::Uuid::new_v4().as_u128());
    let raw = rewritten(mailbox, raw, &message_id, &now.to_rfc2822());
    let label_ids = vec!["SENT".to_owned()];
    let new = New { raw: raw.clone(), label_ids, thread_id, internal_date: now };
    let id = mailbox.add(counter, new);
    let stored = mailbox.message(&id)?.clone();
    let answer = json!({ "id": stored.id, "threadId": stored.thread_id,
        "labelIds": stored.label_ids });
    let recipients = stored.summary.recipients();
    held.sent.push(Sent {
        mailbox: address.to_owned(),
        id,
        thread_id: stored.thread_id,
        message_id,
        recipients: recipients.clone(),
        subject: stored.summary.subject,
        text: stored.summary.text,
        raw: String::from_utf8_lossy(&raw).into_owned(),
        sent_at: now,
    });
    let raw = mail::without(&raw, "Bcc");
    for recipient in recipients {
        if held.undeliverable.contains(&recipient) {
            arrival::bounce(held, address, &recipient, &raw)?;
        } else if held.mailbox(&recipient).is_ok() {
            arrival::deliver(held, address, &recipient, &raw, &arrival::Verdict::Pass)?;
        }
    }
    Ok(answer)
}

/// With Gmail's own Message-ID, and nobody in From who is not this mailbox.
fn rewritten(mailbox: &Mailbox, raw: &[u8], message_id: &str, date: &str) -> Vec<u8> {
    let summary = Summary::of(raw);
    let mut raw = mail::without(&mail::with_line_ends(raw), "Message-ID");
    let mut headers = vec![("Message-ID", message_id)];
    if summary.date.is_none() {
        raw = mail::without(&raw, "Date");
        headers.push(("Date", date));
    }
    if !matches!(&summary.from[..], [from] if mailbox.is_at(from)) {
        raw = mail::without(&raw, "From");
        headers.push(("From", &mailbox.address));
    }
    mail::with(&raw, &headers)
}
