//! Patterns over tokens: word order, stems, alternatives, gaps, anchors, slips of
//! the pen and negation. Knows nothing of what a pattern means.
//!
//! `word` is a token, `stem*` a beginning, `(a|b c)` alternatives, `@name` a set of
//! the file, `x?` optional, `!(a|b)` none of these comes next, `..` up to four words
//! between, `...` up to eight, `^` and `$` the ends of the sentence.

use std::collections::{BTreeMap, HashMap, HashSet};

use crate::policy::text::{Sentence, Token, fold};

/// Names one pattern of a [`Matcher`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct PatternId(usize);

type Atom = usize;

#[derive(Debug, Clone)]
enum Node {
    Word(Atom),
    Any(Vec<Vec<Node>>),
    Unless(Vec<Vec<Node>>),
    Maybe(Box<Node>),
    Gap(usize),
    Start,
    End,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    Word(Atom),
    Split(Vec<usize>),
    Jump(usize),
    /// Goes on at this step unless what stands between matches here.
    Unless(usize),
    /// The end of what must not match.
    Seen,
    Gap(usize),
    Start,
    End,
    Matched,
}

/// Why a pattern cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PatternError {
    #[error("{0:?} has a bracket without its partner")]
    Bracket(String),
    #[error("{0:?} is not a set of this file")]
    UnknownSet(String),
    #[error("set {0:?} holds itself")]
    Circle(String),
    #[error("{0:?} is not written in lower case without accents and apostrophes")]
    Word(String),
    #[error("{0:?} does not begin with a word")]
    Opening(String),
}

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
/// How deep sets may hold sets.
const SET_DEPTH: usize = 8;
/// How far before a match a negation still counts.
const NEGATION_SCOPE: usize = 5;

const NEGATORS: &[&str] = &[
    "not", "no", "never", "without", "neither", "nor", "none", "nicht", "kein", "keine", "keinen",
    "nie", "ohne", "sin", "nunca", "pas", "jamais", "nao", "senza", "non", "geen", "niet",
];
const CLAUSE_WORDS: &[&str] = &[
    "and",
    "but",
    "so",
    "then",
    "because",
    "since",
    "otherwise",
    "therefore",
    "und",
    "aber",
    "sondern",
    "y",
    "pero",
    "sino",
    "et",
    "mais",
];
const SUBJECTS: &[&str] =
    &["i", "we", "you", "he", "she", "they", "ich", "wir", "sie", "yo", "je", "nous"];
const AUXILIARIES: &[&str] =
    &["can", "could", "would", "will", "do", "did", "have", "has", "had", "is", "are"];
/// Verbs whose negation reaches into the clause they open: "I don't think I need …",
/// "I don't want you to …".
const OPINIONS: &[&str] = &[
    "think", "believe", "say", "saying", "mean", "suppose", "that", "wish", "want", "need", "ask",
    "asked", "let", "expect", "like",
];

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

    fn atom(&mut self, word: &str) -> Atom {
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

/// Whether a negation that is not part of the pattern undoes the match.
fn is_negated(tokens: &[Token], from: usize, to: usize, taken: &[usize]) -> bool {
    let inside = (from..to).any(|at| !taken.contains(&at) && negates(tokens, at));
    inside || negated_before(tokens, from) || negated_after(tokens, to)
}

fn word(tokens: &[Token], at: usize) -> &str {
    tokens.get(at).map_or("", |token| token.text.as_str())
}

/// "not", but neither "not only", nor the questions "can't you …" and "why have you
/// not …", nor "I can't believe …".
fn negates(tokens: &[Token], at: usize) -> bool {
    let next = word(tokens, at + 1);
    if !NEGATORS.contains(&word(tokens, at)) || ["only", "believe", "sure"].contains(&next) {
        return false;
    }
    // "No, I want …" answers something else.
    if word(tokens, at) == "no" && tokens.get(at + 1).is_some_and(|next| next.opens_clause) {
        return false;
    }
    let asks_why = (1..=4).any(|back| at >= back && word(tokens, at - back) == "why");
    let auxiliary = at.checked_sub(1).map_or("", |before| word(tokens, before));
    let asks = AUXILIARIES.contains(&auxiliary) && ["you", "somebody", "someone"].contains(&next);
    !(asks || asks_why)
}

fn negated_before(tokens: &[Token], from: usize) -> bool {
    let mut at = from;
    let mut left = NEGATION_SCOPE;
    while left > 0 && at > 0 {
        if tokens.get(at).is_some_and(|token| token.opens_clause) {
            return false;
        }
        at -= 1;
        left -= 1;
        if negates(tokens, at) {
            return true;
        }
        if CLAUSE_WORDS.contains(&word(tokens, at)) {
            return false;
        }
        let opinion = at.checked_sub(1).map_or("", |before| word(tokens, before));
        if SUBJECTS.contains(&word(tokens, at)) && !OPINIONS.contains(&opinion) {
            return false;
        }
    }
    false
}

/// "… is not needed", "… is not what I mean".
fn negated_after(tokens: &[Token], to: usize) -> bool {
    const ENDS: &[&str] =
        &["needed", "necessary", "required", "what", "why", "my", "the", "about", "wanted"];
    let verb = ["is", "was", "are", "were"].contains(&word(tokens, to));
    verb && word(tokens, to + 1) == "not" && ENDS.contains(&word(tokens, to + 2))
}

/// Collects what a sequence may begin with; true when it may be empty or begin with a gap.
fn first_atoms(nodes: &[Node], first: &mut HashSet<Atom>) -> bool {
    for node in nodes {
        let may_be_empty = match node {
            Node::Word(atom) => {
                first.insert(*atom);
                false
            }
            Node::Any(ways) => ways
                .iter()
                .map(|way| first_atoms(way, first))
                .fold(false, |left, right| left | right),
            Node::Maybe(node) => {
                first_atoms(std::slice::from_ref(node), first);
                true
            }
            Node::Start | Node::Unless(_) => true,
            Node::Gap(_) | Node::End => return true,
        };
        if !may_be_empty {
            return false;
        }
    }
    true
}

fn compile(nodes: &[Node], program: &mut Vec<Step>) {
    for node in nodes {
        match node {
            Node::Word(atom) => program.push(Step::Word(*atom)),
            Node::Gap(most) => program.push(Step::Gap(*most)),
            Node::Start => program.push(Step::Start),
            Node::End => program.push(Step::End),
            Node::Maybe(node) => {
                let split = program.len();
                program.push(Step::Matched);
                compile(std::slice::from_ref(node), program);
                let end = program.len();
                set(program, split, Step::Split(vec![split + 1, end]));
            }
            Node::Any(ways) => compile_ways(ways, program),
            Node::Unless(ways) => {
                let unless = program.len();
                program.push(Step::Seen);
                compile_ways(ways, program);
                program.push(Step::Seen);
                let end = program.len();
                set(program, unless, Step::Unless(end));
            }
        }
    }
}

fn compile_ways(ways: &[Vec<Node>], program: &mut Vec<Step>) {
    let split = program.len();
    program.push(Step::Matched);
    let mut starts = Vec::new();
    let mut ends = Vec::new();
    for way in ways {
        starts.push(program.len());
        compile(way, program);
        ends.push(program.len());
        program.push(Step::Matched);
    }
    let end = program.len();
    ends.into_iter().for_each(|at| set(program, at, Step::Jump(end)));
    set(program, split, Step::Split(starts));
}

fn set(program: &mut [Step], at: usize, step: Step) {
    if let Some(place) = program.get_mut(at) {
        *place = step;
    }
}

struct Parser<'a> {
    matcher: &'a mut Matcher,
    sets: &'a BTreeMap<String, Vec<String>>,
    depth: usize,
}

