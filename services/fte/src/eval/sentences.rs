//! Sentences with a mood: the dictionaries alone.

use agent::sentiment::{Dictionaries, sentiment};

use crate::eval::outcome::Miss;
use crate::eval::set::Sentence;
use crate::eval::share::Share;

/// The share of right directions, and what went wrong.
pub(crate) fn judge(dictionaries: &Dictionaries, sentences: &[Sentence]) -> (Share, Vec<Miss>) {
    let mut misses = Vec::new();
    for sentence in sentences {
        let found = sentiment(dictionaries, &sentence.text);
        if found.label != sentence.label {
            misses.push(Miss {
                id: sentence.id.clone(),
                what: "sentiment",
                expected: sentence.label.as_str().to_owned(),
                got: found.label.as_str().to_owned(),
                why: format!("mood {:+.2}: {}", found.score, sentence.text),
            });
        }
    }
    (Share { right: sentences.len() - misses.len(), of: sentences.len() }, misses)
}
