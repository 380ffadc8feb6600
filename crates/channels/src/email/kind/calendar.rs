//! Rule 5, its second half: what a calendar sends, without a person's words.

use contract::MailKind;

use super::{Case, Verdict};
use crate::email::lines::count;
use crate::email::lists::PHRASES;
use crate::email::speech::{Speech, says};

/// Larger ones are not read to the end for their method.
const READ: usize = 256 << 10;

pub(super) fn of(case: &Case<'_>) -> Option<Verdict> {
    let calendar = case
        .parts
        .iter()
        .map(|(_, part)| part)
        .find(|part| part.mime == "text/calendar" && !part.is_file())?;
    let text = calendar.text(READ);
    let method =
        calendar.parameter("method").map(str::to_owned).or_else(|| property(&text, "METHOD"));
    let method = method?.to_ascii_uppercase();
    const METHODS: &[&str] =
        &["REPLY", "REQUEST", "CANCEL", "COUNTER", "DECLINECOUNTER", "REFRESH", "ADD"];
    let is_answer = METHODS.contains(&method.as_str());
    (is_answer && !has_words(case, &text)).then_some((MailKind::Calendar, "a calendar's own words"))
}

/// Whether a person wrote something beside what the calendar says.
fn has_words(case: &Case<'_>, calendar: &str) -> bool {
    let lower = |name: &str| property(calendar, name).unwrap_or_default().to_lowercase();
    let name = case.sender.map(|sender| sender.mailbox.name.to_lowercase()).unwrap_or_default();
    let known = [lower("SUMMARY"), lower("LOCATION"), name];
    let left: Vec<&str> = case.text.lines().filter(|line| !is_form(line.trim(), &known)).collect();
    let left = left.join("\n");
    let (speech, words) = (Speech::of(&left), count(&left));
    speech.asks()
        || speech.greets() && words > 3
        || speech.is_in_first_person() && words >= 4
        || words >= 8
}

/// A line of the form that a calendar fills: its phrases, what it repeats, labels, times,
/// names in capitals.
fn is_form(line: &str, known: &[String]) -> bool {
    let lower = line.to_lowercase();
    let repeats = known.iter().any(|what| {
        !what.is_empty() && (lower == *what || what.len() > 5 && lower.contains(what.as_str()))
    });
    let is_label = lower.split_once(':').is_some_and(|(label, _)| (1..=3).contains(&count(label)));
    let is_sentence = line.ends_with(['.', '!', '?', '…', '。']);
    let is_time = line.chars().filter(char::is_ascii_digit).count() >= 3;
    let is_title = !line.split_whitespace().any(|word| word.starts_with(char::is_lowercase));
    says(&lower, &PHRASES.calendars)
        || repeats
        || is_label
        || lower.contains("://")
        || lower.contains('@')
        || !is_sentence && (is_time || is_title && line.is_ascii())
}

/// The value of a property, folded lines joined.
fn property(calendar: &str, name: &str) -> Option<String> {
    let unfolded = calendar.replace("\r\n", "\n").replace("\n ", "").replace("\n\t", "");
    let found = unfolded.lines().find_map(|line| {
        let (key, value) = line.split_once(':')?;
        let key = key.split(';').next()?;
        key.trim().eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
    });
    found.filter(|value| !value.is_empty())
}
