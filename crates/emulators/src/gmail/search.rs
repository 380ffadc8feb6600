//! Gmail's search words, as far as a support mailbox uses them.

use chrono::{DateTime, TimeDelta, Utc};

use super::mailbox::{Mailbox, Stored};

/// Words that all must hold.
#[derive(Debug)]
pub(super) struct Search {
    terms: Vec<Term>,
}

#[derive(Debug)]
struct Term {
    is_negated: bool,
    operator: String,
    /// In lower case.
    value: String,
    /// For operators of time.
    at: Option<DateTime<Utc>>,
}

impl Search {
    pub(super) fn of(text: &str, now: DateTime<Utc>) -> Self {
        Self { terms: words(text).iter().map(|word| Term::of(word, now)).collect() }
    }

    /// Whether it asks for mail that searches pass over.
    pub(super) fn names_hidden(&self) -> bool {
        let is_hidden = |value: &str| matches!(value, "spam" | "trash" | "anywhere");
        self.terms.iter().any(|term| term.operator == "in" && is_hidden(&term.value))
    }

    pub(super) fn finds(&self, stored: &Stored, mailbox: &Mailbox) -> bool {
        self.terms.iter().all(|term| term.holds(stored, mailbox) != term.is_negated)
    }
}

/// Split at spaces outside of quotes, which go away.
fn words(text: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut is_quoted = false;
    for c in text.chars() {
        match c {
            '"' => is_quoted = !is_quoted,
            c if c.is_whitespace() && !is_quoted => words.push(String::new()),
            c => {
                if let Some(word) = words.last_mut() {
                    word.push(c);
                }
            }
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

impl Term {
    fn of(word: &str, now: DateTime<Utc>) -> Self {
        let (is_negated, word) = match word.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, word),
        };
        let (operator, value) = word.split_once(':').unwrap_or(("", word));
        let at = match operator {
            "after" | "before" => moment(value),
            "newer_than" | "older_than" => age(value).map(|age| now - age),
            _ => None,
        };
        Self { is_negated, operator: operator.to_lowercase(), value: value.to_lowercase(), at }
    }

    fn holds(&self, stored: &Stored, mailbox: &Mailbox) -> bool {
        let value = self.value.as_str();
        let summary = &stored.summary;
        let names = |addresses: &[String]| addresses.iter().any(|address| address.contains(value));
        match self.operator.as_str() {
            "in" | "is" | "label" => match value {
                "anywhere" => true,
                "read" => !stored.has("UNREAD"),
                "drafts" => stored.has("DRAFT"),
                _ => stored.has(&value.to_uppercase()) || has_made_label(stored, mailbox, value),
            },
            "from" if value == "me" => summary.from.iter().any(|from| mailbox.is_at(from)),
            "from" => names(&summary.from),
            "to" if value == "me" => summary.recipients().iter().any(|to| mailbox.is_at(to)),
            "to" => names(&summary.recipients()),
            "cc" => names(&summary.cc),
            "bcc" => names(&summary.bcc),
            "subject" => summary.subject.to_lowercase().contains(value),
            "rfc822msgid" => summary.message_id.as_ref().is_some_and(|id| {
                id.trim_matches(['<', '>']).eq_ignore_ascii_case(value.trim_matches(['<', '>']))
            }),
            "has" => value != "attachment" || summary.has_attachment,
            "after" | "newer_than" => self.at.is_some_and(|at| stored.internal_date >= at),
            "before" | "older_than" => self.at.is_some_and(|at| stored.internal_date < at),
            _ => {
                let text = format!("{} {}", summary.subject, summary.text).to_lowercase();
                text.contains(value)
            }
        }
    }
}

fn has_made_label(stored: &Stored, mailbox: &Mailbox, value: &str) -> bool {
    let made = mailbox.labels.iter().filter(|(_, name)| name.to_lowercase() == value);
    made.into_iter().any(|(id, _)| stored.has(id))
}

/// Seconds since 1970, or a day.
fn moment(text: &str) -> Option<DateTime<Utc>> {
    if let Ok(seconds) = text.parse() {
        return DateTime::from_timestamp(seconds, 0);
    }
    let day = chrono::NaiveDate::parse_from_str(&text.replace('/', "-"), "%Y-%m-%d").ok()?;
    Some(day.and_time(chrono::NaiveTime::MIN).and_utc())
}

fn age(text: &str) -> Option<TimeDelta> {
    let unit = text.chars().last()?;
    let count: i64 = text.trim_end_matches(unit).parse().ok()?;
    match unit {
        'd' => TimeDelta::try_days(count),
        'm' => TimeDelta::try_days(count.checked_mul(30)?),
        'y' => TimeDelta::try_days(count.checked_mul(365)?),
        'h' => TimeDelta::try_hours(count),
        _ => None,
    }
}
