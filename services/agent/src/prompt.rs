//! What a model is told of a ticket first: facts, then what others wrote, in fences.
//! The same inputs give the same bytes.

use std::fmt::Write as _;

use contract::IdentityLevel;
use store::turn_context::Earlier;

use crate::fence::{fenced, shortened};
use crate::log::Inputs;
use crate::results::CHUNK_CHARS;
use crate::search::Found;
use crate::wordless;

/// Characters of one message, and of all that a turn covers: an essay is no question.
const MESSAGE_CHARS: usize = 6_000;
const MESSAGES_CHARS: usize = 20_000;
/// Characters of something said before.
const EARLIER_CHARS: usize = 1_000;
/// Characters of a name or subject.
const LINE_CHARS: usize = 200;

/// The first message.
pub(crate) fn opening(inputs: &Inputs, earlier: &[Earlier], found: &[Found]) -> String {
    let mut text = ticket(inputs);
    let mut add = |part: String| {
        text.push_str("\n\n");
        text.push_str(&part);
    };
    for said in earlier {
        add(fenced("said_before", &[("by", &said.author)], &shortened(&said.text, EARLIER_CHARS)));
    }
    for found in found {
        let heading = if found.heading.is_empty() { "" } else { " – " };
        let title = format!("{}{heading}{}", found.title, found.heading);
        let attributes = [("chunk", found.chunk_id.as_str()), ("title", &title)];
        add(fenced("article", &attributes, &shortened(&found.body, CHUNK_CHARS)));
    }
    if let Some(subject) = wordless::new_subject(inputs).filter(|text| !text.trim().is_empty()) {
        add(fenced("customer_message", &[("part", "subject")], &shortened(subject, LINE_CHARS)));
    }
    let mut left = MESSAGES_CHARS;
    for message in &inputs.messages {
        let body = shortened(&message.body, MESSAGE_CHARS.min(left));
        left = left.saturating_sub(body.chars().count());
        add(fenced("customer_message", &[("number", &message.seq.to_string())], &body));
    }
    if let Some(what) = wordless::described(inputs) {
        add(fenced("customer_message", &[("part", "attachments")], &format!("They sent {what}.")));
    }
    text
}

/// Facts of the system; nothing in it is free text but the name, which is fenced too.
fn ticket(inputs: &Inputs) -> String {
    let mut facts = format!("channel: {}\n", inputs.channel.as_str());
    let is_proven = inputs.identity_level == IdentityLevel::Authenticated;
    // Writing to a string does not fail.
    _ = writeln!(facts, "identity: {}", inputs.identity_level.as_str());
    match (inputs.plan.filter(|_| is_proven), inputs.claimed_plan) {
        (Some(plan), _) => _ = writeln!(facts, "plan: {plan}"),
        (None, Some(plan)) => _ = writeln!(facts, "plan by the customer's own account: {plan}"),
        (None, None) => {}
    }
    if let Some(category) = inputs.category {
        _ = writeln!(facts, "category: {category}");
    }
    let contact = if inputs.handled_seq == 0 { "first message" } else { "follow-up" };
    _ = writeln!(facts, "contact: {contact}");
    fenced("ticket", &[("customer_name", &shortened(&inputs.customer_name, LINE_CHARS))], &facts)
}
