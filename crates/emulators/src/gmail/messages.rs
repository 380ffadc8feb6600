//! The methods of mails: lists, single ones, labels, and mails put in by hand.

use serde_json::{Value, json};

use super::api::{Asked, next_page};
use super::mailbox::{New, Stored};
use super::problem::Problem;
use super::search::Search;
use super::state::Held;
use super::{base64url, payload, sending};

/// The most labels, and the most mails, of one change.
const MOST_LABELS: usize = 100;
const MOST_MESSAGES: usize = 1000;

pub(super) fn dispatch(method: &str, held: &mut Held, asked: &Asked) -> Result<Value, Problem> {
    match method {
        "list" => list(held, asked),
        "get" => get(held, asked),
        "delete" => {
            let (mailbox, counter) = held.mailbox(&asked.mailbox)?;
            mailbox.remove(counter, asked.id(0)).map(|()| Value::Null)
        }
        "modify" => {
            let (given, taken) = label_lists(asked)?;
            relabeled(held, asked, &given, &taken)
        }
        "trash" => relabeled(held, asked, &["TRASH".to_owned()], &["INBOX".to_owned()]),
        "untrash" => relabeled(held, asked, &[], &["TRASH".to_owned()]),
        "batchModify" => batch_modify(held, asked),
        "batchDelete" => {
            let ids = asked.texts("ids");
            let (mailbox, counter) = held.mailbox(&asked.mailbox)?;
            for id in ids {
                // What is not there is passed over.
                mailbox.remove(counter, &id).unwrap_or_default();
            }
            Ok(Value::Null)
        }
        "insert" | "import" => insert(held, asked),
        "attachments.get" => attachment(held, asked),
        _ => Err(Problem::not_found()),
    }
}

/// Mails that a search finds, newest first.
pub(super) fn found<'a>(held: &'a mut Held, asked: &Asked) -> Result<Vec<&'a Stored>, Problem> {
    let now = held.now();
    let search = Search::of(asked.parameter("q").unwrap_or_default(), now);
    let labels = asked.parameters("labelIds");
    let shows_hidden = asked.parameter("includeSpamTrash") == Some("true");
    let (mailbox, _) = held.mailbox(&asked.mailbox)?;
    let mailbox: &super::mailbox::Mailbox = mailbox;
    let is_hidden = |stored: &Stored| stored.has("SPAM") || stored.has("TRASH");
    let mut found: Vec<&Stored> = mailbox
        .messages
        .values()
        .filter(|stored| labels.iter().all(|label| stored.has(label)))
        .filter(|stored| shows_hidden || search.names_hidden() || !is_hidden(stored))
        .filter(|stored| search.finds(stored, mailbox))
        .collect();
    found.sort_by(|one, other| (other.internal_date, &other.id).cmp(&(one.internal_date, &one.id)));
    Ok(found)
}

fn list(held: &mut Held, asked: &Asked) -> Result<Value, Problem> {
    let (skipped, size) = asked.page()?;
    let found = found(held, asked)?;
    let shown: Vec<Value> =
        found.iter().skip(skipped).take(size).map(|stored| stored.reference()).collect();
    let next = next_page(skipped + size, found.len());
    Ok(listed("messages", shown, next, found.len()))
}

/// A page; nothing is no empty list but no list.
pub(super) fn listed(name: &str, shown: Vec<Value>, next: Option<String>, all: usize) -> Value {
    let mut answer = serde_json::Map::new();
    if !shown.is_empty() {
        answer.insert(name.to_owned(), shown.into());
    }
    if let Some(next) = next {
        answer.insert("nextPageToken".to_owned(), next.into());
    }
    answer.insert("resultSizeEstimate".to_owned(), all.into());
    answer.into()
}

fn get(held: &mut Held, asked: &Asked) -> Result<Value, Problem> {
    let format = asked.format()?;
    let (mailbox, counter) = held.mailbox(&asked.mailbox)?;
    Ok(mailbox.message(asked.id(0))?.show(&format, counter.random()))
}

fn attachment(held: &mut Held, asked: &Asked) -> Result<Value, Problem> {
    let (mailbox, _) = held.mailbox(&asked.mailbox)?;
    let stored = mailbox.message(asked.id(0))?;
    let bytes = payload::attachment(&stored.raw, asked.id(1));
    let bytes = bytes.ok_or_else(|| Problem::invalid("Invalid attachment token"))?;
    Ok(json!({ "size": bytes.len(), "data": base64url::encode(&bytes) }))
}

pub(super) fn label_lists(asked: &Asked) -> Result<(Vec<String>, Vec<String>), Problem> {
    let (given, taken) = (asked.texts("addLabelIds"), asked.texts("removeLabelIds"));
    if given.len() > MOST_LABELS || taken.len() > MOST_LABELS {
        return Err(Problem::invalid("Too many labels"));
    }
    Ok((given, taken))
}

/// Gives and takes labels of one mail, and checks that there are such labels.
pub(super) fn relabel(
    held: &mut Held,
    address: &str,
    id: &str,
    given: &[String],
    taken: &[String],
) -> Result<(), Problem> {
    let (mailbox, counter) = held.mailbox(address)?;
    if let Some(label) = given.iter().chain(taken).find(|label| !mailbox.has_label(label)) {
        return Err(Problem::invalid(format!("Invalid label: {label}")));
    }
    mailbox.relabel(counter, id, given, taken)
}

fn relabeled(
    held: &mut Held,
    asked: &Asked,
    given: &[String],
    taken: &[String],
) -> Result<Value, Problem> {
    relabel(held, &asked.mailbox, asked.id(0), given, taken)?;
    let (mailbox, _) = held.mailbox(&asked.mailbox)?;
    Ok(mailbox.message(asked.id(0))?.show(&super::mailbox::Format::Minimal, 0))
}

fn batch_modify(held: &mut Held, asked: &Asked) -> Result<Value, Problem> {
    let ids = asked.texts("ids");
    let (given, taken) = label_lists(asked)?;
    if ids.len() > MOST_MESSAGES {
        return Err(Problem::invalid("Too many messages"));
    }
    for id in ids {
        relabel(held, &asked.mailbox, &id, &given, &taken)?;
    }
    Ok(Value::Null)
}

/// Puts a mail in as it is, with the labels that are asked for.
fn insert(held: &mut Held, asked: &Asked) -> Result<Value, Problem> {
    let raw = sending::raw(&asked.body)?;
    let summary = super::mail::Summary::of(&raw);
    let now = held.now();
    let dated = asked.parameter("internalDateSource") == Some("dateHeader");
    let internal_date = if dated { summary.date.unwrap_or(now) } else { now };
    let label_ids = asked.texts("labelIds");
    let wanted = asked.text("threadId").map(str::to_owned);
    let (mailbox, counter) = held.mailbox(&asked.mailbox)?;
    if let Some(label) = label_ids.iter().find(|label| !mailbox.has_label(label)) {
        return Err(Problem::invalid(format!("Invalid label: {label}")));
    }
    if let Some(thread_id) = &wanted {
        mailbox.thread(thread_id)?;
    }
    let thread_id = wanted.or_else(|| sending::thread_of(mailbox, &summary));
    let id = mailbox.add(counter, New { raw, label_ids, thread_id, internal_date });
    Ok(mailbox.message(&id)?.show(&super::mailbox::Format::Minimal, 0))
}
