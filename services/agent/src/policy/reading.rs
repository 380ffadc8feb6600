//! What a customer's message means for the policy: which rules of the floor hold,
//! what kind of message it is, its category and priority. Every finding is explained.

use std::collections::HashMap;

use contract::{Category, Priority};
use serde::Serialize;

use crate::policy::own_words::own_words;
use crate::policy::pattern::{Match, PatternId};
use crate::policy::text::{Sentence, sentences};
use crate::policy::{Policy, Readers, Rule};

/// A rule of the floor that holds, with the words that made it hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
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
}

/// What kind of message it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    Question,
    Wish,
    Greeting,
    Thanks,
    Praise,
    Feedback,
    /// Nothing of the customer's own is left, or nothing that is a word.
    Empty,
    Spam,
    Automatic,
}

impl Kind {
    /// Nobody waits for an answer.
    pub(crate) fn is_unanswered(self) -> bool {
        matches!(self, Kind::Spam | Kind::Automatic)
    }
}

/// A message as the policy sees it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Reading {
    pub own_words: String,
    /// The gravest first; empty when no rule of the floor holds.
    pub hits: Vec<Hit>,
    pub kind: Kind,
    pub category: Category,
    pub priority: Priority,
}

/// Words that a friendly sentence may hold beside what makes it friendly.
const FRIENDLY_REST: usize = 4;
/// A longer message is not only thanks or praise.
const FRIENDLY_WORDS: usize = 60;

/// Patterns found, by pattern and sentence.
struct Findings<'a> {
    sentences: &'a [Sentence],
    found: HashMap<(PatternId, usize), &'a Match>,
}

impl<'a> Findings<'a> {
    fn new(sentences: &'a [Sentence], matches: &'a [Match]) -> Self {
        let found = matches.iter().map(|found| ((found.pattern, found.sentence), found)).collect();
        Self { sentences, found }
    }

    fn in_sentence(&self, patterns: &[PatternId], sentence: usize) -> Option<&'a Match> {
        patterns.iter().find_map(|pattern| self.found.get(&(*pattern, sentence)).copied())
    }

    /// Tokens of the longest match in a sentence.
    fn longest(&self, patterns: &[PatternId], sentence: usize) -> Option<usize> {
        let found = patterns.iter().filter_map(|pattern| self.found.get(&(*pattern, sentence)));
        found.map(|found| found.to - found.from).max()
    }

    fn anywhere(&self, patterns: &[PatternId]) -> bool {
        (0..self.sentences.len()).any(|sentence| self.in_sentence(patterns, sentence).is_some())
    }

    fn count(&self, patterns: &[PatternId]) -> usize {
        let is_found = |pattern: &&PatternId| self.anywhere(std::slice::from_ref(*pattern));
        patterns.iter().filter(is_found).count()
    }
}

impl Policy {
    /// Reads a subject, when it is new, and the messages below it.
    pub fn read(
        &self,
        subject: Option<&str>,
        bodies: &[&str],
        chosen: Option<Category>,
    ) -> Reading {
        let subject = subject.map(|subject| subject.trim().to_owned());
        let own = bodies.iter().map(|body| own_words(body));
        let parts: Vec<String> =
            subject.into_iter().chain(own).filter(|part| !part.is_empty()).collect();
        let text = parts.join("\n\n");
        let sentences = sentences(&text);
        let matches = self.readers.matcher.read(&sentences);
        let findings = Findings::new(&sentences, &matches);
        let hits = self.readers.hits(&text, &findings);
        let kind = self.readers.kind(&findings);
        let category = match hits.first() {
            Some(hit) if hit.category != Category::General => hit.category,
            _ => self.readers.category(kind, chosen, &findings),
        };
        let priority = self.readers.priority(&hits, &findings);
        Reading { own_words: text, hits, kind, category, priority }
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

    fn kind(&self, findings: &Findings<'_>) -> Kind {
        let talk = &self.talk;
        let all = findings.sentences;
        let words: usize = all.iter().map(|sentence| sentence.tokens.len()).sum();
        if words == 0 {
            return Kind::Empty;
        }
        if findings.anywhere(&talk.automatic) {
            return Kind::Automatic;
        }
        if findings.anywhere(&talk.spam) {
            return Kind::Spam;
        }
        if findings.anywhere(&talk.wish) {
            return Kind::Wish;
        }
        let is_question = all.iter().any(|sentence| sentence.is_question);
        if is_question || words > FRIENDLY_WORDS || findings.anywhere(&talk.trouble) {
            return Kind::Question;
        }
        let friendly = |patterns: &[PatternId]| {
            all.iter().enumerate().all(|(at, sentence)| {
                let most = findings.longest(patterns, at);
                most.is_some_and(|most| sentence.tokens.len() - most <= FRIENDLY_REST)
            })
        };
        let thanks: Vec<PatternId> =
            talk.thanks.iter().chain(&talk.greeting).chain(&talk.praise).copied().collect();
        match () {
            () if findings.anywhere(&talk.praise) => Kind::Praise,
            () if findings.anywhere(&talk.feedback) => Kind::Feedback,
            () if friendly(&talk.greeting) => Kind::Greeting,
            () if friendly(&thanks) => Kind::Thanks,
            () => Kind::Question,
        }
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
        let weight = |category: Category, patterns: &[PatternId]| {
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
            .and_then(|found| {
                let tokens = &findings.sentences.get(found.sentence)?.tokens;
                let matched = tokens.get(found.from..found.to)?;
                Some((matched.first()?.start, matched.last()?.end))
            });
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
        })
    }
}
