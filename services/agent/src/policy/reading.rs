//! What a customer's message means for the policy: which rules hold, what kind of
//! message it is, its category and priority. Every finding is explained.

use contract::{Category, Plan, Priority};
use serde::{Deserialize, Serialize};

use crate::policy::findings::Findings;
use crate::policy::own_words::own_words;
use crate::policy::talk::Kind;
use crate::policy::text::sentences;
use crate::policy::{Policy, Readers, Rule};
use crate::sentiment::{Sentiment, sentiment};

/// What is read.
#[derive(Debug, Clone, Copy, Default)]
pub struct Inputs<'a> {
    /// Where it is part of what was just said.
    pub subject: Option<&'a str>,
    /// As they came, the oldest first.
    pub bodies: &'a [&'a str],
    /// What the customer chose on the form.
    pub chosen: Option<Category>,
    /// As far as it is known.
    pub plan: Option<Plan>,
}

/// A rule that holds, with the words that made it hold.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Hit {
    pub rule: String,
    pub category: Category,
    pub priority: Priority,
    pub reason: String,
    pub next_step: String,
    /// The customer's words that the rule found.
    pub words: String,
    /// Where they stand in the own words, in bytes.
    pub span: (usize, usize),
    pub by: Evidence,
}

/// Why a rule holds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Evidence {
    /// The words are one of its patterns.
    Pattern,
    /// The words mean what its examples mean; the nearest one and how sure that is.
    Example { text: String, score: f64 },
    /// The mood of the whole message.
    Mood { score: f64 },
}

/// What the model of meaning said about a message; empty where it was not asked.
/// Rounded, so that the log holds exactly what was decided on.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Scores {}

/// A message as the policy sees it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Reading {
    pub own_words: String,
    /// What always goes to a person, the gravest first; empty when no such rule holds.
    pub hits: Vec<Hit>,
    /// What likely needs a person beside a first answer.
    pub likely: Vec<Hit>,
    /// Never for a person at first contact: a question, a wish, praise, ordinary trouble.
    pub is_never: bool,
    pub kind: Kind,
    pub category: Category,
    pub priority: Priority,
    pub sentiment: Sentiment,
    pub scores: Scores,
}

impl Reading {
    /// For a message that could not be read.
    pub(crate) fn unread(category: Option<Category>, priority: Option<Priority>) -> Self {
        Self {
            own_words: String::new(),
            hits: Vec::new(),
            likely: Vec::new(),
            is_never: false,
            kind: Kind::Question,
            category: category.unwrap_or(Category::General),
            priority: priority.unwrap_or(Priority::Medium),
            sentiment: Sentiment::NEUTRAL,
            scores: Scores::default(),
        }
    }
}

impl Policy {
    /// Reads with the scores of an earlier reading: the same inputs, scores and policy
    /// give the same reading, without a model.
    pub fn read_again(&self, inputs: &Inputs<'_>, scores: &Scores) -> Reading {
        let text = self.own_words(inputs);
        let sentences = sentences(&text);
        let matches = self.readers.matcher.read(&sentences);
        let findings = Findings::new(&sentences, &matches);
        let hits = self.readers.hits(&text, &findings);
        let kind = self.readers.talk.kind(&findings);
        let category = match hits.first() {
            Some(hit) if hit.category != Category::General => hit.category,
            _ => self.readers.category(kind, inputs.chosen, &findings),
        };
        let priority = self.readers.priority(&hits, &findings);
        Reading {
            sentiment: sentiment(&self.dictionaries, &text),
            own_words: text,
            is_never: hits.is_empty(),
            hits,
            likely: Vec::new(),
            kind,
            category,
            priority,
            scores: scores.clone(),
        }
    }

    /// The subject, when it is new, and the messages below it, without what others wrote.
    fn own_words(&self, inputs: &Inputs<'_>) -> String {
        let subject = inputs.subject.map(|subject| subject.trim().to_owned());
        let own = inputs.bodies.iter().map(|body| own_words(body));
        let parts: Vec<String> =
            subject.into_iter().chain(own).filter(|part| !part.is_empty()).collect();
        parts.join("\n\n")
    }
}

impl Readers {
    fn hits(&self, text: &str, findings: &Findings<'_>) -> Vec<Hit> {
        let lower = text.to_lowercase();
        let mut hits: Vec<Hit> =
            self.always.iter().filter_map(|rule| rule.hit(text, &lower, findings)).collect();
        // A request for a person names no subject: what else was found decides who it is.
        hits.sort_by_key(|hit| {
            (hit.category == Category::General, std::cmp::Reverse(hit.priority))
        });
        hits
    }

    /// The category with most cues; what the customer chose weighs in, and ties go to it.
    fn category(&self, kind: Kind, chosen: Option<Category>, findings: &Findings<'_>) -> Category {
        match kind {
            Kind::Wish => return Category::FeatureRequest,
            Kind::Praise | Kind::Feedback => return Category::Feedback,
            Kind::Greeting | Kind::Thanks | Kind::Empty | Kind::Spam | Kind::Automatic => {
                return chosen.unwrap_or(Category::General);
            }
            Kind::Question => {}
        }
        let weight = |category: Category, patterns: &[_]| {
            let chosen = if chosen == Some(category) { self.chosen } else { 0.0 };
            findings.count(patterns) as f64 + chosen
        };
        let mut best = (chosen.unwrap_or(Category::General), 0.0);
        for (category, patterns) in &self.cues {
            let weight = weight(*category, patterns);
            if weight > best.1 || (weight > 0.0 && weight >= best.1 && chosen == Some(*category)) {
                best = (*category, weight);
            }
        }
        best.0
    }

    fn priority(&self, hits: &[Hit], findings: &Findings<'_>) -> Priority {
        let by_rule = hits.iter().map(|hit| hit.priority).max();
        let by_cue = self
            .priorities
            .iter()
            .find(|(_, patterns)| findings.anywhere(patterns))
            .map_or(self.otherwise, |(priority, _)| *priority);
        by_rule.map_or(by_cue, |priority| priority.max(by_cue))
    }
}

impl Rule {
    fn hit(&self, text: &str, lower: &str, findings: &Findings<'_>) -> Option<Hit> {
        if !self.also.is_empty() && !findings.anywhere(&self.also) {
            return None;
        }
        let by_pattern = (0..findings.sentences.len())
            .filter(|sentence| findings.in_sentence(&self.unless, *sentence).is_none())
            .find_map(|sentence| findings.in_sentence(&self.when, sentence))
            .and_then(|found| findings.span(found));
        let by_text = || {
            let found = self.contains.iter().find_map(|part| Some((lower.find(part)?, part)))?;
            Some((found.0, found.0 + found.1.len()))
        };
        let span = by_pattern.or_else(by_text)?;
        Some(Hit {
            rule: self.id.clone(),
            category: self.category,
            priority: self.priority,
            reason: self.reason.clone(),
            next_step: self.next_step.clone(),
            words: text.get(span.0..span.1).unwrap_or_default().to_owned(),
            span,
            by: Evidence::Pattern,
        })
    }
}
