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
    use super::*;

    #[test]
    fn every_list_reads_and_is_written_as_it_is_compared() {
        let marks = &*LISTS;
        let quotes = &*QUOTES;
        let phrases = &*PHRASES;
        let lists = [
            &marks.ours,
            &marks.bounce_headers,
            &marks.receipt_headers,
            &marks.mail_systems,
            &marks.mail_system_prefixes,
            &marks.mail_system_people,
            &marks.mail_system_names,
            &marks.bulk_precedence,
            &marks.reports_of_machines,
            &marks.list_headers,
            &marks.list_machines,
            &marks.bulk_mailers,
            &marks.person_mailers,
            &marks.person_headers,
            &marks.no_reply,
            &marks.machines,
            &quotes.wrote,
            &quotes.starts,
            &quotes.separators,
            &quotes.bare_separators,
            &quotes.from,
            &quotes.others,
            &quotes.sent_from,
            &quotes.notices,
            &quotes.list_footers,
            &quotes.html_only,
            &quotes.html_classes,
            &quotes.html_ids,
            &quotes.html_rest_ids,
            &phrases.auto_subjects,
            &phrases.absence,
            &phrases.returns,
            &phrases.contacts,
            &phrases.received,
            &phrases.cases,
            &phrases.soon,
            &phrases.declared,
            &phrases.gone,
            &phrases.challenges,
            &phrases.bounces,
            &phrases.delays,
            &phrases.receipt_subjects,
            &phrases.receipts,
            &phrases.unsubscribes,
            &phrases.calendars,
            &phrases.greetings,
            &phrases.first_person,
            &phrases.singular,
            &phrases.rhetorical,
            &phrases.unread,
            &phrases.automatic,
            &phrases.this_mail,
            &phrases.please,
            &phrases.troubles,
            &phrases.question_ends,
            &phrases.question_starts,
        ];

        for list in lists {
            assert!(!list.is_empty());
            for word in list {
                assert_eq!(word, &word.trim().to_lowercase());
                assert!(!word.is_empty() && !word.contains("  "), "{word}");
            }
            let mut once = list.clone();
            once.sort();
            once.dedup();
            let twice: Vec<_> =
                once.iter().filter(|w| list.iter().filter(|x| x == w).count() > 1).collect();
            assert!(twice.is_empty(), "{twice:?} stand twice");
        }
        assert!(marks.ours.contains(&marks.delivery_id));
    }
}
