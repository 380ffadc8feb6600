//! The methods of drafts. A draft is a mail of its own, which goes away when it is sent.

use serde_json::{Value, json};

use super::api::{Asked, next_page};
use super::mailbox::{Draft, Format, Mailbox, New};
use super::problem::Problem;
use super::state::Held;
use super::{messages, sending};

pub(super) fn dispatch(method: &str, held: &mut Held, asked: &Asked) -> Result<Value, Problem> {
    match method {
        "create" => {
            let id = format!("r{}", held.counter.next());
            store(held, asked, id)
        }
        "update" => {
            remove(held, asked, asked.id(0))?;
            store(held, asked, asked.id(0).to_owned())
        }
        "list" => list(held, asked),
        "get" => get(held, asked),
        "send" => send(held, asked),
        "delete" => remove(held, asked, asked.id(0)).map(|_| Value::Null),
        _ => Err(Problem::not_found()),
    }
}

fn store(held: &mut Held, asked: &Asked, id: String) -> Result<Value, Problem> {
    let message =
        asked.body.get("message").ok_or_else(|| Problem::invalid("Missing draft message"))?;
    let raw = sending::raw(message)?;
    let wanted = message.get("threadId").and_then(Value::as_str).map(str::to_owned);
    let now = held.now();
    let (mailbox, counter) = held.mailbox(&asked.mailbox)?;
    let thread_id = sending::joined(mailbox, &raw, wanted.as_deref())?;
    let label_ids = vec!["DRAFT".to_owned()];
    let message_id = mailbox.add(counter, New { raw, label_ids, thread_id, internal_date: now });
    mailbox.drafts.insert(id.clone(), Draft { message_id, thread_id: wanted });
    show(mailbox, &id, &Format::Minimal, 0)
}

fn show(mailbox: &Mailbox, id: &str, format: &Format<'_>, nonce: u64) -> Result<Value, Problem> {
    let draft = mailbox.drafts.get(id).ok_or_else(Problem::not_found)?;
    let message = mailbox.message(&draft.message_id)?;
    Ok(json!({ "id": id, "message": message.show(format, nonce) }))
}

fn get(held: &mut Held, asked: &Asked) -> Result<Value, Problem> {
    let format = asked.format()?;
    let (mailbox, counter) = held.mailbox(&asked.mailbox)?;
    show(mailbox, asked.id(0), &format, counter.random())
}

fn list(held: &mut Held, asked: &Asked) -> Result<Value, Problem> {
    let (skipped, size) = asked.page()?;
    let (mailbox, _) = held.mailbox(&asked.mailbox)?;
    let all = mailbox.drafts.len();
    let page = mailbox.drafts.iter().rev().skip(skipped).take(size);
    let shown = page.filter_map(|(id, draft)| {
        let message = mailbox.messages.get(&draft.message_id)?;
        Some(json!({ "id": id, "message": message.reference() }))
    });
    let shown = shown.collect();
    Ok(messages::listed("drafts", shown, next_page(skipped + size, all), all))
}

/// Takes a draft and its mail away.
fn remove(held: &mut Held, asked: &Asked, id: &str) -> Result<(Draft, Vec<u8>), Problem> {
    let (mailbox, counter) = held.mailbox(&asked.mailbox)?;
    let draft = mailbox.drafts.get(id).cloned().ok_or_else(Problem::not_found)?;
    let raw = mailbox.message(&draft.message_id)?.raw.to_vec();
    mailbox.remove(counter, &draft.message_id)?;
    Ok((draft, raw))
}

/// What cannot be sent stays a draft.
fn send(held: &mut Held, asked: &Asked) -> Result<Value, Problem> {
    let id = asked.text("id").ok_or_else(|| Problem::invalid("Missing draft id"))?;
    let (mailbox, _) = held.mailbox(&asked.mailbox)?;
    let draft = mailbox.drafts.get(id).ok_or_else(Problem::not_found)?;
    sending::check(&mailbox.message(&draft.message_id)?.raw)?;
    let (draft, raw) = remove(held, asked, id)?;
    // Its thread may be gone meanwhile; then it begins one.
    let (mailbox, _) = held.mailbox(&asked.mailbox)?;
    let thread_id = sending::joined(mailbox, &raw, draft.thread_id.as_deref()).unwrap_or_default();
    sending::send(held, &asked.mailbox, &raw, thread_id)
}
