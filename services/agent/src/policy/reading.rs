//! What a customer's message means for the policy: which rules hold, what kind of
//! message it is, its category and priority. Every finding is explained.

use contract::{Category, Plan, Priority};
use serde::{Deserialize, Serialize};

use crate::policy::findings::Findings;
use crate::policy::floor::{Evidence, Floor, Judged};
use crate::policy::meaning::Scores;
use crate::policy::own_words::own_words;
use crate::policy::talk::Kind;
use crate::policy::text::{Sentence, sentences};
use crate::policy::{Policy, Readers};
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
        let (text, _) = self.own_words(inputs);
        let sentences = sentences(&text);
        self.read_words(text, &sentences, inputs.chosen, scores.clone())
    }

    /// Reads the customer's own words, cut into sentences, with their scores.
    pub(super) fn read_words(
        &self,
        text: String,
        sentences: &[Sentence],
        chosen: Option<Category>,
        scores: Scores,
    ) -> Reading {
        let matches = self.readers.matcher.read(sentences);
        let findings = Findings::new(sentences, &matches);
        let mood = sentiment(&self.dictionaries, &text);
        let kind = self.readers.talk.kind(&findings);
        let judged = Judged::of(&scores, &self.readers.meaning, &self.readers.leaning(&findings));
        let always = Floor {
            rules: &self.readers.always,
            score: |piece| piece.always,
            holds: judged.always,
            mood: judged.mood_counts.then_some(mood),
        };
        let likely = Floor {
            rules: &self.readers.likely,
            score: |piece| piece.likely,
            holds: judged.likely,
            mood: judged.mood_counts.then_some(mood),
        };
        let mut hits = always.hits(&text, &findings, &scores);
        let mut likely = likely.hits(&text, &findings, &scores);
        if kind.is_unanswered() {
            // Advertisements speak of money and machines of accounts: only clear words count.
            hits.retain(|hit| hit.by == Evidence::Pattern);
            likely.clear();
        }
        let category = self.readers.category(kind, chosen, &findings, &scores);
        let by_rule = hits.iter().chain(&likely).map(|hit| hit.category);
        let category = by_rule.into_iter().find(|c| *c != Category::General).unwrap_or(category);
        let priority = self.readers.priority(hits.iter().chain(&likely), &findings);
        Reading {
            sentiment: self.mood(mood, &scores),
            own_words: text,
            is_never: hits.is_empty() && likely.is_empty(),
            hits,
            likely,
            kind,
            category,
            priority,
            scores,
        }
    }

    /// What the dictionaries say of the mood, weighed against messages that were like it.
    fn mood(&self, by_words: Sentiment, scores: &Scores) -> Sentiment {
        let Some(by_examples) = scores.mood() else { return by_words };
        let from = &self.readers.meaning;
        Sentiment::of(from.mood_by_words * by_words.score + from.mood_by_examples * by_examples)
    }

    /// The subject, when it is new, and the messages below it, without what others wrote;
    /// and where the messages begin.
    pub(super) fn own_words(&self, inputs: &Inputs<'_>) -> (String, usize) {
        let subject = inputs.subject.map_or("", str::trim);
        let own = inputs.bodies.iter().map(|body| own_words(body));
        let parts: Vec<String> =
            [subject.to_owned()].into_iter().chain(own).filter(|part| !part.is_empty()).collect();
        (parts.join("\n\n"), subject.len())
    }
}

impl Readers {
    /// What a ticket is about that no rule puts somewhere.
    fn category(
        &self,
        kind: Kind,
        chosen: Option<Category>,
        findings: &Findings<'_>,
        scores: &Scores,
    ) -> Category {
        if kind != Kind::Question {
            return chosen.unwrap_or(Category::General);
        }
        match scores.about() {
            Some(about) => self.by_likeness(about, chosen, self.by_cues(None, findings)),
            None => self.by_cues(chosen, findings),
        }
    }

    /// The category of the ordinary tickets that it is most like; the choice weighs in, and
    /// the category that its cues name.
    fn by_likeness(
        &self,
        about: &[(Category, f64)],
        chosen: Option<Category>,
        by_cues: Category,
    ) -> Category {
        let weight = |(category, score): &(Category, f64)| {
            let chosen = if chosen == Some(*category) { self.meaning.chosen } else { 0.0 };
            score + chosen + if by_cues == *category { self.meaning.cues } else { 0.0 }
        };
        let best = about.iter().max_by(|left, right| weight(left).total_cmp(&weight(right)));
        best.map_or(chosen.unwrap_or(Category::General), |(category, _)| *category)
    }

    /// The category with most cues; what the customer chose weighs in, and ties go to it.
    fn by_cues(&self, chosen: Option<Category>, findings: &Findings<'_>) -> Category {
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

    fn priority<'a>(
        &self,
        hits: impl Iterator<Item = &'a Hit>,
        findings: &Findings<'_>,
    ) -> Priority {
        let by_rule = hits.map(|hit| hit.priority).max();
        let by_cue = self
            .priorities
            .iter()
            .find(|(_, patterns)| findings.anywhere(patterns))
            .map_or(self.otherwise, |(priority, _)| *priority);
        by_rule.map_or(by_cue, |priority| priority.max(by_cue))
    }
}
