//! Patterns over tokens: word order, stems, alternatives, gaps, anchors, slips of
//! the pen and negation. Knows nothing of what a pattern means.
//!
//! `word` is a token, `stem*` a beginning, `(a|b c)` alternatives, `@name` a set of
//! the file, `x?` optional, `!(a|b)` none of these comes next, `..` up to four words
//! between, `...` up to eight, `^` and `$` the ends of the sentence.

use std::collections::{BTreeMap, HashMap, HashSet};

use crate::policy::negation::is_negated;
use crate::policy::program::{Parser, PatternError, Step, compile, first_atoms};
use crate::policy::text::{Sentence, Token};

/// Names one pattern of a [`Matcher`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct PatternId(usize);

/// A word or stem that some pattern knows.
pub(super) type Atom = usize;

/// A pattern that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Match {
    pub(crate) pattern: PatternId,
    pub(crate) sentence: usize,
    /// Tokens of the sentence, half open.
    pub(crate) from: usize,
    pub(crate) to: usize,
}

/// All patterns of a policy, read in one pass.
#[derive(Debug, Default)]
pub(crate) struct Matcher {
    exact: HashMap<String, Atom>,
    stems: HashMap<String, Atom>,
    atoms: usize,
    programs: Vec<Vec<Step>>,
    by_first: HashMap<Atom, Vec<PatternId>>,
    /// Each word without one of its letters, for slips of the pen.
    shortened: HashMap<String, Vec<String>>,
    real_words: HashSet<String>,
}

/// A sentence as the patterns see it.
struct Seen<'a> {
    tokens: &'a [Token],
    atoms: Vec<Vec<Atom>>,
}

/// Shorter words are never taken for slips: too many are words themselves.
const SLIP_CHARS: usize = 5;
impl Matcher {
    /// A matcher that never takes one of `real_words` for a slip of the pen.
    pub(crate) fn new(real_words: &[String]) -> Self {
        Self { real_words: real_words.iter().cloned().collect(), ..Self::default() }
    }

    /// Adds a pattern; `sets` are what `@name` may stand for.
    pub(crate) fn add(
        &mut self,
        source: &str,
        sets: &BTreeMap<String, Vec<String>>,
    ) -> Result<PatternId, PatternError> {
        let nodes = Parser { matcher: self, sets, depth: 0 }.pattern(source)?;
        let mut first = HashSet::new();
        if first_atoms(&nodes, &mut first) {
            return Err(PatternError::Opening(source.to_owned()));
        }
        let id = PatternId(self.programs.len());
        let mut program = Vec::new();
        compile(&nodes, &mut program);
        program.push(Step::Matched);
        self.programs.push(program);
        first.into_iter().for_each(|atom| self.by_first.entry(atom).or_default().push(id));
        Ok(id)
    }

    pub(super) fn atom(&mut self, word: &str) -> Atom {
        let next = self.atoms;
        let (table, key) = match word.strip_suffix('*') {
            Some(stem) => (&mut self.stems, stem),
            None => (&mut self.exact, word),
        };
        let atom = *table.entry(key.to_owned()).or_insert(next);
        if atom == next {
            self.atoms += 1;
            if key.chars().count() >= SLIP_CHARS {
                for shorter in shortened(key) {
                    self.shortened.entry(shorter).or_default().push(key.to_owned());
                }
            }
        }
        atom
    }

    /// Every pattern's first match in each sentence that no negation undoes.
    pub(crate) fn read(&self, sentences: &[Sentence]) -> Vec<Match> {
        let mut found = Vec::new();
        for (number, sentence) in sentences.iter().enumerate() {
            let seen = Seen {
                tokens: &sentence.tokens,
                atoms: sentence.tokens.iter().map(|token| self.atoms_of(&token.text)).collect(),
            };
            let mut matched = HashSet::new();
            for (from, atoms) in seen.atoms.iter().enumerate() {
                for pattern in atoms.iter().filter_map(|atom| self.by_first.get(atom)).flatten() {
                    if matched.contains(pattern) {
                        continue;
                    }
                    if let Some(to) = self.match_at(*pattern, &seen, from) {
                        matched.insert(*pattern);
                        found.push(Match { pattern: *pattern, sentence: number, from, to });
                    }
                }
            }
        }
        found
    }

