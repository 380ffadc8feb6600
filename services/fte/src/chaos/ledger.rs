//! The providers' record against our deliveries: one send for each delivery that counts
//! as sent, and a delivery for each send.

use std::collections::{BTreeMap, HashMap, HashSet};

use anyhow::Context as _;
use chrono::{DateTime, Utc};
use serde_json::Value;
use store::verify_ledger::Entry;
use uuid::Uuid;

use crate::commands::say::{Emulator, field};

/// In which a mail carries the delivery that it is.
const DELIVERY_HEADER: &str = "x-support-delivery-id:";

/// A send as the provider remembers it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ProviderSend {
    /// The provider's id.
    pub(crate) id: String,
    /// The delivery that it carries.
    pub(crate) delivery: Option<Uuid>,
    pub(crate) to: String,
    pub(crate) at: DateTime<Utc>,
}

/// What the comparison has found.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    /// Deliveries that stand as sent and were sent once.
    pub(crate) matched: usize,
    /// Mails that are no deliveries: links to tickets, hand-offs.
    pub(crate) others: usize,
    /// Deliveries of unknown outcome without a trace at the provider: a person is asked.
    pub(crate) doubts: Vec<Entry>,
    pub(crate) breaches: Vec<String>,
}

/// Everything that the emulator of Twilio has sent to customers, in order.
pub(crate) async fn read_twilio(emulator: &Emulator) -> anyhow::Result<Vec<ProviderSend>> {
    let messages = emulator.get("/_test/messages").await?;
    let messages = messages.as_array().context("no list of messages")?;
    let outbound = messages.iter().filter(|message| field(message, "direction") != "inbound");
    outbound
        .map(|message| {
            let callback = field(message, "status_callback");
            let delivery = callback.rsplit_once("d=").and_then(|(_, id)| id.parse().ok());
            let at = instant(message, "created_at")?;
            Ok(ProviderSend { id: field(message, "sid"), delivery, to: field(message, "to"), at })
        })
        .collect()
}

/// Everything that the emulator of Gmail has sent, in order.
pub(crate) async fn read_gmail(emulator: &Emulator) -> anyhow::Result<Vec<ProviderSend>> {
    let sent = emulator.get("/_test/sent").await?;
    let sent = sent.as_array().context("no list of mails")?;
    sent.iter()
        .map(|mail| {
            let raw = field(mail, "raw");
            let head = raw.lines().take_while(|line| !line.trim().is_empty());
            let delivery = head.filter_map(|line| {
                let line = line.to_ascii_lowercase();
                line.strip_prefix(DELIVERY_HEADER)?.trim().parse().ok()
            });
            let recipients = mail.get("recipients").and_then(Value::as_array);
            let to = recipients.and_then(|all| all.first()).and_then(Value::as_str);
            Ok(ProviderSend {
                id: field(mail, "id"),
                delivery: delivery.last(),
                to: to.unwrap_or_default().to_owned(),
                at: instant(mail, "sent_at")?,
            })
        })
        .collect()
}

fn instant(value: &Value, name: &str) -> anyhow::Result<DateTime<Utc>> {
    field(value, name).parse().with_context(|| format!("no instant in {name}"))
}

/// Compares. `others` are the ids that mails besides deliveries carry.
pub(crate) fn balance(entries: &[Entry], sends: &[ProviderSend], others: &HashSet<Uuid>) -> Ledger {
    let mut ledger = Ledger::default();
    let known: HashSet<Uuid> = entries.iter().map(|entry| entry.id).collect();
    let by_provider: HashMap<&str, Uuid> = entries
        .iter()
        .filter_map(|entry| Some((entry.provider_id.as_deref()?, entry.id)))
        .collect();
    let mut sent: BTreeMap<Uuid, Vec<&ProviderSend>> = BTreeMap::new();
    for send in sends {
        let carried = send.delivery.filter(|id| known.contains(id));
        match carried.or_else(|| by_provider.get(send.id.as_str()).copied()) {
            Some(delivery) => sent.entry(delivery).or_default().push(send),
            None if send.delivery.is_some_and(|id| others.contains(&id)) => ledger.others += 1,
            None => ledger.breaches.push(format!("send {} belongs to no delivery", send.id)),
        }
    }
    for entry in entries {
        let sends = sent.get(&entry.id).map(Vec::as_slice).unwrap_or_default();
        judge(entry, sends, &mut ledger);
    }
    ledger
}

/// A delivery in doubt, for a person who reads.
pub(crate) fn doubt(entry: &Entry) -> String {
    let why = entry.last_error.as_deref().unwrap_or_default();
    format!("delivery {} ({}, {}): {why}", entry.id, entry.outlet, entry.author)
}

/// What Twilio's emulator was asked to send and did not answer, or with a 5xx: the ids of
/// the deliveries.
pub(crate) async fn unanswered_by_twilio(emulator: &Emulator) -> anyhow::Result<Vec<String>> {
    let requests = emulator.get("/_test/requests").await?;
    let sends = unanswered(&requests)?.filter(|request| field(request, "method") == "POST");
    Ok(sends.filter_map(delivery_of).collect())
}

