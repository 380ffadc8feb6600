//! What sentences mean by their likeness to labelled examples: learned at the start, asked
//! for every piece of a message.

use classifier::{Classifier, Judged, Said, TrainError};
use contract::Category;
use embeddings::Kept;
use serde::{Deserialize, Serialize};

use crate::policy::Policy;
use crate::policy::examples::{Example, Label};
use crate::policy::lessons::{Lessons, Task};
use crate::policy::units::Span;

/// What the model of meaning said about a message; empty where it was not asked.
/// Rounded, so that the log holds exactly what was decided on.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Scores {
    /// In the order of the message.
    pub parts: Vec<Piece>,
    /// The message with its subject, where that is more than the only part.
    pub whole: Option<Piece>,
}

impl Scores {
    /// What something scores for the surest part of the message, and for the whole of it.
    /// `None` where the model was not asked.
    pub(super) fn of(&self, score: impl Fn(&Piece) -> f64) -> Option<(f64, f64)> {
        let surest = self.parts.iter().map(&score).max_by(f64::total_cmp)?;
        Some((surest, self.whole.as_ref().map_or(surest, &score)))
    }

    /// The mood of the message as a whole, −1 to 1.
    pub(super) fn mood(&self) -> Option<f64> {
        let piece = self.whole.as_ref().or(self.parts.first())?;
        Some(piece.mood)
    }

    /// What the message as a whole is about, the surest first.
    pub(super) fn about(&self) -> Option<&[(Category, f64)]> {
        let piece = self.whole.as_ref().or(self.parts.first())?;
        Some(&piece.categories)
    }
}

/// A piece of a message and what it is like.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Piece {
    /// Bytes of the own words.
    pub span: (usize, usize),
    /// How sure it is that a rule of the floor holds: near 0 no, near 1 yes.
    pub always: f64,
    /// The same for the rules that likely need a person.
    pub likely: f64,
    /// The rules that it is most like, the likest first.
    pub rules: Vec<RuleScore>,
    /// What it is about, the surest first.
    pub categories: Vec<(Category, f64)>,
    /// Like examples of which mood it is: near −1 negative, near 1 positive.
    pub mood: f64,
}

impl Piece {
    /// How sure the likest rule is, of the floor or not.
    pub(super) fn likest(&self) -> f64 {
        self.rules.first().map_or(0.0, |best| best.score)
    }
}

/// How like a piece is to the examples of one rule.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RuleScore {
    pub rule: String,
    pub score: f64,
    /// The example that it is most like.
    pub example: String,
}

/// Rules and categories of a piece that are kept: more would fill the log with noise.
const RULES_KEPT: usize = 4;
const CATEGORIES_KEPT: usize = 3;

/// What was learned from the examples of a policy.
#[derive(Debug)]
pub(super) struct Meaning {
    classifier: Classifier,
    rules: Vec<String>,
    /// So many of the rules are the floor's.
    always: usize,
    examples: Vec<Example>,
}

impl Meaning {
    /// Learns from the examples and their vectors, or reads what was learned of the same
    /// ones earlier. Blocks, for seconds the first time.
    pub(super) fn learn(
        policy: &Policy,
        vectors: &[Vec<f32>],
        kept: Option<&Kept>,
    ) -> Result<Self, TrainError> {
        let lessons = Lessons::of(policy);
        let key = lessons.key(vectors);
        let earlier = kept.and_then(|kept| kept.read(&key));
        let earlier = earlier.and_then(|bytes| Classifier::from_bytes(vectors, &bytes));
        let classifier = match earlier {
            Some(classifier) => classifier,
            None => {
                let classifier = lessons.learn(vectors)?;
                if let Some(kept) = kept {
                    kept.write(&key, classifier.to_bytes());
                }
                classifier
            }
        };
        let always = policy.readers.always.len();
        Ok(Self { classifier, rules: lessons.rules, always, examples: policy.examples.clone() })
    }

    /// Judges the pieces of a message.
    pub(super) fn judge(&self, spans: &[Span], pieces: &[(Said, Vec<f32>)]) -> Vec<Piece> {
        let judged = self.classifier.judge(pieces);
        spans.iter().zip(&judged).map(|(span, judged)| self.piece(*span, judged)).collect()
    }

    fn piece(&self, span: Span, judged: &Judged) -> Piece {
        let scores = judged.scores(Task::RULES);
        let (always, likely) = scores.split_at_checked(self.always).unwrap_or_default();
        let ids = self.rules.iter().map(String::as_str);
        let likest = best(ids.zip(scores.iter().copied()), RULES_KEPT);
        let rules = likest.into_iter().map(|(rule, score)| RuleScore {
            rule: rule.to_owned(),
            score,
            example: self.nearest(rule, &judged.near),
        });
        let about = judged.scores(Task::ABOUT).iter().copied();
        Piece {
            span,
            always: rounded(always.iter().sum()),
            likely: rounded(likely.iter().sum()),
            rules: rules.collect(),
            categories: best(Category::ALL.iter().copied().zip(about), CATEGORIES_KEPT),
            mood: judged.scores(Task::MOOD).first().copied().map_or(0.0, rounded),
        }
    }

    /// The example of a rule that is nearest.
    fn nearest(&self, rule: &str, near: &[f32]) -> String {
        let shows = |example: &Example| matches!(&example.label, Label::Means(id) if id == rule);
        let of_rule = self.examples.iter().zip(near).filter(|(example, _)| shows(example));
        let nearest = of_rule.max_by(|left, right| left.1.total_cmp(right.1));
        nearest.map_or_else(String::new, |(example, _)| example.text.clone())
    }
}

/// Those that score highest, the best first.
fn best<T>(scored: impl Iterator<Item = (T, f32)>, most: usize) -> Vec<(T, f64)> {
    let mut scored: Vec<(T, f64)> = scored.map(|(what, score)| (what, rounded(score))).collect();
    scored.sort_by(|left, right| right.1.total_cmp(&left.1));
    scored.truncate(most);
    scored
}

fn rounded(score: f32) -> f64 {
    thousandths(f64::from(score))
}

/// To three places: what the log holds is what was decided on. Never −0.0, which the database
/// does not keep, so that the log would read differently.
pub(super) fn thousandths(score: f64) -> f64 {
    (score * 1_000.0).round() / 1_000.0 + 0.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_score_of_three_places_is_never_minus_nothing() {
        assert!(thousandths(-0.000_4).is_sign_positive());
        assert_eq!((thousandths(0.123_46), thousandths(-0.123_46)), (0.123, -0.123));
    }
}
