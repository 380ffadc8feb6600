//! Subjects: the base subject of RFC 5256, and what we make of it.

use contract::TicketRef;

use super::{Subject, one_line};

/// Words before a colon that only say "answer" or "forwarded", besides those of RFC 5256:
/// what mail programs write in other languages.
const MARKS: [&str; 26] = [
    "re",
    "fw",
    "fwd",
    "aw",
    "wg",
    "sv",
    "vs",
    "vb",
    "antw",
    "doorst",
    "rif",
    "i",
    "r",
    "tr",
    "rv",
    "enc",
    "res",
    "odp",
    "pd",
    "ynt",
    "ilt",
    "vl",
    "vá",
    "továbbítás",
    "回复",
    "转发",
];

/// Longest base subject that is repeated, in characters.
const LONGEST: usize = 200;

/// The subject without what programs put before and behind it (RFC 5256, 2.1): two mails
/// of one thread have the same.
pub fn base_subject(subject: &str) -> String {
    let line = one_line(subject);
    let mut base = line.as_str();
    loop {
        base = without_trailers(base);
        base = without_leaders(base);
        let lower = base.to_ascii_lowercase();
        match base.get(5..base.len().saturating_sub(1)) {
            Some(inner) if lower.starts_with("[fwd:") && lower.ends_with(']') => {
                base = inner.trim();
            }
            _ => return base.to_owned(),
        }
    }
}

/// The subject as a mail of ours has it.
pub(super) fn written(subject: Subject<'_>, ticket_ref: Option<&TicketRef>) -> String {
    let (mark, base) = match subject {
        Subject::ReplyTo(original) => ("Re: ", base_subject(original)),
        Subject::New(text) => ("", one_line(text)),
    };
    let base: String = base.chars().take(LONGEST).collect();
    let token = ticket_ref.map(|ticket_ref| format!("[{ticket_ref}] ")).unwrap_or_default();
    format!("{mark}{token}{base}").trim_end().to_owned()
}

fn without_trailers(mut text: &str) -> &str {
    loop {
        text = text.trim_end();
        let Some(split) = text.len().checked_sub("(fwd)".len()) else { return text };
        match (text.get(..split), text.get(split..)) {
            (Some(before), Some(end)) if end.eq_ignore_ascii_case("(fwd)") => text = before,
            _ => return text,
        }
    }
}

/// Drops marks with what stands in brackets before them; then brackets before the rest,
/// unless nothing would be left.
fn without_leaders(mut text: &str) -> &str {
    loop {
        text = text.trim_start();
        let behind_brackets = skip_brackets(text);
        if let Some(rest) = without_mark(behind_brackets) {
            text = rest;
            continue;
        }
        match without_bracket(text) {
            Some(rest) if !rest.trim().is_empty() => text = rest,
            _ => return text,
        }
    }
}

fn skip_brackets(mut text: &str) -> &str {
    while let Some(rest) = without_bracket(text) {
        text = rest.trim_start();
    }
    text
}

/// Behind one `[…]`, which holds no bracket itself.
fn without_bracket(text: &str) -> Option<&str> {
    let (inner, rest) = text.strip_prefix('[')?.split_once(']')?;
    // "[Fwd: …]" is no label: the subject is inside.
    let is_label = !inner.contains('[') && !inner.to_ascii_lowercase().starts_with("fwd:");
    is_label.then_some(rest)
}

/// Behind one mark, which may have brackets or a count before its colon.
fn without_mark(text: &str) -> Option<&str> {
    let end = text.find([':', '：', '[', '(', ' ', '^']).filter(|end| *end > 0)?;
    let (word, rest) = text.split_at(end);
    if !MARKS.contains(&word.to_lowercase().as_str()) {
        return None;
    }
    let rest = skip_brackets(rest.trim_start());
    let rest = rest.strip_prefix('(').and_then(counted).unwrap_or(rest);
    rest.trim_start().strip_prefix([':', '：'])
}

/// Behind the rest of a count as in "Re(2):".
fn counted(text: &str) -> Option<&str> {
    let (count, rest) = text.split_once(')')?;
    count.bytes().all(|byte| byte.is_ascii_digit()).then_some(rest)
}
