//! One sentence: phrases first, then the words that no phrase took, each with what
//! stands before it.

use std::ops::Range;

use crate::policy::{Match, Sentence, Token};
use crate::sentiment::dictionaries::{Dictionaries, Language, Phrase};
use crate::sentiment::feelings::thanks_at;

/// How many words before one a negation turns it (policy: within a window).
const NEGATION_WINDOW: usize = 3;
/// "Not good" is less bad than "bad", and "not bad" far less good than "good".
const NEGATED_GOOD: f64 = -0.75;
const NEGATED_BAD: f64 = -0.35;
/// A degree word that stands one word further off.
const DEGREE_WINDOW: usize = 2;
const SHOUTED: f64 = 1.35;
/// Shorter words in capitals are most often names.
const SHOUTED_CHARS: usize = 3;
/// A sentence without a feeling word that is shouted is no friendly one.
const SHOUTING: f64 = -1.4;
const SHOUTED_WORDS: usize = 2;
const EXCLAMATION: f64 = 0.3;
const MAX_EXCLAMATIONS: usize = 4;
/// "??" and "?!" behind what is no question for information.
const INDIGNATION: f64 = -0.9;
/// Praise with a question mark behind it.
const DOUBTED: f64 = 0.3;
const BEFORE_BUT: f64 = 0.5;
const AFTER_BUT: f64 = 1.4;
/// Words of trouble are the subject of a question, not a feeling.
const ASKED_WORD: f64 = 0.15;
const ASKED_PHRASE: f64 = 0.5;
/// Phrases as strong as this are felt in a question, too.
const STRONG_PHRASE: f64 = -2.5;

/// What one sentence says.
#[derive(Debug)]
pub(super) struct Felt {
    pub(super) sum: f64,
    /// It asks for information.
    pub(super) asks: bool,
    pub(super) opens_with_but: bool,
    /// Where thanks begin.
    pub(super) thanks_at: Option<usize>,
}

/// A weight and the token it stands on.
struct Weight {
    at: usize,
    value: f64,
}

/// What is known while reading.
struct Reader<'a> {
    language: &'a Language,
    tokens: &'a [Token],
    text: &'a str,
    /// Tokens of phrases and quotations, which weigh no more by themselves.
    is_taken: Vec<bool>,
    asks: bool,
}

/// Reads a sentence whose marks stand up to `end` in the text.
pub(super) fn read(
    dictionaries: &Dictionaries,
    language: &Language,
    sentence: &Sentence,
    found: &[&Match],
    text: &str,
    end: usize,
    quoted: &[Range<usize>],
) -> Felt {
    let tokens = sentence.tokens.as_slice();
    let is_taken =
        tokens.iter().map(|token| quoted.iter().any(|q| q.contains(&token.start))).collect();
    let asks = asks(language, tokens);
    let mut reader = Reader { language, tokens, text, is_taken, asks };
    let mut weights = reader.phrases(dictionaries, found);
    weights.extend(reader.words());
    reader.shift(&mut weights);
    let sum: f64 = weights.iter().map(|weight| weight.value).sum();
    let tail = tokens.last().and_then(|last| text.get(last.end..end)).unwrap_or_default();
    Felt {
        sum: reader.emphasised(sum, tail),
        asks,
        opens_with_but: tokens.first().is_some_and(|first| language.but.contains(&first.text)),
        thanks_at: thanks_at(dictionaries, found),
    }
}

/// Whether a clause begins as questions for information do.
fn asks(language: &Language, tokens: &[Token]) -> bool {
    (0..tokens.len()).any(|at| {
        let rest = tokens.get(at..).unwrap_or_default();
        let opens = at == 0 || rest.first().is_some_and(|token| token.opens_clause);
        let begins = |words: &Vec<String>| {
            words.len() <= rest.len() && words.iter().zip(rest).all(|(word, t)| *word == t.text)
        };
        opens && language.asks.iter().any(begins)
    })
}