    fn match_at(&self, pattern: PatternId, seen: &Seen<'_>, from: usize) -> Option<usize> {
        let program = self.programs.get(pattern.0)?;
        run(program, 0, seen, from, from, &mut Vec::new())
    }

    /// What a token may stand for; a word that is unknown may be a slip.
    fn atoms_of(&self, word: &str) -> Vec<Atom> {
        let known = self.known(word);
        if !known.is_empty() || self.real_words.contains(word) {
            return known;
        }
        self.intended(word).map(|meant| self.known(&meant)).unwrap_or_default()
    }

    fn known(&self, word: &str) -> Vec<Atom> {
        let stems = word
            .char_indices()
            .map(|(at, symbol)| at + symbol.len_utf8())
            .filter_map(|end| self.stems.get(word.get(..end)?));
        self.exact.get(word).into_iter().chain(stems).copied().collect()
    }

    /// The word of a pattern from which this one differs by one letter too few,
    /// too many, or two exchanged neighbours. Never by another letter: "charge"
    /// is not "change".
    fn intended(&self, word: &str) -> Option<String> {
        if word.chars().count() < SLIP_CHARS - 1 || !word.is_ascii() {
            return None;
        }
        let too_few = self.shortened.get(word).and_then(|meant| meant.first());
        let is_word = |candidate: &String| {
            candidate.len() >= SLIP_CHARS
                && (self.exact.contains_key(candidate) || self.stems.contains_key(candidate))
        };
        let same_start = |meant: &String| meant.chars().next() == word.chars().next();
        let meant = too_few.cloned().or_else(|| {
            let shorter = shortened(word);
            shorter.iter().find(|candidate| is_word(candidate)).cloned().or_else(|| {
                shorter
                    .iter()
                    .filter_map(|shorter| self.shortened.get(shorter))
                    .flatten()
                    .find(|meant| is_exchange(word, meant))
                    .cloned()
            })
        });
        meant.filter(same_start)
    }
}

/// The word without each one of its letters but the first.
fn shortened(word: &str) -> Vec<String> {
    let symbols: Vec<char> = word.chars().collect();
    (1..symbols.len())
        .map(|left_out| {
            let kept = symbols.iter().enumerate().filter(|(at, _)| *at != left_out);
            kept.map(|(_, symbol)| symbol).collect()
        })
        .collect()
}

/// Whether the words differ by two exchanged neighbours.
fn is_exchange(left: &str, right: &str) -> bool {
    if left.len() != right.len() {
        return false;
    }
    let different: Vec<(u8, u8)> =
        left.bytes().zip(right.bytes()).filter(|(left, right)| left != right).collect();
    matches!(different.as_slice(), [(a, b), (c, d)] if a == d && b == c)
}

