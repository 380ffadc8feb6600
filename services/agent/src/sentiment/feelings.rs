//! From a whole text to one sum: which language, what is quoted, what thanks mean
//! there, and how far one sentence takes back another.

use std::ops::Range;

use crate::policy::{Match, Sentence, sentences};
use crate::sentiment::dictionaries::{Dictionaries, Language, Phrase};
use crate::sentiment::sentence::{Felt, read};

/// Thanks that are meant. At the end of a request or a complaint they are a formula.
const THANKS: f64 = 1.9;
/// Words before thanks that still open the sentence: "hi team, thanks".
const OPENING_WORDS: usize = 3;
/// What is left of the sentences before one that begins with "but".
const BEFORE_BUT: f64 = 0.5;
/// Trouble that only introduces a question for information.
const TROUBLE_THAT_ASKS: f64 = 0.6;
/// Beyond this sum nobody merely asks.
const ANGRY_FROM: f64 = -3.0;
/// Most signs of one kind that count.
const MAX_SIGNS: usize = 3;
/// A longer piece between marks is no name but speech.
const MAX_QUOTED_BYTES: usize = 60;

/// The sum of all weights in a text.
pub(super) fn feeling(dictionaries: &Dictionaries, text: &str) -> f64 {
    let sentences = sentences(text);
    let matches = dictionaries.matcher.read(&sentences);
    let quoted = quoted(text);
    let message_language = language(dictionaries, sentences.iter().collect(), None);
    let mut felt: Vec<Felt> = Vec::new();
    for (number, sentence) in sentences.iter().enumerate() {
        let own: Vec<&Match> = matches.iter().filter(|found| found.sentence == number).collect();
        let next = sentences.get(number + 1).and_then(|next| next.tokens.first());
        let end = next.map_or(text.len(), |token| token.start);
        let Some(language) = language(dictionaries, vec![sentence], message_language) else {
            continue;
        };
        let one = read(dictionaries, language, sentence, &own, text, end, &quoted);
        if one.opens_with_but {
            felt.iter_mut().for_each(|earlier| earlier.sum *= BEFORE_BUT);
        }
        felt.push(one);
    }
    let words: f64 = felt.iter().map(|sentence| sentence.sum).sum();
    let asks = felt.iter().any(|sentence| sentence.asks);
    let mut sum = words + signs(dictionaries, text, words);
    if asks && sum < 0.0 && sum > ANGRY_FROM {
        sum *= TROUBLE_THAT_ASKS;
    }
    if !asks && words >= 0.0 && are_meant(&felt, words) { sum + THANKS } else { sum }
}

/// Thanks are meant where a message begins with them or praises before.
fn are_meant(felt: &[Felt], words: f64) -> bool {
    felt.iter().enumerate().any(|(number, sentence)| {
        let opens = |at: usize| at <= OPENING_WORDS && (number == 0 || words > 0.0);
        sentence.thanks_at.is_some_and(|at| opens(at) || sentence.sum > 0.0)
    })
}

/// Emoji and smileys; those that laugh beside a complaint do not make it better.
fn signs(dictionaries: &Dictionaries, text: &str, words: f64) -> f64 {
    let mut sum = 0.0;
    for (sign, weight) in &dictionaries.emoji {
        let times = text.chars().filter(|symbol| symbol == sign).count().min(MAX_SIGNS);
        sum += weight * (times as f64).sqrt();
    }
    for part in text.split_whitespace() {
        sum += dictionaries.smileys.get(part).copied().unwrap_or_default();
    }
    if words < 0.0 && sum > 0.0 { 0.0 } else { sum.clamp(-3.0, 3.0) }
}

/// The language most of whose small words stand there; `otherwise` when none does.
fn language<'a>(
    dictionaries: &'a Dictionaries,
    sentences: Vec<&Sentence>,
    otherwise: Option<&'a Language>,
) -> Option<&'a Language> {
    let count = |language: &Language| {
        let tokens = sentences.iter().flat_map(|sentence| &sentence.tokens);
        tokens.filter(|token| language.known_by.contains(&token.text)).count()
    };
    let most = dictionaries.languages.iter().map(count).max().unwrap_or_default();
    let is_known = |language: &&Language| count(language) == most;
    match otherwise {
        Some(language) if count(language) == most => Some(language),
        _ => dictionaries.languages.iter().find(is_known),
    }
}

/// Names in quotation marks: what a board is called is no feeling.
fn quoted(text: &str) -> Vec<Range<usize>> {
    const MARKS: &[(char, char)] =
        &[('"', '"'), ('“', '”'), ('„', '“'), ('«', '»'), ('\'', '\''), ('‘', '’')];
    let mut found = Vec::new();
    let mut open: Option<(usize, char)> = None;
    let mut before = ' ';
    for (at, symbol) in text.char_indices() {
        let after = text.get(at + symbol.len_utf8()..).and_then(|rest| rest.chars().next());
        let ends = after.is_none_or(|after| !after.is_alphanumeric());
        open = match open {
            Some((from, _)) if at - from > MAX_QUOTED_BYTES || symbol == '\n' => None,
            Some((from, close)) if symbol == close && ends => {
                found.push(from..at);
                None
            }
            Some(open) => Some(open),
            None => {
                let pair = MARKS.iter().find(|(mark, _)| *mark == symbol);
                // An apostrophe opens nothing inside or behind a word.
                pair.filter(|_| !before.is_alphanumeric() && !ends).map(|pair| (at, pair.1))
            }
        };
        before = symbol;
    }
    found
}

/// The thanks in a sentence, by the token where they begin.
pub(super) fn thanks_at(dictionaries: &Dictionaries, found: &[&Match]) -> Option<usize> {
    let is_thanks =
        |found: &&&Match| matches!(dictionaries.phrases.get(&found.pattern), Some(Phrase::Thanks));
    found.iter().filter(is_thanks).map(|found| found.from).min()
}
