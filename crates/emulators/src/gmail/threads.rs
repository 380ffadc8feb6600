//! The methods of threads.

use serde_json::{Value, json};

use super::api::{Asked, next_page};
use super::messages;
use super::problem::Problem;
use super::state::Held;

pub(super) fn dispatch(method: &str, held: &mut Held, asked: &Asked) -> Result<Value, Problem> {
    match method {
        "list" => list(held, asked),
        "get" => get(held, asked),
        "delete" => {
            let ids = ids(held, asked)?;
            let (mailbox, counter) = held.mailbox(&asked.mailbox)?;
            for id in ids {
                mailbox.remove(counter, &id)?;
            }
            Ok(Value::Null)
        }
        "modify" => {
            let (given, taken) = messages::label_lists(asked)?;
            relabel(held, asked, &given, &taken)
        }
        "trash" => relabel(held, asked, &["TRASH".to_owned()], &["INBOX".to_owned()]),
        "untrash" => relabel(held, asked, &[], &["TRASH".to_owned()]),
        _ => Err(Problem::not_found()),
    }
}

fn ids(held: &mut Held, asked: &Asked) -> Result<Vec<String>, Problem> {
    let (mailbox, _) = held.mailbox(&asked.mailbox)?;
    Ok(mailbox.thread(asked.id(0))?.iter().map(|stored| stored.id.clone()).collect())
}

fn relabel(
    held: &mut Held,
    asked: &Asked,
    given: &[String],
    taken: &[String],
) -> Result<Value, Problem> {
    for id in ids(held, asked)? {
        messages::relabel(held, &asked.mailbox, &id, given, taken)?;
    }
    Ok(json!({ "id": asked.id(0) }))
}

fn get(held: &mut Held, asked: &Asked) -> Result<Value, Problem> {
    let format = asked.format()?;
    let (mailbox, counter) = held.mailbox(&asked.mailbox)?;
    let thread = mailbox.thread(asked.id(0))?;
    let newest = thread.iter().map(|stored| stored.history_id).max().unwrap_or_default();
    let shown = thread.iter().map(|stored| stored.show(&format, counter.random()));
    Ok(json!({
        "id": asked.id(0),
        "historyId": newest.to_string(),
        "messages": shown.collect::<Vec<_>>(),
    }))
}

/// Threads of the mails that a search finds, the newest mail's first.
fn list(held: &mut Held, asked: &Asked) -> Result<Value, Problem> {
    let (skipped, size) = asked.page()?;
    let mut threads: Vec<Value> = Vec::new();
    for stored in messages::found(held, asked)? {
        let id = Value::from(stored.thread_id.clone());
        if !threads.iter().any(|thread| thread.get("id") == Some(&id)) {
            threads.push(json!({ "id": id, "historyId": stored.history_id.to_string() }));
        }
    }
    let all = threads.len();
    let shown = threads.into_iter().skip(skipped).take(size).collect();
    Ok(messages::listed("threads", shown, next_page(skipped + size, all), all))
}
