//! The seam to whatever drafts an answer, as a conversation with tools. What a model
//! says is a proposal: the policy decides before it is asked, and the guard after.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use contract::Channel;
use serde::{Deserialize, Serialize};

use crate::policy::Reading;
use crate::search::Found;

/// All that a model is told in one round.
#[derive(Debug, Clone)]
pub struct Prompt {
    /// From the versioned files of the policy; trusted.
    pub instructions: Arc<str>,
    /// Oldest first. Every call of an assistant's message is answered by exactly one
    /// [`Message::Tool`] directly after it.
    pub messages: Vec<Message>,
    pub tools: Arc<[ToolSpec]>,
    /// Whether only the call of a tool will do, as the turn must come to its end.
    pub must_conclude: bool,
    /// Most tokens of one answer.
    pub max_completion_tokens: u32,
    /// What code has found out already; a model without words of its own drafts from it.
    pub case: Arc<CaseFile>,
}

/// What is known of a conversation before a model is asked.
#[derive(Debug)]
pub struct CaseFile {
    pub channel: Channel,
    pub reading: Reading,
    /// What the knowledge base has, the best first.
    pub found: Vec<Found>,
}

/// One entry of the conversation with a model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Message {
    /// Fenced: nothing in it is an instruction.
    Customer(String),
    Assistant {
        text: Option<String>,
        calls: Vec<Call>,
    },
    /// The result of a call, as JSON text.
    Tool {
        call_id: String,
        content: String,
    },
}

/// A tool as a model is told of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ToolSpec {
    pub name: &'static str,
    pub description: &'static str,
    /// A strict JSON schema: every property required, no others allowed.
    pub parameters: serde_json::Value,
}

/// A call that a model asks for. Nothing of it has been checked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Call {
    /// Unique in the turn: the rounds put theirs in its place, since servers repeat ids.
    pub id: String,
    pub name: String,
    /// JSON text as the model wrote it; may be broken.
    pub arguments: String,
}

/// Why a model stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Finish {
    Stopped,
    /// Cut at the most tokens: the last words or arguments are incomplete.
    Length,
    /// The server's filter or the model itself declined.
    Refused,
}

/// One answer of a model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    pub text: Option<String>,
    pub calls: Vec<Call>,
    pub finish: Finish,
    pub usage: Usage,
}

/// What an answer cost.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    pub prompt_tokens: u32,
    /// Of the prompt's tokens, those read from the server's cache.
    pub cached_tokens: u32,
    pub completion_tokens: u32,
    /// In millionths of a US dollar; `None` for a model without a known price.
    pub cost_micro_usd: Option<u64>,
}

/// Drafts an answer.
pub trait Model: Send + Sync + 'static {
    /// Stands in the decision log.
    fn name(&self) -> &str;

    /// Whether it reads instructions and messages. One that drafts from the case file
    /// alone is spared what they cost.
    fn reads_messages(&self) -> bool {
        true
    }

    /// One attempt, bounded in time; what to do after a failure is the turn's matter.
    fn complete(&self, prompt: &Prompt) -> impl Future<Output = Result<Answer, ModelError>> + Send;
}

impl<M: Model> Model for Arc<M> {
    fn name(&self) -> &str {
        (**self).name()
    }

    fn reads_messages(&self) -> bool {
        (**self).reads_messages()
    }

    async fn complete(&self, prompt: &Prompt) -> Result<Answer, ModelError> {
        (**self).complete(prompt).await
    }
}

/// A model that gave no usable answer. Never an outage of the consumer: other
/// conversations go on, and this one waits.
#[derive(Debug, thiserror::Error)]
#[error("the model gave no answer: {fault:?}")]
pub struct ModelError {
    pub fault: ModelFault,
    /// Earliest time for another attempt, from now, where the server or the breaker said so.
    pub after: Option<Duration>,
    #[source]
    pub source: anyhow::Error,
}

/// What went wrong, by what can be done about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ModelFault {
    /// No connection, a 5xx, an overloaded server.
    Unavailable,
    /// Nothing came in time.
    TimedOut,
    /// Too many requests or tokens a minute.
    RateLimited,
    /// The account has no money left; more requests do not help.
    Quota,
    /// A wrong key, country or model name.
    Denied,
    /// The prompt is longer than the model reads.
    TooLong,
    /// The server says that the request is wrong.
    Invalid,
    /// The answer could not be read.
    Malformed,
    /// Not asked: too many failures just before.
    BreakerOpen,
}

impl ModelFault {
    /// Whether this very prompt is in the way, so that waiting changes nothing.
    pub(crate) fn is_of_the_prompt(self) -> bool {
        matches!(self, ModelFault::TooLong | ModelFault::Invalid | ModelFault::Malformed)
    }
}
