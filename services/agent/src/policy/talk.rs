//! What kind of message it is: a question, or talk that no article answers.

use serde::{Deserialize, Serialize};

use crate::policy::findings::Findings;
use crate::policy::pattern::PatternId;

/// What kind of message it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
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

/// Kinds of messages that ask nothing an article could answer.
#[derive(Debug)]
pub(super) struct Talk {
    pub(super) trouble: Vec<PatternId>,
    pub(super) greeting: Vec<PatternId>,
    pub(super) thanks: Vec<PatternId>,
    pub(super) praise: Vec<PatternId>,
    pub(super) feedback: Vec<PatternId>,
    pub(super) wish: Vec<PatternId>,
    pub(super) spam: Vec<PatternId>,
    pub(super) automatic: Vec<PatternId>,
}

/// Words that a friendly sentence may hold beside what makes it friendly.
const FRIENDLY_REST: usize = 4;
/// A longer message is not only thanks or praise.
const FRIENDLY_WORDS: usize = 60;

impl Talk {
    pub(super) fn kind(&self, findings: &Findings<'_>) -> Kind {
        let all = findings.sentences;
        let words: usize = all.iter().map(|sentence| sentence.tokens.len()).sum();
        if words == 0 {
            return Kind::Empty;
        }
        if findings.anywhere(&self.automatic) {
            return Kind::Automatic;
        }
        if findings.anywhere(&self.spam) {
            return Kind::Spam;
        }
        if findings.anywhere(&self.wish) {
            return Kind::Wish;
        }
        let is_question = all.iter().any(|sentence| sentence.is_question);
        if is_question || words > FRIENDLY_WORDS || findings.anywhere(&self.trouble) {
            return Kind::Question;
        }
        let friendly = |patterns: &[PatternId]| {
            all.iter().enumerate().all(|(at, sentence)| {
                let most = findings.longest(patterns, at);
                most.is_some_and(|most| sentence.tokens.len() - most <= FRIENDLY_REST)
            })
        };
        let thanks: Vec<PatternId> =
            self.thanks.iter().chain(&self.greeting).chain(&self.praise).copied().collect();
        match () {
            () if findings.anywhere(&self.praise) => Kind::Praise,
            () if findings.anywhere(&self.feedback) => Kind::Feedback,
            () if friendly(&self.greeting) => Kind::Greeting,
            () if friendly(&thanks) => Kind::Thanks,
            () => Kind::Question,
        }
    }
}
