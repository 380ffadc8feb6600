//! What came of a ticket beside what should have.

use agent::log::TurnLog;
use agent::policy::{Evidence, Hit, LeftOut, Reading};
use agent::sentiment::Label;
use contract::Priority;
use serde::Serialize;

use crate::eval::labels::Group;
use crate::eval::set::{Expected, Ticket};

/// Articles that count as found.
const NEAREST: usize = 3;

/// One ticket's outcome.
#[derive(Debug, Clone)]
pub(crate) struct Outcome {
    pub(crate) id: String,
    pub(crate) expected: Expected,
    pub(crate) escalates: bool,
    pub(crate) group: Group,
    pub(crate) priority: Priority,
    pub(crate) sentiment: Label,
    /// The articles found, the best first.
    pub(crate) articles: Vec<String>,
    /// Why, for a person who mends the engine.
    why: String,
}

/// One label that was missed.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Miss {
    pub(crate) id: String,
    pub(crate) what: &'static str,
    pub(crate) expected: String,
    pub(crate) got: String,
    pub(crate) why: String,
}

impl Outcome {
    pub(crate) fn new(ticket: &Ticket, log: &TurnLog, articles: Vec<String>) -> Self {
        Self {
            id: ticket.id.clone(),
            expected: ticket.expected.clone(),
            escalates: log.draft.hand_over.is_some(),
            group: Group::of(log.draft.category),
            priority: log.draft.priority,
            sentiment: log.reading.sentiment.label,
            articles,
            why: why(log),
        }
    }

    /// By the reading of a policy alone; nothing was searched for.
    pub(crate) fn of_reading(ticket: LeftOut, reading: &Reading) -> Self {
        Self {
            id: ticket.id,
            expected: Expected {
                escalate: Some(ticket.rule.is_some()),
                group: Some(Group::of(ticket.category)),
                sentiment: Some(ticket.mood),
                rule: ticket.rule,
                ..Expected::default()
            },
            escalates: !reading.hits.is_empty() || !reading.likely.is_empty(),
            group: Group::of(reading.category),
            priority: reading.priority,
            sentiment: reading.sentiment.label,
            articles: Vec::new(),
            why: how_read(reading).join("; "),
        }
    }

    /// Whether the article stands among the first `places`; `None` without a label.
    pub(crate) fn finds(&self, places: usize) -> Option<bool> {
        let article = self.expected.article.as_ref()?;
        Some(self.articles.iter().take(places).any(|found| found == article))
    }

    pub(crate) fn misses(&self) -> Vec<Miss> {
        let expected = &self.expected;
        let to = |is: bool| if is { "a person" } else { "no person" }.to_owned();
        let is_found = self.finds(NEAREST).unwrap_or(true);
        let label = |label: Label| label.as_str().to_owned();
        let group = |group: Group| group.as_str().to_owned();
        let rows = [
            ("escalation", expected.escalate.map(to), to(self.escalates)),
            ("category", expected.group.map(Group::by_taker).map(group), {
                group(self.group.by_taker())
            }),
            ("priority", expected.priority.map(|p| p.to_string()), self.priority.to_string()),
            ("sentiment", expected.sentiment.map(label), label(self.sentiment)),
            (
                "article",
                expected.article.clone(),
                match is_found {
                    true => expected.article.clone().unwrap_or_default(),
                    false => {
                        self.articles.iter().take(NEAREST).cloned().collect::<Vec<_>>().join(", ")
                    }
                },
            ),
        ];
        let missed = rows.into_iter().filter_map(|(what, expected, got)| {
            let expected = expected.filter(|expected| *expected != got)?;
            Some(Miss { id: self.id.clone(), what, expected, got, why: self.why.clone() })
        });
        missed.collect()
    }
}

fn why(log: &TurnLog) -> String {
    let mut parts = how_read(&log.reading);
    if let Some(best) = log.searches.first().and_then(|search| search.found.first()) {
        parts.push(format!("{} at {:.2}", best.chunk_id, best.relevance));
    }
    parts.push(log.draft.reason.clone());
    parts.join("; ")
}

fn how_read(reading: &Reading) -> Vec<String> {
    let hit = |hit: &Hit| {
        let by = match &hit.by {
            Evidence::Pattern => String::new(),
            by => format!(" by {by:?}"),
        };
        format!("{} on {:?}{by}", hit.rule, hit.words)
    };
    let mut parts: Vec<String> = reading.hits.iter().chain(&reading.likely).map(hit).collect();
    parts.push(format!("read as {:?}", reading.kind).to_lowercase());
    parts.push(format!("mood {:+.2}", reading.sentiment.score));
    parts
}
