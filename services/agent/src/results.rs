//! What a tool's call brings, as JSON text for the model. Pure.

use contract::IdentityLevel;
use serde_json::json;
use store::turn_context::KnownTicket;

use crate::fence::shortened;
use crate::log::Inputs;
use crate::policy::Policy;
use crate::search::Found;

/// Characters of a chunk that a model is shown; articles may be of any length.
pub(crate) const CHUNK_CHARS: usize = 2_500;
/// Characters of a ticket's subject.
const SUBJECT_CHARS: usize = 120;

/// For calls whose effect waits for the turn's commit.
pub(crate) fn planned() -> String {
    json!({"status": "planned"}).to_string()
}

pub(crate) fn articles(found: &[Found]) -> String {
    let article = |found: &Found| {
        json!({
            "chunk": found.chunk_id,
            "title": found.title,
            "heading": found.heading,
            "text": shortened(&found.body, CHUNK_CHARS),
            "relevance": (found.relevance * 100.0).round() / 100.0,
        })
    };
    json!({"untrusted_articles": found.iter().map(article).collect::<Vec<_>>()}).to_string()
}

/// Tickets, and the plan of the company's records where the channel proves who writes.
pub(crate) fn tickets(inputs: &Inputs, tickets: &[KnownTicket]) -> String {
    let ticket = |ticket: &KnownTicket| {
        json!({
            "ticket": ticket.ticket,
            "is_this_conversation": ticket.is_this,
            "channel": ticket.channel,
            "untrusted_subject": shortened(&ticket.subject, SUBJECT_CHARS),
            "category": ticket.category,
            "priority": ticket.priority,
            "status": ticket.status,
            "with_person": ticket.with_person,
            "opened": ticket.opened_at.format("%Y-%m-%d").to_string(),
        })
    };
    let is_proven = inputs.identity_level == IdentityLevel::Authenticated;
    json!({
        "identity": inputs.identity_level.as_str(),
        "plan": is_proven.then_some(inputs.plan).flatten(),
        "tickets": tickets.iter().map(ticket).collect::<Vec<_>>(),
    })
    .to_string()
}

pub(crate) fn sentiment(policy: &Policy, text: &str) -> String {
    json!(crate::sentiment::sentiment(&policy.dictionaries, text)).to_string()
}
