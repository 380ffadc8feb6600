//! Which parts of a mail are its text, and which are files.

use contract::EmailAttachment;

use super::lines::{Line, count, plain};
use super::lists::QUOTES;
use super::parts::{Part, Parts};
use super::{ATTACHMENTS, MAX_TEXT_BYTES, clean, html};

/// A plain part shorter than this may stand for "see the other part".
const SHORT: usize = 20;

/// The text of the mail.
pub(super) fn lines(parts: &Parts<'_>) -> Vec<Line> {
    let mut left = MAX_TEXT_BYTES;
    of(parts, 0, &mut left)
}

fn of(parts: &Parts<'_>, index: usize, left: &mut usize) -> Vec<Line> {
    let Some(part) = parts.get(index).filter(|part| !part.is_file()) else { return Vec::new() };
    match part.mime.as_str() {
        "multipart/alternative" => alternative(parts, index, left),
        "multipart/digest" | "multipart/encrypted" => Vec::new(),
        // Behind its first part stands what belongs to it: a report, pictures, a signature.
        "multipart/report" | "multipart/related" | "multipart/signed" => {
            let children = parts.children(index).map(|(child, _)| child);
            first(children.map(|child| of(parts, child, left)))
        }
        _ if !part.children.is_empty() => {
            let mut lines = Vec::new();
            for (child, _) in parts.children(index) {
                let more = of(parts, child, left);
                if !lines.is_empty() && !more.is_empty() {
                    lines.push(Line { quote: 0, text: String::new() });
                }
                lines.extend(more);
            }
            lines
        }
        _ if part.is_text() => leaf(part, left),
        _ => Vec::new(),
    }
}

fn leaf(part: &Part<'_>, left: &mut usize) -> Vec<Line> {
    let text = clean::text(&part.text(*left));
    *left = left.saturating_sub(text.len());
    if part.mime == "text/html" { html::lines(&text) } else { plain(&text) }
}

fn first(mut candidates: impl Iterator<Item = Vec<Line>>) -> Vec<Line> {
    candidates.find(|lines| !lines.is_empty()).unwrap_or_default()
}

/// The plain one, unless it says nothing and the other does.
fn alternative(parts: &Parts<'_>, index: usize, left: &mut usize) -> Vec<Line> {
    let is_plain = |part: &Part<'_>| part.mime == "text/plain";
    let children = || parts.children(index);
    let plain = first(
        children().filter(|(_, part)| is_plain(part)).map(|(child, _)| of(parts, child, left)),
    );
    let text: String = plain.iter().map(|line| line.text.trim()).collect::<Vec<_>>().join(" ");
    let lower = text.to_lowercase();
    let points = lower.len() < 1_000
        && QUOTES.html_only.iter().any(|phrase| lower.contains(phrase.as_str()));
    if text.trim().chars().count() >= SHORT && !points {
        return plain;
    }
    let rich = first(
        children().filter(|(_, part)| !is_plain(part)).map(|(child, _)| of(parts, child, left)),
    );
    let more = rich.iter().map(|line| count(&line.text)).sum::<usize>();
    let is_better = if points { more > 0 } else { more > count(&text) };
    if is_better { rich } else { plain }
}

/// Every file, by reference.
pub(super) fn attachments(parts: &Parts<'_>) -> Vec<EmailAttachment> {
    let files = parts.iter().filter(|(_, part)| is_listed(part));
    let listed = files.map(|(index, part)| EmailAttachment {
        name: part.file_name(index),
        content_type: part.mime.clone(),
        size: part.size(),
        part: u32::try_from(index).unwrap_or(u32::MAX),
    });
    listed.take(ATTACHMENTS).collect()
}

/// Whether a part is a file of the mail.
pub(super) fn is_listed(part: &Part<'_>) -> bool {
    /// They belong to the mail's form, not to what it brings.
    const FORM: &[&str] = &[
        "application/pkcs7-signature",
        "application/x-pkcs7-signature",
        "application/pgp-signature",
        "application/pgp-encrypted",
        "message/delivery-status",
        "message/global-delivery-status",
        "message/disposition-notification",
        "text/rfc822-headers",
        "message/global-headers",
    ];
    let is_text = part.is_text() && !part.is_file();
    !part.is_multipart() && !is_text && !FORM.contains(&part.mime.as_str())
}
