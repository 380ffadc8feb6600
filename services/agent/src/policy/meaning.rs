//! What sentences mean by their likeness to labelled examples: learned at the start, asked
//! for every piece of a message.

use std::collections::BTreeSet;

use classifier::{Bank, Classifier, Sample, TrainError};
use contract::Category;
use serde::{Deserialize, Serialize};

use crate::policy::examples::{Example, Label};
use crate::policy::findings::Findings;
use crate::policy::text::{Sentence, sentences};
use crate::policy::units::Span;
use crate::policy::{Policy, Readers};
use crate::sentiment::Label as Mood;

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
    bank: Bank,
    /// Whether rules hold, from all examples: one output for each rule, the floor's first.
    rules: Classifier,
    /// What a ticket is about, from the ordinary ones alone: those that a rule holds for
    /// have its category.
    about: Classifier,
    /// How the writers of whole messages felt: one output, −1 to 1.
    moods: Option<Classifier>,
    outputs: Outputs,
    examples: Vec<Example>,
}

/// What the outputs for rules stand for.
#[derive(Debug, Clone)]
pub(super) struct Outputs {
    rules: Vec<String>,
    always: usize,
}

impl Outputs {
    fn of(policy: &Policy) -> Self {
        let rules = policy.readers.always.iter().chain(&policy.readers.likely);
        Self {
            rules: rules.map(|rule| rule.id.clone()).collect(),
            always: policy.readers.always.len(),
        }
    }

    /// What shall be said of an example.
    fn targets(&self, label: &Label) -> Vec<(usize, f32)> {
        let Label::Means(means) = label else { return Vec::new() };
        let at = self.rules.iter().position(|rule| rule == means);
        at.map(|at| (at, 1.0)).into_iter().collect()
    }
}

impl Readers {
    /// A text as the classifier takes it.
    pub(super) fn sample(&self, text: &str, vector: Vec<f32>) -> Sample {
        let sentences = sentences(text);
        let matches = self.matcher.read(&sentences);
        let findings = Findings::new(&sentences, &matches);
        Sample {
            vector,
            words: sentences.iter().flat_map(words).collect(),
            cues: self.noticed(text, &findings),
        }
    }

    /// What patterns say of a text: rules found, rules that an exception undoes, the
    /// kind of talk.
    fn noticed(&self, text: &str, findings: &Findings<'_>) -> Vec<String> {
        let mut noticed = BTreeSet::from([format!("{:?}", self.talk.kind(findings))]);
        let lower = text.to_lowercase();
        for rule in self.always.iter().chain(&self.likely) {
            if !rule.spans(&lower, findings).is_empty() {
                noticed.extend([rule.id.clone(), "rule".to_owned()]);
            } else if rule.is_undone(findings) {
                noticed.extend([format!("not {}", rule.id), "not rule".to_owned()]);
            }
        }
        noticed.into_iter().collect()
    }
}

/// The words of a sentence as they are compared, a question with its mark.
fn words(sentence: &Sentence) -> impl Iterator<Item = String> {
    let mark = sentence.is_question.then(|| "?".to_owned());
    let tokens = sentence.tokens.iter().map(|token| {
        let is_number = token.text.bytes().all(|byte| byte.is_ascii_digit());
        if is_number { "<number>".to_owned() } else { token.text.clone() }
    });
    tokens.chain(mark)
}

impl Meaning {
    /// Learns from the examples and their vectors.
    pub(super) fn learn(policy: &Policy, vectors: Vec<Vec<f32>>) -> Result<Self, TrainError> {
        let outputs = Outputs::of(policy);
        let examples = policy.examples.clone();
        let sampled = examples.iter().zip(vectors);
        let samples: Vec<Sample> =
            sampled.map(|(e, vector)| policy.readers.sample(&e.text, vector)).collect();
        let bank = Bank::of(&samples)?;
        let train =
            |targets: Vec<_>, outputs| Classifier::train(&bank, &samples, &targets, outputs);
        let numbered = || examples.iter().enumerate();
        let targets = numbered().map(|(at, e)| (at, outputs.targets(&e.label))).collect();
        let rules = train(targets, outputs.rules.len())?;
        let ordinary = |(at, example): (usize, &Example)| {
            let Label::Ordinary(category) = &example.label else { return None };
            let output = Category::ALL.iter().position(|known| known == category)?;
            Some((at, vec![(output, 1.0)]))
        };
        let about = train(numbered().filter_map(ordinary).collect(), Category::ALL.len())?;
        let felt = |(at, example): (usize, &Example)| {
            let towards = match example.mood? {
                Mood::Negative => -1.0,
                Mood::Neutral => 0.0,
                Mood::Positive => 1.0,
            };
            Some((at, vec![(0, towards)]))
        };
        let moods: Vec<_> = numbered().filter_map(felt).collect();
        let moods = if moods.is_empty() { None } else { Some(train(moods, 1)?) };
        Ok(Self { bank, rules, about, moods, outputs, examples })
    }

    /// Judges a piece.
    pub(super) fn judge(&self, span: Span, sample: &Sample) -> Piece {
        let near = self.bank.likeness(&sample.vector);
        let scores = self.rules.scores(&near, sample);
        let (always, likely) = scores.split_at_checked(self.outputs.always).unwrap_or_default();
        let ids = self.outputs.rules.iter().map(String::as_str);
        let likest = best(ids.zip(scores.iter().copied()), RULES_KEPT);
        let rules = likest.into_iter().map(|(rule, score)| RuleScore {
            rule: rule.to_owned(),
            score,
            example: self.nearest(rule, &near),
        });
        let about = self.about.scores(&near, sample);
        let mood = self.moods.as_ref().map(|moods| moods.scores(&near, sample));
        Piece {
            span,
            always: rounded(always.iter().sum()),
            likely: rounded(likely.iter().sum()),
            rules: rules.collect(),
            categories: best(Category::ALL.iter().copied().zip(about), CATEGORIES_KEPT),
            mood: mood.and_then(|mood| mood.first().copied()).map_or(0.0, rounded),
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

/// To three places: what the log holds is what was decided on.
pub(super) fn thousandths(score: f64) -> f64 {
    (score * 1_000.0).round() / 1_000.0
}
