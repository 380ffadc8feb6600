//! Rule 5, its second half: what a calendar sends, without a person's words.

use contract::MailKind;

use super::{Case, Verdict};
use crate::email::lines::count;
use crate::email::lists::PHRASES;
use crate::email::parts::Part;
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
    (is_answer && !has_words(case, calendar, &text))
        .then_some((MailKind::Calendar, "a calendar's own words"))
}

/// Whether a person wrote something beside what the calendar says.
fn has_words(case: &Case<'_>, part: &Part<'_>, calendar: &str) -> bool {
    let _ = part;
    let summary = property(calendar, "SUMMARY").unwrap_or_default().to_lowercase();
    let location = property(calendar, "LOCATION").unwrap_or_default().to_lowercase();
    let name = case.sender.map(|sender| sender.mailbox.name.to_lowercase()).unwrap_or_default();
    let is_own = |line: &&str| {
        let lower = line.trim().to_lowercase();
        let repeats = |what: &str| {
            !what.is_empty() && (lower == what || what.len() > 5 && lower.contains(what))
        };
        let label =
            lower.split_once(':').is_some_and(|(label, _)| count(label) <= 3 && !label.is_empty());
        says(&lower, &PHRASES.calendars)
            || repeats(&summary)
            || repeats(&location)
            || lower == name
            || label
            || lower.contains("://")
            || lower.contains("@")
    };
    let left: Vec<&str> = case.text.lines().filter(|line| !is_own(line)).collect();
    let speech = Speech::of(&left.join("\n"));
    speech.asks()
        || speech.greets() && count(&left.join(" ")) > 3
        || count(&left.join(" ")) >= 8
        || speech.is_in_first_person() && count(&left.join(" ")) >= 4
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
