//! A labelled set: one JSON object a line, read with the line's number at hand.

use std::path::Path;

use agent::sentiment::Label;
use chassis::SettingsError;
use contract::{Channel, Plan, Priority};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::eval::labels::{self, Group};

/// A ticket with what should come of it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Ticket {
    pub(crate) id: String,
    pub(crate) channel: Channel,
    pub(crate) plan: Option<Plan>,
    pub(crate) name: String,
    pub(crate) subject: String,
    pub(crate) message: String,
    pub(crate) expected: Expected,
}

/// The labels; what is absent is not counted.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Expected {
    pub(crate) escalate: Option<bool>,
    pub(crate) group: Option<Group>,
    pub(crate) priority: Option<Priority>,
    pub(crate) sentiment: Option<Label>,
    pub(crate) article: Option<String>,
    pub(crate) rule: Option<String>,
}

impl Expected {
    pub(crate) fn is_always(&self) -> bool {
        self.rule.as_deref().is_some_and(|rule| rule.to_lowercase().starts_with("always"))
    }
}

/// A sentence with its mood.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Sentence {
    pub(crate) id: String,
    pub(crate) text: String,
    pub(crate) label: Label,
}

/// A ticket as it stands in the file; other keys are not for us.
#[derive(Debug, Deserialize)]
struct TicketLine {
    #[serde(default)]
    id: Value,
    #[serde(default)]
    channel: Option<String>,
    #[serde(default)]
    plan: Option<String>,
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    subject: Option<String>,
    #[serde(alias = "body", alias = "text")]
    message: String,
    #[serde(default)]
    category: Option<String>,
    #[serde(default)]
    priority: Option<String>,
    #[serde(default)]
    sentiment: Value,
    #[serde(default)]
    escalate: Value,
    #[serde(default)]
    article: Option<String>,
    #[serde(default)]
    rule: Option<String>,
}

#[derive(Debug, Deserialize)]
struct SentenceLine {
    #[serde(default)]
    id: Value,
    #[serde(alias = "message")]
    text: String,
    #[serde(alias = "sentiment", alias = "score")]
    label: Value,
}

/// Reads tickets.
pub(crate) fn tickets(path: &Path) -> Result<Vec<Ticket>, SettingsError> {
    read(path, |number, line: TicketLine| line.ticket(number))
}

/// Reads sentences.
pub(crate) fn sentences(path: &Path) -> Result<Vec<Sentence>, SettingsError> {
    read(path, |number, line: SentenceLine| {
        let label = labels::sentiment(&line.label)?;
        Ok(Sentence { id: id(&line.id, number), text: line.text, label })
    })
}

fn read<L: DeserializeOwned, T>(
    path: &Path,
    take: impl Fn(usize, L) -> Result<T, String>,
) -> Result<Vec<T>, SettingsError> {
    let file = path.display();
    let text =
        std::fs::read_to_string(path).map_err(|error| SettingsError(format!("{file}: {error}")))?;
    let lines = text.trim_start_matches('\u{feff}').lines().zip(1..);
    let lines = lines.filter(|(line, _)| !line.trim().is_empty());
    let read = lines.map(|(line, number)| {
        let parsed = serde_json::from_str(line).map_err(|error| error.to_string());
        let taken = parsed.and_then(|parsed| take(number, parsed));
        taken.map_err(|problem| SettingsError(format!("{file}:{number}: {problem}")))
    });
    let all: Vec<T> = read.collect::<Result<_, _>>()?;
    if all.is_empty() { Err(SettingsError(format!("{file} is empty"))) } else { Ok(all) }
}

fn id(value: &Value, number: usize) -> String {
    match value {
        Value::String(id) => id.clone(),
        Value::Null => format!("line {number}"),
        other => other.to_string(),
    }
}

impl TicketLine {
    fn ticket(self, number: usize) -> Result<Ticket, String> {
        let is_given = |text: &String| !text.trim().is_empty();
        let article = self.article.filter(is_given);
        let given = |value: &Value| !value.is_null();
        let expected = Expected {
            escalate: Some(&self.escalate)
                .filter(|v| given(v))
                .map(labels::yes_or_no)
                .transpose()?,
            group: self.category.filter(is_given).as_deref().map(labels::group).transpose()?,
            priority: self
                .priority
                .filter(is_given)
                .as_deref()
                .map(labels::priority)
                .transpose()?,
            sentiment: Some(&self.sentiment)
                .filter(|v| given(v))
                .map(labels::sentiment)
                .transpose()?,
            article: article.map(|name| name.trim_end_matches(".md").to_owned()),
            rule: self.rule.filter(is_given),
        };
        let channel = labels::channel(self.channel.as_deref().unwrap_or_default())?;
        let subject = self.subject.unwrap_or_default();
        // A chat has no subject: what stands there was written.
        let (subject, message) = match (channel, subject.trim()) {
            (Channel::Whatsapp, "") => (String::new(), self.message),
            (Channel::Whatsapp, first) => (String::new(), format!("{first}\n\n{}", self.message)),
            _ => (subject, self.message),
        };
        Ok(Ticket {
            id: id(&self.id, number),
            channel,
            plan: self.plan.as_deref().and_then(labels::plan),
            name: self.name.unwrap_or_default(),
            subject,
            message,
            expected,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn file(text: &str) -> tempfile::NamedTempFile {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(text.as_bytes()).unwrap();
        file
    }

    #[test]
    fn missing_labels_and_unknown_keys_are_no_error() {
        let file = file(
            "{\"message\": \"hi\", \"mood\": 3}\n\n{\"id\": 7, \"message\": \"yo\", \"channel\": \"WhatsApp\", \"subject\": \"S\", \"escalate\": \"yes\", \"article\": \"a.md\", \"rule\": \"always:legal\"}\n",
        );

        let tickets = tickets(file.path()).unwrap();

        assert_eq!(
            (tickets[0].id.as_str(), &tickets[0].expected),
            ("line 1", &Expected::default())
        );
        let second = &tickets[1];
        assert_eq!((second.id.as_str(), second.message.as_str()), ("7", "S\n\nyo"));
        assert_eq!(second.expected.escalate, Some(true));
        assert_eq!(second.expected.article.as_deref(), Some("a"));
        assert!(second.expected.is_always());
    }

    #[test]
    fn a_wrong_line_is_named_by_its_number() {
        for (text, named) in [
            ("{\"message\": \"hi\"}\n{\"message\": 3}", ":2: "),
            ("{\"subject\": \"hi\"}", "missing field `message`"),
            ("{\"message\": \"hi\", \"category\": \"weather\"}", ":1: category \"weather\""),
            ("\n", "is empty"),
        ] {
            let file = file(text);
            let error = tickets(file.path()).unwrap_err().to_string();
            assert!(error.contains(named), "{error}");
        }
        assert!(sentences(file("{\"text\": \"a\", \"label\": \"odd\"}").path()).is_err());
    }
}