impl Reader<'_> {
    /// Longer phrases know more of what is meant: "thanks for nothing" is no thanks.
    fn phrases(&mut self, dictionaries: &Dictionaries, found: &[&Match]) -> Vec<Weight> {
        let mut found: Vec<&Match> = found.to_vec();
        found.sort_by_key(|found| (std::cmp::Reverse(found.to - found.from), found.from));
        let mut weights = Vec::new();
        for found in found {
            let range = found.from..found.to;
            if self.is_taken.get(range.clone()).is_none_or(|taken| taken.contains(&true)) {
                continue;
            }
            let Some(phrase) = dictionaries.phrases.get(&found.pattern) else { continue };
            if let Some(taken) = self.is_taken.get_mut(range.clone()) {
                taken.fill(true);
            }
            if let Phrase::Weighs(value) = *phrase {
                let asked = self.asks && value > STRONG_PHRASE;
                let value = if asked { value * ASKED_PHRASE } else { value };
                let loud = range.clone().any(|at| self.is_shouted(at));
                let value = if loud { value * SHOUTED } else { value };
                weights.push(Weight { at: found.from, value });
            }
        }
        weights
    }

    fn words(&self) -> Vec<Weight> {
        (0..self.tokens.len()).filter_map(|at| self.word(at)).collect()
    }

    fn word(&self, at: usize) -> Option<Weight> {
        let mut value = self.own_weight(at)?;
        if self.is_degree_of_next(at) {
            return None;
        }
        for back in 1..=DEGREE_WINDOW {
            let degree = self.before(at, back).and_then(|word| self.language.degrees.get(word));
            value *= degree.copied().unwrap_or(1.0);
        }
        let is_negated = (1..=NEGATION_WINDOW)
            .filter_map(|back| self.before(at, back))
            .any(|word| self.language.negators.contains(word));
        value *= match (is_negated, value > 0.0) {
            (false, _) => 1.0,
            (true, true) => NEGATED_GOOD,
            (true, false) => NEGATED_BAD,
        };
        value *= if self.is_shouted(at) { SHOUTED } else { 1.0 };
        value *= if self.asks { ASKED_WORD } else { 1.0 };
        Some(Weight { at, value })
    }

    fn own_weight(&self, at: usize) -> Option<f64> {
        if self.is_taken.get(at).is_none_or(|taken| *taken) {
            return None;
        }
        self.language.weight(&self.tokens.get(at)?.text)
    }

    /// "Pretty" in "pretty bad" says how bad, not how pretty.
    fn is_degree_of_next(&self, at: usize) -> bool {
        let is_degree = |token: &Token| self.language.degrees.contains_key(&token.text);
        let next_opens = self.tokens.get(at + 1).is_none_or(|next| next.opens_clause);
        self.tokens.get(at).is_some_and(is_degree)
            && !next_opens
            && self.own_weight(at + 1).is_some()
    }

    /// The word so many places before, in the same clause and in no phrase.
    fn before(&self, at: usize, back: usize) -> Option<&str> {
        let from = at.checked_sub(back)?;
        let opens = |token: &Token| token.opens_clause;
        if self.tokens.get(from + 1..=at)?.iter().any(opens) {
            return None;
        }
        let is_free = self.is_taken.get(from).is_some_and(|taken| !taken);
        let word = self.tokens.get(from).map(|token| token.text.as_str());
        word.filter(|_| is_free)
    }

    /// Moves weight to what follows "but", and away from what "although" brings up.
    fn shift(&self, weights: &mut [Weight]) {
        let turns = |at: usize, token: &Token| {
            let word = &token.text;
            (at > 0 && self.language.but.contains(word))
                || (token.opens_clause && self.language.but_after_comma.contains(word))
        };
        let last = |(at, token): (usize, &Token)| turns(at, token).then_some(at);
        if let Some(but) = self.tokens.iter().enumerate().filter_map(last).next_back() {
            for weight in weights.iter_mut() {
                weight.value *= if weight.at < but { BEFORE_BUT } else { AFTER_BUT };
            }
        }
        let lesser = |token: &Token| self.language.although.contains(&token.text);
        if let Some(from) = self.tokens.iter().position(lesser) {
            let rest = self.tokens.iter().enumerate().skip(from + 1);
            let end = rest.filter(|(_, token)| token.opens_clause).map(|(at, _)| at).next();
            // "Although it is slow, I like it": the lesser part ends at the comma.
            let to = end.filter(|_| from == 0).unwrap_or(self.tokens.len());
            let inside = weights.iter_mut().filter(|weight| (from..to).contains(&weight.at));
            inside.for_each(|weight| weight.value *= BEFORE_BUT);
        }
    }

    fn emphasised(&self, sum: f64, tail: &str) -> f64 {
        let shouted = (0..self.tokens.len()).filter(|at| self.is_shouted(*at)).count();
        let sum = if sum.abs() < 0.3 && shouted >= SHOUTED_WORDS { sum + SHOUTING } else { sum };
        let exclamations = tail.matches('!').count().min(MAX_EXCLAMATIONS) as f64;
        let asked = tail.matches('?').count();
        let is_indignant = asked > 1 || (asked == 1 && exclamations > 0.0);
        let sum = if is_indignant && !self.asks && sum <= 0.0 { sum + INDIGNATION } else { sum };
        // "Five stars? One would be generous."
        let is_doubted = asked == 1 && !self.asks && sum > 0.0;
        let sum = if is_doubted { sum * DOUBTED } else { sum };
        if sum == 0.0 { sum } else { sum + sum.signum() * exclamations * EXCLAMATION }
    }

    /// In capitals, and a word that the language knows: "API" is only a name.
    fn is_shouted(&self, at: usize) -> bool {
        let Some(token) = self.tokens.get(at) else { return false };
        let written = self.text.get(token.start..token.end).unwrap_or_default();
        let letters = written.chars().filter(|symbol| symbol.is_alphabetic()).count();
        letters >= SHOUTED_CHARS
            && !written.chars().any(char::is_lowercase)
            && self.language.knows(&token.text)
    }
}
