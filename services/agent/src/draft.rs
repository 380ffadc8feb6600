//! From a conversation to a decided answer, without writing anything: policy first,
//! then knowledge and model, then the guard.

use contract::{Category, Priority, TurnOutcome};
use serde_json::Value;
use store::turns::Snapshot;

use crate::case::Case;
use crate::knowledge::Lexicon;
use crate::model::{Model, ModelError, Prompt};
use crate::policy::{Inputs, Kind, Policy, Reading, Scores};
use crate::reply::format_reply;
use crate::statements::{StatementError, Statements};
use crate::wordless::{is_wordless, new_subject};

/// What a turn decided, before it is written.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Draft {
    pub(crate) outcome: TurnOutcome,
    pub(crate) reason: String,
    /// Formatted for the channel, message by message; empty when nothing is said.
    pub(crate) reply: Vec<String>,
    pub(crate) hand_over: Option<HandOver>,
    pub(crate) category: Category,
    pub(crate) priority: Priority,
    pub(crate) prompt_tokens: u32,
    pub(crate) completion_tokens: u32,
    /// Inputs, findings and texts: enough to see why.
    pub(crate) log: Value,
}

/// What the person is told who takes over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct HandOver {
    pub(crate) person: String,
    pub(crate) person_email: Option<String>,
    pub(crate) reason: String,
    pub(crate) summary: String,
    pub(crate) tried: String,
    pub(crate) next_step: String,
}

/// Why there is no draft.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DraftError {
    #[error(transparent)]
    Statement(#[from] StatementError),
    #[error(transparent)]
    Model(#[from] ModelError),
}

/// What a draft is made with.
pub(crate) struct Drafter<M> {
    pub(crate) policy: std::sync::Arc<Policy>,
    pub(crate) lexicon: Lexicon,
    pub(crate) model: M,
    pub(crate) statements: Statements,
}

impl<M: Model> Drafter<M> {
    /// Decides about all unhandled messages of the snapshot.
    pub(crate) async fn draft(&self, now: &Snapshot) -> Result<Draft, DraftError> {
        let bodies: Vec<&str> = now.messages.iter().map(|message| message.body.as_str()).collect();
        let reading = self.policy.read_again(&inputs(now, &bodies), &Scores::default());
        let case = Case { policy: &self.policy, now, reading: &reading };
        if now.replies_are_used_up && !reading.kind.is_unanswered() {
            return Ok(case.hand_over_in_silence());
        }
        if let Some(hit) = reading.hits.first() {
            let tried = "nothing: the policy sends this to a person at once";
            return Ok(case.hand_over(&hit.reason, tried, &hit.next_step, &[], &Value::Null));
        }
        if is_wordless(now) {
            return Ok(case.wordless());
        }
        match reading.kind {
            Kind::Spam => return Ok(case.no_answer("spam")),
            Kind::Automatic => return Ok(case.no_answer("automatic message")),
            _ => {}
        }
        let found = match reading.kind {
            Kind::Question | Kind::Wish => {
                self.statements.search(self.lexicon.terms(&reading.own_words)).await?
            }
            _ => Vec::new(),
        };
        let prompt = Prompt { channel: now.channel, reading: &reading, found: &found };
        let answer = self.model.complete(&prompt).await?;
        let mut draft = case.decide(&answer.proposal, &found);
        draft.prompt_tokens = answer.prompt_tokens;
        draft.completion_tokens = answer.completion_tokens;
        Ok(draft)
    }

    /// The line for a customer whose conversation a person has.
    pub(crate) fn person_notice(&self, now: &Snapshot) -> Vec<String> {
        let person = now.person.as_deref().unwrap_or("A person from our team");
        let text = self.policy.replies.texts(now.channel).person_notice.replace("{person}", person);
        format_reply(&self.policy, now, "", &text, "", "")
    }

    /// For a turn that failed for good: the customer is never left without an answer.
    pub(crate) fn failed(&self, now: &Snapshot) -> Draft {
        let bodies: Vec<&str> = now.messages.iter().map(|message| message.body.as_str()).collect();
        // A message on which the policy itself fails must not stop the hand-over.
        let read = || self.policy.read_again(&inputs(now, &bodies), &Scores::default());
        let reading = std::panic::catch_unwind(std::panic::AssertUnwindSafe(read));
        let reading = reading.unwrap_or_else(|_| Reading::unread(now.category, now.priority));
        let case = Case { policy: &self.policy, now, reading: &reading };
        if now.replies_are_used_up {
            return case.hand_over_in_silence();
        }
        let reason = "the agent could not prepare an answer";
        case.hand_over_saying(
            &self.policy.replies.texts(now.channel).hand_over.failed,
            reason,
            "preparing an answer failed several times",
            "Read the conversation and answer personally.",
            &[],
            &Value::Null,
        )
    }
}

/// What the policy reads of a conversation.
fn inputs<'a>(now: &'a Snapshot, bodies: &'a [&'a str]) -> Inputs<'a> {
    Inputs {
        subject: new_subject(now),
        bodies,
        chosen: now.category,
        plan: now.plan.or(now.claimed_plan),
    }
}
