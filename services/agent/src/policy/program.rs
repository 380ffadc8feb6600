//! From the text of a pattern to the steps that match it.

use std::collections::{BTreeMap, HashSet};

use crate::policy::fold::fold;
use crate::policy::pattern::{Atom, Matcher};

/// How deep sets may hold sets.
const SET_DEPTH: usize = 8;

#[derive(Debug, Clone)]
pub(super) enum Node {
    Word(Atom),
    Any(Vec<Vec<Node>>),
    Unless(Vec<Vec<Node>>),
    Maybe(Box<Node>),
    Gap(usize),
    Start,
    End,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
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

/// Collects what a sequence may begin with; true when it may be empty or begin with a gap.
pub(super) fn first_atoms(nodes: &[Node], first: &mut HashSet<Atom>) -> bool {
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

pub(super) fn compile(nodes: &[Node], program: &mut Vec<Step>) {
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

/// Reads the text of a pattern.
pub(super) struct Parser<'a> {
    pub(super) matcher: &'a mut Matcher,
    pub(super) sets: &'a BTreeMap<String, Vec<String>>,
    pub(super) depth: usize,
}

impl Parser<'_> {
    pub(super) fn pattern(&mut self, source: &str) -> Result<Vec<Node>, PatternError> {
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
