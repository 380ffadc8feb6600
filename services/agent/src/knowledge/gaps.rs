//! Questions for which the knowledge base had too little, as people read them: what is
//! asked most often stands together.

use chrono::{DateTime, Utc};
use embeddings::likeness;
use sqlx::PgPool;

use crate::embedder::Embedder;
use crate::knowledge::SearchError;
use crate::log::TurnLog;
use crate::policy::Kind;

/// Gaps that are looked at; older ones are seldom news.
const MOST: i64 = 1_000;

/// Questions at least this alike are one: other words for the same lie above it at most
/// times, questions about two things below.
const ALIKE: f32 = 0.6;

/// A question is cut here.
const MOST_CHARS: usize = 500;

/// Questions of one meaning.
#[derive(Debug, Clone, PartialEq)]
pub struct GapGroup {
    /// The newest of them.
    pub question: String,
    pub count: usize,
    pub newest: DateTime<Utc>,
    /// The best of what was found for any of them.
    pub relevance: f64,
}

/// The gaps of the last months, those that were asked most often first.
pub async fn gaps(pool: &PgPool, embedder: &Embedder) -> Result<Vec<GapGroup>, SearchError> {
    let gaps = store::knowledge::gaps(pool, MOST).await?;
    let questions = gaps.iter().map(|gap| gap.question.clone()).collect();
    let vectors = embedder.embed(questions).await?;
    let mut groups: Vec<(Vec<f32>, GapGroup)> = Vec::new();
    // The newest first: each group is called by its newest.
    for (gap, vector) in gaps.into_iter().zip(vectors) {
        let store::knowledge::Gap { question, relevance, at } = gap;
        match groups.iter_mut().find(|(first, _)| likeness(first, &vector) >= ALIKE) {
            Some((_, group)) => {
                group.count += 1;
                group.relevance = group.relevance.max(relevance);
            }
            None => {
                groups.push((vector, GapGroup { question, count: 1, newest: at, relevance }));
            }
        }
    }
    let mut groups: Vec<GapGroup> = groups.into_iter().map(|(_, group)| group).collect();
    groups.sort_by(|left, right| right.count.cmp(&left.count).then(right.newest.cmp(&left.newest)));
    Ok(groups)
}

/// A question that no chunk answers, and how near the best one came.
#[derive(Debug, PartialEq)]
pub(crate) struct Gap {
    pub(crate) question: String,
    pub(crate) relevance: f64,
}

/// The gap that a turn found: a question whose own words lead to no chunk that counts.
pub(crate) fn gap_of(log: &TurnLog, answer_from: f64) -> Option<Gap> {
    let search = log.searches.first().filter(|_| log.reading.kind == Kind::Question)?;
    let relevance = search.found.first().map_or(0.0, |found| found.relevance);
    let question = without_identifiers(&search.query);
    (relevance < answer_from).then_some(Gap { question, relevance })
}

/// A question in one line, cut, without what may say who asked: addresses, links, and
/// numbers of more than three digits.
fn without_identifiers(words: &str) -> String {
    let kept = words.split_whitespace().map(|word| {
        let digits = word.chars().filter(char::is_ascii_digit).count();
        let is_identifier = word.contains('@') || word.contains("://") || digits > 3;
        if is_identifier { "…" } else { word }
    });
    kept.collect::<Vec<_>>().join(" ").chars().take(MOST_CHARS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_loses_what_says_who_asked() {
        let words = "Hi,\nI'm sam.doe@mail.example (+49 170 5551234).\nWhy is TF-88120 on https://x.example/u/7 for 20 days?";

        assert_eq!(without_identifiers(words), "Hi, I'm … (+49 170 … Why is … on … for 20 days?");
        assert_eq!(without_identifiers(&"ab ".repeat(900)).chars().count(), 500);
    }
}
