//! The three truths of a run against each other: what customers sent, what the tables
//! hold, and what the providers received.

use std::collections::{HashMap, HashSet};

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;
use store::verify::Breach;
use store::verify_ledger::Entry;
use store::verify_load::StoredMessage;
use uuid::Uuid;

use crate::chaos::ledger::{self, Ledger, ProviderSend};
use crate::chaos::load::{Sent, Told};
use crate::chaos::plan::Channel;

/// An outlet's deliveries and its provider's record.
#[derive(Debug, Default)]
pub(crate) struct Outlet {
    pub(crate) entries: Vec<Entry>,
    pub(crate) sends: Vec<ProviderSend>,
    pub(crate) ledger: Ledger,
}

/// The longest that a request takes, with all that comes before its end is written down.
const LONGEST_REQUEST: TimeDelta = TimeDelta::seconds(31);

/// A time in which a dispatcher was frozen, or a moment in which one died.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cut {
    pub(crate) from: DateTime<Utc>,
    pub(crate) until: DateTime<Utc>,
}

/// Everything that is known at the end.
#[derive(Debug, Default)]
pub(crate) struct Truths {
    pub(crate) told: Vec<Told>,
    pub(crate) stored: Vec<StoredMessage>,
    pub(crate) invariants: Vec<Breach>,
    pub(crate) outlets: Vec<Outlet>,
    /// Tickets' pages as their customers see them, with what was written there.
    pub(crate) pages: Vec<(Vec<String>, Value)>,
    /// Deliveries and outbox entries that still wait.
    pub(crate) open: i64,
    /// What happened to dispatchers.
    pub(crate) cuts: Vec<Cut>,
    /// Deliveries, and drafts of mails, of which a provider left a request without an answer
    /// or answered it with a 5xx.
    pub(crate) unanswered: HashSet<String>,
}

/// One promise of the run.
#[derive(Debug)]
pub(crate) struct Judged {
    pub(crate) promise: &'static str,
    pub(crate) checked: usize,
    pub(crate) breaches: Vec<String>,
}

/// All promises in a fixed order.
pub(crate) fn judge(truths: &Truths) -> Vec<Judged> {
    vec![
        stored_once(truths),
        nothing_invented(truths),
        decided(truths),
        messages_in_order(truths),
        invariants(truths),
        sent_once(truths),
        cut_off(truths),
        replies_in_order(truths),
        taken_over(truths),
        silent(truths),
        pages(truths),
        at_rest(truths),
    ]
}

/// Sends whose outcome nobody knows, and of which the provider has no trace: nothing but a
/// person ends them.
pub(crate) fn doubts(truths: &Truths) -> impl Iterator<Item = &Entry> {
    truths.outlets.iter().flat_map(|outlet| &outlet.ledger.doubts)
}

/// What has cut a send off between its request and the record of its answer; `None` where
/// nothing has.
pub(crate) fn cause(truths: &Truths, doubt: &Entry) -> Option<&'static str> {
    let started = doubt.started_at?;
    let names = [Some(doubt.id.to_string()), doubt.draft_id.clone()];
    if names.iter().flatten().any(|name| truths.unanswered.contains(name)) {
        return Some("the provider gave no answer, or a 5xx");
    }
    // A doubt about mail deletes the draft later, and that can be cut off as well.
    let is_later = |at: DateTime<Utc>| doubt.outlet != "email" && at > started + LONGEST_REQUEST;
    let is_cut = truths.cuts.iter().any(|cut| cut.until >= started && !is_later(cut.from));
    is_cut.then_some("a dispatcher died or was frozen then")
}

fn cut_off(truths: &Truths) -> Judged {
    let whole = doubts(truths).filter(|doubt| cause(truths, doubt).is_none());
    Judged {
        promise: "each doubt is a send that was cut off",
        checked: doubts(truths).count(),
        breaches: whole.map(|doubt| format!("nothing explains {}", ledger::doubt(doubt))).collect(),
    }
}

fn sent(truths: &Truths) -> impl Iterator<Item = &Sent> {
    truths.told.iter().flat_map(|told| &told.sent)
}

/// The stored messages by the tag in them.
fn by_tag(truths: &Truths) -> HashMap<&str, Vec<&StoredMessage>> {
    let mut by_tag: HashMap<&str, Vec<&StoredMessage>> = HashMap::new();
    for message in &truths.stored {
        by_tag.entry(tag_in(&message.body)).or_default().push(message);
    }
    by_tag
}

fn tag_in(body: &str) -> &str {
    let tag = body.rfind("[s").and_then(|start| body.get(start..));
    let end = tag.and_then(|tag| tag.find(']'));
    tag.zip(end).and_then(|(tag, end)| tag.get(..=end)).unwrap_or_default()
}

fn stored_once(truths: &Truths) -> Judged {
    let by_tag = by_tag(truths);
    let mut breaches = Vec::new();
    for sent in sent(truths) {
        let tag = &sent.tag;
        match by_tag.get(tag.as_str()).map_or(0, Vec::len) {
            0 if sent.is_confirmed => breaches.push(format!("{tag} is lost")),
            0 | 1 => {}
            count => breaches.push(format!("{tag} is stored {count} times")),
        }
    }
    Judged { promise: "each message is stored once", checked: sent(truths).count(), breaches }
}

fn nothing_invented(truths: &Truths) -> Judged {
    let tags: Vec<_> = sent(truths).map(|sent| sent.tag.as_str()).collect();
    let invented = truths.stored.iter().filter(|message| !tags.contains(&tag_in(&message.body)));
    let breaches = invented.map(|message| format!("message {} was never sent", message.id));
    Judged {
        promise: "nothing is stored that nobody sent",
        checked: truths.stored.len(),
        breaches: breaches.collect(),
    }
}

