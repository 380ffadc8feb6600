//! Which rules hold: those whose pattern was found, unless what was said means something
//! else, and those whose examples mean the same.

use std::cmp::Reverse;

use contract::Category;
use serde::{Deserialize, Serialize};

use crate::policy::files::Meant;
use crate::policy::findings::Findings;
use crate::policy::meaning::{Piece, Scores, thousandths};
use crate::policy::signs::Leaning;
use crate::policy::{Hit, Rule, Way};
use crate::sentiment::Sentiment;

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

/// What the scores of a message say: whether a rule of the floor holds, and whether one
/// that likely needs a person. `None` where the model of meaning was not asked.
#[derive(Debug, Clone, Copy)]
pub(super) struct Judged {
    pub(super) always: Option<bool>,
    pub(super) likely: Option<bool>,
    /// Whether a bad mood is enough: strong words about ordinary trouble are not.
    pub(super) mood_counts: bool,
}

impl Judged {
    /// `leaning` is what the signs beside the likeness add.
    pub(super) fn of(scores: &Scores, from: &Meant, leaning: &Leaning) -> Self {
        let (Some(always), Some(likely), Some(any), Some(likest)) = (
            scores.of(|piece| piece.always),
            scores.of(|piece| piece.likely),
            scores.of(|piece| piece.always + piece.likely),
            scores.of(Piece::likest),
        ) else {
            return Self { always: None, likely: None, mood_counts: true };
        };
        let alike =
            from.whole * any.1 + from.rule_of_part * likest.0 + from.rule_of_whole * likest.1;
        let person = alike + leaning.of_all();
        let needs_person = thousandths(person) >= from.person;
        let is_rather_always = always.0 + always.1 >= likely.0 + likely.1;
        // One clear sentence in a long letter is enough, unless the letter was judged with it
        // and taken otherwise: short pieces are like much that they do not mean.
        let is_clear = |piece: &Piece| {
            let is_in =
                |whole: &Piece| whole.span.0 <= piece.span.0 && piece.span.1 <= whole.span.1;
            piece.always >= from.one_sentence
                && (thousandths(alike + leaning.of_piece(piece.span)) >= from.one_of_many
                    || !scores.whole.as_ref().is_none_or(is_in))
        };
        let is_always = scores.parts.iter().any(is_clear) || (needs_person && is_rather_always);
        Self {
            always: Some(is_always),
            likely: Some(needs_person && !is_rather_always),
            mood_counts: thousandths(person) >= from.one_of_many,
        }
    }
}

/// One kind of rules and what was judged of it.
pub(super) struct Floor<'a> {
    pub(super) rules: &'a [Rule],
    pub(super) score: fn(&Piece) -> f64,
    pub(super) holds: Option<bool>,
    /// Where it counts.
    pub(super) mood: Option<Sentiment>,
}

impl Floor<'_> {
    /// The rules that hold, the gravest first. Without scores the patterns decide; with
    /// them they say which rule it is: what they find is part of every score.
    pub(super) fn hits(&self, text: &str, findings: &Findings<'_>, scores: &Scores) -> Vec<Hit> {
        let mut hits = Vec::new();
        if self.holds != Some(false) {
            let lower = text.to_lowercase();
            hits.extend(self.rules.iter().filter_map(|rule| {
                let span = *rule.spans(&lower, findings).first()?;
                Some(rule.hit(text, span, Evidence::Pattern))
            }));
        }
        if self.holds == Some(true) && hits.is_empty() {
            hits.extend(self.by_example(text, scores));
        }
        if let Some(Sentiment { score, .. }) = self.mood {
            let moved = self.rules.iter().filter(|rule| rule.mood.is_some_and(|m| score <= m));
            for rule in moved {
                if hits.iter().all(|hit| hit.rule != rule.id) {
                    let evidence = Evidence::Mood { score };
                    hits.push(rule.hit(text, (0, text.len()), evidence));
                }
            }
        }
        // A request for a person names no subject: what else was found decides who it is.
        hits.sort_by_key(|hit| (hit.category == Category::General, Reverse(hit.priority)));
        hits
    }

    /// The rule whose examples mean what the surest part says.
    fn by_example(&self, text: &str, scores: &Scores) -> Option<Hit> {
        let by_score =
            |left: &&Piece, right: &&Piece| (self.score)(left).total_cmp(&(self.score)(right));
        let part = scores.parts.iter().max_by(by_score)?;
        let pieces = [part].into_iter().chain(&scores.whole).chain(&scores.parts);
        pieces.flat_map(|piece| &piece.rules).find_map(|best| {
            let rule = self.rules.iter().find(|rule| rule.id == best.rule)?;
            let score = thousandths((self.score)(part));
            let evidence = Evidence::Example { text: best.example.clone(), score };
            Some(rule.hit(text, part.span, evidence))
        })
    }
}

