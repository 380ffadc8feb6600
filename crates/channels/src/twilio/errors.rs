//! Twilio's error codes: what each means, and what follows from it.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;

const TABLE: &str = include_str!("errors.yaml");

/// What follows from an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Not processed: the same again later.
    Wait,
    /// It will never go like this; a person goes on.
    Person,
    /// As [`Action::Person`], and the operators have something to mend.
    Settings,
    /// The customer does not want it.
    Suppress,
    /// Twilio does not know what became of it.
    Unknown,
}

/// One meaning.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Meaning {
    pub action: Action,
    /// In plain words, for a person.
    pub reason: String,
    pub wait: Option<Duration>,
}

/// Every code that is known.
#[derive(Debug)]
pub struct ErrorTable(BTreeMap<u32, Meaning>);

/// The table that is built in does not read; a test keeps that from happening.
#[derive(Debug, thiserror::Error)]
#[error("the table of error codes is not valid")]
pub struct TableError(#[source] serde_saphyr::Error);

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    codes: Vec<u32>,
    action: Action,
    reason: String,
    wait_seconds: Option<u64>,
}

impl ErrorTable {
    pub fn built_in() -> Result<Self, TableError> {
        let entries: Vec<Entry> = serde_saphyr::from_str(TABLE).map_err(TableError)?;
        let mut meanings = BTreeMap::new();
        for entry in entries {
            let meaning = Meaning {
                action: entry.action,
                reason: entry.reason,
                wait: entry.wait_seconds.map(Duration::from_secs),
            };
            meanings.extend(entry.codes.into_iter().map(|code| (code, meaning.clone())));
        }
        Ok(Self(meanings))
    }

    /// What this code means. One that is not known, or none, ends the attempt and goes
    /// to a person.
    pub fn meaning(&self, code: Option<u32>) -> Meaning {
        let known = code.and_then(|code| self.0.get(&code).cloned());
        known.unwrap_or_else(|| Meaning {
            action: Action::Person,
            reason: match code {
                Some(code) => format!("Twilio refused it with code {code}"),
                None => "Twilio refused it without a code".to_owned(),
            },
            wait: None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_stands_once_and_has_words() {
        let entries: Vec<Entry> = serde_saphyr::from_str(TABLE).unwrap();
        let mut codes: Vec<_> = entries.iter().flat_map(|entry| entry.codes.clone()).collect();
        let all = codes.len();
        codes.sort_unstable();
        codes.dedup();

        assert_eq!(codes.len(), all);
        assert!(all > 70, "{all}");
        assert!(entries.iter().all(|entry| entry.reason.len() > 10));
    }

    #[test]
    fn an_unknown_code_is_final_for_its_attempt_and_goes_to_a_person() {
        let table = ErrorTable::built_in().unwrap();

        assert_eq!(table.meaning(Some(20_429)).action, Action::Wait);
        assert_eq!(table.meaning(Some(21_610)).action, Action::Suppress);
        assert_eq!(table.meaning(Some(20_003)).action, Action::Settings);
        assert_eq!(table.meaning(Some(99_999)).action, Action::Person);
        assert!(table.meaning(Some(99_999)).reason.contains("99999"));
        assert_eq!(table.meaning(None).action, Action::Person);
    }
}