fn delivery_of(request: &Value) -> Option<String> {
    let parameters = request.get("parameters")?.as_array()?;
    let callback = parameters.iter().find(|pair| pair.get(0) == Some(&"StatusCallback".into()))?;
    let (_, id) = callback.get(1)?.as_str()?.rsplit_once("d=")?;
    Some(id.to_owned())
}

/// What Gmail's emulator was asked to send or delete and did not answer, or with a 5xx: the
/// ids of the drafts.
pub(crate) async fn unanswered_by_gmail(emulator: &Emulator) -> anyhow::Result<Vec<String>> {
    let requests = emulator.get("/_test/requests").await?;
    let drafts =
        unanswered(&requests)?.filter_map(|request| match request.get("route")?.as_str()? {
            "drafts.send" => Some(request.get("body")?.get("id")?.as_str()?.to_owned()),
            "drafts.delete" => Some(field(request, "path").rsplit('/').next()?.to_owned()),
            _ => None,
        });
    Ok(drafts.collect())
}

fn unanswered(requests: &Value) -> anyhow::Result<impl Iterator<Item = &Value>> {
    let requests = requests.as_array().context("no list of requests")?;
    let status = |request: &&Value| request.get("status").and_then(Value::as_u64);
    Ok(requests.iter().filter(move |request| status(request).is_none_or(|status| status >= 500)))
}

/// One delivery and the sends that carry it.
fn judge(entry: &Entry, sends: &[&ProviderSend], ledger: &mut Ledger) {
    let id = entry.id;
    let allowed = 1 + usize::try_from(entry.resends).unwrap_or_default();
    if sends.len() > allowed {
        let ids: Vec<_> = sends.iter().map(|send| send.id.as_str()).collect();
        let text = format!("delivery {id} was sent {} times: {}", sends.len(), ids.join(", "));
        ledger.breaches.push(text);
        return;
    }
    match (entry.state.as_str(), sends.is_empty()) {
        (_, true) if entry.is_sent() => {
            ledger.breaches.push(format!("delivery {id} is {} and was never sent", entry.state));
        }
        (_, false) if entry.is_sent() => ledger.matched += 1,
        ("outcome_unknown", true) => ledger.doubts.push(entry.clone()),
        // A failure may have been told before or after the provider took it; what is being
        // sent may be there already.
        ("failed" | "sending", _) | (_, true) => {}
        (state, false) => {
            ledger.breaches.push(format!("delivery {id} was sent and stands as {state}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(number: u128, state: &str) -> Entry {
        Entry {
            id: Uuid::from_u128(number),
            conversation_id: Uuid::from_u128(1),
            outlet: "whatsapp".to_owned(),
            author: "agent".to_owned(),
            owner_epoch: 0,
            reply_id: Uuid::from_u128(number),
            part: 0,
            state: state.to_owned(),
            last_error: None,
            provider_id: Some(format!("SM{number}")),
            position: 1,
            started_at: None,
            draft_id: None,
            resends: 0,
        }
    }

    fn send(number: u128) -> ProviderSend {
        ProviderSend {
            id: format!("SM{number}"),
            delivery: Some(Uuid::from_u128(number)),
            to: "whatsapp:+1".to_owned(),
            at: DateTime::UNIX_EPOCH,
        }
    }

    fn breaches(entries: &[Entry], sends: &[ProviderSend]) -> Vec<String> {
        balance(entries, sends, &HashSet::new()).breaches
    }

    #[test]
    fn equal_records_are_balanced() {
        let ledger = balance(
            &[entry(1, "delivered"), entry(2, "pending"), entry(3, "outcome_unknown")],
            &[send(1)],
            &HashSet::new(),
        );

        assert_eq!((ledger.matched, ledger.doubts.len()), (1, 1));
        assert!(ledger.breaches.is_empty(), "{:?}", ledger.breaches);
    }

    #[test]
    fn a_send_taken_out_of_the_record_is_a_gap_and_a_second_one_a_double() {
        let entries = [entry(1, "sent"), entry(2, "read")];

        let removed = breaches(&entries, &[send(1)]);
        let doubled =
            breaches(&entries, &[send(1), send(2), ProviderSend { id: "SM9".into(), ..send(2) }]);

        assert!(removed.len() == 1 && removed[0].ends_with("is read and was never sent"));
        assert!(doubled.len() == 1 && doubled[0].ends_with("was sent 2 times: SM2, SM9"));
    }

    #[test]
    fn a_second_send_that_a_person_wanted_is_none() {
        let twice = Entry { resends: 1, ..entry(1, "sent") };

        assert!(breaches(&[twice], &[send(1), send(1)]).is_empty());
    }

    #[test]
    fn a_send_that_nobody_ordered_or_that_we_do_not_count_as_sent_is_a_breach() {
        assert!(breaches(&[], &[send(1)])[0].ends_with("belongs to no delivery"));
        for state in ["pending", "cancelled", "outcome_unknown"] {
            assert!(breaches(&[entry(1, state)], &[send(1)])[0].ends_with(state));
        }
        let others = HashSet::from([Uuid::from_u128(1)]);
        assert_eq!(balance(&[], &[send(1)], &others).others, 1);
    }
}
