//! Which patterns were found in which sentence.

use std::collections::HashMap;

use crate::policy::pattern::{Match, PatternId};
use crate::policy::text::Sentence;

/// Patterns found, by pattern and sentence.
pub(super) struct Findings<'a> {
    pub(super) sentences: &'a [Sentence],
    found: HashMap<(PatternId, usize), &'a Match>,
}

impl<'a> Findings<'a> {
    pub(super) fn new(sentences: &'a [Sentence], matches: &'a [Match]) -> Self {
        let found = matches.iter().map(|found| ((found.pattern, found.sentence), found)).collect();
        Self { sentences, found }
    }

    pub(super) fn in_sentence(&self, patterns: &[PatternId], sentence: usize) -> Option<&'a Match> {
        patterns.iter().find_map(|pattern| self.found.get(&(*pattern, sentence)).copied())
    }

    /// Tokens of the longest match in a sentence.
    pub(super) fn longest(&self, patterns: &[PatternId], sentence: usize) -> Option<usize> {
        let found = patterns.iter().filter_map(|pattern| self.found.get(&(*pattern, sentence)));
        found.map(|found| found.to - found.from).max()
    }

    pub(super) fn anywhere(&self, patterns: &[PatternId]) -> bool {
        (0..self.sentences.len()).any(|sentence| self.in_sentence(patterns, sentence).is_some())
    }

    pub(super) fn count(&self, patterns: &[PatternId]) -> usize {
        let is_found = |pattern: &&PatternId| self.anywhere(std::slice::from_ref(*pattern));
        patterns.iter().filter(is_found).count()
    }

    /// Where a match stands in the text, in bytes.
    pub(super) fn span(&self, found: &Match) -> Option<(usize, usize)> {
        let matched = self.sentences.get(found.sentence)?.tokens.get(found.from..found.to)?;
        Some((matched.first()?.start, matched.last()?.end))
    }
}
