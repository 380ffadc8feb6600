//! The lists that reading a mail goes by; they are data beside the code.

use std::sync::LazyLock;

use serde::Deserialize;

/// Headers, values and addresses of machines.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Marks {
    pub(super) receiver: String,
    pub(super) ours: Vec<String>,
    pub(super) delivery_id: String,
    pub(super) bounce_headers: Vec<String>,
    pub(super) receipt_headers: Vec<String>,
    pub(super) mail_systems: Vec<String>,
    pub(super) mail_system_prefixes: Vec<String>,
    pub(super) mail_system_people: Vec<String>,
    pub(super) mail_system_names: Vec<String>,
    pub(super) auto_reply_headers: Vec<Mark>,
    pub(super) notice_headers: Vec<Mark>,
    pub(super) bulk_precedence: Vec<String>,
    pub(super) reports_of_machines: Vec<String>,
    pub(super) list_headers: Vec<String>,
    pub(super) list_machines: Vec<String>,
    pub(super) bulk_mailers: Vec<String>,
    pub(super) person_mailers: Vec<String>,
    pub(super) person_headers: Vec<String>,
    pub(super) no_reply: Vec<String>,
    pub(super) machines: Vec<String>,
}

/// A header, and what its value starts with; any value where there is none.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Mark {
    pub(super) name: String,
    #[serde(default)]
    pub(super) values: Vec<String>,
}

/// Where new text ends.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Quotes {
    pub(super) wrote: Vec<String>,
    pub(super) starts: Vec<String>,
    pub(super) separators: Vec<String>,
    pub(super) bare_separators: Vec<String>,
    pub(super) from: Vec<String>,
    pub(super) others: Vec<String>,
    pub(super) sent_from: Vec<String>,
    pub(super) notices: Vec<String>,
    pub(super) list_footers: Vec<String>,
    pub(super) html_only: Vec<String>,
    pub(super) html_classes: Vec<String>,
    pub(super) html_ids: Vec<String>,
    pub(super) html_rest_ids: Vec<String>,
}

/// What machines say, and people.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Phrases {
    pub(super) auto_subjects: Vec<String>,
    pub(super) absence: Vec<String>,
    pub(super) returns: Vec<String>,
    pub(super) unread: Vec<String>,
    pub(super) contacts: Vec<String>,
    pub(super) received: Vec<String>,
    pub(super) cases: Vec<String>,
    pub(super) soon: Vec<String>,
    pub(super) declared: Vec<String>,
    pub(super) automatic: Vec<String>,
    pub(super) this_mail: Vec<String>,
    pub(super) gone: Vec<String>,
    pub(super) challenges: Vec<String>,
    pub(super) bounces: Vec<String>,
    pub(super) delays: Vec<String>,
    pub(super) receipt_subjects: Vec<String>,
    pub(super) receipts: Vec<String>,
    pub(super) unsubscribes: Vec<String>,
    pub(super) calendars: Vec<String>,
    pub(super) greetings: Vec<String>,
    pub(super) first_person: Vec<String>,
    pub(super) singular: Vec<String>,
    pub(super) please: Vec<String>,
    pub(super) troubles: Vec<String>,
    pub(super) rhetorical: Vec<String>,
    pub(super) question_ends: Vec<String>,
    pub(super) question_starts: Vec<String>,
    /// With the spaces around them.
    pub(super) joints: Vec<String>,
}

pub(super) static LISTS: LazyLock<Marks> = LazyLock::new(|| built_in(include_str!("marks.yaml")));
pub(super) static QUOTES: LazyLock<Quotes> =
    LazyLock::new(|| built_in(include_str!("quotes.yaml")));

pub(super) static PHRASES: LazyLock<Phrases> =
    LazyLock::new(|| built_in(include_str!("phrases.yaml")));

#[expect(clippy::expect_used, reason = "the text is part of the program, and a test reads it")]
fn built_in<T: for<'de> Deserialize<'de>>(text: &str) -> T {
    serde_saphyr::from_str(text).expect("a list that is built in reads")
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use serde_json::Value;

    use super::*;

    #[test]
    fn every_list_reads_and_is_written_as_it_is_compared() {
        assert!(LISTS.ours.contains(&LISTS.delivery_id));
        assert!(!QUOTES.wrote.is_empty() && !PHRASES.absence.is_empty());
        let files =
            [include_str!("marks.yaml"), include_str!("quotes.yaml"), include_str!("phrases.yaml")];

        for (name, list) in files.into_iter().flat_map(built_in::<BTreeMap<String, Value>>) {
            let words: Vec<&str> =
                list.as_array().into_iter().flatten().filter_map(Value::as_str).collect();
            for word in &words {
                // The joints of sentences are compared with their spaces.
                let compared =
                    if name == "joints" { word.to_lowercase() } else { word.trim().to_lowercase() };
                assert_eq!(**word, compared, "{name}");
                assert!(!word.is_empty() && !word.contains("  "), "{name}: {word}");
            }
            let once: BTreeSet<_> = words.iter().collect();
            assert_eq!(once.len(), words.len(), "{name} says something twice");
        }
    }
}
