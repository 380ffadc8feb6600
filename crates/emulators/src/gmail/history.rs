//! The history of a mailbox, page by page. Pages are cut before they are filtered, so
//! that one can be empty and still have a next.

use serde_json::{Map, Value, json};

use super::api::{Asked, next_page};
use super::mailbox::{Change, Kind};
use super::problem::Problem;
use super::state::Held;

pub(super) fn list(held: &mut Held, asked: &Asked) -> Result<Value, Problem> {
    let start = asked.parameter("startHistoryId");
    let start = start.ok_or_else(|| Problem::invalid("Missing startHistoryId"))?;
    let start: u64 = start.parse().map_err(|_| Problem::invalid("Invalid startHistoryId"))?;
    let kinds = kinds(asked)?;
    let label = asked.parameter("labelId");
    let (skipped, size) = asked.page()?;
    let (mailbox, _) = held.mailbox(&asked.mailbox)?;
    if start < mailbox.floor || start > mailbox.history_id {
        return Err(Problem::not_found());
    }
    let since = mailbox.since(start);
    let page = since.iter().skip(skipped).take(size);
    let shown: Vec<Value> = page
        .filter(|change| kinds.is_empty() || kinds.contains(&change.kind))
        .filter(|change| label.is_none_or(|label| concerns(change, label)))
        .map(show)
        .collect();
    let mut answer = Map::new();
    answer.insert("historyId".to_owned(), mailbox.history_id.to_string().into());
    // Nothing is no empty list but no list.
    if !shown.is_empty() {
        answer.insert("history".to_owned(), shown.into());
    }
    if let Some(token) = next_page(skipped + size, since.len()) {
        answer.insert("nextPageToken".to_owned(), token.into());
    }
    Ok(answer.into())
}

fn kinds(asked: &Asked) -> Result<Vec<Kind>, Problem> {
    let kind = |name: &&str| match *name {
        "messageAdded" => Ok(Kind::MessageAdded),
        "messageDeleted" => Ok(Kind::MessageDeleted),
        "labelAdded" => Ok(Kind::LabelAdded),
        "labelRemoved" => Ok(Kind::LabelRemoved),
        _ => Err(Problem::invalid("Invalid value for historyTypes")),
    };
    asked.parameters("historyTypes").iter().map(kind).collect()
}

fn concerns(change: &Change, label: &str) -> bool {
    change.label_ids.iter().chain(&change.changed).any(|other| other == label)
}

fn show(change: &Change) -> Value {
    let plain = json!({ "id": change.message_id, "threadId": change.thread_id });
    let message = json!({ "id": change.message_id, "threadId": change.thread_id,
        "labelIds": change.label_ids });
    let (name, entry) = match change.kind {
        Kind::MessageAdded => ("messagesAdded", json!({ "message": message })),
        Kind::MessageDeleted => ("messagesDeleted", json!({ "message": message })),
        Kind::LabelAdded => {
            ("labelsAdded", json!({ "message": message, "labelIds": change.changed }))
        }
        Kind::LabelRemoved => {
            ("labelsRemoved", json!({ "message": message, "labelIds": change.changed }))
        }
    };
    json!({ "id": change.id.to_string(), "messages": [plain], name: [entry] })
}
