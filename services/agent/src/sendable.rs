//! What of a proposed answer may be sent: its words, and the chunks it rests on. Pure.

use std::collections::HashSet;

use crate::egress::{self, Known};
use crate::log::{Citation, TurnLog};
use crate::policy::{Kind, Policy};
use crate::search::Found;
use crate::tools::Response;

/// An answer that may be sent.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Sendable {
    pub(crate) text: String,
    pub(crate) cited: Vec<Found>,
}

impl Sendable {
    pub(crate) fn cited_chunks(&self) -> Vec<Citation> {
        let citation =
            |found: &Found| Citation { chunk_id: found.chunk_id.clone(), version: found.version };
        self.cited.iter().map(citation).collect()
    }
}

/// The share of an answer's words that a chunk has when the answer comes from it.
const FITS_FROM: f64 = 0.5;
/// Shorter words say little about where an answer comes from.
const TELLING_CHARS: usize = 4;

/// Checks an answer against the guard, against what its reader may know, and against
/// what was found. An error says why it may not be sent.
pub(crate) fn check(
    policy: &Policy,
    log: &TurnLog,
    seen: &[Found],
    response: &Response,
    hands_over: bool,
) -> Result<Sendable, String> {
    let (text, named) = without_marks(&response.text, seen);
    let text = egress::clean(&policy.guard, &policy.guard.clean(text.trim()));
    if text.is_empty() {
        return Err("the draft has no words".to_owned());
    }
    if policy.guard.refuses(&text).is_some() {
        return Err("the draft promises what only a person may".to_owned());
    }
    let known = Known {
        own: own_words(log),
        articles: seen,
        instructions: &policy.secret,
        hands_over: hands_over || !log.reading.likely.is_empty(),
    };
    if let Some(leak) = egress::leak(&policy.guard, &text, &known) {
        return Err(leak.to_string());
    }
    let mut cited: Vec<Found> = Vec::new();
    let known = |id: &String| seen.iter().find(|found| found.chunk_id == *id);
    for found in response.citations.iter().chain(&named).filter_map(known) {
        if cited.iter().all(|other| other.chunk_id != found.chunk_id) {
            cited.push(found.clone());
        }
    }
    if cited.is_empty() {
        cited.extend(fitting(&text, seen).cloned());
    }
    let rests_on = cited.iter().map(|found| found.relevance).fold(0.0, f64::max);
    match log.reading.kind {
        Kind::Question if cited.is_empty() => Err("the draft cites nothing that was found".into()),
        Kind::Question if rests_on < policy.search.answer_from => {
            Err("what the draft cites is not about the question".into())
        }
        _ => Ok(Sendable { text, cited }),
    }
}

/// What the customer wrote, and what was disclosed to them.
fn own_words(log: &TurnLog) -> Vec<&str> {
    let inputs = &log.inputs;
    let written = inputs.messages.iter().map(|message| message.body.as_str());
    let earlier = log.earlier.iter().flatten().map(|said| said.text.as_str());
    let tickets = log.histories.iter().flat_map(|history| &history.tickets);
    written
        .chain(earlier)
        .chain(tickets.map(|ticket| ticket.ticket.as_str()))
        .chain([inputs.subject.as_str(), inputs.ticket_ref.as_str()])
        .collect()
}

/// The text without marks such as `[export-data#as-csv]`, and the chunks they name.
fn without_marks(text: &str, seen: &[Found]) -> (String, Vec<String>) {
    let mut kept = text.to_owned();
    let mut named = Vec::new();
    for found in seen {
        let id = &found.chunk_id;
        let marks = [format!(" [{id}]"), format!("[{id}]"), format!(" ({id})"), format!("({id})")];
        for mark in marks.iter().chain([id]) {
            if kept.contains(mark.as_str()) {
                kept = kept.replace(mark.as_str(), "");
                named.push(id.clone());
            }
        }
    }
    (kept, named)
}

/// The chunk from which most of the words come.
fn fitting<'a>(text: &str, seen: &'a [Found]) -> Option<&'a Found> {
    let words = telling_words(text);
    let share = |found: &Found| {
        let of_chunk = telling_words(&format!("{} {} {}", found.title, found.heading, found.body));
        words.intersection(&of_chunk).count() as f64 / words.len().max(1) as f64
    };
    let best = seen.iter().map(|found| (share(found), found));
    let best = best.max_by(|left, right| left.0.total_cmp(&right.0))?;
    (best.0 >= FITS_FROM).then_some(best.1)
}

fn telling_words(text: &str) -> HashSet<String> {
    text.split(|symbol: char| !symbol.is_alphanumeric())
        .filter(|word| word.chars().count() >= TELLING_CHARS)
        .map(str::to_lowercase)
        .collect()
}
