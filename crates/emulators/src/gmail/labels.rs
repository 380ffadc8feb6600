//! The methods of labels, and the addresses that a mailbox may send from.

use serde_json::{Value, json};

use super::api::Asked;
use super::problem::Problem;
use super::state::Held;

pub(super) fn dispatch(method: &str, held: &mut Held, asked: &Asked) -> Result<Value, Problem> {
    let (mailbox, counter) = held.mailbox(&asked.mailbox)?;
    match method {
        "list" => Ok(json!({ "labels": mailbox.label_list() })),
        "get" => mailbox.label(asked.id(0)),
        "create" => {
            let name = asked.text("name").ok_or_else(|| Problem::invalid("Missing label name"))?;
            if mailbox.has_label(name) || mailbox.labels.values().any(|other| other == name) {
                return Err(Problem::new(409, "aborted", "Label name exists or conflicts"));
            }
            let id = format!("Label_{}", counter.next());
            mailbox.labels.insert(id.clone(), name.to_owned());
            mailbox.label(&id)
        }
        "patch" | "update" => {
            let name = asked.text("name").ok_or_else(|| Problem::invalid("Missing label name"))?;
            let label = mailbox.labels.get_mut(asked.id(0)).ok_or_else(Problem::not_found)?;
            name.clone_into(label);
            mailbox.label(asked.id(0))
        }
        "delete" => {
            let id = asked.id(0).to_owned();
            mailbox.labels.remove(&id).ok_or_else(Problem::not_found)?;
            let ids: Vec<String> = mailbox.messages.keys().cloned().collect();
            for message in ids {
                mailbox.relabel(counter, &message, &[], std::slice::from_ref(&id))?;
            }
            Ok(Value::Null)
        }
        "sendAs.list" => {
            let main = std::iter::once((&mailbox.address, true));
            let all = main.chain(mailbox.aliases.iter().map(|alias| (alias, false)));
            let shown = all.map(|(address, is_main)| {
                json!({ "sendAsEmail": address, "isPrimary": is_main, "isDefault": is_main,
                    "verificationStatus": "accepted" })
            });
            Ok(json!({ "sendAs": shown.collect::<Vec<_>>() }))
        }
        _ => Err(Problem::not_found()),
    }
}