impl Parser<'_> {
    fn pattern(&mut self, source: &str) -> Result<Vec<Node>, PatternError> {
        let mut rest = source.trim_start();
        let nodes = self.sequence(source, &mut rest)?;
        if rest.is_empty() { Ok(nodes) } else { Err(PatternError::Bracket(source.to_owned())) }
    }

    /// Reads up to `|`, `)` or the end.
    fn sequence(&mut self, source: &str, rest: &mut &str) -> Result<Vec<Node>, PatternError> {
        let mut nodes = Vec::new();
        loop {
            *rest = rest.trim_start();
            if rest.is_empty() || rest.starts_with(['|', ')']) {
                return Ok(nodes);
            }
            let node = if let Some(inside) = rest.strip_prefix("!(") {
                *rest = inside;
                Node::Unless(self.ways(source, rest)?)
            } else if let Some(inside) = rest.strip_prefix('(') {
                *rest = inside;
                Node::Any(self.ways(source, rest)?)
            } else {
                self.single(rest)?
            };
            nodes.push(match rest.strip_prefix('?') {
                Some(after) => {
                    *rest = after;
                    Node::Maybe(Box::new(node))
                }
                None => node,
            });
        }
    }

    fn ways(&mut self, source: &str, rest: &mut &str) -> Result<Vec<Vec<Node>>, PatternError> {
        let mut ways = Vec::new();
        loop {
            ways.push(self.sequence(source, rest)?);
            if let Some(after) = rest.strip_prefix('|') {
                *rest = after;
            } else if let Some(after) = rest.strip_prefix(')') {
                *rest = after;
                return Ok(ways);
            } else {
                return Err(PatternError::Bracket(source.to_owned()));
            }
        }
    }

    fn single(&mut self, rest: &mut &str) -> Result<Node, PatternError> {
        let end = rest.find([' ', '(', ')', '|', '?']).unwrap_or(rest.len());
        let (word, after) = rest.split_at(end);
        *rest = after;
        match word {
            "^" => Ok(Node::Start),
            "$" => Ok(Node::End),
            ".." => Ok(Node::Gap(4)),
            "..." => Ok(Node::Gap(8)),
            _ => match word.strip_prefix('@') {
                Some(name) => self.set(name),
                None => self.word(word),
            },
        }
    }

    fn word(&mut self, word: &str) -> Result<Node, PatternError> {
        let letters = word.trim_end_matches('*');
        let stand_in = letters.starts_with('<');
        let plain = letters.chars().all(char::is_alphanumeric) && fold(letters) == letters;
        if letters.is_empty() || !(plain || stand_in) {
            return Err(PatternError::Word(word.to_owned()));
        }
        Ok(Node::Word(self.matcher.atom(word)))
    }

    fn set(&mut self, name: &str) -> Result<Node, PatternError> {
        let sets = self.sets;
        let members = sets.get(name).ok_or_else(|| PatternError::UnknownSet(name.to_owned()))?;
        if self.depth == SET_DEPTH {
            return Err(PatternError::Circle(name.to_owned()));
        }
        self.depth += 1;
        let ways = members.iter().map(|member| self.pattern(member)).collect::<Result<_, _>>()?;
        self.depth -= 1;
        Ok(Node::Any(ways))
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