/// Runs a program from one token; the end of the first match that counts.
fn run(
    program: &[Step],
    mut step: usize,
    seen: &Seen<'_>,
    from: usize,
    mut at: usize,
    taken: &mut Vec<usize>,
) -> Option<usize> {
    let mark = taken.len();
    loop {
        match program.get(step)? {
            Step::Word(atom) => {
                if !seen.atoms.get(at).is_some_and(|atoms| atoms.contains(atom)) {
                    taken.truncate(mark);
                    return None;
                }
                taken.push(at);
                at += 1;
                step += 1;
            }
            Step::Split(targets) => {
                let end =
                    targets.iter().find_map(|next| run(program, *next, seen, from, at, taken));
                taken.truncate(mark);
                return end;
            }
            Step::Jump(next) => step = *next,
            Step::Unless(next) => {
                let kept = taken.len();
                if run(program, step + 1, seen, from, at, taken).is_some() {
                    taken.truncate(mark);
                    return None;
                }
                taken.truncate(kept);
                step = *next;
            }
            Step::Seen => return Some(at),
            Step::Gap(most) => {
                let end = (0..=*most)
                    .take_while(|skipped| at + skipped <= seen.tokens.len())
                    .find_map(|skipped| run(program, step + 1, seen, from, at + skipped, taken));
                taken.truncate(mark);
                return end;
            }
            Step::Start if at == 0 => step += 1,
            Step::End if at == seen.tokens.len() => step += 1,
            Step::Matched if !is_negated(seen.tokens, from, at, taken) => return Some(at),
            Step::Start | Step::End | Step::Matched => {
                taken.truncate(mark);
                return None;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::text::sentences;

    fn finds(pattern: &str, text: &str) -> bool {
        let sets = BTreeMap::from([
            ("want".to_owned(), vec!["want".to_owned(), "would like".to_owned()]),
            ("circle".to_owned(), vec!["@circle".to_owned()]),
        ]);
        let mut matcher = Matcher::new(&["layer".to_owned()]);
        matcher.add(pattern, &sets).unwrap();
        !matcher.read(&sentences(text)).is_empty()
    }

    #[test]
    fn words_stems_sets_gaps_and_anchors_match_in_order() {
        for (pattern, text, expected) in [
            ("@want .. refund*", "I would like to have two refunds", true),
            ("@want .. refund*", "A refund is what I want", false),
            ("@want a? refund", "we want refund", true),
            ("@want a? refund", "we want the refund", false),
            ("delete my (account|work space)", "delete my work space", true),
            ("^ refund $", "Refund!", true),
            ("^ refund $", "Refund me", false),
            ("get .. back", "get one two three four five back", false),
            ("refund !(policy|my terms)", "the refund policy", false),
            ("refund !(policy|my terms)", "refund my terms", false),
            ("refund !(policy|my terms) my", "refund my money", true),
        ] {
            assert_eq!(finds(pattern, text), expected, "{pattern} / {text}");
        }
    }

    #[test]
    fn a_negation_undoes_the_match_in_its_own_clause_only() {
        for (text, expected) in [
            ("I do not want a refund", false),
            ("I want no refund", false),
            ("I don't think I want a refund", false),
            ("No, I want a refund", true),
            ("This is not good, I want a refund", true),
            ("I am not happy and want a refund", true),
            ("Not only do I want a refund", true),
        ] {
            assert_eq!(finds("want .. refund", text), expected, "{text}");
        }
        assert!(finds("you refund me", "Why don't you refund me?"));
        assert!(finds("have not .. refund", "I have not got the refund"));
        assert!(!finds("refund", "A refund is not needed"));
    }

    #[test]
    fn one_letter_too_few_too_many_or_exchanged_is_a_slip_but_another_letter_is_not() {
        for (text, expected) in [
            ("refnd", true),
            ("reffund", true),
            ("refudn", true),
            ("remund", false),
            ("fund", false),
        ] {
            assert_eq!(finds("refund", text), expected, "{text}");
        }
        assert!(!finds("lawyer", "the layer"));
        assert!(!finds("charge", "the change"));
    }

    #[test]
    fn a_pattern_that_cannot_be_read_says_why() {
        let sets = BTreeMap::from([("circle".to_owned(), vec!["@circle".to_owned()])]);
        let error = |source: &str| Matcher::default().add(source, &sets).unwrap_err();

        assert_eq!(error("(a|b"), PatternError::Bracket("(a|b".to_owned()));
        assert_eq!(error("a)"), PatternError::Bracket("a)".to_owned()));
        assert_eq!(error("@none"), PatternError::UnknownSet("none".to_owned()));
        assert_eq!(error("@circle"), PatternError::Circle("circle".to_owned()));
        assert_eq!(error("Don't"), PatternError::Word("Don't".to_owned()));
        assert_eq!(error(".. a"), PatternError::Opening(".. a".to_owned()));
    }
}
