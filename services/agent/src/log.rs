//! The decision log of a turn: all that is needed to see why, and to decide again
//! without a model, a database or a clock.

use contract::{
    Category, Channel, IdentityLevel, MessageId, Plan, Priority, TicketRef, TurnOutcome,
};
use serde::{Deserialize, Serialize};
use store::turn_context::{Earlier, KnownTicket};
use store::turns::Snapshot;

use crate::model::{Answer, ModelFault, Usage};
use crate::policy::Reading;
use crate::search::Found;

/// Raised when the meaning of a field changes, or what follows from the same fields.
pub const FORMAT: u32 = 2;

/// Everything that a turn saw, and what it made of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TurnLog {
    pub format: u32,
    /// Hash of the policy's files.
    pub policy: String,
    pub model: String,
    pub bounds: Bounds,
    pub inputs: Inputs,
    pub reading: Reading,
    /// In their order; the first is the code's own, on the customer's words.
    pub searches: Vec<Search>,
    /// What was said before in the conversation, where the model was told of it.
    pub earlier: Option<Vec<Earlier>>,
    pub histories: Vec<History>,
    /// SHA-256 of the instructions, where the model read any.
    pub instructions: Option<String>,
    pub rounds: Vec<Round>,
    /// How the rounds ended; `None` where no model was asked.
    pub end: Option<End>,
    pub verdicts: Vec<Verdict>,
    /// For a turn that failed for good: what was tried.
    pub failed: Option<String>,
    pub draft: Draft,
    /// Of all rounds together.
    pub usage: Usage,
}

/// The bounds of a turn that are settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bounds {
    /// Most tokens of all prompts and answers of a turn.
    pub tokens: u32,
    /// Most tokens of one answer.
    pub completion_tokens: u32,
}

/// What a decision depends on, of the conversation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Inputs {
    pub channel: Channel,
    pub ticket_ref: TicketRef,
    pub identity_level: IdentityLevel,
    pub subject: String,
    pub category: Option<Category>,
    pub priority: Option<Priority>,
    pub claimed_plan: Option<Plan>,
    pub plan: Option<Plan>,
    pub customer_name: String,
    pub handled_seq: u64,
    pub has_turns: bool,
    pub replies_are_used_up: bool,
    pub messages: Vec<InputMessage>,
}

/// A message that the turn decides about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InputMessage {
    pub id: MessageId,
    pub seq: u64,
    pub body: String,
    /// Kinds of what came with it or instead of words.
    pub attachments: Vec<String>,
}

impl Inputs {
    /// What was written, the oldest first.
    pub(crate) fn bodies(&self) -> Vec<&str> {
        self.messages.iter().map(|message| message.body.as_str()).collect()
    }

    /// What a decision depends on, of a snapshot.
    pub fn of(now: &Snapshot) -> Self {
        Self {
            channel: now.channel,
            ticket_ref: now.ticket_ref.clone(),
            identity_level: now.identity_level,
            subject: now.subject.clone(),
            category: now.category,
            priority: now.priority,
            claimed_plan: now.claimed_plan,
            plan: now.plan,
            customer_name: now.customer_name.clone(),
            handled_seq: now.handled_seq,
            has_turns: now.has_turns,
            replies_are_used_up: now.replies_are_used_up,
            messages: now
                .messages
                .iter()
                .map(|message| InputMessage {
                    id: message.id,
                    seq: message.seq,
                    body: message.body.clone(),
                    attachments: message.attachments.clone(),
                })
                .collect(),
        }
    }
}

/// A search of the knowledge base and what it found, the best first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Search {
    pub query: String,
    pub found: Vec<Found>,
}

/// What a model was told of the customer's tickets.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct History {
    pub limit: u32,
    pub tickets: Vec<KnownTicket>,
}

/// One answer of the model, and the results of its calls in their order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Round {
    /// SHA-256 of the messages it answered, where the model reads them.
    pub prompt: Option<String>,
    pub answer: Answer,
    pub results: Vec<ToolResult>,
}

/// What a call brought, as the model was told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToolResult {
    pub call_id: String,
    pub is_error: bool,
    /// JSON text.
    pub content: String,
}

/// How the rounds with a model ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum End {
    /// With an answer or a hand-over that may be.
    Concluded,
    /// With words that may not be sent.
    NotSendable,
    /// Neither words nor calls.
    Silent,
    /// Cut at the most tokens.
    Cut,
    /// The model or the server's filter declined.
    Declined,
    TooManyRounds,
    TooManyCalls,
    TooManyTokens,
    OutOfTime,
    /// Calls that mean nothing, are repeated or refused, once too often.
    Broken,
    /// The model cannot be asked this.
    Unusable(ModelFault),
}

/// What was found about words before they could be sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// The words as they were proposed.
    pub text: String,
    /// Why they may not be sent; `None` for words that may.
    pub refused: Option<String>,
}

/// What a turn decided.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Draft {
    pub outcome: TurnOutcome,
    pub reason: String,
    /// Formatted for the channel, message by message; empty when nothing is said.
    pub reply: Vec<String>,
    pub cites: Vec<Citation>,
    pub hand_over: Option<HandOver>,
    pub category: Category,
    pub priority: Priority,
    /// A subject for a ticket that has none.
    pub subject: Option<String>,
}

/// A chunk of the knowledge base that a reply rests on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Citation {
    pub chunk_id: String,
    pub version: i32,
}

/// What the person is told who takes over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HandOver {
    pub person: String,
    pub person_email: Option<String>,
    pub reason: String,
    pub summary: String,
    pub tried: String,
    pub next_step: String,
}