/// What waits for a person may go without an outcome.
fn decided(truths: &Truths) -> Judged {
    let is_open = |message: &&StoredMessage| {
        message.outcome.is_none() && message.owner == "agent" && message.status == "open"
    };
    let open = truths.stored.iter().filter(is_open);
    let breaches = open.map(|message| format!("{} has no outcome", tag_in(&message.body)));
    Judged {
        promise: "each message of the agent's has an outcome",
        checked: truths.stored.len(),
        breaches: breaches.collect(),
    }
}

fn messages_in_order(truths: &Truths) -> Judged {
    let by_tag = by_tag(truths);
    let (mut breaches, mut checked) = (Vec::new(), 0);
    for told in &truths.told {
        let ordered = told.sent.iter().filter(|sent| sent.is_confirmed && sent.is_ordered);
        let stored = ordered.filter_map(|sent| by_tag.get(sent.tag.as_str())?.first());
        let mut last: HashMap<Uuid, i64> = HashMap::new();
        for message in stored {
            checked += 1;
            let before = last.insert(message.conversation_id, message.seq);
            if before.is_some_and(|before| before >= message.seq) {
                breaches.push(format!("{} stands before an older one", tag_in(&message.body)));
            }
        }
    }
    Judged { promise: "messages of a conversation keep their order", checked, breaches }
}

fn invariants(truths: &Truths) -> Judged {
    let broken = truths.invariants.iter().filter(|breach| breach.count > 0);
    let breaches =
        broken.map(|breach| format!("{}: {}", breach.invariant, breach.examples.join(", ")));
    Judged {
        promise: "the queries of fte verify find nothing",
        checked: truths.invariants.len(),
        breaches: breaches.collect(),
    }
}

fn sent_once(truths: &Truths) -> Judged {
    let ledgers = || truths.outlets.iter().map(|outlet| &outlet.ledger);
    Judged {
        promise: "each reply reaches its provider once",
        checked: ledgers().map(|ledger| ledger.matched).sum(),
        breaches: ledgers().flat_map(|ledger| ledger.breaches.clone()).collect(),
    }
}

/// The provider's order within a conversation is the order of the deliveries.
fn replies_in_order(truths: &Truths) -> Judged {
    let (mut breaches, mut checked) = (Vec::new(), 0);
    for outlet in &truths.outlets {
        let by_id: HashMap<Uuid, &Entry> =
            outlet.entries.iter().map(|entry| (entry.id, entry)).collect();
        let mut last: HashMap<Uuid, i64> = HashMap::new();
        for entry in outlet.sends.iter().filter_map(|send| by_id.get(&send.delivery?)) {
            checked += 1;
            let before = last.insert(entry.conversation_id, entry.position);
            if before.is_some_and(|before| before > entry.position) {
                breaches.push(format!("delivery {} came after a later one", entry.id));
            }
        }
    }
    Judged { promise: "replies of a conversation keep their order", checked, breaches }
}

/// What reached a provider after "take" had answered was begun before, and the answer
/// has named it.
fn taken_over(truths: &Truths) -> Judged {
    let (mut breaches, mut checked) = (Vec::new(), 0);
    for taken in truths.told.iter().flat_map(|told| &told.taken) {
        checked += 1;
        for outlet in &truths.outlets {
            let fenced = outlet.entries.iter().filter(|entry| {
                entry.conversation_id == taken.conversation
                    && entry.author == "agent"
                    && entry.owner_epoch < taken.owner_epoch
                    && !taken.in_flight.contains(&(entry.reply_id, entry.part.into()))
            });
            for entry in fenced {
                let mut sends = outlet.sends.iter().filter(|send| send.delivery == Some(entry.id));
                if sends.any(|send| send.at > taken.answered_at) {
                    breaches.push(format!("delivery {} went after take had answered", entry.id));
                }
            }
        }
    }
    Judged { promise: "no agent's send begins after take has answered", checked, breaches }
}

fn silent(truths: &Truths) -> Judged {
    let silent: Vec<_> = truths.told.iter().filter_map(|told| told.silent.as_deref()).collect();
    let sends = truths.outlets.iter().flat_map(|outlet| &outlet.sends);
    let answered = sends.filter(|send| silent.contains(&send.to.as_str()));
    let breaches = answered.map(|send| format!("{} answers an automatic mail", send.id));
    Judged {
        promise: "nobody answers automatic mail",
        checked: silent.len(),
        breaches: breaches.collect(),
    }
}

/// A ticket's page shows each word of its customer's and of people's once.
fn pages(truths: &Truths) -> Judged {
    let mut breaches = Vec::new();
    for (tags, page) in &truths.pages {
        let page = page.to_string();
        for tag in tags {
            let count = page.matches(tag.as_str()).count();
            if count != 1 {
                breaches.push(format!("{tag} is shown {count} times on its page"));
            }
        }
    }
    Judged { promise: "each page shows each message once", checked: truths.pages.len(), breaches }
}

fn at_rest(truths: &Truths) -> Judged {
    let waits = format!("{} deliveries and outbox entries still wait", truths.open);
    let breaches = if truths.open == 0 { Vec::new() } else { vec![waits] };
    Judged { promise: "everything comes to rest in time", checked: 1, breaches }
}

/// What a ticket's page must show: confirmed messages, and people's replies.
pub(crate) fn shown(told: &Told) -> Vec<String> {
    let on_page = |sent: &&Sent| sent.channel == Channel::WebForm && sent.is_confirmed;
    let sent = told.sent.iter().filter(on_page).map(|sent| sent.tag.clone());
    sent.chain(told.replies.iter().cloned()).collect()
}

#[cfg(test)]
mod tests;
