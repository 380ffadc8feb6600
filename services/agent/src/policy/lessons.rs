//! What the labelled examples of a policy teach: which of them holds for which rule, what the
//! ordinary ones are about, how their writers felt.

use std::collections::BTreeSet;

use classifier::{Classifier, FORM, Said, TrainError};
use contract::Category;
use sha2::{Digest as _, Sha256};

use crate::policy::examples::{Example, Label};
use crate::policy::findings::Findings;
use crate::policy::text::{Sentence, sentences};
use crate::policy::{Policy, Readers};
use crate::sentiment::Label as Mood;

/// The places of what is learned.
pub(super) struct Task;

impl Task {
    /// Whether rules hold, from all examples: one output for each rule, the floor's first.
    pub(super) const RULES: usize = 0;
    /// What a ticket is about, from the ordinary ones alone: those that a rule holds for
    /// have its category.
    pub(super) const ABOUT: usize = 1;
    /// How the writers of whole messages felt: one output, −1 to 1.
    pub(super) const MOOD: usize = 2;
}

/// The examples of a policy as a classifier takes them, but for their vectors.
#[derive(Debug)]
pub(super) struct Lessons {
    pub(super) rules: Vec<String>,
    said: Vec<Said>,
    tasks: [classifier::Task; 3],
}

impl Lessons {
    pub(super) fn of(policy: &Policy) -> Self {
        let readers = &policy.readers;
        let rules = readers.always.iter().chain(&readers.likely);
        let rules: Vec<String> = rules.map(|rule| rule.id.clone()).collect();
        let numbered = || policy.examples.iter().enumerate();
        let holds = numbered().map(|(at, example)| (at, holding(&rules, &example.label)));
        let holds = classifier::Task { targets: holds.collect(), outputs: rules.len() };
        let ordinary = numbered().filter_map(|(at, example)| Some((at, vec![subject(example)?])));
        let ordinary =
            classifier::Task { targets: ordinary.collect(), outputs: Category::ALL.len() };
        let felt = numbered().filter_map(|(at, example)| Some((at, vec![(0, mood(example)?)])));
        let felt = classifier::Task { targets: felt.collect(), outputs: 1 };
        let said = policy.examples.iter().map(|example| readers.said(&example.text)).collect();
        Self { rules, said, tasks: [holds, ordinary, felt] }
    }

    /// Another one wherever another thing would be learned.
    pub(super) fn key(&self, vectors: &[Vec<f32>]) -> [u8; 32] {
        let mut hash = Sha256::new();
        hash.update(FORM.to_le_bytes());
        self.said.iter().for_each(|said| hash.update(format!("{said:?}")));
        hash.update(format!("{:?}", self.tasks));
        vectors.iter().flatten().for_each(|number| hash.update(number.to_le_bytes()));
        hash.finalize().into()
    }

    pub(super) fn learn(&self, vectors: &[Vec<f32>]) -> Result<Classifier, TrainError> {
        Classifier::train(vectors, &self.said, &self.tasks)
    }
}

fn holding(rules: &[String], label: &Label) -> Vec<(usize, f32)> {
    let Label::Means(means) = label else { return Vec::new() };
    rules.iter().position(|rule| rule == means).map(|at| (at, 1.0)).into_iter().collect()
}

fn subject(example: &Example) -> Option<(usize, f32)> {
    let Label::Ordinary(category) = &example.label else { return None };
    Some((Category::ALL.iter().position(|known| known == category)?, 1.0))
}

fn mood(example: &Example) -> Option<f32> {
    Some(match example.mood? {
        Mood::Negative => -1.0,
        Mood::Neutral => 0.0,
        Mood::Positive => 1.0,
    })
}

impl Readers {
    /// A text as the classifier takes it.
    pub(super) fn said(&self, text: &str) -> Said {
        let sentences = sentences(text);
        let matches = self.matcher.read(&sentences);
        let findings = Findings::new(&sentences, &matches);
        Said {
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