impl Rule {
    /// Where its patterns were found, in bytes.
    pub(super) fn spans(&self, lower: &str, findings: &Findings<'_>) -> Vec<(usize, usize)> {
        let by_text = self.contains.iter().filter_map(|part| {
            let start = lower.find(part)?;
            Some((start, start + part.len()))
        });
        self.ways.iter().flat_map(|way| way.spans(findings)).chain(by_text).collect()
    }

    /// Whether a pattern was found and an exception beside it.
    pub(super) fn is_undone(&self, findings: &Findings<'_>) -> bool {
        let sentences = 0..findings.sentences.len();
        self.ways.iter().any(|way| {
            let has = |patterns: &[_], at| findings.in_sentence(patterns, at).is_some();
            sentences.clone().any(|at| has(&way.when, at) && has(&way.unless, at))
        })
    }

    fn hit(&self, text: &str, span: (usize, usize), by: Evidence) -> Hit {
        Hit {
            rule: self.id.clone(),
            category: self.category,
            priority: self.priority,
            reason: self.reason.clone(),
            next_step: self.next_step.clone(),
            words: text.get(span.0..span.1).unwrap_or_default().to_owned(),
            span,
            by,
        }
    }
}

impl Way {
    pub(super) fn spans(&self, findings: &Findings<'_>) -> Vec<(usize, usize)> {
        if !self.also.is_empty() && !findings.anywhere(&self.also) {
            return Vec::new();
        }
        (0..findings.sentences.len())
            .filter(|sentence| findings.in_sentence(&self.unless, *sentence).is_none())
            .filter_map(|sentence| findings.in_sentence(&self.when, sentence))
            .filter_map(|found| findings.span(found))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FROM: Meant = Meant {
        person: 0.4,
        whole: 0.5,
        rule_of_whole: 0.4,
        rule_of_part: 0.1,
        one_sentence: 0.7,
        one_of_many: 0.25,
        question: 0.0,
        long: 0.0,
        chosen: 0.0,
        cues: 0.0,
        mood_by_words: 0.5,
        mood_by_examples: 0.5,
    };

    fn piece(span: (usize, usize), always: f64) -> Piece {
        let (rules, categories) = (Vec::new(), Vec::new());
        Piece { span, always, likely: 0.0, rules, categories, mood: 0.0 }
    }

    fn is_always(parts: Vec<Piece>, whole: Option<Piece>) -> Option<bool> {
        Judged::of(&Scores { parts, whole }, &FROM, &Leaning::default()).always
    }

    #[test]
    fn one_clear_sentence_needs_the_letter_that_was_judged_with_it_not_to_speak_against_it() {
        let parts = || vec![piece((0, 10), 0.0), piece((10, 20), 0.75)];

        assert_eq!(is_always(parts(), Some(piece((0, 20), 0.6))), Some(true));
        assert_eq!(is_always(parts(), Some(piece((0, 20), 0.1))), Some(false));
        assert_eq!(is_always(parts(), Some(piece((0, 15), 0.1))), Some(true));
        assert_eq!(is_always(vec![piece((0, 20), 0.85)], None), Some(true));
    }

    #[test]
    fn a_sign_beside_the_words_moves_the_need_of_a_person_and_a_bad_mood_needs_some() {
        let judged = |always, leaning| {
            let scores = Scores { parts: vec![piece((0, 10), always)], whole: None };
            Judged::of(&scores, &FROM, &Leaning::sign(leaning, (0, 10)))
        };

        assert_eq!(judged(0.6, 0.0).always, Some(false));
        assert_eq!(judged(0.6, 0.1).always, Some(true));
        assert_eq!(judged(0.9, 0.0).always, Some(true));
        assert_eq!(judged(0.9, -0.3).always, Some(false));
        assert!(judged(0.6, 0.0).mood_counts && !judged(0.4, 0.0).mood_counts);
        assert!(Judged::of(&Scores::default(), &FROM, &Leaning::default()).mood_counts);
    }
}
