//! Whether a negation undoes what a pattern found: "not" in its own clause, before,
//! inside or after the match.

use crate::policy::text::Token;

/// How far before a match a negation still counts.
const NEGATION_SCOPE: usize = 5;

const NEGATORS: &[&str] = &[
    "not", "no", "never", "without", "neither", "nor", "none", "nicht", "kein", "keine", "keinen",
    "nie", "ohne", "sin", "nunca", "pas", "jamais", "nao", "senza", "non", "geen", "niet",
];
const CLAUSE_WORDS: &[&str] = &[
    "and",
    "but",
    "so",
    "then",
    "because",
    "since",
    "otherwise",
    "therefore",
    "und",
    "aber",
    "sondern",
    "y",
    "pero",
    "sino",
    "et",
    "mais",
];
const SUBJECTS: &[&str] =
    &["i", "we", "you", "he", "she", "they", "ich", "wir", "sie", "yo", "je", "nous"];
const AUXILIARIES: &[&str] =
    &["can", "could", "would", "will", "do", "did", "have", "has", "had", "is", "are"];
/// Verbs whose negation reaches into the clause they open: "I don't think I need …",
/// "I don't want you to …".
const OPINIONS: &[&str] = &[
    "think", "believe", "say", "saying", "mean", "suppose", "that", "wish", "want", "need", "ask",
    "asked", "let", "expect", "like",
];

/// Whether a negation that is not part of the pattern undoes the match.
pub(super) fn is_negated(tokens: &[Token], from: usize, to: usize, taken: &[usize]) -> bool {
    let inside = (from..to).any(|at| !taken.contains(&at) && negates(tokens, at));
    inside || negated_before(tokens, from) || negated_after(tokens, to)
}

fn word(tokens: &[Token], at: usize) -> &str {
    tokens.get(at).map_or("", |token| token.text.as_str())
}

/// "not", but neither "not only", nor the questions "can't you …" and "why have you
/// not …", nor "I can't believe …".
fn negates(tokens: &[Token], at: usize) -> bool {
    let next = word(tokens, at + 1);
    if !NEGATORS.contains(&word(tokens, at)) || ["only", "believe", "sure"].contains(&next) {
        return false;
    }
    // "No, I want …" answers something else.
    if word(tokens, at) == "no" && tokens.get(at + 1).is_some_and(|next| next.opens_clause) {
        return false;
    }
    let asks_why = (1..=4).any(|back| at >= back && word(tokens, at - back) == "why");
    let auxiliary = at.checked_sub(1).map_or("", |before| word(tokens, before));
    let asks = AUXILIARIES.contains(&auxiliary) && ["you", "somebody", "someone"].contains(&next);
    !(asks || asks_why)
}

fn negated_before(tokens: &[Token], from: usize) -> bool {
    let mut at = from;
    let mut left = NEGATION_SCOPE;
    while left > 0 && at > 0 {
        if tokens.get(at).is_some_and(|token| token.opens_clause) {
            return false;
        }
        at -= 1;
        left -= 1;
        if negates(tokens, at) {
            return true;
        }
        if CLAUSE_WORDS.contains(&word(tokens, at)) {
            return false;
        }
        let opinion = at.checked_sub(1).map_or("", |before| word(tokens, before));
        if SUBJECTS.contains(&word(tokens, at)) && !OPINIONS.contains(&opinion) {
            return false;
        }
    }
    false
}

/// "… is not needed", "… is not what I mean".
fn negated_after(tokens: &[Token], to: usize) -> bool {
    const ENDS: &[&str] =
        &["needed", "necessary", "required", "what", "why", "my", "the", "about", "wanted"];
    let verb = ["is", "was", "are", "were"].contains(&word(tokens, to));
    verb && word(tokens, to + 1) == "not" && ENDS.contains(&word(tokens, to + 2))
}
