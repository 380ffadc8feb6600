//! A model's answers as values: made fit for tables, counted and hashed. Pure.

use sha2::{Digest as _, Sha256};

use crate::fence::shortened;
use crate::hex::hex;
use crate::model::{Answer, Call, Message, Usage};

/// Characters of a text or of arguments.
const ANSWER_CHARS: usize = 50_000;

/// The answer without what no table can hold, cut where it is longer than any use.
pub(crate) fn storable(answer: Answer) -> Answer {
    let text = |text: &str| shortened(&text.replace('\0', "\u{fffd}"), ANSWER_CHARS);
    let call = |call: Call| Call {
        name: text(&call.name),
        // Also where it is written as in JSON: the arguments are read later.
        arguments: text(&call.arguments.replace("\\u0000", "\\ufffd")),
        ..call
    };
    Answer {
        text: answer.text.as_deref().map(text),
        calls: answer.calls.into_iter().map(call).collect(),
        ..answer
    }
}

pub(crate) fn add(all: &mut Usage, one: Usage) {
    all.prompt_tokens = all.prompt_tokens.saturating_add(one.prompt_tokens);
    all.cached_tokens = all.cached_tokens.saturating_add(one.cached_tokens);
    all.completion_tokens = all.completion_tokens.saturating_add(one.completion_tokens);
    all.cost_micro_usd = match (all.cost_micro_usd, one.cost_micro_usd) {
        (Some(all), Some(one)) => Some(all.saturating_add(one)),
        (all, one) => all.or(one),
    };
}

/// SHA-256 of the messages as JSON, in hexadecimal.
pub(crate) fn hash(messages: &[Message]) -> String {
    // Strings and enums of them always serialize.
    let json = serde_json::to_vec(messages).unwrap_or_default();
    hex(Sha256::digest(json))
}
