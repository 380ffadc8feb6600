//! Where a decision gets what it does not compute: live from database and model, or as
//! it was logged.

use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use contract::{Classified, ConversationId, FailureClass};
use sqlx::PgPool;
use store::turn_context::{self, Earlier, KnownTicket};
use tokio::time::{Instant, timeout_at};

use crate::embedder::EmbedderError;
use crate::knowledge::Searcher;
use crate::log::Inputs;
use crate::logged::LogError;
use crate::model::{Answer, Model, ModelError, ModelFault, Prompt};
use crate::policy::{self, ReadError, Reader, Reading};
use crate::search::Found;
use crate::statements::{StatementError, Statements};
use crate::wordless::new_subject;

/// Why there is no decision.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DraftError {
    #[error(transparent)]
    Statement(#[from] StatementError),
    #[error(transparent)]
    Store(#[from] store::Error),
    #[error(transparent)]
    Log(#[from] LogError),
    /// The turn waits.
    #[error(transparent)]
    Model(#[from] ModelError),
}

impl Classified for DraftError {
    fn class(&self) -> FailureClass {
        match self {
            DraftError::Statement(error) => error.class(),
            DraftError::Store(error) => error.class(),
            DraftError::Model(_) | DraftError::Log(_) => FailureClass::Retry,
        }
    }
}

impl From<ReadError> for DraftError {
    /// Meaning comes from a model too.
    fn from(error: ReadError) -> Self {
        let fault = ModelFault::Unavailable;
        Self::Model(ModelError { fault, after: None, source: error.into() })
    }
}

impl From<EmbedderError> for DraftError {
    /// As for a reading: the turn waits.
    fn from(error: EmbedderError) -> Self {
        ReadError::from(error).into()
    }
}

/// Why a model is not asked further.
#[derive(Debug)]
pub(crate) enum Stop {
    /// The turn's time is over, after an answer at least.
    OutOfTime,
    /// It cannot answer this prompt, now or later.
    Unusable(ModelFault),
    /// There will be no decision now.
    Failed(DraftError),
}

/// What a decision reads and asks.
pub(crate) trait Source: Send + Sync {
    /// The name of the model.
    fn model(&self) -> &str;

    /// As [`Model::reads_messages`].
    fn reads_messages(&self) -> bool;

    /// What the messages mean for the policy.
    fn read(&self, inputs: &Inputs) -> impl Future<Output = Result<Reading, DraftError>> + Send;

    /// What the knowledge base has about each query, in their order.
    fn search(
        &self,
        queries: &[String],
    ) -> impl Future<Output = Result<Vec<Vec<Found>>, DraftError>> + Send;

    /// What was said before in the conversation, the oldest first.
    fn earlier(&self) -> impl Future<Output = Result<Vec<Earlier>, DraftError>> + Send;

    /// The tickets that the writer may know of.
    fn known_tickets(
        &self,
        limit: u32,
    ) -> impl Future<Output = Result<Vec<KnownTicket>, DraftError>> + Send;

    /// The model's answer to a prompt.
    fn complete(&self, prompt: &Prompt) -> impl Future<Output = Result<Answer, Stop>> + Send;
}

/// Most things said before that a model is told of.
const MOST_EARLIER: i64 = 10;

/// The database and the model, for one turn.
pub(crate) struct Live<'a, M> {
    pub(crate) reader: &'a Reader,
    pub(crate) searcher: &'a Searcher,
    pub(crate) statements: &'a Statements,
    pub(crate) pool: &'a PgPool,
    pub(crate) model: &'a M,
    pub(crate) conversation: ConversationId,
    pub(crate) deadline: Instant,
    /// Whether the model has answered in this turn.
    pub(crate) has_answered: AtomicBool,
}

impl<M: Model> Source for Live<'_, M> {
    fn model(&self) -> &str {
        self.model.name()
    }

    fn reads_messages(&self) -> bool {
        self.model.reads_messages()
    }

    async fn read(&self, inputs: &Inputs) -> Result<Reading, DraftError> {
        Ok(self.reader.read(&read_from(inputs, &inputs.bodies())).await?)
    }

    async fn search(&self, queries: &[String]) -> Result<Vec<Vec<Found>>, DraftError> {
        let search = async |query: &String| -> Result<Vec<Found>, DraftError> {
            let question = self.searcher.question(query).await?;
            let mut found = self.statements.search(question).await?;
            for found in &mut found {
                for score in [&mut found.relevance, &mut found.by_words, &mut found.by_meaning] {
                    *score = rounded(*score);
                }
            }
            Ok(found)
        };
        futures::future::try_join_all(queries.iter().map(search)).await
    }

    async fn earlier(&self) -> Result<Vec<Earlier>, DraftError> {
        Ok(turn_context::earlier(self.pool, self.conversation, MOST_EARLIER).await?)
    }

    async fn known_tickets(&self, limit: u32) -> Result<Vec<KnownTicket>, DraftError> {
        Ok(turn_context::known_tickets(self.pool, self.conversation, limit.into()).await?)
    }

    async fn complete(&self, prompt: &Prompt) -> Result<Answer, Stop> {
        match timeout_at(self.deadline, self.model.complete(prompt)).await {
            Ok(Ok(answer)) => {
                self.has_answered.store(true, Ordering::Relaxed);
                Ok(answer)
            }
            Ok(Err(error)) if error.fault.is_of_the_prompt() => Err(Stop::Unusable(error.fault)),
            Ok(Err(error)) => Err(Stop::Failed(error.into())),
            Err(_) if self.has_answered.load(Ordering::Relaxed) => Err(Stop::OutOfTime),
            Err(_) => Err(Stop::Failed(too_slow().into())),
        }
    }
}

/// What the policy reads of a conversation.
pub(crate) fn read_from<'a>(inputs: &'a Inputs, bodies: &'a [&'a str]) -> policy::Inputs<'a> {
    policy::Inputs {
        subject: new_subject(inputs),
        bodies,
        chosen: inputs.category,
        plan: inputs.plan.or(inputs.claimed_plan),
    }
}

/// So that a number reads from the log as it was written.
fn rounded(number: f64) -> f64 {
    (number * 1e6).round() / 1e6 + 0.0
}

fn too_slow() -> ModelError {
    ModelError {
        fault: ModelFault::TimedOut,
        after: Some(Duration::ZERO),
        source: anyhow::anyhow!("no answer within the turn's time"),
    }
}
