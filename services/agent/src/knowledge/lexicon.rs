//! A question in plain words as words to search for.

use std::collections::{HashMap, HashSet};

use crate::policy::{SearchFile, fold, sentences};
use crate::search::Term;

/// What a word of the same meaning counts beside the customer's own.
const SAME_MEANING: f64 = 0.5;
/// What the first word of "log in" or "get rid of" counts by itself.
const OF_AN_IDIOM: f64 = 0.4;
/// What a word counts of a further question, and one that stands in no question.
const FURTHER_QUESTION: f64 = 0.5;
const BESIDE_THE_QUESTION: f64 = 0.35;

/// The words of a phrase and the phrases that mean the same.
type Phrase = (Vec<String>, Vec<String>);

/// Which words mean the same, and which say nothing.
#[derive(Debug)]
pub(crate) struct Lexicon {
    chatter: HashSet<String>,
    /// By first word: whole phrases, and what each stands for.
    same: HashMap<String, Vec<Phrase>>,
    most: usize,
}

impl Lexicon {
    pub(crate) fn new(file: &SearchFile) -> Self {
        let mut same: HashMap<String, Vec<_>> = HashMap::new();
        for group in &file.same {
            for phrase in group {
                let words: Vec<String> = phrase.split(' ').map(|word| stem(&fold(word))).collect();
                let others = group.iter().filter(|other| *other != phrase).cloned().collect();
                let first = words.first().cloned().unwrap_or_default();
                same.entry(first).or_default().push((words, others));
            }
        }
        let chatter = file.chatter.iter().map(|word| fold(word)).collect();
        Self { chatter, same, most: file.max_terms }
    }

    /// What to search for. The first sentence and the questions weigh most: what is
    /// told around them explains, and seldom asks.
    pub(crate) fn terms(&self, question: &str) -> Vec<Term> {
        let mut asked: Vec<Asked> = Vec::new();
        for (at, sentence) in sentences(question).iter().enumerate() {
            let importance = match (at, sentence.is_question) {
                (0, _) => 1.0,
                (_, true) => FURTHER_QUESTION,
                (_, false) => BESIDE_THE_QUESTION,
            };
            let words: Vec<&str> = sentence.tokens.iter().map(|t| t.text.as_str()).collect();
            for place in 0..words.len() {
                let Some(new) = self.asked(words.get(place..).unwrap_or_default(), importance)
                else {
                    continue;
                };
                match asked.iter_mut().find(|known| known.word == new.word) {
                    Some(known) => known.importance = known.importance.max(new.importance),
                    None => asked.push(new),
                }
            }
        }
        // Stable: a long story is cut at its end, a question never.
        asked.sort_by(|left, right| right.importance.total_cmp(&left.importance));
        asked.truncate(self.most);
        asked.into_iter().zip(0..).flat_map(|(asked, number)| asked.terms(number)).collect()
    }

    /// The first of these words as something to search for, unless it says nothing.
    fn asked(&self, words: &[&str], importance: f64) -> Option<Asked> {
        let word = *words.first()?;
        let mut same = Vec::new();
        let mut likeness = 1.0;
        for (phrase, others) in self.same.get(&stem(word)).into_iter().flatten() {
            let stands_here = words.iter().zip(phrase).filter(|(l, r)| stem(l) == **r).count();
            if stands_here < phrase.len() {
                continue;
            }
            same.extend(others.iter().cloned());
            let rest = words.get(1..phrase.len()).unwrap_or_default();
            if !rest.is_empty() && rest.iter().all(|word| self.says_nothing(word)) {
                likeness = OF_AN_IDIOM;
            }
        }
        if self.says_nothing(word) && same.is_empty() {
            return None;
        }
        Some(Asked { word: word.to_owned(), likeness, same, importance })
    }

    fn says_nothing(&self, word: &str) -> bool {
        let particles = ["in", "out", "of", "up", "off", "down", "on", "to", "as", "back", "over"];
        word.starts_with('<')
            || word.chars().count() < 2
            || particles.contains(&word)
            || self.chatter.contains(word)
    }
}

/// A word without its English endings, to look up what means the same; the words that
/// are searched for are stemmed by the database.
fn stem(word: &str) -> String {
    if let Some(stem) = word.strip_suffix("ies") {
        return format!("{stem}y");
    }
    let singular = word.strip_suffix('s').filter(|stem| !stem.ends_with('s')).unwrap_or(word);
    let long = |stem: &&str| stem.len() >= 4;
    let verb =
        ["ing", "ed", "e"].iter().find_map(|ending| singular.strip_suffix(ending).filter(long));
    verb.unwrap_or(singular).to_owned()
}

/// A word of the question with all that may stand for it.
struct Asked {
    word: String,
    likeness: f64,
    same: Vec<String>,
    importance: f64,
}

impl Asked {
    fn terms(self, number: usize) -> impl Iterator<Item = Term> {
        let Self { word, likeness, same, importance } = self;
        let own = Term { number, word, likeness, importance };
        let same = same.into_iter().map(move |word| Term {
            number,
            likeness: SAME_MEANING / word.split(' ').count() as f64,
            word,
            importance,
        });
        std::iter::once(own).chain(same)
    }
}
