//! The seam to whatever drafts an answer. What a model says is a proposal: the policy
//! decides before it is asked, and the guard after.

use std::future::Future;

use contract::{Channel, Classified, FailureClass};
use serde::Serialize;

use crate::policy::Reading;
use crate::search::Found;

/// All that a model is told.
#[derive(Debug)]
pub struct Prompt<'a> {
    /// Where the answer goes.
    pub channel: Channel,
    pub reading: &'a Reading,
    /// What the knowledge base has, the best first.
    pub found: &'a [Found],
}

/// What a model proposes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Proposal {
    /// Answer with these chunks, by their place in the prompt.
    Cite {
        opening: String,
        body: String,
        chunk: usize,
    },
    /// A short text that needs no source.
    Say(String),
    HandOver {
        reason: String,
    },
}

/// A proposal and what it cost.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Answer {
    pub proposal: Proposal,
    pub prompt_tokens: u32,
    pub completion_tokens: u32,
}

/// Drafts an answer.
pub trait Model: Send + Sync + 'static {
    /// Stands in the decision log.
    fn name(&self) -> &str;

    /// Proposes an answer to one prompt.
    fn complete(
        &self,
        prompt: &Prompt<'_>,
    ) -> impl Future<Output = Result<Answer, ModelError>> + Send;
}

/// A model that gave no usable answer. Never an outage of the consumer: other
/// conversations go on.
#[derive(Debug, thiserror::Error)]
#[error("the model gave no answer")]
pub struct ModelError(#[source] pub anyhow::Error);

impl Classified for ModelError {
    fn class(&self) -> FailureClass {
        FailureClass::Retry
    }
}
